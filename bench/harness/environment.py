"""The programs, models and folders of one run of the harness."""

import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from .machine import ROOT

MODELS = {
    "smollm2": "SmolLM2-135M-Instruct.Q4_1.gguf",
    "gemma3": "gemma-3-270m-q4_k_m.gguf",
}
TEXT = ROOT / "tests/data/alice.txt"


def run(command: list, timeout: float = 3600) -> str:
    """Standard output of a program that must succeed."""
    done = subprocess.run(
        [str(c) for c in command], capture_output=True, text=True, timeout=timeout
    )
    if done.returncode != 0:
        last = "\n".join(done.stderr.strip().splitlines()[-8:])
        sys.exit(f"error: {' '.join(map(str, command))} ended with {done.returncode}:\n{last}")
    return done.stdout


@dataclasses.dataclass
class Environment:
    binaries: pathlib.Path  # the folder with maru, maru_bench_kernels, maru_bench_memory
    models: pathlib.Path
    cache: pathlib.Path  # what takes long to make and is kept: F32 models, reference runs
    threads: int
    n_pairs: int

    def __post_init__(self):
        # A data folder of its own, so that nobody's caches help or hinder; removed at the end.
        self._home = tempfile.TemporaryDirectory(prefix="maru-bench-")
        self.home = pathlib.Path(self._home.name)
        os.environ["MARU_HOME"] = str(self.home)
        self._infos, self._ids = {}, {}

    def binary(self, name: str) -> pathlib.Path:
        path = self.binaries / name
        if not path.exists():
            sys.exit(f"error: {path} is missing; script/build release makes it")
        return path

    def model(self, name: str) -> pathlib.Path:
        """By its short name, or a path."""
        path = self.models / MODELS[name] if name in MODELS else pathlib.Path(name)
        if not path.exists():
            sys.exit(f"error: {path} is missing; script/bootstrap --test fetches the test models")
        return path.resolve()

    def info(self, model: pathlib.Path, *flags: str) -> dict:
        key = (model, flags)
        if key not in self._infos:
            out = run([self.binary("maru"), "info", model, "--json", *flags])
            self._infos[key] = json.loads(out)
        return self._infos[key]

    def weight_bytes(self, model: pathlib.Path) -> int:
        """Read for each token: all weights, of models with tied embeddings."""
        return self.info(model)["memory"]["weight_bytes"]

    def mac_per_token(self, model: pathlib.Path) -> int:
        """Of a prompt: the embedding is looked up, and the head runs for the last token alone."""
        info = self.info(model)
        return info["parameters"] - info["vocab_size"] * info["dim"]

    def text_ids(self, model: pathlib.Path) -> list:
        """The test text in the model's tokens."""
        if model not in self._ids:
            out = run([self.binary("maru"), "tokenize", model, "--file", TEXT])
            self._ids[model] = json.loads(out)
        return self._ids[model]

    def clear_home(self) -> None:
        for path in self.home.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def supports_kv_type(self, name: str) -> bool:
        command = [self.binary("maru"), "config", "--kv-type", name]
        return subprocess.run(command, capture_output=True).returncode == 0


def default_cache() -> pathlib.Path:
    cache = os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache"))
    return pathlib.Path(cache) / "maru" / "bench"
