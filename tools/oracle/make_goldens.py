#!/usr/bin/env python3
"""Makes the golden models and logits of tests/oracle with Hugging Face transformers.

    python3 -m venv venv && venv/bin/pip install -r tools/oracle/requirements.txt
    venv/bin/python tools/oracle/make_goldens.py tests/oracle [CASE...]

Weights are random (norms and biases too) but fixed by the case's name. For every case the script
also changes each configuration field that matters and insists that the logits move, so that a
reader that ignores a field can't pass. tests/oracle/README.md describes the files.
"""

from __future__ import annotations

import argparse
import copy
import json
import pathlib
import shutil
import sys
import zlib
from typing import Any

import numpy as np
import torch
import transformers

from cases import CASES, Case
from gguf_twin import write_gguf

N_IDS = 64
N_GREEDY = 24
N_PROMPTS = 256  # candidates; the one with the clearest greedy continuation is kept
MIN_DISTINCT = 8  # of the continuation, so that it is not one token repeated
MIN_CHANGE = 0.02  # of the logits' standard deviation: 20 times the tolerance of F32
MIN_FAINT_CHANGE = 0.0015
MIN_MARGIN = {"f32": 0.01, "bf16": 0.08}  # of the same: at least four times the tolerance
MAX_CASE_BYTES = 300_000

# Fields that say nothing about the computation, or only the shapes of tensors.
INERT = {
    "architectures", "attention_dropout", "bos_token_id", "dtype", "eos_token_id",
    "initializer_range", "max_position_embeddings", "model_type", "pad_token_id",
    "pretraining_tp", "transformers_version", "use_cache",
}
SHAPES = {"hidden_size", "intermediate_size", "vocab_size", "head_dim", "num_key_value_heads"}
# Null or false here and in every checkpoint of the family.
UNUSED = {"attn_logit_softcapping", "final_logit_softcapping", "use_bidirectional_attention"}
# Only a source of layer_types, which are spelled out; the old spelling tests them.
DERIVED = {"max_window_layers", "_sliding_window_pattern", "sliding_window_pattern"}


def build(architecture: str, config: dict[str, Any], tensors: dict[str, torch.Tensor] | None = None):
    model_class = getattr(transformers, architecture)
    model = model_class._from_config(
        model_class.config_class(**copy.deepcopy(config)), attn_implementation="eager"
    ).eval()
    if tensors is not None:
        model.load_state_dict(tensors, strict=False)
        model.tie_weights()
    return model


def random_tensors(case: Case) -> dict[str, torch.Tensor]:
    rng = np.random.default_rng(zlib.crc32(case.name.encode()))
    model = build(case.architecture, case.config)
    tied = model.config.tie_word_embeddings
    tensors = {}
    for name, parameter in model.state_dict().items():
        if name == "lm_head.weight" and tied:
            continue
        shape = tuple(parameter.shape)
        values = rng.standard_normal(shape)
        if name.endswith(("layernorm.weight", "norm.weight")):
            # Gemma adds one itself. Sharper queries and keys make positions matter.
            mean = 0.0 if case.family == "gemma3" else 1.0
            mean += 0.5 if name.endswith(("q_norm.weight", "k_norm.weight")) else 0.0
            values = mean + 0.3 * values
        elif name.endswith(".bias"):
            values = 0.4 * values
        elif name.endswith("embed_tokens.weight"):
            values = values * (0.3 if case.family != "gemma3" else 0.3 / np.sqrt(shape[1]))
        elif name.endswith(("q_proj.weight", "k_proj.weight")):
            values = values * 1.5 / np.sqrt(shape[1])
        else:
            values = values / np.sqrt(shape[1])
        tensor = torch.from_numpy(values.astype(np.float32))
        if case.bf16:
            tensor = tensor.to(torch.bfloat16).to(torch.float32)
        tensors[name] = tensor
    return tensors


def logits_of(model, ids: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=ids, use_cache=False).logits.float()


def choose_prompt(model, case: Case):
    """The ids whose greedy continuation has the largest smallest top-2 margin."""
    rng = np.random.default_rng(zlib.crc32(case.name.encode()) + 1)
    vocab = case.config["vocab_size"]
    prompts = rng.integers(0, vocab, size=(N_PROMPTS, N_IDS))
    prompts[:, 7], prompts[:, 11] = 0, vocab - 1
    sequences = torch.from_numpy(prompts)
    margins = torch.full((N_PROMPTS,), float("inf"))
    for _ in range(N_GREEDY):
        last = logits_of(model, sequences)[:, -1]
        top = last.topk(2, dim=-1)
        margins = torch.minimum(margins, top.values[:, 0] - top.values[:, 1])
        sequences = torch.cat([sequences, top.indices[:, :1]], dim=1)
    for i, row in enumerate(sequences[:, N_IDS:].tolist()):
        if len(set(row)) < MIN_DISTINCT:
            margins[i] = -1.0
    best = int(margins.argmax())
    return sequences[best, :N_IDS].tolist(), sequences[best, N_IDS:].tolist(), float(margins[best])


def with_change(config: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    config = copy.deepcopy(config)
    for path, value in change.items():
        *outer, field = path.split(".")
        place = config
        for key in outer:
            place = place[key]
        place[field] = value
    if "num_hidden_layers" in change and config.get("layer_types"):
        config["layer_types"] = config["layer_types"][: change["num_hidden_layers"]]
    return config


def flat_fields(config: dict[str, Any], prefix: str = "") -> set[str]:
    fields = set()
    for key, value in config.items():
        if isinstance(value, dict):
            fields |= flat_fields(value, f"{prefix}{key}.")
        else:
            fields.add(prefix + key)
    return fields


def check_changes(case: Case, full_config, tensors, ids, logits) -> float:
    """Returns the smallest change seen, in standard deviations of the logits."""
    changed = {field for change in case.changes for field in change}
    smallest = float("inf")
    for change in [*case.changes, *case.faint_changes]:
        model = build(case.architecture, with_change(full_config, change), tensors)
        moved = float((logits_of(model, ids) - logits).abs().max() / logits.std())
        smallest = min(smallest, moved)
        if moved < (MIN_FAINT_CHANGE if change in case.faint_changes else MIN_CHANGE):
            sys.exit(f"{case.name}: {change} moves the logits by only {moved:.4f} deviations")
    if case.changes and not case.gguf_only:
        silent = flat_fields(full_config) - changed - INERT - SHAPES - UNUSED - DERIVED
        if case.family in ("qwen3", "gemma3"):  # the norms of q and k fix the size of a head
            silent.discard("num_attention_heads")
        silent = {f for f in silent if not is_switched_off(full_config, f)}
        if silent:
            sys.exit(f"{case.name}: no change covers {sorted(silent)}")
    return smallest


def is_switched_off(config: dict[str, Any], field: str) -> bool:
    """A window that is off, a bias that is absent, tied embeddings: no tensor, nothing to ignore."""
    if field in ("sliding_window", "use_sliding_window", "layer_types"):
        return not config.get("use_sliding_window", config.get("sliding_window"))
    if field in ("attention_bias", "mlp_bias"):
        return not config[field]
    if field == "tie_word_embeddings":
        return config[field]
    return field.endswith("rope_type") and rope_at(config, field)["rope_type"] == "default"


def rope_at(config: dict[str, Any], field: str) -> dict[str, Any]:
    place = config
    for key in field.split(".")[:-1]:
        place = place[key]
    return place


def old_spelling(case: Case, config: dict[str, Any]) -> dict[str, Any]:
    old = {k: v for k, v in config.items() if k not in case.old_drops}
    del old["rope_parameters"]
    old["torch_dtype"] = old.pop("dtype")
    old["transformers_version"] = "4.51.0"
    return dict(sorted((old | case.old).items()))


def write_json(path: pathlib.Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n")


def write_hugging_face(case: Case, model, folder: pathlib.Path) -> None:
    if case.bf16:
        model = copy.deepcopy(model).to(torch.bfloat16)
        model.config.dtype = "bfloat16"
    else:
        model.config.dtype = "float32"
    kwargs = {"max_shard_size": case.max_shard_size} if case.max_shard_size else {}
    model.save_pretrained(folder, **kwargs)
    (folder / "generation_config.json").unlink(missing_ok=True)


def write_old_variant(case: Case, folder: pathlib.Path, ids, logits) -> None:
    """The same weights under the older spelling; transformers itself must read it the same way."""
    hf, old = folder / "hf", folder / "hf-old"
    old.mkdir()
    write_json(old / "config.json", old_spelling(case, json.loads((hf / "config.json").read_text())))
    (old / "model.safetensors").symlink_to("../hf/model.safetensors")
    model = getattr(transformers, case.architecture).from_pretrained(
        old, attn_implementation="eager", dtype=torch.float32
    )
    difference = float((logits_of(model.eval(), ids) - logits).abs().max())
    if difference != 0.0:
        sys.exit(f"{case.name}: the older spelling differs by {difference}")


def make_case(case: Case, root: pathlib.Path) -> None:
    folder = root / case.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    tensors = random_tensors(case)
    model = build(case.architecture, case.config, tensors)
    ids, greedy, margin = choose_prompt(model, case)
    batch = torch.tensor([ids])
    logits = logits_of(model, batch)
    deviation = float(logits.std())
    full_config = json.loads(model.config.to_json_string())
    smallest = check_changes(case, case.config | {
        k: v for k, v in full_config.items() if k not in INERT}, tensors, batch, logits)

    tolerance = "bf16" if case.bf16 else "f32"
    if margin / deviation < MIN_MARGIN[tolerance]:
        sys.exit(f"{case.name}: the best prompt has a margin of only {margin / deviation:.4f}")
    models = []
    if not case.gguf_only:
        write_hugging_face(case, model, folder / "hf")
        models.append("hf")
    if case.old is not None:
        write_old_variant(case, folder, batch, logits)
        models.append("hf-old")
    if case.gguf:
        arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
        write_gguf(str(folder / "model.gguf"), case.family, full_config, arrays, case.bf16)
        models.append("model.gguf")
    np.save(folder / "logits.npy", logits[0].numpy())
    write_json(folder / "case.json", {
        "family": case.family,
        "models": models,
        "tolerance": tolerance,
        "ids": ids,
        "logits": "logits.npy",
        "greedy": greedy,
        "logits_deviation": deviation,
        "smallest_margin": margin / deviation,
        "smallest_change": smallest if case.changes else None,
        "transformers": transformers.__version__,
    })
    size = sum(f.lstat().st_size for f in folder.rglob("*") if f.is_file() and not f.is_symlink())
    print(f"{case.name:16} {size:7} bytes  margin {margin / deviation:.3f}  "
          f"smallest change {smallest:.3f}  distinct {len(set(greedy))}  {' '.join(models)}")
    if size > MAX_CASE_BYTES:
        sys.exit(f"{case.name}: {size} bytes, the limit is {MAX_CASE_BYTES}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("cases", nargs="*", help="names; all when none is given")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    known = {case.name: case for case in CASES}
    for name in options.cases or known:
        if name not in known:
            sys.exit(f"unknown case {name}; there are: {' '.join(known)}")
        make_case(known[name], options.folder)


if __name__ == "__main__":
    main()
