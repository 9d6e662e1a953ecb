// What each admitted request used: one row a request, never a word of its text. Times are unix
// milliseconds; costs are millionths of the currency unit (micros).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "store/database.h"
#include "store/prices.h"

namespace maru::store {

struct UsageRow {
  std::string id;                           // of the answer: "chatcmpl-..."
  std::string request_id;                   // of the HTTP request; a client may have chosen it
  std::string user_id, key_id, project_id;  // key and project: "" for none
  std::string model;
  int64_t opened_at = 0, updated_at = 0;
  std::optional<int64_t> closed_at;
  std::string outcome;  // "" while it is open
  int64_t tokens_in = 0, tokens_cached = 0;
  int64_t tokens_out = 0;  // while it is open: written ahead of what is given out
  int64_t tokens_reasoning = 0;
  std::optional<int64_t> first_token_ms, total_ms;  // since admission
  Price price;                                      // in force at admission
  int64_t cost_micros = 0;
};

Status insert_usage(Transaction& transaction, const UsageRow& row);
// Writes what changes after admission, found by id. Nothing happens if there is no such row.
Status update_usage(Transaction& transaction, const UsageRow& row);
// For a request that was refused after all.
Status remove_usage(Transaction& transaction, const std::string& id);
// Closes what a crash left open, with outcome "interrupted". Gives their number.
Result<int64_t> close_interrupted_usage(Transaction& transaction, int64_t now);

struct UsageFilter {
  int64_t begin = 0;                                                // opened_at >= begin
  int64_t end = 0;                                                  // opened_at < end
  std::vector<std::string> user_ids, key_ids, project_ids, models;  // empty: all
};

// The newest first, at most `limit`.
Result<std::vector<UsageRow>> list_usage(Transaction& transaction, const UsageFilter& filter,
                                         size_t limit);

struct UsageGrouping {
  bool by_user = false, by_key = false, by_project = false, by_model = false;
};

struct UsageSum {
  int64_t bucket = 0;                              // its beginning; 0 without buckets
  std::string user_id, key_id, project_id, model;  // "" where not grouped by it
  int64_t n_requests = 0;
  int64_t tokens_in = 0, tokens_cached = 0, tokens_out = 0, tokens_reasoning = 0;
  int64_t cost_micros = 0;
  // Of the requests that gave a token and ended: how many, and the sums of their times.
  int64_t n_timed = 0, first_token_ms = 0, total_ms = 0;
};

// Sums by time (in buckets of `width_ms` that begin at multiples of it; 0: all in one) and by
// `grouping`, in this order. Combinations without a request are left out.
Result<std::vector<UsageSum>> sum_usage(Transaction& transaction, const UsageFilter& filter,
                                        int64_t width_ms, const UsageGrouping& grouping);

// Sums of `begin` <= opened_at by group, over those who are in it now.
Result<std::vector<std::pair<std::string, UsageSum>>> sum_usage_by_group(Transaction& transaction,
                                                                         int64_t begin);

// What the closed requests of a model took. Requests that were refused or cut by a crash are left
// out, and those that gave no token.
struct ModelTimes {
  std::string model;
  int64_t n_requests = 0;
  int64_t tokens_in = 0;  // without those from the cache
  int64_t tokens_out = 0;
  int64_t first_token_ms = 0, rest_ms = 0;  // sums over requests
  int64_t busy_ms = 0;                      // in which at least one of them ran
};

// Of those admitted from `begin` on, by model.
Result<std::vector<ModelTimes>> sum_model_times(Transaction& transaction, int64_t begin);

}  // namespace maru::store
