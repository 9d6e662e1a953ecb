#include "service/toml_file.h"

// Errors as values need the header-only form: the packaged library is built to throw.
#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>

namespace maru::service {
namespace {

TomlValue convert(const toml::node& node) {
  if (const auto text = node.value_exact<std::string>()) return *text;
  if (const auto number = node.value_exact<int64_t>()) return *number;
  if (const auto truth = node.value_exact<bool>()) return *truth;
  if (const toml::array* array = node.as_array()) {
    std::vector<std::string> items;
    for (const toml::node& item : *array) {
      auto text = item.value_exact<std::string>();
      if (!text) return std::monostate{};
      items.push_back(std::move(*text));
    }
    return items;
  }
  return std::monostate{};
}

void collect(const toml::table& table, const std::vector<std::string>& tables,
             std::vector<TomlEntry>& entries) {
  for (const auto& [key, node] : table) {
    entries.push_back({tables, std::string(key.str()), convert(node), key.source().begin.line});
    if (const toml::table* inner = node.as_table()) {
      std::vector<std::string> path = tables;
      path.emplace_back(key.str());
      collect(*inner, path, entries);
    }
  }
}

}  // namespace

Result<std::vector<TomlEntry>> parse_toml(std::string_view text, const std::string& path) {
  const toml::parse_result parsed = toml::parse(text, path);
  if (!parsed) {
    const toml::parse_error& error = parsed.error();
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("{}:{}:{}: {}", path, error.source().begin.line,
                             error.source().begin.column, error.description()),
                 "the file must be TOML, e.g. port = 8080"};
  }
  std::vector<TomlEntry> entries;
  collect(parsed.table(), {}, entries);
  std::stable_sort(entries.begin(), entries.end(),
                   [](const TomlEntry& a, const TomlEntry& b) { return a.line < b.line; });
  return entries;
}

}  // namespace maru::service
