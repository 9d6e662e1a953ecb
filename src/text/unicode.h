// What tokenizers need to know about Unicode: classes of code points and normal forms.
// Only this and letter_case.h know utf8proc. Pure functions over an immutable table; thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace maru::text {

// Bits of a code point's class. Letters carry kLetter and one bit of their case.
enum CharClass : uint16_t {
  kUpper = 1 << 0,        // Lu
  kLower = 1 << 1,        // Ll
  kTitle = 1 << 2,        // Lt
  kModifier = 1 << 3,     // Lm
  kOtherLetter = 1 << 4,  // Lo
  kMark = 1 << 5,         // M
  kNumber = 1 << 6,       // N
  kPunctuation = 1 << 7,  // P
  kSymbol = 1 << 8,       // S
  kSpace = 1 << 9,        // White_Space (PropList.txt), not only the categories Z*
  kLineEnd = 1 << 10,     // U+000A and U+000D
  kNfcActive = 1 << 11,   // normalisation form C may change text that holds it
  kLetter = kUpper | kLower | kTitle | kModifier | kOtherLetter,
};

class CharClasses {
 public:
  // Built on the first call (milliseconds).
  static const CharClasses& get();

  uint16_t of(uint32_t code_point) const {
    return blocks_[static_cast<size_t>(index_[code_point >> 8]) * 256 + (code_point & 0xFF)];
  }

 private:
  CharClasses();
  void add_block(uint32_t first);

  std::array<uint16_t, 0x1100> index_{};  // code point / 256 -> block
  std::vector<uint16_t> blocks_;          // blocks of 256 classes; equal ones are shared
};

// Normalisation form C (UAX #15). `text` must be valid UTF-8.
std::string normalise_nfc(std::string_view text);
// Normalisation form D: everything taken apart.
std::string normalise_nfd(std::string_view text);

bool is_nonspacing_mark(uint32_t code_point);  // Mn
bool is_invisible(uint32_t code_point);        // Cc, Cf or Co

}  // namespace maru::text
