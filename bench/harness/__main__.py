"""script/bench COMMAND: measures, prints one JSON line a measurement, and appends it to --out.

  kernels                 every kernel: GMAC/s, GB/s, share of the peak; read bandwidth of memory
  model [MODEL...]        prompt (32 to 8192 tokens) and decode speed against llama-bench
  serving [MODEL...]      first token, pause, 1 to 64 streams against llama-server
  startup [MODEL...]      start to ready, memory before and after 32,768 positions of KV
  quality [MODEL...]      KL divergence, perplexity, top-1 agreement against the model in F32
  bars [--only SECTIONS]  everything that has a bar, and the table of bars
  plot RESULTS...         tables and SVG plots from files of results

MODEL is smollm2, gemma3 (default: both) or a GGUF file.
"""

import argparse
import os
import pathlib
import sys
import time

from . import machine, plot, quality, serving, speed, startup
from .bars import SECTIONS, Bars, table
from .environment import MODELS, Environment, default_cache
from .peer import Peer
from .results import Results, say


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="script/bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = "kernels model serving startup quality bars plot".split()
    parser.add_argument("command", choices=commands)
    parser.add_argument("names", nargs="*", help="models, or files of results")
    parser.add_argument("--out", help="file that results are appended to")
    parser.add_argument("--pairs", type=int, default=5, help="pairs of runs (default: 5)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--only", default="", help=f"bars: {','.join(SECTIONS)}")
    parser.add_argument("--streams", default="1,4,8,16,64", help="serving: numbers of streams")
    parser.add_argument("--models", help="folder of the test models (default: $MARU_TEST_MODELS)")
    parser.add_argument("--binaries", default=str(machine.ROOT / "build/release/bin"))
    parser.add_argument("--cache", default=str(default_cache()), help="folder of F32 models")
    parser.add_argument("--docs", default=str(machine.ROOT / "docs/perf"), help="plot: its folder")
    return parser.parse_args()


def make_environment(args: argparse.Namespace) -> Environment:
    folder = args.models or os.environ.get("MARU_TEST_MODELS") or machine.ROOT / "build/deps/models"
    return Environment(
        binaries=pathlib.Path(args.binaries).resolve(),
        models=pathlib.Path(folder),
        cache=pathlib.Path(args.cache),
        threads=args.threads,
        n_pairs=args.pairs,
    )


def run_bars(env: Environment, results: Results, only: str) -> None:
    sections = [name for name in only.split(",") if name] or SECTIONS
    unknown = [name for name in sections if name not in SECTIONS]
    if unknown:
        sys.exit(f"error: unknown section '{unknown[0]}' (known: {', '.join(SECTIONS)})")
    begin = time.monotonic()
    lines = Bars(env, Peer(env), results).run(sections)
    n_met = sum(line["met"] for line in lines)
    print(f"\n{table(lines)}\n\n{n_met} of {len(lines)} bars are met")
    say(f"took {time.monotonic() - begin:.0f} s")


def main() -> None:
    args = parse_arguments()
    if args.command == "plot":
        return plot.plot_results(args.names, pathlib.Path(args.docs))
    env = make_environment(args)
    results = Results(args.out, machine.context())
    models = [env.model(name) for name in args.names or MODELS]
    if args.command == "kernels":
        for line in speed.measure_kernels(env) + speed.measure_memory(env, [8, 96, 247]):
            results.add(line)
    elif args.command == "bars":
        run_bars(env, results, args.only)
    else:
        measure(args, env, Peer(env), models, results)


def measure(args, env: Environment, peer: Peer, models: list, results: Results) -> None:
    if args.command == "model":
        speed.measure_models(env, peer, models, results.add)
    for model in models:
        if args.command == "serving":
            counts = [int(n) for n in args.streams.split(",")]
            serving.measure_serving(env, peer, model, counts, results.add)
        elif args.command == "startup":
            results.add(startup.measure_start(env, peer, model))
            results.add(startup.measure_memory_filled(env, peer, model))
        elif args.command == "quality":
            results.add(quality.measure_quality(env, peer, model))


if __name__ == "__main__":
    main()
