#include "kernels/dispatch.h"

#include <algorithm>
#include <cstdlib>

#include "base/check.h"
#include "kernels/activations.h"
#include "kernels/attention_tile.h"
#include "kernels/cpu.h"
#include "kernels/kv_page.h"

namespace maru::kernels {

extern const Kernel* const kernel_table[];  // generated, see cmake/registry.cmake
extern const unsigned long kernel_table_size;

namespace {

struct Tier {
  Isa isa;
  const char* name;
  Isa implied;
};

// From the least to the most preferred.
constexpr Tier kTiers[] = {
    {Isa::kScalar, "scalar", Isa::kScalar}, {Isa::kAvx2, "avx2", Isa::kScalar},
    {Isa::kAvxVnni, "avxvnni", Isa::kAvx2}, {Isa::kAvx512, "avx512", Isa::kAvx2},
    {Isa::kAmx, "amx", Isa::kAvx512},       {Isa::kNeon, "neon", Isa::kScalar},
    {Isa::kNeonDot, "neondot", Isa::kNeon}, {Isa::kI8mm, "i8mm", Isa::kNeonDot},
};

const Tier& tier_of(Isa isa) {
  for (const Tier& tier : kTiers) {
    if (tier.isa == isa) return tier;
  }
  check_failed("every tier is in the table", __FILE__, __LINE__);
}

template <class Range>
std::string join_names(const Range& isas) {
  std::string names;
  for (Isa isa : isas) names += (names.empty() ? "" : ", ") + std::string(isa_name(isa));
  return names;
}

// The kernel of the first tier from `isa` downwards that has one; null if none has. `layout` is
// null for all ops but kLinear.
const Kernel* find_kernel(Op op, const char* layout, Isa isa) {
  for (const Kernel* kernel : all_kernels()) {
    if (kernel->op != op || kernel->isa != isa) continue;
    if (layout == nullptr || std::string_view(layout) == kernel->layout) return kernel;
  }
  return isa == implied_isa(isa) ? nullptr : find_kernel(op, layout, implied_isa(isa));
}

const Kernel& best_kernel(Op op, Isa isa) {
  const Kernel* best = find_kernel(op, nullptr, isa);
  MARU_CHECK(best != nullptr);
  return *best;
}

}  // namespace

const char* isa_name(Isa isa) { return tier_of(isa).name; }
Isa implied_isa(Isa isa) { return tier_of(isa).implied; }

Result<Isa> parse_isa(const std::string& name) {
  std::vector<Isa> known;
  for (const Tier& tier : kTiers) {
    if (name == tier.name) return tier.isa;
    known.push_back(tier.isa);
  }
  return Error{ErrorCode::kInvalidArgument, "unknown instruction set '" + name + "'",
               "known are: " + join_names(known)};
}

std::span<const Isa> supported_isas() {
  static const std::vector<Isa> supported = [] {
    const std::vector<Isa> found = probe_cpu();
    std::vector<Isa> in_order;
    for (const Tier& tier : kTiers) {
      if (std::find(found.begin(), found.end(), tier.isa) != found.end()) {
        in_order.push_back(tier.isa);
      }
    }
    return in_order;
  }();
  return supported;
}

bool is_supported(Isa isa) {
  const auto supported = supported_isas();
  return std::find(supported.begin(), supported.end(), isa) != supported.end();
}

Result<Isa> choose_isa() {
  const char* forced = std::getenv("MARU_FORCE_ISA");
  if (forced == nullptr || *forced == '\0') return detect_isa();
  auto parsed = parse_isa(forced);
  if (!parsed) {
    parsed.error().message = "MARU_FORCE_ISA: " + parsed.error().message;
    return parsed;
  }
  if (!is_supported(*parsed)) {
    return Error{ErrorCode::kInvalidArgument,
                 std::string("MARU_FORCE_ISA=") + forced +
                     ": this CPU cannot run it; it can run: " + join_names(supported_isas()),
                 "unset MARU_FORCE_ISA"};
  }
  return *parsed;
}

std::span<const Kernel* const> all_kernels() { return {kernel_table, kernel_table_size}; }

KernelSet::KernelSet(Isa isa)
    : quantise(best_kernel(Op::kQuantise, isa).fn.quantise),
      rms_norm(best_kernel(Op::kRmsNorm, isa).fn.rms_norm),
      rope(best_kernel(Op::kRope, isa).fn.rope),
      gate(best_kernel(Op::kGate, isa).fn.gate),
      add(best_kernel(Op::kAdd, isa).fn.add),
      store_kv(best_kernel(Op::kStoreKv, isa).fn.store_kv),
      attention(best_kernel(Op::kAttention, isa).fn.attention),
      sum_logits(best_kernel(Op::kSumLogits, isa).fn.sum_logits),
      join_attention(best_kernel(Op::kJoinAttention, isa).fn.attention),
      quantise16(best_kernel(Op::kQuantise16, isa).fn.quantise16),
      linear16(best_kernel(Op::kLinear16, isa).fn.linear16),
      layer_norm(best_kernel(Op::kLayerNorm, isa).fn.layer_norm),
      gelu(best_kernel(Op::kGelu, isa).fn.gelu),
      isa_(isa) {
  for (const Kernel* kernel : all_kernels()) {
    if (kernel->op != Op::kLinear || kernel->isa != Isa::kScalar) continue;
    linear_.push_back(find_kernel(Op::kLinear, kernel->layout, isa));
  }
}

const Kernel& KernelSet::linear_kernel(std::string_view layout) const {
  for (const Kernel* kernel : linear_) {
    if (layout == kernel->layout) return *kernel;
  }
  check_failed("every packed layout has a kernel", __FILE__, __LINE__);
}

LinearFn KernelSet::linear(std::string_view layout) const {
  return linear_kernel(layout).fn.linear;
}

Isa KernelSet::linear_isa(std::string_view layout) const { return linear_kernel(layout).isa; }

size_t quantised_bytes(size_t n_rows, size_t k) { return activation_bytes(n_rows, k); }

size_t attention_scratch_floats(size_t head_dim) { return attention_tile_floats(head_dim); }

size_t attention_partial_floats(size_t head_dim) { return attention_state_floats(head_dim); }

size_t kv_row_bytes(KvType type, size_t head_dim) { return kv_head_bytes(type, 1, head_dim); }

}  // namespace maru::kernels
