"""Servers under load: streams at once, a long prompt beside a running answer, the first token."""

import pathlib
import statistics
import time

from .environment import Environment
from .peer import Peer, Setting
from .results import say
from .servers import Server, model_name, start_maru, start_peer
from .stats import latency, ratios, run_pairs, spread
from .stream import Client

PROMPT = 64
OUTPUTS = 256
FIRST_TOKEN_PROMPT = 1433
LONG_PROMPT = 4000


def request(model: pathlib.Path, ids: list, n: int) -> dict:
    """Greedy, and end-of-text is ignored: both servers have the same work."""
    return {
        "model": model_name(model),
        "prompt": ids,
        "max_tokens": n,
        "temperature": 0,
        "ignore_eos": True,
    }


# Prompts of different uses begin with different tokens, so that none finds the pages of another.
USES = ["first", "pause", "long", "streams 1", "streams 4", "streams 8", "streams 16", "streams 64"]


def window(ids: list, use: str, index: int, size: int) -> list:
    """The index-th piece of the text, behind a token that no other use and index has."""
    known = USES.index(use) if use in USES else len(USES)
    begin = index * size % (len(ids) - size)
    return [1000 + 2000 * known + index] + ids[begin : begin + size - 1]


def run_streams(server: Server, model, prompts: list, outputs: int) -> dict:
    client = Client(server.port)
    start = time.perf_counter()
    streams = [client.start(request(model, ids, outputs)) for ids in prompts]
    client.finish(*streams)
    taken = max(stream.times[-1] for stream in streams) - start
    n_tokens = sum(stream.usage["completion_tokens"] for stream in streams)
    if n_tokens != outputs * len(prompts):
        raise SystemExit(f"error: {n_tokens} tokens came, {outputs * len(prompts)} were asked for")
    return {
        "rate": n_tokens / taken,
        "first": [stream.first for stream in streams],
        "gaps": [gap for stream in streams for gap in stream.gaps],
    }


def maru_flags(n_streams: int) -> list:
    return ["--max-running", max(16, n_streams), "--max-waiting", max(64, n_streams)]


def peer_setting(env: Environment, peer: Peer, model, n: int) -> Setting:
    """The fastest in one short run each."""

    def rate(setting: Setting) -> float:
        with start_peer(peer, model, setting, PROMPT + OUTPUTS + 16, n) as server:
            prompts = [window(env.text_ids(model), "", i, PROMPT) for i in range(n)]
            return run_streams(server, model, prompts, 32)["rate"]

    return peer.choose((model, f"serving {n}"), peer.short_candidates(), rate)


def measure_streams(env: Environment, peer: Peer, model: pathlib.Path, n: int) -> dict:
    """Output tokens a second of n streams with distinct prompts; a fresh server for each run.

    Compared without speculation: greedy answers of small models past their end repeat themselves,
    which flatters guesses from earlier text. With it, Maru's figure stands in `maru_lookup`."""
    say(f"{n} streams of {PROMPT} + {OUTPUTS} tokens, {model.name}")
    ids = env.text_ids(model)
    setting = peer_setting(env, peer, model, n)

    def prompts(pair: int) -> list:
        return [window(ids, f"streams {n}", pair * n + i, PROMPT) for i in range(n)]

    def ours(pair: int, speculation: str = "off") -> dict:
        with start_maru(env, model, *maru_flags(n), "--speculation", speculation) as server:
            return run_streams(server, model, prompts(pair), OUTPUTS)

    def theirs(pair: int) -> dict:
        with start_peer(peer, model, setting, PROMPT + OUTPUTS + 16, n) as server:
            return run_streams(server, model, prompts(pair), OUTPUTS)

    pairs = run_pairs(env.n_pairs, ours, theirs)
    line = {
        "bench": "serving",
        "what": f"{n} streams",
        "model": model.name,
        "unit": "tokens/s",
        "maru": [a["rate"] for a, _ in pairs],
        "peer": [b["rate"] for _, b in pairs],
        "ratio": ratios([(a["rate"], b["rate"]) for a, b in pairs]),
        "peer_setting": str(setting),
    }
    guessed = [ours(env.n_pairs + i, "lookup")["rate"] for i in range(min(3, env.n_pairs))]
    line["maru_lookup"] = spread(guessed)
    for name, side in (("maru", 0), ("peer", 1)):
        line[f"{name}_first"] = latency([t for pair in pairs for t in pair[side]["first"]])
        line[f"{name}_gap"] = latency([t for pair in pairs for t in pair[side]["gaps"]])
    return line


def longest_pause(server: Server, model, ids: list, long_ids: list) -> float:
    """The longest gap of a stream while another's prompt is read, in seconds."""
    client = Client(server.port)
    stream = client.start(request(model, ids, 4000))
    while len(stream.times) < 32:
        client.poll()
    begin = time.perf_counter()
    other = client.start(request(model, long_ids, 1))
    client.finish(other)
    end = time.perf_counter()
    while not stream.done and stream.times[-1] < end:  # a gap that spans the end counts whole
        client.poll()
    if stream.done:
        raise SystemExit("error: the stream ended before the other's prompt was read")
    times = stream.times
    gaps = [b - a for a, b in zip(times, times[1:]) if b > begin and a < end]
    stream.socket.close()
    return max(gaps)


def measure_pause(env: Environment, peer: Peer | None, model: pathlib.Path) -> dict:
    """Of Maru in every pair; of the peer once, if it is given: its figure is seconds."""
    say(f"longest pause while a prompt of {LONG_PROMPT} arrives, {model.name}")
    ids = env.text_ids(model)

    def run(server: Server, i: int) -> float:
        long_ids = window(ids, "long", i, LONG_PROMPT)
        return longest_pause(server, model, window(ids, "pause", i, PROMPT), long_ids)

    ours = []
    for i in range(env.n_pairs):
        with start_maru(env, model) as server:
            ours.append(run(server, i))
    line = {
        "bench": "serving",
        "what": f"pause beside a prompt of {LONG_PROMPT}",
        "model": model.name,
        "maru_ms": spread([1e3 * t for t in ours]),
    }
    if peer is not None:
        with start_peer(peer, model, Setting(), 8192, 2) as server:
            line["peer_ms"] = 1e3 * run(server, 0)
    return line


def measure_first_token(env: Environment, peer: Peer, model: pathlib.Path) -> dict:
    """Seconds to the first token of a long prompt: cold, of the same prompt again, and after a
    restart; the peer's first two. The servers are ready and have seen nothing else."""
    say(f"first token of a prompt of {FIRST_TOKEN_PROMPT}, {model.name}")
    ids = env.text_ids(model)
    setting = peer.prompt_setting(model, 512)
    with start_maru(env, model):
        time.sleep(2)  # what is kept for later starts is written behind the first one

    def ask(server: Server, pair: int) -> float:
        prompt = window(ids, "first", pair, FIRST_TOKEN_PROMPT)
        return Client(server.port).ask(request(model, prompt, 4)).first

    def cached(server: Server, pair: int) -> float:
        return statistics.median(ask(server, pair) for _ in range(5))

    def ours(pair: int) -> dict:
        with start_maru(env, model) as server:
            cold, again = ask(server, pair), cached(server, pair)
            time.sleep(1)  # pages are written behind the answers
        with start_maru(env, model) as server:
            return {"cold": cold, "cached": again, "restarted": ask(server, pair)}

    def theirs(pair: int) -> dict:
        with start_peer(peer, model, setting, 2048, 1) as server:
            return {"cold": ask(server, pair), "cached": cached(server, pair)}

    pairs = run_pairs(env.n_pairs, ours, theirs)

    def against(mine: str, other: str) -> dict:
        return ratios([(a[mine], b[other]) for a, b in pairs])

    return {
        "bench": "serving",
        "what": f"first token of {FIRST_TOKEN_PROMPT}",
        "model": model.name,
        "maru_ms": {k: spread([1e3 * a[k] for a, _ in pairs]) for k in pairs[0][0]},
        "peer_ms": {k: spread([1e3 * b[k] for _, b in pairs]) for k in pairs[0][1]},
        "cold": against("cold", "cold"),
        "cached": against("cached", "cached"),
        "restarted": against("restarted", "cold"),
        "peer_setting": str(setting),
    }


def measure_serving(env: Environment, peer: Peer, model: pathlib.Path, counts: list, keep) -> None:
    """`keep` gets each line when it is there."""
    keep(measure_first_token(env, peer, model))
    keep(measure_pause(env, peer, model))
    for n in counts:
        keep(measure_streams(env, peer, model, n))
