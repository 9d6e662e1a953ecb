#include "service/reasoning.h"

#include <gtest/gtest.h>

#include <vector>

namespace maru::service {
namespace {

uint32_t count(const std::vector<std::string>& tokens, const std::string& prompt_end = "") {
  ReasoningCounter counter(prompt_end);
  for (const std::string& token : tokens) counter.add(token);
  return counter.n_tokens();
}

TEST(Reasoning, SpecialTokensAreCountedWithWhatIsBetween) {
  EXPECT_EQ(count({"<think>", "\n", "well", ".", "</think>", "\n\n", "Yes"}), 5U);
  EXPECT_EQ(count({"[THINK]", "well", "[/THINK]", "Yes"}), 3U);
  EXPECT_EQ(count({"<think>", "</think>", "Yes"}), 2U);
}

TEST(Reasoning, MarksMayBeCutIntoTokensAnyhow) {
  EXPECT_EQ(count({"\n", "<", "thi", "nk", ">", "a", "b</", "think", ">c", "d"}), 9U);
  EXPECT_EQ(count({"<think>a</think>b", "c"}), 1U);
  std::vector<std::string> bytes;
  for (const char c : std::string("<think>ab</think>cd")) bytes.emplace_back(1, c);
  EXPECT_EQ(count(bytes), 17U);
}

TEST(Reasoning, OnlyTheBeginningThinks) {
  EXPECT_EQ(count({"Write", " <think>", "x", "</think>"}), 0U);
  EXPECT_EQ(count({"<", "b", ">", "<think>"}), 0U);
  EXPECT_EQ(count({"<thin"}), 0U);
  EXPECT_EQ(count({"<think>", "a", "</think>", "<think>", "b", "</think>"}), 3U);
  EXPECT_EQ(count({}), 0U);
}

TEST(Reasoning, WithoutAnEndAllOfItIs) { EXPECT_EQ(count({"<think>", "a", "b"}), 3U); }

TEST(Reasoning, ThePromptMayOpenIt) {
  EXPECT_EQ(count({"a", "b", "</think>", "c"}, "<|im_start|>assistant\n<think>\n"), 3U);
  EXPECT_EQ(count({"a", "b"}, "<think>\n\n</think>\n\n"), 0U);
  EXPECT_EQ(count({"<think>", "b"}, "say <think> first"), 2U);
}

TEST(Reasoning, LaterThinkingIsNoPartOfTheHistory) {
  const auto same = [](std::string_view text) { EXPECT_EQ(without_later_thinking(text), text); };
  same("");
  same("a <think>b</think> c");
  same("<think>a</think>b");
  same("<tool_call>{}</tool_call> so <think>a</think>");
  same("<tool_call>{}</tool_call>\n<think>open");
  same("</tool_response></tool_call> <think>a [/THINK]");
  std::string marks;  // a search to the end for each of them would take minutes
  for (int i = 0; i < 500'000; ++i) marks += i % 2 == 0 ? "</tool_call>" : "<think>";
  same(marks);
  EXPECT_EQ(
      without_later_thinking("<think>a</think>b\n<tool_call>{}</tool_call>\n<think>c</think>\n"
                             "<tool_response>d</tool_response>[THINK]e[/THINK]f"),
      "<think>a</think>b\n<tool_call>{}</tool_call>\n"
      "<tool_response>d</tool_response>f");
}

}  // namespace
}  // namespace maru::service
