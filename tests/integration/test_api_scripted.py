"""The API over the scripted engine, through the official client and through raw HTTP."""

import json
import socket
import time

import openai
import pytest
from servers import in_threads, scripted_server

PLAIN = "The maru is an open hall. 마루는 열린 공간 👋🏽 ok"
HI = [{"role": "user", "content": "hi"}]


def tokens_of(http, text):
    return http.post("/tokenize", json={"content": text, "model": "plain"}).json()["tokens"]


def prompt_of(http, messages, **more):
    body = {"messages": messages, "model": "plain", **more}
    return http.post("/apply-template", json=body).json()["prompt"]


# ---- models and tools


def test_models_are_listed_and_found(client):
    ids = [model.id for model in client.models.list()]
    assert "plain" in ids and "no-template" in ids
    model = client.models.retrieve("plain")
    assert (model.id, model.object, model.owned_by, model.created) == ("plain", "model", "maru", 1700000000)
    with pytest.raises(openai.NotFoundError) as error:
        client.models.retrieve("no/such model")
    assert error.value.code == "model_not_found"


def test_health_ready_and_metrics(http, server):
    assert http.get("/health").json() == {"status": "ok", "login": "not_needed"}
    assert http.get("/ready").json() == {"status": "ready"}
    before = server.metric("maru_http_requests_total", endpoint="health", status="200")
    assert http.head("/health").content == b""
    assert server.metric("maru_http_requests_total", endpoint="health", status="200") == before + 1
    answer = http.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")


def test_tokens_there_and_back(http):
    text = "안녕 <|im_end|> 👋🏽"
    tokens = tokens_of(http, text)
    back = http.post("/detokenize", json={"tokens": tokens, "model": "plain"})
    assert back.json() == {"content": text}
    special = http.post(
        "/tokenize", json={"content": "<|im_end|>", "parse_special": True, "model": "plain"}
    ).json()["tokens"]
    assert len(special) == 1 and len(tokens_of(http, "<|im_end|>")) > 1
    assert http.post("/detokenize", json={"tokens": special, "model": "plain"}).json() == {
        "content": "<|im_end|>"
    }


def test_apply_template(http):
    assert prompt_of(http, HI) == "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"
    assert prompt_of(http, HI, add_generation_prompt=False).endswith("<|im_end|>\n")
    assert "mood\ncalm" in prompt_of(http, HI, chat_template_kwargs={"mood": "calm"})


def test_the_model_may_be_left_out_only_if_there_is_one(http):
    answer = http.post("/tokenize", json={"content": "x"})
    assert answer.status_code == 404 and answer.json()["error"]["param"] == "model"


# ---- chat


def test_chat(client, http):
    answer = client.chat.completions.create(model="plain", messages=HI, temperature=0)
    assert answer.id.startswith("chatcmpl-") and answer.object == "chat.completion"
    assert answer.model == "plain" and abs(answer.created - time.time()) < 60
    (choice,) = answer.choices
    assert choice.index == 0 and choice.finish_reason == "stop" and choice.logprobs is None
    assert choice.message.role == "assistant" and choice.message.content == PLAIN
    special = http.post(
        "/tokenize", json={"content": prompt_of(http, HI), "parse_special": True, "model": "plain"}
    ).json()["tokens"]
    assert answer.usage.prompt_tokens == len(special)
    assert answer.usage.completion_tokens == len(tokens_of(http, PLAIN)) + 1  # and the end token
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_chat_stream(client):
    stream = client.chat.completions.create(
        model="plain", messages=HI, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert {chunk.id for chunk in chunks} == {chunks[0].id}
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    first, *middle, last, usage = chunks
    assert first.choices[0].delta.role == "assistant" and first.choices[0].delta.content == ""
    assert "".join(chunk.choices[0].delta.content for chunk in middle) == PLAIN
    assert all("\ufffd" not in chunk.choices[0].delta.content for chunk in middle)
    assert all(chunk.choices[0].finish_reason is None and chunk.usage is None for chunk in middle)
    assert last.choices[0].finish_reason == "stop" and not last.choices[0].delta.content
    assert usage.choices == []
    whole = client.chat.completions.create(model="plain", messages=HI)
    assert usage.usage.completion_tokens == whole.usage.completion_tokens
    assert usage.usage.prompt_tokens == whole.usage.prompt_tokens


def test_a_stream_ends_with_done_and_has_no_usage_unasked(http):
    body = {"model": "plain", "messages": HI, "stream": True}
    answer = http.post("/v1/chat/completions", json=body)
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.headers["cache-control"] == "no-cache"
    events = [e for e in answer.text.split("\n\n") if e]
    assert events[-1] == "data: [DONE]"
    assert all("usage" not in json.loads(e[6:]) for e in events[:-1])


def test_choices_interleave_and_prompt_counts_once(client):
    one = client.chat.completions.create(model="plain", messages=HI)
    three = client.chat.completions.create(model="plain", messages=HI, n=3)
    assert [c.index for c in three.choices] == [0, 1, 2]
    assert {c.message.content for c in three.choices} == {PLAIN}
    assert three.usage.prompt_tokens == one.usage.prompt_tokens
    assert three.usage.completion_tokens == 3 * one.usage.completion_tokens
    texts, order = {0: "", 1: "", 2: ""}, []
    for chunk in client.chat.completions.create(model="plain", messages=HI, n=3, stream=True):
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
            order.append(choice.index)
    assert set(texts.values()) == {PLAIN}
    assert order != sorted(order)


def test_parameters_reach_the_engine(client):
    answer = client.chat.completions.create(
        model="parameters",
        messages=HI,
        temperature=0.5,
        top_p=0.25,
        seed=7,
        max_completion_tokens=900,
        presence_penalty=-1,
        frequency_penalty=1.5,
        logit_bias={"5": -100, "9": 2.5},
        logprobs=True,
        top_logprobs=2,
        user="somebody",
        extra_body={"top_k": 11, "min_p": 0.125, "typical_p": 0.75, "repetition_penalty": 1.25},
    )
    assert answer.choices[0].message.content == (
        "temperature=0.5 top_k=11 top_p=0.25 min_p=0.125 typical_p=0.75 presence=-1 frequency=1.5 "
        "repetition=1.25 seed=7 max=900 top_logprobs=2 bias=5:-100,9:2.5,"
    )


def test_seeds(client):
    def seed_of(choice):
        return choice.message.content.split("seed=")[1].split()[0]

    def ask(**more):
        choices = client.chat.completions.create(model="parameters", messages=HI, **more).choices
        return [seed_of(c) for c in choices]

    assert ask() != ask()
    assert ask(seed=5) == ["5"]
    assert ask(seed=-1) == [str(2**64 - 1)]
    assert ask(seed=5, n=3) == ask(seed=5, n=3)
    assert len(set(ask(seed=5, n=3))) == 3 and ask(seed=5, n=3)[0] == "5"


@pytest.mark.parametrize(
    "stop, text",
    [("open", "The maru is an "), (["zzz", "는 열"], "The maru is an open hall. 마루"), ("The", "")],
)
def test_stop(client, stop, text):
    answer = client.chat.completions.create(model="plain", messages=HI, stop=stop)
    assert answer.choices[0].message.content == text
    assert answer.choices[0].finish_reason == "stop"
    chunks = client.chat.completions.create(model="plain", messages=HI, stop=stop, stream=True)
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == text


def test_length(client):
    answer = client.chat.completions.create(model="long", messages=HI, max_tokens=5)
    assert answer.choices[0].finish_reason == "length" and answer.usage.completion_tokens == 5


def test_empty_answer(client):
    answer = client.chat.completions.create(model="empty", messages=HI)
    assert answer.choices[0].message.content == "" and answer.usage.completion_tokens == 1


def test_cached_tokens(client):
    messages = [{"role": "user", "content": f"cache {time.time()}"}]
    client.chat.completions.create(model="echo", messages=HI)
    client.chat.completions.create(model="echo", messages=messages)
    second = client.chat.completions.create(model="echo", messages=messages)
    assert second.usage.prompt_tokens_details.cached_tokens == second.usage.prompt_tokens - 1


def test_chat_logprobs(client):
    answer = client.chat.completions.create(
        model="plain", messages=HI, logprobs=True, top_logprobs=3
    )
    content = answer.choices[0].logprobs.content
    assert bytes(b for token in content for b in token.bytes).decode() == PLAIN
    assert len(content) == answer.usage.completion_tokens - 1
    assert [token.logprob for token in content[:5]] == [-0.5, -1, -1.5, -2, -0.5]
    for token in content:
        assert len(token.top_logprobs) == 3
        assert token.top_logprobs[0].token == token.token
        try:
            assert bytes(token.bytes).decode() == token.token
        except UnicodeDecodeError:
            assert token.token == "bytes:" + "".join(f"\\x{b:02x}" for b in token.bytes)
    assert any(token.token.startswith("bytes:") for token in content)
    streamed = []
    for chunk in client.chat.completions.create(
        model="plain", messages=HI, logprobs=True, top_logprobs=3, stream=True
    ):
        if chunk.choices[0].logprobs:
            streamed += chunk.choices[0].logprobs.content
    assert streamed == content


def test_fields_that_ask_for_nothing(client):
    answer = client.chat.completions.create(
        model="plain",
        messages=[{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
        store=False,
        metadata={"a": "b"},
        service_tier="auto",
        parallel_tool_calls=True,
        response_format={"type": "text"},
        modalities=["text"],
        frequency_penalty=0,
        logprobs=False,
        n=1,
        tools=[{"type": "function", "function": {"name": "f", "parameters": {}}}],
        tool_choice="none",
        extra_body={"seed": None, "audio": None, "stop": None},
    )
    assert answer.choices[0].message.content == PLAIN


def test_an_answer_can_be_sent_back(client):
    answer = client.chat.completions.create(model="plain", messages=HI)
    history = HI + [answer.choices[0].message.model_dump(), *HI]
    assert client.chat.completions.create(model="plain", messages=history).usage.prompt_tokens > 20


def test_control_tokens_in_messages_are_text(client):
    def count(content):
        messages = [{"role": "user", "content": content}]
        return client.chat.completions.create(model="plain", messages=messages).usage.prompt_tokens

    assert count("<|im_end|>") > count("hi") + 2


# ---- completions


def test_completion(client, http):
    answer = client.completions.create(model="plain", prompt="hi", max_tokens=100)
    assert answer.id.startswith("cmpl-") and answer.object == "text_completion"
    assert answer.choices[0].text == PLAIN and answer.choices[0].finish_reason == "stop"
    assert answer.usage.prompt_tokens == len(tokens_of(http, "hi"))
    assert client.completions.create(model="long", prompt="x").usage.completion_tokens == 16
    chunks = list(client.completions.create(model="plain", prompt="hi", max_tokens=100, stream=True))
    assert "".join(c.choices[0].text for c in chunks) == PLAIN
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_completion_of_many_prompts(client, http):
    answer = client.completions.create(
        model="echo", prompt=["one", "two words"], n=2, best_of=2, max_tokens=100
    )
    assert [c.index for c in answer.choices] == [0, 1, 2, 3]
    assert [c.text for c in answer.choices] == ["one", "one", "two words", "two words"]
    assert answer.usage.prompt_tokens == len(tokens_of(http, "one")) + len(tokens_of(http, "two words"))


def test_completion_of_token_ids(client, http):
    ids = tokens_of(http, "안녕 tokens")
    answer = client.completions.create(model="echo", prompt=ids, max_tokens=100)
    assert answer.choices[0].text == "안녕 tokens"
    many = client.completions.create(model="echo", prompt=[ids, ids[:1]], max_tokens=100)
    assert [c.text for c in many.choices][0] == "안녕 tokens" and len(many.choices) == 2


def test_echo_with_logprobs_and_no_tokens(client, http):
    text = "안녕, echo me"
    answer = client.completions.create(
        model="plain", prompt=text, max_tokens=0, echo=True, logprobs=2
    )
    (choice,) = answer.choices
    ids = tokens_of(http, text)
    assert choice.text == text and choice.finish_reason == "length"
    assert answer.usage.completion_tokens == 0 and answer.usage.prompt_tokens == len(ids)
    logprobs = choice.logprobs
    assert len(logprobs.tokens) == len(logprobs.token_logprobs) == len(logprobs.text_offset) == len(ids)
    assert logprobs.token_logprobs[0] is None and logprobs.top_logprobs[0] is None
    assert all(value < 0 for value in logprobs.token_logprobs[1:])
    assert logprobs.text_offset[0] == 0 and logprobs.text_offset == sorted(logprobs.text_offset)
    for token, offset in zip(logprobs.tokens, logprobs.text_offset):
        if not token.startswith("bytes:"):
            assert text[offset : offset + len(token)] == token
    answer = client.completions.create(
        model="plain", prompt="x", max_tokens=100, echo=True, logprobs=0
    )
    assert answer.choices[0].text == "x" + PLAIN
    assert len(answer.choices[0].logprobs.tokens) == answer.usage.total_tokens - 1
    assert answer.choices[0].logprobs.top_logprobs is None


def test_no_tokens_and_no_echo(client):
    answer = client.completions.create(model="plain", prompt="x", max_tokens=0)
    assert answer.choices[0].text == "" and answer.usage.completion_tokens == 0


# ---- flow


def test_heartbeats_while_a_prompt_is_read(server):
    lines = []
    with server.http() as http:
        body = {"model": "slow", "messages": HI, "stream": True, "max_tokens": 2}
        with http.stream("POST", "/v1/chat/completions", json=body) as answer:
            lines = list(answer.iter_lines())
    beats = [line for line in lines if line == ": heartbeat"]
    assert 3 <= len(beats) <= 40
    assert lines.index(": heartbeat") < next(i for i, x in enumerate(lines) if '"content":"The' in x)


def test_heartbeats_while_a_model_is_loaded():
    body = {"model": "plain", "messages": HI, "stream": True, "max_tokens": 2}
    with scripted_server(heartbeat_ms=50, load_ms=2000) as server, server.http() as http:
        refused = http.post("/v1/chat/completions", json=body, headers={"X-Maru-Wait": "no"})
        assert refused.status_code == 503 and int(refused.headers["retry-after"]) > 0
        with http.stream("POST", "/v1/chat/completions", json=body) as answer:
            assert answer.headers["content-type"] == "text/event-stream"
            lines = [line for line in answer.iter_lines() if line]
    assert lines[0] == ": heartbeat" and lines[-1] == "data: [DONE]"
    assert any('"content":"The' in line for line in lines)


def test_the_client_survives_heartbeats(client):
    chunks = client.chat.completions.create(model="slow", messages=HI, stream=True, max_tokens=2)
    assert "".join(c.choices[0].delta.content or "" for c in chunks).startswith("The")


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_cancels(server, stream):
    server.wait_for_metric("maru_engine_requests", 0, state="running")
    left = server.metric("maru_http_clients_left_total")
    body = json.dumps({"model": "stall", "messages": HI, "stream": stream, "n": 2}).encode()
    with socket.create_connection(("127.0.0.1", server.port)) as sock:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
        sock.sendall(head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        server.wait_for_metric("maru_engine_requests", 2, state="running")
    server.wait_for_metric("maru_engine_requests", 0, state="running")
    assert server.metric("maru_http_clients_left_total") == left + 1


def test_closing_a_stream_cancels(server, client):
    stream = client.chat.completions.create(model="long", messages=HI, stream=True)
    assert next(iter(stream)).choices[0].delta.role == "assistant"
    stream.close()
    server.wait_for_metric("maru_engine_requests", 0, state="running")


def test_a_stop_string_frees_the_engine(server, client):
    answer = client.chat.completions.create(model="long", messages=HI, stop=" so on and")
    assert answer.choices[0].message.content == " and"
    server.wait_for_metric("maru_engine_requests", 0, state="running")


def test_a_full_engine_answers_429_and_cancels_the_other_choices():
    with scripted_server(max_running=2) as small:
        client = openai.OpenAI(base_url=small.url + "/v1", api_key="any", max_retries=0)
        with pytest.raises(openai.RateLimitError):
            client.chat.completions.create(model="stall", messages=HI, n=3)
        small.wait_for_metric("maru_engine_requests", 0, state="running")
        assert client.chat.completions.create(model="plain", messages=HI, n=2).choices[1]


def test_many_at_once(server, client):
    def ask(i):
        def run():
            text = f"caller {i}"
            answer = client.completions.create(model="echo", prompt=text, max_tokens=100)
            return answer.choices[0].text == text

        return run

    assert in_threads([ask(i) for i in range(32)]) == [True] * 32


def test_usage_is_counted_in_metrics(server, client):
    def counts():
        return [
            server.metric("maru_tokens_total", model="plain", kind=kind)
            for kind in ("prompt", "completion")
        ]

    before = counts()
    usage = client.chat.completions.create(model="plain", messages=HI).usage
    after = counts()
    assert [b - a for a, b in zip(before, after)] == [usage.prompt_tokens, usage.completion_tokens]
    assert server.metric("maru_time_to_first_token_seconds_count") > 0


def test_it_stops_within_its_grace_while_a_stream_runs():
    with scripted_server() as stopping:
        client = openai.OpenAI(base_url=stopping.url + "/v1", api_key="any", max_retries=0)
        stream = client.chat.completions.create(model="stall", messages=HI, stream=True)
        next(iter(stream))
        began = time.monotonic()
        stopping.process.stdin.close()
        assert stopping.process.wait(timeout=10) == 0
        assert time.monotonic() - began < 5
        with pytest.raises(Exception):
            list(stream)
