"""Chats of several people: nobody finds what is another's; answers are metered and limited, end
with the key that asked for them, and are made from attached files too."""

import json
import sqlite3
import time
import types

import pytest
from people import bearer, maru
from servers import scripted_server

PASSWORD = "correct horse battery"


def add_user(home, name, role="member"):
    maru(home, "users", "add", name, "--role", role, "--password", stdin=PASSWORD + "\n")
    return maru(home, "keys", "add", name, "--scopes", "chats,account,inference")


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    with scripted_server(login=1, database=home / "maru.db", refresh_ms=50, context=400) as server:
        people = {"root": "admin", "audrey": "auditor", "ann": "member", "bob": "member", "max": "member"}
        keys = {name: add_user(home, name, role) for name, role in people.items()}
        with server.http() as http:
            mine = {name: http.get("/api/me", headers=bearer(key)).json() for name, key in keys.items()}
            ids = {name: me["user"]["id"] for name, me in mine.items()}
            yield types.SimpleNamespace(server=server, home=home, keys=keys, ids=ids, http=http)


def ask_for(house, name, method, path, status=None, **arguments):
    answer = house.http.request(method, path, headers=bearer(house.keys[name]), **arguments)
    if status is not None:
        assert answer.status_code == status, answer.text
    return answer


def made(house, who, path, /, **body):
    return ask_for(house, who, "POST", path, 201, json=body).json()


def new_question(house, name, model, content="Tell me something.", **fields):
    chat = made(house, name, "/api/chats", settings={"model": model})["id"]
    return made(house, name, f"/api/chats/{chat}/messages", content=content, **fields)["id"]


def wait_for_end(house, name, message):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found = ask_for(house, name, "GET", f"/api/messages/{message}", 200).json()
        if found["state"] != "running":
            return found
        time.sleep(0.02)
    raise AssertionError("the answer does not end")


def answer(house, name, question):
    return wait_for_end(house, name, made(house, name, f"/api/messages/{question}/answer")["id"])


def upload(house, name, content):
    headers = {**bearer(house.keys["ann"]), "content-type": "text/plain"}
    added = house.http.post(f"/api/files?name={name}", content=content, headers=headers)
    assert added.status_code == 201, added.text
    return added.json()["id"]


def rows(house, name):
    with sqlite3.connect(house.home / "maru.db", timeout=30) as database:
        database.row_factory = sqlite3.Row
        query = "SELECT usage.* FROM usage JOIN users ON users.id = usage.user_id WHERE users.name = ?"
        return [dict(row) for row in database.execute(query, [name])]


def test_other_peoples_things_are_not_found(house):
    """Everything of one person, by every way that takes an id, asked for by others."""
    file = upload(house, "a.txt", b"secret")
    chat = made(house, "ann", "/api/chats", settings={"model": "plain"})["id"]
    message = made(house, "ann", f"/api/chats/{chat}/messages", content="secret words", files=[file])["id"]
    written = answer(house, "ann", message)["id"]
    ids = {
        "chat": chat,
        "message": message,
        "file": file,
        "folder": made(house, "ann", "/api/folders", name="secret")["id"],
        "assistant": made(house, "ann", "/api/assistants", name="secret")["id"],
        "memory": made(house, "ann", "/api/memories", content="secret")["id"],
        "share": made(house, "ann", "/api/shares", message=message)["id"],
        "prompt": made(house, "ann", "/api/prompts", name="secret", content="secret")["id"],
        "feedback": made(house, "ann", "/api/feedback", message=written, kind="thumb", thumb="up")["id"],
    }
    ways = [
        ("GET", "/api/chats/{chat}", None),
        ("PATCH", "/api/chats/{chat}", {"title": "x"}),
        ("DELETE", "/api/chats/{chat}", None),
        ("GET", "/api/chats/{chat}/messages", None),
        ("POST", "/api/chats/{chat}/messages", {"content": "x"}),
        ("GET", "/api/messages/{message}", None),
        ("PATCH", "/api/messages/{message}", {"content": "x"}),
        ("DELETE", "/api/messages/{message}", None),
        ("POST", "/api/messages/{message}/answer", {}),
        ("POST", "/api/messages/{message}/continue", {}),
        ("POST", "/api/messages/{message}/stop", {}),
        ("POST", "/api/chats/{chat}/title", {}),
        ("GET", "/api/messages/{message}/events", None),
        ("GET", "/api/files/{file}", None),
        ("GET", "/api/files/{file}/content", None),
        ("DELETE", "/api/files/{file}", None),
        ("PATCH", "/api/folders/{folder}", {"name": "x"}),
        ("DELETE", "/api/folders/{folder}", None),
        ("GET", "/api/assistants/{assistant}", None),
        ("PUT", "/api/assistants/{assistant}", {"name": "x"}),
        ("DELETE", "/api/assistants/{assistant}", None),
        ("PATCH", "/api/memories/{memory}", {"content": "x"}),
        ("DELETE", "/api/memories/{memory}", None),
        ("PUT", "/api/prompts/{prompt}", {"name": "x", "content": "x"}),
        ("DELETE", "/api/prompts/{prompt}", None),
        ("DELETE", "/api/shares/{share}", None),
        ("DELETE", "/api/feedback/{feedback}", None),
        # ids in bodies and queries
        ("POST", "/api/chats", {"folder": "{folder}"}),
        ("POST", "/api/shares", {"message": "{message}"}),
        ("POST", "/api/feedback", {"message": "{message}", "kind": "thumb", "thumb": "up"}),
    ]
    for other in ("bob", "audrey", "root"):
        own = made(house, other, "/api/chats", settings={"model": "plain"})["id"]
        mine = made(house, other, f"/api/chats/{own}/messages", content="x")["id"]
        own_ways = [
            ("POST", f"/api/chats/{own}/messages", {"content": "x", "files": ["{file}"]}),
            ("POST", f"/api/chats/{own}/messages", {"content": "x", "parent": "{message}"}),
            ("GET", f"/api/chats/{own}/messages?leaf={{message}}", None),
            ("PATCH", f"/api/chats/{own}", {"leaf": "{message}"}),
            ("PATCH", f"/api/chats/{own}", {"folder": "{folder}"}),
            ("POST", f"/api/messages/{mine}/answer", {"assistant": "{assistant}"}),
            ("POST", "/api/feedback", {"message": mine, "kind": "vote", "over": "{message}"}),
        ]
        for method, path, body in ways + own_ways:
            told = []
            for suffix in ("", "missing"):
                known = {name: one[: -len(suffix)] + suffix if suffix else one for name, one in ids.items()}
                filled, sent = path, json.dumps(body)
                for name, one in known.items():
                    filled = filled.replace("{" + name + "}", one)
                    sent = sent.replace("{" + name + "}", one)
                found = ask_for(house, other, method, filled, json=json.loads(sent))
                body_of = found.text
                for name, one in known.items():
                    body_of = body_of.replace(one, name)
                told.append((found.status_code, body_of))
            assert told[0][0] == 404, (method, path, told)
            assert told[0] == told[1], (method, path)
        for path in ("chats", "folders", "files", "assistants", "memories", "shares", "prompts", "feedback", "tags", "me/data"):
            listed = ask_for(house, other, "GET", f"/api/{path}", 200).text
            assert "secret" not in listed and not any(one in listed for one in ids.values())
        hits = ask_for(house, other, "GET", "/api/search?query=secret", 200).json()
        assert hits == {"data": [], "next": None}
    # and all of it is still there
    for path in (f"chats/{chat}", f"messages/{message}", f"files/{file}/content", f"assistants/{ids['assistant']}"):
        ask_for(house, "ann", "GET", f"/api/{path}", 200)
    everything = ask_for(house, "ann", "GET", "/api/me/data", 200).text
    assert all(one in everything for one in ids.values())


def test_an_answer_ends_with_the_key_that_asked_for_it(house):
    house.keys["lost"] = maru(house.home, "keys", "add", "ann", "--name", "lost", "--scopes", "chats,inference")
    question = new_question(house, "ann", "slow")
    message = made(house, "lost", f"/api/messages/{question}/answer")["id"]
    kept = made(house, "ann", f"/api/messages/{question}/answer")["id"]
    listed = json.loads(maru(house.home, "keys", "list", "ann", "--json"))
    maru(house.home, "keys", "revoke", next(key["id"] for key in listed if key["name"] == "lost"))
    ended = wait_for_end(house, "ann", message)
    assert ended["state"] == "stopped" and ended["extra"]["finish"] == "revoked"
    assert ended["extra"]["error"]["message"] == "the API key was revoked"
    assert wait_for_end(house, "ann", kept)["state"] == "complete"
    assert len(ended["content"]) < len(wait_for_end(house, "ann", kept)["content"])


@pytest.mark.sqlite
def test_a_run_is_one_row_of_usage(house):
    question = new_question(house, "bob", "plain")
    before = len(rows(house, "bob"))
    done = answer(house, "bob", question)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        found = rows(house, "bob")[before:]
        if found and found[0]["closed_at"] is not None:
            break
        time.sleep(0.02)
    (row,) = found
    usage = done["extra"]["usage"]
    assert (row["model"], row["outcome"]) == ("plain", "stop")
    assert (row["tokens_in"], row["tokens_out"]) == (usage["prompt_tokens"], usage["completion_tokens"])


@pytest.mark.sqlite
def test_runs_obey_limits_and_say_which(house):
    maru(house.home, "limits", "set", "user", house.ids["max"], "streams", "1")
    time.sleep(0.5)
    slow, other = new_question(house, "max", "slow"), new_question(house, "max", "plain")
    running = made(house, "max", f"/api/messages/{slow}/answer")["id"]
    refused = ask_for(house, "max", "POST", f"/api/messages/{other}/answer", 429, json={})
    assert refused.json()["error"]["code"] == "rate_limit_exceeded", refused.text
    assert wait_for_end(house, "max", running)["state"] == "complete"
    assert answer(house, "max", other)["state"] == "complete"
    used = sum(row["tokens_in"] + row["tokens_out"] for row in rows(house, "max"))
    maru(house.home, "limits", "set", "user", house.ids["max"], "tokens_per_month", str(used + 30))
    time.sleep(0.5)
    cut = answer(house, "max", new_question(house, "max", "slow", content="hi"))
    assert cut["state"] == "stopped" and cut["extra"]["finish"] == "limit"
    assert "tokens" in cut["extra"]["error"]["message"]
    refused = ask_for(house, "max", "POST", f"/api/messages/{other}/answer", 429, json={})
    assert "month" in refused.json()["error"]["message"]


def test_attached_text_reaches_the_model(house):
    plain = answer(house, "ann", new_question(house, "ann", "echo", content="What is in it?"))
    notes = upload(house, "notes.md", "회의는 아홉 시에".encode())
    question = new_question(house, "ann", "echo", content="What is in it?", files=[notes])
    read = answer(house, "ann", question)
    assert "notes.md" in read["content"] and "회의는 아홉 시에" in read["content"]
    assert read["extra"]["usage"]["prompt_tokens"] > plain["extra"]["usage"]["prompt_tokens"] + 5
    assert ask_for(house, "ann", "GET", f"/api/messages/{question}").json()["content"] == "What is in it?"
    ask_for(house, "ann", "DELETE", f"/api/files/{notes}", 200)
    again = answer(house, "ann", question)
    assert "회의" not in again["content"] and "deleted" in again["content"]


@pytest.mark.parametrize(
    "name, content, said",
    [
        ("photo.png", b"\x89PNG\r\n\x1a\n\xff", "photo.png"),
        ("zero.txt", b"a\0b", "zero.txt"),
        ("long.txt", b"many words " * 2000, "context"),
    ],
)
def test_files_that_cannot_be_read_are_refused_by_name(house, name, content, said):
    question = new_question(house, "ann", "echo", files=[upload(house, name, content)])
    refused = ask_for(house, "ann", "POST", f"/api/messages/{question}/answer", 400, json={})
    assert said in refused.json()["error"]["message"]
