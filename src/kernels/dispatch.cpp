#include "kernels/dispatch.h"

#include <cstdlib>

#include "base/check.h"
#include "kernels/activations.h"
#include "kernels/attention_tile.h"

namespace maru::kernels {

extern const Kernel* const kernel_table[];  // generated, see cmake/registry.cmake
extern const unsigned long kernel_table_size;

namespace {

constexpr Isa kAllIsas[] = {Isa::kScalar, Isa::kAvx2, Isa::kAvx512};

const Kernel& best_kernel(Op op, Isa isa) {
  const Kernel* best = nullptr;
  for (const Kernel* kernel : all_kernels()) {
    if (kernel->op != op || kernel->isa > isa) continue;
    if (best == nullptr || kernel->isa > best->isa) best = kernel;
  }
  MARU_CHECK(best != nullptr);
  return *best;
}

}  // namespace

const char* isa_name(Isa isa) {
  switch (isa) {
    case Isa::kScalar: return "scalar";
    case Isa::kAvx2: return "avx2";
    case Isa::kAvx512: return "avx512";
  }
  return "unknown";
}

Result<Isa> parse_isa(const std::string& name) {
  std::string known;
  for (Isa isa : kAllIsas) {
    if (name == isa_name(isa)) return isa;
    known += known.empty() ? "" : ", ";
    known += isa_name(isa);
  }
  return Error{ErrorCode::kInvalidArgument, "unknown instruction set '" + name + "'",
               "known are: " + known};
}

Result<Isa> choose_isa() {
  const Isa detected = detect_isa();
  const char* forced = std::getenv("MARU_FORCE_ISA");
  if (forced == nullptr || *forced == '\0') return detected;
  auto parsed = parse_isa(forced);
  if (!parsed) {
    parsed.error().message = "MARU_FORCE_ISA: " + parsed.error().message;
    return parsed;
  }
  const Isa isa = *parsed;
  if (isa > detected) {
    return Error{ErrorCode::kInvalidArgument,
                 std::string("MARU_FORCE_ISA=") + forced + ": this CPU can run at most " +
                     isa_name(detected),
                 "unset MARU_FORCE_ISA"};
  }
  return isa;
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
      isa_(isa) {
  for (const Kernel* kernel : all_kernels()) {
    if (kernel->op != Op::kLinear || kernel->isa > isa) continue;
    const Kernel** known = nullptr;
    for (const Kernel*& entry : linear_) {
      if (std::string_view(entry->layout) == kernel->layout) known = &entry;
    }
    if (known == nullptr) {
      linear_.push_back(kernel);
    } else if (kernel->isa > (*known)->isa) {
      *known = kernel;
    }
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

}  // namespace maru::kernels
