"""Writes the GGUF twin of a Hugging Face model: what llama.cpp's converter does to each family."""

from __future__ import annotations

import math
from typing import Any

import gguf
import numpy as np

LAYER_NAMES = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "post_attention_layernorm": "ffn_norm",
}
# Gemma 3 norms before and after both parts of a block, so one of the names means another tensor.
GEMMA3_LAYER_NAMES = LAYER_NAMES | {
    "post_attention_layernorm": "post_attention_norm",
    "pre_feedforward_layernorm": "ffn_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
}


def gguf_name(name: str, family: str) -> str:
    names = GEMMA3_LAYER_NAMES if family == "gemma3" else LAYER_NAMES
    if name.startswith("model.layers."):
        _, _, layer, rest = name.split(".", 3)
        module, kind = rest.rsplit(".", 1)
        return f"blk.{layer}.{names[module]}.{kind}"
    return {
        "model.embed_tokens.weight": "token_embd.weight",
        "model.norm.weight": "output_norm.weight",
        "lm_head.weight": "output.weight",
    }[name]


def interleave(rows: np.ndarray, n_heads: int) -> np.ndarray:
    """Llama's GGUF form rotates neighbours (0,1), (2,3)...; Hugging Face rotates (i, i + half)."""
    by_head = rows.reshape(n_heads, 2, rows.shape[0] // n_heads // 2, *rows.shape[1:])
    return by_head.swapaxes(1, 2).reshape(rows.shape)


def llama3_frequency_factors(rope: dict[str, Any], head_dim: int) -> np.ndarray:
    """Divisors of the base frequencies (Llama 3.1's scaling), one for each rotated pair."""
    exponents = np.arange(0, head_dim, 2, dtype=np.float32) / head_dim
    frequencies = 1.0 / rope["rope_theta"] ** exponents
    original = rope["original_max_position_embeddings"]
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    factors = []
    for frequency in frequencies:
        turns = original * frequency / (2 * math.pi)  # within the original context
        if turns > high:
            factors.append(1.0)
        elif turns < low:
            factors.append(rope["factor"])
        else:
            smooth = (turns - low) / (high - low)
            factors.append(1.0 / ((1.0 - smooth) / rope["factor"] + smooth))
    return np.array(factors, dtype=np.float32)


def add_metadata(writer: gguf.GGUFWriter, family: str, config: dict[str, Any]) -> None:
    rope = config["rope_parameters"]
    rope = rope.get("full_attention", rope)
    writer.add_name("maru golden")
    writer.add_license("apache-2.0")
    writer.add_vocab_size(config["vocab_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(rope["rope_theta"])
    if rope["rope_type"] == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope["factor"])
    if config.get("head_dim") is not None:
        writer.add_key_length(config["head_dim"])
        writer.add_value_length(config["head_dim"])
    if family == "llama":
        writer.add_rope_dimension_count(
            config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
        )
    if family == "gemma3":
        writer.add_sliding_window(config["sliding_window"])
    writer.add_tokenizer_model("no_vocab")


def write_gguf(
    path: str, family: str, config: dict[str, Any], tensors: dict[str, np.ndarray], bf16: bool
) -> None:
    """`tensors` by their Hugging Face names, float32. With bf16, matrices are stored as BF16."""
    writer = gguf.GGUFWriter(path, family)
    add_metadata(writer, family, config)
    for name, values in tensors.items():
        if family == "llama" and ".q_proj." in name:
            values = interleave(values, config["num_attention_heads"])
        if family == "llama" and ".k_proj." in name:
            values = interleave(values, config["num_key_value_heads"])
        if family == "gemma3" and name.endswith("norm.weight"):
            values = values + 1.0
        values = np.ascontiguousarray(values, dtype=np.float32)
        if bf16 and values.ndim == 2:
            raw = gguf.quants.quantize(values, gguf.GGMLQuantizationType.BF16)
            writer.add_tensor(
                gguf_name(name, family), raw, raw_dtype=gguf.GGMLQuantizationType.BF16
            )
        else:
            writer.add_tensor(gguf_name(name, family), values)
    rope = config["rope_parameters"]
    if rope.get("rope_type") == "llama3":
        head_dim = config["head_dim"] or config["hidden_size"] // config["num_attention_heads"]
        writer.add_tensor("rope_freqs.weight", llama3_frequency_factors(rope, head_dim))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
