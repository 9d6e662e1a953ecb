"""A server killed under load: each admitted request has exactly one row, which says what the client
received and at most 32 tokens more. MARU_LONG=1: 200 kills."""

import json
import os
import random
import sqlite3
import threading
import time

import httpx
from servers import scripted_server

N_KILLS = 200 if os.environ.get("MARU_LONG") else 10
N_CLIENTS = 8
AHEAD = 32
HI = [{"role": "user", "content": "hi"}]


class Client(threading.Thread):
    """Asks again and again; keeps its own list of what came."""

    def __init__(self, url, name, seed):
        super().__init__()
        self.url, self.label, self.random = url, name, random.Random(seed)
        self.received = {}  # request id -> tokens, once the status was 200
        self.finished = {}  # request id -> the usage that was sent
        self.refused = 0

    def run(self):
        for i in range(10_000):
            try:
                with httpx.Client(base_url=self.url, timeout=30, trust_env=False) as http:
                    self.ask(http, f"{self.label}-{i}")
            except httpx.HTTPError:
                return  # the server is gone

    def ask(self, http, request_id):
        body = {
            "model": self.random.choice(["long", "plain"]),
            "messages": HI,
            "stream": True,
            "logprobs": True,
            "max_tokens": self.random.randint(1, 300),
            "stream_options": {"include_usage": True},
        }
        headers = {"x-request-id": request_id}
        with http.stream("POST", "/v1/chat/completions", json=body, headers=headers) as answer:
            assert answer.status_code == 200, answer.read()
            self.received[request_id] = 0
            for line in answer.iter_lines():
                if not line.startswith("data: {"):
                    continue
                chunk = json.loads(line[6:])
                assert "error" not in chunk, chunk
                for choice in chunk["choices"]:
                    if choice.get("logprobs"):
                        self.received[request_id] += len(choice["logprobs"]["content"])
                if chunk.get("usage"):
                    self.finished[request_id] = chunk["usage"]


def read_rows(path):
    with sqlite3.connect(path) as database:
        database.row_factory = sqlite3.Row
        return [dict(row) for row in database.execute("SELECT * FROM usage")]


def kill_once(path, round_):
    dice = random.Random(round_)
    with scripted_server(database=path) as server:
        clients = [Client(server.url, f"r{round_}c{i}", round_ * 100 + i) for i in range(N_CLIENTS)]
        for client in clients:
            client.start()
        time.sleep(dice.uniform(0.02, 0.7))
        server.kill()
        for client in clients:
            client.join(timeout=60)
            assert not client.is_alive()
    return clients


def test_no_request_is_lost_and_none_is_counted_twice(tmp_path):
    path = str(tmp_path / "maru.db")
    clients = []
    for round_ in range(N_KILLS):
        clients += kill_once(path, round_)
    with scripted_server(database=path):
        pass  # closes what the last kill left open
    rows = {}
    for row in read_rows(path):
        assert row["request_id"] not in rows, "two rows for one request"
        rows[row["request_id"]] = row
    n_cut = 0
    for client in clients:
        for request_id, n_received in client.received.items():
            row = rows[request_id]
            assert row["closed_at"] is not None
            if row["outcome"] == "interrupted":
                assert n_received <= row["tokens_out"] <= n_received + AHEAD, (row, n_received)
                n_cut += n_received > 0
            else:
                # An end token is counted and has no text.
                assert 0 <= row["tokens_out"] - n_received <= 1 or request_id not in client.finished
            if request_id in client.finished and row["outcome"] != "interrupted":
                assert row["tokens_out"] == client.finished[request_id]["completion_tokens"]
                assert row["tokens_in"] == client.finished[request_id]["prompt_tokens"]
    assert n_cut >= N_KILLS, "the kills must meet running answers"
    assert {row["outcome"] for row in rows.values()} <= {"interrupted", "stop", "length", "client_left"}
    with sqlite3.connect(path) as database:
        columns = {row[1] for row in database.execute("PRAGMA table_info(usage)")}
    assert not columns & {"prompt", "text", "content", "messages"}
