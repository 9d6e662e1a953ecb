"""maru recommend: the catalogue against this machine, and its prediction against a model."""

import json

import pytest
from test_pull import SMOL, run, succeed


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
