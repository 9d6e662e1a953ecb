#include "models/model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>

#include "models/testing/changed_model.h"
#include "models/testing/paged_run.h"

namespace maru::models {
namespace {

using testing::golden_path;
using testing::PagedSequence;

constexpr const char* kGemma = "gemma3-gguf/model.gguf";  // two KV groups

std::vector<int32_t> some_tokens(size_t n, int32_t seed) {
  std::vector<int32_t> tokens;
  for (size_t i = 0; i < n; ++i)
    tokens.push_back(static_cast<int32_t>((i * 37 + static_cast<size_t>(seed) * 11) % 96));
  return tokens;
}

std::unique_ptr<Model> load(const std::string& path, ThreadPool& pool,
                            Precision precision = Precision::kStandard) {
  auto isa = kernels::choose_isa();
  EXPECT_TRUE(isa.has_value());
  auto model = Model::load(path, {.isa = *isa, .precision = precision}, pool);
  EXPECT_TRUE(model.has_value()) << (model ? "" : model.error().to_string());
  return model ? std::move(model).value() : nullptr;
}

TEST(Model, SequencesOfOneStepDoNotTouchEachOther) {
  ThreadPool pool(2);
  const auto model = load(golden_path(kGemma), pool);
  ASSERT_NE(model, nullptr);
  const size_t vocab = model->info().vocab_size;
  const auto a = some_tokens(70, 1), b = some_tokens(33, 2), c = some_tokens(1, 3);
  auto workspace = model->make_workspace(200, pool.size());
  PagedSequence pa(model->kv_layout()), pb(model->kv_layout()), pc(model->kv_layout());
  std::vector<float> logits(200 * vocab);
  const std::vector<StepSequence> steps = {pa.step(a, LogitsWanted::kLast),
                                           pb.step(b, LogitsWanted::kAll),
                                           pc.step(c, LogitsWanted::kNone)};
  model->run(steps, pool, *workspace, logits.data());
  const auto alone_a = testing::run_all(*model, a, a.size(), pool);
  const auto alone_b = testing::run_all(*model, b, b.size(), pool);
  for (size_t i = 0; i < vocab; ++i)
    EXPECT_FLOAT_EQ(logits[i], alone_a[(a.size() - 1) * vocab + i]);
  for (size_t i = 0; i < b.size() * vocab; ++i) EXPECT_FLOAT_EQ(logits[vocab + i], alone_b[i]);
}

TEST(Model, AStepMayMixPromptsAndSingleTokens) {
  ThreadPool pool(2);
  const auto model = load(golden_path(kGemma), pool);
  ASSERT_NE(model, nullptr);
  const size_t vocab = model->info().vocab_size;
  const auto a = some_tokens(71, 1), b = some_tokens(40, 5);
  auto workspace = model->make_workspace(200, pool.size());
  PagedSequence pa(model->kv_layout()), pb(model->kv_layout());
  std::vector<float> logits(200 * vocab);
  const StepSequence first = pa.step(std::span(a).first(70), LogitsWanted::kNone);
  model->run({&first, 1}, pool, *workspace, nullptr);
  const std::vector<StepSequence> steps = {pb.step(b, LogitsWanted::kLast),
                                           pa.step(std::span(a).subspan(70), LogitsWanted::kLast)};
  model->run(steps, pool, *workspace, logits.data());
  const auto alone = testing::run_all(*model, a, a.size(), pool);
  for (size_t i = 0; i < vocab; ++i)
    EXPECT_NEAR(logits[vocab + i], alone[70 * vocab + i], 2e-3f) << i;
}

// The logits behind the last of `tokens`, whose `n_last` tokens are one step after all others.
std::vector<float> last_logits(const Model& model, std::span<const int32_t> tokens, size_t n_last,
                               ThreadPool& pool) {
  constexpr size_t kChunk = 256;
  auto workspace = model.make_workspace(kChunk, pool.size());
  PagedSequence sequence(model.kv_layout());
  std::vector<float> logits(model.info().vocab_size);
  auto rest = tokens.first(tokens.size() - n_last);
  while (!rest.empty()) {
    const size_t n = std::min(kChunk, rest.size());
    const StepSequence step = sequence.step(rest.first(n), LogitsWanted::kNone);
    model.run({&step, 1}, pool, *workspace, nullptr);
    rest = rest.subspan(n);
  }
  const StepSequence step = sequence.step(tokens.last(n_last), LogitsWanted::kLast);
  model.run({&step, 1}, pool, *workspace, logits.data());
  return logits;
}

// Threads share the keys of a row that sees more than one kernels::kAttentionPart.
TEST(Model, ARowThatSeesMuchHasTheSameBitsWithAnyThreadsAndRowsBesideIt) {
  const auto tokens = some_tokens(1301, 4);
  static_assert(1301 > 2 * kernels::kAttentionPart);
  for (const char* name : {kGemma, "llama/model.gguf"}) {
    for (const auto type : {kernels::KvType::kF16, kernels::KvType::kQ8}) {
      ThreadPool loader(2);
      const auto isa = kernels::choose_isa().value();
      auto model = Model::load(golden_path(name), {.isa = isa, .kv_type = type}, loader);
      ASSERT_TRUE(model.has_value()) << model.error().to_string();
      ThreadPool alone(1);
      const auto expected = last_logits(**model, tokens, 1, alone);
      EXPECT_NE(last_logits(**model, std::span(tokens).last(1300), 1, alone), expected);
      for (const size_t n_threads : {1u, 2u, 3u}) {
        ThreadPool pool(n_threads);
        for (const size_t n_last : {1u, 5u, 200u}) {
          const auto logits = last_logits(**model, tokens, n_last, pool);
          EXPECT_EQ(std::memcmp(logits.data(), expected.data(), logits.size() * sizeof(float)), 0)
              << name << ", KV type " << static_cast<int>(type) << ", " << n_threads << " threads, "
              << n_last << " rows";
        }
      }
    }
  }
}

TEST(Model, TellsWhatItIs) {
  const auto info = Model::read_info(golden_path(kGemma));
  ASSERT_TRUE(info.has_value()) << info.error().to_string();
  EXPECT_EQ(info->family, "gemma3");
  EXPECT_GT(info->n_parameters, 0u);
  EXPECT_EQ(info->vocab_size, 96u);
  uint64_t bytes = 0;
  for (const auto& [format, n] : info->format_bytes) {
    EXPECT_EQ(format, "f32");
    bytes += n;
  }
  EXPECT_EQ(bytes, info->n_parameters * 4);
}

TEST(Model, TraceShowsEveryOpOfAnUnfusedRun) {
  ThreadPool pool(1);
  std::vector<std::string> ops;
  size_t n_values = 0;
  LoadOptions options{.fused = false};
  options.trace = [&](const char* op, std::span<const float> values, size_t width) {
    ops.push_back(op);
    n_values = values.size();
    EXPECT_EQ(values.size() % width, 0u);
  };
  const auto model = Model::load(golden_path("llama/model.gguf"), options, pool).value();
  testing::run_all(*model, some_tokens(5, 1), 5, pool);
  // embed, 15 ops a layer, pick, norm, head
  EXPECT_EQ(ops.size(), 1 + 15 * size_t{model->info().n_layers} + 3);
  EXPECT_EQ(ops.front(), "embed");
  EXPECT_EQ(n_values, 5 * size_t{model->info().vocab_size});
}

TEST(Model, GroupsLayersByWindow) {
  ThreadPool pool(1);
  const auto model = load(golden_path(kGemma), pool);
  ASSERT_NE(model, nullptr);
  const KvLayout& kv = model->kv_layout();
  ASSERT_EQ(kv.groups.size(), 2u);
  EXPECT_NE(kv.groups[0].window == 0, kv.groups[1].window == 0);
  EXPECT_EQ(kv.groups[0].n_layers + kv.groups[1].n_layers, model->info().n_layers);
  for (const KvGroup& group : kv.groups)
    EXPECT_EQ(group.bytes_per_token,
              size_t{group.n_layers} * 2 * model->info().n_kv_heads * model->info().head_dim * 2);
}

TEST(Model, EstimatesMemoryFromTheDirectory) {
  constexpr Precision kStandard = Precision::kStandard;
  const auto small =
      Model::estimate_memory(golden_path(kGemma), kernels::KvType::kF16, kStandard, 16, 1);
  const auto large =
      Model::estimate_memory(golden_path(kGemma), kernels::KvType::kF32, kStandard, 256, 1);
  ASSERT_TRUE(small.has_value() && large.has_value());
  EXPECT_GT(small->weight_bytes, 0u);
  EXPECT_EQ(small->weight_bytes, large->weight_bytes);
  EXPECT_EQ(small->kv_bytes_per_token * 2, large->kv_bytes_per_token);
  EXPECT_EQ(small->kv_fixed_bytes * 2, large->kv_fixed_bytes);
  EXPECT_GT(large->work_bytes, small->work_bytes);
  const auto threads =
      Model::estimate_memory(golden_path(kGemma), kernels::KvType::kF16, kStandard, 16, 3);
  ASSERT_TRUE(threads.has_value());
  EXPECT_GT(threads->work_bytes, small->work_bytes);
}

TEST(Model, FingerprintFollowsConfigurationAndWeights) {
  const uint64_t original = Model::read_info(golden_path("llama/model.gguf"))->fingerprint;
  TestFolder folder;
  const std::string path = folder.path() + "/m.gguf";
  testing::write_gguf_model("llama/model.gguf", {}, path);
  EXPECT_EQ(Model::read_info(path)->fingerprint, original);
  testing::write_gguf_model("llama/model.gguf",
                            {.key = "llama.context_length",
                             .write = [](auto& out) { out.add_uint("llama.context_length", 77); }},
                            path);
  EXPECT_NE(Model::read_info(path)->fingerprint, original);
  testing::write_gguf_model("llama-linear/model.gguf", {}, path);
  EXPECT_NE(Model::read_info(path)->fingerprint, original);
}

TEST(Model, SaysWhatAModelPathIs) {
  EXPECT_EQ(Model::read_info("/nonexistent/model.gguf").error().code, ErrorCode::kNotFound);
  TestFolder folder;
  const Error error = Model::read_info(folder.path()).error();
  EXPECT_NE(error.message.find("config.json"), std::string::npos);
  EXPECT_NE(error.hint.find("GGUF"), std::string::npos);
}

// The real models. Expected log-probabilities were computed from the same files with weights
// dequantised to float32; quantised activations move single ones by 0.15 (root mean square) with
// standard precision.
struct RealModel {
  const char* file;
  std::vector<int32_t> prompt;
  std::vector<std::pair<int32_t, double>> likely;  // token, log-probability after the prompt
  std::vector<int32_t> answer;                     // greedy; llama.cpp gives the same
};

void check_real(const RealModel& real, Precision precision) {
  const char* folder = std::getenv("MARU_TEST_MODELS");
  ASSERT_NE(folder, nullptr) << "MARU_TEST_MODELS must name the folder of the test models; "
                                "script/test sets it";
  ThreadPool pool(2);
  const auto model = load(std::string(folder) + "/" + real.file, pool, precision);
  ASSERT_NE(model, nullptr);
  const double allowed = precision == Precision::kHigh ? 0.01 : 0.5;
  const size_t vocab = model->info().vocab_size;
  const auto logits = testing::run_all(*model, real.prompt, 512, pool);
  const float* last = logits.data() + (real.prompt.size() - 1) * vocab;
  const auto largest = static_cast<double>(*std::max_element(last, last + vocab));
  double sum = 0.0;
  for (size_t i = 0; i < vocab; ++i) sum += std::exp(static_cast<double>(last[i]) - largest);
  for (const auto& [token, expected] : real.likely)
    EXPECT_NEAR(static_cast<double>(last[token]) - largest - std::log(sum), expected, allowed)
        << token;
  std::vector<int32_t> expected = real.prompt;
  expected.insert(expected.end(), real.answer.begin(), real.answer.end());
  EXPECT_EQ(testing::continue_greedily(*model, real.prompt, real.answer.size(), pool), expected);
}

class RealModelTest : public ::testing::TestWithParam<Precision> {};

INSTANTIATE_TEST_SUITE_P(Precisions, RealModelTest,
                         ::testing::Values(Precision::kStandard, Precision::kHigh),
                         [](const auto& param) {
                           return param.param == Precision::kHigh ? "High" : "Standard";
                         });

TEST_P(RealModelTest, SmolLm2SaysThatTheCapitalIsParis) {
  check_real(
      {.file = "SmolLM2-135M-Instruct.Q4_1.gguf",
       .prompt = {1, 4093, 198, 1780, 314, 260, 3575, 282, 4649, 47, 2, 198, 1, 520, 9531, 198},
       .likely = {{504, -0.5874}, {60, -2.3167}, {38634, -2.3446}, {15319, -2.4839}},
       .answer = {504, 3575, 282, 4649, 314, 7042, 30}},
      GetParam());
}

TEST_P(RealModelTest, Gemma3GoesOnLikeTheReference) {
  check_real({.file = "gemma-3-270m-q4_k_m.gguf",
              .prompt = {2, 818, 5279, 529, 7001, 563},
              .likely = {{506, -1.6540}, {496, -2.1979}, {9079, -2.4769}, {886, -2.6325}},
              .answer = {506, 5279, 529, 506, 2891, 529, 7001}},
             GetParam());
}

}  // namespace
}  // namespace maru::models
