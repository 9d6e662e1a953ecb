"""A draft model beside the served one: the same answers, guesses that are accepted, refusals."""

import os
import subprocess

import openai
from servers import model_file, real_server

MODEL = "SmolLM2-135M-Instruct.Q4_1.gguf"
QUESTION = [{"role": "user", "content": "Write a short story about a lighthouse keeper."}]


def answers(server):
    client = openai.OpenAI(base_url=server.url + "/v1", api_key="any", max_retries=0)
    model = client.models.list().data[0].id
    return [
        client.chat.completions.create(
            model=model, messages=QUESTION, temperature=temperature, seed=5, max_tokens=64
        ).choices[0].message.content
        for temperature in (0, 0.7)
    ]


def test_a_draft_model_changes_no_answer():
    model = model_file(MODEL)
    flags = ("--context", "1024", "--speculation", "off")
    with real_server(model, *flags) as server:
        plain = answers(server)
        assert server.metric("maru_engine_tokens_total", kind="drafted") == 0
    with real_server(model, "--context", "1024", "--draft-model", model) as server:
        assert answers(server) == plain
        drafted = server.metric("maru_engine_tokens_total", kind="drafted")
        accepted = server.metric("maru_engine_tokens_total", kind="accepted")
        assert 0 < accepted <= drafted


def test_a_draft_model_with_other_words_is_refused(tmp_path):
    refused = subprocess.run(
        [os.environ["MARU_BINARY"], "serve", "--model", model_file(MODEL), "--port", "0"]
        + ["--context", "1024", "--draft-model", model_file("gemma-3-270m-q4_k_m.gguf")],
        capture_output=True, text=True, timeout=120, env={**os.environ, "MARU_HOME": str(tmp_path)},
    )
    assert refused.returncode != 0
    assert "another vocabulary" in refused.stderr and "gemma-3-270m" in refused.stderr
