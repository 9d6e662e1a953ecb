#!/usr/bin/env python3
"""Builds the peer, llama.cpp, from the sources inside the package llama-cpp-python.

    bench/peer/build.py [--folder DIR] [--jobs N] [--variant vnni|amx]

DIR (default: $MARU_PEER_DIR, else ~/.cache/maru/peer) gets the sources, `build-vnni` (AMX off) and, on a machine
that has AMX, `build-amx` (by clang). What is there already and has the features wanted is left alone.
Standard library only; pip, cmake, ninja and a compiler do the work.
"""

import argparse
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import venv

PACKAGE = "llama-cpp-python"
VERSION = "0.3.36"
SHA256 = "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e"
TARGETS = ["llama-bench", "llama-server", "llama-perplexity"]
NAME = f"llama_cpp_python-{VERSION}"

# feature of the library -> flag in /proc/cpuinfo
FEATURES = {
    "avx2": "avx2",
    "avx512": "avx512f",
    "avx512_vnni": "avx512_vnni",
    "avx_vnni": "avx_vnni",
}

# The macros, not the flags: -march=native comes after these and would turn the flags on again.
NO_AMX = "-U__AMX_TILE__ -U__AMX_INT8__ -U__AMX_BF16__"


def default_folder() -> pathlib.Path:
    chosen = os.environ.get("MARU_PEER_DIR")
    cache = os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache"))
    return pathlib.Path(chosen) if chosen else pathlib.Path(cache) / "maru" / "peer"


def cpu_flags(cpuinfo: str) -> set:
    for line in cpuinfo.splitlines():
        if line.startswith("flags"):
            return set(line.split(":", 1)[1].split())
    return set()


def this_cpu_flags() -> set:
    return cpu_flags(pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8"))


def variants(flags: set) -> list:
    return ["vnni", "amx"] if {"amx_tile", "amx_int8"} <= flags else ["vnni"]


def wanted_features(variant: str, flags: set) -> dict:
    wanted = {name: flag in flags for name, flag in FEATURES.items()}
    return wanted | {"amx_int8": variant == "amx"}


def built_features(build: pathlib.Path, names) -> dict:
    """What the compiled library says it has; in a process of its own, since it stays loaded."""
    code = (
        "import ctypes, sys\n"
        "ctypes.CDLL(sys.argv[1] + '/libggml-base.so', mode=ctypes.RTLD_GLOBAL)\n"
        "cpu = ctypes.CDLL(sys.argv[1] + '/libggml-cpu.so')\n"
        "print(*[int(bool(getattr(cpu, 'ggml_cpu_has_' + n)())) for n in sys.argv[2:]])\n"
    )
    names = list(names)
    command = [sys.executable, "-c", code, str(build / "bin"), *names]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return {name: value == "1" for name, value in zip(names, out)}


def check(build: pathlib.Path, variant: str, flags: set) -> None:
    wanted = wanted_features(variant, flags)
    found = built_features(build, wanted)
    wrong = [name for name in wanted if wanted[name] != found[name]]
    if wrong:
        what = ", ".join(f"{name} is {found[name]}, not {wanted[name]}" for name in wrong)
        sys.exit(f"error: {build} was not built for this machine: {what}; delete it and try again")


def fetch_sources(folder: pathlib.Path) -> pathlib.Path:
    sources = folder / NAME
    if (sources / "vendor/llama.cpp/CMakeLists.txt").exists():
        return sources / "vendor/llama.cpp"
    archive = folder / f"{NAME}.tar.gz"
    if not archive.exists():
        pip = folder / "venv/bin/pip"
        if not pip.exists():
            venv.create(folder / "venv", with_pip=True)
        subprocess.run(
            [pip, "download", "-q", "--no-deps", "--no-binary", PACKAGE, "-d", folder]
            + [f"{PACKAGE}=={VERSION}"],
            check=True,
        )
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    if digest != SHA256:
        archive.unlink()
        sys.exit(f"error: {archive.name} has SHA-256 {digest}, expected {SHA256}; it was deleted")
    unpacked = folder / "unpacking"
    shutil.rmtree(unpacked, ignore_errors=True)
    with tarfile.open(archive) as tar:
        # Its digest is known; older Pythons have no filters.
        tar.extractall(unpacked, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    (unpacked / NAME).rename(sources)
    unpacked.rmdir()
    return sources / "vendor/llama.cpp"


def compilers(variant: str) -> list:
    """g++ 12 drops stores to the tile configuration, and its AMX build dies with SIGILL."""
    if variant != "amx":
        return []
    for suffix in ["-19", "", "-18", "-17", "-16"]:
        clang, clangxx = shutil.which(f"clang{suffix}"), shutil.which(f"clang++{suffix}")
        if clang and clangxx:
            return [f"-DCMAKE_C_COMPILER={clang}", f"-DCMAKE_CXX_COMPILER={clangxx}"]
    sys.exit("error: the AMX build wants clang; script/bootstrap --long installs it")


def build(folder: pathlib.Path, variant: str, jobs: int, flags: set) -> pathlib.Path:
    target = folder / f"build-{variant}"
    if not all((target / "bin" / name).exists() for name in TARGETS):
        sources = fetch_sources(folder)
        amx = "ON" if variant == "amx" else "OFF"
        options = ["-DCMAKE_BUILD_TYPE=Release", "-DGGML_NATIVE=ON", "-DLLAMA_CURL=OFF"]
        options += [f"-DGGML_AMX_{unit}={amx}" for unit in ["TILE", "INT8", "BF16"]]
        if variant != "amx":
            options += [f"-DCMAKE_C_FLAGS={NO_AMX}", f"-DCMAKE_CXX_FLAGS={NO_AMX}"]
        subprocess.run(
            ["cmake", "-G", "Ninja", "-S", sources, "-B", target, *options, *compilers(variant)],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        # Others may use the machine; half an hour on two cores.
        command = ["nice", "cmake", "--build", target, "-j", str(jobs), "--target", *TARGETS]
        subprocess.run(command, check=True)
    check(target, variant, flags)
    return target


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=pathlib.Path, default=default_folder())
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--variant", choices=["vnni", "amx"], help="only this one")
    args = parser.parse_args()
    flags = this_cpu_flags()
    folder = args.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    for variant in [args.variant] if args.variant else variants(flags):
        try:
            print(build(folder, variant, args.jobs, flags))
        except subprocess.CalledProcessError as error:
            sys.exit(f"error: {error.cmd[0]} failed ({error.returncode}); see its messages above")


if __name__ == "__main__":
    main()
