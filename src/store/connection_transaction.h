// Inside store only: the work of one transaction on a connection of either database.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "store/database.h"

namespace maru::store {

// Remembers the first statement that failed: all after it end with its error (database.h). Not
// thread-safe, as the connection.
template <class Connection, bool kIsPostgresql>
class ConnectionTransaction final : public Transaction {
 public:
  explicit ConnectionTransaction(Connection& connection) : connection_(connection) {}

  using Transaction::execute;
  using Transaction::query;
  Result<std::vector<Row>> query(std::string_view sql, std::span<const Value> parameters) override {
    if (failure_) return *failure_;
    return note(connection_.query(sql, parameters));
  }
  Result<int64_t> execute(std::string_view sql, std::span<const Value> parameters) override {
    if (failure_) return *failure_;
    return note(connection_.execute(sql, parameters));
  }
  bool is_postgresql() const override { return kIsPostgresql; }
  const std::optional<Error>& failure() const { return failure_; }

 private:
  template <class T>
  Result<T> note(Result<T> result) {
    if (!result) failure_ = result.error();
    return result;
  }

  Connection& connection_;
  std::optional<Error> failure_;
};

}  // namespace maru::store
