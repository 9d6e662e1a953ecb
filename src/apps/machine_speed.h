// How fast this machine computes what a model is made of, from a measurement of some seconds, and
// what that means for a model that is not here yet.
#pragma once

#include <chrono>
#include <cstdint>

#include "base/thread_pool.h"
#include "kernels/dispatch.h"

namespace maru::apps {

struct MachineSpeed {
  double read_bytes_per_s = 0;  // weights of a product with one row: what bounds an answer
  double macs_per_s = 0;        // multiply-adds of a product with many rows: what bounds a prompt
};

// Runs the engine's own product of a Q4_K matrix, larger than the caches, with 1 row and with 512,
// for half of `time` each. `free_bytes`: of memory; the matrix takes at most an eighth.
MachineSpeed measure_machine(kernels::Isa isa, ThreadPool& pool, uint64_t free_bytes,
                             std::chrono::milliseconds time);

struct PredictedSpeed {
  double prompt_tokens_per_s = 0;
  double answer_tokens_per_s = 0;
};

// Of one conversation at its beginning. `weight_bytes` are read for every token of an answer,
// `n_parameters` multiplied for every token of a prompt; attention, sampling and what is not
// overlapped are left out, so that the figures are upper bounds ('maru recommend --check').
PredictedSpeed predict_speed(const MachineSpeed& machine, uint64_t weight_bytes,
                             uint64_t n_parameters);

}  // namespace maru::apps
