"""From exec to ready, and the memory that a server takes before and after its KV cache is filled."""

import pathlib
import time

from .environment import Environment
from .peer import Peer, Setting
from .results import say
from .servers import Server, start_maru, start_peer
from .serving import request
from .stats import ratios, run_pairs, spread
from .stream import Client

POSITIONS = 32_768
N_STARTS = 9


def measure_start(env: Environment, peer: Peer | None, model: pathlib.Path) -> dict:
    """Of Maru's second and later starts: the first one leaves packed weights behind."""
    say(f"start, {model.name}")
    env.clear_home()
    with start_maru(env, model) as server:
        first = server.seconds
        time.sleep(3)

    def ours(_) -> tuple:
        with start_maru(env, model) as server:
            return server.seconds, server.memory()

    def theirs(_) -> tuple:
        if peer is None:
            return 1.0, 0
        with start_peer(peer, model, Setting(), 8192, 1) as server:
            return server.seconds, server.memory()

    pairs = run_pairs(N_STARTS, ours, theirs)
    line = {
        "bench": "startup",
        "what": "start to ready",
        "model": model.name,
        "maru_first_s": first,
        "maru_s": spread([a[0] for a, _ in pairs]),
        "maru_pss_mb": spread([a[1] / 1e6 for a, _ in pairs]),
    }
    if peer is not None:
        line["peer_s"] = spread([b[0] for _, b in pairs])
        line["peer_pss_mb"] = spread([b[1] / 1e6 for _, b in pairs])
        line["ratio"] = ratios([(a[0], b[0]) for a, b in pairs])
    return line


def fill(server: Server, env: Environment, model: pathlib.Path, context: int) -> None:
    """Prompts of a whole context each that share no beginning, until POSITIONS hold values."""
    words = env.info(model)["vocab_size"] // 2
    for i in range(POSITIONS // context):
        ids = [1000 + (i * 7919 + at * 31) % words for at in range(context - 1)]
        Client(server.port).ask(request(model, ids, 1))


def measure_memory_filled(env: Environment, peer: Peer | None, model: pathlib.Path) -> dict:
    """Proportional set size with POSITIONS of Q8 KV."""
    say(f"memory with {POSITIONS} positions, {model.name}")
    kv_type = "q8_0" if env.supports_kv_type("q8_0") else "f16"
    context = min(8192, env.info(model)["context_length"])
    memory = env.info(model, "--kv-type", kv_type)["memory"]
    kv = memory["kv_bytes_per_token"] * POSITIONS
    # Room for what is filled and for the page that a request holds beyond it.
    room = int(kv * 1.1 / (1 << 20)) + 16
    flags = ["--kv-type", kv_type, "--kv-memory-mib", room, "--context", context]
    with start_maru(env, model, *flags) as server:
        empty = server.memory()
        fill(server, env, model, context)
        filled = server.memory()
    line = {
        "bench": "startup",
        "what": f"memory with {POSITIONS} positions",
        "model": model.name,
        "kv_type": kv_type,
        "maru_ready_mb": empty / 1e6,
        "maru_filled_mb": filled / 1e6,
        "weights_mb": env.weight_bytes(model) / 1e6,
        "kv_mb": kv / 1e6,
        "beyond_mb": (filled - env.weight_bytes(model) - kv) / 1e6,
    }
    if peer is not None:
        with start_peer(peer, model, Setting(), context, POSITIONS // context) as server:
            line["peer_ready_mb"] = server.memory() / 1e6
            fill(server, env, model, context)
            line["peer_filled_mb"] = server.memory() / 1e6
    return line
