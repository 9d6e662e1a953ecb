// Inside service only: the one table of keys, and what it says about values.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "service/config.h"

namespace maru::service {

using TextMember = std::string Settings::*;
using NumberMember = uint32_t Settings::*;
using ListMember = std::vector<std::string> Settings::*;

struct KeySpec {
  SettingKey key;
  std::variant<TextMember, NumberMember, ListMember> member;
};

const std::vector<KeySpec>& setting_specs();
// Its place in the table.
std::optional<size_t> find_setting(std::string_view name);

// One place that knows ranges and choices, whichever way a value came in. `origin` goes in front of
// what is wrong; empty: nothing does. Errors: kInvalidArgument, param the key.
Status store_setting(const KeySpec& spec, const SettingValue& value, const std::string& origin,
                     Settings& settings);
// What may be kept in the database beside that: the page may set the key, a text is short and
// without control characters, a model is a name in the data folder, and the machine has so many
// threads (more might not be there to start). Errors: kInvalidArgument, param the key.
Status check_stored_setting(const KeySpec& spec, const SettingValue& value);

// Flags and environment are text: lists are separated by commas, numbers are decimal.
Result<SettingValue> parse_setting(const KeySpec& spec, const std::string& text,
                                   const std::string& origin);

// Secrets masked.
SettingValue read_setting(const KeySpec& spec, const Settings& settings);
// As TOML.
std::string print_setting(const SettingValue& value);

}  // namespace maru::service
