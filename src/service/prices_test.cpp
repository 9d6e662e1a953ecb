#include "service/prices.h"

#include <gtest/gtest.h>

namespace maru::service {
namespace {

TEST(Prices, TheLatestThatHasBegunIsInForce) {
  const PriceTable table(
      {{"1", "m", {1, 1, 1}, 100, "manual"}, {"2", "m", {2, 2, 2}, 200, "formula"}});
  EXPECT_EQ(table.at("m", 99), store::Price());
  EXPECT_EQ(table.at("m", 100).in_micros, 1);
  EXPECT_EQ(table.at("m", 199).in_micros, 1);
  EXPECT_EQ(table.at("m", 200).in_micros, 2);
  EXPECT_EQ(table.at("n", 200), store::Price());
}

TEST(Prices, CostsAreRoundedOnce) {
  const store::Price price{2'500'000, 1'250'000, 10'000'000};
  EXPECT_EQ(cost_micros(price, {1000, 200, 50, 0}), 800 * 25 / 10 + 200 * 125 / 100 + 500);
  EXPECT_EQ(cost_micros({500'000, 0, 0}, {1, 0, 0, 0}), 1);
  EXPECT_EQ(cost_micros({499'999, 0, 0}, {1, 0, 0, 0}), 0);
  EXPECT_EQ(cost_micros({1'000'000'000'000, 0, 0}, {1'000'000'000, 0, 0, 0}),
            1'000'000'000'000'000);
}

TEST(Prices, TheFormulaIsThatOfTheDocs) {
  PriceFormula formula;
  formula.electricity_per_kwh = 0.30;
  formula.watts = 180;
  formula.hardware_price = 2400;
  formula.hardware_years = 4;
  formula.tokens_in_per_second = 900;
  formula.tokens_out_per_second = 110;
  const auto price = price_by_formula(formula);
  ASSERT_TRUE(price);
  EXPECT_EQ(*price, (store::Price{37'792, 0, 309'208}));
  formula.tokens_in_per_second = 0;
  EXPECT_FALSE(price_by_formula(formula));
  formula.tokens_in_per_second = 1e-9F;
  EXPECT_FALSE(price_by_formula(formula));
}

TEST(Prices, MoneyIsReadAndPrintedExactly) {
  EXPECT_EQ(*parse_money("0.15", ""), 150'000);
  EXPECT_EQ(*parse_money("12", ""), 12'000'000);
  EXPECT_EQ(*parse_money("0.000001", ""), 1);
  for (const char* bad : {"", ".5", "1.", "-1", "1e3", "0.0000001", "1,5", "99999999", " 1"}) {
    EXPECT_FALSE(parse_money(bad, "in")) << bad;
  }
  EXPECT_EQ(print_money(150'000), "0.15");
  EXPECT_EQ(print_money(12'000'000), "12.00");
  EXPECT_EQ(print_money(-1), "-0.000001");
}

}  // namespace
}  // namespace maru::service
