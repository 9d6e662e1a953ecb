// Chooses, once at start, the kernels that this CPU and its operating system can run.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kernels/kernel_api.h"

namespace maru::kernels {

const char* isa_name(Isa isa);                   // "scalar", "avx2", "i8mm" ...
Result<Isa> parse_isa(const std::string& name);  // kInvalidArgument with the known names

// The tier whose kernels stand in where `isa` has none of its own; kScalar for itself. A CPU with a
// tier has the ones that it implies.
Isa implied_isa(Isa isa);

// What this CPU and its operating system can run, the most preferred last; found out once.
std::span<const Isa> supported_isas();
bool is_supported(Isa isa);
inline Isa detect_isa() { return supported_isas().back(); }

// $MARU_FORCE_ISA if set, else detect_isa(). Errors: an unknown name, or a tier this CPU lacks.
Result<Isa> choose_isa();

// Every kernel of the program, also of tiers that this CPU lacks.
std::span<const Kernel* const> all_kernels();

// The kernels of one tier and, where it has none, of the next one it implies. Immutable after
// construction; thread-safe.
class KernelSet {
 public:
  explicit KernelSet(Isa isa);

  Isa isa() const { return isa_; }
  // The kernel of a packed layout; there is a scalar one for each. An unknown layout is a bug.
  LinearFn linear(std::string_view layout) const;
  // The tier of the kernel that linear(layout) gives.
  Isa linear_isa(std::string_view layout) const;

  QuantiseFn quantise;
  RmsNormFn rms_norm;
  RopeFn rope;
  GateFn gate;
  AddFn add;
  StoreKvFn store_kv;
  AttentionFn attention;
  SumLogitsFn sum_logits;
  AttentionFn join_attention;
  Quantise16Fn quantise16;
  Linear16Fn linear16;
  LayerNormFn layer_norm;
  GeluFn gelu;

 private:
  const Kernel& linear_kernel(std::string_view layout) const;

  Isa isa_;
  std::vector<const Kernel*> linear_;  // the best one per layout
};

// Bytes of a buffer of quantised activations (QuantiseArgs::out).
size_t quantised_bytes(size_t n_rows, size_t k);

// Blocks of one row of logits.
constexpr size_t logit_blocks(size_t n_logits) {
  return (n_logits + kLogitBlock - 1) / kLogitBlock;
}

// Floats of scratch (64-byte aligned) that one attention call needs.
size_t attention_scratch_floats(size_t head_dim);

// Floats of one state in AttentionArgs::partial.
size_t attention_partial_floats(size_t head_dim);

// Bytes of one position of one head of a KV page, scales included.
size_t kv_row_bytes(KvType type, size_t head_dim);

}  // namespace maru::kernels
