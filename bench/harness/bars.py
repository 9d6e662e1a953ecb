"""The bars that Maru is held to, each as one line {bar, value, target, met}. A bar's target depends
on the machine: with AMX the peer and Maru both have more to work with."""

import statistics

from . import maru, quality, serving, speed, startup
from .environment import Environment
from .machine import has_amx
from .peer import Peer
from .results import Results, say


def bar(name: str, value: float, target: float, unit: str = "", is_most: bool = False) -> dict:
    """`is_most`: the value must not exceed the target; else it must reach it."""
    met = value <= target if is_most else value >= target
    return {
        "bench": "bars",
        "bar": name,
        "value": value,
        "target": target,
        "unit": unit,
        "most": is_most,
        "met": met,
    }


def kernel_bars(lines: list, amx: bool) -> list:
    """The slowest layout of each group counts."""
    groups = [
        (("q4_0", "q4_1", "q8_0"), 1.8 if amx else 0.5),
        (("q4_k", "q5_0", "q6_k"), 1.5 if amx else 0.42),
    ]
    out = []
    for layouts, target in groups:
        shares = {}
        for line in lines:  # a layout may have kernels of several tiers
            if line.get("layout") in layouts:
                share = max(line["share_of_peak"], shares.get(line["layout"], 0))
                shares[line["layout"]] = share
        missing = [layout for layout in layouts if layout not in shares]
        if missing:
            raise ValueError(f"no figures for {', '.join(missing)}")
        name = f"matrix product, 512 rows, {'/'.join(layouts)}: share of the int8 peak"
        out.append(bar(name, min(shares.values()), target))
    return out


def prompt_bars(line: dict, name: str, ratio: float, share: float | None = None) -> list:
    n = line["what"].removeprefix("pp")
    out = [bar(f"{name}, prompt of {n}: ratio to the peer", line["ratio"]["median"], ratio)]
    if share is not None:
        title = f"{name}, prompt of {n}: share of the int8 peak"
        out.append(bar(title, line["share"]["median"], share))
    return out


def decode_bars(line: dict, name: str, ratio: float) -> list:
    """The ratio's target is lower where the memory does not allow more. A working set that is read
    clearly faster than memory sits in a cache, whatever sizes the system tells of."""
    in_cache = line["bandwidth_gb_s"]["median"] > 1.3 * line["memory_gb_s"]["median"]
    place = "cache" if in_cache else "memory"
    title = f"{name}, decode: share of the read bandwidth of {place}"
    allowed = 0.9 * line["bound"] / statistics.median(line["peer"])
    return [
        bar(title, line["share"]["median"], 0.65 if in_cache else 0.8),
        bar(f"{name}, decode: ratio to the peer", line["ratio"]["median"], min(ratio, allowed)),
    ]


def first_token_bars(line: dict, amx: bool) -> list:
    title = f"first token of {serving.FIRST_TOKEN_PROMPT}: "
    cold, restarted = (1 / 4, 1 / 20) if amx else (1 / 8, 1 / 50)
    return [
        bar(title + "cold / peer's cold", line["cold"]["median"], cold, is_most=True),
        bar(title + "cached / peer's cached", line["cached"]["median"], 1, is_most=True),
        bar(
            title + "restarted / peer's cold", line["restarted"]["median"], restarted, is_most=True
        ),
    ]


def quality_bars(line: dict, name: str) -> list:
    kl = line["maru"]["mean_kl"] / line["peer"]["mean_kl"]
    return [
        bar(f"{name}: mean KL divergence from F32 / peer's", kl, 1, is_most=True),
        bar(
            f"{name}: perplexity's distance from F32",
            100 * abs(line["maru"]["log_ppl_ratio"]),
            0.1,
            "%",
            is_most=True,
        ),
    ]


SECTIONS = (
    """kernels prompt long decode streams pause first start memory sampling quality""".split()
)


class Bars:
    """One function a section: measures, keeps the lines, gives the bars."""

    def __init__(self, env: Environment, peer: Peer, results: Results):
        self.env, self.peer, self.results = env, peer, results
        self.amx = has_amx()
        self.smol, self.gemma = env.model("smollm2"), env.model("gemma3")

    def keep(self, line: dict) -> dict:
        return self.results.add(line)

    def kernels(self) -> list:
        say("kernels")
        best = maru.kernels(self.env, "layout=none")[0]["isa"]
        found = []
        for isa in sorted({best, "avx512"}):
            found += maru.kernels(self.env, "rows=512", f"isa={isa}")
        lines = [self.keep({"bench": "kernels", **x}) for x in found if "layout" in x]
        return kernel_bars(lines, self.amx)

    def prompt(self) -> list:
        smol = self.keep(speed.measure_prompt(self.env, self.peer, self.smol, 512))
        gemma = self.keep(speed.measure_prompt(self.env, self.peer, self.gemma, 512))
        out = prompt_bars(smol, "SmolLM2", 3 if self.amx else 8, 0.55 if self.amx else 0.3)
        return out + prompt_bars(gemma, "Gemma 3 270M", 5 if self.amx else 4)

    def long(self) -> list:
        line = self.keep(speed.measure_prompt(self.env, self.peer, self.smol, 4096))
        kept = self.keep(speed.measure_kept_speed(self.env, self.smol))
        title = "SmolLM2, prompt of 8192: speed relative to 512"
        return [
            *prompt_bars(line, "SmolLM2", 5 if self.amx else 6),
            bar(title, kept["ratio"]["median"], 0.45 if self.amx else 0.3),
        ]

    def decode(self) -> list:
        smol = self.keep(speed.measure_decode(self.env, self.peer, self.smol))
        gemma = self.keep(speed.measure_decode(self.env, self.peer, self.gemma))
        out = decode_bars(smol, "SmolLM2", 1.3 if self.amx else 2)
        return out + decode_bars(gemma, "Gemma 3 270M", 1.6 if self.amx else 1.8)

    def streams(self) -> list:
        line = self.keep(serving.measure_streams(self.env, self.peer, self.smol, 16))
        target = 2.5 if self.amx else 5
        return [bar("16 streams: ratio to llama-server", line["ratio"]["median"], target)]

    def pause(self) -> list:
        line = self.keep(serving.measure_pause(self.env, None, self.smol))
        title = f"longest pause while a prompt of {serving.LONG_PROMPT} arrives"
        return [bar(title, line["maru_ms"]["median"], 150, "ms", is_most=True)]

    def first(self) -> list:
        line = self.keep(serving.measure_first_token(self.env, self.peer, self.smol))
        return first_token_bars(line, self.amx)

    def start(self) -> list:
        line = self.keep(startup.measure_start(self.env, None, self.smol))
        seconds = line["maru_s"]["median"]
        return [bar("second start to ready, SmolLM2", seconds, 0.1, "s", is_most=True)]

    def memory(self) -> list:
        line = self.keep(startup.measure_memory_filled(self.env, None, self.smol))
        title = f"memory beyond weights and {startup.POSITIONS} positions of {line['kv_type']} KV"
        return [bar(title, line["beyond_mb"], 60, "MB", is_most=True)]

    def sampling(self) -> list:
        line = self.keep(speed.measure_sampling(self.env, self.gemma))
        title = "Gemma 3 270M, top-k and top-p: share of a decode step"
        return [bar(title, 100 * line["share"]["median"], 3, "%", is_most=True)]

    def quality(self) -> list:
        out = []
        for model, name in ((self.smol, "SmolLM2"), (self.gemma, "Gemma 3 270M")):
            line = self.keep(quality.measure_quality(self.env, self.peer, model))
            out += quality_bars(line, name)
        return out

    def run(self, sections: list) -> list:
        out = []
        for section in sections:
            out += [self.keep(line) for line in getattr(self, section)()]
        return out


def table(lines: list) -> str:
    rows = ["| bar | value | target | met |", "|---|---:|---:|---|"]
    for line in lines:
        unit = f" {line['unit']}" if line["unit"] else ""
        sign = "at most " if line["most"] else ""
        met = "yes" if line["met"] else "**no**"
        target = f"{sign}{line['target']:.3g}{unit}"
        rows.append(f"| {line['bar']} | {line['value']:.3g}{unit} | {target} | {met} |")
    return "\n".join(rows)
