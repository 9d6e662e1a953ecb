#include <gtest/gtest.h>

#include <filesystem>
#include <random>

#include "base/files.h"
#include "base/json.h"
#include "text/tokenizer.h"

namespace maru::text {
namespace {

// Characters a..z and the marks that control tokens are made of; joins "l o w".
Json small_tokenizer() {
  Json vocab = Json::object();
  int32_t next = 0;
  for (char c = 'a'; c <= 'z'; ++c) vocab[std::string(1, c)] = next++;
  for (const char* text : {"<", ">", "|", "/", " ", "_", "lo", "low", "<e>"}) vocab[text] = next++;
  return {{"added_tokens",
           Json::array({Json{{"id", vocab["<e>"]}, {"content", "<e>"}, {"special", true}},
                        Json{{"id", 100}, {"content", "<|user|>"}, {"special", false}},
                        Json{{"id", 101}, {"content", "<tag>"}, {"special", false}}})},
          {"normalizer", nullptr},
          {"pre_tokenizer", nullptr},
          {"decoder", {{"type", "Fuse"}}},
          {"model",
           {{"type", "BPE"},
            {"vocab", vocab},
            {"merges", Json::array({Json::array({"l", "o"}), Json::array({"lo", "w"})})}}}};
}

std::unique_ptr<Tokenizer> load(const Json& json) {
  auto tokenizer = Tokenizer::from_json(json.dump());
  EXPECT_TRUE(tokenizer.has_value()) << tokenizer.error().to_string();
  return std::move(tokenizer).value();
}

std::string spell(const Tokenizer& tokenizer, const std::vector<TokenId>& ids) {
  std::string out;
  for (const TokenId id : ids) out += "[" + std::string(tokenizer.token_text(id)) + "]";
  return out;
}

std::string encode(const Tokenizer& tokenizer, const std::vector<Segment>& segments) {
  return spell(tokenizer, tokenizer.encode(segments));
}

TEST(TokenizerTrust, ControlTokensComeFromTrustedTextOnly) {
  const auto t = load(small_tokenizer());
  EXPECT_EQ(encode(*t, {{"<e>low<|user|><tag>", true}}), "[<e>][low][<|user|>][<tag>]");
  EXPECT_EQ(encode(*t, {{"<e>", false}}), "[<][e][>]");
  EXPECT_EQ(encode(*t, {{"<|user|>", false}}), "[<][|][u][s][e][r][|][>]");
  EXPECT_EQ(encode(*t, {{"<tag>", false}}), "[<tag>]");
  // Not from two halves of different trust either, in any order.
  EXPECT_EQ(encode(*t, {{"<", true}, {"e", false}, {">", true}}), "[<][e][>]");
  EXPECT_EQ(encode(*t, {{"<e", true}, {">", false}}), "[<][e][>]");
  EXPECT_EQ(encode(*t, {{"<", false}, {"e>", true}}), "[<][e][>]");
  EXPECT_EQ(encode(*t, {{"<e", true}, {">", true}}), "[<e>]");
  EXPECT_EQ(encode(*t, {{"\xE2\x82<e>\xFF", true}, {"<e>", false}}), "[<e>][<][e][>]");
}

TEST(TokenizerTrust, OrdinaryTokensSpanSegments) {
  const auto t = load(small_tokenizer());
  EXPECT_EQ(encode(*t, {{"l", true}, {"o", false}, {"", false}, {"w", true}}), "[low]");
  EXPECT_EQ(encode(*t, {{"<t", false}, {"ag>", true}}), "[<tag>]");
}

TEST(TokenizerTrust, CuttingATextIntoSegmentsChangesNothing) {
  const auto t = load(small_tokenizer());
  std::mt19937 random(11);
  const std::string alphabet = "low<>|e tag/\xE2\x82\xAC";
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    for (size_t n = random() % 20; n > 0; --n) {
      text += random() % 4 == 0 ? "<e>" : std::string(1, alphabet[random() % alphabet.size()]);
    }
    const bool trusted = round % 2 == 0;
    std::vector<Segment> segments;
    for (std::string_view rest = text; !rest.empty();) {
      const size_t n = 1 + random() % rest.size();
      segments.push_back({rest.substr(0, n), trusted});
      rest.remove_prefix(n);
    }
    const Segment whole{text, trusted};
    ASSERT_EQ(t->encode(segments), t->encode(std::span(&whole, 1))) << text;
  }
}

TEST(TokenizerJson, AnswersAboutTokens) {
  const auto t = load(small_tokenizer());
  EXPECT_EQ(t->size(), 102u);
  const TokenId end = *t->find_token("<e>");
  EXPECT_TRUE(t->is_control(end));
  EXPECT_EQ(t->token_bytes(end), "");
  EXPECT_EQ(t->token_text(end), "<e>");
  EXPECT_FALSE(t->is_control(101));
  EXPECT_EQ(t->token_bytes(101), "<tag>");
  EXPECT_EQ(t->find_token("nothing"), std::nullopt);
  EXPECT_EQ(t->token_text(50), "");  // a hole in the ids
  for (const TokenId id : {-1, 50, 102, 1 << 30}) {
    EXPECT_EQ(t->token_bytes(id), "");
    EXPECT_FALSE(t->is_control(id));
    EXPECT_EQ(t->decode(std::span(&id, 1), true), "");
  }
  const std::vector<TokenId> ids{*t->find_token("low"), end, 101};
  EXPECT_EQ(t->decode(ids, false), "low<tag>");
  EXPECT_EQ(t->decode(ids, true), "low<e><tag>");
}

TEST(TokenizerJson, RefusesWhatItDoesNotSupportByName) {
  struct Case {
    const char* pointer;
    Json value;
    const char* name;
  };
  const Case cases[] = {
      {"/model/type", "WordPiece", "WordPiece"},
      {"/model/dropout", 0.1, "dropout"},
      {"/model/end_of_word_suffix", "</w>", "end_of_word_suffix"},
      {"/model/continuing_subword_prefix", "##", "continuing_subword_prefix"},
      {"/normalizer", {{"type", "Lowercase"}}, "Lowercase"},
      {"/normalizer",
       {{"type", "Sequence"}, {"normalizers", Json::array({Json{{"type", "NFKC"}}})}},
       "NFKC"},
      {"/pre_tokenizer", {{"type", "BertPreTokenizer"}}, "BertPreTokenizer"},
      {"/pre_tokenizer",
       {{"type", "Split"}, {"pattern", {{"Regex", "("}}}, {"behavior", "Isolated"}},
       "regular expression"},
      {"/decoder", {{"type", "WordPiece"}}, "WordPiece"},
  };
  for (const Case& c : cases) {
    Json json = small_tokenizer();
    json[Json::json_pointer(c.pointer)] = c.value;
    const auto result = Tokenizer::from_json(json.dump());
    ASSERT_FALSE(result.has_value()) << c.pointer;
    EXPECT_EQ(result.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(result.error().message.find(c.name), std::string::npos) << result.error().message;
  }
}

TEST(TokenizerJson, NamesTheBrokenPart) {
  struct Case {
    const char* pointer;
    Json value;
    const char* name;
  };
  const Case cases[] = {
      {"/model", 1, "model"},
      {"/model/vocab", Json::array(), "model.vocab"},
      {"/model/vocab/a", -1, "model.vocab[\"a\"]"},
      {"/model/vocab/a", 1e18, "model.vocab[\"a\"]"},
      {"/model/merges", "x", "model.merges"},
      {"/model/merges/0", Json::array({"l", "Q"}), "model.merges[0]"},
      {"/model/merges/0", Json::array({"l"}), "model.merges[0]"},
      {"/model/merges/0", 5, "model.merges[0]"},
      {"/model/unk_token", "none", "model.unk_token"},
      {"/added_tokens", Json::array({Json{{"id", 3}}}), "added_tokens[0]"},
      {"/added_tokens/0/id", "3", "added_tokens[0].id"},
      {"/normalizer", {{"type", "Prepend"}}, "prepend"},
      {"/normalizer", {{"type", "Replace"}}, "pattern"},
  };
  for (const Case& c : cases) {
    Json json = small_tokenizer();
    json[Json::json_pointer(c.pointer)] = c.value;
    const auto result = Tokenizer::from_json(json.dump());
    ASSERT_FALSE(result.has_value()) << c.pointer;
    EXPECT_EQ(result.error().code, ErrorCode::kCorrupt);
    EXPECT_NE(result.error().message.find(c.name), std::string::npos) << result.error().message;
  }
  EXPECT_EQ(Tokenizer::from_json("{").error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(Tokenizer::from_json("[]").error().code, ErrorCode::kCorrupt);
}

TEST(TokenizerJson, MergesNeverGiveControlTokens) {
  Json json = small_tokenizer();
  json["model"]["vocab"]["<e"] = 60;
  json["model"]["merges"].push_back(Json::array({"<e", ">"}));
  json["model"]["merges"].push_back(Json::array({"<", "e"}));
  auto t = Tokenizer::from_json(json.dump());
  ASSERT_TRUE(t.has_value()) << t.error().to_string();
  EXPECT_EQ(encode(**t, {{"<e>", false}}), "[<e][>]");
}

TEST(TokenizerJson, ReadsTheFilesBesideIt) {
  const auto folder = std::filesystem::path(testing::TempDir()) / "maru_tokenizer_json";
  std::filesystem::create_directories(folder);
  Json json = small_tokenizer();
  const auto write = [&](const char* name, const Json& value) {
    ASSERT_TRUE(write_file_atomically((folder / name).string(), value.dump()).has_value());
  };
  const std::string path = (folder / "tokenizer.json").string();
  write("tokenizer.json", json);
  std::filesystem::remove(folder / "tokenizer_config.json");
  std::filesystem::remove(folder / "special_tokens_map.json");
  const auto bare = Tokenizer::from_json_file(path);
  ASSERT_TRUE(bare.has_value());
  EXPECT_EQ((*bare)->eos(), std::nullopt);
  EXPECT_FALSE((*bare)->adds_bos());

  write("tokenizer_config.json",
        {{"eos_token", {{"content", "<e>"}}}, {"add_bos_token", true}, {"bos_token", nullptr}});
  write("special_tokens_map.json", {{"bos_token", "<|user|>"}, {"eos_token", "a"}});
  const auto configured = Tokenizer::from_json_file(path);
  ASSERT_TRUE(configured.has_value());
  EXPECT_EQ((*configured)->token_text(*(*configured)->eos()), "<e>");
  EXPECT_EQ((*configured)->bos(), 100);
  EXPECT_TRUE((*configured)->adds_bos());
  EXPECT_EQ((*configured)->end_tokens(), std::vector<TokenId>{*(*configured)->eos()});

  EXPECT_EQ(Tokenizer::from_json_file((folder / "none.json").string()).error().code,
            ErrorCode::kNotFound);
  ASSERT_TRUE(write_file_atomically((folder / "tokenizer_config.json").string(), "{").has_value());
  EXPECT_EQ(Tokenizer::from_json_file(path).error().code, ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace maru::text
