// The part of TOML that settings need: keys with a text, a whole number, a truth value or a list of
// texts, in tables or not. The only door to toml++ (its header is costly to compile).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace maru::service {

// monostate: a table itself, whose entries follow, or a type that no setting has.
using TomlValue =
    std::variant<std::monostate, std::string, int64_t, bool, std::vector<std::string>>;

struct TomlEntry {
  std::vector<std::string> tables;  // that it is in: {"models", "NAME"} of [models.NAME]
  std::string key;
  TomlValue value;
  uint32_t line = 0;
};

// Entries in the order of the file. Errors: kInvalidArgument with `path`, line and column.
Result<std::vector<TomlEntry>> parse_toml(std::string_view text, const std::string& path);

}  // namespace maru::service
