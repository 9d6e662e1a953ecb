"""Maru's server and llama-server as processes: start, ready, memory, stop."""

import http.client
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time

from .environment import Environment
from .peer import Peer, Setting

POLL_SECONDS = 0.0005
WAIT_SECONDS = 120


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def proportional_bytes(smaps_rollup: str) -> int:
    """Pss of /proc/PID/smaps_rollup: pages shared by n processes count as 1/n."""
    for line in smaps_rollup.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise ValueError("no line Pss:")


class Server:
    """A started server; use as a context. `seconds`: from exec to the first 200 of `ready_path`."""

    def __init__(self, command: list, port: int, ready_path: str):
        self.port = port
        self._log = tempfile.TemporaryFile()
        start = time.perf_counter()
        self.process = subprocess.Popen(
            [str(c) for c in command],
            stdout=subprocess.DEVNULL,
            stderr=self._log,
        )
        while not answers(port, ready_path):
            if self.process.poll() is not None or time.perf_counter() - start > WAIT_SECONDS:
                self.stop()
                self._log.seek(0)
                said = self._log.read().decode(errors="replace").strip()[-600:]
                self._log.close()
                sys.exit(f"error: {' '.join(map(str, command))} did not become ready:\n{said}")
            time.sleep(POLL_SECONDS)
        self.seconds = time.perf_counter() - start

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        self._log.close()

    def memory(self) -> int:
        rollup = pathlib.Path(f"/proc/{self.process.pid}/smaps_rollup")
        return proportional_bytes(rollup.read_text(encoding="utf-8"))

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def start_maru(env: Environment, model: pathlib.Path, *flags) -> Server:
    port = free_port()
    command = [env.binary("maru"), "serve", "--model", model, "--port", port]
    command += ["--threads", env.threads, "--log-level", "error", *flags]
    return Server(command, port, "/ready")


def start_peer(peer: Peer, model: pathlib.Path, setting: Setting, context: int, n: int) -> Server:
    """With `n` slots of `context` tokens each."""
    port = free_port()
    command = [peer.binary("llama-server", setting.build), "-m", model, "--port", port]
    command += ["--host", "127.0.0.1", "-t", peer.env.threads, "--parallel", n]
    command += ["-c", context * n, *setting.server_flags()]
    return Server(command, port, "/health")


def model_name(model: pathlib.Path) -> str:
    """As maru serve calls it; llama-server takes any name."""
    return model.name.removesuffix(".gguf")
