// The memory a model will take, held against what this process may use, before anything is loaded.
// The one place with this arithmetic. Pure functions.
#pragma once

#include <cstdint>
#include <string>

#include "base/memory_limits.h"
#include "base/result.h"
#include "models/model.h"
#include "service/passwords.h"

namespace maru::service {

// Kept free for requests, pages on their way to the disk (8 MiB), the program itself, and the
// password that is being looked at.
inline constexpr uint64_t kMemoryReserve = (uint64_t{32} << 20) + kPasswordMemory;

// Adds to the work buffers what grows with the vocabulary: the tokenizer, and `n_logit_rows` rows
// of logits. The tokenizer's share was measured: 88 MiB for the 262,144 tokens of Gemma 3.
void add_vocabulary(models::MemoryEstimate& need, uint64_t vocab_size, uint64_t n_logit_rows);

struct MemoryWish {
  uint32_t context_length = 0;        // tokens of one sequence; 0: model_context_length
  uint32_t model_context_length = 0;  // that the model was made for
  uint64_t kv_pool_bytes = 0;         // 0: by what is free
};

struct MemoryPlan {
  uint32_t context_length = 0;
  uint32_t model_context_length = 0;
  uint64_t weight_bytes = 0;
  uint64_t work_bytes = 0;
  uint64_t context_bytes = 0;  // KV of one sequence of context_length
  uint64_t kv_pool_bytes = 0;  // at least context_bytes
  uint64_t total_bytes = 0;    // all of it, the reserve included
  bool is_below_model_context = false;
};

// KV bytes of one sequence of `n_tokens`.
uint64_t kv_bytes(const models::MemoryEstimate& need, uint64_t n_tokens);

// The longest context that fits beside the weights; 0 if not even they do.
uint64_t largest_context(const models::MemoryEstimate& need, uint64_t available_bytes,
                         uint64_t model_context_length);

// Errors: kTooLarge with the numbers, the limit's source and the largest context that would fit;
// kInvalidArgument (a context beyond the model's own).
Result<MemoryPlan> plan_memory(const models::MemoryEstimate& need, const MemoryWish& wish,
                               const MemoryLimits& limits);

// The same for a loaded model, to the byte: what pages of whole positions take while steps add up
// to `max_step_tokens` at a time (windows keep what a step can see).
uint64_t kv_page_bytes(const models::KvLayout& layout, uint64_t n_tokens, uint64_t max_step_tokens);

// "1.5 GiB", "93.8 MiB", "512 B".
std::string format_bytes(uint64_t bytes);

}  // namespace maru::service
