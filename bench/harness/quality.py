"""How far quantised arithmetic moves a model: KL divergence, perplexity and top-1 agreement of Maru
(with standard and high precision) and of llama.cpp on the same file, all against llama.cpp's run of
the model dequantised to F32."""

import hashlib
import json
import pathlib
import re
import sys

from .environment import TEXT, Environment, run
from .machine import ROOT
from .peer import Peer
from .results import say

CONTEXT = 512
MAX_REFERENCE_BYTES = 3e9


def sha256(path: pathlib.Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def n_chunks(n_tokens: int, n_vocab: int) -> int:
    """Those of the text, or as many as a reference file of bearable size holds."""
    per_chunk = (CONTEXT - 1 - CONTEXT // 2) * (2 * n_vocab + 8)
    return max(2, min(n_tokens // CONTEXT, int(MAX_REFERENCE_BYTES / per_chunk)))


def parse_divergence(text: str) -> dict:
    """The final figures of llama-perplexity --kl-divergence."""

    def number(name: str) -> tuple:
        found = re.search(rf"^{name}\s*:\s*(-?[0-9.]+) ±\s*([0-9.]+)", text, re.MULTILINE)
        if not found:
            raise ValueError(f"llama-perplexity printed no line '{name}'")
        return float(found[1]), float(found[2])

    kl, kl_error = number("Mean    KLD")
    ratio, ratio_error = number(r"Mean ln\(PPL\(Q\)/PPL\(base\)\)")
    return {
        "mean_kl": kl,
        "mean_kl_error": kl_error,
        "ppl": number(r"Mean PPL\(Q\)")[0],
        "reference_ppl": number(r"Mean PPL\(base\)")[0],
        "log_ppl_ratio": ratio,
        "log_ppl_ratio_error": ratio_error,
        "same_top": number("Same top p")[0] / 100,
    }


def reference(env: Environment, peer: Peer, model: pathlib.Path, chunks: int) -> pathlib.Path:
    """Made once for a model, a text and a number of chunks; takes minutes."""
    key = f"{sha256(model)[:16]}-{sha256(TEXT)[:8]}-{chunks}"
    target = env.cache / f"{model.stem}-{key}.kld"
    if target.exists():
        return target
    env.cache.mkdir(parents=True, exist_ok=True)
    full = env.cache / f"{model.stem}-{key[:16]}-f32.gguf"
    if not full.exists():
        say(f"dequantising {model.name}")
        run([sys.executable, ROOT / "bench/harness/dequantise.py", model, full])
    say(f"running {full.name} over {chunks} chunks")
    temporary = target.with_suffix(".part")
    run(
        [peer.binary("llama-perplexity"), "-m", full, "-f", TEXT, "-c", CONTEXT, "--chunks", chunks]
        + ["-t", env.threads, "-fa", "off", "-ctk", "f32", "-ctv", "f32"]
        + ["--kl-divergence-base", temporary]
    )
    temporary.rename(target)
    return target


def measure_quality(env: Environment, peer: Peer, model: pathlib.Path) -> dict:
    chunks = n_chunks(len(env.text_ids(model)), env.info(model)["vocab_size"])
    base = reference(env, peer, model, chunks)
    say(f"divergence of {model.name}, {chunks} chunks")
    command = [env.binary("maru"), "divergence", model, base, "--json", "-t", env.threads]
    ours = json.loads(run([*command, "--precision", "standard"]))
    high = json.loads(run([*command, "--precision", "high"]))
    command = [peer.binary("llama-perplexity"), "-m", model, "-c", CONTEXT, "-t", env.threads]
    theirs = parse_divergence(run([*command, "--kl-divergence-base", base, "--kl-divergence"]))
    return {
        "bench": "quality",
        "what": "against F32",
        "model": model.name,
        "chunks": chunks,
        "maru": ours,
        "maru_high": high,
        "peer": theirs,
    }
