// The state of a row of attention: what a set of keys gives it, and how two sets are joined (Dao
// 2022; running maximum and sum as in Milakov and Gimelshein 2018). Weights are powers of two, the
// scores being in units of ln 2. Include the ISA's vec16 header first.
//
// Keys are taken in parts of kAttentionPart positions. A part starts from nothing, and parts are
// joined in order, whether one call walks them all or several calls have one each; so the result
// does not depend on who did which part.
#pragma once

#include "kernels/attention_tile.h"
#include "kernels/exp16.h"

namespace maru::kernels {
namespace {

constexpr size_t kLanes = 16;
constexpr float kFloor = -1e30f;   // the exponent before any key; finite, so differences are
constexpr float kUnseen = -3e38f;  // a score that is never the largest
constexpr float kLog2E = 1.44269504f;

// [padded head] sums, 16 partial totals, the exponent.
struct RowState {
  float* at;
  size_t dim;  // of the padded head

  float* sums() const { return at; }
  float* totals() const { return at + dim; }
  float& exponent() const { return at[dim + kLanes]; }
};

inline void start_state(const RowState& s) {
  for (size_t i = 0; i < s.dim + kLanes; i += kLanes) store16(s.at + i, zero16());
  s.exponent() = kFloor;
}

// `sink` is null, or a logit that takes its share of the weights and has no value.
inline void start_whole(const RowState& s, const float* sink) {
  start_state(s);
  if (sink == nullptr) return;
  s.exponent() = *sink * kLog2E;
  s.totals()[0] = 1.0f;
}

inline void join_state(const RowState& to, const RowState& part) {
  const float ours = to.exponent(), theirs = part.exponent();
  if (theirs == kFloor) return;  // has seen no key
  const float largest = theirs > ours ? theirs : ours;
  const Vec16 keep = exp2_16(broadcast16(ours - largest));
  const Vec16 add = exp2_16(broadcast16(theirs - largest));
  for (size_t i = 0; i < to.dim + kLanes; i += kLanes) {
    store16(to.at + i, fma16(load16(part.at + i), add, load16(to.at + i) * keep));
  }
  to.exponent() = largest;
}

// What a tile of rows keeps in the caller's scratch, whatever the arithmetic.
struct RowTile {
  float* states;  // of the part at hand, one a row
  size_t n_rows, head_dim, state_floats;
  size_t kv_head, group;
  size_t first_row;  // rows of a kv head are numbered token * group + head in the group

  size_t token(size_t row) const { return (first_row + row) / group; }
  size_t head(size_t row) const { return kv_head * group + (first_row + row) % group; }
  RowState state(size_t row) const { return {states + row * state_floats, padded_head(head_dim)}; }
};

inline void finish_state(const RowState& s, size_t head_dim, float* out) {
  const float inverse = 1.0f / sum16(load16(s.totals()));
  for (size_t i = 0; i < head_dim; ++i) out[i] = s.sums()[i] * inverse;
}

}  // namespace
}  // namespace maru::kernels
