// LLaMA 1 to 3.x and its kin: Code LLaMA, Vicuna, TinyLlama, SmolLM2, Mistral, R1-Distill-Llama.
// Sources: arXiv 2302.13971, 2307.09288, 2407.21783; Mistral's window: arXiv 2310.06825.
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
    vector_rule("ffn_norm", "post_attention_layernorm", Axis::kDim, &BlockWeights::ffn_norm),
    linear_rule("ffn_gate", "mlp.gate_proj", Axis::kFfn, Axis::kDim, &BlockWeights::gate,
                &ModelConfig::gate_bias),
    linear_rule("ffn_up", "mlp.up_proj", Axis::kFfn, Axis::kDim, &BlockWeights::up,
                &ModelConfig::up_bias),
    linear_rule("ffn_down", "mlp.down_proj", Axis::kDim, Axis::kFfn, &BlockWeights::down,
                &ModelConfig::down_bias),
};

constexpr const char* kGgufNames[] = {"llama"};
constexpr const char* kHfTypes[] = {"llama", "mistral"};

// GGUF files hold q and k with their rows reordered for interleaved pairs.
Result<ModelConfig> read_gguf(ModelSource& source) {
  MARU_ASSIGN_OR_RETURN(ModelConfig c, read_gguf_sizes(source));
  MARU_ASSIGN_OR_RETURN(nn::RopeSpec rope, read_gguf_rope(source, c, true, 10000.0));
  MARU_ASSIGN_OR_RETURN(uint32_t window,
                        source.config().count_or("attention.sliding_window", 0, 0, kMaxContext));
  set_uniform_layers(c, std::move(rope), window);
  return c;
}

Result<ModelConfig> read_hf(ModelSource& source) {
  ConfigMap& map = source.config();
  const bool mistral = source.architecture() == "mistral";
  MARU_ASSIGN_OR_RETURN(ModelConfig c,
                        read_hf_sizes(source, {.n_kv_heads = mistral ? 8u : 0u,
                                               .context_length = mistral ? 131072u : 2048u}));
  MARU_ASSIGN_OR_RETURN(bool attention_bias, map.flag_or("attention_bias", false));
  MARU_ASSIGN_OR_RETURN(bool mlp_bias, map.flag_or("mlp_bias", false));
  c.set_attention_bias(attention_bias);
  c.set_mlp_bias(mlp_bias);
  uint32_t window = 0;
  if (mistral) {
    // Absent means 4096, null means none (transformers' MistralConfig).
    const uint32_t fallback = map.mentions("sliding_window") ? 0 : 4096;
    MARU_ASSIGN_OR_RETURN(window, map.count_or("sliding_window", fallback, 1, kMaxContext));
  }
  MARU_ASSIGN_OR_RETURN(nn::RopeSpec rope, read_hf_rope(source, c, 10000.0));
  set_uniform_layers(c, std::move(rope), window);
  return c;
}

nn::Value block(nn::Graph& g, const ModelConfig& c, const LayerSpec& s, const BlockWeights& w,
                nn::Value x) {
  Qkv a = project_qkv(g, g.rms_norm(x, w.attn_norm, c.norm_eps), w);  // [tokens, heads * head_dim]
  a.q = g.rope(a.q, s.rope, c.n_heads);
  a.k = g.rope(a.k, s.rope, c.n_kv_heads);
  x = g.add(x, g.linear(g.attend(a.q, a.k, a.v, s.attend), w.o));
  return g.add(x, gated_ffn(g, g.rms_norm(x, w.ffn_norm, c.norm_eps), c, w));
}

}  // namespace

extern const Family family_llama;
constinit const Family family_llama{.name = "llama",
                                    .gguf_architectures = kGgufNames,
                                    .hf_model_types = kHfTypes,
                                    .tensors = kTensors,
                                    .read_gguf = read_gguf,
                                    .read_hf = read_hf,
                                    .block = block};

}  // namespace maru::models
