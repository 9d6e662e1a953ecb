#include "text/letter_case.h"

#include <utf8proc.h>

#include "base/utf8.h"

namespace maru::text {
namespace {

constexpr uint32_t kSharpS = 0xDF;
constexpr uint32_t kDottedCapitalI = 0x130;

utf8proc_category_t category(uint32_t code_point) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(code_point));
}

bool within(uint32_t code_point, utf8proc_category_t first, utf8proc_category_t last) {
  const utf8proc_category_t c = category(code_point);
  return c >= first && c <= last;
}

}  // namespace

void append_upper(std::string& out, uint32_t code_point) {
  if (code_point == kSharpS) {
    out += "SS";
    return;
  }
  utf8_append(out,
              static_cast<uint32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(code_point))));
}

void append_lower(std::string& out, uint32_t code_point) {
  if (code_point == kDottedCapitalI) {
    out += "i\u0307";
    return;
  }
  utf8_append(out,
              static_cast<uint32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(code_point))));
}

void append_title(std::string& out, uint32_t code_point) {
  if (code_point == kSharpS) {
    out += "Ss";
    return;
  }
  utf8_append(out,
              static_cast<uint32_t>(utf8proc_totitle(static_cast<utf8proc_int32_t>(code_point))));
}

bool has_upper_case(uint32_t code_point) {
  const utf8proc_category_t c = category(code_point);
  return c == UTF8PROC_CATEGORY_LU || c == UTF8PROC_CATEGORY_LT;
}

bool has_lower_case(uint32_t code_point) { return category(code_point) == UTF8PROC_CATEGORY_LL; }

bool is_letter(uint32_t code_point) {
  return within(code_point, UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_LO);
}

bool is_decimal_digit(uint32_t code_point) { return category(code_point) == UTF8PROC_CATEGORY_ND; }

bool is_number_character(uint32_t code_point) {
  return within(code_point, UTF8PROC_CATEGORY_ND, UTF8PROC_CATEGORY_NO);
}

bool is_printable(uint32_t code_point) {
  if (code_point == ' ') return true;
  const utf8proc_category_t c = category(code_point);
  return c != UTF8PROC_CATEGORY_CN && c < UTF8PROC_CATEGORY_ZS;
}

}  // namespace maru::text
