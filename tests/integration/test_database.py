"""The data folder over time: older folders and older tables, backups, and the way back."""

import json
import pathlib
import sqlite3

import pytest
from people import bearer, maru
from servers import model_file, real_server

HI = [{"role": "user", "content": "Say hello."}]
PASSWORD = "correct horse battery"
LONG = "The harbour was quiet that morning, and nobody spoke. " * 12


def tables_of(path):
    with sqlite3.connect(path) as database:
        return {row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def version_of(path):
    with sqlite3.connect(path) as database:
        return database.execute("SELECT max(version) FROM schema_version").fetchone()[0]


def fill(home):
    """A person, a key, a group, a price, a limit: something in the older tables."""
    maru(home, "users", "add", "kim", "--role", "admin", "--password", stdin=PASSWORD + "\n")
    maru(home, "groups", "add", "team")
    maru(home, "groups", "join", "team", "kim")
    maru(home, "prices", "set", "m", "--in", "1", "--out", "2")
    maru(home, "limits", "set", "user", "*", "streams", "3")
    return maru(home, "keys", "add", "kim")


def contents(home):
    return [
        json.loads(maru(home, "users", "list", "--json")),
        json.loads(maru(home, "groups", "list", "--json")),
        json.loads(maru(home, "keys", "list", "kim", "--json")),
    ]


def test_backup_and_restore(tmp_path):
    home, copy = tmp_path / "home", tmp_path / "copy.db"
    fill(home)
    before = contents(home)
    maru(home, "backup", str(copy))
    maru(home, "backup", str(copy), code=2)  # never over a file that is there
    maru(home, "users", "add", "later", "--password", stdin=PASSWORD + "\n")
    assert contents(home) != before
    maru(home, "restore", str(copy))
    assert contents(home) == before
    (kept,) = home.glob("maru.db.*Z")  # what was there
    with sqlite3.connect(kept) as database:
        assert ("later",) in database.execute("SELECT name FROM users").fetchall()
    damaged = tmp_path / "damaged.db"
    damaged.write_bytes(copy.read_bytes()[:5000] + b"x" * 3000)
    maru(home, "restore", str(damaged), code=2)
    assert contents(home) == before
    maru(home, "restore", str(tmp_path / "absent.db"), code=2)


def test_down_to_every_version_and_up_again_with_rows(tmp_path):
    home = tmp_path / "home"
    path = home / "maru.db"
    assert "version 0" in maru(home, "database", "status")
    fill(home)
    newest = version_of(path)
    assert f"version {newest}" in maru(home, "database", "status")
    before, all_tables = contents(home), tables_of(path)
    for version in range(newest - 1, 0, -1):
        maru(home, "database", "downgrade", str(version))
        assert version_of(path) == version
        assert tables_of(path) < all_tables
        # As it stands there with its rows, the next start upgrades it: older rows are all there.
        assert contents(home) == before
        assert version_of(path) == newest and tables_of(path) == all_tables
    with sqlite3.connect(path) as database:  # what an older version did not know is empty, not broken
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert database.execute("SELECT count(*) FROM limits").fetchone() == (0,)
    copies = list(home.glob("maru.db.v*Z"))
    assert len(copies) >= newest - 1  # each step down left a copy from before
    with sqlite3.connect(min(copies, key=lambda one: one.stat().st_mtime_ns)) as database:
        assert database.execute("SELECT count(*) FROM limits").fetchone() == (1,)
    maru(home, "database", "upgrade")
    for wrong in ("0", str(newest + 1), "x", "-1"):
        assert version_of(path) == newest
        maru(home, "database", "downgrade", "--", wrong, code=2)
    maru(home, "database", "downgrade", code=2)
    maru(home, "database", "sideways", code=2)


@pytest.mark.parametrize("form", ["lists", "text"])
def test_a_data_folder_from_before_there_was_a_database(tmp_path, form):
    """Settings, a model, a saved chat and prompts on disk, as Maru kept them before accounts came."""
    home = tmp_path / "home"
    (home / "models").mkdir(parents=True)
    model = pathlib.Path(model_file("SmolLM2-135M-Instruct.Q4_1.gguf"))
    (home / "models" / model.name).symlink_to(model)
    keys = 'keys = ["an-old-key"]\n' if form == "lists" else ""
    (home / "maru.toml").write_text(
        f'model = "{model.stem}"\ncontext = 1024\nprecision = "standard"\nlang = "en"\n' + keys
    )
    chat = {"messages": [*HI, {"role": "assistant", "content": "Hello."}]}
    (tmp_path / "chat.json").write_text(json.dumps(chat))
    lines = f"/load {tmp_path / 'chat.json'}\nAnd now?\n/save {tmp_path / 'more.json'}\n"
    assert maru(home, "chat", "--own-engine", "--max-tokens", "4", stdin=lines)
    more = json.loads((tmp_path / "more.json").read_text())["messages"]
    assert more[:2] == chat["messages"] and len(more) == 4

    def ask(server):
        headers = bearer("an-old-key") if keys else {}
        with server.http() as http:
            body = {"model": model.stem, "prompt": LONG, "max_tokens": 4}
            answer = http.post("/v1/completions", json=body, headers=headers)
            assert answer.status_code == 200, answer.text
            return answer.json()["usage"]["prompt_tokens_details"]["cached_tokens"]

    with real_server(model.stem, home=home) as server:
        assert ask(server) == 0
    assert list((home / "cache" / "prefix").iterdir())
    for file in home.glob("maru.db*"):
        file.unlink()
    (home / "audit.head").unlink(missing_ok=True)
    # The folder is now as an older Maru left it: no database, all else there.
    with real_server(model.stem, home=home) as server:
        assert ask(server) > 50
    assert version_of(home / "maru.db") > 0
    maru(home, "users", "add", "kim", "--role", "admin", "--password", stdin=PASSWORD + "\n")
    with real_server(model.stem, home=home) as server, server.http() as http:
        key = maru(home, "keys", "add", "kim")
        assert http.get("/v1/models").status_code == 401
        assert http.get("/v1/models", headers=bearer(key)).status_code == 200
        if keys:
            assert http.get("/v1/models", headers=bearer("an-old-key")).status_code == 200
