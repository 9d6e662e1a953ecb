#include "service/memory_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/kv_memory.h"

namespace maru::service {
namespace {

// The automatic pool: room for some conversations beside the one that runs, never more than half
// of what is free, because the machine has other work.
constexpr uint64_t kPoolContexts = 4;

Error too_large(const models::MemoryEstimate& need, const MemoryWish& wish, uint64_t context,
                uint64_t pool, const MemoryLimits& limits) {
  const uint64_t total = need.weight_bytes + need.work_bytes + pool + kMemoryReserve;
  Error error;
  error.code = ErrorCode::kTooLarge;
  error.reason = Reason{"model_too_big", {{"needed", total}, {"free", limits.available_bytes}}};
  error.message = fmt::format(
      "the model needs {} (weights {}, KV cache {} for {} tokens, work {}, reserve {}) but only {} "
      "of {} may be used ({})",
      format_bytes(total), format_bytes(need.weight_bytes), format_bytes(pool), context,
      format_bytes(need.work_bytes), format_bytes(kMemoryReserve),
      format_bytes(limits.available_bytes), format_bytes(limits.total_bytes), limits.source);
  const uint64_t largest = largest_context(need, limits.available_bytes, wish.model_context_length);
  if (largest == 0) {
    error.hint = "no context fits beside the weights: use a smaller model or free memory";
    error.param = "model";
  } else if (largest < context) {
    error.hint =
        fmt::format("the largest context that fits is {}: use --context {}", largest, largest);
    error.param = "context";
  } else {
    error.hint = fmt::format("a context of {} fits; lower kv_memory_mib", context);
    error.param = "kv_memory_mib";
  }
  return error;
}

}  // namespace

void add_vocabulary(models::MemoryEstimate& need, uint64_t vocab_size, uint64_t n_logit_rows) {
  constexpr uint64_t kTokenizerBytes = 352;  // for a token: text, hash entries, merges
  need.work_bytes += vocab_size * (kTokenizerBytes + n_logit_rows * sizeof(float));
}

uint64_t kv_bytes(const models::MemoryEstimate& need, uint64_t n_tokens) {
  return need.kv_fixed_bytes + n_tokens * need.kv_bytes_per_token;
}

uint64_t largest_context(const models::MemoryEstimate& need, uint64_t available_bytes,
                         uint64_t model_context_length) {
  const uint64_t fixed = need.weight_bytes + need.work_bytes + kMemoryReserve + need.kv_fixed_bytes;
  if (fixed > available_bytes) return 0;
  if (need.kv_bytes_per_token == 0) return model_context_length;
  return std::min((available_bytes - fixed) / need.kv_bytes_per_token, model_context_length);
}

Result<MemoryPlan> plan_memory(const models::MemoryEstimate& need, const MemoryWish& wish,
                               const MemoryLimits& limits) {
  const uint32_t context =
      wish.context_length == 0 ? wish.model_context_length : wish.context_length;
  if (context > wish.model_context_length) {
    return Error{
        ErrorCode::kInvalidArgument,
        fmt::format("a context of {} tokens is more than the {} that the model was made for",
                    context, wish.model_context_length),
        fmt::format("use --context {} or less", wish.model_context_length), "context"};
  }
  MemoryPlan plan;
  plan.context_length = context;
  plan.model_context_length = wish.model_context_length;
  plan.weight_bytes = need.weight_bytes;
  plan.work_bytes = need.work_bytes;
  plan.context_bytes = kv_bytes(need, context);
  plan.is_below_model_context = context < wish.model_context_length;

  const uint64_t fixed = need.weight_bytes + need.work_bytes + kMemoryReserve;
  const uint64_t free = limits.available_bytes > fixed ? limits.available_bytes - fixed : 0;
  if (wish.kv_pool_bytes != 0) {
    if (wish.kv_pool_bytes < plan.context_bytes) {
      return Error{
          ErrorCode::kInvalidArgument,
          fmt::format("kv_memory_mib gives {} but one request of {} tokens needs {}",
                      format_bytes(wish.kv_pool_bytes), context, format_bytes(plan.context_bytes)),
          "raise kv_memory_mib or lower --context", "kv_memory_mib"};
    }
    plan.kv_pool_bytes = wish.kv_pool_bytes;
  } else {
    plan.kv_pool_bytes =
        std::max(plan.context_bytes, std::min(kPoolContexts * plan.context_bytes, free / 2));
  }
  if (plan.kv_pool_bytes > free) return too_large(need, wish, context, plan.kv_pool_bytes, limits);
  plan.total_bytes = fixed + plan.kv_pool_bytes;
  return plan;
}

uint64_t kv_page_bytes(const models::KvLayout& layout, uint64_t n_tokens,
                       uint64_t max_step_tokens) {
  const uint64_t page = layout.page_tokens;
  uint64_t bytes = 0;
  for (size_t group = 0; group < layout.groups.size(); ++group) {
    uint64_t n_pages = (n_tokens + page - 1) / page;
    if (const uint64_t window = layout.groups[group].window; window != 0) {
      n_pages = std::min(n_pages, (window - 1 + max_step_tokens + page - 1) / page + 1);
    }
    bytes += n_pages * engine::KvMemory::bytes_of_page(layout, group);
  }
  return bytes;
}

std::string format_bytes(uint64_t bytes) {
  constexpr double kStep = 1024.0;
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes) / kStep;
  for (const char* unit : {"KiB", "MiB", "GiB"}) {
    if (value < kStep) return fmt::format("{:.1f} {}", value, unit);
    value /= kStep;
  }
  return fmt::format("{:.1f} TiB", value);
}

}  // namespace maru::service
