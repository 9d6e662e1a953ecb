// Gemma 3, the text part. Against llama: five layers with a window for each one that sees all, each
// kind with its own rope base; q and k normalised per head; norms after attention and feed-forward
// too; scaled embeddings; GELU. Source: arXiv 2503.19786.
#include <cmath>

#include "models/config_reading.h"
#include "models/decoder_block.h"
#include "models/family.h"

namespace maru::models {
namespace {

constexpr TensorRule kTensors[] = {
    vector_rule("attn_norm", "input_layernorm", Axis::kDim, &BlockWeights::attn_norm),
    linear_rule("attn_q", "self_attn.q_proj", Axis::kHeads, Axis::kDim, &BlockWeights::q,
                &ModelConfig::q_bias),
    linear_rule("attn_k", "self_attn.k_proj", Axis::kKvHeads, Axis::kDim, &BlockWeights::k,
                &ModelConfig::k_bias),
    linear_rule("attn_v", "self_attn.v_proj", Axis::kKvHeads, Axis::kDim, &BlockWeights::v,
                &ModelConfig::v_bias),
    linear_rule("attn_output", "self_attn.o_proj", Axis::kDim, Axis::kHeads, &BlockWeights::o,
                &ModelConfig::o_bias),
    vector_rule("attn_q_norm", "self_attn.q_norm", Axis::kHeadDim, &BlockWeights::q_norm),
    vector_rule("attn_k_norm", "self_attn.k_norm", Axis::kHeadDim, &BlockWeights::k_norm),
    vector_rule("post_attention_norm", "post_attention_layernorm", Axis::kDim,
                &BlockWeights::attn_post_norm),
    vector_rule("ffn_norm", "pre_feedforward_layernorm", Axis::kDim, &BlockWeights::ffn_norm),
    linear_rule("ffn_gate", "mlp.gate_proj", Axis::kFfn, Axis::kDim, &BlockWeights::gate, nullptr),
    linear_rule("ffn_up", "mlp.up_proj", Axis::kFfn, Axis::kDim, &BlockWeights::up, nullptr),
    linear_rule("ffn_down", "mlp.down_proj", Axis::kDim, Axis::kFfn, &BlockWeights::down, nullptr),
    vector_rule("post_ffw_norm", "post_feedforward_layernorm", Axis::kDim,
                &BlockWeights::ffn_post_norm),
};

constexpr const char* kGgufNames[] = {"gemma3"};
constexpr const char* kHfTypes[] = {"gemma3_text", "gemma3"};

constexpr double kGlobalBase = 1e6;
constexpr double kLocalBase = 1e4;
constexpr uint32_t kDefaultPattern = 6;
constexpr uint32_t kDefaultWindow = 4096;

bool is_local(uint32_t layer, uint32_t pattern) { return (layer + 1) % pattern != 0; }

// ropes[0]: global, ropes[1]: local.
void set_layers(ModelConfig& c, const std::vector<bool>& local, uint32_t window, float scale) {
  for (bool is : local)
    c.layers.push_back({.window = is ? window : 0, .rope = is ? 1u : 0u, .attention_scale = scale});
}

void set_constants(ModelConfig& c) { c.embedding_scale = std::sqrt(static_cast<float>(c.dim)); }

Result<std::vector<bool>> read_gguf_local_layers(ConfigMap& map, uint32_t n_layers) {
  constexpr const char* kKey = "attention.sliding_window_pattern";
  std::vector<bool> local;
  // The key is a period, or a list that says it of every layer.
  Result<std::vector<int64_t>> list = map.integers(kKey);
  if (!list || list->empty()) {
    MARU_ASSIGN_OR_RETURN(uint32_t period, map.count_or(kKey, kDefaultPattern, 1, kMaxLayers));
    for (uint32_t i = 0; i < n_layers; ++i) local.push_back(is_local(i, period));
    return local;
  }
  if (list->size() != n_layers)
    return map.refusal(
        kKey, "must have one entry for each of the " + std::to_string(n_layers) + " layers");
  for (int64_t is : *list) local.push_back(is != 0);
  return local;
}

Result<ModelConfig> read_gguf(ModelSource& source) {
  ConfigMap& map = source.config();
  MARU_ASSIGN_OR_RETURN(ModelConfig c, read_gguf_sizes(source));
  set_constants(c);
  c.gate = kernels::Gate::kGeluTanh;
  MARU_ASSIGN_OR_RETURN(nn::RopeSpec global, read_gguf_rope(source, c, false, kGlobalBase));
  MARU_ASSIGN_OR_RETURN(double base, read_rope_base(map, "rope.freq_base_swa", kLocalBase));
  c.ropes = {std::move(global), nn::plain_rope(base, c.head_dim, false)};
  MARU_ASSIGN_OR_RETURN(uint32_t window,
                        map.count_or("attention.sliding_window", 0, 0, kMaxContext));
  MARU_ASSIGN_OR_RETURN(std::vector<bool> local, read_gguf_local_layers(map, c.n_layers));
  if (window == 0) local.assign(c.n_layers, false);
  MARU_ASSIGN_OR_RETURN(double cap, map.number_or("final_logit_softcapping", 0.0, 0.0, 1e6));
  c.logit_softcap = static_cast<float>(cap);
  // GGUF has no key for it: only the 27B model, known by its 62 layers, scales by its width.
  const uint32_t scalar = c.n_layers == 62 ? c.dim / c.n_heads : c.head_dim;
  set_layers(c, local, window, 1.0f / std::sqrt(static_cast<float>(scalar)));
  return c;
}

Result<ModelConfig> read_hf(ModelSource& source) {
  ConfigMap& map = source.config();
  MARU_ASSIGN_OR_RETURN(ModelConfig c, read_hf_sizes(source, {.n_heads = 8,
                                                              .n_kv_heads = 4,
                                                              .head_dim = 256,
                                                              .context_length = 131072,
                                                              .tied_head = true,
                                                              .activation_key = "hidden_activation",
                                                              .activation = "gelu_pytorch_tanh"}));
  set_constants(c);
  c.norm_offset = 1.0f;
  MARU_ASSIGN_OR_RETURN(bool bias, map.flag_or("attention_bias", false));
  c.set_attention_bias(bias);
  map.ignore("hidden_act");  // older files repeat it; transformers reads hidden_activation only

  MARU_ASSIGN_OR_RETURN(double global, read_rope_base(map, "rope_theta", kGlobalBase));
  MARU_ASSIGN_OR_RETURN(double local, read_rope_base(map, "rope_local_base_freq", kLocalBase));
  const bool by_kind = map.has("rope_parameters.full_attention.rope_type") ||
                       map.has("rope_parameters.full_attention.rope_theta");
  const std::string full = by_kind ? "rope_parameters.full_attention." : "rope_scaling.";
  const std::string sliding = "rope_parameters.sliding_attention.";
  MARU_ASSIGN_OR_RETURN(global, read_rope_base(map, full + "rope_theta", global));
  MARU_ASSIGN_OR_RETURN(local, read_rope_base(map, sliding + "rope_theta", local));
  MARU_ASSIGN_OR_RETURN(nn::RopeSpec global_rope, read_hf_rope_at(source, c, full, global));
  MARU_ASSIGN_OR_RETURN(nn::RopeSpec local_rope, read_hf_rope_at(source, c, sliding, local));
  c.ropes = {std::move(global_rope), std::move(local_rope)};

  MARU_ASSIGN_OR_RETURN(uint32_t pattern,
                        map.count_or(map.has("sliding_window_pattern") ? "sliding_window_pattern"
                                                                       : "_sliding_window_pattern",
                                     kDefaultPattern, 1, kMaxLayers));
  MARU_ASSIGN_OR_RETURN(uint32_t window,
                        map.count_or("sliding_window", kDefaultWindow, 1, kMaxContext));
  MARU_ASSIGN_OR_RETURN(std::vector<bool> is,
                        read_hf_window_layers(map, c.n_layers, is_local, pattern));
  MARU_ASSIGN_OR_RETURN(double cap, map.number_or("final_logit_softcapping", 0.0, 1e-3, 1e6));
  c.logit_softcap = static_cast<float>(cap);
  MARU_ASSIGN_OR_RETURN(double scalar, map.number_or("query_pre_attn_scalar", 256.0, 1e-3, 1e9));
  set_layers(c, is, window, static_cast<float>(1.0 / std::sqrt(scalar)));
  return c;
}

nn::Value block(nn::Graph& g, const ModelConfig& c, const LayerSpec& s, const BlockWeights& w,
                nn::Value x) {
  Qkv a = project_qkv(g, g.rms_norm(x, w.attn_norm, c.norm_eps), w);
  a.q = g.rope(g.head_norm(a.q, w.q_norm, c.norm_eps), s.rope, c.n_heads);
  a.k = g.rope(g.head_norm(a.k, w.k_norm, c.norm_eps), s.rope, c.n_kv_heads);
  nn::Value y = g.linear(g.attend(a.q, a.k, a.v, s.attend), w.o);
  x = g.add(x, g.rms_norm(y, w.attn_post_norm, c.norm_eps));
  y = gated_ffn(g, g.rms_norm(x, w.ffn_norm, c.norm_eps), c, w);
  return g.add(x, g.rms_norm(y, w.ffn_post_norm, c.norm_eps));
}

}  // namespace

extern const Family family_gemma3;
constinit const Family family_gemma3{.name = "gemma3",
                                     .gguf_architectures = kGgufNames,
                                     .hf_model_types = kHfTypes,
                                     .tensors = kTensors,
                                     .read_gguf = read_gguf,
                                     .read_hf = read_hf,
                                     .block = block};

}  // namespace maru::models
