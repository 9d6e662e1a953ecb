"""Settings that are kept in the database: changed by the API, in force after the next start, weaker
than the file, and never in the way of a start."""

import json
import os
import pathlib
import shutil
import sqlite3

import pytest
from people import bearer, maru, run_maru
from servers import model_file, real_server

ROOT = pathlib.Path(__file__).resolve().parents[2]
ADDRESS = "/api/admin/settings"


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A data folder with models, a settings file and people of every kind; their keys."""
    home = tmp_path_factory.mktemp("home")
    (home / "models").mkdir()
    for name in ["default", "second"]:
        os.symlink(model_file("SmolLM2-135M-Instruct.Q4_1.gguf"), home / "models" / f"{name}.gguf")
    # Without a vocabulary: a start with it fails.
    shutil.copy(ROOT / "tests/oracle/qwen3/model.gguf", home / "models" / "wordless.gguf")
    (home / "maru.toml").write_text('max_waiting = 7\nkeys = ["a-secret-of-the-file"]\n')
    keys = {}
    for name, role in [("root", "admin"), ("audrey", "auditor"), ("ann", "member")]:
        maru(home, "users", "add", name, "--role", role, "--password", stdin="correct horse battery\n")
        keys[name] = maru(home, "keys", "add", name, "--scopes", "admin,audit,inference,account")
    return home, keys


def rows(http, key):
    answer = http.get(ADDRESS, headers=bearer(key))
    assert answer.status_code == 200, answer.text
    return {row["name"]: row for row in answer.json()["data"]}


def change(http, key, changes, code=200, **headers):
    answer = http.patch(ADDRESS, headers={**bearer(key), **headers}, json=changes)
    assert answer.status_code == code, answer.text
    return answer.json()


def write_row(home, name, value):
    with sqlite3.connect(home / "maru.db") as database:
        database.execute(
            "INSERT OR REPLACE INTO settings (name, value, updated_at, updated_by) VALUES (?, ?, 1, 'local')",
            (name, value),
        )


def test_a_change_holds_after_the_next_start(house):
    home, keys = house
    root = keys["root"]
    with real_server(None, home=home) as server, server.http() as http:
        for who, code in [("audrey", 403), ("ann", 403), ("root", 200)]:
            change(http, keys[who], {"max_running": 4}, code)
        assert http.get(ADDRESS, headers=bearer(keys["ann"])).status_code == 403
        seen = rows(http, keys["audrey"])
        assert seen["max_running"]["value"] == 16 and seen["max_running"]["next"] == 4
        assert seen["model"]["choices"] == ["default", "second", "wordless"] and seen["embedding_model"]["choices"] == []
        assert "a-secret" not in json.dumps(seen) and seen["keys"]["secret"]

        change(http, root, {"context": 256, "model": "second", "currency": "krw"})
        me = http.get("/api/me", headers=bearer(root)).json()
        assert me["currency"] == "krw"  # at once
        assert rows(http, root)["model"]["next"] == "second"

        # The file decides, and says where.
        refused = change(http, root, {"max_waiting": 9}, 409)["error"]
        assert refused["param"] == "max_waiting" and "maru.toml:1" in refused["message"]
        for changes, param in [
            ({"context": 128, "kv_type": "q4"}, "kv_type"),
            ({"context": 128, "max_running": 0}, "max_running"),
            ({"context": 128, "model": "../second"}, "model"),
            ({"context": 128, "embedding_model": "second"}, "embedding_model"),
            ({"context": 128, "egress_hosts": ["*"]}, "egress_hosts"),
            ({"context": 128, "host": "0.0.0.0"}, "host"),
            ({"context": 128, "secure_cookies": "on"}, "secure_cookies"),  # over http nobody could log in
            ({"context": 128, "nothing": 1}, "nothing"),
            ({"context": 12.5}, "context"),
        ]:
            assert change(http, root, changes, 400)["error"]["param"] == param
        assert rows(http, root)["context"]["stored"] == 256

        acts = http.get("/api/admin/audit", headers=bearer(root)).json()["data"]
        details = [act["detail"] for act in acts if act["action"] == "setting.change"]
        assert details == [
            {
                "context": {"old": None, "new": 256},
                "currency": {"old": None, "new": "krw"},
                "model": {"old": None, "new": "second"},
            },
            {"max_running": {"old": None, "new": 4}},
        ]
    shown = maru(home, "config")
    assert "max_running = 4" in shown and "# database" in shown
    assert json.loads(maru(home, "config", "--json"))["settings"]["max_waiting"]["value"] == "7"

    with real_server(None, home=home) as server, server.http() as http:
        seen = rows(http, root)
        for name, value in [("max_running", 4), ("context", 256), ("model", "second")]:
            assert (seen[name]["value"], seen[name]["origin"], seen[name]["next"]) == (value, "database", None)
        models = http.get("/api/admin/models", headers=bearer(root)).json()["data"]
        assert [(one["id"], one["maru"]["context_length"]) for one in models if one["maru"]["default"]] == [("second", 256)]
        change(http, root, dict.fromkeys(["model", "context", "max_running", "currency"]))
        assert rows(http, root)["model"]["next"] == ""
    with real_server(None, "--max-running", "3", home=home) as server, server.http() as http:
        row = rows(http, root)["max_running"]
        assert (row["value"], row["origin"], row["editable"]) == (3, "flag --max-running", False)


def test_no_kept_setting_keeps_the_server_from_starting(house):
    home, keys = house
    root = keys["root"]
    write_row(home, "of_a_newer_maru", "true")
    write_row(home, "max_running", "100000")
    write_row(home, "threads", "1024")
    write_row(home, "draft_model", '"gone"')
    write_row(home, "host", '"0.0.0.0"')
    write_row(home, "kv_memory_mib", "16777216")  # valid, but no machine has it
    write_row(home, "model", '"wordless"')
    write_row(home, "idle_minutes", "9")
    with real_server(None, home=home) as server, server.http() as http:
        seen = rows(http, root)
        assert (seen["idle_minutes"]["value"], seen["idle_minutes"]["origin"]) == (9, "database")
        ignored = {one["name"] for one in http.get(ADDRESS, headers=bearer(root)).json()["ignored"]}
        assert ignored >= {"of_a_newer_maru", "max_running", "threads", "draft_model", "host", "model", "kv_memory_mib"}
        assert seen["kv_memory_mib"]["value"] == 0
        assert "maru config unset kv_memory_mib" in server.log_with("did not start with it")
        question = {"model": "default", "prompt": "a", "max_tokens": 1}
        answer = http.post("/v1/completions", headers=bearer(root), json=question)
        assert answer.status_code == 200, answer.text
    assert "max_running" in run_maru(home, "config").stderr
    for name in ["of_a_newer_maru", "max_running", "threads", "draft_model", "host", "model", "kv_memory_mib", "idle_minutes"]:
        assert name in maru(home, "config", "unset", name)
    maru(home, "config", "unset", "idle_minutes", code=2)
    maru(home, "config", "unset", code=2)
    maru(home, "config", "forget", code=2)
    assert "database" not in maru(home, "config").replace("database_url", "")
    assert run_maru(home, "config", "--lang", "ko").stderr == ""
    with real_server(None, home=home) as server, server.http() as http:
        assert http.get(ADDRESS, headers=bearer(root)).json()["ignored"] == []


def test_to_look_makes_no_database(tmp_path):
    maru(tmp_path, "config")
    maru(tmp_path, "config", "unset", "model", code=2)
    assert not (tmp_path / "maru.db").exists()
