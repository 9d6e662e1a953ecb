"""One server with two real models: what it tells of them, loading on first use, and that two models
in turn under load answer as each of them does alone."""

import os
import time

import openai
import pytest
from people import bearer, maru
from servers import in_threads, model_file, real_server

SMOL = "SmolLM2-135M-Instruct.Q4_1"
GEMMA = "gemma-3-270m-q4_k_m"
CONTEXT = 1024
SETTINGS = f"""
idle_minutes = 30
[models."{GEMMA}"]
alias = ["gemma", "base"]
context = 512
"""
PROMPTS = [
    "The capital of France is",
    "Once upon a time, in a small village by the sea,",
    "A list of prime numbers: 2, 3, 5,",
    "서울은 대한민국의",
]


def fill(home):
    (home / "models").mkdir(parents=True)
    for name in (SMOL, GEMMA):
        os.symlink(model_file(name + ".gguf"), home / "models" / (name + ".gguf"))
    (home / "maru.toml").write_text(SETTINGS)
    return home


@pytest.fixture
def home(tmp_path):
    return fill(tmp_path / "home")


@pytest.fixture
def server(home):
    with real_server(SMOL, "--context", str(CONTEXT), home=home) as running:
        yield running


def models_of(http, **more):
    return {model["id"]: model for model in http.get("/v1/models", **more).json()["data"]}


def complete(server, model, prompt, **more):
    body = {
        "model": model,
        "prompt": prompt,
        "temperature": 0,
        "max_tokens": 24,
        "logprobs": 3,
        **more,
    }
    with server.http() as http:
        response = http.post("/v1/completions", json=body)
        assert response.status_code == 200, response.text
        choice = response.json()["choices"][0]
        return choice["text"], choice["logprobs"]["token_logprobs"], choice["logprobs"]["tokens"]


def test_the_list_tells_the_truth(server):
    with server.http() as http:
        models = models_of(http)
        assert list(models) == [SMOL, GEMMA]  # the default one first
        smol, gemma = models[SMOL]["maru"], models[GEMMA]["maru"]
        assert smol["state"] == "loaded" and smol["default"] and smol["memory_bytes"] > 0
        assert smol["size_bytes"] == model_file(SMOL + ".gguf").stat().st_size
        assert smol["context_length"] == CONTEXT == models[SMOL]["context_length"]
        assert smol["capabilities"] == ["chat", "completion"]
        assert smol["family"] == "llama"
        assert gemma["state"] == "unloaded" and not gemma["default"]
        assert gemma["memory_bytes"] is None and gemma["error"] is None
        assert gemma["size_bytes"] == model_file(GEMMA + ".gguf").stat().st_size
        assert gemma["context_length"] == 512
        assert gemma["aliases"] == ["gemma", "base"]
        assert gemma["family"] == "gemma3"
        assert "completion" in gemma["capabilities"]

        # The first use loads it, by an alias too, and its own context holds.
        body = {"model": "gemma", "prompt": "One, two, three,", "max_tokens": 4, "temperature": 0}
        answer = http.post("/v1/completions", json=body)
        assert answer.status_code == 200, answer.text
        assert answer.json()["model"] == GEMMA
        model = http.get(f"/v1/models/{GEMMA}").json()
        assert model["maru"]["state"] == "loaded"
        too_long = http.post("/v1/completions", json={**body, "max_tokens": 600})
        assert too_long.status_code == 400 and "512" in too_long.text
        unknown = http.post("/v1/completions", json={**body, "model": "gemma-4"})
        assert unknown.status_code == 404
        assert unknown.json()["error"]["code"] == "model_not_found"
        # A name is no path.
        path = str(model_file(GEMMA + ".gguf"))
        assert http.post("/v1/completions", json={**body, "model": path}).status_code == 404


def test_who_does_not_wait_is_told_to_come_again(server):
    body = {"model": GEMMA, "prompt": "One, two,", "max_tokens": 4}
    with server.http() as http:
        response = http.post("/v1/completions", json=body, headers={"X-Maru-Wait": "no"})
        assert response.status_code == 503
        assert int(response.headers["retry-after"]) > 0
        assert response.json()["error"]["code"] == "model_unavailable"
        # The load has begun all the same.
        deadline = time.monotonic() + 60
        while models_of(http)[GEMMA]["maru"]["state"] != "loaded":
            assert time.monotonic() < deadline
            time.sleep(0.02)
        response = http.post("/v1/completions", json=body, headers={"X-Maru-Wait": "no"})
        assert response.status_code == 200


def test_who_does_not_wait_hears_why_a_load_failed(server, home):
    whole = model_file(GEMMA + ".gguf").read_bytes()
    torn = home / "torn"
    torn.write_bytes(whole[: len(whole) // 2])
    torn.rename(home / "models" / "torn.gguf")
    body = {"model": "torn", "prompt": "One, two,", "max_tokens": 4}
    with server.http() as http:
        deadline = time.monotonic() + 60
        while True:
            response = http.post("/v1/completions", json=body, headers={"X-Maru-Wait": "no"})
            assert response.status_code == 503
            if "being loaded" not in response.text:
                break
            assert time.monotonic() < deadline
            time.sleep(0.02)
        waited = http.post("/v1/completions", json=body)
        assert waited.status_code == 503
        assert response.json()["error"]["message"] == waited.json()["error"]["message"]
        assert "retry-after" not in response.headers  # it will not be better in some seconds


def test_models_that_come_and_go_are_seen_at_once(server, home):
    place, other = home / "models" / "new.gguf", home / "new.gguf"
    with server.http() as http:
        for _ in range(20):
            assert "new" not in models_of(http)
            os.symlink(model_file(GEMMA + ".gguf"), place)
            assert "new" in models_of(http)
            place.rename(other)
            assert http.get("/v1/models/new").status_code == 404
            other.unlink()


def test_many_first_requests_load_once_and_streams_wait(server):
    client = openai.OpenAI(base_url=server.url + "/v1", api_key="any", max_retries=0)

    def stream():
        chunks = client.completions.create(
            model=GEMMA, prompt="One, two, three,", max_tokens=8, temperature=0, stream=True
        )
        return "".join(chunk.choices[0].text for chunk in chunks if chunk.choices)

    texts = in_threads([stream] * 6)
    assert len(set(texts)) == 1 and texts[0]
    assert server.log.count(f"loaded model {GEMMA}:") == 1


def add_user(home, name, role, scopes):
    maru(home, "users", "add", name, "--role", role, "--password", stdin="correct horse 42\n")
    return bearer(maru(home, "keys", "add", name, "--scopes", scopes))


def test_an_admin_loads_and_unloads(home):
    admin = add_user(home, "root", "admin", "inference,admin")
    member = add_user(home, "bob", "member", "inference")
    with real_server(SMOL, "--context", str(CONTEXT), home=home) as server, server.http() as http:
        load, unload = (f"/api/admin/models/{GEMMA}/{act}" for act in ("load", "unload"))
        assert http.post(load).status_code == 401
        assert http.post(load, headers=member).status_code == 403
        loaded = http.post(load, headers=admin)
        assert loaded.status_code == 200, loaded.text
        assert loaded.json()["maru"]["state"] == "loaded"
        assert loaded.json()["maru"]["idle_minutes"] == 30
        listed = http.get("/api/admin/models", headers=admin).json()["data"]
        assert [model["maru"]["state"] for model in listed] == ["loaded", "loaded"]
        for _ in range(2):
            unloaded = http.post(unload, headers=admin)
            assert unloaded.status_code == 200, unloaded.text
            assert unloaded.json()["maru"]["state"] == "unloaded"
        assert http.post("/api/admin/models/none/load", headers=admin).status_code == 404


def test_two_models_under_load_answer_as_each_does_alone(tmp_path):
    """Bit for bit: texts, tokens and logprobs at temperature 0."""
    alone = {}
    for name in (SMOL, GEMMA):
        home = tmp_path / name
        home.mkdir()
        context = "512" if name == GEMMA else str(CONTEXT)
        with real_server(model_file(name + ".gguf"), "--context", context, home=home) as single:
            for prompt in PROMPTS:
                alone[name, prompt] = complete(single, name, prompt)
    jobs = [key for _ in range(3) for key in alone]
    jobs = jobs[::2] + jobs[1::2]
    with real_server(SMOL, "--context", str(CONTEXT), home=fill(tmp_path / "both")) as both:
        answers = in_threads([lambda key=key: complete(both, *key) for key in jobs])
    for key, answer in zip(jobs, answers, strict=True):
        assert answer == alone[key], key
