#include "nn/graph.h"

#include "base/check.h"

namespace maru::nn {

const char* op_name(OpKind op) {
  switch (op) {
    case OpKind::kEmbed: return "embed";
    case OpKind::kRmsNorm: return "rms_norm";
    case OpKind::kLinear: return "linear";
    case OpKind::kRope: return "rope";
    case OpKind::kAttend: return "attend";
    case OpKind::kGate: return "gate";
    case OpKind::kAdd: return "add";
    case OpKind::kSoftcap: return "softcap";
    case OpKind::kPick: return "pick";
  }
  return "?";
}

Value Graph::append(Node node) {
  node.out = Value{static_cast<uint32_t>(nodes_.size())};
  for (uint32_t i = 0; i < node.n_in; ++i) {
    MARU_CHECK(node.in[i].id < node.out.id);
    const bool picked = nodes_[node.in[i].id].picked;
    MARU_CHECK(i == 0 || picked == node.picked);
    node.picked = node.picked || picked;
  }
  nodes_.push_back(node);
  return node.out;
}

Value Graph::embed(const Linear& table, float scale) {
  return append(
      {.op = OpKind::kEmbed, .width = table.weight.k(), .linear = &table, .scalar = scale});
}

Value Graph::rms_norm(Value x, const std::vector<float>& weight, float eps) {
  MARU_CHECK(weight.size() == width(x));
  return head_norm(x, weight, eps);
}

Value Graph::head_norm(Value x, const std::vector<float>& weight, float eps) {
  MARU_CHECK(!weight.empty() && width(x) % weight.size() == 0);
  return append({.op = OpKind::kRmsNorm,
                 .in = {x},
                 .n_in = 1,
                 .width = width(x),
                 .weight = weight.data(),
                 .scalar = eps,
                 .n_heads = static_cast<uint32_t>(width(x) / weight.size())});
}

Value Graph::linear(Value x, const Linear& linear) {
  MARU_CHECK(linear.weight.k() == width(x));
  MARU_CHECK(linear.bias.empty() || linear.bias.size() == linear.weight.n_out());
  return append({.op = OpKind::kLinear,
                 .in = {x},
                 .n_in = 1,
                 .width = linear.weight.n_out(),
                 .linear = &linear});
}

Value Graph::rope(Value x, uint32_t rope, uint32_t n_heads) {
  MARU_CHECK(rope < ropes_.size() && n_heads > 0 && width(x) % n_heads == 0);
  MARU_CHECK(ropes_[rope].n_rot <= width(x) / n_heads);
  return append({.op = OpKind::kRope,
                 .in = {x},
                 .n_in = 1,
                 .width = width(x),
                 .n_heads = n_heads,
                 .rope = rope});
}

Value Graph::attend(Value q, Value k, Value v, const AttendSpec& spec) {
  MARU_CHECK(spec.n_kv_heads > 0 && spec.n_heads % spec.n_kv_heads == 0);
  MARU_CHECK(width(q) == size_t{spec.n_heads} * spec.head_dim);
  MARU_CHECK(width(k) == size_t{spec.n_kv_heads} * spec.head_dim && width(v) == width(k));
  return append(
      {.op = OpKind::kAttend, .in = {q, k, v}, .n_in = 3, .width = width(q), .attend = spec});
}

Value Graph::gate(Value gate, Value up, kernels::Gate kind) {
  MARU_CHECK(width(gate) == width(up));
  return append(
      {.op = OpKind::kGate, .in = {gate, up}, .n_in = 2, .width = width(gate), .gate = kind});
}

Value Graph::add(Value x, Value y) {
  MARU_CHECK(width(x) == width(y));
  return append({.op = OpKind::kAdd, .in = {x, y}, .n_in = 2, .width = width(x)});
}

Value Graph::softcap(Value x, float cap) {
  return append({.op = OpKind::kSoftcap, .in = {x}, .n_in = 1, .width = width(x), .scalar = cap});
}

Value Graph::pick(Value x) {
  return append({.op = OpKind::kPick, .in = {x}, .n_in = 1, .width = width(x), .picked = true});
}

}  // namespace maru::nn
