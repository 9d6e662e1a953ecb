"""Chats with the real SmolLM2-135M-Instruct: what stays in the cache between turns."""

import time

import pytest
from servers import made, model_file, real_server

PAGE = 64  # tokens: the cache keeps whole pages


@pytest.fixture(scope="module")
def server():
    with real_server(model_file("SmolLM2-135M-Instruct.Q4_1.gguf")) as running:
        yield running


@pytest.fixture
def http(server):
    with server.http() as client:
        yield client


def turn(http, chat, content):
    """A question and its answer, as the page asks for them; gives the ended answer."""
    question = made(http.post(f"/api/chats/{chat}/messages", json={"content": content}))["id"]
    settings = {"max_tokens": 24, "temperature": 0}
    return ended(http, made(http.post(f"/api/messages/{question}/answer", json=settings))["id"])


def ended(http, message):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        found = made(http.get(f"/api/messages/{message}"), 200)
        if found["state"] != "running":
            return found
        time.sleep(0.02)
    raise AssertionError("the answer does not end")


def title_after(http, chat, before):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        title = made(http.get(f"/api/chats/{chat}"), 200)["title"]
        if title != before:
            return title
        time.sleep(0.02)
    raise AssertionError("the chat gets no title")


def test_the_second_turn_of_a_long_chat_computes_only_the_new_tokens(server, http):
    story = "A maru is the open wooden floor of a Korean house. " * 320  # about 4,000 tokens
    chat = made(http.post("/api/chats", json={}))["id"]
    first = turn(http, chat, "Remember this.\n" + story + "\nWhat is a maru?")
    usage = first["extra"]["usage"]
    assert usage["prompt_tokens"] > 3_800
    assert usage["cached_tokens"] < PAGE

    cached_before = server.metric("maru_engine_tokens_total", kind="cached")
    assert made(http.post(f"/api/chats/{chat}/title", json={}), 202) == {"started": True}
    assert 0 < len(title_after(http, chat, "Remember this.")) <= 61
    cached = server.metric("maru_engine_tokens_total", kind="cached") - cached_before
    assert cached >= usage["prompt_tokens"] - PAGE, "the title read the conversation anew"

    second = turn(http, chat, "And what is it made of?")["extra"]["usage"]
    new_tokens = second["prompt_tokens"] - usage["prompt_tokens"]
    assert new_tokens < 24 + 40  # the first answer and the second question
    computed = second["prompt_tokens"] - second["cached_tokens"]
    assert computed < new_tokens + PAGE, second


def test_a_cut_answer_goes_on_without_reading_anew(http):
    chat = made(http.post("/api/chats", json={}))["id"]
    first = turn(http, chat, "Count from one to fifty in words, separated by commas.")
    assert first["extra"]["finish"] == "length"
    again = {"max_tokens": 16, "temperature": 0}
    made(http.post(f"/api/messages/{first['id']}/continue", json=again), 200)
    second = ended(http, first["id"])
    assert second["content"].startswith(first["content"])
    assert len(second["content"]) > len(first["content"])
    usage = second["extra"]["usage"]
    assert usage["cached_tokens"] >= first["extra"]["usage"]["prompt_tokens"] - PAGE
    # It is what one longer answer would have been.
    question = made(http.get(f"/api/messages/{first['id']}"), 200)["parent"]
    whole = made(http.post(f"/api/messages/{question}/answer", json={"max_tokens": 40, "temperature": 0}))
    assert ended(http, whole["id"])["content"] == second["content"]
