// Upper and lower case, and what Python's repr shows as it is. Pure functions; the mapping of one
// character may have several (upper case of U+00DF is "SS").
#pragma once

#include <cstdint>
#include <string>

namespace maru::text {

void append_upper(std::string& out, uint32_t code_point);
void append_lower(std::string& out, uint32_t code_point);
void append_title(std::string& out, uint32_t code_point);
bool has_upper_case(uint32_t code_point);       // Lu or Lt
bool has_lower_case(uint32_t code_point);       // Ll
bool is_letter(uint32_t code_point);            // L*
bool is_decimal_digit(uint32_t code_point);     // Nd
bool is_number_character(uint32_t code_point);  // N*
bool is_printable(uint32_t code_point);         // Python's str.isprintable

}  // namespace maru::text
