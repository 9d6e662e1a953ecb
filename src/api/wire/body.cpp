#include "api/wire/body.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/json.h"

namespace maru::api {
namespace {

constexpr size_t kMaxDepth = 64;
// An ordered object finds a key by walking through all before it; this bounds the sum of all walks.
constexpr uint64_t kMaxKeySteps = 50'000'000;

// Walks through the text once, builds nothing, and notes where and in which field it went wrong.
class Checker : public nlohmann::json_sax<Json> {
 public:
  explicit Checker(std::string_view text) : text_(text) {}

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool key(string_t& name) override {
    if (n_keys_.size() == 1) field_ = name;
    n_key_steps_ += n_keys_.back()++;
    if (n_key_steps_ <= kMaxKeySteps) return true;
    problem_ = "an object has too many keys";
    names_field_ = n_keys_.size() > 1;
    return false;
  }
  bool start_object(std::size_t) override { return open(); }
  bool end_object() override { return close(); }
  bool start_array(std::size_t) override { return open(); }
  bool end_array() override { return close(); }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& e) override {
    problem_ = "invalid JSON near byte " + std::to_string(position);
    constexpr int kNumberOverflow = 406;
    if (e.id == kNumberOverflow) {
      problem_ = "a number is too large near byte " + std::to_string(position);
      names_field_ = true;
    } else if (is_no_number(position)) {
      problem_ = "not a number near byte " + std::to_string(position);
      names_field_ = true;
    }
    return false;
  }

  Error error() const {
    Error error{ErrorCode::kInvalidArgument, problem_, "send one valid JSON object"};
    if (names_field_) {
      error.param = field_;
      if (!field_.empty()) error.message = "'" + field_ + "': " + error.message;
    }
    return error;
  }

 private:
  bool open() {
    n_keys_.push_back(0);
    if (n_keys_.size() <= kMaxDepth) return true;
    problem_ = "nested deeper than " + std::to_string(kMaxDepth) + " levels";
    names_field_ = true;
    return false;
  }
  bool close() {
    n_keys_.pop_back();
    return true;
  }
  // JavaScript's and Python's spellings, which JSON does not have.
  bool is_no_number(size_t position) const {
    for (size_t back = 1; back <= std::min<size_t>(2, position); ++back) {
      const std::string_view rest = text_.substr(std::min(position - back, text_.size()));
      if (rest.starts_with("NaN") || rest.starts_with("Infinity")) return true;
    }
    return false;
  }

  const std::string_view text_;
  std::vector<uint64_t> n_keys_;  // of each open object or array
  uint64_t n_key_steps_ = 0;
  std::string field_;  // the top-level field being read
  std::string problem_;
  bool names_field_ = false;
};

}  // namespace

Result<Json> parse_body(std::string_view text) {
  Checker checker(text);
  if (!Json::sax_parse(text.begin(), text.end(), &checker)) return checker.error();
  MARU_ASSIGN_OR_RETURN(Json body, parse_json(text, {.max_keys = 1024}));
  if (!body.is_object()) {
    return Error{ErrorCode::kInvalidArgument, "the body is not a JSON object",
                 "send an object such as {\"model\": \"...\"}"};
  }
  return body;
}

}  // namespace maru::api
