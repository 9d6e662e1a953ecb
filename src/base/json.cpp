#include "base/json.h"

#include <algorithm>
#include <array>

#include "base/utf8.h"

namespace maru {
namespace {

// Refuses nesting and objects past the limits. Runs before the parser, so that a hostile text costs
// one pass and no stack.
Status check_structure(std::string_view text, size_t max_depth, size_t max_keys) {
  std::array<size_t, kMaxJsonDepth + 1> n_members{};  // keys of each open object
  size_t depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > max_depth) {
        return Error{ErrorCode::kInvalidArgument,
                     "JSON is nested deeper than " + std::to_string(max_depth) +
                         " levels at byte " + std::to_string(i),
                     "flatten the value"};
      }
      n_members[depth] = 0;
    } else if ((c == ']' || c == '}') && depth > 0) {
      --depth;
    } else if (c == ':' && ++n_members[depth] > max_keys) {
      return Error{ErrorCode::kInvalidArgument,
                   "an object has more than " + std::to_string(max_keys) + " keys at byte " +
                       std::to_string(i),
                   "send fewer keys"};
    }
  }
  return {};
}

// Records where the parser stopped; builds nothing.
class ErrorLocator : public nlohmann::json_sax<Json> {
 public:
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return true; }
  bool key(string_t&) override { return true; }
  bool end_object() override { return true; }
  bool start_array(std::size_t) override { return true; }
  bool end_array() override { return true; }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    position_ = position;
    return false;
  }
  std::size_t position() const { return position_; }

 private:
  std::size_t position_ = 0;
};

template <class Value>
Result<Value> parse(std::string_view text, const JsonLimits& limits, size_t max_keys) {
  if (text.size() > limits.max_bytes) {
    return Error{ErrorCode::kTooLarge,
                 "JSON text has " + std::to_string(text.size()) + " bytes, the limit is " +
                     std::to_string(limits.max_bytes),
                 "send less at once"};
  }
  MARU_RETURN_IF_ERROR(check_structure(text, std::min(limits.max_depth, kMaxJsonDepth), max_keys));
  Value value = Value::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) {
    ErrorLocator locator;
    Json::sax_parse(text.begin(), text.end(), &locator);
    return Error{ErrorCode::kInvalidArgument,
                 "invalid JSON near byte " + std::to_string(locator.position()),
                 "check quotes, commas and brackets there"};
  }
  return value;
}

}  // namespace

Result<Json> parse_json(std::string_view text, const JsonLimits& limits) {
  return parse<Json>(text, limits, limits.max_keys);
}

Result<SortedJson> parse_sorted_json(std::string_view text, const JsonLimits& limits) {
  return parse<SortedJson>(text, limits, text.size());
}

std::string dump_json(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void add_reason(Json& object, const Error& error) {
  const Reason& reason = error.reason;
  object["reason"] = reason.name.empty() ? error_code_name(error.code) : reason.name;
  for (const Reason::Value& one : reason.values) {
    std::visit([&](const auto& value) { object["values"][one.name] = value; }, one.value);
  }
}

}  // namespace maru
