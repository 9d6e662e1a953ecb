// Reads what was used: for one person, or for all by those who may (the api layer asks that).
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "store/usage.h"

namespace maru::service {

// Thread-safe. Waits for the disk.
class UsageReport {
 public:
  UsageReport(std::shared_ptr<store::Database> database, std::string currency)
      : database_(std::move(database)), currency_(std::move(currency)) {}

  // As store::sum_usage.
  Result<std::vector<store::UsageSum>> sum(const store::UsageFilter& filter, int64_t width_ms,
                                           const store::UsageGrouping& grouping) const;
  std::string currency() const {  // "usd"
    const std::lock_guard lock(mutex_);
    return currency_;
  }
  void set_currency(std::string currency) {
    const std::lock_guard lock(mutex_);
    currency_ = std::move(currency);
  }

 private:
  std::shared_ptr<store::Database> database_;
  mutable std::mutex mutex_;
  std::string currency_;
};

// A head of columns, then a line for each sum (RFC 4180; times as 2026-01-31T00:00:00Z).
std::string usage_csv(const std::vector<store::UsageSum>& sums, const std::string& currency);

// Unix milliseconds as "2026-01-31" or "2026-01-31T12:00:00Z".
std::string print_day(int64_t time);
std::string print_time(int64_t time);

}  // namespace maru::service
