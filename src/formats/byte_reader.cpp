#include "formats/byte_reader.h"

namespace maru::formats {

std::string quote_name(std::string_view name) {
  constexpr size_t kMaxShown = 80;
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out = "'";
  for (const char c : name.substr(0, kMaxShown)) {
    if (c >= ' ' && c <= '~' && c != '\'' && c != '\\') {
      out += c;
    } else {
      const auto byte = static_cast<uint8_t>(c);
      out += "\\x";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  out += name.size() > kMaxShown ? "...'" : "'";
  return out;
}

}  // namespace maru::formats
