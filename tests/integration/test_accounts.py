"""Who may call what: every endpoint of the table by every identity, other people's ids, revocation in
the middle of a stream, logins, and that secrets go nowhere."""

import contextlib
import json
import os
import pathlib
import re
import secrets
import socket
import subprocess
import tempfile
import threading
import time
import types

import httpx
import openai
import pytest
from people import bearer, maru
from servers import Server, model_file, required, scripted_server, wait_until_ready

HI = [{"role": "user", "content": "hi"}]
PASSWORD = "correct horse battery"
N_CANARIES = 500 if os.environ.get("MARU_LONG") else 100
STATIC_KEY = "a-key-of-the-settings"
SCOPES = ["inference", "chats", "usage", "metrics", "account", "admin", "audit"]


def endpoints():
    binary = pathlib.Path(required("MARU_BUILD_BIN")) / "maru_scripted_server"
    return json.loads(subprocess.run([binary, "--endpoints"], capture_output=True, check=True).stdout)


ENDPOINTS = endpoints()


def name_of(endpoint):
    return endpoint["name"]


def path_of(endpoint, argument="none-such"):
    return re.sub(r"\{[^}]*\}", argument, endpoint["pattern"])


def add_user(home, name, role="member", scopes=SCOPES):
    maru(home, "users", "add", name, "--role", role, "--password", stdin=PASSWORD + "\n")
    return maru(home, "keys", "add", name, "--scopes", ",".join(scopes))


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A server that wants logins, with people of every kind."""
    home = tmp_path_factory.mktemp("home")
    with scripted_server(
        heartbeat_ms=100, login=1, database=home / "maru.db", key=STATIC_KEY
    ) as server:
        keys = {
            "admin": add_user(home, "root", "admin"),
            "auditor": add_user(home, "audrey", "auditor"),
            "member": add_user(home, "ann"),
            "other": add_user(home, "bob"),
            "group": add_user(home, "eve"),
            "revoked": add_user(home, "rita"),
            "disabled": add_user(home, "dan"),
            "narrow": add_user(home, "nora", "admin", ["inference"]),
            "static": STATIC_KEY,
            "wrong": "maru-" + secrets.token_urlsafe(32),
        }
        maru(home, "groups", "add", "readers")
        maru(home, "groups", "join", "readers", "eve")
        maru(home, "groups", "allow", "readers", "model:echo")
        listed = json.loads(maru(home, "keys", "list", "rita", "--json"))
        maru(home, "keys", "revoke", listed[0]["id"])
        maru(home, "users", "disable", "dan")
        with server.http() as http:
            made = http.post(
                "/api/me/keys",
                headers=bearer(keys["member"]),
                json={"name": "short", "scopes": SCOPES, "expires_at": int(time.time() * 1000) + 300},
            )
            keys["expired"] = made.json()["key"]
            time.sleep(0.4)
            yield types.SimpleNamespace(server=server, home=home, keys=keys, http=http)


def log_in(http, name, password=PASSWORD):
    """A client with the session's cookie; its CSRF token as `csrf`."""
    answer = http.post("/api/login", json={"name": name, "password": password})
    assert answer.status_code == 200, answer.text
    client = httpx.Client(base_url=http.base_url, timeout=60, trust_env=False, event_hooks=http.event_hooks)
    client.cookies.set("maru_session", answer.cookies["maru_session"])
    http.cookies.clear()
    client.csrf = {"x-csrf-token": answer.json()["csrf_token"]}
    return client


def call(http, endpoint, headers, **arguments):
    body = {"json": {}} if endpoint["method"] in ("POST", "PATCH") else {}
    http.cookies.clear()
    with http.stream(endpoint["method"], path_of(endpoint), headers=headers, **body, **arguments) as answer:
        # A stream of events has no end of its own: its head tells who may read it.
        if not answer.headers.get("content-type", "").startswith("text/event-stream"):
            answer.read()
    return answer


def may(endpoint, identity):
    """What the table says: True, or the status of the refusal."""
    if endpoint["who"] == "all":
        return True
    if identity in ("none", "wrong", "expired", "revoked", "disabled"):
        return 401
    scopes = {"static": ["inference", "usage", "metrics"], "narrow": ["inference"]}.get(identity, SCOPES)
    if endpoint["scope"] not in scopes:
        return 403
    if endpoint["who"] == "caller":
        return True
    role = {"auditor": 1, "admin": 2, "narrow": 2, "static": -1}.get(identity, 0)
    return role >= {"person": 0, "auditor": 1, "admin": 2}[endpoint["who"]] or 403


IDENTITIES = [
    "none", "wrong", "expired", "revoked", "disabled", "static", "narrow",
    "other", "group", "member", "auditor", "admin",
]  # fmt: skip
SPELLINGS = ["Bearer {}", "bearer {}", "BEARER {}", "bEaReR {}"]
MISSPELLINGS = [
    "{}", "Bearer", "Bearer  {}", "Basic {}", "Token {}", "Bearer:{}", "Bearer\t{}",
    "Bearer {} x", 'Bearer "{}"', "Bearer {0}, Bearer {0}",
]  # fmt: skip


@pytest.mark.parametrize("identity", IDENTITIES)
@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=name_of)
def test_every_endpoint_by_every_identity(house, endpoint, identity):
    expected = may(endpoint, identity)
    spellings = SPELLINGS if identity != "none" else [None]
    for spelling in spellings:
        headers = {} if spelling is None else {"authorization": spelling.format(house.keys[identity])}
        answer = call(house.http, endpoint, headers)
        assert answer.status_code < 500, answer.text
        if expected is True:
            # A login without a name and a password is a 400.
            assert answer.status_code not in (401, 403), (endpoint["name"], answer.text)
        else:
            assert answer.status_code == expected, (endpoint["name"], answer.text)
            assert {"message", "type", "param", "code"} <= set(answer.json()["error"])


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=name_of)
def test_a_misspelt_header_is_no_credential(house, endpoint):
    if endpoint["who"] == "all":
        assert call(house.http, endpoint, {"authorization": "Bearer wrong"}).status_code < 500
        return
    key = house.keys["admin"]
    for misspelt in MISSPELLINGS:
        answer = call(house.http, endpoint, {"authorization": misspelt.format(key)})
        assert answer.status_code == 401, misspelt
        assert answer.headers["www-authenticate"] == "Bearer"
    two = [("authorization", "Bearer " + key), ("authorization", "Bearer " + key)]
    assert call(house.http, endpoint, two).status_code == 401
    for headers in ({"x-api-key": key}, {"api-key": key}, {"proxy-authorization": "Bearer " + key}):
        assert call(house.http, endpoint, headers).status_code == 401
    assert call(house.http, endpoint, {}, params={"api_key": key}).status_code == 401


def test_unknown_paths_tell_nothing_to_strangers(house):
    for path in ["/api/nothing", "/api/admin", "/v1/nothing"]:
        assert house.http.get(path).status_code == 401
        assert house.http.get(path, headers=bearer(house.keys["member"])).status_code == 404
    assert house.http.put("/v1/models", headers=bearer(house.keys["member"])).status_code == 405


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=name_of)
def test_a_cookie_changes_nothing_without_the_csrf_token(house, endpoint):
    if endpoint["method"] == "GET" or endpoint["who"] == "all":
        return
    with log_in(house.http, "root") as session:
        body = {"json": {}} if endpoint["method"] in ("POST", "PATCH") else {}
        for headers in ({}, {"x-csrf-token": "0" * 64}, {"x-csrf-token": ""}):
            answer = session.request(endpoint["method"], path_of(endpoint), headers=headers, **body)
            assert answer.status_code == 403 and "CSRF" in answer.text
        if endpoint["name"] not in ("logout", "me_sessions_end"):
            right = session.request(endpoint["method"], path_of(endpoint), headers=session.csrf, **body)
            assert right.status_code not in (401, 403), right.text


def test_other_peoples_ids_are_not_found(house):
    http, ann, bob = house.http, bearer(house.keys["member"]), bearer(house.keys["other"])
    key = http.post("/api/me/keys", headers=ann, json={"name": "mine", "scopes": ["inference"]}).json()
    with log_in(http, "ann") as session:
        session_id = next(s["id"] for s in session.get("/api/me/sessions").json()["data"] if s["is_current"])
        ids = [key["id"], session_id, key["user_id"], key["prefix"]]
        for other in (bob, bearer(house.keys["auditor"]), bearer(house.keys["admin"])):
            for method, path in [
                ("POST", "/api/me/keys/{}/rotate"),
                ("DELETE", "/api/me/keys/{}"),
                ("DELETE", "/api/me/sessions/{}"),
            ]:
                nothing = http.request(method, path.format("key_" + "a" * 26), headers=other)
                for its_id in ids:
                    found = http.request(method, path.format(its_id), headers=other)
                    assert found.status_code == 404
                    assert found.json() == nothing.json()  # no hint that there is one
            for path in ("/api/me/keys", "/api/me/sessions", "/api/me"):
                text = http.get(path, headers=other).text
                assert not any(its_id in text for its_id in ids[:3])
        assert session.get("/api/me").status_code == 200
    assert http.get("/v1/models", headers=bearer(key["key"])).status_code == 200
    for path in ("users", "keys", "groups", "projects"):
        assert http.get(f"/api/admin/{path}", headers=ann).status_code == 403
        assert http.get(f"/api/admin/{path}/{key['user_id']}", headers=ann).status_code in (403, 404, 405)


def test_keys_of_the_command_line_work_with_the_official_client(house):
    client = openai.OpenAI(
        base_url=house.server.url + "/v1", api_key=house.keys["member"], max_retries=0
    )
    assert client.chat.completions.create(model="plain", messages=HI).choices[0].message.content
    assert "plain" in [model.id for model in client.models.list()]
    narrow = client.with_options(api_key=house.keys["group"])
    assert [model.id for model in narrow.models.list()] == ["echo"]
    assert narrow.chat.completions.create(model="echo", messages=HI).choices[0].message.content
    with pytest.raises(openai.NotFoundError) as hidden:
        narrow.chat.completions.create(model="plain", messages=HI)
    with pytest.raises(openai.NotFoundError) as absent:
        narrow.chat.completions.create(model="planet", messages=HI)
    assert hidden.value.message.replace("plain", "planet") == absent.value.message
    with pytest.raises(openai.NotFoundError):
        narrow.models.retrieve("plain")
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key=house.keys["wrong"]).models.list()


def stream_until_end(house, key, act):
    """Starts a long stream, acts once text has come, and gives the last event."""
    body = {"model": "slow", "messages": HI, "stream": True}
    begin = None
    with house.server.http() as http:
        with http.stream("POST", "/v1/chat/completions", headers=bearer(key), json=body) as answer:
            assert answer.status_code == 200
            last, n_events = None, 0
            for line in answer.iter_lines():
                if not line.startswith("data: "):
                    continue
                last = line.removeprefix("data: ")
                n_events += 1
                if n_events == 3:
                    act()
                    begin = time.monotonic()
    assert begin is not None
    return last


def test_revoking_a_key_ends_its_stream(house):
    key = maru(house.home, "keys", "add", "ann", "--name", "stream")
    ids = [k["id"] for k in json.loads(maru(house.home, "keys", "list", "ann", "--json")) if k["name"] == "stream"]
    last = stream_until_end(house, key, lambda: maru(house.home, "keys", "revoke", ids[0]))
    error = json.loads(last)["error"]
    assert "the API key was revoked" in error["message"] and error["code"] == "invalid_api_key"
    assert house.http.get("/v1/models", headers=bearer(key)).status_code == 401


def test_disabling_an_account_ends_its_streams(house):
    key = add_user(house.home, "gone")
    last = stream_until_end(house, key, lambda: maru(house.home, "users", "disable", "gone"))
    assert "the account is disabled" in json.loads(last)["error"]["message"]


def test_prefixes_are_not_shared_between_people(house):
    prompt = "word " * 200
    def cached(key):
        body = {"model": "plain", "prompt": prompt, "max_tokens": 2}
        answer = house.http.post("/v1/completions", headers=bearer(key), json=body).json()
        return answer["usage"].get("prompt_tokens_details", {}).get("cached_tokens", 0)
    cached(house.keys["member"])
    assert cached(house.keys["member"]) > 0
    assert cached(house.keys["other"]) == 0


def test_sessions_cookies_and_logging_out(house):
    answer = house.http.post("/api/login", json={"name": "BOB", "password": PASSWORD})
    cookie = answer.headers["set-cookie"]
    for part in ("maru_session=", "HttpOnly", "SameSite=Lax", "Path=/"):
        assert part in cookie
    assert "Secure" not in cookie
    proxied = house.http.post(
        "/api/login", json={"name": "bob", "password": PASSWORD}, headers={"x-forwarded-proto": "https"}
    )
    assert "Secure" in proxied.headers["set-cookie"]
    house.http.cookies.clear()
    with log_in(house.http, "bob") as session:
        me = session.get("/api/me").json()
        assert me["user"]["name"] == "bob" and me["csrf_token"] == session.csrf["x-csrf-token"]
        assert len(session.get("/api/me/sessions").json()["data"]) == 3
        assert session.delete("/api/me/sessions", headers=session.csrf).status_code == 200
        assert len(session.get("/api/me/sessions").json()["data"]) == 1
        assert session.post("/api/logout", headers=session.csrf, json={}).status_code == 200
        assert session.get("/api/me").status_code == 401


def test_an_admin_manages_everything(house):
    with log_in(house.http, "root") as root:
        def ask(method, path, **body):
            answer = root.request(method, path, headers=root.csrf, **({"json": body} if body else {}))
            return answer.status_code, answer.json()
        status, user = ask("POST", "/api/admin/users", name="Zoe", display_name="조이", role="member")
        assert (status, user["name"], user["display_name"]) == (200, "zoe", "조이")
        assert ask("POST", "/api/admin/users", name="zoe")[0] == 409
        assert ask("PATCH", f"/api/admin/users/{user['id']}", role="wizard")[0] == 400
        assert ask("PATCH", f"/api/admin/users/{user['id']}", role="auditor")[1]["role"] == "auditor"
        group = ask("POST", "/api/admin/groups", name="심사")[1]
        path = f"/api/admin/groups/{group['id']}"
        assert ask("PUT", f"{path}/members/{user['id']}")[1]["members"] == [{"id": user["id"], "name": "zoe"}]
        rules = ask("PUT", f"{path}/rules/model/org/name")[1]["rules"]
        assert rules == [{"kind": "model", "name": "org/name"}]
        assert ask("PUT", f"{path}/rules/magic/x")[0] == 400
        assert ask("DELETE", f"{path}/rules/model/org/name")[1]["rules"] == []
        project = ask("POST", "/api/admin/projects", name="alpha", owner_group_id=group["id"])[1]
        key = {"user_id": user["id"], "name": "k", "project_id": project["id"]}
        status, made = ask("POST", "/api/admin/keys", **key)
        assert status == 200 and made["key"].startswith(made["prefix"])
        assert "key" not in ask("GET", "/api/admin/keys")[1]["data"][0]
        other = {**key, "user_id": json.loads(maru(house.home, "users", "list", "--json"))[0]["id"]}
        assert ask("POST", "/api/admin/keys", **other)[0] == 404  # not of the project's group
        assert ask("PATCH", f"/api/admin/projects/{project['id']}", archived=True)[1]["archived_at"]
        assert ask("POST", "/api/admin/keys", **key)[0] == 404
        assert ask("DELETE", f"/api/admin/keys/{made['id']}")[0] == 200
        assert ask("DELETE", path)[0] == 200 and ask("GET", path)[0] == 404


def test_logins_are_limited(house):
    add_user(house.home, "lim")
    codes = [
        house.http.post("/api/login", json={"name": "lim", "password": f"wrong wrong {i}"}).status_code
        for i in range(12)
    ]
    assert codes == [401] * 10 + [429] * 2
    refused = house.http.post("/api/login", json={"name": "lim", "password": PASSWORD})
    assert refused.status_code == 429 and 0 < int(refused.headers["retry-after"]) <= 300
    with log_in(house.http, "eve"):
        pass


def test_a_stolen_session_cannot_guess_the_password(house):
    add_user(house.home, "vic")
    with log_in(house.http, "vic") as session:
        def guess(current):
            body = {"current_password": current, "password": "a new password"}
            return session.post("/api/me/password", headers=session.csrf, json=body)
        codes = [guess(f"wrong wrong {i}").status_code for i in range(11)]
        assert codes == [400] * 10 + [429]
        assert int(guess(PASSWORD).headers["retry-after"]) > 0


def test_loopback_is_open_until_there_is_an_account(tmp_path):
    with scripted_server(database=tmp_path / "maru.db") as server, server.http() as http:
        assert http.get("/health").json()["login"] == "not_needed"
        assert http.get("/v1/models", headers=bearer("anything")).status_code == 200
        assert http.get("/api/me").json()["user"] is None
        assert http.get("/api/me/keys").status_code == 401
        assert http.get("/api/admin/users").status_code == 401
        for endpoint in (one for one in ENDPOINTS if one["who"] in ("person", "auditor", "admin")):
            status = call(http, endpoint, {}).status_code
            assert (status == 401) != endpoint["before_accounts"], (endpoint["name"], status)
        key = add_user(tmp_path, "first")
        for endpoint in (one for one in ENDPOINTS if one["before_accounts"]):
            assert call(http, endpoint, {}).status_code == 401, endpoint["name"]
        assert http.get("/v1/models", headers=bearer("anything")).status_code == 401
        assert http.get("/v1/models", headers=bearer(key)).status_code == 200
        assert http.get("/health").json()["login"] == "needed"


def test_the_first_admin_is_made_by_the_link_of_the_terminal(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path / "log"
    with open(tmp_path / "out", "wb") as out, open(log, "wb") as err:
        process = subprocess.Popen(
            [required("MARU_BINARY"), "serve", "--host", "0.0.0.0", "--port", str(port),
             "--model", model_file("SmolLM2-135M-Instruct.Q4_1.gguf")],
            stdin=subprocess.DEVNULL, stdout=out, stderr=err,
            env={**os.environ, "MARU_HOME": str(tmp_path), "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
    try:
        server = Server(process, port, log)
        wait_until_ready(server)
        deadline = time.monotonic() + 20
        while not (link := re.search(r"/first-admin#(\S+)", (tmp_path / "out").read_text())):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        token = link.group(1)
        assert token not in log.read_text()
        with server.http() as http:
            assert http.get("/v1/models").status_code == 401
            page = http.get("/first-admin")
            assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
            assert http.post("/api/first-admin", json={"name": "root", "password": PASSWORD}).status_code == 404
            body = {"token": token, "name": "root", "password": PASSWORD}
            assert http.post("/api/first-admin", json={**body, "token": "x"}).status_code == 404
            made = http.post("/api/first-admin", json=body)
            assert made.status_code == 200 and made.json()["user"]["role"] == "admin"
            assert http.get("/api/admin/users").status_code == 200
            assert http.post("/api/first-admin", json=body).status_code == 404
    finally:
        process.terminate()
        assert process.wait(timeout=60) == 0


def test_secrets_appear_nowhere(house):
    """Canaries (500 in long runs) in every place a secret may stand: not in the log, the answers, the database."""
    http, admin = house.http, bearer(house.keys["admin"])
    canaries = ["canary" + secrets.token_urlsafe(24) for _ in range(N_CANARIES)]
    said = []

    def ask(method, path, **arguments):
        http.cookies.clear()
        said.append(http.request(method, path, **arguments).text)

    for i, canary in enumerate(canaries):
        kind = i % 10
        if kind == 0:
            ask("GET", "/v1/models", headers=bearer(canary))
        elif kind == 1:
            ask("GET", "/api/me", headers={"cookie": "maru_session=" + canary})
        elif kind == 2:
            ask("POST", "/api/login", json={"name": f"nobody{i}", "password": canary})
        elif kind == 3:  # typed into the wrong field
            ask("POST", "/api/login", json={"name": canary, "password": "x"})
        elif kind == 4:
            ask("POST", "/api/first-admin", json={"token": canary, "name": "a", "password": canary})
        elif kind == 5:
            ask("POST", "/api/admin/users", headers=admin, json={"name": f"canary{i}", "password": canary})
        elif kind == 6:
            ask("DELETE", "/api/me/keys/" + canary, headers=admin)
        elif kind == 7:
            ask("GET", "/v1/models?api_key=" + canary, headers=admin)
        elif kind == 8:
            ask("POST", "/api/admin/users", headers=admin, json={"name": "x", "role": canary, "password": canary})
        else:
            ask("POST", "/api/me/password", headers=admin, json={"current_password": canary, "password": canary})
    made = [http.post("/api/me/keys", headers=admin, json={"name": "n"}).json()["key"] for _ in range(5)]
    for key in made:
        http.get("/v1/models", headers=bearer(key))
    stored = b"".join(path.read_bytes() for path in house.home.glob("maru.db*"))
    assert b"canary5" in stored  # the right file is looked at
    log, answers = house.server.log, "\n".join(said)
    for secret in canaries + made + [PASSWORD, *house.keys.values()]:
        assert secret not in log and secret not in answers
        assert secret.encode() not in stored
