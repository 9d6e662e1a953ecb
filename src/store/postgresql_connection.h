// One connection to a PostgreSQL server: values, results, errors. Used by one thread at a time; its
// owner sees to that (store/postgresql.cpp). Statements are sent unprepared, and nothing lives
// longer than a transaction but settings, so that a pooler between may hand connections round.
#pragma once

#include <libpq-fe.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/database.h"
#include "store/postgresql_target.h"

namespace maru::store {

class PostgresqlConnection {
 public:
  // `target` outlives the connection. Errors: kUnavailable.
  static Result<std::unique_ptr<PostgresqlConnection>> open(const PostgresqlTarget& target,
                                                            bool is_reader);
  PostgresqlConnection(const PostgresqlConnection&) = delete;
  PostgresqlConnection& operator=(const PostgresqlConnection&) = delete;

  Result<std::vector<Row>> query(std::string_view sql, std::span<const Value> parameters);
  Result<int64_t> execute(std::string_view sql, std::span<const Value> parameters);
  // Statements without parameters and results.
  Status run(const std::string& sql);

  // Begins a transaction by `begin`. After an error none is open.
  Status begin(const std::string& begin);
  // Runs `work` in the transaction that was begun, and commits; undoes it all if anything failed.
  Status finish(const std::function<Status(Transaction&)>& work);

  // The server, or the way to it, is gone: good for nothing any more.
  bool is_lost() const { return PQstatus(handle_.get()) != CONNECTION_OK; }
  // The last transaction failed for others who changed the same: it may be tried again.
  bool was_outrun() const { return state_ == "40001" || state_ == "40P01"; }

 private:
  struct Finish {
    void operator()(PGconn* handle) const { PQfinish(handle); }
  };
  struct Clear {
    void operator()(PGresult* result) const { PQclear(result); }
  };
  using Answer = std::unique_ptr<PGresult, Clear>;

  PostgresqlConnection(const PostgresqlTarget& target, bool is_reader)
      : target_(target), is_reader_(is_reader) {}
  Status configure();
  Result<Answer> send(std::string_view sql, std::span<const Value> parameters);
  // Remembers the state of a failed answer and says what went wrong.
  Error error(const PGresult* answer, std::string_view sql);
  void undo();

  const PostgresqlTarget& target_;
  const bool is_reader_;
  std::unique_ptr<PGconn, Finish> handle_;
  std::string state_;  // SQLSTATE of the last error of this transaction
};

}  // namespace maru::store
