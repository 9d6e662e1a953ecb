// Dropped in by tests/extension: a family of its own name, written as a plain llama block.
#include "models/config_reading.h"
#include "models/decoder_block.h"
#include "models/family.h"

namespace maru::models {
namespace {

constexpr TensorRule kTensors[] = {
    vector_rule("attn_norm", "input_layernorm", Axis::kDim, &BlockWeights::attn_norm),
    linear_rule("attn_q", "self_attn.q_proj", Axis::kHeads, Axis::kDim, &BlockWeights::q, nullptr),
    linear_rule("attn_k", "self_attn.k_proj", Axis::kKvHeads, Axis::kDim, &BlockWeights::k,
                nullptr),
    linear_rule("attn_v", "self_attn.v_proj", Axis::kKvHeads, Axis::kDim, &BlockWeights::v,
                nullptr),
    linear_rule("attn_output", "self_attn.o_proj", Axis::kDim, Axis::kHeads, &BlockWeights::o,
                nullptr),
    vector_rule("ffn_norm", "post_attention_layernorm", Axis::kDim, &BlockWeights::ffn_norm),
    linear_rule("ffn_gate", "mlp.gate_proj", Axis::kFfn, Axis::kDim, &BlockWeights::gate, nullptr),
    linear_rule("ffn_up", "mlp.up_proj", Axis::kFfn, Axis::kDim, &BlockWeights::up, nullptr),
    linear_rule("ffn_down", "mlp.down_proj", Axis::kDim, Axis::kFfn, &BlockWeights::down, nullptr),
};

constexpr const char* kGgufNames[] = {"toy"};
constexpr const char* kHfTypes[] = {"toy"};

Result<ModelConfig> read_gguf(ModelSource& source) {
  MARU_ASSIGN_OR_RETURN(ModelConfig c, read_gguf_sizes(source));
  MARU_ASSIGN_OR_RETURN(nn::RopeSpec rope, read_gguf_rope(source, c, true, 10000.0));
  set_uniform_layers(c, std::move(rope), 0);
  return c;
}

Result<ModelConfig> read_hf(ModelSource& source) {
  MARU_ASSIGN_OR_RETURN(ModelConfig c,
                        read_hf_sizes(source, {.n_kv_heads = 0u, .context_length = 2048u}));
  source.config().ignore("attention_bias");
  source.config().ignore("mlp_bias");
  MARU_ASSIGN_OR_RETURN(nn::RopeSpec rope, read_hf_rope(source, c, 10000.0));
  set_uniform_layers(c, std::move(rope), 0);
  return c;
}

nn::Value block(nn::Graph& g, const ModelConfig& c, const LayerSpec& s, const BlockWeights& w,
                nn::Value x) {
  Qkv a = project_qkv(g, g.rms_norm(x, w.attn_norm, c.norm_eps), w);
  a.q = g.rope(a.q, s.rope, c.n_heads);
  a.k = g.rope(a.k, s.rope, c.n_kv_heads);
  x = g.add(x, g.linear(g.attend(a.q, a.k, a.v, s.attend), w.o));
  return g.add(x, gated_ffn(g, g.rms_norm(x, w.ffn_norm, c.norm_eps), c, w));
}

}  // namespace

extern const Family family_toy;
constinit const Family family_toy{.name = "toy",
                                  .gguf_architectures = kGgufNames,
                                  .hf_model_types = kHfTypes,
                                  .tensors = kTensors,
                                  .read_gguf = read_gguf,
                                  .read_hf = read_hf,
                                  .block = block};

}  // namespace maru::models
