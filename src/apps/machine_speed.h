// How fast this machine computes what a model is made of, from a measurement of some seconds.
#pragma once

#include <chrono>
#include <cstdint>

#include "base/thread_pool.h"
#include "kernels/dispatch.h"
#include "service/recommendation.h"

namespace maru::apps {

// Runs the engine's own product of a Q4_K matrix, larger than the caches, with 1 row and with 512,
// for half of `time` each. `free_bytes`: of memory; the matrix takes at most an eighth.
service::MachineSpeed measure_machine(kernels::Isa isa, ThreadPool& pool, uint64_t free_bytes,
                                      std::chrono::milliseconds time);

}  // namespace maru::apps
