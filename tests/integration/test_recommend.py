"""maru recommend and the server's recommendations: the catalogue against this machine, its prediction against a model."""

import json
import os
import pathlib
import time

import jsonschema
import pytest
from hub_server import Hub
from people import bearer, maru
from servers import model_file, real_server, scripted_server
from test_pull import SMOL, run, succeed

ROOT = pathlib.Path(__file__).resolve().parents[2]
OPENAPI = json.loads((ROOT / "docs/api/openapi.json").read_text())
PATH = "/api/admin/recommendations"


def check_shape(answer):
    schema = {"$ref": "#/components/schemas/RecommendationList", "components": OPENAPI["components"]}
    jsonschema.Draft202012Validator(schema).validate(answer)
    return answer


def until(ask, is_enough):
    deadline = time.monotonic() + 60
    while True:
        answer = ask()
        if is_enough(answer):
            return answer
        assert time.monotonic() < deadline, answer
        time.sleep(0.02)


def recommendations(http, **parameters):
    """As the server gives them once the machine is measured."""

    def ask():
        answer = http.get(PATH, params=parameters)
        assert answer.status_code == 200, answer.text
        return check_shape(answer.json())

    return until(ask, lambda answer: not answer["machine"]["is_measuring"])


def pulled(http, source):
    started = http.post("/api/admin/pulls", json={"source": source})
    assert started.status_code == 200, started.text

    def ask():
        pulls = http.get("/api/admin/pulls").json()["data"]
        return next(one for one in pulls if one["id"] == started.json()["id"])

    return until(ask, lambda one: one["state"] in ("done", "failed"))


def test_recommend_says_what_fits_and_how_fast(tmp_path):
    out = json.loads(succeed(tmp_path, None, "recommend", "--json", "--seconds", 1)[0])
    assert out["read_bytes_per_s"] > 1e8 and out["macs_per_s"] > 1e8
    models = {m["id"]: m for m in out["models"]}
    for model in models.values():
        fits = model["memory_bytes"] <= out["available_bytes"]
        assert bool(model["why_not"]) == (not fits or "not supported" in model["why_not"])
        assert model["answer_tokens_per_s"] * model["bytes"] == pytest.approx(
            out["read_bytes_per_s"], rel=1e-6)
    fitting = [m for m in out["models"] if not m["why_not"]]
    fast = [m for m in fitting if m["answer_tokens_per_s"] >= 5]
    best = fast[0] if fast else max(fitting, key=lambda m: m["answer_tokens_per_s"], default=None)
    assert out["pick"] == (best and best["id"])
    assert "not supported" in models["exaone-3.5-2.4b"]["why_not"]
    assert "not supported" not in models["qwen3-4b"]["why_not"]


def test_the_table_is_sorted_out_by_language(tmp_path):
    code, out, err = run(tmp_path, None, "recommend", "--language", "ko", "--all", "--seconds", 1,
                         LANG="ko_KR.UTF-8")
    assert code == 0, err
    assert "kanana-1.5-8b" in out and "exaone" in out and "gemma-3-1b" not in out
    assert "라이선스" in out


def test_check_holds_the_prediction_against_a_model(tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models/smol.gguf").symlink_to(SMOL)
    (row,) = json.loads(succeed(tmp_path, None, "recommend", "--check", "--json", "--seconds", 1,
                                MARU_PACKED_CACHE="off")[0])
    assert row["model"] == "smol"
    assert all(row[key] > 0 for key in row if key != "model")


def test_a_server_recommends_without_waiting_for_the_measurement():
    with scripted_server(measure_ms=700, hub=1) as server, server.http() as http:
        first = check_shape(http.get(PATH).json())
        assert first["machine"]["is_measuring"] and first["machine"]["speed"] is None
        verdicts = {one["id"]: one["verdict"] for one in first["data"]}
        assert "recommended" not in verdicts.values()
        assert all(one["answer_tokens_per_s"] is None for one in first["data"])
        # 12 GiB for models, 20 GB/s: the first of the catalogue does not fit; 3.98 tokens/s of the
        # second are slower than one reads, 8 of the third are not.
        measured = recommendations(http)
        assert measured["machine"]["speed"]["read_bytes_per_s"] == 20_000_000_000
        assert measured["machine"]["speed"]["beside_answers"] is False
        verdicts = {one["id"]: one["verdict"] for one in measured["data"]}
        assert verdicts["kanana-1.5-8b"] == "too_large"
        assert verdicts["qwen3-8b"] == "slow"
        assert verdicts["qwen3-4b"] == "recommended"
        assert verdicts["exaone-3.5-2.4b"] == "unsupported"
        assert list(verdicts.values()).count("recommended") == 1
        speaking = {one["id"] for one in recommendations(http, language="ko")["data"]}
        assert speaking == {one["id"] for one in measured["data"] if "ko" in one["languages"]} != set(verdicts)
        assert recommendations(http, language="xx")["data"] == []
        for wrong in ["?lang=ko", "?language=ko&language=en", "?language=%ff"]:
            assert http.get(PATH + wrong).status_code == 400, wrong

        model = next(one for one in measured["data"] if one["verdict"] == "recommended")
        assert model["model"] is None
        name = pulled(http, model["source"])["model"]
        here = next(one for one in recommendations(http)["data"] if one["id"] == model["id"])
        assert here["model"] == name
        assert name in [one["id"] for one in http.get("/v1/models").json()["data"]]


def test_a_machine_measured_beside_answers_says_so():
    with scripted_server(measure_ms=200) as server, server.http() as http:
        body = {"model": "stall", "messages": [{"role": "user", "content": "hi"}], "stream": True}
        with http.stream("POST", "/v1/chat/completions", json=body):  # runs as long as it is read
            server.wait_for_metric("maru_engine_requests", 1, state="running")
            assert recommendations(http)["machine"]["speed"]["beside_answers"] is True


def test_with_accounts_recommendations_are_for_those_who_run_the_house(tmp_path):
    with scripted_server(database=tmp_path / "maru.db", login=1) as server, server.http() as http:
        keys = {}
        for name, role in [("root", "admin"), ("audrey", "auditor"), ("ann", "member")]:
            maru(tmp_path, "users", "add", name, "--role", role, "--password", stdin="correct horse battery\n")
            keys[name] = maru(tmp_path, "keys", "add", name, "--scopes", "admin,inference")
        narrow = maru(tmp_path, "keys", "add", "root", "--scopes", "inference")
        assert http.get(PATH).status_code == 401
        for key, status in [(keys["root"], 200), (keys["audrey"], 200), (keys["ann"], 403), (narrow, 403)]:
            assert http.get(PATH, headers=bearer(key)).status_code == status


def test_a_recommended_model_is_pulled_before_there_is_an_account(tmp_path, monkeypatch):
    tiny = (ROOT / "tests/oracle/qwen3/model.gguf").read_bytes()
    repository = "bartowski/Qwen2.5-1.5B-Instruct-GGUF"
    hub = Hub({"Qwen2.5-1.5B-Instruct-Q4_K_M.gguf": tiny, "README.md": b"# tiny\n"}, repository)
    for name, value in hub.environment().items():
        monkeypatch.setenv(name, value)
    (tmp_path / "models").mkdir()
    os.symlink(model_file("SmolLM2-135M-Instruct.Q4_1.gguf"), tmp_path / "models/smol.gguf")
    with real_server("smol", home=tmp_path) as server, server.http() as http:
        said = recommendations(http)
        assert said["machine"]["speed"]["read_bytes_per_s"] > 1e8
        assert said["machine"]["speed"]["macs_per_s"] > 1e8
        assert 0 < said["machine"]["memory_bytes"]["for_models"] <= said["machine"]["memory_bytes"]["total"]
        wanted = next(one for one in said["data"] if one["source"].startswith(repository))
        assert wanted["model"] is None
        done = pulled(http, wanted["source"])
        assert done["state"] == "done", done
        here = next(one for one in recommendations(http)["data"] if one["id"] == wanted["id"])
        assert here["model"] == done["model"] == "Qwen2.5-1.5B-Instruct-Q4_K_M"
        assert done["model"] in [one["id"] for one in http.get("/v1/models").json()["data"]]
        hub.close()
        failed = pulled(http, "org/other")
        assert failed["state"] == "failed" and failed["error"]["code"] == "unavailable"
