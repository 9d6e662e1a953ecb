"""Vectors and relevance over HTTP: the official client and plain requests against `maru serve`."""

import base64
import json
import math
import pathlib
import sqlite3
import struct
import time

import openai
import pytest
from people import bearer, maru
from servers import ROOT, in_threads, model_file, real_server

CASES = ROOT / "tests/cases/embeddings"
TEXTS = ["Hello", "마루는 조직이 소유하는 인공지능입니다.", "A cat sits on the mat. " * 12, "3.14"]


def minilm():
    return str(model_file("all-MiniLM-L6-v2/model.safetensors").parent)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def server(home):
    flags = ["--context", "512", "--embedding-model", minilm(), "--rerank-model", str(CASES / "tiny-reranker")]
    with real_server(model_file("SmolLM2-135M-Instruct.Q4_1.gguf"), *flags, home=home) as running:
        yield running


@pytest.fixture(scope="module")
def http(server):
    with server.http() as client:
        yield client


@pytest.fixture(scope="module")
def embed(client):
    def ask(texts, **more):
        return client.embeddings.create(model="all-MiniLM-L6-v2", input=texts, **more)

    return ask


def vectors(answer):
    return [entry.embedding for entry in answer.data]


def refusal(http, path, body):
    answer = http.post(path, json=body)
    error = answer.json()["error"]
    return answer.status_code, error["param"], error["code"]


def test_the_official_client_gets_the_reference_vectors(embed):
    # The client asks for base64 by itself and decodes it.
    cases = json.loads((CASES / "minilm.json").read_text(encoding="utf-8"))["cases"][:12]
    got = vectors(embed([case["text"] for case in cases]))
    for case, vector in zip(cases, got, strict=True):
        wanted = struct.unpack("<384f", base64.b64decode(case["vector"]))
        assert sum(a * b for a, b in zip(vector, wanted, strict=True)) >= 0.9999


def test_floats_and_base64_are_the_same_numbers(embed, http):
    floats = vectors(embed(TEXTS, encoding_format="float"))
    body = {"input": TEXTS, "model": "all-MiniLM-L6-v2", "encoding_format": "base64"}
    coded = [entry["embedding"] for entry in http.post("/v1/embeddings", json=body).json()["data"]]
    as_float32 = [list(struct.unpack("<384f", struct.pack("<384f", *vector))) for vector in floats]
    assert [list(struct.unpack("<384f", base64.b64decode(text))) for text in coded] == as_float32
    assert vectors(embed(TEXTS, encoding_format="base64")) == coded  # asked for: not decoded
    assert vectors(embed(TEXTS)) == as_float32


def test_a_text_has_the_same_vector_in_any_company(embed):
    together = vectors(embed(TEXTS * 5, encoding_format="float"))
    alone = [vectors(embed(text, encoding_format="float"))[0] for text in TEXTS]
    assert together == alone * 5
    crowd = in_threads([lambda: vectors(embed(TEXTS, encoding_format="float"))] * 8)
    assert all(answer == alone for answer in crowd)


def test_token_ids_are_what_a_text_is_made_of(embed):
    ids = [7592, 2088]  # "hello world"
    text, single, several = (
        vectors(embed(given, encoding_format="float")) for given in ("hello world", ids, [ids, [7592]])
    )
    assert text == single == several[:1]


def test_dimensions_shorten_to_a_vector_of_length_one(embed):
    (whole,) = vectors(embed("Hello", encoding_format="float"))
    (short,) = vectors(embed("Hello", encoding_format="float", dimensions=32))
    assert len(short) == 32 and math.isclose(sum(x * x for x in short), 1, abs_tol=1e-5)
    scale = short[0] / whole[0]
    assert short == pytest.approx([x * scale for x in whole[:32]], rel=1e-4)


def test_usage_counts_tokens_with_control_tokens(embed):
    usage = embed(["hello world", "hello"]).usage
    assert (usage.prompt_tokens, usage.total_tokens) == (7, 7)


def test_too_long_texts_are_refused_or_cut_as_asked(embed, http):
    long = "word " * 300
    with pytest.raises(openai.BadRequestError) as refused:
        embed(["short", long])
    assert refused.value.param == "input[1]" and "302" in str(refused.value) and "256" in str(refused.value)
    cut = embed([long], encoding_format="float", extra_body={"truncate": True})
    assert cut.usage.prompt_tokens == 256
    assert vectors(cut) == vectors(embed("word " * 254, encoding_format="float"))


@pytest.mark.parametrize(
    "fields, param",
    [
        ({}, "input"),
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": ["a", ""]}, "input[1]"),
        ({"input": ["a", 5]}, "input[1]"),
        ({"input": [[5], "a"]}, "input[1]"),
        ({"input": [5, "a"]}, "input[1]"),
        ({"input": [10**7]}, "input"),
        ({"input": {"a": 1}}, "input"),
        ({"input": ["a"] * 2049}, "input"),
        ({"input": ["word " * 250] * 1500}, "input"),
        ({"input": "a", "encoding_format": "int8"}, "encoding_format"),
        ({"input": "a", "dimensions": 0}, "dimensions"),
        ({"input": "a", "dimensions": 385}, "dimensions"),
        ({"input": "a", "truncate": 1}, "truncate"),
        ({"input": "a", "user": 1}, "user"),
        ({"input": "a", "dimension": 3}, "dimension"),
    ],
)
def test_malformed_requests_for_vectors_name_the_field(http, fields, param):
    assert refusal(http, "/v1/embeddings", {"model": "all-MiniLM-L6-v2", **fields})[:2] == (400, param)


@pytest.mark.parametrize(
    "fields, param",
    [
        ({"documents": ["a"]}, "query"),
        ({"query": "a"}, "documents"),
        ({"query": "a", "documents": []}, "documents"),
        ({"query": "a", "documents": ["a", {"title": "b"}]}, "documents[1]"),
        ({"query": "a", "documents": ["a"], "top_n": 0}, "top_n"),
        ({"query": "cat " * 100, "documents": ["a"]}, "query"),
        ({"query": "cat", "documents": ["dog", "cat " * 100], "truncate": False}, "documents[1]"),
    ],
)
def test_malformed_requests_for_relevance_name_the_field(http, fields, param):
    assert refusal(http, "/v1/rerank", fields)[:2] == (400, param)


def test_models_of_the_other_kind_are_not_found(http):
    for path, body in [
        ("/v1/embeddings", {"input": "a", "model": "tiny-reranker"}),
        ("/v1/embeddings", {"input": "a", "model": "SmolLM2-135M-Instruct.Q4_1"}),
        ("/v1/rerank", {"query": "a", "documents": ["b"], "model": "all-MiniLM-L6-v2"}),
    ]:
        assert refusal(http, path, body)[:2] == (404, "model")
    listed = [model["id"] for model in http.get("/v1/models").json()["data"]]
    assert {"all-MiniLM-L6-v2", "tiny-reranker"} < set(listed)
    assert http.get("/v1/models/all-MiniLM-L6-v2").json()["context_length"] == 256


def test_rerank_sorts_by_the_logits_of_the_reference(http):
    cases = json.loads((CASES / "tiny-reranker/cases.json").read_text(encoding="utf-8"))
    for case in cases:
        body = {"query": case["query"], "documents": [{"text": case["document"]}]}
        (result,) = http.post("/v1/rerank", json=body).json()["results"]
        assert result["relevance_score"] == pytest.approx(1 / (1 + math.exp(-case["logit"])), abs=2e-3)
    documents = ["a slow dog.", "maru is the open model.", "하늘", "cat " * 200]
    body = {"query": "what is maru", "documents": documents, "top_n": 3, "return_documents": True}
    answer = http.post("/v1/rerank", json=body).json()
    scores = [result["relevance_score"] for result in answer["results"]]
    assert len(scores) == 3 and scores == sorted(scores, reverse=True)
    assert all(r["document"]["text"] == documents[r["index"]] for r in answer["results"])
    assert answer["usage"]["total_tokens"] > 96


def test_vectors_cost_and_leave_a_row(embed, http, home):
    with sqlite3.connect(home / "maru.db", timeout=30) as database:
        def rows():
            query = "SELECT tokens_in, tokens_out, outcome FROM usage WHERE model = 'all-MiniLM-L6-v2' AND closed_at"
            return database.execute(query).fetchall()

        before = len(rows())
        embed(["hello world", "hello"])
        deadline = time.monotonic() + 20
        while len(rows()) == before and time.monotonic() < deadline:
            time.sleep(0.02)
        assert rows()[-1][:2] == (7, 0) and len(rows()) == before + 1


def test_without_a_setting_there_is_no_embedding_model(tmp_path):
    with real_server(model_file("SmolLM2-135M-Instruct.Q4_1.gguf"), "--context", "128") as plain, plain.http() as http:
        assert refusal(http, "/v1/embeddings", {"input": "a"})[:2] == (404, "model")
        assert refusal(http, "/v1/rerank", {"query": "a", "documents": ["b"]})[:2] == (404, "model")


def test_an_account_needs_a_key_that_may(tmp_path):
    maru(tmp_path, "users", "add", "ann", "--role", "member", "--password", stdin="a long enough password\n")
    able = maru(tmp_path, "keys", "add", "ann", "--scopes", "inference")
    other = maru(tmp_path, "keys", "add", "ann", "--scopes", "usage")
    model = model_file("SmolLM2-135M-Instruct.Q4_1.gguf")
    flags = ["--context", "128", "--embedding-model", minilm(), "--rerank-model", str(CASES / "tiny-reranker")]
    with real_server(model, *flags, home=tmp_path) as running, running.http() as http:
        for path, body in [("/v1/embeddings", {"input": "a"}), ("/v1/rerank", {"query": "a", "documents": ["b"]})]:
            assert http.post(path, json=body).status_code == 401
            assert http.post(path, json=body, headers=bearer(other)).status_code == 403
            assert http.post(path, json=body, headers=bearer(able)).status_code == 200


def test_the_command_prints_vectors_and_cosines(tmp_path):
    file = tmp_path / "lines.txt"
    file.write_text("a cat\n\na dog\n", encoding="utf-8")
    lines = maru(tmp_path, "embed", minilm(), "--file", str(file)).splitlines()
    cat, dog = (json.loads(line) for line in lines)
    cosine = sum(a * b for a, b in zip(cat, dog, strict=True))
    printed = maru(tmp_path, "embed", minilm(), "--text", "a cat", "--with", "a dog")
    assert float(printed) == pytest.approx(cosine, abs=1e-5) and 0.4 < cosine < 0.9
    maru(tmp_path, "embed", minilm(), code=2)
    maru(tmp_path, "embed", str(pathlib.Path(minilm()) / "nothing"), "--text", "a", "--with", "b", code=2)
