#include "service/recommendation.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/testing/test_folder.h"
#include "service/machine_meter.h"
#include "service/recommender.h"

namespace maru::service {
namespace {

constexpr uint64_t kGiB = uint64_t{1} << 30;

CatalogueModel model(const std::string& id, uint64_t bytes, const std::string& family = "llama") {
  CatalogueModel made;
  made.id = id;
  made.repository = "org/" + id;
  made.quantisation = "Q4_K_M";
  made.family = family;
  made.languages = {"en"};
  made.bytes = bytes;
  made.n_parameters = made.n_active_parameters = bytes;
  made.context_length = 32768;
  made.kv_bytes_per_token = 128 << 10;
  return made;
}

std::string verdicts(const std::vector<Recommendation>& list) {
  std::string text;
  for (const Recommendation& one : list) {
    text += one.model->id + ":" + verdict_name(one.verdict) + " ";
  }
  return text;
}

TEST(Recommend, TakesTheFirstThatFitsAndIsFastEnough) {
  const std::vector models = {model("odd", kGiB, "of-no-family"), model("huge", 40 * kGiB),
                              model("large", 8 * kGiB), model("small", 2 * kGiB),
                              model("tiny", kGiB)};
  // 20 GiB/s: 2.5 tokens/s of the large model, 10 of the small one.
  const MachineSpeed machine{20.0 * kGiB, 1e12};
  const auto list = recommend(models, machine, 12 * kGiB, "");
  EXPECT_EQ(verdicts(list),
            "odd:unsupported huge:too_large large:slow small:recommended tiny:fits ");
  EXPECT_DOUBLE_EQ(list[3].speed->answer_tokens_per_s, 10);
  EXPECT_DOUBLE_EQ(list[3].speed->prompt_tokens_per_s, 1e12 / (2.0 * kGiB));
  // Of slow ones the fastest.
  const auto slow = recommend(std::span(models).first(3), machine, 12 * kGiB, "");
  EXPECT_EQ(verdicts(slow), "odd:unsupported huge:too_large large:recommended ");
  const auto unknown = recommend(models, std::nullopt, 12 * kGiB, "");
  EXPECT_EQ(verdicts(unknown), "odd:unsupported huge:too_large large:fits small:fits tiny:fits ");
  EXPECT_FALSE(unknown[3].speed);
  EXPECT_TRUE(recommend(models, machine, 12 * kGiB, "ko").empty());
  EXPECT_EQ(verdicts(recommend(std::span(models).first(2), machine, kGiB, "en")),
            "odd:unsupported huge:too_large ");
}

TEST(Recommend, TellsTheContextThatThereIsMemoryFor) {
  const std::vector models = {model("small", kGiB)};
  const auto context = [&](uint64_t available) {
    return recommend(models, std::nullopt, available, "").front().context_length;
  };
  EXPECT_EQ(context(kGiB), 0u);
  // Weights, half a GiB of work, and half a GiB of KV at 128 KiB a token.
  EXPECT_EQ(context(2 * kGiB), 4096u);
  EXPECT_EQ(context(2 * kGiB - 1), 4095u);
  EXPECT_EQ(context(100 * kGiB), 32768u);
  EXPECT_EQ(recommend(models, std::nullopt, 2 * kGiB, "").front().verdict, Verdict::kFits);
  EXPECT_EQ(recommend(models, std::nullopt, 2 * kGiB - 1, "").front().verdict, Verdict::kTooLarge);
}

TEST(Recommend, KnowsAModelThatIsHereByItsManifest) {
  const CatalogueModel wanted = model("small", kGiB);
  ModelManifest manifest;
  manifest.name = "my-small";
  manifest.origin.repository = "org/small";
  manifest.files = {{"small-q4_k_m.gguf", 1, ""}};
  EXPECT_EQ(name_here(wanted, std::vector{manifest}), "my-small");
  manifest.files = {{"small-Q8_0.gguf", 1, ""}};
  EXPECT_EQ(name_here(wanted, std::vector{manifest}), "");
  CatalogueModel folder = wanted;
  folder.quantisation.clear();
  EXPECT_EQ(name_here(folder, std::vector{manifest}), "");
  manifest.files = {{"model.safetensors", 1, ""}};
  EXPECT_EQ(name_here(folder, std::vector{manifest}), "my-small");
  manifest.origin.repository = "other/small";
  EXPECT_EQ(name_here(folder, std::vector{manifest}), "");
}

TEST(Recommend, ReadsManifestsByTheNamesOfTheFolders) {
  const TestFolder folder;
  ModelManifest manifest;
  manifest.name = "before";
  manifest.origin = {"hub", "https://hub.example", "org/small", "main", std::string(40, 'a')};
  manifest.files = {{"small-Q4_K_M.gguf", 1, std::string(64, 'a')}};
  folder.write("renamed/maru-model.json", print_manifest(manifest));
  folder.write("renamed/small-Q4_K_M.gguf", "x");
  folder.write("by-hand.gguf", "x");
  const auto manifests = manifests_of(ModelStore(folder.path("")));
  ASSERT_EQ(manifests.size(), 1u);
  EXPECT_EQ(manifests[0].name, "renamed");
}

// A machine that is measured when the test says so.
class MachineMeterTest : public testing::Test {
 protected:
  MachineMeterOptions options() {
    MachineMeterOptions made;
    made.patience = std::chrono::milliseconds(0);
    made.rest = std::chrono::milliseconds(1000);
    made.clock = [this] { return now_.load(); };
    made.stats = [this] {
      engine::EngineStats stats;
      stats.n_running = n_running_;
      stats.n_steps = n_steps_;
      return stats;
    };
    made.measure = [this] {
      const int n = ++n_measured_;
      while (!may_end_) std::this_thread::yield();
      if (runs_meanwhile_) ++n_steps_;
      return MachineSpeed{static_cast<double>(n), 1};
    };
    return made;
  }

  MachineReading wait(MachineMeter& meter) {
    for (;;) {
      const MachineReading reading = meter.read();
      if (!reading.is_measuring) return reading;
      std::this_thread::yield();
    }
  }

  std::atomic<int64_t> now_ = 5000;
  std::atomic<uint64_t> n_running_ = 0, n_steps_ = 0;
  std::atomic<int> n_measured_ = 0;
  std::atomic<bool> may_end_ = true, runs_meanwhile_ = false;
};

TEST_F(MachineMeterTest, MeasuresOnceAndWaitsForNobody) {
  may_end_ = false;
  MachineMeter meter(options());
  for (int i = 0; i < 3; ++i) {
    const MachineReading reading = meter.read();
    EXPECT_FALSE(reading.speed);
    EXPECT_TRUE(reading.is_measuring);
  }
  may_end_ = true;
  const MachineReading reading = wait(meter);
  EXPECT_EQ(reading.speed->read_bytes_per_s, 1);
  EXPECT_EQ(reading.measured_at, 5000);
  EXPECT_FALSE(reading.beside_answers);
  now_ = 1'000'000;
  EXPECT_FALSE(meter.read().is_measuring);
  EXPECT_EQ(n_measured_, 1);
}

TEST_F(MachineMeterTest, SaysWhatWasMeasuredBesideAnswersAndMeasuresAgainWhenNothingRuns) {
  n_running_ = 1;
  MachineMeter meter(options());
  EXPECT_TRUE(wait(meter).beside_answers);
  now_ = 7000;
  EXPECT_FALSE(meter.read().is_measuring);  // something runs
  n_running_ = 0;
  now_ = 5999;
  EXPECT_FALSE(meter.read().is_measuring);  // it was a moment ago
  now_ = 7000;
  runs_meanwhile_ = true;  // begun and ended between two looks
  may_end_ = false;
  EXPECT_TRUE(meter.read().is_measuring);
  EXPECT_EQ(meter.read().speed->read_bytes_per_s, 1);  // the last figure until there is another
  may_end_ = true;
  const MachineReading again = wait(meter);
  EXPECT_TRUE(again.beside_answers);
  EXPECT_EQ(again.speed->read_bytes_per_s, 2);
  runs_meanwhile_ = false;
  now_ = 9000;
  EXPECT_TRUE(meter.read().is_measuring);
  EXPECT_FALSE(wait(meter).beside_answers);
  EXPECT_EQ(n_measured_, 3);
}

TEST_F(MachineMeterTest, OutlivesAMeasurementThatFailsAndTriesAgainLater) {
  MachineMeterOptions failing = options();
  failing.measure = [this, measure = failing.measure] {
    if (n_measured_ > 0) return measure();
    ++n_measured_;
    throw std::bad_alloc();
  };
  MachineMeter meter(std::move(failing));
  EXPECT_FALSE(wait(meter).speed);
  now_ = 5999;
  EXPECT_FALSE(meter.read().is_measuring);
  now_ = 6000;
  EXPECT_TRUE(meter.read().is_measuring);
  EXPECT_TRUE(wait(meter).speed);
}

TEST_F(MachineMeterTest, EndsWhereNobodyAsked) {
  const MachineMeter meter(options());
  EXPECT_EQ(n_measured_, 0);
}

}  // namespace
}  // namespace maru::service
