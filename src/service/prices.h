// What tokens cost. Money is counted in micros: millionths of the currency unit.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "store/prices.h"

namespace maru::service {

// Immutable.
class PriceTable {
 public:
  PriceTable() = default;
  explicit PriceTable(const std::vector<store::PriceRow>& rows);

  // In force at that time (unix milliseconds); nothing costs nothing.
  store::Price at(const std::string& model, int64_t time) const;

 private:
  std::map<std::string, std::map<int64_t, store::Price>> by_model_;  // by valid_from
};

struct TokenCounts {
  int64_t in = 0;
  int64_t cached = 0;  // of `in`
  int64_t out = 0;
  int64_t reasoning = 0;  // of `out`
};

// Rounded to the nearest micro.
int64_t cost_micros(const store::Price& price, const TokenCounts& tokens);

// What a model on one's own machine costs: electricity while it computes, and the machine itself
// over the years that it runs.
struct PriceFormula {
  double electricity_per_kwh = 0;
  double watts = 0;  // while it computes
  double hardware_price = 0;
  double hardware_years = 0;
  double utilisation = 1;  // share of those years in which it computes
  double tokens_in_per_second = 0, tokens_out_per_second = 0;
};

// Tokens from the cache cost nothing: nothing is computed. Errors: kInvalidArgument (a speed or a
// share that is not above 0, a price too large to count).
Result<store::Price> price_by_formula(const PriceFormula& formula);

// "0.15" -> 150000. At most six decimals. Errors: kInvalidArgument, with `param`.
Result<int64_t> parse_money(const std::string& text, const std::string& param);
// 150000 -> "0.15"; at least two decimals.
std::string print_money(int64_t micros);

}  // namespace maru::service
