#include "service/memory_plan.h"

#include <gtest/gtest.h>

namespace maru::service {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

// 100 MiB of weights, 10 MiB of work, 1 MiB of KV a token and 5 MiB of windows.
models::MemoryEstimate need() {
  models::MemoryEstimate estimate;
  estimate.weight_bytes = 100 * kMiB;
  estimate.work_bytes = 10 * kMiB;
  estimate.kv_bytes_per_token = kMiB;
  estimate.kv_fixed_bytes = 5 * kMiB;
  return estimate;
}

MemoryLimits limits(uint64_t available_mib) {
  return {2 * available_mib * kMiB, available_mib * kMiB, "a test"};
}

constexpr uint64_t kFixedMiB = 100 + 10 + kMemoryReserve / kMiB;

TEST(PlanMemory, UsesTheModelsContextAndAPoolOfSeveral) {
  const auto plan = plan_memory(need(), {.model_context_length = 1000}, limits(100'000));
  ASSERT_TRUE(plan) << plan.error().to_string();
  EXPECT_EQ(plan->context_length, 1000U);
  EXPECT_EQ(plan->context_bytes, 1005 * kMiB);
  EXPECT_EQ(plan->kv_pool_bytes, 4 * 1005 * kMiB);
  EXPECT_EQ(plan->total_bytes, (kFixedMiB + 4 * 1005) * kMiB);
  EXPECT_FALSE(plan->is_below_model_context);
}

TEST(PlanMemory, TakesAtMostHalfOfWhatIsFreeForThePool) {
  const auto plan = plan_memory(need(), {.model_context_length = 1000}, limits(kFixedMiB + 3000));
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->kv_pool_bytes, 1500 * kMiB);
}

TEST(PlanMemory, FitsExactlyAtTheBorderAndRefusesOneByteLess) {
  MemoryLimits exact = limits(kFixedMiB + 1005);
  ASSERT_TRUE(plan_memory(need(), {.model_context_length = 1000}, exact));
  exact.available_bytes -= 1;
  const auto refused = plan_memory(need(), {.model_context_length = 1000}, exact);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kTooLarge);
  EXPECT_EQ(refused.error().param, "context");
  EXPECT_NE(refused.error().hint.find("--context 999"), std::string::npos) << refused.error().hint;
  EXPECT_NE(refused.error().message.find("a test"), std::string::npos);
  EXPECT_NE(refused.error().message.find("1000 tokens"), std::string::npos);
  // The number in the hint keeps its promise.
  EXPECT_TRUE(plan_memory(need(), {.context_length = 999, .model_context_length = 1000}, exact));
}

TEST(PlanMemory, SaysWhenNotEvenTheWeightsFit) {
  const auto refused = plan_memory(need(), {.model_context_length = 1000}, limits(50));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().param, "model");
  EXPECT_EQ(largest_context(need(), 50 * kMiB, 1000), 0U);
}

TEST(PlanMemory, RefusesAContextBeyondTheModels) {
  const auto refused =
      plan_memory(need(), {.context_length = 1001, .model_context_length = 1000}, limits(100'000));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(refused.error().param, "context");
}

TEST(PlanMemory, HoldsAChosenPoolAgainstContextAndMemory) {
  MemoryWish wish{.context_length = 0, .model_context_length = 1000, .kv_pool_bytes = 1004 * kMiB};
  const auto small = plan_memory(need(), wish, limits(100'000));
  ASSERT_FALSE(small);
  EXPECT_EQ(small.error().param, "kv_memory_mib");

  wish.kv_pool_bytes = 2000 * kMiB;
  const auto large = plan_memory(need(), wish, limits(kFixedMiB + 1500));
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().code, ErrorCode::kTooLarge);
  EXPECT_EQ(large.error().param, "kv_memory_mib");

  const auto plan = plan_memory(need(), wish, limits(kFixedMiB + 2000));
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->kv_pool_bytes, 2000 * kMiB);
}

TEST(PlanMemory, AModelWithWindowsOnlyHasNoCostPerToken) {
  models::MemoryEstimate windows = need();
  windows.kv_bytes_per_token = 0;
  EXPECT_EQ(largest_context(windows, 100'000 * kMiB, 1000), 1000U);
  EXPECT_EQ(kv_bytes(windows, 1000), 5 * kMiB);
}

TEST(AddVocabulary, CountsTokenizerAndLogits) {
  models::MemoryEstimate estimate = need();
  add_vocabulary(estimate, 262'144, 16);
  EXPECT_EQ(estimate.work_bytes, (10 + 88 + 16) * kMiB);
  EXPECT_EQ(estimate.weight_bytes, need().weight_bytes);
}

TEST(KvPageBytes, CountsWholePagesAndWhatAWindowKeeps) {
  models::KvLayout layout;
  layout.page_tokens = 64;
  layout.groups = {{.window = 0, .n_layers = 1, .bytes_per_token = 64},
                   {.window = 128, .n_layers = 1, .bytes_per_token = 64}};
  // One page is exactly one page of the system.
  EXPECT_EQ(kv_page_bytes(layout, 1, 64), 2U * 4096);
  EXPECT_EQ(kv_page_bytes(layout, 65, 64), 4U * 4096);
  // 127 positions before a step of 64 touch at most 4 pages.
  EXPECT_EQ(kv_page_bytes(layout, 64 * 100, 64), (100U + 4U) * 4096);
}

TEST(FormatBytes, ChoosesTheUnit) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(1023), "1023 B");
  EXPECT_EQ(format_bytes(1024), "1.0 KiB");
  EXPECT_EQ(format_bytes(98'362'432), "93.8 MiB");
  EXPECT_EQ(format_bytes(uint64_t{3} << 40), "3.0 TiB");
}

}  // namespace
}  // namespace maru::service
