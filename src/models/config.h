// What a model is, apart from its weights: sizes, what differs by layer, and the few switches that
// families share. A family's readers fill it from either file format.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/kernel_api.h"
#include "nn/graph.h"
#include "nn/rope.h"

namespace maru::models {

// Bounds on what a file may ask for, above any model that exists.
inline constexpr uint32_t kMaxLayers = 1024;
inline constexpr uint32_t kMaxHeads = 1024;
inline constexpr uint32_t kMaxHeadDim = 1024;
inline constexpr uint32_t kMaxDim = 1u << 17;
inline constexpr uint32_t kMaxFfnDim = 1u << 20;
inline constexpr uint32_t kMaxVocab = 1u << 24;
inline constexpr uint32_t kMaxContext = 1u << 28;

struct LayerSpec {
  uint32_t window = 0;  // positions that a token sees, itself included; 0: all before
  uint32_t rope = 0;    // index in ModelConfig::ropes
  float attention_scale = 1.0f;
  nn::AttendSpec attend = {};  // filled after reading, from the fields above (models/config.cpp)
};

struct ModelConfig {
  uint32_t n_layers = 0, dim = 0, n_heads = 0, n_kv_heads = 0, head_dim = 0, ffn_dim = 0;
  uint32_t vocab_size = 0;  // rows of the embedding
  uint32_t context_length = 0;
  float norm_eps = 1e-6f;
  kernels::Gate gate = kernels::Gate::kSilu;
  bool tied_head = false;  // the embedding is the output matrix too
  bool q_bias = false, k_bias = false, v_bias = false, o_bias = false;
  bool gate_bias = false, up_bias = false, down_bias = false;
  float norm_offset = 0.0f;  // added to norm weights: 1 where a file stores w of (1 + w)
  float embedding_scale = 1.0f;
  float logit_softcap = 0.0f;  // 0: none
  std::vector<nn::RopeSpec> ropes;
  std::vector<LayerSpec> layers;

  void set_attention_bias(bool on) { q_bias = k_bias = v_bias = o_bias = on; }
  void set_mlp_bias(bool on) { gate_bias = up_bias = down_bias = on; }
};

}  // namespace maru::models
