// A model's configuration as flat keys and values, read alike from GGUF metadata ("llama.rope.x" is
// key "rope.x") and from Hugging Face's config.json ({"rope_scaling": {"x": 1}} is
// "rope_scaling.x"). Every access checks type and range, and remembers that the key was read, so
// that features which nobody read can be refused by name.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/json_fwd.h"
#include "base/result.h"
#include "formats/gguf.h"

namespace maru::models {

// The hint where a file is wrong and nothing else can be done about it.
inline constexpr const char* kTakeAgain =
    "the file is damaged or was converted wrongly: take the model from its origin again";

class ConfigMap {
 public:
  // A list that is neither of numbers nor of strings, or a nested one: present, but unreadable.
  struct Opaque {};
  using Value = std::variant<std::monostate, bool, int64_t, double, std::string,
                             std::vector<int64_t>, std::vector<std::string>, Opaque>;

  static ConfigMap from_gguf(const formats::GgufFile& file, std::string_view architecture);
  static ConfigMap from_json(const Json& config);

  // Present and not null.
  bool has(std::string_view key) const;
  // Present, perhaps null.
  bool mentions(std::string_view key) const { return entries_.find(key) != entries_.end(); }

  // Numbers outside [low, high], other types and (without a fallback) absent keys are errors that
  // name the key.
  Result<uint32_t> count(std::string_view key, uint32_t low, uint32_t high);
  Result<uint32_t> count_or(std::string_view key, uint32_t fallback, uint32_t low, uint32_t high);
  Result<double> number(std::string_view key, double low, double high);
  Result<double> number_or(std::string_view key, double fallback, double low, double high);
  Result<bool> flag_or(std::string_view key, bool fallback);
  Result<std::string> text_or(std::string_view key, std::string_view fallback);
  // A list of strings; absent: empty.
  Result<std::vector<std::string>> texts(std::string_view key);
  // A list of integers or booleans; absent: empty.
  Result<std::vector<int64_t>> integers(std::string_view key);

  // Reads a key without using its value.
  void ignore(std::string_view key);

  // Refuses keys that were never read, say something (not null, false, 0, empty or 1.0) and for
  // which `matters(key)` holds.
  Status refuse_unread(const std::function<bool(std::string_view key)>& matters) const;

  // "llama.block_count" or "config.json: num_hidden_layers".
  std::string spelled(std::string_view key) const;
  // An empty hint stands for: take the model from its origin again.
  Error refusal(std::string_view key, const std::string& why, const std::string& hint = {}) const;

  // All keys and values in order, for the fingerprint.
  std::string canonical_text() const;

 private:
  struct Entry {
    Value value;
    bool was_read = false;
  };
  const Value* read(std::string_view key);  // null if absent or null
  void add_json(const std::string& prefix, const Json& object, int depth);

  std::string prefix_;
  std::map<std::string, Entry, std::less<>> entries_;
};

}  // namespace maru::models
