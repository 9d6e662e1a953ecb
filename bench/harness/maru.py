"""Maru's own measuring programs, their JSON read."""

import json
import pathlib

from .environment import Environment, run


def lines(text: str) -> list:
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def prompt_rate(env: Environment, model: pathlib.Path, n: int, repeat: int) -> float:
    return bench(env, model, "-p", n, "-n", 0, "-r", repeat)["pp_tokens_per_s"]


def decode_rate(env: Environment, model: pathlib.Path, n: int, depth: int, repeat: int) -> float:
    out = bench(env, model, "-p", 0, "-n", n, "-d", depth, "-r", repeat)
    return out["tg_tokens_per_s"]


def bench(env: Environment, model: pathlib.Path, *flags) -> dict:
    command = [env.binary("maru"), "bench", model, "-t", env.threads, "--json", *flags]
    return json.loads(run(command))


def sampling_share(env: Environment, model: pathlib.Path, parameters: str) -> float:
    """Of a decode step that samples so."""
    return bench(env, model, "-p", 0, "-n", 128, "-r", 1, "--sample", parameters)["sampling"][
        "share"
    ]


def kernels(env: Environment, *options: str) -> list:
    return lines(run([env.binary("maru_bench_kernels"), f"threads={env.threads}", *options]))


def peak(env: Environment) -> float:
    """GMAC/s of int8 products in registers."""
    return kernels(env, "layout=none")[0]["gmac_s"]


def read_bandwidth(env: Environment, n_bytes: int, threads: int | None = None) -> float:
    """Bytes a second, of a working set of `n_bytes`."""
    mb = max(1, round(n_bytes / 1e6))
    options = [f"mb={mb}", f"threads={threads or env.threads}"]
    return lines(run([env.binary("maru_bench_memory"), *options]))[0]["gb_s"] * 1e9
