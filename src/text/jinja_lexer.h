// Splits a template into tokens: text, and the names, literals and operators inside tags. White
// space is controlled as Jinja does with trim_blocks and lstrip_blocks on, which is how Hugging
// Face renders chat templates.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace maru::text::jinja {

enum class TokenKind : uint8_t {
  kText,        // outside of tags
  kPrintBegin,  // {{
  kPrintEnd,    // }}
  kTagBegin,    // {%
  kTagEnd,      // %}
  kName,
  kString,  // value: the string itself, escapes resolved
  kInteger,
  kFloat,
  kOperator,
  kEnd,
};

struct Token {
  TokenKind kind;
  std::string value;  // spelling, without quotes
  uint32_t line;      // from 1
  uint32_t column;    // from 1, in bytes
  int64_t integer = 0;
  double real = 0;
};

// Errors: kInvalidArgument with line and column.
Result<std::vector<Token>> tokenize(std::string_view source);

// The error of a template that can't be compiled.
Error syntax_error(uint32_t line, uint32_t column, std::string what);

}  // namespace maru::text::jinja
