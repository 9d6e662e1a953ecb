// Runs a compiled program over a batch: the rows of several sequences, one behind the other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/dispatch.h"
#include "nn/compile.h"

namespace maru::nn {

// How the pages of all KV groups are laid out (kernels/kernel_api.h: KvView).
struct KvGeometry {
  size_t page_tokens = 64;
  kernels::KvType type = kernels::KvType::kF16;
};

struct SequenceRows {
  size_t row_begin = 0, n_rows = 0;
  uint32_t first_position = 0;
  std::span<const std::span<uint8_t* const>> pages;  // by KV group
};

struct Batch {
  std::span<const int32_t> tokens;          // [rows]
  std::span<const uint32_t> positions;      // [rows]
  std::span<const SequenceRows> sequences;  // cover the rows in order
  std::span<const uint32_t> picked;         // rows whose logits are wanted
  float* logits = nullptr;                  // [picked, n_logits]
  // If given, the logits are also summed up block by block (kernels/kernel_api.h: SumLogitsArgs).
  kernels::LogitBlock* blocks = nullptr;  // [picked, kernels::logit_blocks(n_logits)]
  std::span<const float> sum_scales;      // [picked]
};

// Scratch of one running batch. Not thread-safe.
class Workspace {
 public:
  struct AlignedFree {
    void operator()(uint8_t* p) const;
  };
  // A part of one sequence's rows that attends in one call.
  struct AttentionTile {
    uint32_t sequence, begin, end;
  };

  size_t max_rows = 0, n_threads = 0;
  std::unique_ptr<uint8_t[], AlignedFree> memory;
  std::vector<float*> buffers;        // by BufferId, [max_rows, width]
  std::vector<float*> ropes;          // by rope spec, [max_rows, n_rot]
  uint8_t* quantised = nullptr;       // the input of the running product stage
  std::vector<float*> thread_floats;  // by thread: attention scratch or gate and up products
  size_t n_gate_floats = 0;           // of thread_floats, for gate and up
  std::vector<float*> plane_floats;   // by thread: products with two planes, to be added up
  size_t n_plane_floats = 0;          // of each; 0: no stage has two planes
  float* partial = nullptr;           // states of parts of long rows; null without attention
  std::vector<AttentionTile> tiles;
};

// Called after a step with what it computed, [rows, width]; see docs/howto/debug-wrong-logits.md.
// In a fused program some values never exist outside of a stage; an unfused one shows them all.
using Trace = std::function<void(const Step& step, std::span<const float> values)>;

// Immutable and thread-safe; one Workspace per running call.
class Executor {
 public:
  Executor(Program program, const kernels::KernelSet& kernels, KvGeometry kv, Trace trace = {});

  const Program& program() const { return program_; }
  std::unique_ptr<Workspace> make_workspace(size_t max_rows, size_t n_threads) const;
  size_t workspace_bytes(size_t max_rows, size_t n_threads) const;

  // `batch` has at most workspace.max_rows rows; `pool` at most workspace.n_threads threads.
  void run(const Batch& batch, ThreadPool& pool, Workspace& workspace) const;

 private:
  struct Sizes;
  Sizes plan_sizes(size_t max_rows, size_t n_threads) const;

  Program program_;
  kernels::KernelSet kernels_;
  KvGeometry kv_;
  Trace trace_;  // usually empty
};

}  // namespace maru::nn
