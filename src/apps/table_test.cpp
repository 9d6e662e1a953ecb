#include "apps/table.h"

#include <gtest/gtest.h>

#include <clocale>

namespace maru::apps {
namespace {

TEST(Table, ColumnsAreAsWideAsWhatTheyShow) {
  std::setlocale(LC_CTYPE, "C.UTF-8");
  EXPECT_EQ(display_width("마루"), 4u);
  EXPECT_EQ(print_table({{"모델", "n"}, {"a", "12"}, {"bcdefg", "3"}}),
            "모델     n\n"
            "a       12\n"
            "bcdefg   3\n");
}

TEST(Table, BarsAreInEighths) {
  EXPECT_EQ(print_bar(8, 8, 2), "██");
  EXPECT_EQ(print_bar(4, 8, 2), "█");
  EXPECT_EQ(print_bar(1, 16, 2), "▏");
  EXPECT_EQ(print_bar(0, 8, 2), "");
  EXPECT_EQ(print_bar(1, 0, 2), "");
}

TEST(Table, CountsAreGrouped) {
  EXPECT_EQ(print_count(0), "0");
  EXPECT_EQ(print_count(999), "999");
  EXPECT_EQ(print_count(1234567), "1,234,567");
  EXPECT_EQ(print_count(-123456), "-123,456");
}

}  // namespace
}  // namespace maru::apps
