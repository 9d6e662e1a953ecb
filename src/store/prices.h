// Prices of models, in micros (millionths of the currency unit) per million tokens, each from a
// time on. A price that was in force is never changed: the next one begins later.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "store/database.h"

namespace maru::store {

struct Price {
  int64_t in_micros = 0, cached_micros = 0, out_micros = 0;
  bool operator==(const Price&) const = default;
};

struct PriceRow {
  std::string id;
  std::string model;
  Price price;
  int64_t valid_from = 0;  // unix milliseconds
  std::string source;      // "manual" or "formula"
};

// Errors: kConflict if the model has a price from that very time on.
Status add_price(Transaction& transaction, const PriceRow& row);
Status remove_price(Transaction& transaction, const std::string& id);
// By model, then by valid_from.
Result<std::vector<PriceRow>> list_prices(Transaction& transaction);

}  // namespace maru::store
