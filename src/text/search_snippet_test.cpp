#include "text/search_snippet.h"

#include <gtest/gtest.h>

#include "base/utf8.h"

namespace maru::text {
namespace {

SearchSnippet snippet(std::string_view text, std::string_view query, size_t n_around = 5) {
  return search_snippet(text, search_terms(query), n_around);
}

TEST(SearchSnippet, ShowsTheHitBetweenWholeCharacters) {
  const SearchSnippet s = snippet("어제 주간회의록을 썼습니다", "회의", 3);
  EXPECT_EQ(s.before, " 주간");
  EXPECT_EQ(s.match, "회의");
  EXPECT_EQ(s.after, "록을 ");
  EXPECT_TRUE(s.is_cut_before);
  EXPECT_TRUE(s.is_cut_after);
}

TEST(SearchSnippet, LongerPairedWordsAreOnePlace) {
  EXPECT_EQ(snippet("주간회의록을", "회의록").match, "회의록");
  EXPECT_EQ(snippet("회의 뒤의 회의록", "회의록").before, "의 뒤의 ");
}

TEST(SearchSnippet, IgnoresCaseAlsoWhereItChangesTheLength) {
  const SearchSnippet s = snippet("İİİİ REPORT end", "report");
  EXPECT_EQ(s.before, "İİİİ ");
  EXPECT_EQ(s.match, "REPORT");
  EXPECT_EQ(s.after, " end");
  EXPECT_FALSE(s.is_cut_after);
}

TEST(SearchSnippet, FindsWhatWasTypedInPieces) {
  const std::string pieces = "\u1112\u116c\u110b\u1174";  // the letters of 회의, decomposed
  EXPECT_EQ(snippet(pieces, "회의").match, "회의");
}

TEST(SearchSnippet, IsOneLineAndBeginsTheTextWithoutAHit) {
  const SearchSnippet s = snippet("one\n\n\ttwo three", "nowhere", 9);
  EXPECT_EQ(s.match, "");
  EXPECT_EQ(s.after, "one two");
  EXPECT_FALSE(s.is_cut_before);
}

TEST(SearchSnippet, AnyBytesGiveText) {
  for (const std::string& text : {std::string(""), std::string("\xff\xfe\x80"),
                                  std::string(1, '\0'), std::string("a\xe2\x82")}) {
    const SearchSnippet s = snippet(text, "a", 2);
    EXPECT_TRUE(utf8_is_valid(s.before + s.match + s.after));
  }
}

}  // namespace
}  // namespace maru::text
