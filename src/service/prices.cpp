#include "service/prices.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

namespace maru::service {
namespace {

constexpr int64_t kMillion = 1'000'000;
// Per million tokens: far above any price, and far below what overflows when multiplied.
constexpr int64_t kMaxPriceMicros = 1'000'000 * kMillion;
constexpr size_t kDecimals = 6;

// 10^12 micros times 10^9 tokens do not fit into 64 bits.
__extension__ using Product = __int128;

Error bad_money(const std::string& text, const std::string& param) {
  return {ErrorCode::kInvalidArgument, fmt::format("\"{}\" is no amount of money", text),
          "write it as 12.50: at most six decimals, at most a million", param,
          Reason{"amount_bad", {{"text", text}}}};
}

}  // namespace

PriceTable::PriceTable(const std::vector<store::PriceRow>& rows) {
  for (const store::PriceRow& row : rows) by_model_[row.model][row.valid_from] = row.price;
}

store::Price PriceTable::at(const std::string& model, int64_t time) const {
  const auto found = by_model_.find(model);
  if (found == by_model_.end()) return {};
  const auto next = found->second.upper_bound(time);
  if (next == found->second.begin()) return {};
  return std::prev(next)->second;
}

int64_t cost_micros(const store::Price& price, const TokenCounts& tokens) {
  const auto of = [](int64_t n, int64_t micros) {
    return static_cast<Product>(n) * static_cast<Product>(micros);
  };
  const Product total = of(tokens.in - tokens.cached, price.in_micros) +
                        of(tokens.cached, price.cached_micros) + of(tokens.out, price.out_micros);
  return static_cast<int64_t>((total + kMillion / 2) / kMillion);
}

Result<store::Price> price_by_formula(const PriceFormula& f) {
  if (!(f.tokens_in_per_second > 0) || !(f.tokens_out_per_second > 0) || !(f.utilisation > 0) ||
      !(f.hardware_years > 0)) {
    return Error{ErrorCode::kInvalidArgument,
                 "the formula needs speeds, years and a utilisation above 0",
                 "maru bench measures the speeds", "", Reason{"price_formula_bad"}};
  }
  constexpr double kJoulesPerKwh = 3.6e6;
  constexpr double kSecondsPerYear = 365.25 * 86'400;
  const double per_second = f.watts * f.electricity_per_kwh / kJoulesPerKwh +
                            f.hardware_price / (f.hardware_years * kSecondsPerYear * f.utilisation);
  // Per million tokens, in millionths.
  const double in = per_second / f.tokens_in_per_second * 1e12;
  const double out = per_second / f.tokens_out_per_second * 1e12;
  if (!(in >= 0 && in <= static_cast<double>(kMaxPriceMicros)) ||
      !(out >= 0 && out <= static_cast<double>(kMaxPriceMicros))) {
    return Error{ErrorCode::kInvalidArgument, "the formula's price is out of range",
                 "look at the speeds and prices", "", Reason{"price_formula_bad"}};
  }
  return store::Price{std::llround(in), 0, std::llround(out)};
}

Result<int64_t> parse_money(const std::string& text, const std::string& param) {
  const size_t point = text.find('.');
  const std::string_view whole = std::string_view(text).substr(0, point);
  std::string decimals = point == std::string::npos ? "" : text.substr(point + 1);
  const bool has_digits = !whole.empty() && (point == std::string::npos || !decimals.empty()) &&
                          decimals.size() <= kDecimals;
  const bool only_digits =
      (std::string(whole) + decimals).find_first_not_of("0123456789") == std::string::npos;
  if (!has_digits || !only_digits || whole.size() > 7) return bad_money(text, param);
  decimals.resize(kDecimals, '0');
  int64_t units = 0, parts = 0;
  std::from_chars(whole.data(), whole.data() + whole.size(), units);
  std::from_chars(decimals.data(), decimals.data() + decimals.size(), parts);
  const int64_t micros = units * kMillion + parts;
  if (micros > kMaxPriceMicros) return bad_money(text, param);
  return micros;
}

std::string print_money(int64_t micros) {
  const bool is_negative = micros < 0;
  const int64_t amount = is_negative ? -micros : micros;
  std::string text = fmt::format("{}.{:06}", amount / kMillion, amount % kMillion);
  while (text.ends_with('0') && text[text.size() - 3] != '.') text.pop_back();
  return (is_negative ? "-" : "") + text;
}

}  // namespace maru::service
