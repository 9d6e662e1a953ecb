#include "base/utf8.h"

namespace maru {
namespace {

uint8_t byte_at(std::string_view text, size_t i) { return static_cast<uint8_t>(text[i]); }

// Length that a lead byte announces; 0 for bytes that start nothing.
uint32_t announced_length(uint8_t lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return 2;
  if (lead >= 0xE0 && lead <= 0xEF) return 3;
  if (lead >= 0xF0 && lead <= 0xF4) return 4;
  return 0;
}

// Whether `second` may follow `lead` (excludes overlong forms, surrogates, > U+10FFFF).
bool second_byte_fits(uint8_t lead, uint8_t second) {
  switch (lead) {
    case 0xE0: return second >= 0xA0 && second <= 0xBF;
    case 0xED: return second >= 0x80 && second <= 0x9F;
    case 0xF0: return second >= 0x90 && second <= 0xBF;
    case 0xF4: return second >= 0x80 && second <= 0x8F;
    default: return (second & 0xC0) == 0x80;
  }
}

}  // namespace

Utf8Char utf8_decode(std::string_view text) {
  constexpr Utf8Char kInvalid{0xFFFD, 1, false};
  const uint8_t lead = byte_at(text, 0);
  const uint32_t length = announced_length(lead);
  if (length == 1) return {lead, 1, true};
  if (length == 0 || text.size() < length) return kInvalid;
  if (!second_byte_fits(lead, byte_at(text, 1))) return kInvalid;
  uint32_t code_point = lead & (0xFFu >> (length + 1));
  for (uint32_t i = 1; i < length; ++i) {
    const uint8_t next = byte_at(text, i);
    if ((next & 0xC0) != 0x80) return kInvalid;
    code_point = (code_point << 6) | (next & 0x3F);
  }
  return {code_point, length, true};
}

void utf8_append(std::string& out, uint32_t code_point) {
  const auto put = [&out](uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (code_point < 0x80) {
    put(code_point);
  } else if (code_point < 0x800) {
    put(0xC0 | (code_point >> 6));
    put(0x80 | (code_point & 0x3F));
  } else if (code_point < 0x10000) {
    put(0xE0 | (code_point >> 12));
    put(0x80 | ((code_point >> 6) & 0x3F));
    put(0x80 | (code_point & 0x3F));
  } else {
    put(0xF0 | (code_point >> 18));
    put(0x80 | ((code_point >> 12) & 0x3F));
    put(0x80 | ((code_point >> 6) & 0x3F));
    put(0x80 | (code_point & 0x3F));
  }
}

bool utf8_is_valid(std::string_view text) {
  while (!text.empty()) {
    const Utf8Char c = utf8_decode(text);
    if (!c.valid) return false;
    text.remove_prefix(c.length);
  }
  return true;
}

size_t utf8_invalid_length(std::string_view text) {
  const uint8_t lead = byte_at(text, 0);
  const uint32_t length = announced_length(lead);
  if (length < 2 || text.size() < 2 || !second_byte_fits(lead, byte_at(text, 1))) return 1;
  size_t taken = 2;
  while (taken < length && taken < text.size() && (byte_at(text, taken) & 0xC0) == 0x80) ++taken;
  return taken;
}

std::string utf8_sanitise(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Utf8Char c = utf8_decode(text);
    if (c.valid) {
      out.append(text.substr(0, c.length));
    } else {
      utf8_append(out, 0xFFFD);
    }
    text.remove_prefix(c.length);
  }
  return out;
}

size_t utf8_incomplete_suffix(std::string_view text) {
  const size_t max_back = text.size() < 3 ? text.size() : 3;
  for (size_t back = 1; back <= max_back; ++back) {
    const uint8_t byte = byte_at(text, text.size() - back);
    const uint32_t length = announced_length(byte);
    if (length == 0) continue;  // a continuation or an invalid byte: look further back
    if (length <= back) return 0;
    // The lead byte wants more than is there; only a prefix that can still become valid counts.
    if (back >= 2 && !second_byte_fits(byte, byte_at(text, text.size() - back + 1))) return 0;
    for (size_t i = back - 1; i > 1; --i) {
      if ((byte_at(text, text.size() - i + 1) & 0xC0) != 0x80) return 0;
    }
    return back;
  }
  return 0;
}

}  // namespace maru
