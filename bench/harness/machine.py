"""What a figure depends on beside the programs: the machine, the commit, the time, the command."""

import datetime
import os
import pathlib
import platform
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

# The flags that decide which kernels run.
FLAGS = """avx2 fma avx_vnni avx512f avx512_vnni avx512_bf16 avx512vbmi amx_tile amx_int8 amx_bf16
asimddp i8mm""".split()


def read_cpuinfo(text: str) -> dict:
    """Model and flags of the first CPU in /proc/cpuinfo, in the words of x86 or ARM."""
    fields = {}
    for line in text.splitlines():
        if not line.strip() and fields:
            break
        if ":" in line:
            key, value = line.split(":", 1)
            fields[key.strip()] = value.strip()
    present = set((fields.get("flags") or fields.get("Features") or "").split())
    name = fields.get("model name", platform.machine())
    if "cpu family" in fields:
        name += f", family {fields['cpu family']} model {fields['model']}"
    return {"cpu": name, "flags": [flag for flag in FLAGS if flag in present]}


def last_level_cache() -> int:
    """Bytes of the largest cache that the system tells of; 0 if it tells of none."""
    sizes = [0]
    for path in pathlib.Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
        text = path.read_text().strip()
        if text.endswith("K"):
            sizes.append(int(text[:-1]) << 10)
    return max(sizes)


def describe() -> dict:
    info = read_cpuinfo(pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    cores = len(os.sched_getaffinity(0))
    return info | {"cores": cores, "memory_gb": round(memory / 1e9, 1), "cache": last_level_cache()}


def has_amx() -> bool:
    return {"amx_tile", "amx_int8"} <= set(describe()["flags"])


def commit() -> str:
    def git(*args):
        return subprocess.run(["git", *args], cwd=ROOT, capture_output=True, text=True).stdout

    name = git("rev-parse", "--short", "HEAD").strip() or "unknown"
    return name + ("+" if git("status", "--porcelain", "-uno").strip() else "")


def context() -> dict:
    """Goes into every line of results. A `+` behind the commit: with changes."""
    now = datetime.datetime.now(datetime.timezone.utc)
    command = ["script/bench", *[pathlib.Path(a).name if "/" in a else a for a in sys.argv[1:]]]
    return {
        "machine": describe(),
        "commit": commit(),
        "date": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "command": " ".join(command),
    }
