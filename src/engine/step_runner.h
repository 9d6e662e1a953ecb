// What runs a step: a loaded model, or in tests a stand-in that can tell a wrong page from a right
// one. The scheduler, the KV cache and the loop know models through this alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/thread_pool.h"
#include "models/model.h"

namespace maru::engine {

// Used by one thread, the engine's.
class StepRunner {
 public:
  virtual ~StepRunner() = default;

  virtual const models::KvLayout& kv_layout() const = 0;
  virtual uint32_t vocab_size() const = 0;
  virtual uint32_t context_length() const = 0;
  virtual uint64_t fingerprint() const = 0;
  virtual size_t max_rows() const = 0;  // tokens that one step may have

  // As models::Model::run: logits rows [wanted, vocab_size] in the order of sequences and tokens,
  // and what is known of their blocks, [wanted, kernels::logit_blocks(vocab_size)].
  virtual void run(std::span<const models::StepSequence> sequences, float* logits,
                   kernels::LogitBlock* blocks) = 0;
};

// `pool` must outlive the runner. Allocates work buffers for `max_rows` (max_step_rows()). Several
// runners may share a model.
std::unique_ptr<StepRunner> make_model_runner(std::shared_ptr<const models::Model> model,
                                              ThreadPool& pool, size_t max_rows);

}  // namespace maru::engine
