#include "store/parameters.h"

#include <algorithm>

#include "base/utf8.h"

namespace maru::store {
namespace {

bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         (static_cast<unsigned char>(c) & 0x80) != 0;
}

// The end of what begins at `at` with a quote; a doubled quote goes on.
size_t quoted_end(std::string_view sql, size_t at, bool with_escapes) {
  const char quote = sql[at];
  for (size_t i = at + 1; i < sql.size(); ++i) {
    const bool is_doubled = sql.substr(i, 2) == std::string(2, quote);
    if (is_doubled || (with_escapes && sql[i] == '\\')) {
      ++i;
    } else if (sql[i] == quote) {
      return i + 1;
    }
  }
  return sql.size();
}

// Comments of this kind nest in PostgreSQL.
size_t block_comment_end(std::string_view sql, size_t at) {
  int depth = 0;
  for (size_t i = at; i + 1 < sql.size(); ++i) {
    const std::string_view two = sql.substr(i, 2);
    if (two == "/*") ++depth;
    if (two == "*/") --depth;
    if (two != "/*" && two != "*/") continue;
    ++i;
    if (depth == 0) return i + 1;
  }
  return sql.size();
}

// "$$ ... $$" and "$tag$ ... $tag$"; `at` + 1 if none begins here.
size_t dollar_end(std::string_view sql, size_t at) {
  size_t tag = at + 1;
  while (tag < sql.size() && is_name_char(sql[tag])) ++tag;
  const bool is_inside_name = at > 0 && is_name_char(sql[at - 1]);
  const bool is_parameter = at + 1 < sql.size() && sql[at + 1] >= '0' && sql[at + 1] <= '9';
  if (tag >= sql.size() || sql[tag] != '$' || is_inside_name || is_parameter) return at + 1;
  const std::string_view mark = sql.substr(at, tag + 1 - at);
  const size_t close = sql.find(mark, tag + 1);
  return close == std::string_view::npos ? sql.size() : close + mark.size();
}

// Where what begins at `at` ends and is to be copied as it is; `at` if nothing special begins.
size_t opaque_end(std::string_view sql, size_t at) {
  const std::string_view two = sql.substr(at, 2);
  if (two == "--") return std::min(sql.find('\n', at), sql.size());
  if (two == "/*") return block_comment_end(sql, at);
  switch (sql[at]) {
    case '\'': {
      const bool is_escaped = at > 0 && (sql[at - 1] == 'E' || sql[at - 1] == 'e') &&
                              (at == 1 || !is_name_char(sql[at - 2]));
      return quoted_end(sql, at, is_escaped);
    }
    case '"': return quoted_end(sql, at, false);
    case '$': return dollar_end(sql, at);
    default: return at;
  }
}

}  // namespace

Status check_parameters(std::span<const Value> parameters) {
  for (const Value& value : parameters) {
    const auto* text = std::get_if<std::string>(&value);
    if (text == nullptr) continue;
    if (text->find('\0') != std::string::npos || !utf8_is_valid(*text)) {
      return Error{ErrorCode::kInvalidArgument, "a text is not UTF-8, or holds a zero byte",
                   "send valid UTF-8"};
    }
  }
  return {};
}

NumberedSql number_placeholders(std::string_view sql) {
  NumberedSql out;
  for (size_t at = 0; at < sql.size();) {
    const size_t end = opaque_end(sql, at);
    if (end > at) {
      out.text += sql.substr(at, end - at);
      at = end;
    } else if (sql[at] == '?') {
      out.text += '$' + std::to_string(++out.n_parameters);
      ++at;
    } else {
      out.text += sql[at++];
    }
  }
  return out;
}

}  // namespace maru::store
