#include "kernels/attention_state.scalar.h"

namespace maru::kernels {
namespace {

void join_attention(const AttentionArgs& a) {
  const RowState sum{a.scratch, padded_head(a.kv.head_dim)};
  for_rows(a, [&](size_t token, size_t head, size_t row, size_t n_rows) {
    start_whole(sum, a.sinks == nullptr ? nullptr : a.sinks + head);
    for (size_t part = a.part_begin; part < a.part_end; ++part) {
      join_state(sum, {partial_state(a, part, row, n_rows), sum.dim});
    }
    finish_state(sum, a.kv.head_dim, a.out + token * a.ld_out + head * a.kv.head_dim);
  });
}

}  // namespace

extern const Kernel kernel_join_attention_scalar;
constinit const Kernel kernel_join_attention_scalar = {
    Op::kJoinAttention, Isa::kScalar, nullptr, {.attention = join_attention}};

}  // namespace maru::kernels
