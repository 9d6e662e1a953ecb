#include "text/search_words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace maru::text {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(SearchWords, SeparatesAndLowersWords) {
  EXPECT_THAT(search_words("Hello, WORLD-42!"), ElementsAre("hello", "world", "42"));
  EXPECT_THAT(search_words("\xC3\x89t\xC3\xA9"), ElementsAre("été"));
  EXPECT_THAT(search_words(" \n.,;"), IsEmpty());
  EXPECT_THAT(search_words(""), IsEmpty());
}

TEST(SearchWords, PairsLettersOfKorean) {
  EXPECT_THAT(search_words("회의록을"), ElementsAre("회의", "의록", "록을", "을"));
  EXPECT_THAT(search_words("물"), ElementsAre("물"));
  EXPECT_THAT(search_words("AI회의 GPU"), ElementsAre("ai", "회의", "의", "gpu"));
}

TEST(SearchWords, ComposesLettersFirst) {
  EXPECT_EQ(search_words("\xE1\x84\x92\xE1\x85\xAC"), search_words("회"));  // ᄒ + ᅬ
}

TEST(SearchWords, TakesAnyBytesAndAnyLength) {
  EXPECT_THAT(search_words("a\xFF\xFE\x80z"), ElementsAre("a", "z"));
  EXPECT_EQ(search_words(std::string(10'000, 'x')).at(0).size(), 64u);
}

// As an index would: whether some place of the text has the terms' words one behind the other.
bool finds(std::string_view query, std::string_view text) {
  const auto words = search_words(text);
  for (const SearchTerm& term : search_terms(query)) {
    bool is_there = false;
    for (size_t at = 0; at + term.words.size() <= words.size() && !is_there; ++at) {
      is_there = true;
      for (size_t i = 0; i < term.words.size(); ++i) {
        const bool may_go_on = term.is_prefix && i + 1 == term.words.size();
        is_there = is_there && (may_go_on ? words[at + i].starts_with(term.words[i])
                                          : words[at + i] == term.words[i]);
      }
    }
    if (!is_there) return false;
  }
  return true;
}

TEST(SearchTerms, FindPartsOfWords) {
  EXPECT_TRUE(finds("회의", "주간회의록을 보냅니다"));
  EXPECT_TRUE(finds("회의록", "주간회의록을 보냅니다"));
  EXPECT_TRUE(finds("록", "주간회의록을 보냅니다"));
  EXPECT_TRUE(finds("보냅", "주간회의록을 보냅니다"));
  EXPECT_FALSE(finds("회록", "주간회의록을 보냅니다"));
  EXPECT_FALSE(finds("회의보", "주간회의록을 보냅니다"));
  EXPECT_TRUE(finds("quart", "The Quarterly report"));
  EXPECT_FALSE(finds("arterly", "The Quarterly report"));
  EXPECT_TRUE(finds("report quarterly", "The Quarterly report"));
  EXPECT_TRUE(finds("AI 회의", "AI회의"));
}

TEST(SearchTerms, AreFew) {
  std::string query;
  for (int i = 0; i < 100; ++i) query += "w" + std::to_string(i) + " ";
  EXPECT_EQ(search_terms(query).size(), 16u);
  EXPECT_THAT(search_terms("?!"), IsEmpty());
}

}  // namespace
}  // namespace maru::text
