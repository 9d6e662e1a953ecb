#include "store/postgresql_connection.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>

#include "store/connection_transaction.h"
#include "store/parameters.h"
#include "store/postgresql_error.h"

namespace maru::store {
namespace {

// Object ids of built-in types (catalog/pg_type.dat), which never change.
constexpr Oid kBool = 16, kBytea = 17, kInt8 = 20, kInt2 = 21, kInt4 = 23, kText = 25, kOid = 26,
              kFloat4 = 700, kFloat8 = 701, kNumeric = 1700;

// Parameters as libpq takes them: numbers as text, the rest as it is.
struct Parameters {
  std::vector<std::string> numbers;
  std::vector<Oid> types;
  std::vector<const char*> values;
  std::vector<int> lengths, formats;

  explicit Parameters(std::span<const Value> given) {
    numbers.reserve(given.size());  // pointers into it stay good
    for (const Value& value : given) std::visit(*this, value);
  }
  void operator()(std::monostate) { add(0, nullptr, 0, 0); }
  void operator()(int64_t value) { add_number(kInt8, fmt::format("{}", value)); }
  void operator()(double value) { add_number(kFloat8, fmt::format("{}", value)); }
  void operator()(const std::string& value) { add(kText, value.data(), value.size(), 1); }
  void operator()(const Blob& value) { add(kBytea, value.bytes.data(), value.bytes.size(), 1); }

 private:
  void add_number(Oid type, std::string text) {
    numbers.push_back(std::move(text));
    add(type, numbers.back().c_str(), numbers.back().size(), 0);
  }
  void add(Oid type, const char* value, size_t size, int format) {
    types.push_back(type);
    values.push_back(value);
    lengths.push_back(static_cast<int>(size));
    formats.push_back(format);
  }
};

int hex_digit(char c) { return c >= 'a' ? c - 'a' + 10 : c - '0'; }

// "\x00ff", as bytea_output = hex gives it.
std::string read_bytea(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size() / 2);
  for (size_t i = 2; i + 1 < text.size(); i += 2) {
    bytes += static_cast<char>(hex_digit(text[i]) * 16 + hex_digit(text[i + 1]));
  }
  return bytes;
}

// The sum of integers is NUMERIC, and an integer for us as long as it fits.
Value read_number(std::string_view text) {
  int64_t integer = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), integer);
  if (error == std::errc() && end == text.data() + text.size()) return integer;
  double real = 0;
  std::from_chars(text.data(), text.data() + text.size(), real);
  return real;
}

double read_real(std::string_view text) {
  double real = 0;  // "NaN" and "Infinity" are read too
  std::from_chars(text.data(), text.data() + text.size(), real);
  return real;
}

Value column_value(const PGresult* answer, int row, int column) {
  if (PQgetisnull(answer, row, column) != 0) return std::monostate();
  const std::string_view text(PQgetvalue(answer, row, column),
                              static_cast<size_t>(PQgetlength(answer, row, column)));
  switch (PQftype(answer, column)) {
    case kBool: return int64_t{text == "t"};
    case kInt2:
    case kInt4:
    case kInt8:
    case kOid:
    case kNumeric: return read_number(text);
    case kFloat4:
    case kFloat8: return read_real(text);
    case kBytea: return Blob{read_bytea(text)};
    default: return std::string(text);
  }
}

using PostgresqlTransaction = ConnectionTransaction<PostgresqlConnection, true>;

bool is_good(const PGresult* answer) {
  const ExecStatusType status = PQresultStatus(answer);
  return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

}  // namespace

Result<std::unique_ptr<PostgresqlConnection>> PostgresqlConnection::open(
    const PostgresqlTarget& target, bool is_reader) {
  std::vector<const char*> names, values;
  for (const auto& [name, value] : target.settings) {
    names.push_back(name.c_str());
    values.push_back(value.c_str());
  }
  names.push_back(nullptr);
  values.push_back(nullptr);
  std::unique_ptr<PostgresqlConnection> connection(new PostgresqlConnection(target, is_reader));
  connection->handle_.reset(PQconnectdbParams(names.data(), values.data(), 0));
  PGconn* const handle = connection->handle_.get();
  if (handle == nullptr) return connection_error(target, "out of memory");
  if (PQstatus(handle) != CONNECTION_OK) return connection_error(target, PQerrorMessage(handle));
  // Notices would go to standard error: "relation exists already, skipping".
  PQsetNoticeProcessor(handle, [](void*, const char*) {}, nullptr);
  MARU_RETURN_IF_ERROR(connection->configure());
  return connection;
}

Status PostgresqlConnection::configure() {
  return run(
      "SET bytea_output = hex; SET extra_float_digits = 1; SET standard_conforming_strings = on; "
      "SET statement_timeout = '60s'; SET lock_timeout = '10s'; "
      // A node that hangs in the middle of a write must not stop the others for good.
      "SET idle_in_transaction_session_timeout = '60s'; "
      // An acknowledged commit is on the disk, whatever the server's default is.
      "SELECT set_config('synchronous_commit', 'on', false) "
      "WHERE current_setting('synchronous_commit') = 'off'");
}

Result<PostgresqlConnection::Answer> PostgresqlConnection::send(std::string_view sql,
                                                                std::span<const Value> parameters) {
  const NumberedSql numbered = number_placeholders(sql);
  if (numbered.n_parameters != parameters.size()) {
    return Error{ErrorCode::kInternal, fmt::format("{} parameters given, {} wanted in: {}",
                                                   parameters.size(), numbered.n_parameters, sql)};
  }
  MARU_RETURN_IF_ERROR(check_parameters(parameters));
  const Parameters sent(parameters);
  Answer answer(PQexecParams(handle_.get(), numbered.text.c_str(),
                             static_cast<int>(sent.types.size()), sent.types.data(),
                             sent.values.data(), sent.lengths.data(), sent.formats.data(), 0));
  if (!is_good(answer.get())) return error(answer.get(), sql);
  return answer;
}

Result<std::vector<Row>> PostgresqlConnection::query(std::string_view sql,
                                                     std::span<const Value> parameters) {
  MARU_ASSIGN_OR_RETURN(const Answer answer, send(sql, parameters));
  std::vector<Row> rows;
  rows.reserve(static_cast<size_t>(PQntuples(answer.get())));
  for (int row = 0; row < PQntuples(answer.get()); ++row) {
    std::vector<Value> values(static_cast<size_t>(PQnfields(answer.get())));
    for (size_t column = 0; column < values.size(); ++column) {
      values[column] = column_value(answer.get(), row, static_cast<int>(column));
    }
    rows.emplace_back(std::move(values));
  }
  return rows;
}

Result<int64_t> PostgresqlConnection::execute(std::string_view sql,
                                              std::span<const Value> parameters) {
  MARU_ASSIGN_OR_RETURN(const Answer answer, send(sql, parameters));
  if (std::string_view(PQcmdStatus(answer.get())).starts_with("SELECT")) return int64_t{0};
  const std::string_view changed = PQcmdTuples(answer.get());
  int64_t n = 0;
  std::from_chars(changed.data(), changed.data() + changed.size(), n);
  return n;
}

Status PostgresqlConnection::run(const std::string& sql) {
  const Answer answer(PQexec(handle_.get(), sql.c_str()));
  if (!is_good(answer.get())) return error(answer.get(), sql);
  return {};
}

Status PostgresqlConnection::begin(const std::string& begin) {
  state_.clear();
  Status status = run(begin);
  if (!status) undo();
  return status;
}

Status PostgresqlConnection::finish(const std::function<Status(Transaction&)>& work) {
  PostgresqlTransaction transaction(*this);
  Status status = work(transaction);
  if (status && transaction.failure()) status = *transaction.failure();
  if (status) status = run("COMMIT");
  if (!status) undo();
  return status;
}

void PostgresqlConnection::undo() {
  if (is_lost() || PQtransactionStatus(handle_.get()) == PQTRANS_IDLE) return;
  const Answer answer(PQexec(handle_.get(), "ROLLBACK"));
}

Error PostgresqlConnection::error(const PGresult* answer, std::string_view sql) {
  const char* state = PQresultErrorField(answer, PG_DIAG_SQLSTATE);
  state_ = state == nullptr ? "" : state;
  // Without a state it is libpq that speaks: the connection broke.
  if (state == nullptr) return connection_error(target_, PQerrorMessage(handle_.get()));
  return statement_error(target_, answer, sql, is_reader_);
}

}  // namespace maru::store
