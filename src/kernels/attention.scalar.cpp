// The plain reference of attention: all scores of a row, one key after another.
#include "kernels/attention_state.scalar.h"
#include "kernels/half.h"
#include "kernels/kv_page.h"

namespace maru::kernels {
namespace {

// Components `step` elements apart; `scale` is only there for kQ8.
struct Vector {
  const uint8_t* at;
  size_t step;
  const uint8_t* scale_at;
  KvType type;

  float scale() const {
    float x = 1.0f;
    if (type == KvType::kQ8) __builtin_memcpy(&x, scale_at, sizeof x);
    return x;
  }
  float component(size_t i) const {
    const uint8_t* p = at + i * step * kv_element_bytes(type);
    if (type == KvType::kF16) return load_f16(p);
    if (type == KvType::kQ8) return static_cast<float>(static_cast<int8_t>(*p));
    float x;
    __builtin_memcpy(&x, p, sizeof x);
    return x;
  }
};

Vector key_of(const KvView& kv, size_t head, size_t position) {
  const size_t lane = position % kKvGroup * kv_element_bytes(kv.type);
  return {k_group(kv, head, position) + lane, kKvGroup, kv_scale(kv, kv.k_offset, head, position),
          kv.type};
}

Vector value_of(const KvView& kv, size_t head, size_t position) {
  return {v_row(kv, head, position), 1, kv_scale(kv, kv.v_offset, head, position), kv.type};
}

float score(const AttentionArgs& a, const float* q, size_t kv_head, size_t position) {
  const Vector k = key_of(a.kv, kv_head, position);
  float dot = 0;
  for (size_t i = 0; i < a.kv.head_dim; ++i) dot += q[i] * k.component(i);
  dot *= k.scale() * a.scale;
  return a.softcap > 0 ? a.softcap * tanh_exp(dot / a.softcap) : dot;
}

// One part of what a row sees.
void attend_part(const AttentionArgs& a, size_t token, size_t head, size_t part, float* state) {
  const float* q = a.q + token * a.ld_q + head * a.kv.head_dim;
  const size_t kv_head = head / (a.n_heads / a.kv.n_kv_heads);
  const size_t last = last_seen(a, token);
  const size_t first = a.window > 0 && last + 1 > a.window ? last + 1 - a.window : 0;
  const size_t from = part * kAttentionPart, to = from + kAttentionPart;
  const RowState s{state, padded_head(a.kv.head_dim)};
  start_state(s);
  for (size_t position = first > from ? first : from; position <= last && position < to;
       ++position) {
    const float x = score(a, q, kv_head, position);
    if (x > s.exponent()) {
      const float shrink = exp_poly(s.exponent() - x);
      for (size_t i = 0; i < a.kv.head_dim; ++i) s.sums()[i] *= shrink;
      s.total() *= shrink;
      s.exponent() = x;
    }
    const float p = exp_poly(x - s.exponent());
    const Vector v = value_of(a.kv, kv_head, position);
    const float weight = p * v.scale();
    for (size_t i = 0; i < a.kv.head_dim; ++i) s.sums()[i] += weight * v.component(i);
    s.total() += p;
  }
}

void attend_whole(const AttentionArgs& a, size_t token, size_t head) {
  const RowState sum{a.scratch, padded_head(a.kv.head_dim)};
  float* part_state = a.scratch + attention_state_floats(a.kv.head_dim);
  start_whole(sum, a.sinks == nullptr ? nullptr : a.sinks + head);
  for (size_t part = 0; part * kAttentionPart <= last_seen(a, token); ++part) {
    attend_part(a, token, head, part, part_state);
    join_state(sum, {part_state, sum.dim});
  }
  finish_state(sum, a.kv.head_dim, a.out + token * a.ld_out + head * a.kv.head_dim);
}

void attention(const AttentionArgs& a) {
  for_rows(a, [&](size_t token, size_t head, size_t row, size_t n_rows) {
    if (a.partial == nullptr) return attend_whole(a, token, head);
    for (size_t part = a.part_begin; part < a.part_end; ++part) {
      attend_part(a, token, head, part, partial_state(a, part, row, n_rows));
    }
  });
}

}  // namespace

extern const Kernel kernel_attention_scalar;
constinit const Kernel kernel_attention_scalar = {
    Op::kAttention, Isa::kScalar, nullptr, {.attention = attention}};

}  // namespace maru::kernels
