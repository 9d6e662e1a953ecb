// Ids against Hugging Face's tokenizers: tests/cases/tokenizer/minilm.golden.json, written by
// tools/oracle/make_tokenizer_goldens.py, with the vocabulary that script/test brings.
#include "text/wordpiece.h"

#include <gtest/gtest.h>

#include "text/test_golden_corpus.h"

namespace maru::text {
namespace {

using namespace golden;

constexpr const char* kVocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\nma\n##ru\n##r\nis\n.\n마\n루\n";

std::string model_folder() {
  const std::string folder = folder_of("MARU_TEST_MODELS");
  EXPECT_FALSE(folder.empty()) << "set MARU_TEST_MODELS to the folder that holds all-MiniLM-L6-v2";
  return folder + "/all-MiniLM-L6-v2";
}

std::string file_of(const std::string& name) {
  const auto text = read_file(model_folder() + "/" + name, size_t{64} << 20);
  EXPECT_TRUE(text.has_value()) << text.error().to_string();
  return text.has_value() ? *text : "";
}

void expect_golden(const WordPieceTokenizer& tokenizer) {
  const Json corpus = read_case("corpus.json"), golden = read_case("minilm.golden.json");
  const auto texts = read_texts(corpus);
  ASSERT_EQ(texts.size(), golden["plain"].size());
  for (size_t i = 0; i < texts.size(); ++i) {
    EXPECT_EQ(tokenizer.encode(texts[i]), golden["plain"][i].get<std::vector<TokenId>>())
        << texts[i];
  }
  const Alphabets alphabets = read_alphabets(corpus);
  for (size_t chunk = 0; chunk < golden["random"].size(); ++chunk) {
    Random random(chunk);
    Hash hash;
    for (uint64_t i = 0; i < kNLines; ++i) {
      hash.add_ids(tokenizer.encode(random_line(random, alphabets)));
    }
    EXPECT_EQ(hash.hex(), golden["random"][chunk].get<std::string>()) << "chunk " << chunk;
  }
  for (const Json& pair : golden["pairs"]) {
    const auto first = tokenizer.encode(pair["first"].get<std::string>());
    const auto second = tokenizer.encode(pair["second"].get<std::string>());
    const EncoderInput both = tokenizer.arrange(first, second);
    EXPECT_EQ(tokenizer.arrange(first).tokens, pair["single"].get<std::vector<TokenId>>());
    EXPECT_EQ(both.tokens, pair["pair"].get<std::vector<TokenId>>());
    EXPECT_EQ(both.types, pair["types"].get<std::vector<uint8_t>>());
    EXPECT_EQ(both.tokens.size(), first.size() + second.size() + tokenizer.n_added(true));
  }
}

TEST(WordPiece, TokenizerJsonEqualsHuggingFace) {
  const auto tokenizer = WordPieceTokenizer::from_folder(model_folder());
  ASSERT_TRUE(tokenizer.has_value()) << tokenizer.error().to_string();
  EXPECT_EQ((*tokenizer)->size(), 30522u);
  expect_golden(**tokenizer);
}

TEST(WordPiece, VocabularyAloneEqualsHuggingFace) {
  const auto tokenizer = WordPieceTokenizer::from_vocabulary(file_of("vocab.txt"), true);
  ASSERT_TRUE(tokenizer.has_value()) << tokenizer.error().to_string();
  expect_golden(**tokenizer);
}

TEST(WordPiece, CasedVocabularyEqualsHuggingFace) {
  const auto tokenizer = WordPieceTokenizer::from_vocabulary(file_of("vocab.txt"), false);
  ASSERT_TRUE(tokenizer.has_value()) << tokenizer.error().to_string();
  Hash hash;
  for (const std::string& text : read_texts(read_case("corpus.json"))) {
    hash.add_ids((*tokenizer)->encode(text));
  }
  EXPECT_EQ(hash.hex(), read_case("minilm.golden.json")["cased"].get<std::string>());
}

TEST(WordPiece, EveryCharacterCountsAsHuggingFaceHasIt) {
  const auto tokenizer = WordPieceTokenizer::from_folder(model_folder());
  ASSERT_TRUE(tokenizer.has_value()) << tokenizer.error().to_string();
  Hash hash;
  for (uint32_t c = 1; c < 0x20000; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    std::string text = "a";
    utf8_append(text, c);
    hash.add_ids((*tokenizer)->encode(text + "b"));
  }
  EXPECT_EQ(hash.hex(), read_case("minilm.golden.json")["characters"].get<std::string>());
}

TEST(WordPiece, TakesTheLongestMatchAndNoPartOfAnUnknownWord) {
  const auto tokenizer = WordPieceTokenizer::from_vocabulary(kVocabulary, true);
  ASSERT_TRUE(tokenizer.has_value()) << tokenizer.error().to_string();
  using Ids = std::vector<TokenId>;
  EXPECT_EQ((*tokenizer)->encode("Maru is.\r\n"), (Ids{4, 5, 7, 8}));
  EXPECT_EQ((*tokenizer)->encode("marx MAR"), (Ids{1, 4, 6}));
  EXPECT_EQ((*tokenizer)->encode("[CLS] [SEP]"), (Ids{1, 1, 1, 1, 1, 1}));
  EXPECT_EQ((*tokenizer)->encode(""), Ids{});
  EXPECT_EQ((*tokenizer)->encode("\xff"), Ids{});
  EXPECT_EQ((*tokenizer)->encode(std::string(50, 'm') + std::string(51, 'a')), (Ids{1}));
  EXPECT_EQ((*tokenizer)->arrange({4, 5}).tokens, (Ids{2, 4, 5, 3}));
}

TEST(WordPiece, RefusesWhatItCannotRead) {
  const auto code = [](std::string_view json) {
    const auto made = WordPieceTokenizer::from_json(json);
    return made.has_value() ? std::optional<ErrorCode>() : made.error().code;
  };
  EXPECT_EQ(code("[]"), ErrorCode::kCorrupt);
  EXPECT_EQ(code(R"({"model":{"type":"Unigram"}})"), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(R"({"model":{"type":"WordPiece","vocab":{"a":-1}}})"), ErrorCode::kCorrupt);
  EXPECT_EQ(code(R"({"model":{"type":"WordPiece","vocab":{"a":0}}})"), ErrorCode::kCorrupt);
  const std::string model = R"("model":{"type":"WordPiece","vocab":{"[UNK]":0}})";
  EXPECT_EQ(code("{" + model + "}"), ErrorCode::kInvalidArgument);  // no pre-tokenizer
  EXPECT_EQ(code("{" + model + R"(,"normalizer":{"type":"NFC"}})"), ErrorCode::kInvalidArgument);
  const std::string split = R"("pre_tokenizer":{"type":"BertPreTokenizer"})";
  EXPECT_EQ(code("{" + model + "," + split + "}"), std::nullopt);
  EXPECT_EQ(code("{" + model + "," + split +
                 R"(,"post_processor":{"type":"TemplateProcessing",)"
                 R"("single":[{"SpecialToken":{"id":"[CLS]","type_id":0}}],"pair":[]}})"),
            ErrorCode::kCorrupt);
  EXPECT_EQ(code("{" + model + "," + split + R"(,"added_tokens":[{"id":0,"content":"x"}]})"),
            ErrorCode::kInvalidArgument);
  const auto made = WordPieceTokenizer::from_vocabulary("a\nb\n", true);
  ASSERT_FALSE(made.has_value());
  EXPECT_EQ(made.error().code, ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace maru::text
