// A model family: one file in src/models/families/ (docs/howto/add-a-family.md). Data, two config
// readers and a block function; nothing else knows a family's name.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "models/config.h"
#include "models/source.h"
#include "nn/graph.h"

namespace maru::models {

// The weights of one block. A family uses those that its tensor rules name; others stay empty.
struct BlockWeights {
  std::vector<float> attn_norm, q_norm, k_norm, attn_post_norm;
  nn::Linear q, k, v, o;
  std::vector<float> ffn_norm, ffn_post_norm;
  nn::Linear gate, up, down;
};

// Sizes that shapes are made of.
enum class Axis : uint8_t { kNone, kDim, kHeads, kKvHeads, kHeadDim, kFfn };

// One tensor of every block: a vector [in] or a matrix [out, in], with an optional bias [out].
// Names are stems: "attn_q" is "blk.<layer>.attn_q.weight" in GGUF, "self_attn.q_proj" is
// "model.layers.<layer>.self_attn.q_proj.weight" in a Hugging Face folder.
struct TensorRule {
  const char* gguf;
  const char* hf;
  Axis out, in;
  std::vector<float> BlockWeights::* vector = nullptr;
  nn::Linear BlockWeights::* linear = nullptr;
  bool ModelConfig::* bias = nullptr;
};

constexpr TensorRule vector_rule(const char* gguf, const char* hf, Axis in,
                                 std::vector<float> BlockWeights::* to) {
  return {.gguf = gguf, .hf = hf, .out = Axis::kNone, .in = in, .vector = to};
}
constexpr TensorRule linear_rule(const char* gguf, const char* hf, Axis out, Axis in,
                                 nn::Linear BlockWeights::* to, bool ModelConfig::* bias) {
  return {.gguf = gguf, .hf = hf, .out = out, .in = in, .linear = to, .bias = bias};
}

struct Family {
  const char* name;
  std::span<const char* const> gguf_architectures;
  std::span<const char* const> hf_model_types;
  std::span<const TensorRule> tensors;
  Result<ModelConfig> (*read_gguf)(ModelSource& source);
  Result<ModelConfig> (*read_hf)(ModelSource& source);
  // Records one block; x and the result are [tokens, dim].
  nn::Value (*block)(nn::Graph& g, const ModelConfig& config, const LayerSpec& layer,
                     const BlockWeights& w, nn::Value x);
};

std::span<const Family* const> all_families();

// Errors: kInvalidArgument with the known architectures.
Result<const Family*> find_family(const ModelSource& source);

}  // namespace maru::models
