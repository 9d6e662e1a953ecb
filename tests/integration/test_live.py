"""/api/live: answers and changes over one WebSocket, for many tabs and devices of one person."""

import contextlib
import json
import socket
import time
import types

import pytest
import websockets.exceptions
import websockets.sync.client
from people import bearer, maru
from servers import in_threads, scripted_server

PASSWORD = "correct horse battery"


def add_user(home, name, *flags):
    maru(home, "users", "add", name, *flags, "--password", stdin=PASSWORD + "\n")
    return maru(home, "keys", "add", name, "--scopes", "chats,account,inference")


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    with scripted_server(login=1, database=home / "maru.db", refresh_ms=50) as server:
        add_user(home, "root", "--role", "admin")
        keys = {"ann": add_user(home, "ann"), "bob": add_user(home, "bob")}
        with server.http() as http:
            yield types.SimpleNamespace(server=server, home=home, keys=keys, http=http)


class Tab:
    """An open page: what it was told, and of each answer the text that it shows."""

    def __init__(self, house, key="ann", **headers):
        credential = bearer(house.keys[key]) if key else {}
        self.socket = websockets.sync.client.connect(
            house.server.url.replace("http", "ws") + "/api/live",
            additional_headers={**credential, **headers},
            proxy=None,
            open_timeout=30,
            max_size=None,
        ).__enter__()
        self.bytes, self.ends = {}, {}
        assert self.hear() == {"type": "listening"}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def say(self, kind, **fields):
        self.socket.send(json.dumps({"type": kind, **fields}))

    def hear(self):
        event = json.loads(self.socket.recv(timeout=30))
        if event["type"] == "text":
            had = self.bytes.get(event["message"], b"")
            assert event["offset"] <= len(had)
            self.bytes[event["message"]] = had[: event["offset"]] + event["text"].encode()
            assert event["next"] == len(self.bytes[event["message"]])
        elif event["type"] == "ended":
            self.ends[event["message"]] = event
        return event

    def hear_until(self, kind):
        while (event := self.hear())["type"] != kind:
            pass
        return event

    def follow(self, message):
        self.say("follow", message=message, **{"from": len(self.bytes.get(message, b""))})

    def read(self, *messages):
        while not set(messages) <= set(self.ends):
            self.hear()
        return [self.bytes[message].decode() for message in messages]


def made(answer, status=201):
    assert answer.status_code == status, answer.text
    return answer.json()


def ask(house, model="plain", key="ann"):
    headers = bearer(house.keys[key])
    chat = made(house.http.post("/api/chats", headers=headers, json={"settings": {"model": model}}))
    path = f"/api/chats/{chat['id']}/messages"
    question = made(house.http.post(path, headers=headers, json={"content": "Tell me something."}))
    return made(house.http.post(f"/api/messages/{question['id']}/answer", headers=headers))["id"]


def saved(house, message, key="ann"):
    return made(house.http.get(f"/api/messages/{message}", headers=bearer(house.keys[key])), 200)


def test_two_tabs_see_the_same_runs(house):
    messages = [ask(house, "slow"), ask(house, "slow"), ask(house)]

    def read_all():
        with Tab(house) as tab:
            for message in messages:
                tab.follow(message)
            return tab.read(*messages), tab.ends

    tabs = in_threads([read_all, read_all, read_all])
    assert tabs[0] == tabs[1] == tabs[2]
    assert tabs[0][0] == [saved(house, message)["content"] for message in messages]
    assert all(end["state"] == "complete" and end["extra"]["usage"] for end in tabs[0][1].values())


def test_a_tab_comes_back_at_any_byte(house):
    message = ask(house, "slow")
    late = b""
    n_tabs = 0
    while True:  # while it is written: a little, and away
        with Tab(house) as tab:
            tab.bytes[message] = late
            tab.follow(message)
            tab.hear_until("text")
            with contextlib.suppress(TimeoutError):
                tab.socket.recv(timeout=0.05)
            late = tab.bytes[message]
            n_tabs += 1
            if saved(house, message)["state"] != "running":
                break
    assert n_tabs > 3
    whole = saved(house, message)["content"].encode()
    with Tab(house) as tab:  # and afterwards from every byte
        for start in range(len(whole) + 1):
            tab.bytes[message], tab.ends = whole[:start], {}
            tab.follow(message)
            assert tab.read(message) == [whole.decode()]


def test_stop_unfollow_and_ping(house):
    first, second = ask(house, "slow"), ask(house, "slow")
    with Tab(house) as tab, Tab(house) as other:
        other.follow(first)
        tab.follow(first)
        tab.follow(second)
        tab.hear_until("text")
        tab.say("unfollow", message=second)
        tab.say("stop", message=first)
        assert other.hear_until("ended")["state"] == "stopped"
        tab.hear_until("ended")
        tab.say("ping")
        tab.hear_until("pong")
        assert second not in tab.ends
        tab.say("stop", message=second)
        tab.follow(second)
        assert tab.read(second) == [saved(house, second)["content"]]


def test_tabs_and_keys_of_a_person_hear_of_changes_and_others_do_not(house):
    other_key = maru(house.home, "keys", "add", "ann", "--scopes", "chats")
    house.keys["ann's phone"] = other_key
    with Tab(house) as tab, Tab(house, "ann's phone") as phone, Tab(house, "bob") as bob:
        chat = made(house.http.post("/api/chats", headers=bearer(other_key), json={}))["id"]
        expected = {"type": "changed", "what": "chat", "id": chat, "chat": ""}
        for page in (tab, phone):  # answers of other tests may still end
            while page.hear_until("changed") != expected:
                pass
        bob.say("ping")
        assert bob.hear() == {"type": "pong"}


def test_others_messages_are_answered_like_missing_ones(house):
    message = ask(house)
    missing = message[:-4] + "aaaa"
    with Tab(house, "bob") as bob:
        for kind in ("follow", "stop"):
            told = []
            for one in (message, missing):
                bob.say(kind, message=one)
                told.append(bob.hear())
            assert told[0]["error"]["code"] == "not_found"
            assert json.dumps(told[0]).replace(message, missing) == json.dumps(told[1])
        bob.say("unfollow", message=message)
        bob.say("ping")
        assert bob.hear() == {"type": "pong"}


@pytest.mark.parametrize(
    "text, param",
    [
        ("", None), ("[]", None), ("{", None), ('"x"', None), ("{}", "type"), ('{"type": 1}', "type"),
        ('{"type": "sing"}', "type"), ('{"type": "follow"}', "message"), ('{"type": "ping", "x": 1}', "x"),
        ('{"type": "follow", "message": "m", "from": -1}', "from"),
        ('{"type": "follow", "message": 7}', "message"), ("[" * 1000, None),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(house, text, param):
    with Tab(house) as tab:
        tab.socket.send(text)
        event = tab.hear_until("error")
        assert event["error"]["param"] == param, event
        tab.say("ping")
        tab.hear_until("pong")


def closed_with(tab):
    with pytest.raises(websockets.exceptions.ConnectionClosed) as closed:
        while True:
            tab.hear()
    return closed.value.rcvd.code if closed.value.rcvd else None


def test_too_large_and_too_many_messages_are_cut_off(house):
    with Tab(house) as tab:
        tab.socket.send("x" * (64 * 1024 + 1))
        assert closed_with(tab) == 1009
    with Tab(house) as tab:
        tab.socket.send(b"binary")
        assert closed_with(tab) == 1003
    with Tab(house) as tab:
        with contextlib.suppress(websockets.exceptions.ConnectionClosed):
            for _ in range(1000):
                tab.say("ping")
        assert closed_with(tab) == 1008


def refused(house, **arguments):
    with pytest.raises(websockets.exceptions.InvalidStatus) as status:
        Tab(house, **arguments)
    return status.value.response.status_code


def test_who_may_open_one(house):
    narrow = maru(house.home, "keys", "add", "ann", "--scopes", "inference")
    house.keys |= {"wrong": "maru-wrong", "narrow": narrow}
    assert refused(house, key=None) == 401
    assert refused(house, key="wrong") == 401
    assert refused(house, key="narrow") == 403
    assert refused(house, key="ann", Origin="https://evil.example") == 403
    with Tab(house, "ann", Origin=house.server.url):
        pass
    plain = house.http.get("/api/live", headers=bearer(house.keys["ann"]))
    assert plain.status_code == 426 and plain.headers["upgrade"] == "websocket"


def log_in(house, name):
    answer = house.http.post("/api/login", json={"name": name, "password": PASSWORD})
    house.http.cookies.clear()
    made(answer, 200)
    return {"Cookie": "maru_session=" + answer.cookies["maru_session"]}, answer.json()["csrf_token"]


def test_a_cookie_counts_for_known_pages_only(house):
    cookie, csrf = log_in(house, "ann")
    assert refused(house, key=None, **cookie) == 403  # no Origin: no page
    assert refused(house, key=None, **cookie, Origin="http://evil.example") == 403
    assert refused(house, key=None, **cookie, Origin="null") == 403
    with Tab(house, None, **cookie, Origin=house.server.url) as tab:
        headers = {**cookie, "x-csrf-token": csrf}
        made(house.http.post("/api/logout", headers=headers, json={}), 200)
        assert "the session has ended" in tab.hear_until("error")["error"]["message"]
        assert closed_with(tab) == 1008


def test_revoking_and_disabling_close_at_once(house):
    key = add_user(house.home, "rita")
    house.keys["rita"] = key
    made(house.http.get("/api/me", headers=bearer(key)), 200)
    ids = [k["id"] for k in json.loads(maru(house.home, "keys", "list", "rita", "--json"))]
    with Tab(house, "rita") as tab:
        begin = time.monotonic()
        maru(house.home, "keys", "revoke", ids[0])
        assert "the API key was revoked" in tab.hear_until("error")["error"]["message"]
        assert closed_with(tab) == 1008
        assert time.monotonic() - begin < 30
    assert refused(house, key="rita") == 401
    house.keys["dan"] = add_user(house.home, "dan")
    with Tab(house, "dan") as tab:
        maru(house.home, "users", "disable", "dan")
        assert "the account is disabled" in tab.hear_until("error")["error"]["message"]
        assert closed_with(tab) == 1008


def test_a_reader_that_is_too_slow_is_cut_off_and_may_come_back(house):
    headers = bearer(house.keys["ann"])
    chat = made(house.http.post("/api/chats", headers=headers, json={}))["id"]
    large = "가" * 500_000
    path = f"/api/chats/{chat}/messages"
    message = made(house.http.post(path, headers=headers, json={"content": large}))["id"]
    wish = json.dumps({"type": "follow", "message": message}).encode()
    with socket.create_connection(("127.0.0.1", house.server.port)) as hanging:  # never reads
        hanging.sendall(
            b"GET /api/live HTTP/1.1\r\nHost: localhost:%d\r\nAuthorization: Bearer %s\r\n"
            b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            % (house.server.port, house.keys["ann"].encode())
        )
        time.sleep(0.5)
        with pytest.raises(OSError):
            for _ in range(180):
                hanging.sendall(bytes([0x81, 0x80 | len(wish), 0, 0, 0, 0]) + wish)
                time.sleep(0.03)
    with Tab(house) as again:
        again.follow(message)
        assert again.read(message) == [large]


def test_a_server_that_stops_says_so(tmp_path):
    with scripted_server(database=tmp_path / "maru.db") as server:
        tab = Tab(types.SimpleNamespace(server=server, keys={}), None)
    assert closed_with(tab) == 1001
