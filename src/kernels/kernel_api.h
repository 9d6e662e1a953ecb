// The plain interface of all kernels: argument structs and function types, nothing else. An ISA's
// object includes only this file, the intrinsics and <cstdint>/<cstddef>, so that no inline library
// code compiled for a newer CPU reaches an older one (docs/adr/0004-isa-objects.md).
//
// A kernel works on a range (rows, panels or heads) and is called by several threads on disjoint
// ranges at once. Kernels never allocate, throw or print; the caller has checked every shape.
#pragma once

#include <cstddef>
#include <cstdint>

namespace maru::kernels {

// Not an order: what a tier implies and which one is preferred says the table in dispatch.cpp.
enum class Isa : uint8_t { kScalar, kAvx2, kAvxVnni, kAvx512, kAmx, kNeon, kNeonDot, kI8mm };

// Rows of a weight matrix are packed in panels of 16 (docs/formats/packed-weights.md).
inline constexpr size_t kPanelRows = 16;
// Activations are quantised by blocks of 32 along k.
inline constexpr size_t kActBlock = 32;
// Rows of quantised activations are stored in groups of this many; ranges begin at its multiples.
inline constexpr size_t kActRowGroup = 6;
// K of a KV page is stored in groups of this many positions.
inline constexpr size_t kKvGroup = 16;
// Attention walks the keys in tiles of this many positions; a page holds a multiple of it.
inline constexpr size_t kKeyTile = 64;
// Attention joins what parts of this many positions gave (kernels/attention_state.h).
inline constexpr size_t kAttentionPart = 512;
// Rows of logits are summed up by blocks of this many words: whole panels.
inline constexpr size_t kLogitBlock = 256;

enum class Op : uint8_t {
  kLinear,         // y = x W^T over panels; one kernel per packed layout
  kQuantise,       // float rows -> int8 blocks with scale and sum
  kRmsNorm,        // RMS normalisation with weight
  kRope,           // rotary position embedding, in place
  kGate,           // act(gate) * up
  kAdd,            // y += x
  kStoreKv,        // float heads -> KV pages
  kAttention,      // softmax(q k^T) v over KV pages
  kJoinAttention,  // its parts, if several calls computed them
  kSumLogits,      // largest logit and sum of exp by blocks of words
  kQuantise16,     // float rows -> 16-bit integers with one step a row
  kLinear16,       // y = x W^T + bias over those
  kLayerNorm,      // normalisation by mean and variance, with the residual before it
  kGelu,           // x * Phi(x), in place
};

// Quantised activations, one allocation of quantised_bytes(): int8 values, then per row and block
// of 32 a float scale, the sums of the two half blocks (integers) and scale * sum. The order inside
// is the kernels' own (kernels/activations.h); `quantise` writes it and `linear` reads it. The
// values of a row do not depend on the rows beside it.
//
// With two planes row t of x becomes rows 2t and 2t + 1 of a buffer of 2 * n_rows rows: the first
// as with one plane, the second what its rounding left over, quantised again by scales of its own.
// A product with x is the sum of the products with both.
struct QuantiseArgs {
  const float* x;             // [rows, k]
  size_t ld_x;                // floats between rows of x
  size_t n_rows;              // rows of x that the whole buffer is for
  size_t k;                   // multiple of kActBlock
  size_t row_begin, row_end;  // of x; begin is a multiple of kActRowGroup; end too, or n_rows
  void* out;                  // 64-byte aligned
  size_t planes = 1;          // 1 or 2
};

struct LinearArgs {
  const uint8_t* weight;  // packed panels, 64-byte aligned
  size_t panel_bytes;     // from one panel to the next
  const void* x;          // quantised activations, or float rows [n_rows, ld_x] for float layouts
  size_t ld_x;            // floats between rows (float layouts only)
  size_t n_rows;          // tokens
  size_t k;
  size_t n_out;  // rows of the matrix; the last panel may be partial and is zero-padded
  size_t panel_begin, panel_end;
  float* out;  // out[t * ld_out + (row - row_base)], only rows below n_out are written
  size_t ld_out;
  size_t row_base;  // first matrix row that `out` holds (panel_begin * 16 for a local buffer)
  bool accumulate;  // add to what is there (the residual) instead of writing over it
};

struct RmsNormArgs {
  const float* x;  // [rows, n]
  size_t ld_x;
  const float* weight;  // [n], or null for none
  float eps;
  size_t n;
  size_t row_begin, row_end;
  float* out;  // may be x
  size_t ld_out;
};

struct RopeArgs {
  float* x;     // [tokens, heads, head_dim]
  size_t ld_x;  // floats between tokens
  size_t n_heads, head_dim;
  size_t n_rot;          // even; only the first n_rot of each head turn
  bool interleaved;      // pairs (2i, 2i+1) if true, (i, i + n_rot/2) if false
  const float* cos_sin;  // [tokens, n_rot]: n_rot/2 cosines, then n_rot/2 sines, for each token
  size_t token_begin, token_end;
};

enum class Gate : uint8_t { kSilu, kGeluTanh, kGelu };

struct GateArgs {
  Gate gate;
  const float* gate_x;  // [rows, n]
  const float* up;      // [rows, n]
  size_t ld;            // floats between rows of both
  size_t n;
  size_t row_begin, row_end;
  float* out;  // [rows, n]; may be gate_x
  size_t ld_out;
};

struct AddArgs {
  const float* x;
  size_t n;
  float scale;  // y += scale * x
  float* y;
};

// kQ8 is int8 with one float scale per position and head: value = scale * q.
enum class KvType : uint8_t { kF32, kF16, kQ8 };

// One layer's part of a KV page. V of a head is [page_tokens, head_dim]. K is stored in groups of
// 16 positions, [page_tokens / kKvGroup, head_dim, kKvGroup], so that one load gives one component
// of 16 keys. Behind a head's kQ8 values lie their scales, [page_tokens] floats. Whoever copies a
// page copies it whole.
struct KvView {
  uint8_t* const* pages;  // page i holds positions [i * page_tokens, (i + 1) * page_tokens)
  size_t k_offset;        // bytes from a page's start to this layer's K
  size_t v_offset;
  size_t page_tokens;  // multiple of kKeyTile
  size_t n_kv_heads, head_dim;
  KvType type;
};

struct StoreKvArgs {
  KvView kv;
  const float* k;  // [tokens, kv_heads, head_dim]
  const float* v;
  size_t ld;  // floats between tokens of k and of v
  size_t first_position;
  size_t token_begin, token_end;
};

// One sequence's rows. A token at position p sees positions max(0, p - window + 1) .. p. Pages of
// positions that no token of the call sees may be null. The result of a token and head does not
// depend on how the call was split.
//
// A long row may be computed in parts: calls with `partial` set write the states of the parts of
// kAttentionPart positions from part_begin to part_end to it, [parts, kv heads, tokens, heads of
// the kv head, attention_state_floats()], and nothing to `out`. kJoinAttention, with all parts of
// the row in `partial` and otherwise the same arguments, makes `out` of them: bit for bit what one
// call would have given.
struct AttentionArgs {
  KvView kv;
  const float* q;  // [tokens, heads, head_dim]
  size_t ld_q;
  size_t n_heads;  // multiple of n_kv_heads
  size_t first_position;
  size_t window;       // 0: everything before
  float scale;         // on q . k
  float softcap;       // c * tanh(score / c) before softmax; 0: none
  const float* sinks;  // [heads] extra logit in the denominator, or null
  size_t token_begin, token_end, kv_head_begin, kv_head_end;  // this call's part
  float* out;                                                 // [tokens, heads, head_dim]
  size_t ld_out;
  float* scratch;  // this thread's own, attention_scratch_floats() long, 64-byte aligned
  float* partial;  // null: one call does it all
  size_t part_begin, part_end;
  // Not 0 (encoders): every token sees positions 0 .. n_keys - 1, whatever its own is; no window.
  size_t n_keys = 0;
};

// What is known of kLogitBlock words of one row of logits (the last block may be shorter).
struct LogitBlock {
  float largest;  // NaN if a value of the block is not finite
  float sum;      // of exp((x - largest) * scale)
};

// Blocks [block_begin, block_end) of one row of n logits. A block's result depends on its values
// and `scale` alone.
struct SumLogitsArgs {
  const float* x;  // [n]
  size_t n;
  size_t block_begin, block_end;
  float scale;         // 1 / temperature; 0: no sums wanted, they become 0
  LogitBlock* blocks;  // [block_end - block_begin]: the first is block_begin
};

// Products of 16-bit integers, for encoders: a row of x and a row of W are each scaled so that
// their Euclidean norm is kNorm16. By Cauchy and Schwarz no sum of products leaves 32 bits, in
// whatever order it is taken, and the error is about 2^-15 of the norms' product, however the
// values are spread. Integers are equal on all ISAs; so are the results.
inline constexpr float kNorm16 = 32000.0f;
// k of both is padded with zeros to a multiple of this.
inline constexpr size_t kBlock16 = 32;

struct Quantise16Args {
  const float* x;  // [rows, k]
  size_t ld_x;
  size_t k;
  size_t row_begin, row_end;
  int16_t* out;   // [rows, ld_out]: x / step rounded, then zeros
  size_t ld_out;  // k rounded up to kBlock16
  float* steps;   // [rows]; not finite if a value of the row is not
};

// out[t, row] = x_steps[t] * weight_steps[row] * sum_k x[t, k] W[row, k] + bias[row]
struct Linear16Args {
  const int16_t* weight;      // [panels, ld_x / 2, kPanelRows, 2], 64-byte aligned
  const float* weight_steps;  // [panels * kPanelRows]
  const float* bias;          // the same, or null
  const int16_t* x;           // [rows, ld_x]
  const float* x_steps;       // [rows]
  size_t ld_x;                // multiple of kBlock16
  size_t row_begin, row_end;
  size_t panel_begin, panel_end;
  float* out;  // [rows, ld_out]
  size_t ld_out;
};

// out = (y - mean) / sqrt(variance + eps) * weight + bias, y = x + residual (Ba 2016).
struct LayerNormArgs {
  const float* x;         // [rows, ld]
  const float* residual;  // [rows, ld], or null
  size_t ld;              // of x, residual and out
  const float* weight;    // [n]
  const float* bias;
  float eps;
  size_t n;
  size_t row_begin, row_end;
  float* out;  // may be x or residual
};

struct GeluArgs {
  float* x;  // [n]
  size_t n;
};

using LinearFn = void (*)(const LinearArgs&);
using QuantiseFn = void (*)(const QuantiseArgs&);
using RmsNormFn = void (*)(const RmsNormArgs&);
using RopeFn = void (*)(const RopeArgs&);
using GateFn = void (*)(const GateArgs&);
using AddFn = void (*)(const AddArgs&);
using StoreKvFn = void (*)(const StoreKvArgs&);
using AttentionFn = void (*)(const AttentionArgs&);
using SumLogitsFn = void (*)(const SumLogitsArgs&);
using Quantise16Fn = void (*)(const Quantise16Args&);
using Linear16Fn = void (*)(const Linear16Args&);
using LayerNormFn = void (*)(const LayerNormArgs&);
using GeluFn = void (*)(const GeluArgs&);

union KernelFn {
  LinearFn linear;
  QuantiseFn quantise;
  RmsNormFn rms_norm;
  RopeFn rope;
  GateFn gate;
  AddFn add;
  StoreKvFn store_kv;
  AttentionFn attention;
  SumLogitsFn sum_logits;
  Quantise16Fn quantise16;
  Linear16Fn linear16;
  LayerNormFn layer_norm;
  GeluFn gelu;
};

// What a kernel file defines: `extern const Kernel kernel_<file name with underscores>`.
struct Kernel {
  Op op;
  Isa isa;
  const char* layout;  // packed layout that a linear kernel reads ("q4_1"); null for other ops
  KernelFn fn;
};

}  // namespace maru::kernels
