#!/usr/bin/env python3
"""What people learn of each other by the clock, and what one person's flood costs another.

    bench/tenants.py cache --model FILE     first tokens of prompts that oneself, another, nobody has cached
    bench/tenants.py flood --model FILE     first tokens of a quiet person, alone and beside a flood

Starts `maru serve` (--binary, default build/release/bin/maru) in a data folder of its own with two
accounts. Prompts are random token ids, all of one length. Needs nothing but Python.
"""

import argparse
import contextlib
import http.client
import json
import math
import os
import random
import socket
import statistics
import subprocess
import tempfile
import threading
import time


def maru(args, home, *arguments, stdin=""):
    done = subprocess.run(
        [args.binary, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "MARU_HOME": home},
    )
    return done.stdout.strip()


@contextlib.contextmanager
def server(args, *flags):
    """A running server: its port, and a key of each of two people."""
    with tempfile.TemporaryDirectory() as home, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        keys = []
        for name in ("ann", "bob"):
            maru(args, home, "users", "add", name, "--password", stdin="correct horse battery\n")
            keys.append(maru(args, home, "keys", "add", name))
        process = subprocess.Popen(
            [args.binary, "serve", "--model", args.model, "--port", str(port), *flags],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "MARU_HOME": home},
        )
        try:
            wait_until_ready(process, port)
            yield port, keys
        finally:
            process.terminate()
            process.wait(timeout=60)


def wait_until_ready(process, port):
    for _ in range(1200):
        if process.poll() is not None:
            raise SystemExit("the server ended")
        with contextlib.suppress(OSError):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", "/ready")
            if connection.getresponse().status == 200:
                return
        time.sleep(0.1)
    raise SystemExit("the server is not ready after two minutes")


class Client:
    """One connection of one person."""

    def __init__(self, port, key, model):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self.headers = {"Authorization": "Bearer " + key, "Content-Type": "application/json"}
        self.model = model

    def ask(self, prompt, max_tokens, stop=lambda: False):
        """Seconds to the first token."""
        body = {"model": self.model, "prompt": prompt, "max_tokens": max_tokens, "stream": True,
                "ignore_eos": True}  # fmt: skip
        begin = time.perf_counter()
        self.connection.request("POST", "/v1/completions", json.dumps(body), self.headers)
        answer = self.connection.getresponse()
        if answer.status != 200:
            raise SystemExit(f"{answer.status}: {answer.read().decode()}")
        first = None
        while line := answer.readline():
            if line.startswith(b"data: {") and first is None:
                if json.loads(line[6:])["choices"][0]["text"]:
                    first = time.perf_counter() - begin
            if stop():
                self.connection.close()
                break
        return first


def model_of(port, key):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/v1/models", headers={"Authorization": "Bearer " + key})
    return json.loads(connection.getresponse().read())["data"][0]["id"]


def mann_whitney(a, b):
    """One-sided p that `a` is not smaller than `b` (Mann and Whitney 1947, normal approximation with
    correction for continuity and ties)."""
    ranked = sorted([(x, 0) for x in a] + [(x, 1) for x in b])
    rank_sum, ties, i = 0.0, 0.0, 0
    while i < len(ranked):
        j = i
        while j < len(ranked) and ranked[j][0] == ranked[i][0]:
            j += 1
        rank_sum += (i + j + 1) / 2 * sum(1 for k in range(i, j) if ranked[k][1] == 0)
        ties += (j - i) ** 3 - (j - i)
        i = j
    n, m, both = len(a), len(b), len(a) + len(b)
    u = rank_sum - n * (n + 1) / 2
    deviation = math.sqrt(n * m / 12 * (both + 1 - ties / (both * (both - 1))))
    return 0.5 * math.erfc(-(u - n * m / 2 + 0.5) / deviation / math.sqrt(2)) if deviation else 1.0


def random_prompt(dice, n_tokens):
    return [dice.randrange(1000, 20000) for _ in range(n_tokens)]


def cache(args):
    dice = random.Random(args.seed)
    times = {"own": [], "another's": [], "nobody's": []}
    with server(args) as (port, keys):
        model = model_of(port, keys[0])
        ann, bob = (Client(port, key, model) for key in keys)
        for round_ in range(args.samples + 3):
            prompts = {kind: random_prompt(dice, args.tokens) for kind in times}
            ann.ask(prompts["own"], 1)
            bob.ask(prompts["another's"], 1)
            kinds = list(times)
            dice.shuffle(kinds)
            for kind in kinds:
                seconds = ann.ask(prompts[kind], 1)
                if round_ >= 3:  # warm
                    times[kind].append(seconds)
    medians = {kind: statistics.median(some) for kind, some in times.items()}
    for kind, some in times.items():
        print(f"{kind:10} median {medians[kind] * 1e3:8.2f} ms   n {len(some)}")
    apart = abs(medians["another's"] / medians["nobody's"] - 1)
    print(f"medians of another's and nobody's differ by {apart:.2%}")
    for kind in ("another's", "own"):
        p = mann_whitney(times[kind], times["nobody's"])
        print(f"{kind} against nobody's: p = {p:.3g}")
    return 0 if apart <= 0.05 and p < 1e-6 else 1


def flood(args):
    dice = random.Random(args.seed)
    stopping = threading.Event()
    with server(args, "--max-running", str(args.running)) as (port, keys):
        model = model_of(port, keys[0])

        def quiet(key):
            client = Client(port, key, model)
            some = []
            for _ in range(args.samples):
                some.append(client.ask(random_prompt(dice, args.tokens), 1))
                time.sleep(0.02)
            return statistics.median(some)

        def run_stream(seed):
            own = random.Random(seed)
            client = Client(port, keys[1], model)
            while not stopping.is_set():
                client.ask(random_prompt(own, args.tokens), 128, stopping.is_set)

        quiet(keys[0])
        alone = quiet(keys[0])
        threads = [threading.Thread(target=run_stream, args=(1000 + i,)) for i in range(args.streams)]
        for thread in threads:
            thread.start()
        time.sleep(2)
        fair = quiet(keys[0])
        unfair = quiet(keys[1])
        stopping.set()
        for thread in threads:
            thread.join()
    print(f"{args.streams} streams of one person, {args.running} places, prompts of {args.tokens} tokens")
    print(f"alone                                median {alone * 1e3:8.1f} ms")
    print(f"beside the flood, as another person  median {fair * 1e3:8.1f} ms")
    print(f"beside the flood, as the same person median {unfair * 1e3:8.1f} ms   (no fair share)")
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=["cache", "flood"])
    parser.add_argument("--model", required=True)
    parser.add_argument("--binary", default="build/release/bin/maru")
    parser.add_argument("--samples", type=int)
    parser.add_argument("--tokens", type=int, default=192)
    parser.add_argument("--streams", type=int, default=32)
    parser.add_argument("--running", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    if args.samples is None:
        args.samples = 60 if args.what == "cache" else 12
    raise SystemExit(cache(args) if args.what == "cache" else flood(args))


if __name__ == "__main__":
    main()
