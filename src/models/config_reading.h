// Parts that the families' config readers are made of.
#pragma once

#include <string>

#include "base/result.h"
#include "models/config.h"
#include "models/source.h"

namespace maru::models {

// What transformers' config class of a family assumes where config.json says nothing. 0: the key
// is required.
struct HfDefaults {
  uint32_t n_heads = 0;
  uint32_t n_kv_heads = 0;  // 0: as many as heads
  uint32_t head_dim = 0;    // 0: hidden_size / heads
  uint32_t context_length = 0;
  double norm_eps = 1e-6;
  bool tied_head = false;
  const char* activation_key = "hidden_act";
  const char* activation = "silu";
};

// Sizes, norm_eps, gate and tied_head. Errors name the key.
Result<ModelConfig> read_hf_sizes(ModelSource& source, const HfDefaults& defaults);
// Sizes, norm_eps, tied_head (no output.weight) and biases (by the first layer's tensors).
// The gate stays SiLU.
Result<ModelConfig> read_gguf_sizes(ModelSource& source);

// The rope of the whole model: "rope_parameters" (new) or "rope_theta" and "rope_scaling" (old).
Result<nn::RopeSpec> read_hf_rope(ModelSource& source, const ModelConfig& config,
                                  double default_theta);
// One rope from the keys below `prefix` ("rope_parameters.full_attention."), with `theta` already
// found. `prefix` may hold no key at all: the plain rope.
Result<nn::RopeSpec> read_hf_rope_at(ModelSource& source, const ModelConfig& config,
                                     const std::string& prefix, double theta);
Result<double> read_rope_base(ConfigMap& map, const std::string& key, double fallback);

// rope.freq_base, rope.dimension_count, rope.scaling.* and the tensor rope_freqs.weight.
Result<nn::RopeSpec> read_gguf_rope(ModelSource& source, const ModelConfig& config,
                                    bool interleaved, double default_base);

// Layers of one kind, attention scale 1 / sqrt(head_dim).
void set_uniform_layers(ModelConfig& config, nn::RopeSpec rope, uint32_t window);

// Which layers see only a window, by config.json's layer_types (n_layers of "full_attention" or
// "sliding_attention"), or by `is_window(layer)` if it says nothing.
Result<std::vector<bool>> read_hf_window_layers(ConfigMap& map, uint32_t n_layers,
                                                bool (*is_window)(uint32_t layer, uint32_t arg),
                                                uint32_t arg);

// Qwen's windows: use_sliding_window, sliding_window and, from max_window_layers on, or
// layer_types.
Status read_hf_late_windows(ModelSource& source, ModelConfig& config);

// A vector of floats of any format that Maru reads, `n` long. Errors name the tensor.
Result<std::vector<float>> read_vector(const ModelSource& source, const formats::TensorInfo& tensor,
                                       uint64_t n);

// Refuses what nobody read and what changes results.
Status refuse_unread_gguf(ModelSource& source);
Status refuse_unread_hf(ModelSource& source);

}  // namespace maru::models
