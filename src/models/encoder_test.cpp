// Encoders against sentence-transformers and transformers (tests/cases/embeddings, written by
// tools/oracle/make_embedding_goldens.py), on every instruction set of this CPU; and that a text's
// result does not depend on what is computed beside it.
#include "models/encoder.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

#include "base/files.h"
#include "base/json.h"
#include "base/testing/test_folder.h"
#include "kernels/dispatch.h"

namespace maru::models {
namespace {

using kernels::Isa;

std::string cases_folder() { return std::string(MARU_SOURCE_DIR) + "/tests/cases/embeddings"; }

Json read_json(const std::string& path) {
  const auto text = read_file(path, size_t{16} << 20);
  EXPECT_TRUE(text.has_value()) << path;
  auto json = parse_json(text.has_value() ? *text : "null");
  EXPECT_TRUE(json.has_value()) << path;
  return json.has_value() ? *json : Json();
}

struct Text {
  std::vector<int32_t> tokens;
  std::vector<uint8_t> types;
  EncoderText view() const { return {tokens, types}; }
};

// Types as a pair has them: 1 behind the second token of id 3, [SEP].
Text pair_of(std::vector<int32_t> ids) {
  Text text{std::move(ids), {}};
  uint8_t type = 0;
  for (const int32_t id : text.tokens) {
    text.types.push_back(type);
    if (id == 3) type = 1;
  }
  return text;
}

std::vector<float> run_all(const Encoder& encoder, const std::vector<Text>& texts,
                           size_t n_threads) {
  ThreadPool pool(n_threads);
  const auto workspace = encoder.make_workspace(n_threads);
  std::vector<EncoderText> views;
  for (const Text& text : texts) {
    views.push_back(text.view());
    EXPECT_TRUE(encoder.check(views.back()).has_value());
  }
  std::vector<float> out(texts.size() * encoder.info().n_out());
  encoder.run(views, pool, *workspace, out.data());
  return out;
}

std::unique_ptr<Encoder> load(const std::string& folder, Isa isa) {
  ThreadPool pool(2);
  auto encoder = Encoder::load(folder, isa, pool);
  EXPECT_TRUE(encoder.has_value()) << encoder.error().to_string();
  return encoder.has_value() ? *std::move(encoder) : nullptr;
}

TEST(Encoder, RerankerGivesTheLogitsOfTransformers) {
  for (const Isa isa : kernels::supported_isas()) {
    SCOPED_TRACE(kernels::isa_name(isa));
    const auto encoder = load(cases_folder() + "/tiny-reranker", isa);
    ASSERT_NE(encoder, nullptr);
    EXPECT_EQ(encoder->info().n_labels, 1u);
    for (const Json& test : read_json(cases_folder() + "/tiny-reranker/cases.json")) {
      const Text pair = pair_of(test["ids"].get<std::vector<int32_t>>());
      EXPECT_NEAR(run_all(*encoder, {pair}, 1)[0], test["logit"].get<float>(), 5e-3f)
          << test["query"] << " " << test["document"];
    }
  }
}

std::vector<Text> random_texts(const Encoder& encoder, size_t n) {
  std::mt19937 random(5);
  std::vector<Text> texts(n);
  for (Text& text : texts) {
    const size_t length = 1 + random() % (random() % 4 == 0 ? encoder.info().max_tokens : 20);
    for (size_t i = 0; i < length; ++i) {
      text.tokens.push_back(static_cast<int32_t>(random() % encoder.info().n_vocab));
      text.types.push_back(static_cast<uint8_t>(random() % encoder.info().n_types));
    }
  }
  return texts;
}

TEST(Encoder, ATextDoesNotDependOnItsBatch) {
  for (const Isa isa : kernels::supported_isas()) {
    for (const char* name : {"/tiny-embedder", "/tiny-reranker"}) {
      SCOPED_TRACE(std::string(kernels::isa_name(isa)) + name);
      const auto encoder = load(cases_folder() + name, isa);
      ASSERT_NE(encoder, nullptr);
      const size_t n_out = encoder->info().n_out();
      const std::vector<Text> texts = random_texts(*encoder, 30);
      const std::vector<float> together = run_all(*encoder, texts, 2);
      for (size_t i = 0; i < texts.size(); ++i) {
        const std::vector<float> alone = run_all(*encoder, {texts[i]}, 1 + i % 3);
        ASSERT_EQ(std::memcmp(alone.data(), together.data() + i * n_out, n_out * sizeof(float)), 0)
            << "text " << i << " of " << texts[i].tokens.size() << " tokens";
      }
    }
  }
}

TEST(Encoder, SaysWhatItIs) {
  const auto info = Encoder::read_info(cases_folder() + "/tiny-embedder");
  ASSERT_TRUE(info.has_value()) << info.error().to_string();
  EXPECT_EQ(info->pooling, Pooling::kFirstToken);
  EXPECT_FALSE(info->normalises);
  EXPECT_EQ(info->n_out(), 48u);
  EXPECT_EQ(info->max_tokens, 96u);
}

TEST(Encoder, ChecksTextsByTheirCounts) {
  const auto encoder = load(cases_folder() + "/tiny-embedder", Isa::kScalar);
  ASSERT_NE(encoder, nullptr);
  const auto code = [&](const Text& text) {
    const Status status = encoder->check(text.view());
    return status.has_value() ? std::optional<ErrorCode>() : status.error().code;
  };
  EXPECT_EQ(code({{1, 2}, {0, 1}}), std::nullopt);
  EXPECT_EQ(code({{}, {}}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({{-1}, {0}}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({{1000}, {0}}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({{1}, {2}}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({std::vector<int32_t>(97, 1), std::vector<uint8_t>(97)}), ErrorCode::kTooLarge);
}

// A copy of the tiny model with a changed configuration, or a file more.
class ChangedEncoder {
 public:
  explicit ChangedEncoder(const char* name) {
    std::filesystem::copy(cases_folder() + "/" + name, folder_.path(),
                          std::filesystem::copy_options::recursive |
                              std::filesystem::copy_options::overwrite_existing);
  }
  void set(const char* key, const Json& value) {
    Json config = read_json(path() + "/config.json");
    config[key] = value;
    put("config.json", dump_json(config));
  }
  void put(const std::string& file, const std::string& text) {
    std::ofstream(path() + "/" + file) << text;
  }
  std::string path() const { return folder_.path(); }
  std::string refusal() const {
    const auto info = Encoder::read_info(path());
    return info.has_value() ? "" : info.error().to_string();
  }

 private:
  TestFolder folder_;
};

TEST(Encoder, RefusesWhatItWouldComputeWrong) {
  const std::pair<const char*, Json> changes[] = {{"hidden_act", "relu"},
                                                  {"position_embedding_type", "relative_key"},
                                                  {"is_decoder", true},
                                                  {"hidden_size", 50},
                                                  {"num_attention_heads", 7},
                                                  {"intermediate_size", 0},
                                                  {"vocab_size", 31},
                                                  {"num_hidden_layers", 3},
                                                  {"num_hidden_layers", 1},
                                                  {"model_type", "llama"},
                                                  {"max_position_embeddings", 95}};
  for (const auto& [key, value] : changes) {
    ChangedEncoder model("tiny-embedder");
    EXPECT_EQ(model.refusal(), "");
    model.set(key, value);
    EXPECT_NE(model.refusal(), "") << key;
  }
  ChangedEncoder dense("tiny-embedder");
  dense.put("modules.json", R"([{"type":"sentence_transformers.models.Dense","path":"2_Dense"}])");
  EXPECT_NE(dense.refusal().find("Dense"), std::string::npos);
  ChangedEncoder pooling("tiny-embedder");
  pooling.put("1_Pooling/config.json", R"({"pooling_mode_max_tokens":true})");
  EXPECT_NE(pooling.refusal().find("pooling_mode_max_tokens"), std::string::npos);
  ChangedEncoder outside("tiny-embedder");
  outside.put("modules.json", R"([{"type":"x.Pooling","path":"../../etc"}])");
  EXPECT_NE(outside.refusal(), "");
}

}  // namespace
}  // namespace maru::models
