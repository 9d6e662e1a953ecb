// Values that may be absent, on their way into and out of rows.
#pragma once

#include <optional>
#include <string>

#include "store/database.h"

namespace maru::store {

inline Value text_or_null(const std::string& text) { return text.empty() ? Value() : Value(text); }
inline Value integer_or_null(const std::optional<int64_t>& number) {
  return number ? Value(*number) : Value();
}
inline std::optional<int64_t> optional_integer(const Row& row, size_t column) {
  if (row.is_null(column)) return std::nullopt;
  return row.integer(column);
}

}  // namespace maru::store
