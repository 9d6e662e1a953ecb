// The record of a model's computation: a family's block function calls these methods once per
// layer, at load, with a symbolic number of tokens. compile() (nn/compile.h) turns the record into
// stages. A method checks shapes (MARU_CHECK: weights were checked against the configuration
// before) and returns the value it defines; values are rows of floats, [tokens, width].
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/kernel_api.h"
#include "nn/rope.h"
#include "tensor/packed_weight.h"

namespace maru::nn {

// y = x W^T + bias. Owned by the model; the graph keeps pointers.
struct Linear {
  tensor::PackedWeight weight;  // [n_out, k]
  std::vector<float> bias;      // [n_out] or empty
};

struct Value {
  uint32_t id = 0;
};

enum class OpKind : uint8_t {
  kEmbed,    // token ids -> rows of a weight, times `scalar`
  kRmsNorm,  // x / rms(x) * weight, over the row or over each of n_heads heads
  kLinear,
  kRope,
  kAttend,   // q, k, v -> stores k and v in the KV pages and attends
  kGate,     // act(in0) * in1
  kAdd,      // in0 + in1
  kSoftcap,  // c tanh(x / c)
  kPick,     // the rows whose logits are wanted
};
const char* op_name(OpKind op);

struct AttendSpec {
  uint32_t kv_group = 0;  // index in the model's KvLayout
  uint32_t layer_in_group = 0;
  uint32_t n_heads = 0, n_kv_heads = 0, head_dim = 0;
  uint32_t window = 0;  // 0: all positions before
  float scale = 1.0f;
  float softcap = 0.0f;
};

struct Node {
  OpKind op;
  std::array<Value, 3> in = {};
  uint32_t n_in = 0;
  Value out = {};
  size_t width = 0;                // of a row of `out`
  bool picked = false;             // rows of `out`: the wanted ones instead of all tokens
  const Linear* linear = nullptr;  // kLinear, kEmbed
  const float* weight = nullptr;   // kRmsNorm
  float scalar = 0.0f;             // kEmbed: scale, kRmsNorm: eps, kSoftcap: c
  uint32_t n_heads = 1;            // kRmsNorm, kRope: parts of a row
  uint32_t rope = 0;               // kRope: index in Graph::ropes()
  kernels::Gate gate = kernels::Gate::kSilu;
  AttendSpec attend = {};
};

class Graph {
 public:
  // Rope specs that rope() refers to by index.
  explicit Graph(std::vector<RopeSpec> ropes) : ropes_(std::move(ropes)) {}

  Value embed(const Linear& table, float scale);
  Value rms_norm(Value x, const std::vector<float>& weight, float eps);
  Value head_norm(Value x, const std::vector<float>& weight,
                  float eps);  // by heads of weight.size()
  Value linear(Value x, const Linear& linear);
  Value rope(Value x, uint32_t rope, uint32_t n_heads);
  Value attend(Value q, Value k, Value v, const AttendSpec& spec);
  Value gate(Value gate, Value up, kernels::Gate kind);
  Value add(Value x, Value y);
  Value softcap(Value x, float cap);
  Value pick(Value x);

  // A node that another graph's method has checked; `out` and `picked` are set here.
  Value append(Node node);

  const std::vector<Node>& nodes() const { return nodes_; }  // nodes()[v.id] defines v
  const std::vector<RopeSpec>& ropes() const { return ropes_; }
  size_t width(Value v) const { return nodes_[v.id].width; }

 private:
  std::vector<RopeSpec> ropes_;
  std::vector<Node> nodes_;
};

}  // namespace maru::nn
