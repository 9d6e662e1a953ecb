"""llama.cpp's llama-bench: its settings, its JSON, and the choice of the best setting."""

import dataclasses
import itertools
import json
import os
import pathlib
import sys

from .environment import Environment, run
from .machine import has_amx


@dataclasses.dataclass(frozen=True)
class Setting:
    build: str = "build-vnni"
    flash_attention: bool = True
    ubatch: int = 512
    repack: bool = True

    def bench_flags(self) -> list:
        flags = ["-fa", int(self.flash_attention), "-ub", self.ubatch, "--repack", int(self.repack)]
        return [str(flag) for flag in flags]

    def server_flags(self) -> list:
        flags = ["-fa", "on" if self.flash_attention else "off", "-ub", str(self.ubatch)]
        return flags if self.repack else [*flags, "--no-repack"]

    def __str__(self) -> str:
        return f"{self.build} {' '.join(self.server_flags())}"


def parse_bench(text: str) -> float:
    """Tokens a second of llama-bench's only test."""
    rows = json.loads(text)
    if len(rows) != 1:
        raise ValueError(f"llama-bench gave {len(rows)} rows, not one")
    samples = sorted(rows[0]["samples_ts"])
    middle = len(samples) // 2
    return samples[middle] if len(samples) % 2 else (samples[middle - 1] + samples[middle]) / 2


def best_setting(candidates: list, rate) -> tuple:
    """The fastest one and its rate; `rate` maps a setting to tokens a second."""
    measured = [(rate(setting), index) for index, setting in enumerate(candidates)]
    best, index = max(measured, key=lambda pair: (pair[0], -pair[1]))
    return candidates[index], best


class Peer:
    def __init__(self, env: Environment):
        self.env = env
        default = os.path.expanduser("~/.cache")
        cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", default))
        self.folder = pathlib.Path(os.environ.get("MARU_PEER_DIR") or cache / "maru" / "peer")
        self.builds = ["build-vnni", "build-amx"] if has_amx() else ["build-vnni"]
        for build in self.builds:
            if not (self.folder / build / "bin/llama-bench").exists():
                sys.exit(f"error: {self.folder / build} is missing; bench/peer/build.py makes it")
        self._chosen = {}

    def binary(self, name: str, build: str = "build-vnni") -> pathlib.Path:
        return self.folder / build / "bin" / name

    def bench(self, model: pathlib.Path, setting: Setting, *flags) -> float:
        command = [self.binary("llama-bench", setting.build), "-m", model, "-o", "json"]
        command += ["-t", self.env.threads, *setting.bench_flags(), *flags]
        return parse_bench(run(command))

    def prompt_rate(self, model, n: int, repeat: int, setting: Setting) -> float:
        warm_up = [] if n <= 512 else ["--no-warmup"]  # a long prompt needs none
        return self.bench(model, setting, "-p", n, "-n", 0, "-r", repeat, *warm_up)

    def decode_rate(self, model, n: int, depth: int, repeat: int, setting: Setting) -> float:
        return self.bench(model, setting, "-p", 0, "-n", n, "-d", depth, "-r", repeat)

    def choose(self, key, candidates: list, rate) -> Setting:
        """The fastest candidate by one run each; chosen once for a key."""
        if key not in self._chosen:
            self._chosen[key] = best_setting(candidates, rate)[0]
        return self._chosen[key]

    def short_candidates(self) -> list:
        switches = itertools.product(self.builds, (True, False), (True, False))
        return [Setting(build, attention, 512, repack) for build, attention, repack in switches]

    def long_setting(self, key, short: Setting, rate) -> Setting:
        """What takes long is tried with the build and repacking that won where it was short: with
        and without flash attention, and then in larger batches."""
        many = [dataclasses.replace(short, flash_attention=on) for on in (True, False)]
        best = self.choose((key, "attention"), many, rate)
        larger = dataclasses.replace(best, ubatch=2048)
        return self.choose((key, "batch"), [best, larger], rate)

    def prompt_setting(self, model, n: int) -> Setting:
        def rate(setting: Setting) -> float:
            return self.prompt_rate(model, n, 1, setting)

        if n <= 512:
            return self.choose((model, "prompt", n), self.short_candidates(), rate)
        return self.long_setting((model, "prompt", n), self.prompt_setting(model, 512), rate)

    def decode_setting(self, model, depth: int) -> Setting:
        def rate(setting: Setting) -> float:
            return self.decode_rate(model, 32, depth, 1, setting)

        if depth == 0:
            return self.choose((model, "decode", 0), self.short_candidates(), rate)
        short = self.decode_setting(model, 0)
        many = [dataclasses.replace(short, flash_attention=on) for on in (True, False)]
        return self.choose((model, "decode", depth), many, rate)
