// UTF-8 by bytes (RFC 3629): decoding, checking and cutting at character borders. Pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace maru {

struct Utf8Char {
  uint32_t code_point;  // U+FFFD for an invalid byte
  uint32_t length;      // bytes taken, at least 1; 1 for an invalid byte
  bool valid;
};

// Decodes the character at text[0]. `text` must not be empty. Overlong forms, surrogates and
// values above U+10FFFF are invalid.
Utf8Char utf8_decode(std::string_view text);

// Appends the UTF-8 form of `code_point` (at most U+10FFFF).
void utf8_append(std::string& out, uint32_t code_point);

bool utf8_is_valid(std::string_view text);

// The length of the longest invalid sequence at text[0] that decoders replace by one U+FFFD
// ("maximal subpart", Unicode 15 section 3.9; Python's errors="replace" does the same): the bytes
// that are the start of some character, else one. utf8_decode(text) must be invalid.
size_t utf8_invalid_length(std::string_view text);

// Replaces every invalid byte by U+FFFD.
std::string utf8_sanitise(std::string_view text);

// The number of bytes at the end of `text` that may be the start of a longer character (0..3).
// Text before them holds no half character.
size_t utf8_incomplete_suffix(std::string_view text);

}  // namespace maru
