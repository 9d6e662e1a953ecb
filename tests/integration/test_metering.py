"""What requests leave behind and what limits do, through the API and in the table."""

import json
import sqlite3
import time

import openai
import pytest
from servers import in_threads, scripted_server

HI = [{"role": "user", "content": "hi"}]
SECRET = "the canary sings at dawn"


class Books:
    """The server's database, seen and changed from outside."""

    def __init__(self, path):
        self.path = str(path)

    def execute(self, sql, *values):
        with sqlite3.connect(self.path, timeout=30) as database:
            database.row_factory = sqlite3.Row
            return [dict(row) for row in database.execute(sql, values)]

    def row(self, answer_id):
        """The row of an answer, once it is closed."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            rows = self.execute("SELECT * FROM usage WHERE id = ?", answer_id)
            if rows and rows[0]["closed_at"] is not None:
                (row,) = rows
                return row
            time.sleep(0.02)
        raise AssertionError(f"no closed row for {answer_id}: {rows}")

    def limit(self, name, value, kind="user", subject="local"):
        self.execute("INSERT OR REPLACE INTO limits VALUES (?, ?, ?, ?)", kind, subject, name, value)
        time.sleep(0.3)  # refresh_ms and some

    def clear(self):
        self.execute("DELETE FROM limits")
        time.sleep(0.3)


@pytest.fixture(scope="module")
def books(tmp_path_factory):
    return Books(tmp_path_factory.mktemp("data") / "maru.db")


@pytest.fixture(scope="module")
def server(books):
    with scripted_server(database=books.path, refresh_ms=100, heartbeat_ms=100) as running:
        yield running


def test_thinking_is_counted_and_part_of_what_is_generated(server, books):
    """The marks and what is between them; the same in a stream, and in the row."""
    with server.http() as http:
        body = {"model": "thinking", "messages": [{"role": "user", "content": "hi"}]}
        whole = http.post("/v1/chat/completions", json=body).json()
        usage = whole["usage"]
        n_thinking = usage["completion_tokens_details"]["reasoning_tokens"]
        text = whole["choices"][0]["message"]["content"]
        thought = text[: text.index("</think>") + len("</think>")]
        counted = http.post("/tokenize", json={"model": "plain", "content": thought}).json()["tokens"]
        assert abs(n_thinking - len(counted)) <= 1  # a token may hold the mark's end and what follows
        assert 0 < n_thinking < usage["completion_tokens"]
        row = books.row(whole["id"])
        assert (row["tokens_reasoning"], row["tokens_out"]) == (n_thinking, usage["completion_tokens"])
        plain = http.post("/v1/chat/completions", json={**body, "model": "plain"}).json()
        assert plain["usage"]["completion_tokens_details"]["reasoning_tokens"] == 0
        cut = http.post("/v1/chat/completions", json={**body, "max_tokens": 5}).json()["usage"]
        assert cut["completion_tokens_details"]["reasoning_tokens"] == cut["completion_tokens"] == 5
        streamed = http.post(
            "/v1/chat/completions", json={**body, "stream": True, "stream_options": {"include_usage": True}}
        ).text
        last = [json.loads(line[6:]) for line in streamed.splitlines() if line.startswith("data: {")][-1]
        assert last["usage"] == {**usage, "prompt_tokens_details": last["usage"]["prompt_tokens_details"]}


@pytest.fixture(autouse=True)
def no_limits(books, server):
    yield
    books.clear()


def chat(client, model="plain", **more):
    return client.chat.completions.create(model=model, messages=HI, **more)


# ---- rows


def test_a_row_says_what_the_answer_said(client, books):
    answer = chat(client)
    row = books.row(answer.id)
    assert row["tokens_in"] == answer.usage.prompt_tokens
    assert row["tokens_out"] == answer.usage.completion_tokens
    assert row["tokens_cached"] == answer.usage.prompt_tokens_details.cached_tokens
    assert (row["outcome"], row["model"], row["user_id"]) == ("stop", "plain", "local")
    assert 0 <= row["first_token_ms"] <= row["total_ms"]
    assert row["opened_at"] + row["total_ms"] == row["closed_at"]
    assert (row["cost_micros"], row["price_out"], row["tokens_reasoning"]) == (0, 0, 0)


def test_outcomes(client, books, http):
    assert books.row(chat(client, "long", max_tokens=5).id)["outcome"] == "length"
    n_before = len(books.execute("SELECT id FROM usage"))
    with pytest.raises(openai.RateLimitError):
        chat(client, "busy")
    time.sleep(0.2)
    assert len(books.execute("SELECT id FROM usage")) == n_before  # it was not admitted
    with pytest.raises(openai.InternalServerError):
        chat(client, "error")
    stream = chat(client, "long", stream=True)
    answer_id = next(iter(stream)).id
    stream.close()
    row = books.row(answer_id)
    assert row["outcome"] == "client_left"
    failed = books.execute("SELECT * FROM usage WHERE model = 'error'")
    assert [row["outcome"] for row in failed] == ["failed"]
    assert failed[0]["tokens_out"] <= 3


def test_several_answers_are_one_row(client, books):
    answer = chat(client, n=3)
    row = books.row(answer.id)
    assert row["tokens_in"] == answer.usage.prompt_tokens
    assert row["tokens_out"] == answer.usage.completion_tokens


def test_no_text_is_kept(client, books):
    answer = client.chat.completions.create(
        model="echo", messages=[{"role": "user", "content": SECRET}], user=SECRET
    )
    assert SECRET in answer.choices[0].message.content
    books.row(answer.id)
    for row in books.execute("SELECT * FROM usage"):
        assert "canary" not in str(row)


def test_the_price_is_that_of_the_admission(client, books):
    now = int(time.time() * 1000)
    price = "INSERT INTO prices VALUES (?, 'plain', ?, ?, ?, ?, 'manual')"
    books.execute(price, "price_1", 3_000_000, 300_000, 15_000_000, now - 1000)
    books.execute(price, "price_2", 9_000_000, 9_000_000, 9_000_000, now + 3_600_000)
    time.sleep(0.3)
    chat(client)
    answer = chat(client)
    row = books.row(answer.id)
    n_cached = answer.usage.prompt_tokens_details.cached_tokens
    assert n_cached > 0
    assert (row["price_in"], row["price_cached"], row["price_out"]) == (3_000_000, 300_000, 15_000_000)
    fresh = answer.usage.prompt_tokens - n_cached
    assert row["cost_micros"] == round(fresh * 3 + n_cached * 0.3 + answer.usage.completion_tokens * 15)


def test_many_at_once(client, books):
    answers = in_threads([lambda: chat(client) for _ in range(32)])
    assert len({answer.id for answer in answers}) == 32
    for answer in answers:
        assert books.row(answer.id)["tokens_out"] == answer.usage.completion_tokens


# ---- limits


def test_requests_a_minute(client, books):
    books.limit("requests_per_minute", 100_000)
    raw = client.chat.completions.with_raw_response.create(model="plain", messages=HI)
    used = 100_000 - int(raw.headers["x-ratelimit-remaining-requests"])
    assert raw.headers["x-ratelimit-limit-requests"] == "100000"
    assert raw.headers["x-ratelimit-reset-requests"].endswith("s")
    assert "x-ratelimit-limit-tokens" not in raw.headers
    books.limit("requests_per_minute", used + 2)
    for left in (1, 0):
        raw = client.chat.completions.with_raw_response.create(model="plain", messages=HI)
        assert raw.headers["x-ratelimit-remaining-requests"] == str(left)
    with pytest.raises(openai.RateLimitError) as refused:
        chat(client)
    assert refused.value.code == "rate_limit_exceeded" and refused.value.type == "requests"
    assert 1 <= int(refused.value.response.headers["retry-after"]) <= 60
    assert refused.value.response.headers["x-ratelimit-remaining-requests"] == "0"


def test_tokens_a_minute_end_a_stream(client, books):
    books.limit("tokens_per_minute", 10_000_000)
    raw = client.chat.completions.with_raw_response.create(model="plain", messages=HI)
    used = 10_000_000 - int(raw.headers["x-ratelimit-remaining-tokens"])
    time.sleep(0.1)
    books.limit("tokens_per_minute", used + 400)
    n_chunks, answer_id = 0, None
    with pytest.raises(openai.APIError) as ended:
        for chunk in chat(client, "long", stream=True, max_tokens=1500):
            n_chunks += 1
            answer_id = chunk.id
    assert ended.value.code == "rate_limit_exceeded" and ended.value.type == "tokens"
    row = books.row(answer_id)
    assert row["outcome"] == "limit" and 250 < n_chunks <= 402
    assert row["tokens_out"] <= 401 + 1
    with pytest.raises(openai.RateLimitError):
        chat(client, "long", max_tokens=1500)


def test_a_month_of_tokens_and_of_money(client, books):
    books.limit("tokens_per_month", 1)
    with pytest.raises(openai.RateLimitError) as refused:
        chat(client)
    assert refused.value.code == refused.value.type == "insufficient_quota"
    assert int(refused.value.response.headers["retry-after"]) > 60 or time.gmtime().tm_mday > 27
    books.clear()
    books.limit("money_per_month", 0)
    with pytest.raises(openai.RateLimitError) as refused:
        chat(client)
    assert refused.value.code == "insufficient_quota"


def test_the_strictest_wins(client, books):
    books.limit("context", 1000)
    books.limit("context", 60, subject="*")
    with pytest.raises(openai.BadRequestError) as refused:
        chat(client, max_tokens=60)
    assert refused.value.code == "context_length_exceeded" and "60 tokens" in str(refused.value)
    answer = chat(client, "long")
    assert answer.choices[0].finish_reason == "length" and answer.usage.total_tokens == 60


def test_streams_at_once(client, books):
    books.limit("streams", 1)
    running = chat(client, "slow", stream=True)
    next(iter(running))
    with pytest.raises(openai.RateLimitError):
        chat(client)
    running.close()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            assert chat(client).choices
            return
        except openai.RateLimitError:
            time.sleep(0.05)
    raise AssertionError("the stream that ended still counts")


def test_counters_outlive_a_restart(tmp_path):
    books = Books(tmp_path / "maru.db")
    with scripted_server(database=books.path, refresh_ms=100) as server:
        client = openai.OpenAI(base_url=server.url + "/v1", api_key="any", max_retries=0)
        used = chat(client).usage.total_tokens
        books.limit("tokens_per_month", used + 5)
        books.limit("requests_per_minute", 2)
    with scripted_server(database=books.path, refresh_ms=100) as server:
        client = openai.OpenAI(base_url=server.url + "/v1", api_key="any", max_retries=0)
        with pytest.raises(openai.RateLimitError) as refused:
            chat(client)
        assert refused.value.code == "insufficient_quota"
        books.execute("DELETE FROM limits WHERE name = 'tokens_per_month'")
        time.sleep(0.3)
        chat(client)
        with pytest.raises(openai.RateLimitError) as refused:
            chat(client)
        assert refused.value.code == "rate_limit_exceeded"


# ---- reports


def test_my_usage_in_pages_and_as_a_table(client, http, books):
    books.row(chat(client).id)
    start = int(time.time()) - 7200
    query = {"start_time": start, "bucket_width": "1h", "group_by": ["model", "user_id"]}
    page = http.get("/api/me/usage", params=query).json()
    assert page["object"] == "page" and not page["has_more"] and page["next_page"] is None
    buckets = page["data"]
    assert len(buckets) in (3, 4)
    for bucket, after in zip(buckets, buckets[1:], strict=False):
        assert bucket["object"] == "bucket" and bucket["start_time"] % 3600 == 0
        assert bucket["end_time"] == after["start_time"]
    results = [result for bucket in buckets for result in bucket["results"]]
    for result in results:
        assert result["object"] == "organization.usage.completions.result"
        assert result["user_id"] == "local" and result["api_key_id"] is None
    sums = books.execute(
        "SELECT model, count(*) AS n, sum(tokens_out) AS n_out FROM usage GROUP BY model"
    )
    for row in sums:
        found = [result for result in results if result["model"] == row["model"]]
        assert sum(result["num_model_requests"] for result in found) == row["n"]
        assert sum(result["output_tokens"] for result in found) == row["n_out"]

    pages, cursor = [], None
    while True:
        more = {**query, "limit": 1, **({"page": cursor} if cursor else {})}
        page = http.get("/api/me/usage", params=more).json()
        pages += page["data"]
        cursor = page["next_page"]
        assert page["has_more"] == (cursor is not None)
        if not cursor:
            break
    assert pages == buckets

    table = http.get("/api/me/usage", params=query, headers={"Accept": "text/csv"})
    assert table.headers["content-type"].startswith("text/csv")
    head, *lines = table.text.splitlines()
    assert head.startswith("start,user,key,project,model,requests,tokens_in")
    assert len(lines) == len(results) and all(",local," in line for line in lines)


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({}, "start_time"),
        ({"start_time": "soon"}, "start_time"),
        ({"start_time": 10, "end_time": 10}, "end_time"),
        ({"start_time": 0, "bucket_width": "1w"}, "bucket_width"),
        ({"start_time": 0, "limit": 32}, "limit"),
        ({"start_time": 0, "group_by": "hair"}, "group_by"),
        ({"start_time": 0, "page": "%zz"}, "page"),
        ({"start_time": 0, "page": "page_-5"}, "page"),
        ({"start_time": 0, "colour": "red"}, "colour"),
    ],
)
def test_wrong_questions_are_refused_by_name(http, query, param):
    answer = http.get("/api/me/usage", params=query)
    assert answer.status_code == 400 and answer.json()["error"]["param"] == param


def test_usage_of_all_wants_an_account(http):
    for path in ("/v1/organization/usage/completions", "/v1/organization/costs"):
        assert http.get(path, params={"start_time": 0}).status_code == 401


def test_the_answers_of_chats_tell_what_they_cost(server, client, books):
    now = int(time.time() * 1000)
    price = "INSERT INTO prices VALUES ('price_chat', 'plain', 2000000, 1000000, 5000000, ?, 'manual')"
    books.execute(price, now - 500)
    time.sleep(0.3)
    with server.http() as http:
        chat_id = http.post("/api/chats", json={"settings": {"model": "plain"}}).json()["id"]
        question = http.post(f"/api/chats/{chat_id}/messages", json={"content": "hi"}).json()["id"]
        answer = http.post(f"/api/messages/{question}/answer").json()["id"]
        while (found := http.get(f"/api/messages/{answer}").json())["state"] == "running":
            time.sleep(0.02)
    usage = found["extra"]["usage"]
    fresh = usage["prompt_tokens"] - usage["cached_tokens"]
    assert usage["cost_micros"] == fresh * 2 + usage["cached_tokens"] * 1 + usage["completion_tokens"] * 5
    assert books.row(answer)["cost_micros"] == usage["cost_micros"]
