// A weight matrix [n_out, k] in the packed form of its block format, and the product with it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/thread_pool.h"
#include "kernels/dispatch.h"
#include "tensor/format.h"

namespace maru::tensor {

// Immutable once packed; thread-safe for reading.
class PackedWeight {
 public:
  PackedWeight() = default;

  // Packs file-form rows ([n_out, k], contiguous). The source is not needed afterwards.
  static PackedWeight pack(const BlockFormat& format, const uint8_t* rows, size_t n_out, size_t k,
                           ThreadPool& pool);

  // Panels that lie elsewhere, packed_bytes() of them at a multiple of 64, and outlive the weight.
  static PackedWeight view(const BlockFormat& format, size_t n_out, size_t k,
                           const uint8_t* panels);

  // Format and shape only, to plan with before loading: panels() is null.
  static PackedWeight without_data(const BlockFormat& format, size_t n_out, size_t k);

  // Bytes that pack() will allocate, for the memory estimate before loading.
  static size_t packed_bytes(const BlockFormat& format, size_t n_out, size_t k);

  const BlockFormat& format() const { return *format_; }
  size_t n_out() const { return n_out_; }
  size_t k() const { return k_; }
  size_t n_panels() const { return (n_out_ + kernels::kPanelRows - 1) / kernels::kPanelRows; }
  size_t bytes() const { return panel_bytes_ * n_panels(); }
  const uint8_t* panels() const { return panels_; }
  size_t panel_bytes() const { return panel_bytes_; }
  bool empty() const { return format_ == nullptr; }

  // One row as float [k] (the embedding look-up of a tied matrix).
  void read_row(size_t row, float* out) const;

 private:
  struct AlignedFree {
    void operator()(uint8_t* p) const;
  };
  const BlockFormat* format_ = nullptr;
  size_t n_out_ = 0, k_ = 0, panel_bytes_ = 0;
  const uint8_t* panels_ = nullptr;
  std::unique_ptr<uint8_t[], AlignedFree> owned_;  // null for a view
};

// out[t, row] (+)= sum_k x[t, k] W[row, k] for the rows of panels [panel_begin, panel_end).
// `x`: float rows if weight.format().float_input, else what KernelSet::quantise wrote.
struct LinearCall {
  const void* x;
  size_t ld_x;
  size_t n_rows;
  size_t panel_begin, panel_end;
  float* out;
  size_t ld_out;
  size_t row_base = 0;
  bool accumulate = false;
};
void linear(const kernels::KernelSet& kernels, const PackedWeight& weight, const LinearCall& call);

}  // namespace maru::tensor
