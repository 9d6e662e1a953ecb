"""Data in PostgreSQL instead of SQLite: the store's own suites, and a server that is killed, and whose
database is killed. MARU_LONG=1: more rounds."""

import os
import pathlib
import random
import subprocess
import sys
import threading
import time

import httpx
import pytest
from postgresql import PASSWORD, postgresql
from servers import in_threads, made, model_file, real_server, required, scripted_server

IS_LONG = bool(os.environ.get("MARU_LONG"))
N_ROUNDS = 40 if IS_LONG else 3
# Of the suites that need a file of SQLite.
ONLY_SQLITE = "PowerLoss*:FullDisk*:Restore*:Sqlite*"


@pytest.fixture(scope="module")
def server():
    with postgresql() as running:
        yield running


@pytest.fixture
def empty(server):
    server.psql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    yield server
    server.psql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")


def run_suite(url, name, tests):
    run = subprocess.run(
        [pathlib.Path(required("MARU_BUILD_BIN")) / name, f"--gtest_filter={tests}", "--gtest_brief=1"],
        env={**os.environ, "MARU_DATABASE_URL": url},
        capture_output=True,
        text=True,
        timeout=1200,
    )
    return name, run.returncode, run.stdout + run.stderr


def test_the_suites_of_the_store_and_of_those_who_use_it_pass_on_postgresql():
    # These prove nothing about power: without fsync and such they take half as long.
    lax = {"fsync": "off", "full_page_writes": "off", "wal_level": "minimal", "max_wal_senders": 0}
    with postgresql(**lax, autovacuum="off") as database:
        suites = {
            "maru_store_test": f"-{ONLY_SQLITE}",
            "maru_service_test": "Chats*:Runs*:Metering*:SignIn*:Egress*:SpendingRules*:ServerSettings*",
        }
        done = in_threads([lambda s=s: run_suite(database.url, *s) for s in suites.items()])
        for name, code, output in done:
            assert code == 0, f"{name}:\n{output}"
            assert PASSWORD not in output
        left = database.psql("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'maru_test_%'")
        assert left == "0"


@pytest.mark.parametrize("suite", ["test_chats.py", "test_chats_people.py"])
def test_the_api_of_chats_passes_on_postgresql(empty, monkeypatch, suite):
    monkeypatch.setenv("MARU_TEST_DATABASE", empty.url)
    monkeypatch.setenv("MARU_DATABASE_URL", empty.url)
    path = pathlib.Path(__file__).with_name(suite)
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-m", "not sqlite", path]
    run = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stdout
    assert int(empty.psql("SELECT count(*) FROM messages")) > 0


class Writer(threading.Thread):
    """Says one thing after another in a chat of its own; keeps its own list of what was acknowledged.
    `goes_on`: through errors, until it is told to stop."""

    def __init__(self, url, name, goes_on=False):
        super().__init__()
        self.url, self.label, self.goes_on = url, name, goes_on
        self.told_to_stop = threading.Event()
        self.chat, self.acknowledged, self.refusals = None, [], []

    def run(self):
        with httpx.Client(base_url=self.url, timeout=30, trust_env=False) as http:
            i = 0
            while not self.told_to_stop.is_set():
                i += 1
                try:
                    if not self.say(http, f"{self.label} says {i}") and not self.goes_on:
                        return
                except httpx.HTTPError:
                    return  # the server is gone

    def say(self, http, content):
        if self.chat is None:
            answer = http.post("/api/chats", json={"settings": {"model": "plain"}})
            if answer.status_code == 201:
                self.chat = answer.json()["id"]
        if self.chat is not None:
            answer = http.post(f"/api/chats/{self.chat}/messages", json={"content": content})
            if answer.status_code == 201:
                self.acknowledged.append(content)
        if answer.status_code != 201:
            self.refusals.append(answer)
            time.sleep(0.02)
        return answer.status_code == 201


def check_nothing_is_lost(database, writers):
    there = set(database.psql("SELECT content FROM messages").splitlines())
    for writer in writers:
        lost = [content for content in writer.acknowledged if content not in there]
        assert not lost, lost[:10]


def test_nothing_acknowledged_is_lost_when_the_server_is_killed(server):
    writers = []
    for round_ in range(N_ROUNDS):
        with scripted_server(database=server.url, refresh_ms=50) as running:
            now = [Writer(running.url, f"k{round_}w{i}") for i in range(4)]
            for writer in now:
                writer.start()
            time.sleep(random.Random(round_).uniform(0.2, 0.6))
            running.kill()
            for writer in now:
                writer.join(timeout=60)
            writers += now
    with scripted_server(database=server.url):
        check_nothing_is_lost(server, writers)
    assert sum(len(writer.acknowledged) for writer in writers) > 10 * N_ROUNDS


def test_a_server_outlives_its_database(server):
    with scripted_server(database=server.url, refresh_ms=50) as running:
        writers = [Writer(running.url, f"o{i}", goes_on=True) for i in range(4)]
        for writer in writers:
            writer.start()
        for round_ in range(N_ROUNDS):
            before = [len(writer.acknowledged) for writer in writers]
            wait_for(lambda b=before: all(len(w.acknowledged) > n for w, n in zip(writers, b)))
            server.kill()
            n_refusals = [len(writer.refusals) for writer in writers]
            wait_for(lambda n=n_refusals: all(len(w.refusals) > k for w, k in zip(writers, n)))
            with running.http() as http:
                assert http.get("/health").status_code == 200
                refused = http.get("/api/chats")
                assert refused.status_code == 503 and PASSWORD not in refused.text
            server.start()
        before = [len(writer.acknowledged) for writer in writers]
        wait_for(lambda: all(len(w.acknowledged) > n for w, n in zip(writers, before)))
        for writer in writers:
            writer.told_to_stop.set()
            writer.join(timeout=60)
            assert {answer.status_code for answer in writer.refusals} == {503}
            assert all(PASSWORD not in answer.text for answer in writer.refusals)
        check_nothing_is_lost(server, writers)
        assert "answers again" in running.log
        assert PASSWORD not in running.log


def wait_for(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "nothing came of it in a minute"
        time.sleep(0.02)


def test_maru_serve_chats_and_meters_on_postgresql(tmp_path, monkeypatch, empty):
    monkeypatch.setenv("MARU_DATABASE_URL", empty.url)
    model = model_file("SmolLM2-135M-Instruct.Q4_1.gguf")
    with real_server(model, "--context", "512", home=tmp_path) as running, running.http() as http:
        chat = made(http.post("/api/chats", json={"settings": {"max_tokens": 8}}))["id"]
        words = {"content": "어제 주간회의록을 썼습니다"}
        question = made(http.post(f"/api/chats/{chat}/messages", json=words))["id"]
        answer = made(http.post(f"/api/messages/{question}/answer"))["id"]
        wait_for(lambda: made(http.get(f"/api/messages/{answer}"), 200)["state"] != "running")
        for query in ("회의", "주간회의록", "록을"):
            hits = made(http.get("/api/search", params={"query": query}), 200)["data"]
            assert [hit["message"] for hit in hits] == [question], query
        wait_for(lambda: empty.psql("SELECT count(*) FROM usage WHERE closed_at IS NOT NULL") == "1")
        running.kill()
        assert PASSWORD not in running.log
    assert not (tmp_path / "maru.db").exists()
    with real_server(model, "--context", "512", home=tmp_path) as running, running.http() as http:
        saved = made(http.get(f"/api/chats/{chat}/messages"), 200)["data"]
        assert [message["id"] for message in saved] == [question, answer]
    rows = empty.psql("SELECT tokens_in > 0, tokens_out, outcome FROM usage").splitlines()
    assert len(rows) == 1 and rows[0].startswith("t|"), rows

    def maru(*words):
        return subprocess.run(
            [required("MARU_BINARY"), *words],
            env={**os.environ, "MARU_HOME": str(tmp_path)},
            input="a long password\n",
            capture_output=True,
            text=True,
        )

    added = maru("users", "add", "ann")
    assert added.returncode == 0, added.stderr
    listed = maru("users", "list")
    assert "ann" in listed.stdout and not (tmp_path / "maru.db").exists()
    assert maru("usage").returncode == 0
    assert maru("audit", "verify").returncode == 0
    for words in (["backup", str(tmp_path / "copy.db")], ["restore", str(tmp_path / "copy.db")]):
        refused = maru(*words)
        assert refused.returncode == 2 and "pg_" in refused.stderr, refused.stderr
        assert PASSWORD not in refused.stderr
    assert PASSWORD not in maru("config").stdout


def test_a_database_that_is_not_there_is_an_error_without_the_password(tmp_path, monkeypatch):
    for url in (
        f"postgresql://maru:{PASSWORD}@127.0.0.1:1/maru",  # not encoded
        "postgresql://maru:canary-7d1f@127.0.0.1:1/maru",
    ):
        monkeypatch.setenv("MARU_DATABASE_URL", url)
        run = subprocess.run(
            [required("MARU_BINARY"), "users", "list"],
            env={**os.environ, "MARU_HOME": str(tmp_path)},
            capture_output=True,
            text=True,
        )
        assert run.returncode in (1, 2) and "canary" not in run.stdout + run.stderr, run.stderr
        assert "database_url" in run.stderr
