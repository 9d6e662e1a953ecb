// The same request alone, among fifteen others, in chunks and from a cached prefix, on real models:
// the way it is computed must not change the answer. Where two logits are nearer than rounding, the
// order of sums may; so greedy tokens must agree wherever the top-2 margin exceeds four times the
// measured difference of the logits, and the mean KL divergence from the lone run is at most 1e-4.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>

#include "base/files.h"
#include "base/json.h"
#include "engine/local_engine.h"
#include "engine/model_loop.h"
#include "engine/testing/fake_runner.h"
#include "formats/gguf.h"
#include "text/tokenizer.h"

namespace maru::engine {
namespace {

namespace fs = std::filesystem;
using testing::Told;

constexpr uint32_t kNewTokens = 24;
constexpr RequestId kTarget = 1000;

// Passes steps on and keeps the last logits row of every piece that `wants` asks for.
class RecordingRunner final : public StepRunner {
 public:
  using Rows = std::map<uint32_t, std::vector<float>>;  // position of the predicted token -> row

  RecordingRunner(std::unique_ptr<StepRunner> runner, Rows& rows,
                  std::function<bool(const models::StepSequence&)> wants)
      : runner_(std::move(runner)), rows_(rows), wants_(std::move(wants)) {}

  const models::KvLayout& kv_layout() const override { return runner_->kv_layout(); }
  uint32_t vocab_size() const override { return runner_->vocab_size(); }
  uint32_t context_length() const override { return runner_->context_length(); }
  uint64_t fingerprint() const override { return runner_->fingerprint(); }
  size_t max_rows() const override { return runner_->max_rows(); }

  void run(std::span<const models::StepSequence> sequences, float* logits,
           kernels::LogitBlock* blocks) override {
    runner_->run(sequences, logits, blocks);
    for (const models::StepSequence& s : sequences) {
      if (s.logits == models::LogitsWanted::kNone) continue;
      const auto row = sum_up({logits, vocab_size()}, s.sum_scale, scratch_);
      EXPECT_EQ(std::memcmp(row.blocks.data(), blocks, row.blocks.size_bytes()), 0);
      blocks += row.blocks.size();
      if (wants_(s)) {
        const auto position = s.first_position + static_cast<uint32_t>(s.tokens.size());
        rows_[position].assign(logits, logits + vocab_size());
      }
      logits += vocab_size();
    }
  }

 private:
  const std::unique_ptr<StepRunner> runner_;
  Rows& rows_;
  const std::function<bool(const models::StepSequence&)> wants_;
  std::vector<kernels::LogitBlock> scratch_;
};

struct Way {
  const char* name;
  uint32_t chunk;
  size_t n_others;
  bool from_cache;
};
constexpr Way kWays[] = {{"alone", 512, 0, false},
                         {"among fifteen others", 64, 15, false},
                         {"in chunks of 32", 32, 0, false},
                         {"in chunks of 7", 7, 0, false},
                         {"from a cached prefix", 512, 0, true},
                         {"from a cached prefix, among others", 32, 15, true}};

struct Outcome {
  std::vector<TokenId> tokens;
  RecordingRunner::Rows rows;
  uint32_t n_cached = 0;
};

Request request_of(RequestId id, std::vector<TokenId> prompt, uint32_t max_new_tokens) {
  Request r;
  r.id = id;
  r.model = "m";
  r.prompt = std::move(prompt);
  r.max_new_tokens = max_new_tokens;
  r.sampling.temperature = 0.0f;
  return r;
}

Outcome run_way(const std::shared_ptr<const models::Model>& model, ThreadPool& pool,
                const std::vector<TokenId>& prompt, const Way& way) {
  Outcome outcome;
  SchedulerOptions options{.max_running = 16, .max_chunk = way.chunk, .chunk_multiple = way.chunk};
  options.speculates = false;  // one row of logits a sequence, as RecordingRunner wants it
  std::unique_ptr<ModelLoop> loop;
  const auto is_target = [&](const models::StepSequence& s) {
    for (const auto& sequence : loop->scheduler().running()) {
      if (sequence->request.id != kTarget) continue;
      return s.tokens.data() == sequence->tokens.data() + s.first_position;
    }
    return false;
  };
  loop = ModelLoop::create(
             "m",
             std::make_unique<RecordingRunner>(
                 make_model_runner(model, pool, max_step_rows(options)), outcome.rows, is_target),
             uint64_t{1} << 30, options, [] { return std::chrono::steady_clock::now(); })
             .value();
  const auto run = [&] {
    while (loop->has_work()) loop->step();
  };
  if (way.from_cache) {
    // Shares most of the prompt, ends inside a page, and goes on differently.
    std::vector<TokenId> earlier(prompt.begin(), prompt.end() - 3);
    earlier.push_back((prompt.back() + 1) % static_cast<TokenId>(model->info().vocab_size));
    loop->add(request_of(1, earlier, 2), [](const Event&) {});
    run();
  }
  for (size_t i = 0; i < way.n_others; ++i) {
    // Others begin elsewhere in the same text and have other lengths.
    std::vector<TokenId> other(prompt.begin() + static_cast<std::ptrdiff_t>(1 + i % 7),
                               prompt.end() - static_cast<std::ptrdiff_t>(2 * i));
    loop->add(request_of(2 + i, other, 8 + static_cast<uint32_t>(i)), [](const Event&) {});
  }
  Told told;
  const Request request = request_of(kTarget, prompt, kNewTokens);
  EXPECT_TRUE(loop->check(request).has_value());
  loop->add(request, [&](const Event& event) { told.hear(event); });
  run();
  EXPECT_EQ(told.n_ends, 1u);
  EXPECT_FALSE(told.failed) << told.error.to_string();
  outcome.tokens = told.tokens;
  outcome.n_cached = told.usage.cached_tokens;
  return outcome;
}

double kl_divergence(const std::vector<float>& p, const std::vector<float>& q) {
  const auto log_sum = [](const std::vector<float>& x) {
    const double max = static_cast<double>(*std::max_element(x.begin(), x.end()));
    double sum = 0.0;
    for (const float v : x) sum += std::exp(static_cast<double>(v) - max);
    return max + std::log(sum);
  };
  const double log_p = log_sum(p), log_q = log_sum(q);
  double kl = 0.0;
  for (size_t i = 0; i < p.size(); ++i) {
    const double a = static_cast<double>(p[i]) - log_p, b = static_cast<double>(q[i]) - log_q;
    kl += std::exp(a) * (a - b);
  }
  return kl;
}

double top_2_margin(std::vector<float> row) {
  std::partial_sort(row.begin(), row.begin() + 2, row.end(), std::greater<>());
  return static_cast<double>(row[0] - row[1]);
}

void compare(const Outcome& alone, const Outcome& other, size_t n_prompt, const Way& way,
             bool prints) {
  SCOPED_TRACE(way.name);
  double sum_kl = 0.0, largest = 0.0;
  size_t n_compared = 0;
  for (size_t i = 0; i < kNewTokens; ++i) {
    const auto position = static_cast<uint32_t>(n_prompt + i);
    ASSERT_TRUE(alone.rows.contains(position) && other.rows.contains(position));
    const auto& p = alone.rows.at(position);
    const auto& q = other.rows.at(position);
    for (size_t v = 0; v < p.size(); ++v) {
      largest = std::max(largest, static_cast<double>(std::fabs(p[v] - q[v])));
    }
    sum_kl += kl_divergence(p, q);
    ++n_compared;
    if (alone.tokens[i] == other.tokens[i]) continue;
    // From here on the two have read different tokens.
    EXPECT_LE(top_2_margin(p), 4.0 * largest) << "token " << i;
    break;
  }
  const double mean_kl = sum_kl / static_cast<double>(n_compared);
  EXPECT_LE(mean_kl, 1e-4);
  EXPECT_GE(n_compared, kNewTokens / 2);  // diverging early would compare nothing
  if (prints) {
    std::printf("  %-36s %2zu tokens, largest difference %.2g, mean KL %.2g\n", way.name,
                n_compared, largest, mean_kl);
  }
}

Outcome check_model(const std::string& path, const std::vector<TokenId>& prompt, ThreadPool& pool,
                    bool prints, models::Precision precision) {
  models::LoadOptions options;
  options.precision = precision;
  options.isa = kernels::choose_isa().value();
  auto loaded = models::Model::load(path, options, pool);
  if (!loaded) {
    ADD_FAILURE() << loaded.error().to_string();
    return {};
  }
  const std::shared_ptr<const models::Model> model = *std::move(loaded);
  const Outcome alone = run_way(model, pool, prompt, kWays[0]);
  for (const Way& way : kWays) {
    const Outcome other = run_way(model, pool, prompt, way);
    if (way.from_cache) {
      EXPECT_GE(other.n_cached, prompt.size() - 3) << way.name;
    } else if (way.n_others == 0) {
      EXPECT_EQ(other.n_cached, 0u) << way.name;
    }
    compare(alone, other, prompt.size(), way, prints);
    if (::testing::Test::HasFatalFailure()) break;
  }
  return alone;
}

TEST(BatchIndependence, GoldenModelsAnswerAsTransformersDoes) {
  ThreadPool pool(2);
  const std::string folder = std::string(MARU_SOURCE_DIR) + "/tests/oracle";
  size_t n_models = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (!entry.is_directory()) continue;
    const Json json =
        parse_json(read_file(entry.path().string() + "/case.json", 1 << 20).value()).value();
    const std::string form = json.at("models").back().get<std::string>();
    SCOPED_TRACE(entry.path().filename().string() + "/" + form);
    const auto ids = json.at("ids").get<std::vector<TokenId>>();
    const Outcome alone = check_model(entry.path().string() + "/" + form, ids, pool, false,
                                      models::Precision::kStandard);
    EXPECT_EQ(alone.tokens, json.at("greedy").get<std::vector<TokenId>>());
    ++n_models;
  }
  EXPECT_GE(n_models, 10u);
}

TEST(BatchIndependence, RealModelsGiveTheSameAnswerEveryWay) {
  const char* models = std::getenv("MARU_TEST_MODELS");
  ASSERT_NE(models, nullptr) << "set MARU_TEST_MODELS to the folder of the test models "
                                "(script/test does; tools/dev/fetch_models.py gets them)";
  ThreadPool pool(2);
  for (const char* name : {"SmolLM2-135M-Instruct.Q4_1.gguf", "gemma-3-270m-q4_k_m.gguf"}) {
    SCOPED_TRACE(name);
    const std::string path = std::string(models) + "/" + name;
    const auto file = formats::GgufFile::open(path);
    ASSERT_TRUE(file.has_value()) << file.error().to_string();
    const auto tokenizer = text::Tokenizer::from_gguf(*file);
    ASSERT_TRUE(tokenizer.has_value()) << tokenizer.error().to_string();
    auto prompt =
        (*tokenizer)
            ->encode(
                "The tide pools along the northern coast fill twice a day. A patient visitor will "
                "find "
                "anemones, small crabs and, in the deeper ones, a starfish or two. Children who "
                "come with "
                "buckets are told to put every animal back where it was found, because each pool "
                "keeps its "
                "own temperature and salt, and what lives in one may not survive in the next. The "
                "guide "
                "then explains how the moon moves the water, and why the highest tides come");
    for (const auto precision : {models::Precision::kStandard, models::Precision::kHigh}) {
      SCOPED_TRACE(precision == models::Precision::kHigh ? "high precision" : "");
      check_model(path, {prompt.begin(), prompt.end()}, pool, true, precision);
    }
  }
}

}  // namespace
}  // namespace maru::engine
