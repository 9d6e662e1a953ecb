// The plain reference of attention: all scores of a row, one key after another.
#include "kernels/half.h"
#include "kernels/kernel_api.h"
#include "kernels/kv_page.h"
#include "kernels/math.h"

namespace maru::kernels {
namespace {

float load_element(const uint8_t* p, KvType type) {
  if (type == KvType::kF16) return load_f16(p);
  float x;
  __builtin_memcpy(&x, p, sizeof x);
  return x;
}

float score(const AttentionArgs& a, const float* q, size_t kv_head, size_t position) {
  const size_t size = kv_element_bytes(a.kv.type);
  const uint8_t* k = k_group(a.kv, kv_head, position) + position % kKvGroup * size;
  float dot = 0;
  for (size_t i = 0; i < a.kv.head_dim; ++i) {
    dot += q[i] * load_element(k + i * kKvGroup * size, a.kv.type);
  }
  dot *= a.scale;
  return a.softcap > 0 ? a.softcap * tanh_exp(dot / a.softcap) : dot;
}

// softmax(q k^T) v with a running maximum, so that no row of scores is stored (Milakov and
// Gimelshein 2018). out [head_dim].
void attend(const AttentionArgs& a, const float* q, size_t head, size_t last, float* out) {
  const size_t size = kv_element_bytes(a.kv.type);
  const size_t kv_head = head / (a.n_heads / a.kv.n_kv_heads);
  const size_t begin = a.window > 0 && last + 1 > a.window ? last + 1 - a.window : 0;
  float largest = a.sinks != nullptr ? a.sinks[head] : -1e30f;
  float total = a.sinks != nullptr ? 1.0f : 0.0f;
  for (size_t i = 0; i < a.kv.head_dim; ++i) out[i] = 0;
  for (size_t position = begin; position <= last; ++position) {
    const float s = score(a, q, kv_head, position);
    if (s > largest) {
      const float shrink = exp_poly(largest - s);
      for (size_t i = 0; i < a.kv.head_dim; ++i) out[i] *= shrink;
      total *= shrink;
      largest = s;
    }
    const float p = exp_poly(s - largest);
    const uint8_t* v = v_row(a.kv, kv_head, position);
    for (size_t i = 0; i < a.kv.head_dim; ++i) {
      out[i] += p * load_element(v + i * size, a.kv.type);
    }
    total += p;
  }
  for (size_t i = 0; i < a.kv.head_dim; ++i) out[i] /= total;
}

void attention(const AttentionArgs& a) {
  const size_t group = a.n_heads / a.kv.n_kv_heads;
  for (size_t token = a.token_begin; token < a.token_end; ++token) {
    for (size_t head = a.kv_head_begin * group; head < a.kv_head_end * group; ++head) {
      attend(a, a.q + token * a.ld_q + head * a.kv.head_dim, head, a.first_position + token,
             a.out + token * a.ld_out + head * a.kv.head_dim);
    }
  }
}

}  // namespace

extern const Kernel kernel_attention_scalar;
constinit const Kernel kernel_attention_scalar = {
    Op::kAttention, Isa::kScalar, nullptr, {.attention = attention}};

}  // namespace maru::kernels
