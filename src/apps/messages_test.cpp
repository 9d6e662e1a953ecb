#include "apps/messages.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <set>
#include <string>

namespace maru::apps {
namespace {

// The values that a text takes: "{}", "{0}"...; how often each, the order left aside.
std::multiset<std::string> placeholders(std::string_view text) {
  std::multiset<std::string> found;
  int next = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '{' && text.substr(i, 2) == "{{") {
      ++i;
    } else if (text[i] == '{') {
      const std::string name(text.substr(i + 1, text.find('}', i) - i - 1));
      found.insert(name.empty() ? std::to_string(next++) : name);
    }
  }
  return found;
}

TEST(Messages, AreThereInBothLanguagesWithTheSameValues) {
  for (int i = 0; i < static_cast<int>(Message::kCount); ++i) {
    const auto message = static_cast<Message>(i);
    const auto english = message_text(Language::kEnglish, message);
    const auto korean = message_text(Language::kKorean, message);
    EXPECT_FALSE(english.empty()) << i;
    EXPECT_FALSE(korean.empty()) << i;
    EXPECT_EQ(placeholders(english), placeholders(korean)) << english;
  }
}

TEST(Messages, AreFilledIn) {
  EXPECT_EQ(Phrases(Language::kEnglish)(Message::kError, "x"), "error: x");
  EXPECT_EQ(Phrases(Language::kKorean)(Message::kError, "x"), "오류: x");
  EXPECT_EQ(Phrases(Language::kKorean)(Message::kSmallerContext, 1, 2),
            "컨텍스트: 모델의 2 토큰 가운데 1 토큰.");
  const std::string serve =
      Phrases(Language::kEnglish)(Message::kServeNext, "http://h:1", "m", "", "k");
  EXPECT_NE(serve.find(R"(-d '{"model": "m", "messages": [{"role": "user")"), std::string::npos);
}

TEST(Language, FollowsTheSettingThenTheLocale) {
  for (const char* name : {"LC_ALL", "LC_MESSAGES", "LANG"}) ::unsetenv(name);
  EXPECT_EQ(choose_language(""), Language::kEnglish);
  ::setenv("LANG", "ko_KR.UTF-8", 1);
  EXPECT_EQ(choose_language(""), Language::kKorean);
  EXPECT_EQ(choose_language("en"), Language::kEnglish);
  ::setenv("LC_ALL", "C.UTF-8", 1);
  EXPECT_EQ(choose_language(""), Language::kEnglish);
  EXPECT_EQ(choose_language("ko"), Language::kKorean);
}

}  // namespace
}  // namespace maru::apps
