"""What the API refuses, and how: malformed requests, errors, sites, request ids and the log."""

import json

import openai
import pytest
from servers import scripted_server

HI = [{"role": "user", "content": "hi"}]


def refusal(http, path, body, **headers):
    """(status, param, code) of the answer to a body that may be no JSON."""
    content = body if isinstance(body, (str, bytes)) else json.dumps(body)
    answer = http.post(path, content=content, headers={"content-type": "application/json", **headers})
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"} and error["message"]
    return answer.status_code, error["param"], error["code"]


def chat_text(extra):
    return '{"model":"plain","messages":[{"role":"user","content":"hi"}],' + extra + "}"


@pytest.mark.parametrize(
    "body, param",
    [
        ("", None),
        ("{", None),
        ("[]", None),
        ("nonsense", None),
        ('{"model":"plain",}', None),
        ("\xff\xfe", None),
        ("[" * 100_000, None),
        ('{"messages":' + "[" * 100_000, "messages"),
        ('{"messages":' + '{"a":' * 100_000, "messages"),
        ('{"model":"plain","messages":' + "[" * 100_000 + "]" * 100_000 + "}", "messages"),
        (chat_text('"temperature":NaN'), "temperature"),
        (chat_text('"temperature":Infinity'), "temperature"),
        (chat_text('"temperature":-Infinity'), "temperature"),
        (chat_text('"temperature":1e400'), "temperature"),
        (chat_text('"temperature":-1'), "temperature"),
        (chat_text('"temperature":"hot"'), "temperature"),
        (chat_text('"temperature":[1]'), "temperature"),
        (chat_text('"top_p":1.5'), "top_p"),
        (chat_text('"max_tokens":-1'), "max_tokens"),
        (chat_text('"max_tokens":0'), "max_tokens"),
        (chat_text('"max_tokens":1180591620717411303424'), "max_tokens"),
        (chat_text('"max_tokens":1.5'), "max_tokens"),
        (chat_text('"max_tokens":1e308'), "max_tokens"),
        (chat_text('"seed":1180591620717411303424'), "seed"),
        (chat_text('"n":0'), "n"),
        (chat_text('"n":1000000'), "n"),
        (chat_text('"n":-9223372036854775808'), "n"),
        (chat_text('"stop":["a","b","c","d","e"]'), "stop"),
        (chat_text('"stop":{}'), "stop"),
        (chat_text('"logit_bias":{"99999999":1}'), "logit_bias"),
        (chat_text('"logit_bias":{"-1":1}'), "logit_bias"),
        (chat_text('"logit_bias":{"x":1}'), "logit_bias"),
        (chat_text('"logit_bias":{"1":1e400}'), "logit_bias"),
        (chat_text('"logit_bias":[]'), "logit_bias"),
        (chat_text('"top_logprobs":21'), "top_logprobs"),
        (chat_text('"stream":"yes"'), "stream"),
        (chat_text('"stream_options":{"include_usage":true}'), "stream_options"),
        (chat_text('"stream":true,"stream_options":{"surprise":1}'), "stream_options.surprise"),
        (chat_text('"temprature":1'), "temprature"),
        (chat_text('"tools":[{"type":"function","function":{"name":"f"}}]'), "tools"),
        (chat_text('"response_format":{"type":"json_schema"}'), "response_format"),
        ('{"model":"plain"}', "messages"),
        ('{"model":"plain","messages":[]}', "messages"),
        ('{"model":"plain","messages":"hi"}', "messages"),
        ('{"model":"plain","messages":[7]}', "messages[0]"),
        ('{"model":"plain","messages":[{"role":"wizard","content":"x"}]}', "messages[0].role"),
        ('{"model":"plain","messages":[{"role":"user","content":5}]}', "messages[0].content"),
        ('{"model":"plain","messages":[{"role":"function","name":"f","content":"x"}]}', "messages"),
        ('{"model":5,"messages":[{"role":"user","content":"x"}]}', "model"),
        ('{"messages":[{"role":"user","content":"x"}]}', "model"),
        ('{"model":"no-template","messages":[{"role":"user","content":"x"}]}', "messages"),
    ],
)
def test_malformed_chat_is_exactly_400_and_names_the_field(http, body, param):
    status, found, code = refusal(http, "/v1/chat/completions", body)
    assert (status, found) == (400, param)
    assert code


@pytest.mark.parametrize(
    "fields, param",
    [
        ({"prompt": []}, "prompt"),
        ({"prompt": {}}, "prompt"),
        ({}, "prompt"),
        ({"prompt": [1, 99999999]}, "prompt[1]"),
        ({"prompt": [1, -1]}, "prompt[1]"),
        ({"prompt": [1, 2**70]}, "prompt[1]"),
        ({"prompt": [[1], "x"]}, "prompt[1]"),
        ({"prompt": "x", "suffix": "y"}, "suffix"),
        ({"prompt": "x", "logprobs": 6}, "logprobs"),
        ({"prompt": "x", "echo": 1}, "echo"),
        ({"prompt": "x", "best_of": 4}, "best_of"),
        ({"prompt": "x", "max_tokens": -5}, "max_tokens"),
        ({"prompt": "x", "messages": []}, "messages"),
    ],
)
def test_malformed_completion_is_exactly_400_and_names_the_field(http, fields, param):
    assert refusal(http, "/v1/completions", {"model": "plain", **fields})[:2] == (400, param)


@pytest.mark.parametrize(
    "path, body, param",
    [
        ("/tokenize", {"content": 5, "model": "plain"}, "content"),
        ("/tokenize", {"model": "plain"}, "content"),
        ("/tokenize", {"content": "x", "parse_special": 1}, "parse_special"),
        ("/tokenize", {"content": "x", "add_bos": 1}, "add_bos"),
        ("/detokenize", {"tokens": [1, "x"], "model": "plain"}, "tokens[1]"),
        ("/detokenize", {"tokens": [1, 10**8], "model": "plain"}, "tokens[1]"),
        ("/detokenize", {"tokens": 5, "model": "plain"}, "tokens"),
        ("/apply-template", {"messages": [{"role": "x"}], "model": "plain"}, "messages[0].role"),
    ],
)
def test_malformed_tool_calls(http, path, body, param):
    assert refusal(http, path, body)[:2] == (400, param)


def test_errors_through_the_client(client):
    with pytest.raises(openai.NotFoundError) as error:
        client.chat.completions.create(model="nobody", messages=HI)
    assert error.value.code == "model_not_found" and error.value.param == "model"
    with pytest.raises(openai.BadRequestError) as error:
        client.chat.completions.create(model="plain", messages=HI, max_tokens=5000)
    assert error.value.code == "context_length_exceeded"
    assert "2048" in error.value.message and "5000 in the completion" in error.value.message
    with pytest.raises(openai.BadRequestError) as error:
        client.chat.completions.create(
            model="plain", messages=[{"role": "user", "content": "word " * 3000}]
        )
    assert error.value.code == "context_length_exceeded" and error.value.param == "messages"
    with pytest.raises(openai.RateLimitError) as error:
        client.chat.completions.create(model="busy", messages=HI)
    assert error.value.response.headers["retry-after"] == "1"
    with pytest.raises(openai.RateLimitError):
        client.chat.completions.create(model="busy", messages=HI, stream=True)


def test_errors_in_the_middle(client, http):
    with pytest.raises(openai.InternalServerError) as error:
        client.chat.completions.create(model="error", messages=HI)
    assert error.value.status_code == 503
    with pytest.raises(openai.APIError, match="scripted failure"):
        list(client.chat.completions.create(model="error", messages=HI, stream=True))
    text = http.post("/v1/chat/completions", json={"model": "error", "messages": HI, "stream": True}).text
    assert '"error"' in text.split("\n\n")[-2] and "[DONE]" not in text


def test_unknown_paths_methods_and_types(http):
    assert refusal(http, "/v1/nothing", {})[::2] == (404, "unknown_url")
    answer = http.get("/v1/chat/completions")
    assert answer.status_code == 405 and answer.headers["allow"] == "POST"
    assert http.options("/v1/chat/completions").status_code == 405
    body = json.dumps({"content": "x", "model": "plain"})
    for kind, status in [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("APPLICATION/JSON", 200),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
    ]:
        assert http.post("/tokenize", content=body, headers={"content-type": kind}).status_code == status
    assert http.post("/tokenize", content=body.encode()).status_code == 200


def test_a_body_that_is_too_large():
    with scripted_server(max_body_bytes=10_000) as small, small.http() as http:
        assert refusal(http, "/tokenize", "x" * 10_001)[::2] == (413, "request_too_large")
        assert refusal(http, "/tokenize", "x" * 10_000)[0] == 400


# ---- sites, ids, log


@pytest.mark.parametrize(
    "headers, status",
    [
        ({}, 200),
        ({"host": "localhost:{port}"}, 200),
        ({"host": "[::1]:{port}"}, 200),
        ({"host": "maru.example"}, 200),
        ({"host": "localhost"}, 403),
        ({"host": "evil.example"}, 403),
        ({"host": "evil.example:{port}"}, 403),
        ({"host": "localhost.evil.example:{port}"}, 403),
        ({"origin": "http://localhost:{port}"}, 200),
        ({"origin": "https://maru.example"}, 200),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://localhost:1"}, 403),
    ],
)
def test_host_and_origin(server, http, headers, status):
    sent = {key: value.format(port=server.port) for key, value in headers.items()}
    for path in ["/health", "/v1/models", "/metrics", "/nothing"]:
        answer = http.get(path, headers=sent)
        assert answer.status_code == (404 if status == 200 and path == "/nothing" else status)
        assert "access-control-allow-origin" not in answer.headers
    if status == 403:
        assert answer.json()["error"]["code"] == "forbidden"


def test_request_ids_and_log(server, http):
    answer = http.post(
        "/v1/completions",
        json={"model": "plain", "prompt": "a secret word", "max_tokens": 3},
        headers={"x-request-id": "mine-1"},
    )
    assert answer.headers["x-request-id"] == "mine-1"
    made = http.get("/nothing?query=private").headers["x-request-id"]
    assert made.startswith("req_") and made != http.get("/health").headers["x-request-id"]
    line = next(line for line in server.log_with("id=mine-1").splitlines() if "id=mine-1" in line)
    for part in ["method=POST", "path=/v1/completions", "status=200", "ms=", "completion_tokens=3"]:
        assert part in line
    assert "secret" not in server.log and "hall" not in server.log and "private" not in server.log
