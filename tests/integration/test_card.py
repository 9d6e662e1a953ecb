"""The open card: its schema, what it says of files that say something, and that it claims nothing of
files that do not."""

import hashlib
import json
import os

import jsonschema
import pytest
import tiny_models as tiny
from people import maru
from servers import ROOT, real_server
from tiny_models import good_folder, good_gguf, string_value

SCHEMA = json.loads((ROOT / "docs" / "api" / "card.schema.json").read_text())

README = """---
license: cc-by-nc-4.0
datasets:
- allenai/c4
- "korean/wiki"
base_model: org/parent
language: [ko]
---
# A model
license: mit
"""
MANIFEST = {
    "format": "maru-model",
    "version": 1,
    "name": "tuned",
    "licence": "mit",
    "origin": {
        "kind": "hub",
        "place": "https://huggingface.co",
        "repository": "org/name",
        "revision": "main",
        "commit": "0" * 40,
    },
    "signer": "",
    "added_at": 0,
    "files": [{"path": "model.safetensors", "bytes": 1, "sha256": "c" * 64}],
}
TUNING = {
    "parents": [{"name": "good", "sha256": "a" * 64}],
    "data": [{"name": "letters.jsonl", "sha256": "b" * 64}],
    "settings": {"method": "lora", "rank": 8},
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    models = home / "models"
    models.mkdir()
    gguf = good_gguf()
    (models / "plain.gguf").write_bytes(gguf.to_bytes())
    gguf.metadata |= {
        "general.license": string_value("Gemma"),
        "general.source.url": string_value("https://example.org/m"),
        "general.dataset.count": tiny.uint_value(1),
        "general.dataset.0.name": string_value("c4"),
        "tokenizer.chat_template": string_value("{{ messages }}"),
    }
    (models / "told.gguf").write_bytes(gguf.to_bytes())
    gguf.metadata |= {
        "general.license": string_value("other"),
        "general.license.name": string_value("exaone"),
    }
    (models / "other-file.gguf").write_bytes(gguf.to_bytes())
    for name, more in {
        "folder": {"README.md": README},
        "tuned": {
            "README.md": "no front matter",
            "maru-model.json": json.dumps(MANIFEST),
            "maru-tuning.json": json.dumps(TUNING),
        },
        "other": {"README.md": "---\nlicense: other\nlicense_name: exaone\n---\n"},
        "odd": {"README.md": "---\nlicense: my-own\n---\n", "maru-model.json": "[1"},
    }.items():
        (models / name).mkdir()
        for file, content in good_folder().items():
            (models / name / file).write_bytes(content)
        for file, content in more.items():
            (models / name / file).write_text(content)
    return home


def card(home, name):
    value = json.loads(maru(home, "card", name, "--json"))
    jsonschema.validate(value, SCHEMA)
    return value


def test_a_model_that_says_nothing(home):
    plain = card(home, "plain")
    # The oracle's file states a licence; nothing else.
    assert plain["licence"] == {
        "id": "apache-2.0",
        "name": "Apache License 2.0",
        "source": "general.license",
        "kind": "open_source",
        "limits": ["notice", "changes"],
    }
    assert plain["origin"]["kind"] == "unknown" and plain["origin"]["repository"] is None
    assert plain["openness"]["weights"] == "open"
    for part in ("training_code", "training_data", "training_hyperparameters"):
        assert plain["openness"][part] == "unknown"
    assert plain["lineage"] == {"parents": [], "data": [], "settings": None}
    assert plain["fingerprints"]["chat_template"] is None
    raw = (home / "models" / "plain.gguf").read_bytes()
    assert plain["files"] == [
        {"name": "plain.gguf", "bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}
    ]


def test_what_files_state(home):
    told = card(home, "told")
    assert told["licence"]["kind"] == "open_weights" and "use_policy" in told["licence"]["limits"]
    assert told["origin"]["url"] == "https://example.org/m"
    assert told["openness"]["training_data"] == "named"
    assert told["lineage"]["data"] == [{"name": "c4", "sha256": None}]
    template = hashlib.sha256(b"{{ messages }}").hexdigest()
    assert told["fingerprints"]["chat_template"] == template
    # The same tokens, the same fingerprint, in either format; another tokenizer has another.
    folder = card(home, "folder")
    assert told["fingerprints"]["tokenizer"] == folder["fingerprints"]["tokenizer"]
    assert folder["licence"]["id"] == "cc-by-nc-4.0"
    assert folder["licence"]["kind"] == "non_commercial"
    assert "no_commerce" in folder["licence"]["limits"]
    assert [one["name"] for one in folder["lineage"]["data"]] == ["allenai/c4", "korean/wiki"]
    assert folder["lineage"]["parents"] == [{"name": "org/parent", "sha256": None}]


def test_another_licence_goes_by_its_own_name(home):
    for name, source in ("other", "README.md"), ("other-file", "general.license.name"):
        licence = card(home, name)["licence"]
        assert licence["id"] == "exaone" and licence["source"] == source
        assert licence["kind"] == "non_commercial" and licence["limits"] == ["no_commerce"]


def test_origin_and_lineage(home):
    tuned = card(home, "tuned")
    assert tuned["origin"]["repository"] == "org/name"
    assert tuned["origin"]["commit"] == "0" * 40
    assert tuned["licence"]["id"] == "mit" and tuned["licence"]["source"] == "maru-model.json"
    assert tuned["lineage"] == TUNING
    assert tuned["openness"]["training_hyperparameters"] == "open"
    odd = card(home, "odd")
    assert odd["licence"] == {
        "id": "my-own",
        "name": None,
        "source": "README.md",
        "kind": "unknown",
        "limits": None,
    }
    assert odd["origin"]["kind"] == "unknown"


def test_hashes_follow_the_file(home):
    path = home / "models" / "changing.gguf"
    model = good_gguf()
    path.write_bytes(model.to_bytes())
    first = card(home, "changing")["files"][0]["sha256"]
    model.data = b"\1" + model.data[1:]
    path.write_bytes(model.to_bytes())
    os.utime(path, ns=(1, 1))
    second = card(home, "changing")["files"][0]["sha256"]
    assert first != second == hashlib.sha256(path.read_bytes()).hexdigest()
    path.unlink()


def test_it_reads_well_in_both_languages(home):
    english = maru(home, "card", "folder", "--lang", "en")
    assert "no commercial use" in english and "allenai/c4" in english
    assert "training data: named by the files, not checked" in english
    korean = maru(home, "card", "folder", "--lang", "ko")
    assert "상업적으로 쓸 수 없습니다" in korean and "학습 데이터" in korean


def test_over_http(home):
    with real_server("plain", home=home) as server, server.http() as http:
        answer = http.get("/v1/models/folder/card")
        assert answer.status_code == 200, answer.text
        assert answer.json() == card(home, "folder")
        page = http.get(
            "/v1/models/folder/card", headers={"Accept": "text/plain", "Accept-Language": "ko"}
        )
        assert page.headers["content-type"].startswith("text/plain")
        assert "학습 데이터" in page.text
        assert http.get("/v1/models/none/card").status_code == 404


def test_an_encoder_has_a_card_and_writes_no_text(home):
    name = "tiny-reranker"
    if not (home / "models" / name).exists():
        os.symlink(ROOT / "tests/cases/embeddings" / name, home / "models" / name)
    told = card(home, name)
    assert told["structure"]["family"] == "bert" and told["structure"]["parameters"] > 0
    assert sum(weight["bytes"] for weight in told["structure"]["weights"]) > 0
    assert told["fingerprints"]["model"] is None
    for flags, state in (([], "unloaded"), (["--rerank-model", name], "loaded")):
        with real_server("plain", *flags, home=home) as server, server.http() as http:
            (listed,) = (one for one in http.get("/v1/models").json()["data"] if one["id"] == name)
            assert listed["maru"]["state"] == state
            assert listed["maru"]["capabilities"] == ["rerank"]
            assert listed["maru"]["size_bytes"] > 0
            assert (listed["maru"]["error"] is None) == (state == "loaded")
            answer = http.get(f"/v1/models/{name}/card").json()
            jsonschema.validate(answer, SCHEMA)
            refused = http.post("/v1/completions", json={"model": name, "prompt": "a"})
            assert refused.status_code == 400, refused.text
            assert refused.json()["error"]["param"] == "model"
            assert name in refused.json()["error"]["message"]
