"""Chats over the API: trees of messages, answers that go on without their page, search, export."""

import json
import pathlib
import tempfile
import time

import pytest
from servers import in_threads, made, scripted_server


@pytest.fixture(scope="module")
def server():
    with tempfile.TemporaryDirectory() as folder:
        with scripted_server(database=pathlib.Path(folder) / "maru.db", refresh_ms=50) as running:
            yield running


@pytest.fixture
def http(server):
    with server.http() as client:
        yield client


def new_chat(http, model="plain", **fields):
    return made(http.post("/api/chats", json={"settings": {"model": model}, **fields}))["id"]


def say(http, chat, content, **fields):
    return made(http.post(f"/api/chats/{chat}/messages", json={"content": content, **fields}))["id"]


def ask(http, model="plain", content="Tell me something."):
    return made(http.post(f"/api/messages/{say(http, new_chat(http, model), content)}/answer"))["id"]


def events(server, message, start=0):
    """Events from `start` on, until the end or until the caller has enough."""
    with server.http() as http:
        with http.stream("GET", f"/api/messages/{message}/events?from={start}") as stream:
            assert stream.status_code == 200
            assert stream.headers["content-type"].startswith("text/event-stream")
            for line in stream.iter_lines():
                if line.startswith("data: "):
                    yield json.loads(line[len("data: ") :])


class Page:
    """What a page shows: the text of an event replaces everything from its offset on."""

    def __init__(self):
        self.bytes, self.end = b"", None

    def take(self, event):
        if event["type"] == "ended":
            self.end = event
            return
        assert event["offset"] <= len(self.bytes)
        self.bytes = self.bytes[: event["offset"]] + event["text"].encode()
        assert event["next"] == len(self.bytes)

    def read(self, server, message, n_events=None):
        for n, event in enumerate(events(server, message, len(self.bytes)), 1):
            self.take(event)
            if n == n_events:
                return self
        assert self.end, "the stream ended before the answer did"
        return self


def test_a_reload_at_any_token_loses_and_doubles_nothing(server, http):
    message = ask(http, "slow")
    page, n_reloads = Page(), 0
    while page.end is None:
        page.read(server, message, n_events=2)  # what is there, one token more, and away
        n_reloads += 1
    assert page.end["state"] == "complete" and n_reloads > 3
    saved = made(http.get(f"/api/messages/{message}"), 200)
    assert saved["state"] == "complete"
    assert page.bytes.decode() == saved["content"] and len(saved["content"]) > 10
    for start in range(len(page.bytes) + 1):  # and afterwards from every byte
        late = Page()
        late.bytes = page.bytes[:start]
        assert late.read(server, message).bytes == page.bytes


def test_two_tabs_see_the_same_answer(server, http):
    message = ask(http, "slow")
    tabs = in_threads([lambda: Page().read(server, message) for _ in range(3)])
    saved = made(http.get(f"/api/messages/{message}"), 200)
    for tab in tabs:
        assert tab.bytes.decode() == saved["content"]
        assert tab.end == {**tabs[0].end}


def test_an_answer_goes_on_without_a_page_and_stops_when_told(server, http):
    message = ask(http, "slow")
    page = Page().read(server, message, n_events=2)
    assert page.end is None
    made(http.post(f"/api/messages/{message}/stop"), 200)
    page.read(server, message)
    assert page.end["state"] == "stopped"
    saved = made(http.get(f"/api/messages/{message}"), 200)
    assert saved["state"] == "stopped" and saved["content"] == page.bytes.decode()


def test_edits_and_second_answers_are_branches(server, http):
    chat = new_chat(http)
    question = say(http, chat, "first words")
    answers = [made(http.post(f"/api/messages/{question}/answer"))["id"] for _ in range(2)]
    for answer in answers:
        Page().read(server, answer)
    edited = made(http.patch(f"/api/messages/{question}", json={"content": "other words"}))
    assert edited["parent"] is None
    every = made(http.get(f"/api/chats/{chat}/messages"), 200)["data"]
    assert [m["id"] for m in every] == [question, *answers, edited["id"]]
    branch = made(http.get(f"/api/chats/{chat}/messages?leaf={answers[1]}"), 200)["data"]
    assert [m["id"] for m in branch] == [question, answers[1]]
    assert made(http.get(f"/api/chats/{chat}"), 200)["leaf"] == edited["id"]
    assert made(http.get(f"/api/chats/{chat}"), 200)["title"] == "first words"
    made(http.delete(f"/api/messages/{question}"), 200)
    every = made(http.get(f"/api/chats/{chat}/messages"), 200)["data"]
    assert [m["id"] for m in every] == [edited["id"]]


def test_search_finds_korean_words_of_two_letters_and_parts_of_words(http):
    chat = new_chat(http)
    minutes = say(http, chat, "어제 주간회의록을 썼습니다")
    report = say(http, chat, "A quarterly report for the board")

    def found(query):
        answer = http.get("/api/search", params={"query": query})
        return [(hit["message"], hit["snippet"]["match"]) for hit in made(answer, 200)["data"]]

    assert found("회의") == [(minutes, "회의")]
    assert found("회의록") == [(minutes, "회의록")]
    assert found("quart BOARD") == [(report, "quart")]
    assert found("nowhere") == []


def test_lists_have_cursors_folders_and_tags(http):
    folder = made(http.post("/api/folders", json={"name": "Work"}))["id"]
    chats = []
    for n in range(5):
        chats.append(new_chat(http, folder=folder, tags=["t"], title=str(n)))
        time.sleep(0.005)  # the list's order is that of the milliseconds, and by id within one
    seen, cursor = [], ""
    while cursor is not None:
        page = made(http.get("/api/chats", params={"folder": folder, "limit": 2, "cursor": cursor}), 200)
        seen += [chat["id"] for chat in page["data"]]
        cursor = page["next"]
    assert seen == chats[::-1]
    assert {"tag": "t", "chats": 5} in made(http.get("/api/tags"), 200)["data"]
    made(http.patch(f"/api/chats/{chats[0]}", json={"folder": None, "pinned": True}), 200)
    made(http.delete(f"/api/folders/{folder}"), 200)
    kept = made(http.get(f"/api/chats/{chats[1]}"), 200)
    assert kept["folder"] is None


@pytest.mark.parametrize(
    "method, path, body, status, param",
    [
        ("POST", "/api/chats", {"nonsense": 1}, 400, "nonsense"),
        ("POST", "/api/chats", {"settings": {"temperature": 9}}, 400, "settings.temperature"),
        ("POST", "/api/chats", {"title": "x" * 201}, 400, "title"),
        ("GET", "/api/chats?limit=0", None, 400, "limit"),
        ("GET", "/api/chats?cursor=x", None, 400, "cursor"),
        ("GET", "/api/search", None, 400, "query"),
        ("GET", "/api/chats/chat_other", None, 404, "chat"),
        ("PATCH", "/api/messages/msg_other", {"content": "x"}, 404, "message"),
        ("GET", "/api/messages/msg_other/events", None, 404, "message"),
        ("POST", "/api/messages/msg_other/answer", {}, 404, "message"),
        ("POST", "/api/messages/msg_other/continue", {}, 404, "message"),
        ("POST", "/api/messages/msg_other/stop", {}, 404, "message"),
        ("POST", "/api/chats/chat_other/title", {}, 404, "chat"),
        ("GET", "/api/files/file_other/content", None, 404, "file"),
        ("GET", "/api/shared/unknown", None, 404, "share"),
        ("POST", "/api/feedback", {"message": "m", "kind": "thumb"}, 400, "thumb"),
    ],
)
def test_what_is_wrong_is_named(http, method, path, body, status, param):
    answer = http.request(method, path, json=body)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["param"] == param


def test_files_shares_and_everything_of_a_person(server, http):
    data = bytes(range(256))
    headers = {"content-type": "image/png"}
    file = made(http.post("/api/files?name=a%20b.png", content=data, headers=headers))
    assert (file["name"], file["size"], file["media_type"]) == ("a b.png", 256, "image/png")
    content = http.get(f"/api/files/{file['id']}/content")
    assert content.content == data
    assert content.headers["content-disposition"] == "attachment"

    chat = new_chat(http)
    question = say(http, chat, "shared words", files=[file["id"]])
    say(http, chat, "not shared")
    share = made(http.post("/api/shares", json={"message": question}))
    shared = made(http.get(f"/api/shared/{share['token']}"), 200)
    assert [m["content"] for m in shared["data"]] == ["shared words"]
    made(http.delete(f"/api/shares/{share['id']}"), 200)
    assert http.get(f"/api/shared/{share['token']}").status_code == 404

    made(http.post("/api/memories", json={"content": "likes tea"}))
    made(http.post("/api/assistants", json={"name": "Helper", "instructions": "Be brief."}))
    made(http.post("/api/feedback", json={"message": question, "kind": "thumb", "thumb": "up"}))
    made(http.put("/api/me/settings", json={"temperature": 0.5}), 200)
    everything = made(http.get("/api/me/data"), 200)
    assert everything["settings"] == {"temperature": 0.5}
    assert all(everything[what] for what in ["chats", "messages", "files", "memories", "assistants", "feedback"])
    made(http.delete("/api/me/data"), 200)
    assert not any(made(http.get("/api/me/data"), 200).values())


def test_open_pages_hear_of_changes(server, http):
    with server.http() as listener, listener.stream("GET", "/api/changes") as stream:
        lines = (line for line in stream.iter_lines() if line.startswith("data: "))
        assert json.loads(next(lines)[6:]) == {"type": "listening"}
        chat = new_chat(http)
        assert json.loads(next(lines)[6:]) == {"type": "changed", "what": "chat", "id": chat, "chat": ""}


def two_answers(http, models):
    question = say(http, new_chat(http), "which one?")
    ids = [made(http.post(f"/api/messages/{question}/answer", json={"model": model}))["id"] for model in models]
    return question, ids


def test_votes_are_counted_by_topic_and_pair(http):
    def counts():
        rows = made(http.get("/api/votes"), 200)["data"]
        return {(row["topic"], row["model"], row["over"]): (row["wins"], row["ties"]) for row in rows}

    assert counts() == {}
    for winner, loser, more in (
        ("plain", "slow", {"topic": "code"}),
        ("plain", "slow", {"topic": "code"}),
        ("slow", "plain", {"topic": "code"}),
        ("slow", "plain", {"tie": True}),
        ("plain", "slow", {"tie": True}),
    ):
        question, (first, second) = two_answers(http, (winner, loser))
        vote = made(http.post("/api/feedback", json={"message": first, "kind": "vote", "over": second, **more}))
        assert vote["detail"]["model"] == winner and vote["detail"]["over_model"] == loser
        wrong = http.post("/api/feedback", json={"message": first, "kind": "vote", "over": question})
        assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "over")
    assert counts() == {
        ("code", "plain", "slow"): (2, 0),
        ("code", "slow", "plain"): (1, 0),
        ("other", "plain", "slow"): (0, 2),
    }
    wrong = http.post("/api/feedback", json={"message": first, "kind": "vote", "over": second, "topic": "tea"})
    assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "topic")


def test_feedback_of_a_chat_is_found(http):
    question, (first, second) = two_answers(http, ("plain", "plain"))
    chat = made(http.get(f"/api/messages/{first}"), 200)["chat"]
    thumb = {"kind": "thumb", "thumb": "down", "reasons": ["wrong"], "comment": "no hall"}
    made(http.post("/api/feedback", json={"message": first, **thumb}))
    found = made(http.get(f"/api/feedback?chat={chat}"), 200)["data"]
    assert [(one["message"], one["detail"]["reasons"], one["context"]) for one in found] == [
        (first, ["wrong"], [question])
    ]
    assert made(http.get("/api/feedback?chat=chat_none"), 200)["data"] == []


def test_prompts_are_kept_by_name(http):
    ids = [
        made(http.post("/api/prompts", json={"name": name, "content": "Translate {{text}}"}))["id"]
        for name in ("nabi", "apple")
    ]
    listed = made(http.get("/api/prompts"), 200)["data"]
    assert [prompt["name"] for prompt in listed] == ["apple", "nabi"]
    made(http.put(f"/api/prompts/{ids[0]}", json={"name": "zebra", "content": "x"}), 200)
    made(http.delete(f"/api/prompts/{ids[1]}"), 200)
    listed = made(http.get("/api/prompts"), 200)["data"]
    assert [(prompt["name"], prompt["content"]) for prompt in listed] == [("zebra", "x")]
    assert [prompt["name"] for prompt in made(http.get("/api/me/data"), 200)["prompts"]] == ["zebra"]


def test_assistants_have_a_picture_and_starters(http):
    picture = "data:image/png;base64,iVBORw0KGgo="
    wish = {"name": "Guide", "picture": picture, "starters": ["What is a maru?"], "settings": {"model": "plain"}}
    assistant = made(http.post("/api/assistants", json=wish))
    assert (assistant["picture"], assistant["starters"]) == (picture, ["What is a maru?"])
    changed = made(http.put(f"/api/assistants/{assistant['id']}", json={"name": "Guide", "picture": "🏠"}), 200)
    assert (changed["picture"], changed["starters"]) == ("🏠", [])
    for bad in (
        "data:image/svg+xml;base64,PHN2Zz4=",
        "data:text/html,<script>",
        "data:image/png;base64,a<b",
        "data:image/png;base64," + "A" * 70_000,
        "https://example.org/x.png",
    ):
        refused = http.post("/api/assistants", json={"name": "x", "picture": bad})
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, "picture"), bad


def test_a_chat_is_imported_as_a_tree(http):
    messages = [
        {"role": "user", "content": "제주도 여행 계획", "created_at": 1_700_000_000_000},
        {"role": "assistant", "content": "one", "parent": 0, "model": "gpt-x", "created_at": 1_700_000_001_000},
        {"role": "assistant", "content": "two", "parent": 0},
        {"role": "user", "content": "more", "parent": 1},
    ]
    chat = made(http.post("/api/chats/import", json={"messages": messages, "leaf": 2, "created_at": 9_999_999_999_999}))
    assert chat["title"] == "제주도 여행 계획"
    listed = made(http.get(f"/api/chats/{chat['id']}/messages"), 200)["data"]
    ids = [message["id"] for message in listed]
    assert [message["parent"] for message in listed] == [None, ids[0], ids[0], ids[1]]
    assert [message["content"] for message in listed] == ["제주도 여행 계획", "one", "two", "more"]
    assert listed[1]["model"] == "gpt-x" and listed[1]["created_at"] == 1_700_000_001_000
    assert chat["leaf"] == ids[2]
    assert chat["created_at"] <= time.time() * 1000 + 1
    found = made(http.get("/api/search?query=여행"), 200)["data"]
    assert ids[0] in [hit["message"] for hit in found]


@pytest.mark.parametrize(
    "body, param",
    [
        ({"messages": []}, "messages"),
        ({"messages": [1]}, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": "x", "parent": 0}]}, "messages[0].parent"),
        ({"messages": [{"role": "user", "content": "x", "nonsense": 0}]}, "messages[0].nonsense"),
        ({"messages": [{"role": "user", "content": "x"}], "leaf": 1}, "leaf"),
        ({"messages": [{"role": "user", "content": "x"}] * 10_001}, "messages"),
    ],
)
def test_what_cannot_be_imported_is_named(http, body, param):
    n_before = len(made(http.get("/api/chats?limit=200"), 200)["data"])
    refused = http.post("/api/chats/import", json=body)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, param), refused.text
    assert len(made(http.get("/api/chats?limit=200"), 200)["data"]) == n_before
