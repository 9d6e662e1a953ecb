// Errors as values. Result<T> mirrors the member names of std::expected (C++23), so that a later
// switch is an alias. Maru's own code throws nothing; libraries' exceptions are caught at the
// boundary that calls them and become an Error. Thread-safe as any value type is.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "base/check.h"

namespace maru {

enum class ErrorCode {
  kInvalidArgument,  // the caller's input is wrong
  kUnauthenticated,
  kForbidden,
  kNotFound,
  kConflict,
  kTooLarge,     // input or model exceeds a limit
  kRateLimited,  // a bounded queue is full; try again later
  kUnavailable,  // a part that is needed is not there (yet)
  kCorrupt,      // stored or sent data breaks its format
  kInternal,     // a bug of ours; never caused by input alone
};

// Stable lower-case name, for logs and the wire ("invalid_argument").
const char* error_code_name(ErrorCode code);

// What a program tells an error by, to say it in its own words and language: a stable name
// ("name_taken") and the values that belong into the words. docs/api/openapi.json lists them all
// (ErrorReason); docs/web.md says how a new one gets its words.
struct Reason {
  struct Value {
    std::string name;
    std::variant<int64_t, double, std::string> value;

    Value(const char* a_name, std::integral auto number)
        : name(a_name), value(static_cast<int64_t>(number)) {}
    Value(const char* a_name, double number) : name(a_name), value(number) {}
    Value(const char* a_name, std::string text) : name(a_name), value(std::move(text)) {}
  };
  std::string name = {};  // empty: none of its own; the error's code has to do
  std::vector<Value> values = {};
};

// What went wrong and where, with values (`message`), how to mend it (`hint`), and, where the
// cause is one field of the caller's input, its path (`param`, "messages[0].role"). `reason`: what
// people can meet has one.
struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;
  std::string hint = {};
  std::string param = {};
  Reason reason = {};

  // "message (hint)" on one line, for terminals and logs.
  std::string to_string() const;
};

template <class T>
class [[nodiscard]] Result {
 public:
  using value_type = T;
  using error_type = Error;

  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT(*-explicit-*)
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(*-explicit-*)

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  T& value() & {
    MARU_CHECK(has_value());
    return *std::get_if<0>(&state_);
  }
  const T& value() const& {
    MARU_CHECK(has_value());
    return *std::get_if<0>(&state_);
  }
  T&& value() && {
    MARU_CHECK(has_value());
    return std::move(*std::get_if<0>(&state_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  Error& error() & {
    MARU_CHECK(!has_value());
    return *std::get_if<1>(&state_);
  }
  const Error& error() const& {
    MARU_CHECK(!has_value());
    return *std::get_if<1>(&state_);
  }
  Error&& error() && {
    MARU_CHECK(!has_value());
    return std::move(*std::get_if<1>(&state_));
  }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;
  using error_type = Error;

  Result() = default;
  Result(Error error) : error_(std::move(error)), failed_(true) {}  // NOLINT(*-explicit-*)

  bool has_value() const { return !failed_; }
  explicit operator bool() const { return has_value(); }
  void value() const { MARU_CHECK(!failed_); }
  Error& error() & {
    MARU_CHECK(failed_);
    return error_;
  }
  const Error& error() const& {
    MARU_CHECK(failed_);
    return error_;
  }
  Error&& error() && {
    MARU_CHECK(failed_);
    return std::move(error_);
  }

 private:
  Error error_;
  bool failed_ = false;
};

using Status = Result<void>;

}  // namespace maru

#define MARU_CONCAT_INNER_(a, b) a##b
#define MARU_CONCAT_(a, b) MARU_CONCAT_INNER_(a, b)

// Leaves the function with the error, or goes on.
#define MARU_RETURN_IF_ERROR(expr)                             \
  do {                                                         \
    if (auto maru_status_ = (expr); !maru_status_.has_value()) \
      return std::move(maru_status_).error();                  \
  } while (false)

// MARU_ASSIGN_OR_RETURN(auto file, MappedFile::open(path));
#define MARU_ASSIGN_OR_RETURN(decl, expr) \
  MARU_ASSIGN_OR_RETURN_IMPL_(MARU_CONCAT_(maru_result_, __LINE__), decl, expr)
#define MARU_ASSIGN_OR_RETURN_IMPL_(tmp, decl, expr)   \
  auto tmp = (expr);                                   \
  if (!tmp.has_value()) return std::move(tmp).error(); \
  decl = std::move(tmp).value()
