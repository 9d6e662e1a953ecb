"""Kernels, memory, prompts and decoding: paired runs of Maru's and llama.cpp's measuring programs."""

import pathlib
import statistics

from . import maru
from .environment import Environment
from .peer import Peer
from .results import say
from .stats import ratios, run_pairs, spread

BEYOND_CACHES = int(1e9)  # bytes of a working set that no cache holds


def measure_kernels(env: Environment, rows: str = "1,512") -> list:
    out = []
    for line in maru.kernels(env, f"rows={rows}"):
        out.append({"bench": "kernels", **line})
    return out


def measure_memory(env: Environment, sizes_mb: list) -> list:
    out = []
    for mb in sizes_mb:
        for threads in sorted({1, env.threads}):
            rate = maru.read_bandwidth(env, int(mb * 1e6), threads)
            out.append({"bench": "memory", "mb": mb, "threads": threads, "gb_s": rate * 1e-9})
    return out


def line(what: str, model: pathlib.Path, setting, pairs: list, **more) -> dict:
    return {
        "bench": "model",
        "what": what,
        "model": model.name,
        "unit": "tokens/s",
        "maru": [a for a, _ in pairs],
        "peer": [b for _, b in pairs],
        "ratio": ratios(pairs),
        "peer_setting": str(setting),
        **more,
    }


def measure_prompt(env: Environment, peer: Peer, model: pathlib.Path, n: int) -> dict:
    """Prompt speed, and what share of the int8 peak, probed in every pair, it needs."""
    say(f"prompt of {n}, {model.name}")
    repeat = 3 if n <= 512 else 1
    setting = peer.prompt_setting(model, n)
    peaks = []

    def ours(_):
        peaks.append(maru.peak(env))
        return maru.prompt_rate(env, model, n, repeat)

    pairs = run_pairs(
        env.n_pairs, ours, lambda _: peer.prompt_rate(model, n, repeat if n <= 512 else 1, setting)
    )
    gmac = env.mac_per_token(model) * 1e-9
    shares = [rate * gmac / peak for (rate, _), peak in zip(pairs, peaks)]
    return line(f"pp{n}", model, setting, pairs, peak_gmac_s=spread(peaks), share=spread(shares))


def measure_decode(
    env: Environment, peer: Peer, model: pathlib.Path, n: int = 128, depth: int = 0
) -> dict:
    """Decode speed, and what share of the read bandwidth, probed in every pair with a working set
    of the model's size, the bytes of each token need: all weights and the KV of the context."""
    say(f"decode of {n} at depth {depth}, {model.name}")
    setting = peer.decode_setting(model, depth)
    weights = env.weight_bytes(model)
    kv = env.info(model)["memory"]["kv_bytes_per_token"] * (depth + n / 2)
    repeat = 3 if depth == 0 else 2
    bandwidths, memory_rates = [], []

    def ours(_):
        bandwidths.append(maru.read_bandwidth(env, weights))
        memory_rates.append(maru.read_bandwidth(env, BEYOND_CACHES))
        return maru.decode_rate(env, model, n, depth, repeat)

    pairs = run_pairs(
        env.n_pairs, ours, lambda _: peer.decode_rate(model, n, depth, repeat, setting)
    )
    shares = [rate * (weights + kv) / bw for (rate, _), bw in zip(pairs, bandwidths)]
    bound = statistics.median(bandwidths) / (weights + kv)
    what = f"tg{n}" + (f"@{depth}" if depth else "")
    return line(
        what,
        model,
        setting,
        pairs,
        bytes_per_token=weights + kv,
        bandwidth_gb_s=spread([b * 1e-9 for b in bandwidths]),
        memory_gb_s=spread([b * 1e-9 for b in memory_rates]),
        share=spread(shares),
        bound=bound,
    )


def measure_kept_speed(env: Environment, model: pathlib.Path, long: int = 8192) -> dict:
    """Maru's speed of a long prompt relative to one of 512, in turns."""
    say(f"prompt of {long} relative to 512, {model.name}")
    pairs = run_pairs(
        env.n_pairs,
        lambda _: maru.prompt_rate(env, model, long, 1),
        lambda _: maru.prompt_rate(env, model, 512, 3),
    )
    return {
        "bench": "model",
        "what": f"pp{long} / pp512",
        "model": model.name,
        "unit": "tokens/s",
        "long": [a for a, _ in pairs],
        "short": [b for _, b in pairs],
        "ratio": ratios(pairs),
    }


def measure_sampling(env: Environment, model: pathlib.Path) -> dict:
    say(f"share of sampling, {model.name}")
    parameters = "temperature=1,top_k=64,top_p=0.95"
    shares = [maru.sampling_share(env, model, parameters) for _ in range(env.n_pairs)]
    return {
        "bench": "model",
        "what": "sampling",
        "model": model.name,
        "parameters": parameters,
        "share": spread(shares),
    }


def measure_models(env: Environment, peer: Peer, models: list, keep) -> None:
    """`keep` gets each line when it is there."""
    for model in models:
        for n in (32, 128, 512, 4096, 8192):
            keep(measure_prompt(env, peer, model, n))
        for depth in (0, 4096):
            keep(measure_decode(env, peer, model, 128, depth))
