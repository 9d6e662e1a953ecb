#include "text/stream_decoder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "base/json.h"
#include "base/utf8.h"

namespace maru::text {
namespace {

// Tokens 0..255 are <0x00>..<0xFF>, then pieces. SentencePiece's decoder, with the leading space
// cut.
std::unique_ptr<Tokenizer> make_tokenizer(const std::vector<std::string>& pieces) {
  Json vocab = Json::object();
  for (int i = 0; i < 256; ++i) {
    char text[7];
    std::snprintf(text, sizeof text, "<0x%02X>", i);
    vocab[text] = i;
  }
  for (size_t i = 0; i < pieces.size(); ++i) vocab[pieces[i]] = 256 + i;
  Json root = {
      {"added_tokens", {{{"id", 256 + pieces.size()}, {"content", "<end>"}, {"special", true}}}},
      {"decoder",
       {{"type", "Sequence"},
        {"decoders",
         {{{"type", "Replace"}, {"pattern", {{"String", "▁"}}}, {"content", " "}},
          {{"type", "ByteFallback"}},
          {{"type", "Fuse"}},
          {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}}}}}},
      {"model",
       {{"type", "BPE"}, {"byte_fallback", true}, {"vocab", vocab}, {"merges", Json::array()}}}};
  auto tokenizer = Tokenizer::from_json(root.dump());
  EXPECT_TRUE(tokenizer.has_value()) << tokenizer.error().to_string();
  return std::move(tokenizer).value();
}

struct Streamed {
  std::string text, stop;
  bool stopped;
};

Streamed stream(const Tokenizer& tokenizer, const std::vector<TokenId>& ids,
                const std::vector<std::string>& stop) {
  StreamDecoder decoder(tokenizer, stop);
  std::string text;
  for (const TokenId id : ids) {
    const std::string part = decoder.push(id);
    EXPECT_TRUE(utf8_is_valid(part));
    text += part;
  }
  text += decoder.finish();
  return {text, decoder.stop_string(), decoder.stopped()};
}

TEST(StreamDecoder, HoldsBackHalfCharacters) {
  const auto tokenizer = make_tokenizer({"▁", "a"});
  StreamDecoder decoder(*tokenizer, {});
  EXPECT_EQ(decoder.push(257), "a");
  for (const TokenId id : {0xF0, 0x9F, 0x98, 0x80}) EXPECT_EQ(decoder.push(id), "");
  EXPECT_EQ(decoder.push(257), "😀a");
  EXPECT_EQ(decoder.push(0xF0), "");
  EXPECT_EQ(decoder.finish(), "\uFFFD");
}

TEST(StreamDecoder, LongRunsOfBytesDoNotWaitForTheirEnd) {
  const auto tokenizer = make_tokenizer({"a"});
  StreamDecoder decoder(*tokenizer, {});
  std::string text;
  for (int i = 0; i < 100; ++i) {
    for (const TokenId id : {0xEA, 0xB0, 0x80}) text += decoder.push(id);
  }
  EXPECT_GT(text.size(), 200u);
  text += decoder.finish();
  EXPECT_EQ(text.size(), 300u);
}

TEST(StreamDecoder, CutsTheLeadingSpaceOfAnAnswerOnly) {
  const auto tokenizer = make_tokenizer({"▁a", "▁"});
  EXPECT_EQ(stream(*tokenizer, {256, 256}, {}).text, "a a");
  EXPECT_EQ(stream(*tokenizer, {257, 256}, {}).text, " a");
  EXPECT_EQ(stream(*tokenizer, {258, 256}, {}).text, "a");  // behind a control token
  EXPECT_EQ(stream(*tokenizer, {0x20, 256}, {}).text, " a");
}

TEST(StreamDecoder, ReturnsTextBeforeAStopStringAtOnce) {
  const auto tokenizer = make_tokenizer({"a", "b", "c", "xab"});
  StreamDecoder decoder(*tokenizer, {"abc"});
  EXPECT_EQ(decoder.push(259), "x");
  EXPECT_EQ(decoder.push(256), "ab");
  EXPECT_EQ(decoder.push(257), "");
  EXPECT_FALSE(decoder.stopped());
  EXPECT_EQ(decoder.push(258), "");
  EXPECT_TRUE(decoder.stopped());
  EXPECT_EQ(decoder.stop_string(), "abc");
  EXPECT_EQ(decoder.push(256), "");
  EXPECT_EQ(decoder.finish(), "");
}

TEST(StreamDecoder, GivesBackWhatOnlyLookedLikeAStop) {
  const auto tokenizer = make_tokenizer({"a", "b"});
  const Streamed out = stream(*tokenizer, {256, 257, 256}, {"abc", "aa"});
  EXPECT_EQ(out.text, "aba");
  EXPECT_FALSE(out.stopped);
}

// However a text is cut into tokens: all text if no stop string is in it, else the text before the
// earliest one.
TEST(StreamDecoder, StopsAtTheEarliestMatchHoweverTokensSplit) {
  const std::vector<std::string> pieces{"a",   "b", "ab", "ba", "aab",
                                        "abb", "▁", "▁a", "가", "<end>"};
  const auto tokenizer = make_tokenizer(pieces);
  const std::vector<std::vector<std::string>> stops{
      {}, {"ab"}, {"aba", "bb"}, {"abab", "ba"}, {" a"}, {"가a"}, {"aaa", "aa", "a"}, {"\xEA\xB0"}};
  std::mt19937 random(3);
  for (int round = 0; round < 20'000; ++round) {
    std::vector<TokenId> ids;
    for (size_t n = random() % 14; n > 0; --n) {
      const bool byte = random() % 5 == 0;
      constexpr TokenId kBytes[] = {0xEA, 0xB0, 0x80, 0xF0, 'a', 'b', 0xFF};
      ids.push_back(byte ? kBytes[random() % 7]
                         : 256 + static_cast<TokenId>(random() % (pieces.size() + 1)));
    }
    const std::string whole = tokenizer->decode(ids, false);
    const auto& stop = stops[random() % stops.size()];
    size_t first = std::string::npos;
    for (const std::string& s : stop) first = std::min(first, whole.find(s));
    if (!stop.empty() && !utf8_is_valid(stop[0])) first = std::string::npos;
    const Streamed out = stream(*tokenizer, ids, stop);
    ASSERT_EQ(out.text, whole.substr(0, first));
    ASSERT_EQ(out.stopped, first != std::string::npos);
    if (out.stopped) {
      ASSERT_EQ(whole.substr(first, out.stop.size()), out.stop);
    }
  }
}

}  // namespace
}  // namespace maru::text
