// How long steps take, learnt from the steps: a running average of decode-only steps by batch size
// (exact up to 16 rows, then powers of two) and of a prompt row on top of them. Sizes prompt chunks
// by time, and tells whether more rows a step would pay.
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
  // Microseconds of a step with `n_rows` rows and no prompt, by the nearest size that was measured:
  // smaller ones first, so that what is not known yet seems worth a try. 0 if nothing is known.
  double decode_us(size_t n_rows) const;

 private:
  struct Average {
    double value = 0.0;
    bool is_known = false;
    void add(double sample);
  };
  std::array<Average, 32> decode_;  // [bucket_of(rows)]
  Average prompt_row_;
};

}  // namespace maru::engine
