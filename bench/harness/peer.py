"""llama.cpp's llama-bench: its settings, its JSON, and the choice of the best setting."""

import dataclasses
import json
import os
import pathlib
import subprocess
import sys

from .environment import Environment, run
from .machine import ROOT, has_amx


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

    def choose(self, key, rate) -> Setting:
        """The best of all builds, attention and repacking; then of larger batches, if it may
        matter (`key` ends in the length of what is read). One run each; chosen once for a key."""
        if key not in self._chosen:
            many = [
                Setting(build, attention, 512, repack)
                for build in self.builds
                for attention in (True, False)
                # Settings that take long are tried without the one that never won for long prompts.
                for repack in ((True, False) if key[-1] <= 512 else (True,))
            ]
            best, best_rate = best_setting(many, rate)
            if key[-1] > 512:
                larger = dataclasses.replace(best, ubatch=2048)
                if rate(larger) > best_rate:
                    best = larger
            self._chosen[key] = best
        return self._chosen[key]

    def prompt_setting(self, model, n: int) -> Setting:
        return self.choose((model, "prompt", n), lambda s: self.prompt_rate(model, n, 1, s))

    def decode_setting(self, model, depth: int) -> Setting:
        return self.choose(
            (model, "decode", depth), lambda s: self.decode_rate(model, 32, depth, 1, s)
        )


def build_peer() -> None:
    subprocess.run([sys.executable, ROOT / "bench/peer/build.py"], check=True, stdout=sys.stderr)
