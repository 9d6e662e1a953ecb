// What the tests of the kernels share.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <vector>

#include "kernels/dispatch.h"

namespace maru::kernels {

constexpr float kUntouched = -12345.5f;  // where a kernel must not write

inline std::vector<float> random_floats(size_t n, uint32_t seed, float scale = 1.0f) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, scale);
  std::vector<float> x(n);
  for (float& v : x) v = normal(random);
  return x;
}

inline std::vector<const Kernel*> kernels_of(Op op) {
  std::vector<const Kernel*> found;
  for (const Kernel* kernel : all_kernels()) {
    if (kernel->op == op && is_supported(kernel->isa)) found.push_back(kernel);
  }
  EXPECT_FALSE(found.empty());
  return found;
}

struct AlignedBuffer {
  explicit AlignedBuffer(size_t n_bytes) : storage(n_bytes + 64) {
    data = storage.data() + (64 - reinterpret_cast<uintptr_t>(storage.data()) % 64) % 64;
  }
  std::vector<uint8_t> storage;
  uint8_t* data;
};

}  // namespace maru::kernels
