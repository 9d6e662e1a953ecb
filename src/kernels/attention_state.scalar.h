// The state of a row of attention without vectors; as attention_state.h, but its exponent is in
// natural units and its total is one number.
#pragma once

#include "kernels/attention_tile.h"
#include "kernels/math.h"

namespace maru::kernels {
namespace {

constexpr float kFloor = -1e30f;  // the exponent before any key

struct RowState {
  float* at;
  size_t dim;  // of the padded head

  float* sums() const { return at; }
  float& total() const { return at[dim]; }
  float& exponent() const { return at[dim + 16]; }
};

inline void start_state(const RowState& s) {
  for (size_t i = 0; i <= s.dim; ++i) s.at[i] = 0;
  s.exponent() = kFloor;
}

inline void start_whole(const RowState& s, const float* sink) {
  start_state(s);
  if (sink == nullptr) return;
  s.exponent() = *sink;
  s.total() = 1.0f;
}

inline void join_state(const RowState& to, const RowState& part) {
  const float ours = to.exponent(), theirs = part.exponent();
  if (theirs == kFloor) return;  // has seen no key
  const float largest = theirs > ours ? theirs : ours;
  const float keep = exp_poly(ours - largest), add = exp_poly(theirs - largest);
  for (size_t i = 0; i <= to.dim; ++i) to.at[i] = to.at[i] * keep + part.at[i] * add;
  to.exponent() = largest;
}

inline void finish_state(const RowState& s, size_t head_dim, float* out) {
  for (size_t i = 0; i < head_dim; ++i) out[i] = s.sums()[i] / s.total();
}

// The row's state of a part in a.partial (AttentionArgs).
inline float* partial_state(const AttentionArgs& a, size_t part, size_t row, size_t n_rows) {
  return a.partial + ((part - a.part_begin) * n_rows + row) * attention_state_floats(a.kv.head_dim);
}

// Calls body(token, head, row, n_rows) for the rows of a call in the order of a.partial.
template <class Body>
void for_rows(const AttentionArgs& a, const Body& body) {
  const size_t group = a.n_heads / a.kv.n_kv_heads;
  const size_t n_tokens = a.token_end - a.token_begin;
  const size_t n_rows = (a.kv_head_end - a.kv_head_begin) * n_tokens * group;
  for (size_t row = 0; row < n_rows; ++row) {
    const size_t kv_head = a.kv_head_begin + row / (n_tokens * group);
    body(a.token_begin + row / group % n_tokens, kv_head * group + row % group, row, n_rows);
  }
}

}  // namespace
}  // namespace maru::kernels
