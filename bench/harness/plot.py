"""A page of tables and SVG plots from lines of results."""

import pathlib
import statistics

from .bars import table
from .results import read_results
from .svg import grouped_bars


def latest(lines: list) -> list:
    """Of lines that measure the same thing on the same machine, the last one."""
    found = {}
    for line in sorted(lines, key=lambda x: x["date"]):
        key = tuple(
            str(line.get(k))
            for k in ("bench", "what", "model", "bar", "layout", "isa", "rows", "mb", "threads")
        )
        found[(*key, line["machine"]["cpu"])] = line
    return list(found.values())


def compared(lines: list, bench: str) -> list:
    """Lines with figures of both programs."""
    return [
        x for x in lines if x["bench"] == bench and "ratio" in x and "maru" in x and "peer" in x
    ]


def ratio_text(ratio: dict) -> str:
    return f"{ratio['median']:.2f} ({ratio['min']:.2f} to {ratio['max']:.2f})"


def compare_table(lines: list) -> str:
    rows = [
        "| model | what | Maru, tokens/s | peer, tokens/s | ratio | of the bound | peer's setting |",
        "|---|---|---:|---:|---:|---:|---|",
    ]
    for x in lines:
        maru, peer = statistics.median(x["maru"]), statistics.median(x["peer"])
        share = f"{100 * x['share']['median']:.0f} %" if "share" in x else ""
        rows.append(
            f"| {x['model'].removesuffix('.gguf')} | {x['what']} | {maru:.0f} | {peer:.0f} "
            f"| {ratio_text(x['ratio'])} | {share} | `{x['peer_setting']}` |"
        )
    return "\n".join(rows)


def latency_text(line: dict, name: str, of: str) -> str:
    return " / ".join(f"{line[f'{name}_{of}'][p]:.0f}" for p in ("p50_ms", "p95_ms", "p99_ms"))


def stream_table(lines: list) -> str:
    rows = [
        "| model | streams | program | tokens/s | ratio | with lookup | first, ms | between, ms |",
        "|---|---|---|---:|---:|---:|---:|---:|",
    ]
    for x in lines:
        for name in ("maru", "peer"):
            ratio = ratio_text(x["ratio"]) if name == "maru" else ""
            lookup = f"{x['maru_lookup']['median']:.0f}" if name == "maru" else ""
            rows.append(
                f"| {x['model'].removesuffix('.gguf')} | {x['what'].removesuffix(' streams')} "
                f"| {name} | {statistics.median(x[name]):.0f} | {ratio} | {lookup} "
                f"| {latency_text(x, name, 'first')} | {latency_text(x, name, 'gap')} |"
            )
    return "\n".join(rows)


def kernel_table(lines: list) -> str:
    rows = [
        "| layout | kernel | rows | GMAC/s | GB/s | share of the peak |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for x in lines:
        share = f"{100 * x['share_of_peak']:.0f} %"
        rows.append(
            f"| {x['layout']} | {x['isa']} | {x['rows']} | {x['gmac_s']:.0f} | {x['gb_s']:.1f} | {share} |"
        )
    return "\n".join(rows)


def quality_table(lines: list) -> str:
    rows = [
        "| model | program | mean KL, nats | perplexity | from F32's | same top word |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for x in lines:
        for key, name in (("maru", "maru"), ("maru_high", "maru, high precision"), ("peer", "peer")):
            if key not in x:
                continue
            q = x[key]
            rows.append(
                f"| {x['model'].removesuffix('.gguf')} | {name} | {q['mean_kl']:.6f} ± {q['mean_kl_error']:.6f} "
                f"| {q['ppl']:.4f} | {100 * q['log_ppl_ratio']:+.3f} % ± {100 * q['log_ppl_ratio_error']:.3f} % "
                f"| {100 * q['same_top']:.2f} % |"
            )
    return "\n".join(rows)


def plain_table(lines: list) -> str:
    """Of measurements with figures of several kinds: every number by its name."""
    rows = ["| model | what | figures |", "|---|---|---|"]
    for x in lines:
        figures = []
        for key, value in x.items():
            if isinstance(value, dict) and "median" in value:
                figures.append(
                    f"{key} {value['median']:.3g} ({value['min']:.3g} to {value['max']:.3g})"
                )
            elif isinstance(value, dict) and key in ("maru_ms", "peer_ms"):
                figures += [f"{key} {k} {v['median']:.4g}" for k, v in value.items()]
            elif isinstance(value, float):
                figures.append(f"{key} {value:.4g}")
        rows.append(f"| {x['model'].removesuffix('.gguf')} | {x['what']} | {'; '.join(figures)} |")
    return "\n".join(rows)


def page(lines: list, plots: list) -> str:
    newest = max(lines, key=lambda x: x["date"])
    machine = newest["machine"]
    out = [
        "# Figures",
        "",
        "Written by `script/bench plot` from lines of `script/bench`; [README.md](README.md) says what they mean.",
        f"Machine: {machine['cores']} cores of {machine['cpu']}, {machine['memory_gb']:.0f} GB; "
        f"{', '.join(machine['flags'])}. Commits: {', '.join(sorted({x['commit'] for x in lines}))}. "
        f"Date: {newest['date'][:10]}.",
    ]
    parts = [
        ("Bars", table, [x for x in lines if x["bench"] == "bars"]),
        ("Prompt and decode", compare_table, compared(lines, "model")),
        ("Streams", stream_table, compared(lines, "serving")),
        (
            "First token, pause, start, memory",
            plain_table,
            [x for x in lines if x["bench"] in ("serving", "startup") and "maru" not in x],
        ),
        ("Quality", quality_table, [x for x in lines if x["bench"] == "quality"]),
        ("Kernels", kernel_table, [x for x in lines if x["bench"] == "kernels" and "layout" in x]),
    ]
    for title, make, some in parts:
        if some:
            out += ["", f"## {title}", "", make(some)]
    out += ["", *[f"![{name}]({name}.svg)" for name in plots]]
    return "\n".join(out).rstrip() + "\n"


def plot(lines: list, title: str) -> str:
    """Medians of both programs side by side, with the range of the pairs."""
    groups = []
    for x in lines:
        series = [(min(v), statistics.median(v), max(v)) for v in (x["maru"], x["peer"])]
        groups.append(
            (f"{x['model'].split('-Instruct')[0].removesuffix('.gguf')} {x['what']}", series)
        )
    return grouped_bars(title, "tokens/s", ("Maru", "llama.cpp"), groups)


def plot_results(files: list, folder: pathlib.Path) -> None:
    lines = latest([line for file in files for line in read_results(file)])
    if not lines:
        raise SystemExit("error: no results; name files that script/bench --out wrote")
    folder.mkdir(parents=True, exist_ok=True)
    plots = []
    for name, title, some in (
        ("speed", "Prompt and decode", compared(lines, "model")),
        ("streams", "Streams at once, all output", compared(lines, "serving")),
    ):
        if some:
            (folder / f"{name}.svg").write_text(plot(some, title), encoding="utf-8")
            plots.append(name)
    (folder / "figures.md").write_text(page(lines, plots), encoding="utf-8")
    print(folder / "figures.md")
