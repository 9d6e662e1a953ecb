"""The golden cases: one small model each, with every configuration field that changes its output."""

from __future__ import annotations

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    family: str  # Maru's name of the family
    architecture: str  # class in transformers
    config: dict[str, Any]  # today's spelling
    # Each entry changes the listed fields together ("rope_parameters.factor" reaches inside); the
    # logits must move, else the golden would not notice a reader that ignores the field.
    changes: list[dict[str, Any]]
    # Changes that are small by nature, but still past the tolerance of F32.
    faint_changes: tuple[dict[str, Any], ...] = ()
    old: dict[str, Any] | None = None  # fields of the older spelling; None: no such variant
    old_drops: tuple[str, ...] = ()  # fields that the older spelling does not have
    gguf: bool = False  # write a GGUF twin
    gguf_only: bool = False  # leave the Hugging Face folder out
    bf16: bool = False
    max_shard_size: str | None = None


# Tiny models need a large epsilon: else no test would notice which one was used.
LLAMA_BASE = dict(
    vocab_size=96,
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=4,
    max_position_embeddings=256,
    rms_norm_eps=0.02,
    rope_parameters={"rope_type": "default", "rope_theta": 700.0},
)
LLAMA_CHANGES = [
    {"rms_norm_eps": 1e-5},
    {"rms_norm_eps": 1e-6},
    {"hidden_act": "gelu_pytorch_tanh"},
    {"num_hidden_layers": 1},
    {"rope_parameters.rope_theta": 10000.0},
    {"rope_parameters.rope_theta": 1000000.0},
]
UNTIED_CHANGES = [{"tie_word_embeddings": True}]
MHA_HEADS = [{"num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 16}]
GQA_HEADS = [{"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 32}]

LLAMA = [
    Case(
        name="llama",
        family="llama",
        architecture="LlamaForCausalLM",
        config=LLAMA_BASE,
        changes=LLAMA_CHANGES + UNTIED_CHANGES + MHA_HEADS,
        # LLaMA 1 and 2: no head_dim, no bias fields, rope_scaling null.
        old={"rope_theta": 700.0, "rope_scaling": None},
        old_drops=("head_dim", "attention_bias", "mlp_bias"),
        gguf=True,
    ),
    Case(
        name="llama3-scaling",
        family="llama",
        architecture="LlamaForCausalLM",
        config=LLAMA_BASE
        | dict(
            num_key_value_heads=2,
            head_dim=16,
            tie_word_embeddings=True,
            # Heads of 16 give wavelengths 6.3, 14, 30, 65...: below, between and above 8 and 32.
            rope_parameters={
                "rope_type": "llama3",
                "rope_theta": 500.0,
                "factor": 4.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 32,
            },
        ),
        changes=LLAMA_CHANGES
        + GQA_HEADS
        + [
            {"rope_parameters.factor": 8.0},
            {"rope_parameters.low_freq_factor": 1.5},
            {"rope_parameters.high_freq_factor": 3.0},
            {"rope_parameters.original_max_position_embeddings": 64},
            {"rope_parameters.original_max_position_embeddings": 256},
            {"rope_parameters.rope_type": "default"},
        ],
        old={
            "rope_theta": 500.0,
            "rope_scaling": {
                "rope_type": "llama3",
                "factor": 4.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 32,
            },
        },
        gguf=True,
    ),
    Case(
        name="llama-linear",
        family="llama",
        architecture="LlamaForCausalLM",
        config=LLAMA_BASE
        | dict(
            num_key_value_heads=2,
            rope_parameters={"rope_type": "linear", "rope_theta": 700.0, "factor": 4.0},
        ),
        changes=LLAMA_CHANGES
        + UNTIED_CHANGES
        + [
            {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16},
            {"rope_parameters.factor": 2.0},
            {"rope_parameters.rope_type": "default"},
        ],
        old={"rope_theta": 700.0, "rope_scaling": {"type": "linear", "factor": 4.0}},
        old_drops=("head_dim",),
        gguf=True,
    ),
    Case(
        name="llama-bias",
        family="llama",
        architecture="LlamaForCausalLM",
        config=LLAMA_BASE | dict(num_key_value_heads=2, attention_bias=True, mlp_bias=True),
        changes=LLAMA_CHANGES
        + UNTIED_CHANGES
        + [
            {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16},
            {"attention_bias": False},
            {"mlp_bias": False},
        ],
        gguf=True,
    ),
    Case(
        name="llama-head-dim",
        family="llama",
        architecture="LlamaForCausalLM",
        config=LLAMA_BASE | dict(num_key_value_heads=2, head_dim=12, tie_word_embeddings=True),
        changes=LLAMA_CHANGES
        + [{"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 24}],
        gguf=True,
        max_shard_size="24KB",
    ),
    Case(
        name="llama-mistral",
        family="llama",
        architecture="MistralForCausalLM",
        config=LLAMA_BASE | dict(num_key_value_heads=2, head_dim=12, sliding_window=16),
        changes=LLAMA_CHANGES
        + UNTIED_CHANGES
        + [
            {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 24},
            {"sliding_window": 15},
            {"sliding_window": 17},
            {"sliding_window": None},
        ],
        old={"rope_theta": 700.0},
    ),
    Case(
        name="llama-bf16",
        family="llama",
        architecture="LlamaForCausalLM",
        config=LLAMA_BASE | dict(num_key_value_heads=2),
        changes=[],
        gguf=True,
        bf16=True,
    ),
]

QWEN2_CHANGES = LLAMA_CHANGES + [{"num_attention_heads": 2, "num_key_value_heads": 1}]
QWEN_WINDOW = dict(
    num_hidden_layers=3, use_sliding_window=True, sliding_window=16, max_window_layers=1
)
QWEN_WINDOW_CHANGES = [
    {"sliding_window": 15},
    {"sliding_window": 17},
    {"use_sliding_window": False, "layer_types": None},
    {"layer_types": ["full_attention"] * 2 + ["sliding_attention"]},
    {"layer_types": ["sliding_attention"] * 3},
]
QWEN2 = [
    Case(
        name="qwen2",
        family="qwen2",
        architecture="Qwen2ForCausalLM",
        config=LLAMA_BASE | dict(num_key_value_heads=2, tie_word_embeddings=True),
        changes=QWEN2_CHANGES,
        # The fields of Qwen2.5's own folders: a window that is switched off.
        old={
            "rope_theta": 700.0,
            "use_sliding_window": False,
            "sliding_window": 16,
            "max_window_layers": 0,
        },
        old_drops=("layer_types",),
        gguf=True,
    ),
    Case(
        name="qwen2-untied",
        family="qwen2",
        architecture="Qwen2ForCausalLM",
        config=LLAMA_BASE | dict(num_key_value_heads=2),
        changes=QWEN2_CHANGES + UNTIED_CHANGES,
        max_shard_size="24KB",
        gguf=True,
    ),
    Case(
        name="qwen2-window",
        family="qwen2",
        architecture="Qwen2ForCausalLM",
        config=LLAMA_BASE | QWEN_WINDOW | dict(num_key_value_heads=2),
        changes=QWEN2_CHANGES + UNTIED_CHANGES + QWEN_WINDOW_CHANGES,
        # Without layer_types, max_window_layers says where the window begins.
        old={"rope_theta": 700.0},
        old_drops=("layer_types",),
    ),
    Case(
        name="qwen2-bf16",
        family="qwen2",
        architecture="Qwen2ForCausalLM",
        config=LLAMA_BASE | dict(num_key_value_heads=2, tie_word_embeddings=True),
        changes=[],
        bf16=True,
    ),
]

QWEN3_BASE = LLAMA_BASE | dict(num_key_value_heads=2, head_dim=16)
QWEN3_CHANGES = LLAMA_CHANGES + [{"rope_parameters.rope_type": "linear", "rope_parameters.factor": 2.0}]
QWEN3 = [
    Case(
        name="qwen3",
        family="qwen3",
        architecture="Qwen3ForCausalLM",
        config=QWEN3_BASE | dict(tie_word_embeddings=True),
        changes=QWEN3_CHANGES,
        old={
            "rope_theta": 700.0,
            "rope_scaling": None,
            "use_sliding_window": False,
            "sliding_window": None,
            "max_window_layers": 2,
        },
        old_drops=("layer_types",),
        gguf=True,
    ),
    Case(
        name="qwen3-window",
        family="qwen3",
        architecture="Qwen3ForCausalLM",
        config=QWEN3_BASE | QWEN_WINDOW | dict(attention_bias=True),
        changes=QWEN3_CHANGES
        + UNTIED_CHANGES
        + QWEN_WINDOW_CHANGES
        + [{"attention_bias": False}],
    ),
    Case(
        name="qwen3-bf16",
        family="qwen3",
        architecture="Qwen3ForCausalLM",
        config=QWEN3_BASE | dict(tie_word_embeddings=True),
        changes=[],
        bf16=True,
    ),
]

GEMMA3_BASE = dict(
    vocab_size=96,
    hidden_size=32,
    intermediate_size=40,
    num_hidden_layers=4,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=12,
    max_position_embeddings=256,
    rms_norm_eps=0.02,
    query_pre_attn_scalar=20,
    sliding_window=16,
    layer_types=["sliding_attention", "sliding_attention", "full_attention", "sliding_attention"],
    rope_parameters={
        "full_attention": {"rope_type": "linear", "rope_theta": 2000.0, "factor": 4.0},
        "sliding_attention": {"rope_type": "default", "rope_theta": 300.0},
    },
)
GEMMA3_CHANGES = [
    {"rms_norm_eps": 1e-5},
    {"rms_norm_eps": 1e-6},
    {"hidden_activation": "silu"},
    {"num_hidden_layers": 3},
    {"query_pre_attn_scalar": 12},
    {"sliding_window": 15},
    {"sliding_window": 17},
    {"layer_types": ["sliding_attention"] * 4},
    {"layer_types": ["full_attention"] * 4},
    {"layer_types": ["sliding_attention"] * 3 + ["full_attention"]},
    {"rope_parameters.full_attention.rope_theta": 1000000.0},
    {"rope_parameters.full_attention.factor": 8.0},
    {"rope_parameters.full_attention.rope_type": "default"},
    {"rope_parameters.sliding_attention.rope_theta": 10000.0},
    {
        "rope_parameters.sliding_attention.rope_type": "linear",
        "rope_parameters.sliding_attention.factor": 4.0,
    },
]
GEMMA3 = [
    Case(
        name="gemma3",
        family="gemma3",
        architecture="Gemma3ForCausalLM",
        config=GEMMA3_BASE,
        changes=GEMMA3_CHANGES,
        faint_changes=({"hidden_activation": "gelu"},),  # the exact GeLU instead of its tanh form
        old={
            "rope_theta": 2000.0,
            "rope_local_base_freq": 300.0,
            "rope_scaling": {"rope_type": "linear", "factor": 4.0},
            "sliding_window_pattern": 3,
        },
        old_drops=("layer_types", "_sliding_window_pattern", "use_bidirectional_attention"),
    ),
    # What a GGUF file of today's converters says: local base and pattern by their default, the
    # scale of queries always from head_dim.
    Case(
        name="gemma3-gguf",
        family="gemma3",
        architecture="Gemma3ForCausalLM",
        config=GEMMA3_BASE
        | dict(
            num_hidden_layers=7,
            query_pre_attn_scalar=12,
            layer_types=["sliding_attention"] * 5 + ["full_attention", "sliding_attention"],
            rope_parameters={
                "full_attention": {"rope_type": "linear", "rope_theta": 2000.0, "factor": 4.0},
                "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
            },
        ),
        changes=[
            {"query_pre_attn_scalar": 20},
            {"layer_types": ["sliding_attention"] * 7},
            {"rope_parameters.full_attention.factor": 8.0},
            {"rope_parameters.sliding_attention.rope_theta": 2000.0},
        ],
        gguf=True,
        gguf_only=True,
    ),
    Case(
        name="gemma3-bf16",
        family="gemma3",
        architecture="Gemma3ForCausalLM",
        config=GEMMA3_BASE,
        changes=[],
        bf16=True,
    ),
]

CASES = LLAMA + QWEN2 + QWEN3 + GEMMA3
