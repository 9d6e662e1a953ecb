// Lines that the blocks of several families share.
#pragma once

#include "models/family.h"

namespace maru::models {

struct Qkv {
  nn::Value q, k, v;  // [tokens, heads * head_dim], [tokens, kv_heads * head_dim] twice
};

// Recorded one behind the other, so that they become one stage.
inline Qkv project_qkv(nn::Graph& g, nn::Value x, const BlockWeights& w) {
  Qkv a;
  a.q = g.linear(x, w.q);
  a.k = g.linear(x, w.k);
  a.v = g.linear(x, w.v);
  return a;
}

// down(act(gate(x)) * up(x))
inline nn::Value gated_ffn(nn::Graph& g, nn::Value x, const ModelConfig& c, const BlockWeights& w) {
  const nn::Value gate = g.linear(x, w.gate);
  const nn::Value up = g.linear(x, w.up);
  return g.linear(g.gate(gate, up, c.gate), w.down);
}

}  // namespace maru::models
