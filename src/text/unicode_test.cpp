#include "text/unicode.h"

#include <gtest/gtest.h>

#include "base/utf8.h"

namespace maru::text {
namespace {

TEST(Unicode, ClassesFollowTheCategories) {
  const CharClasses& classes = CharClasses::get();
  EXPECT_EQ(classes.of('A'), kUpper);
  EXPECT_EQ(classes.of('z'), kLower);
  EXPECT_EQ(classes.of('7'), kNumber);
  EXPECT_EQ(classes.of(' '), kSpace);
  EXPECT_EQ(classes.of('\n'), kSpace | kLineEnd);
  EXPECT_EQ(classes.of(0x85), kSpace);
  EXPECT_EQ(classes.of(0x180E), 0);             // Mongolian vowel separator: no white space
  EXPECT_EQ(classes.of(0x200B), 0);             // zero width space: neither
  EXPECT_EQ(classes.of(0xAC00), kOtherLetter);  // 가
  EXPECT_EQ(classes.of(0x01C5), kTitle);
  EXPECT_EQ(classes.of(0x02B0), kModifier);
  EXPECT_EQ(classes.of(0x0301) & kMark, kMark);
  EXPECT_EQ(classes.of(0x00B2), kNumber);  // superscript two
  EXPECT_EQ(classes.of('$'), kSymbol);
  EXPECT_EQ(classes.of('_'), kPunctuation);
  EXPECT_EQ(classes.of(0x10FFFF), 0);
  EXPECT_EQ(classes.of(0x1C89), kUpper);  // assigned by Unicode 16, as the next three
  EXPECT_EQ(classes.of(0x10D45), kNumber);
  EXPECT_EQ(classes.of(0x2EE5D), kOtherLetter);
  EXPECT_EQ(classes.of(0x0897) & kMark, kMark);
  EXPECT_EQ(classes.of(0x2EE5E), 0);
}

TEST(Unicode, NfcComposesDecomposedHangulAndLatin) {
  EXPECT_EQ(normalise_nfc("\u1112\u1161\u11ab"), "한");
  EXPECT_EQ(normalise_nfc("e\u0301"), "é");
  EXPECT_EQ(normalise_nfc("a\u0315\u0300"), "à\u0315");
  EXPECT_EQ(normalise_nfc("\u212B"), "Å");
  EXPECT_EQ(normalise_nfc("\u0958"), "\u0915\u093C");  // excluded from composition
  EXPECT_EQ(normalise_nfc(""), "");
}

// A character without kNfcActive must be inert: form C of it, alone, after and before others, is
// the text itself.
TEST(Unicode, InactiveCharactersAreInFormC) {
  const CharClasses& classes = CharClasses::get();
  for (uint32_t c = 1; c < 0x110000; ++c) {
    if ((c >= 0xD800 && c < 0xE000) || (classes.of(c) & kNfcActive) != 0) continue;
    for (const char* before : {"e", "가", "\u0915", "\u05D0"}) {
      std::string text = before;
      utf8_append(text, c);
      ASSERT_EQ(normalise_nfc(text), text) << std::hex << c;
    }
  }
}

TEST(Unicode, LongRunsOfMarksAreSortedInLinearithmicTime) {
  std::string text = "a";
  for (int i = 0; i < 200'000; ++i) text += i % 2 == 0 ? "\u0315" : "\u0316";
  const std::string sorted = normalise_nfc(text);
  EXPECT_EQ(sorted.size(), text.size());
  EXPECT_EQ(sorted.substr(1, 4), "\u0316\u0316");
}

}  // namespace
}  // namespace maru::text
