// How long steps take, learnt from the steps: a running average of decode-only steps by batch size
// (powers of two) and of a prompt row on top of them. Sizes prompt chunks by time.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace maru::engine {

// Not thread-safe.
class StepCost {
 public:
  using Duration = std::chrono::microseconds;

  void record(size_t n_decode_rows, size_t n_prompt_rows, Duration taken);
  // Prompt rows that fit into `budget` beside the decode rows: a multiple of `multiple`, at least
  // one multiple (also before anything was measured).
  uint32_t prompt_rows(size_t n_decode_rows, Duration budget, uint32_t multiple) const;

 private:
  struct Average {
    double value = 0.0;
    bool is_known = false;
    void add(double sample);
  };
  double decode_us(size_t n_rows) const;

  std::array<Average, 16> decode_;  // [bit width of the number of rows]
  Average prompt_row_;
};

}  // namespace maru::engine
