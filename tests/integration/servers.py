"""Starts and stops the servers that suites talk to; no test lives here."""

import contextlib
import functools
import json
import os
import pathlib
import re
import socket
import subprocess
import tempfile
import threading
import time

import httpx

ROOT = pathlib.Path(__file__).resolve().parents[2]


def made(response, status=201):
    assert response.status_code == status, response.text
    return response.json()


def required(variable):
    value = os.environ.get(variable)
    if not value:
        raise RuntimeError(f"{variable} is not set; run this through script/test")
    return value


def model_file(name):
    path = pathlib.Path(required("MARU_TEST_MODELS")) / name
    if not path.is_file():
        raise RuntimeError(f"{path} is missing (MARU_TEST_MODELS; script/bootstrap --test makes it)")
    return path


@functools.cache
def error_reasons():
    """docs/api/openapi.json: the names of the values that come with each reason, by reason."""
    openapi = json.loads((ROOT / "docs/api/openapi.json").read_text(encoding="utf-8"))
    schema = openapi["components"]["schemas"]["ErrorReason"]
    return {reason: schema["x-values"].get(reason, []) for reason in schema["enum"]}


# What HTTP itself refuses has a code alone.
OF_HTTP = {"unknown_url", "method_not_allowed", "unsupported_media_type", "upgrade_required",
           "request_too_large", "header_too_large", "request_timeout", "internal_error"}  # fmt: skip


def check_refusal(response):
    """Under /api/ an error has a reason that the page knows (web/src/i18n/errors.*.json)."""
    is_json = response.headers.get("content-type", "").startswith("application/json")
    if response.status_code < 400 or not is_json:
        return
    response.read()
    error = response.json()["error"]
    path = response.request.url.path
    if not path.startswith("/api/"):
        assert set(error) == {"message", "type", "param", "code"}, (path, error)
    elif error["code"] not in OF_HTTP and (error["code"] or "reason" in error):
        reasons = error_reasons()
        assert error["reason"] in reasons, (path, error)
        assert sorted(error.get("values", {})) == sorted(reasons[error["reason"]]), (path, error)
        is_own = error["reason"] not in {"unauthenticated", "forbidden", "not_found", "conflict", "rate_limited"}
        assert is_own, f"{path}: {error} has no reason of its own, so people cannot be told it"


class Server:
    """A running server: `url`, its `log` so far, and a fresh httpx client."""

    def __init__(self, process, port, log_path):
        self.process = process
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._log_path = log_path
        self.was_killed = False

    def kill(self):
        """As a power cut or the kernel's lack of memory ends it."""
        self.was_killed = True
        self.process.kill()
        self.process.wait(timeout=30)

    @property
    def log(self):
        return self._log_path.read_text(encoding="utf-8", errors="replace")

    def log_with(self, text):
        """The log, once it holds `text`: a request is logged a moment after its client has the answer."""
        deadline = time.monotonic() + 30
        while text not in self.log and time.monotonic() < deadline:
            time.sleep(0.02)
        assert text in self.log
        return self.log

    def http(self, **kwargs):
        """Whatever a suite does with it, what is refused is told as the contract has it."""
        hooks = {"response": [check_refusal]}
        return httpx.Client(base_url=self.url, timeout=60, trust_env=False, event_hooks=hooks, **kwargs)

    def metric(self, name, **labels):
        """The value of one sample, 0 if there is none."""
        for line in self.http().get("/metrics").text.splitlines():
            match = re.match(r"^(\w+)(?:\{(.*)\})? (\S+)$", line)
            if not match or match.group(1) != name:
                continue
            found = dict(re.findall(r'(\w+)="([^"]*)"', match.group(2) or ""))
            if all(found.get(key) == value for key, value in labels.items()):
                return float(match.group(3))
        return 0.0

    def wait_for_metric(self, name, value, **labels):
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if self.metric(name, **labels) == value:
                return
            time.sleep(0.02)
        raise AssertionError(f"{name}{labels} is {self.metric(name, **labels)}, not {value}")


@contextlib.contextmanager
def scripted_server(**settings):
    """`database`: the file of one; MARU_TEST_DATABASE says of another to be used instead."""
    if "database" in settings:
        settings["database"] = os.environ.get("MARU_TEST_DATABASE", settings["database"])
    binary = pathlib.Path(required("MARU_BUILD_BIN")) / "maru_scripted_server"
    model = model_file("SmolLM2-135M-Instruct.Q4_1.gguf")
    with tempfile.TemporaryDirectory() as folder:
        log_path = pathlib.Path(folder) / "log"
        with open(log_path, "wb") as log:
            process = subprocess.Popen(
                [binary, model, *(f"{key}={value}" for key, value in settings.items())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        server = None
        try:
            line = process.stdout.readline()
            if not line:
                raise RuntimeError("the scripted server did not start:\n" + log_path.read_text())
            server = Server(process, int(line), log_path)
            yield server
        finally:
            process.stdin.close()
            process.stdout.close()
            code = process.wait(timeout=30)
            assert code == 0 or (server and server.was_killed), log_path.read_text()


@contextlib.contextmanager
def real_server(model, *flags, home=None):
    """`maru serve` as a user starts it, on a free port of loopback. `home`: a data folder to keep.
    `model`: None where the settings choose."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        log_path = pathlib.Path(folder) / "log"
        environment = {**os.environ, "MARU_HOME": str(home or folder)}
        named = [] if model is None else ["--model", model]
        with open(log_path, "wb") as log:
            process = subprocess.Popen(
                [required("MARU_BINARY"), "serve", *named, "--port", str(port), *flags],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
            )
        server = Server(process, port, log_path)
        try:
            wait_until_ready(server)
            yield server
        finally:
            process.terminate()
            code = process.wait(timeout=60)
            assert code == 0 or server.was_killed, server.log


def wait_until_ready(server):
    deadline = time.monotonic() + 120
    with server.http() as http:
        while time.monotonic() < deadline:
            if server.process.poll() is not None:
                raise RuntimeError("the server ended:\n" + server.log)
            try:
                if http.get("/ready").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
    raise RuntimeError("the server is not ready after two minutes:\n" + server.log)


def in_threads(functions):
    """Runs all at once; gives their results in order."""
    results = [None] * len(functions)

    def run(index):
        results[index] = functions[index]()

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(functions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
