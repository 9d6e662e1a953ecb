// What admins decide about spending: prices of models, and limits. Every change is recorded with
// it. A running Metering (service/metering.h) knows of a change within two seconds, whoever made
// it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "service/audit.h"
#include "service/prices.h"
#include "store/limits.h"
#include "store/usage.h"

namespace maru::service {

// How fast a model of this machine was, by its rows.
struct ModelSpeed {
  std::string model;
  int64_t n_requests = 0;
  double busy_seconds = 0;  // in which at least one request ran
  // Of the machine, all requests together. 0: nothing to measure by.
  double tokens_in_per_second = 0, tokens_out_per_second = 0;
};
// The busy time is shared out between prompts and answers as the requests' own times are.
ModelSpeed model_speed(const store::ModelTimes& times);

struct PriceWish {
  std::string model;
  store::Price price;
  std::optional<int64_t> valid_from;  // unix milliseconds; none: now
  std::string source = "manual";
};

// Thread-safe; waits for the disk. Errors: kInvalidArgument and kConflict with `param`, kNotFound,
// those of the store.
class SpendingRules {
 public:
  explicit SpendingRules(std::shared_ptr<AuditLog> log, Clock clock = unix_milliseconds);

  Result<std::vector<store::PriceRow>> list_prices() const;
  Result<store::PriceRow> add_price(const std::string& actor, const PriceWish& wish);
  // Speeds that are 0 are those measured in the last `n_days`. Errors: kConflict if nothing was.
  Result<store::PriceRow> add_price_by_formula(const std::string& actor, PriceWish wish,
                                               PriceFormula formula, int64_t n_days);
  // Only of a price that has not begun: others were paid by. Errors: kConflict.
  Status remove_price(const std::string& actor, const std::string& id);
  // Of every model with closed rows in the last `n_days`, by name.
  Result<std::vector<ModelSpeed>> measure_speeds(int64_t n_days) const;

  Result<std::vector<store::LimitRow>> list_limits() const;
  Status set_limit(const std::string& actor, const store::LimitRow& limit);
  Status remove_limit(const std::string& actor, const store::LimitRow& limit);

 private:
  std::shared_ptr<AuditLog> log_;
  std::shared_ptr<store::Database> database_;
  Clock clock_;
};

// A limit as people write it: money as "12.50", the rest as whole numbers. Errors:
// kInvalidArgument, with `param` ("kind", "id", "name", "value").
Result<store::LimitRow> read_limit(const std::string& kind, const std::string& id,
                                   const std::string& name, const std::string& value);
std::string print_limit_value(const store::LimitRow& limit);

}  // namespace maru::service
