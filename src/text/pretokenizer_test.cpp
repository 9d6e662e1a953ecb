#include "text/pretokenizer.h"

#include <gtest/gtest.h>

#include <random>

#include "base/utf8.h"
#include "text/pretokenizer_scanners.h"

namespace maru::text {
namespace {

std::vector<std::string> matches_of(const Pattern& pattern, std::string_view text) {
  std::vector<Piece> pieces;
  pattern.find_all(text, pieces);
  std::vector<std::string> out;
  for (const Piece& piece : pieces)
    out.emplace_back(text.substr(piece.begin, piece.end - piece.begin));
  return out;
}

std::vector<std::string> scan(std::string_view expression, std::string_view text) {
  EXPECT_NE(find_scanner(expression), nullptr);
  auto pattern = make_regex(std::string(expression));
  EXPECT_TRUE(pattern.has_value());
  return matches_of(**pattern, text);
}

using Words = std::vector<std::string>;

TEST(Scanners, SplitAsTheExpressionsSay) {
  EXPECT_EQ(scan(kGpt2Regex, "It's  12  OK'S\n"),
            (Words{"It", "'s", " ", " 12", " ", " OK", "'", "S", "\n"}));
  EXPECT_EQ(scan(kLlama3Regex, "It'S  1234\n \n x"),
            (Words{"It", "'S", " ", " ", "123", "4", "\n \n", " x"}));
  EXPECT_EQ(scan(kQwen2Regex, "(a) 12"), (Words{"(a", ")", " ", "1", "2"}));
  EXPECT_EQ(scan(kO200kRegex, "ABcDe HTTPServer'S 中A //\n"),
            (Words{"ABc", "De", " HTTPServer'S", " 中", "A", " //\n"}));
  EXPECT_EQ(scan(kDeepseekRegex, "#include $x\x01y +1"),
            (Words{"#include", " $", "x", "\x01y", " +"}));
}

// PCRE2 runs the very expressions; texts are random over the characters that matter.
TEST(Scanners, EqualPcre2OnRandomTexts) {
  const std::u32string alphabet =
      U"aAsStlLrREevV'm1٣²Ⅷ  "
      U"\t\n\r\u00a0\u2028\u3000\u0085\u180e.!/-$^<\u0301\u0488中가ʰǅßſªK\u0378\x01😀";
  std::mt19937 random(7);
  for (const std::string_view expression :
       {kGpt2Regex, kLlama3Regex, kQwen2Regex, kO200kRegex, kDeepseekNumberRegex,
        kDeepseekIdeographRegex, kDeepseekRegex, std::string_view("\\p{N}"),
        std::string_view("\\p{N}+")}) {
    const auto scanner = make_regex(std::string(expression));
    const auto oracle = make_fallback_regex(std::string(expression));
    ASSERT_TRUE(scanner.has_value());
    ASSERT_TRUE(oracle.has_value()) << oracle.error().to_string();
    for (int round = 0; round < 4000; ++round) {
      std::string text;
      for (size_t n = random() % 24; n > 0; --n) {
        utf8_append(text, alphabet[random() % alphabet.size()]);
      }
      ASSERT_EQ(matches_of(**scanner, text), matches_of(**oracle, text)) << expression << "\n"
                                                                         << text;
    }
  }
}

TEST(Regex, MeansOnigurumasEscapes) {
  const auto spaces = make_fallback_regex("\\s+");
  EXPECT_EQ(matches_of(**spaces, "a\u0085 \u180eb"), (Words{"\u0085 "}));
  const auto hex = make_fallback_regex("[\\h_]+");
  EXPECT_EQ(matches_of(**hex, "xA9_gf"), (Words{"A9_", "f"}));
}

TEST(Regex, NamesWhatItCannotCompile) {
  const auto result = make_regex("a(b");
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(result.error().message.find("a(b"), std::string::npos);
}

TEST(Regex, GivesUpInsteadOfRunningForever) {
  const auto pattern = make_regex("(a+)+$");
  ASSERT_TRUE(pattern.has_value());
  EXPECT_EQ(matches_of(**pattern, std::string(200, 'a') + "b"), Words{});
}

}  // namespace
}  // namespace maru::text
