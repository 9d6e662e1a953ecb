// Ids and texts against Hugging Face's tokenizers: tests/cases/tokenizer, written by
// tools/oracle/make_tokenizer_goldens.py. Small features run on vocabularies inside the cases; the
// families need the real files that script/test brings (MARU_TEST_TOKENIZERS, MARU_TEST_MODELS).
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>

#include "base/files.h"
#include "base/json.h"
#include "base/utf8.h"
#include "text/stream_decoder.h"
#include "text/test_golden_corpus.h"
#include "text/tokenizer.h"

namespace maru::text {
namespace {

using namespace golden;

std::vector<TokenId> encode_trusted(const Tokenizer& tokenizer, std::string_view text) {
  const Segment segment{text, true};
  return tokenizer.encode(std::span(&segment, 1));
}

void check_texts(const Tokenizer& tokenizer, const Json& corpus, const Json& golden) {
  const auto texts = read_texts(corpus);
  ASSERT_EQ(texts.size(), golden["plain"].size());
  Hash decoded;
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto ids = tokenizer.encode(texts[i]);
    EXPECT_EQ(ids, golden["plain"][i].get<std::vector<TokenId>>()) << texts[i];
    for (const TokenId id : ids) EXPECT_FALSE(tokenizer.is_control(id)) << texts[i];
    decoded.add_text(tokenizer.decode(ids, false));
  }
  EXPECT_EQ(decoded.hex(), golden["decoded"].get<std::string>());
  for (size_t i = 0; i < corpus["special"].size(); ++i) {
    const std::string text = corpus["special"][i].get<std::string>();
    EXPECT_EQ(encode_trusted(tokenizer, text), golden["special"][i].get<std::vector<TokenId>>())
        << text;
  }
}

void check_random_texts(const Tokenizer& tokenizer, const Alphabets& alphabets,
                        const Json& golden) {
  for (size_t chunk = 0; chunk < golden["random"].size(); ++chunk) {
    Random random(chunk);
    std::vector<std::string> lines;
    for (uint64_t i = 0; i < kNLines; ++i) lines.push_back(random_line(random, alphabets));
    Hash hash;
    for (const std::string& line : lines) hash.add_ids(tokenizer.encode(line));
    EXPECT_EQ(hash.hex(), golden["random"][chunk].get<std::string>()) << "chunk " << chunk;
  }
}

// Also that a stream gives the same text, token by token, and whole characters only.
void check_random_ids(const Tokenizer& tokenizer, const Alphabets& alphabets, const Json& golden) {
  const auto n_tokens = golden["n_tokens"].get<uint64_t>();
  ASSERT_EQ(n_tokens, tokenizer.size());
  const auto first_byte_token = tokenizer.find_token("<0x00>");
  for (size_t chunk = 0; chunk < golden["random_decoded"].size(); ++chunk) {
    Random random(chunk);
    for (uint64_t i = 0; i < kNLines; ++i) random_line(random, alphabets);
    std::vector<std::vector<TokenId>> all;
    for (uint64_t i = 0; i < kNLines; ++i) {
      all.push_back(random_ids(random, n_tokens, first_byte_token));
    }
    Hash hash;
    for (const bool with_special : {false, true}) {
      for (const auto& ids : all) {
        const std::string text = tokenizer.decode(ids, with_special);
        hash.add_text(text);
        StreamDecoder stream(tokenizer, {}, with_special);
        std::string streamed;
        for (const TokenId id : ids) {
          const std::string part = stream.push(id);
          ASSERT_TRUE(utf8_is_valid(part));
          streamed += part;
        }
        ASSERT_EQ(streamed + stream.finish(), text);
      }
    }
    EXPECT_EQ(hash.hex(), golden["random_decoded"][chunk].get<std::string>()) << "chunk " << chunk;
  }
}

struct Family {
  const char* name;
  int32_t bos, eos;  // -1: none
  bool adds_bos;
  std::vector<TokenId> end_tokens;
};

class TokenizerGolden : public testing::TestWithParam<Family> {};

TEST_P(TokenizerGolden, EqualsHuggingFace) {
  const Family& family = GetParam();
  const std::string folder = folder_of("MARU_TEST_TOKENIZERS");
  ASSERT_FALSE(folder.empty()) << "set MARU_TEST_TOKENIZERS to the folder that holds tokenizer-*/";
  auto loaded =
      Tokenizer::from_json_file(folder + "/tokenizer-" + family.name + "/models/tokenizer.json");
  ASSERT_TRUE(loaded.has_value()) << loaded.error().to_string();
  const Tokenizer& tokenizer = **loaded;
  EXPECT_EQ(tokenizer.bos().value_or(-1), family.bos);
  EXPECT_EQ(tokenizer.eos().value_or(-1), family.eos);
  EXPECT_EQ(tokenizer.adds_bos(), family.adds_bos);
  EXPECT_EQ(tokenizer.end_tokens(), family.end_tokens);
  const Json corpus = read_case("corpus.json");
  const Json golden = read_case(std::string(family.name) + ".golden.json");
  check_texts(tokenizer, corpus, golden);
  check_random_texts(tokenizer, read_alphabets(corpus), golden);
  check_random_ids(tokenizer, read_alphabets(corpus), golden);
}

INSTANTIATE_TEST_SUITE_P(
    Families, TokenizerGolden,
    testing::Values(Family{"llama2", 1, 2, true, {2}},
                    Family{"llama3_1", 128000, 128009, true, {128009, 128001}},
                    Family{"qwen3", -1, 151645, false, {151645, 151643}},
                    Family{"gemma3", 2, 106, true, {106, 1}},
                    Family{"deepseek_v3", 0, 1, true, {1, 128805}},
                    Family{"gptoss", 199998, 200002, false, {200002, 199999, 200012}}),
    [](const auto& family) { return std::string(family.param.name); });

TEST(TokenizerGolden, SmolLm2GgufEqualsHuggingFace) {
  const std::string folder = folder_of("MARU_TEST_MODELS");
  ASSERT_FALSE(folder.empty()) << "set MARU_TEST_MODELS to the folder that holds the GGUF files";
  const auto file = formats::GgufFile::open(folder + "/SmolLM2-135M-Instruct.Q4_1.gguf");
  ASSERT_TRUE(file.has_value()) << file.error().to_string();
  const auto loaded = Tokenizer::from_gguf(*file);
  ASSERT_TRUE(loaded.has_value()) << loaded.error().to_string();
  const Tokenizer& tokenizer = **loaded;
  EXPECT_EQ(tokenizer.end_tokens(), (std::vector<TokenId>{2, 0}));
  EXPECT_FALSE(tokenizer.adds_bos());
  const Json corpus = read_case("corpus.json");
  const Json golden = read_case("smollm.golden.json");
  check_texts(tokenizer, corpus, golden);
  check_random_texts(tokenizer, read_alphabets(corpus), golden);
  check_random_ids(tokenizer, read_alphabets(corpus), golden);
}

TEST(TokenizerGolden, GemmaGgufEqualsItsTokenizerJson) {
  const std::string folder = folder_of("MARU_TEST_MODELS");
  ASSERT_FALSE(folder.empty()) << "set MARU_TEST_MODELS to the folder that holds the GGUF files";
  const auto file = formats::GgufFile::open(folder + "/gemma-3-270m-q4_k_m.gguf");
  ASSERT_TRUE(file.has_value()) << file.error().to_string();
  const auto loaded = Tokenizer::from_gguf(*file);
  ASSERT_TRUE(loaded.has_value()) << loaded.error().to_string();
  EXPECT_EQ((*loaded)->end_tokens(), (std::vector<TokenId>{1, 106}));
  EXPECT_TRUE((*loaded)->adds_bos());
  const Json corpus = read_case("corpus.json");
  const Json golden = read_case("gemma3.golden.json");
  // The GGUF calls <mask> a control token, tokenizer.json does not: read the text that has it as
  // trusted in both.
  const auto texts = read_texts(corpus);
  for (size_t i = 0; i < texts.size(); ++i) {
    if (texts[i].find("<mask>") != std::string::npos) continue;
    EXPECT_EQ((*loaded)->encode(texts[i]), golden["plain"][i].get<std::vector<TokenId>>())
        << texts[i];
  }
  for (size_t i = 0; i < corpus["special"].size(); ++i) {
    const std::string text = corpus["special"][i].get<std::string>();
    EXPECT_EQ(encode_trusted(**loaded, text), golden["special"][i].get<std::vector<TokenId>>())
        << text;
  }
  check_random_texts(**loaded, read_alphabets(corpus), golden);
}

TEST(TokenizerGolden, EveryFeatureOfTokenizerJsonEqualsHuggingFace) {
  const Json features = read_case("features.json");
  const Json golden = read_case("features.golden.json");
  ASSERT_EQ(features["features"].size(), golden.size());
  for (size_t i = 0; i < golden.size(); ++i) {
    const Json& feature = features["features"][i];
    SCOPED_TRACE(feature["name"].get<std::string>());
    const auto loaded = Tokenizer::from_json(feature["tokenizer"].dump());
    ASSERT_TRUE(loaded.has_value()) << loaded.error().to_string();
    for (size_t j = 0; j < feature["texts"].size(); ++j) {
      const std::string text = feature["texts"][j].get<std::string>();
      const auto ids = encode_trusted(**loaded, text);
      EXPECT_EQ(ids, golden[i]["ids"][j].get<std::vector<TokenId>>()) << "\"" << text << "\"";
      EXPECT_EQ((*loaded)->decode(ids, false), golden[i]["decoded"][j].get<std::string>()) << text;
    }
  }
}

}  // namespace
}  // namespace maru::text
