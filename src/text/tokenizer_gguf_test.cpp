#include <gtest/gtest.h>

#include "formats/testing/gguf_writer.h"
#include "text/tokenizer.h"

namespace maru::text {
namespace {

using formats::testing::GgufType;
using formats::testing::GgufWriter;

const std::vector<std::string> kTokens{"<unk>", "<s>", "</s>", "<0x41>", "▁",    "a",
                                       "b",     "ab",  "▁a",   "  ",     "<|x|>"};
const std::vector<int32_t> kTypes{2, 3, 3, 6, 1, 1, 1, 1, 1, 4, 4};

struct Loaded {
  std::vector<uint8_t> bytes;
  formats::GgufFile file;
  Result<std::unique_ptr<Tokenizer>> tokenizer = Error{};
};

Loaded load(const GgufWriter& writer) {
  Loaded out;
  out.bytes = writer.finish();
  auto file = formats::GgufFile::parse(out.bytes);
  EXPECT_TRUE(file.has_value()) << file.error().to_string();
  out.file = std::move(*file);
  out.tokenizer = Tokenizer::from_gguf(out.file);
  return out;
}

GgufWriter sentencepiece() {
  GgufWriter writer;
  writer.add_string("tokenizer.ggml.model", "llama");
  writer.add_strings("tokenizer.ggml.tokens", kTokens);
  writer.add_array("tokenizer.ggml.token_type", GgufType::kInt32, kTypes);
  // ab and ▁a have the same score: the leftmost pair is joined.
  writer.add_array("tokenizer.ggml.scores", GgufType::kFloat32,
                   std::vector<float>{0, 0, 0, 0, -3, -3, -3, -1, -1, 0, 0});
  return writer;
}

std::vector<TokenId> encode(const Tokenizer& tokenizer, std::string_view text, bool trusted) {
  const Segment segment{text, trusted};
  return tokenizer.encode(std::span(&segment, 1));
}

TEST(TokenizerGguf, SentencePieceJoinsByScore) {
  GgufWriter writer = sentencepiece();
  writer.add_uint("tokenizer.ggml.bos_token_id", 1);
  writer.add_uint("tokenizer.ggml.eos_token_id", 2);
  writer.add_uint("tokenizer.ggml.eot_token_id", 10);
  const Loaded loaded = load(writer);
  ASSERT_TRUE(loaded.tokenizer.has_value()) << loaded.tokenizer.error().to_string();
  const Tokenizer& t = **loaded.tokenizer;
  EXPECT_EQ(encode(t, "ab", false), (std::vector<TokenId>{8, 6}));
  EXPECT_EQ(encode(t, "bab", false), (std::vector<TokenId>{4, 6, 7}));
  EXPECT_EQ(encode(t, "A", false), (std::vector<TokenId>{4, 3}));
  EXPECT_EQ(encode(t, "bCb", false), (std::vector<TokenId>{4, 6, 0, 6}));
  EXPECT_EQ(encode(t, "b  b", false), (std::vector<TokenId>{4, 6, 9, 6}));
  EXPECT_EQ(encode(t, "<s>a<|x|>", true), (std::vector<TokenId>{1, 8, 10}));
  for (const TokenId id : encode(t, "<s></s><unk><|x|>", false)) {
    EXPECT_FALSE(t.is_control(id) && id != 0);
    EXPECT_NE(id, 10);
  }
  EXPECT_EQ(t.decode(std::vector<TokenId>{1, 8, 6, 9, 3}, false), "ab  A");
  EXPECT_EQ(t.bos(), 1);
  EXPECT_TRUE(t.adds_bos());
  EXPECT_EQ(t.end_tokens(), (std::vector<TokenId>{2, 10}));
}

TEST(TokenizerGguf, SpacePrefixAndBosAreTheFilesChoice) {
  GgufWriter writer = sentencepiece();
  writer.add_bool("tokenizer.ggml.add_space_prefix", false);
  writer.add_bool("tokenizer.ggml.add_bos_token", false);
  writer.add_uint("tokenizer.ggml.bos_token_id", 1);
  const Loaded loaded = load(writer);
  ASSERT_TRUE(loaded.tokenizer.has_value());
  EXPECT_EQ(encode(**loaded.tokenizer, "ab", false), (std::vector<TokenId>{7}));
  EXPECT_FALSE((*loaded.tokenizer)->adds_bos());
}

TEST(TokenizerGguf, ByteLevelReadsMergesAndPre) {
  GgufWriter writer;
  writer.add_string("tokenizer.ggml.model", "gpt2");
  writer.add_string("tokenizer.ggml.pre", "smollm");
  writer.add_strings("tokenizer.ggml.tokens", {"a", "b", "Ġ", "1", "11", "Ġa", "Ġab", "<e>"});
  writer.add_array("tokenizer.ggml.token_type", GgufType::kInt32,
                   std::vector<int32_t>{1, 1, 1, 1, 1, 1, 1, 3});
  writer.add_strings("tokenizer.ggml.merges", {"Ġ a", "Ġa b", "1 1"});
  const Loaded loaded = load(writer);
  ASSERT_TRUE(loaded.tokenizer.has_value()) << loaded.tokenizer.error().to_string();
  EXPECT_EQ(encode(**loaded.tokenizer, " ab 11<e>", true), (std::vector<TokenId>{6, 2, 3, 3, 7}));
  EXPECT_FALSE((*loaded.tokenizer)->adds_bos());
}

TEST(TokenizerGguf, NamesWhatIsMissingOrBroken) {
  const auto message = [](const GgufWriter& writer) {
    const Loaded loaded = load(writer);
    return loaded.tokenizer.has_value() ? "loaded" : loaded.tokenizer.error().message;
  };
  GgufWriter writer;
  EXPECT_NE(message(writer).find("tokenizer.ggml.model"), std::string::npos);
  writer.add_string("tokenizer.ggml.model", "bert");
  EXPECT_NE(message(writer).find("bert"), std::string::npos);

  GgufWriter gpt;
  gpt.add_string("tokenizer.ggml.model", "gpt2");
  EXPECT_NE(message(gpt).find("tokenizer.ggml.tokens"), std::string::npos);
  gpt.add_strings("tokenizer.ggml.tokens", {"a", "b"});
  EXPECT_NE(message(gpt).find("tokenizer.ggml.pre"), std::string::npos);
  GgufWriter unknown = gpt;
  unknown.add_string("tokenizer.ggml.pre", "martian");
  EXPECT_NE(message(unknown).find("martian"), std::string::npos);
  gpt.add_string("tokenizer.ggml.pre", "gpt-2");
  EXPECT_NE(message(gpt).find("tokenizer.ggml.merges"), std::string::npos);
  gpt.add_strings("tokenizer.ggml.merges", {"a b"});
  EXPECT_NE(message(gpt).find("tokenizer.ggml.merges[0]"), std::string::npos);

  GgufWriter llama;
  llama.add_string("tokenizer.ggml.model", "llama");
  llama.add_strings("tokenizer.ggml.tokens", {"a", std::string(5000, 'x')});
  EXPECT_NE(message(llama).find("tokenizer.ggml.tokens[1]"), std::string::npos);
  GgufWriter scores;
  scores.add_string("tokenizer.ggml.model", "llama");
  scores.add_strings("tokenizer.ggml.tokens", {"a", "b"});
  scores.add_array("tokenizer.ggml.scores", GgufType::kFloat32, std::vector<float>{1});
  EXPECT_NE(message(scores).find("tokenizer.ggml.scores"), std::string::npos);
  scores.add_array("tokenizer.ggml.token_type", GgufType::kInt32, std::vector<int32_t>{1});
  EXPECT_NE(message(scores).find("tokenizer.ggml.token_type"), std::string::npos);
}

}  // namespace
}  // namespace maru::text
