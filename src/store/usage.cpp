#include "store/usage.h"

#include <fmt/format.h>

#include "store/columns.h"

namespace maru::store {
namespace {

constexpr const char* kColumns =
    "id, request_id, user_id, key_id, project_id, model, opened_at, updated_at, closed_at, "
    "outcome, "
    "tokens_in, tokens_cached, tokens_out, tokens_reasoning, first_token_ms, total_ms, "
    "price_in, price_cached, price_out, cost_micros";

UsageRow read_row(const Row& row) {
  UsageRow out;
  out.id = row.text(0);
  out.request_id = row.text(1);
  out.user_id = row.text(2);
  out.key_id = row.text(3);
  out.project_id = row.text(4);
  out.model = row.text(5);
  out.opened_at = row.integer(6);
  out.updated_at = row.integer(7);
  out.closed_at = optional_integer(row, 8);
  out.outcome = row.text_or_empty(9);
  out.tokens_in = row.integer(10);
  out.tokens_cached = row.integer(11);
  out.tokens_out = row.integer(12);
  out.tokens_reasoning = row.integer(13);
  out.first_token_ms = optional_integer(row, 14);
  out.total_ms = optional_integer(row, 15);
  out.price = {row.integer(16), row.integer(17), row.integer(18)};
  out.cost_micros = row.integer(19);
  return out;
}

struct Condition {
  std::string sql = " WHERE opened_at >= ? AND opened_at < ?";
  std::vector<Value> parameters;

  explicit Condition(const UsageFilter& filter) : parameters{filter.begin, filter.end} {
    one_of("user_id", filter.user_ids);
    one_of("key_id", filter.key_ids);
    one_of("project_id", filter.project_ids);
    one_of("model", filter.models);
  }

  void one_of(const char* column, const std::vector<std::string>& values) {
    if (values.empty()) return;
    sql += fmt::format(" AND {} IN (", column);
    for (size_t i = 0; i < values.size(); ++i) {
      sql += i == 0 ? "?" : ", ?";
      parameters.emplace_back(values[i]);
    }
    sql += ")";
  }
};

Status without_count(Result<int64_t> result) {
  if (!result) return std::move(result).error();
  return {};
}

// A sum is NUMERIC in PostgreSQL.
constexpr std::string_view kSums =
    "COUNT(*), CAST(SUM(tokens_in) AS BIGINT), CAST(SUM(tokens_cached) AS BIGINT), "
    "CAST(SUM(tokens_out) AS BIGINT), CAST(SUM(tokens_reasoning) AS BIGINT), "
    "CAST(SUM(cost_micros) AS BIGINT), "
    "CAST(SUM(CASE WHEN first_token_ms + total_ms IS NULL THEN 0 ELSE 1 END) AS BIGINT), "
    "CAST(SUM(CASE WHEN total_ms IS NULL THEN 0 ELSE COALESCE(first_token_ms, 0) END) AS BIGINT), "
    "CAST(SUM(CASE WHEN first_token_ms IS NULL THEN 0 ELSE COALESCE(total_ms, 0) END) AS BIGINT)";

void read_sums(const Row& row, size_t first, UsageSum& sum) {
  sum.n_requests = row.integer(first);
  sum.tokens_in = row.integer(first + 1);
  sum.tokens_cached = row.integer(first + 2);
  sum.tokens_out = row.integer(first + 3);
  sum.tokens_reasoning = row.integer(first + 4);
  sum.cost_micros = row.integer(first + 5);
  sum.n_timed = row.integer(first + 6);
  sum.first_token_ms = row.integer(first + 7);
  sum.total_ms = row.integer(first + 8);
}

}  // namespace

Status insert_usage(Transaction& transaction, const UsageRow& row) {
  return without_count(transaction.execute(
      fmt::format(
          "INSERT INTO usage ({}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
          "?, ?, ?)",
          kColumns),
      {row.id,
       row.request_id,
       row.user_id,
       row.key_id,
       row.project_id,
       row.model,
       row.opened_at,
       row.updated_at,
       integer_or_null(row.closed_at),
       text_or_null(row.outcome),
       row.tokens_in,
       row.tokens_cached,
       row.tokens_out,
       row.tokens_reasoning,
       integer_or_null(row.first_token_ms),
       integer_or_null(row.total_ms),
       row.price.in_micros,
       row.price.cached_micros,
       row.price.out_micros,
       row.cost_micros}));
}

Status update_usage(Transaction& transaction, const UsageRow& row) {
  return without_count(transaction.execute(
      "UPDATE usage SET updated_at = ?, closed_at = ?, outcome = ?, tokens_cached = ?, "
      "tokens_out = ?, tokens_reasoning = ?, first_token_ms = ?, total_ms = ?, cost_micros = ? "
      "WHERE id = ?",
      {row.updated_at, integer_or_null(row.closed_at), text_or_null(row.outcome), row.tokens_cached,
       row.tokens_out, row.tokens_reasoning, integer_or_null(row.first_token_ms),
       integer_or_null(row.total_ms), row.cost_micros, row.id}));
}

Status remove_usage(Transaction& transaction, const std::string& id) {
  return without_count(transaction.execute("DELETE FROM usage WHERE id = ?", {id}));
}

Result<int64_t> close_interrupted_usage(Transaction& transaction, int64_t now) {
  return transaction.execute(
      "UPDATE usage SET closed_at = ?, outcome = 'interrupted', total_ms = updated_at - opened_at "
      "WHERE closed_at IS NULL",
      {now});
}

Result<std::vector<UsageRow>> list_usage(Transaction& transaction, const UsageFilter& filter,
                                         size_t limit) {
  const Condition condition(filter);
  MARU_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      transaction.query(fmt::format("SELECT {} FROM usage{} ORDER BY opened_at DESC, id LIMIT {}",
                                    kColumns, condition.sql, limit),
                        std::span<const Value>(condition.parameters)));
  std::vector<UsageRow> out;
  out.reserve(rows.size());
  for (const Row& row : rows) out.push_back(read_row(row));
  return out;
}

Result<std::vector<UsageSum>> sum_usage(Transaction& transaction, const UsageFilter& filter,
                                        int64_t width_ms, const UsageGrouping& grouping) {
  // Literals, not parameters: PostgreSQL must see the same expression in SELECT and GROUP BY.
  const std::string bucket =
      width_ms > 0 ? fmt::format("opened_at / {0} * {0}", width_ms) : "CAST(0 AS BIGINT)";
  std::vector<std::pair<const char*, std::string UsageSum::*>> columns;
  if (grouping.by_user) columns.emplace_back("user_id", &UsageSum::user_id);
  if (grouping.by_key) columns.emplace_back("key_id", &UsageSum::key_id);
  if (grouping.by_project) columns.emplace_back("project_id", &UsageSum::project_id);
  if (grouping.by_model) columns.emplace_back("model", &UsageSum::model);
  std::string groups = "1";
  std::string selected = bucket;
  for (size_t i = 0; i < columns.size(); ++i) {
    groups += fmt::format(", {}", i + 2);
    selected += fmt::format(", {}", columns[i].first);
  }
  const Condition condition(filter);
  MARU_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      transaction.query(fmt::format("SELECT {}, {} FROM usage{} GROUP BY {} ORDER BY {}", selected,
                                    kSums, condition.sql, groups, groups),
                        std::span<const Value>(condition.parameters)));
  std::vector<UsageSum> out;
  for (const Row& row : rows) {
    UsageSum sum;
    sum.bucket = row.integer(0);
    for (size_t i = 0; i < columns.size(); ++i) sum.*columns[i].second = row.text(i + 1);
    read_sums(row, columns.size() + 1, sum);
    out.push_back(std::move(sum));
  }
  return out;
}

Result<std::vector<std::pair<std::string, UsageSum>>> sum_usage_by_group(Transaction& transaction,
                                                                         int64_t begin) {
  MARU_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      transaction.query(fmt::format("SELECT group_id, {} FROM usage JOIN group_members ON "
                                    "group_members.user_id = usage.user_id WHERE opened_at >= ? "
                                    "GROUP BY group_id",
                                    kSums),
                        {begin}));
  std::vector<std::pair<std::string, UsageSum>> out;
  for (const Row& row : rows) {
    UsageSum sum;
    read_sums(row, 1, sum);
    out.emplace_back(row.text(0), sum);
  }
  return out;
}

Result<std::vector<ModelTimes>> sum_model_times(Transaction& transaction, int64_t begin) {
  // `reached`: up to when requests that began before were running.
  MARU_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      transaction.query(
          "SELECT model, COUNT(*), CAST(SUM(tokens_in - tokens_cached) AS BIGINT), "
          "CAST(SUM(tokens_out) AS BIGINT), CAST(SUM(first_token_ms) AS BIGINT), "
          "CAST(SUM(total_ms - first_token_ms) AS BIGINT), "
          "CAST(SUM(CASE WHEN reached IS NULL OR reached <= opened_at THEN total_ms "
          "WHEN opened_at + total_ms > reached THEN opened_at + total_ms - reached "
          "ELSE 0 END) AS BIGINT) "
          "FROM (SELECT model, tokens_in, tokens_cached, tokens_out, first_token_ms, total_ms, "
          "opened_at, MAX(opened_at + total_ms) OVER (PARTITION BY model ORDER BY opened_at, id "
          "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reached FROM usage "
          "WHERE opened_at >= ? AND closed_at IS NOT NULL AND first_token_ms IS NOT NULL AND "
          "outcome NOT IN ('failed', 'interrupted')) AS ran GROUP BY model ORDER BY model",
          {begin}));
  std::vector<ModelTimes> out;
  for (const Row& row : rows) {
    out.push_back({row.text(0), row.integer(1), row.integer(2), row.integer(3), row.integer(4),
                   row.integer(5), row.integer(6)});
  }
  return out;
}

}  // namespace maru::store
