"""Many clients at once: idle connections, streams of /v1, and WebSockets that follow runs. Prints
figures (pytest -s); MARU_LONG=1: 1,000 clients and 64 streams instead of 200 and 16."""

import asyncio
import json
import os
import resource
import statistics
import time

import httpx
import websockets.asyncio.client
from servers import scripted_server

LONG = os.environ.get("MARU_LONG") == "1"
N_CLIENTS, N_STREAMS = (1000, 64) if LONG else (200, 16)
N_RUNS = N_STREAMS // 2  # the other half are streams of /v1
N_SOCKETS = N_CLIENTS // 2
MOST_MEGABYTES = 200  # a tenth of a megabyte for each client, and the program itself
HI = [{"role": "user", "content": "hi"}]


def memory_megabytes(server):
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS"))


async def ask_health(reader, writer):
    host = "%s:%d" % writer.get_extra_info("peername")
    writer.write(f"GET /health HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), head
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
    await reader.readexactly(int(length.split(b":")[1]))


async def stream(http):
    """The text of one stream of /v1, which must end as the protocol says."""
    text, ended = "", False
    body = {"model": "slow", "messages": HI, "stream": True}
    async with http.stream("POST", "/v1/chat/completions", json=body) as answer:
        assert answer.status_code == 200
        async for line in answer.aiter_lines():
            if line == "data: [DONE]":
                ended = True
            elif line.startswith("data: "):
                event = json.loads(line.removeprefix("data: "))
                text += event["choices"][0]["delta"].get("content") or ""
    assert ended
    return text


async def add_question(http):
    chat = (await http.post("/api/chats", json={"settings": {"model": "slow"}})).json()["id"]
    return (await http.post(f"/api/chats/{chat}/messages", json={"content": "hi"})).json()["id"]


async def start_run(http, question):
    begun = await http.post(f"/api/messages/{question}/answer", json={})
    assert begun.status_code == 201, begun.text
    return begun.json()["id"]


async def events(socket, message):
    async for told in socket:
        event = json.loads(told)
        assert event["type"] != "error", event
        if event.get("message") == message:
            yield event
    raise AssertionError("the WebSocket closed")


async def follow(gate, socket, message):
    """The text of a run, read to its end."""
    heard = events(socket, message)
    async with gate:
        await socket.send(json.dumps({"type": "follow", "message": message}))
        event = await anext(heard)
    text = b""
    while event["type"] != "ended":
        text = text[: event["offset"]] + event["text"].encode()
        event = await anext(heard)
    assert event["state"] == "complete"
    return text.decode()


async def open_all(n, make):
    """A few at a time, as clients come."""
    gate = asyncio.Semaphore(32)

    async def one():
        async with gate:
            return await make()

    return await asyncio.gather(*(one() for _ in range(n)))


async def load(server):
    figures = {"memory before, MB": memory_megabytes(server)}
    address = server.url.replace("http", "ws") + "/api/live"
    limits = httpx.Limits(max_connections=N_STREAMS + 8)
    async with httpx.AsyncClient(base_url=server.url, timeout=120, limits=limits, trust_env=False) as http:
        idle = await open_all(
            N_CLIENTS - N_SOCKETS, lambda: asyncio.open_connection("127.0.0.1", server.port)
        )
        await asyncio.gather(*(ask_health(*one) for one in idle))
        sockets = await open_all(
            N_SOCKETS,
            lambda: websockets.asyncio.client.connect(
                address, proxy=None, open_timeout=60
            ).__aenter__(),
        )
        questions = [await add_question(http) for _ in range(N_RUNS)]
        streams = [asyncio.create_task(stream(http)) for _ in range(N_STREAMS - N_RUNS)]
        runs = await asyncio.gather(*(start_run(http, question) for question in questions))
        gate = asyncio.Semaphore(32)
        readers = [
            asyncio.create_task(follow(gate, socket, runs[i % N_RUNS]))
            for i, socket in enumerate(sockets)
        ]
        taken = []
        while not all(task.done() for task in readers + streams):
            begin = time.monotonic()
            assert (await http.get("/health")).status_code == 200
            taken.append(time.monotonic() - begin)
            await asyncio.sleep(0.05)
        texts = await asyncio.gather(*streams)
        followed = await asyncio.gather(*readers)
        figures |= {
            "health meanwhile, ms (median)": statistics.median(taken) * 1000,
            "health meanwhile, ms (slowest)": max(taken) * 1000,
            "memory with all, MB": memory_megabytes(server),
        }
        assert texts == texts[:1] * len(texts) and len(texts[0]) > 10
        saved = {run: (await http.get(f"/api/messages/{run}")).json()["content"] for run in runs}
        assert followed == [saved[runs[i % N_RUNS]] for i in range(N_SOCKETS)]
        assert set(saved.values()) == {texts[0]}
        await asyncio.gather(*(ask_health(*one) for one in idle))  # nobody was cut off
        for _, writer in idle:
            writer.close()
        await asyncio.gather(*(socket.close() for socket in sockets))
    return figures


def test_many_clients_and_streams(tmp_path):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    with scripted_server(database=tmp_path / "maru.db", max_running=64) as server:
        figures = asyncio.run(load(server))
        assert figures["memory with all, MB"] < MOST_MEGABYTES
        with server.http() as http:
            assert http.get("/health").status_code == 200
        assert "Z error " not in server.log
    print(f"\n{N_CLIENTS} clients ({N_SOCKETS} WebSockets), {N_STREAMS} streams")
    for name, value in figures.items():
        print(f"{name}: {value:.1f}")
