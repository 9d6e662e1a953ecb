// The fields of request objects: what each means to Maru, and typed, bounded reading of their
// values. docs/api/compatibility.md is held against these tables by a test.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "api/errors.h"
#include "base/json_fwd.h"

namespace maru::api {

enum class Support : uint8_t {
  kSupported,
  kIgnored,  // accepted: it asks for nothing that would change the answer
  kNeutral,  // accepted with the values that ask for nothing, otherwise refused
  kRefused,  // refused, unless null
};

struct FieldSpec {
  const char* name;
  Support support;
  bool (*is_neutral)(const Json& value) = nullptr;  // for kNeutral
};

const char* support_name(Support support);

// Collects the first thing that is wrong with a request.
class Problems {
 public:
  bool any() const { return first_.has_value(); }
  const ApiError& first() const { return *first_; }
  // A 400. Only the first call counts.
  void add(std::string_view param, std::string_view code, std::string message, Reason reason = {});

 private:
  std::optional<ApiError> first_;
};

// Reads one JSON object at `path` ("" for the body, else "messages[0]"). Null counts as absent.
// What is wrong goes to `problems`, naming the field; readers give nothing then.
class ObjectReader {
 public:
  // `object` must be an object and outlive the reader.
  ObjectReader(const Json& object, std::string path, Problems& problems);

  // Refuses unknown fields, and known ones by their support.
  void check_fields(std::span<const FieldSpec> specs);

  const Json* find(std::string_view name) const;  // null if absent or null
  std::string path_of(std::string_view name) const;
  Problems& problems() { return problems_; }

  std::optional<bool> boolean(std::string_view name);
  std::optional<int64_t> integer(std::string_view name, int64_t low, int64_t high);
  std::optional<double> number(std::string_view name, double low, double high);
  std::optional<std::string> string(std::string_view name);
  const Json* object(std::string_view name);
  const Json* array(std::string_view name);
  // Says that a field is missing.
  void require(std::string_view name);

  void wrong_type(std::string_view name, std::string_view wanted);
  void wrong_value(std::string_view name, std::string message);

 private:
  const Json& object_;
  const std::string path_;
  Problems& problems_;
};

// "integer", "string"... as messages name a value's type.
const char* json_type_name(const Json& value);

// Integers as JSON has them: 2^63 and more, and 1.0, are none.
std::optional<int64_t> as_int64(const Json& value);

}  // namespace maru::api
