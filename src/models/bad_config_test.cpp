// No value of a configuration may crash Maru; one that it can't follow is refused by name.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/testing/changed_model.h"
#include "models/testing/paged_run.h"

namespace maru::models {
namespace {

using testing::GgufChange;
using ::testing::HasSubstr;

// The error of a model, or empty if it loads; a model that loads must also run.
std::string try_model(const std::string& path) {
  ThreadPool pool(1);
  auto info = Model::read_info(path);
  auto model = Model::load(path, {}, pool);
  EXPECT_EQ(info.has_value(), model.has_value()) << path;
  if (!model) return model.error().message;
  const std::vector<int32_t> tokens = {1, 2, 3};
  testing::run_all(**model, tokens, 2, pool);
  return {};
}

std::string try_hf(const std::string& form, const Json& config) {
  TestFolder folder;
  testing::write_hf_model(form, config, folder.path());
  return try_model(folder.path());
}

std::string try_gguf(const std::string& form, const GgufChange& change) {
  TestFolder folder;
  const std::string path = folder.path() + "/model.gguf";
  testing::write_gguf_model(form, change, path);
  return try_model(path);
}

const std::vector<Json>& bad_values() {
  static const std::vector<Json> values = {nullptr,
                                           -1,
                                           0,
                                           1,
                                           3,
                                           7,
                                           1000000007,
                                           1e30,
                                           -0.5,
                                           1e-40,
                                           4294967296.0,
                                           "",
                                           "x",
                                           "0",
                                           true,
                                           false,
                                           Json::array(),
                                           Json::array({1, "a"}),
                                           Json::object(),
                                           Json::array({Json::array()}),
                                           Json(uint64_t{18446744073709551615u})};
  return values;
}

class BadHfConfig : public ::testing::TestWithParam<const char*> {};

TEST_P(BadHfConfig, NoValueOfAnyKeyCrashes) {
  const Json config = testing::read_hf_config(GetParam());
  ASSERT_EQ(try_hf(GetParam(), config), "");
  for (const auto& [key, value] : config.items()) {
    for (const Json& bad : bad_values()) {
      Json changed = config;
      changed[key] = bad;
      SCOPED_TRACE(key + " = " + dump_json(bad));
      try_hf(GetParam(), changed);
      for (const auto& [inner, ignored] : value.items()) {
        if (!value.is_object()) break;
        changed = config;
        changed[key][inner] = bad;
        try_hf(GetParam(), changed);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Families, BadHfConfig,
                         ::testing::Values("llama3-scaling/hf-old", "llama-mistral/hf",
                                           "qwen2-window/hf", "qwen3/hf-old", "gemma3/hf",
                                           "gemma3/hf-old"),
                         [](const auto& param) {
                           std::string name = param.param;
                           for (char& c : name)
                             if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
                           return name;
                         });

struct Refusal {
  const char* form;
  const char* key;
  Json value;
};

TEST(BadHfConfigNames, TheKeyThatItRefuses) {
  const std::vector<Refusal> refusals = {
      {"llama/hf", "num_hidden_layers", 0},
      {"llama/hf", "num_hidden_layers", 100000},
      {"llama/hf", "hidden_size", "big"},
      {"llama/hf", "num_attention_heads", 0},
      {"llama/hf", "num_key_value_heads", 3},
      {"llama/hf", "head_dim", 7},
      {"llama/hf", "intermediate_size", -4},
      {"llama/hf", "rms_norm_eps", 0.0},
      {"llama/hf", "rms_norm_eps", -1e-5},
      {"llama/hf", "hidden_act", "relu"},
      {"llama/hf", "vocab_size", 100000},
      {"llama/hf", "max_position_embeddings", 0},
      {"llama/hf", "tie_word_embeddings", "yes"},
      {"llama/hf-old", "rope_theta", 0.0},
      {"llama/hf-old", "rope_theta", 1.0},
      {"llama/hf", "num_local_experts", 8},
      {"llama/hf", "quantization_config", Json{{"bits", 4}}},
      {"llama/hf", "logits_scaling", 8.0},
      {"llama/hf", "sliding_window", 64},
      {"llama-mistral/hf", "sliding_window", -5},
      {"qwen2/hf", "layer_types", Json::array({"full_attention", "linear_attention"})},
      {"qwen2/hf", "layer_types", Json::array({"full_attention"})},
      {"gemma3/hf", "attn_logit_softcapping", 50.0},
      {"gemma3/hf", "use_bidirectional_attention", true},
      {"gemma3/hf", "query_pre_attn_scalar", 0},
      {"gemma3/hf-old", "sliding_window_pattern", 0},
  };
  for (const Refusal& r : refusals) {
    Json config = testing::read_hf_config(r.form);
    config[r.key] = r.value;
    EXPECT_THAT(try_hf(r.form, config), HasSubstr(r.key)) << r.form << " " << dump_json(r.value);
  }
}

TEST(BadHfConfigNames, UnknownRopeScaling) {
  Json config = testing::read_hf_config("llama3-scaling/hf-old");
  config["rope_scaling"] = Json{{"rope_type", "longrope"}, {"factor", 4.0}};
  EXPECT_THAT(try_hf("llama3-scaling/hf-old", config), HasSubstr("rope_scaling.rope_type"));
  config["rope_scaling"] = Json{{"type", "dynamic"}, {"factor", 4.0}};
  EXPECT_THAT(try_hf("llama3-scaling/hf-old", config), HasSubstr("rope_scaling.type"));
  config["rope_scaling"] = Json{{"type", "linear"}, {"factor", 0.0}};
  EXPECT_THAT(try_hf("llama3-scaling/hf-old", config), HasSubstr("rope_scaling.factor"));
}

TEST(BadHfConfigNames, UnknownModelType) {
  Json config = testing::read_hf_config("llama/hf");
  config["model_type"] = "mamba";
  const std::string error = try_hf("llama/hf", config);
  EXPECT_THAT(error, HasSubstr("mamba"));
}

TEST(BadHfConfigNames, NeutralValuesOfUnknownFeaturesAreFine) {
  Json config = testing::read_hf_config("llama/hf");
  config["num_local_experts"] = 0;
  config["sliding_window"] = nullptr;
  config["rope_interleaved"] = false;
  config["is_llama_config"] = true;
  config["pretraining_tp"] = 1;
  EXPECT_EQ(try_hf("llama/hf", config), "");
}

TEST(BadGguf, NoValueOfAnyKeyCrashes) {
  for (const char* form : {"llama/model.gguf", "gemma3-gguf/model.gguf"}) {
    const auto file = formats::GgufFile::open(testing::golden_path(form)).value();
    using formats::testing::GgufType;
    for (const auto& [key, value] : file.metadata()) {
      const std::string name(key);
      SCOPED_TRACE(name);
      try_gguf(form, {.key = name});
      for (double x : {-1.0, 0.0, 0.5, 1e30, std::numeric_limits<double>::quiet_NaN()})
        try_gguf(form,
                 {.key = name, .write = [&](auto& out) { out.add(name, GgufType::kFloat64, x); }});
      for (uint64_t n : {uint64_t{0}, uint64_t{1}, uint64_t{3}, uint64_t{1} << 33, ~uint64_t{0}})
        try_gguf(form,
                 {.key = name, .write = [&](auto& out) { out.add(name, GgufType::kUint64, n); }});
      try_gguf(form, {.key = name, .write = [&](auto& out) { out.add_string(name, "x"); }});
      try_gguf(form, {.key = name, .write = [&](auto& out) {
                        out.add_array(name, GgufType::kInt32, std::vector<int32_t>{1, 0, -1});
                      }});
    }
  }
}

TEST(BadGguf, NamesTheKeyThatItRefuses) {
  for (const char* key :
       {"llama.expert_count", "llama.attention.scale", "llama.rope.scaling.yarn_log_multiplier"}) {
    EXPECT_THAT(try_gguf("llama/model.gguf", {.write = [&](auto& out) { out.add_uint(key, 7); }}),
                HasSubstr(key));
  }
  for (const char* key : {"llama.block_count", "llama.embedding_length", "llama.context_length",
                          "llama.attention.head_count", "llama.feed_forward_length",
                          "llama.attention.layer_norm_rms_epsilon"}) {
    EXPECT_THAT(try_gguf("llama/model.gguf", {.key = key}), HasSubstr(key));
    EXPECT_THAT(try_gguf("llama/model.gguf",
                         {.key = key, .write = [&](auto& out) { out.add_uint(key, 0); }}),
                HasSubstr(key));
  }
  EXPECT_THAT(
      try_gguf("llama/model.gguf",
               {.write = [](auto& out) { out.add_string("llama.rope.scaling.type", "longrope"); }}),
      HasSubstr("llama.rope.scaling.type"));
}

TEST(BadGguf, RefusesATokenizerLargerThanTheEmbedding) {
  EXPECT_THAT(try_gguf("llama/model.gguf", {.write =
                                                [](auto& out) {
                                                  out.add_strings(
                                                      "tokenizer.ggml.tokens",
                                                      std::vector<std::string>(5000, "a"));
                                                }}),
              HasSubstr("5000 tokens"));
}

TEST(BadGguf, NamesTensorsThatAreMissingMisshapenOrTooMany) {
  const std::string form = "llama/model.gguf";
  for (const char* name : {"token_embd.weight", "output_norm.weight", "blk.0.attn_norm.weight",
                           "blk.1.ffn_down.weight", "blk.0.attn_k.weight"}) {
    EXPECT_THAT(try_gguf(form, {.drop_tensor = name}), HasSubstr(name));
  }
  for (const char* name : {"output.weight", "blk.1.ffn_down.weight"})
    EXPECT_THAT(try_gguf(form, {.reshape_tensor = name}), HasSubstr(name));
  EXPECT_THAT(try_gguf(form, {.extra_tensor = "blk.0.attn_q_norm.weight"}),
              HasSubstr("blk.0.attn_q_norm.weight"));
  EXPECT_THAT(try_gguf("llama-bias/model.gguf", {.drop_tensor = "blk.1.attn_q.bias"}),
              HasSubstr("blk.1.attn_q.bias"));
}

}  // namespace
}  // namespace maru::models
