"""Usage, costs, limits and caches of several people, and the commands beside the running server."""

import json
import sqlite3
import time
import types

import openai
import pytest
from people import bearer, maru
from servers import scripted_server

PASSWORD = "correct horse battery"
LONG = [{"role": "user", "content": "Tell me about the sea. " * 40}]
HI = [{"role": "user", "content": "hi"}]


def add_user(home, name, role):
    maru(home, "users", "add", name, "--role", role, "--password", stdin=PASSWORD + "\n")
    return maru(home, "keys", "add", name, "--scopes", "inference,usage")


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    with scripted_server(login=1, database=home / "maru.db", refresh_ms=100) as server:
        people = {"root": "admin", "audrey": "auditor", "ann": "member", "bob": "member"}
        keys = {name: add_user(home, name, role) for name, role in people.items()}
        with sqlite3.connect(home / "maru.db") as database:
            ids = dict(database.execute("SELECT name, id FROM users"))
        with server.http() as http:
            yield types.SimpleNamespace(server=server, home=home, keys=keys, ids=ids, http=http)


def client_of(house, name):
    return openai.OpenAI(base_url=house.server.url + "/v1", api_key=house.keys[name], max_retries=0)


def chat(house, name, messages=HI, **more):
    return client_of(house, name).chat.completions.create(model="plain", messages=messages, **more)


def get(house, name, path, **query):
    query = {"start_time": int(time.time()) - 3600, **query}
    return house.http.get(path, params=query, headers=bearer(house.keys[name]))


def results(answer):
    assert answer.status_code == 200, answer.text
    return [result for bucket in answer.json()["data"] for result in bucket["results"]]


def wait_until_closed(house):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with sqlite3.connect(house.home / "maru.db", timeout=30) as database:
            if database.execute("SELECT count(*) FROM usage WHERE closed_at IS NULL").fetchone() == (0,):
                return
        time.sleep(0.02)
    raise AssertionError("a row stays open")


def test_nobody_hits_what_another_left_in_the_cache(house):
    def cached(name):
        return chat(house, name, LONG).usage.prompt_tokens_details.cached_tokens

    assert cached("ann") == 0
    assert cached("ann") > 100
    # Each prompt anew: what somebody else has cached is never hit by the first who asks for it.
    for round_ in range(5):
        prompt = [{"role": "user", "content": f"{round_}: " + LONG[0]["content"]}]
        for name in ("ann", "bob", "root"):
            assert chat(house, name, prompt).usage.prompt_tokens_details.cached_tokens < 40, name
        # The control: their own they do hit.
        assert chat(house, "root", prompt).usage.prompt_tokens_details.cached_tokens > 100
    # What somebody else asks in between takes nothing away, and gives nothing.
    other = [{"role": "user", "content": LONG[0]["content"] + "And the moon?"}]
    chat(house, "bob", other)
    assert chat(house, "audrey", other).usage.prompt_tokens_details.cached_tokens == 0


def test_rows_name_user_and_key(house):
    answer = chat(house, "bob")
    wait_until_closed(house)
    with sqlite3.connect(house.home / "maru.db") as database:
        (row,) = database.execute("SELECT user_id, key_id FROM usage WHERE id = ?", (answer.id,))
        (key,) = database.execute("SELECT id FROM api_keys WHERE user_id = ?", (house.ids["bob"],))
    assert row == (house.ids["bob"], key[0])


def test_usage_of_all_is_for_admins_and_auditors(house):
    chat(house, "ann")
    chat(house, "bob")
    wait_until_closed(house)
    path = "/v1/organization/usage/completions"
    assert get(house, "ann", path).status_code == 403
    for name in ("root", "audrey"):
        sums = results(get(house, name, path, group_by=["user_id", "model"]))
        users = {one["user_id"] for one in sums}
        assert {house.ids["ann"], house.ids["bob"]} <= users
        assert all(one["model"] == "plain" and one["project_id"] is None for one in sums)
    only = results(get(house, "root", path, group_by="user_id", user_ids=house.ids["bob"]))
    assert {one["user_id"] for one in only} == {house.ids["bob"]}
    by_key = results(get(house, "root", path, group_by="api_key_id"))
    assert all(one["api_key_id"].startswith("key_") and one["user_id"] is None for one in by_key)


def test_ones_own_usage_is_only_ones_own(house):
    chat(house, "ann")
    wait_until_closed(house)
    mine = results(get(house, "ann", "/api/me/usage", group_by="user_id", user_ids=house.ids["bob"]))
    assert mine and {one["user_id"] for one in mine} == {house.ids["ann"]}


def test_costs(house):
    assert "10.00" in maru(house.home, "prices", "set", "plain", "--in", "2.50", "--out", "10")
    time.sleep(0.3)
    begin = int(time.time()) // 86400 * 86400
    path = "/v1/organization/costs"
    before = results(get(house, "root", path, start_time=begin, group_by="line_item"))
    usage = chat(house, "ann").usage
    wait_until_closed(house)
    after = results(get(house, "root", path, start_time=begin, group_by="line_item"))
    (one,) = (result for result in after if result["line_item"] == "plain")
    assert one["object"] == "organization.costs.result" and one["amount"]["currency"] == "usd"
    paid = sum(result["amount"]["value"] for result in before)
    fresh = usage.prompt_tokens - usage.prompt_tokens_details.cached_tokens
    expected = (fresh * 2.5 + usage.completion_tokens * 10) / 1e6
    assert one["amount"]["value"] - paid == pytest.approx(expected, abs=1e-6)
    assert get(house, "audrey", path, bucket_width="1h").status_code == 400
    assert get(house, "bob", path).status_code == 403


def test_a_groups_limit_is_shared_and_others_go_on(house):
    maru(house.home, "groups", "add", "team")
    for name in ("ann", "bob"):
        maru(house.home, "groups", "join", "team", name)
    groups = json.loads(maru(house.home, "groups", "list", "--json"))
    (team,) = (group["id"] for group in groups if group["name"] == "team")
    maru(house.home, "limits", "set", "group", team, "requests_per_minute", "2")
    time.sleep(0.5)
    chat(house, "ann")
    chat(house, "bob")
    for name in ("ann", "bob"):
        with pytest.raises(openai.RateLimitError) as refused:
            chat(house, name)
        assert refused.value.code == "rate_limit_exceeded"
    assert chat(house, "audrey").choices
    maru(house.home, "limits", "remove", "group", team, "requests_per_minute")
    time.sleep(0.5)
    assert chat(house, "ann").choices


def test_the_commands_tell_the_same(house):
    wait_until_closed(house)
    table = maru(house.home, "usage", "--by", "user")
    assert "ann" in table and "bob" in table and "█" in table
    assert "합계" in maru(house.home, "usage", "--by", "model", "--lang", "ko")
    head, *lines = maru(house.home, "usage", "--csv").splitlines()
    columns = head.split(",")
    n_out = sum(int(line.split(",")[columns.index("tokens_out")]) for line in lines)
    with sqlite3.connect(house.home / "maru.db") as database:
        assert database.execute("SELECT sum(tokens_out) FROM usage").fetchone() == (n_out,)


def admin_keys(house):
    """Keys with the scopes of power, by name."""
    scopes = "admin,audit,chats,inference"
    return {name: maru(house.home, "keys", "add", name, "--scopes", scopes) for name in house.keys}


def test_prices_and_limits_over_the_api(house):
    keys = admin_keys(house)

    def ask(person, method, path, **body):
        more = {"json": body} if method == "POST" else {}
        return house.http.request(method, "/api/admin" + path, headers=bearer(keys[person]), **more)

    price = {"model": "nova", "in": "2.50", "cached": "1.25", "out": "10", "valid_from": 2_000_000_000_000}
    added = ask("root", "POST", "/prices", **price)
    assert added.status_code == 200 and added.json() == {
        **price, "out": "10.00", "id": added.json()["id"], "source": "manual"
    }  # fmt: skip
    assert ask("root", "POST", "/prices", **price).status_code == 409
    assert ask("root", "POST", "/prices", **{**price, "in": "x"}).json()["error"]["param"] == "in"
    assert ask("root", "POST", "/prices", model="nova").status_code == 400
    assert "nova" in ask("audrey", "GET", "/prices").text and "nova" in maru(house.home, "prices", "list")
    assert ask("audrey", "POST", "/prices", **price).status_code == 403
    assert ask("ann", "GET", "/prices").status_code == 403
    assert ask("root", "DELETE", "/prices/" + added.json()["id"]).status_code == 200
    assert ask("root", "DELETE", "/prices/" + added.json()["id"]).status_code == 404
    assert "nova" not in ask("audrey", "GET", "/prices").text

    chat(house, "ann", LONG, max_tokens=64)
    wait_until_closed(house)
    (speed,) = (one for one in ask("root", "GET", "/prices/speeds").json()["data"] if one["model"] == "plain")
    assert speed["tokens_out_per_second"] > 0 and speed["n_requests"] > 0 and speed["busy_seconds"] > 0
    assert "plain" in maru(house.home, "prices", "speeds")
    for day in ("2099-01-01", "2099-02-01"):
        maru(house.home, "prices", "set", "nova", "--in", "1", "--out", "2", "--from", day)
    maru(house.home, "prices", "remove", "nova", code=2)  # which of the two?
    assert "2099-01-01" in maru(house.home, "prices", "remove", "nova", "--from", "2099-01-01")
    assert "2099-02-01" in maru(house.home, "prices", "remove", "nova")
    assert "nova" not in maru(house.home, "prices", "list")
    maru(house.home, "prices", "remove", "plain", code=2)  # it has begun
    formula = {"electricity": 0.3, "watts": 180, "hardware": 2400, "speed_in": 900}
    made = ask("root", "POST", "/prices/formula", model="plain", **formula, valid_from=2_000_000_000_000)
    assert made.status_code == 200 and made.json()["source"] == "formula"
    assert made.json()["in"] == "0.037792"
    assert ask("root", "POST", "/prices/formula", model="never-used", **formula).status_code == 409
    assert ask("root", "DELETE", "/prices/" + made.json()["id"]).status_code == 200

    limit = {"kind": "user", "id": house.ids["bob"], "name": "requests_per_minute", "value": "0"}
    assert ask("root", "POST", "/limits", **limit).json() == limit
    assert limit in ask("audrey", "GET", "/limits").json()["data"]
    time.sleep(0.5)
    with pytest.raises(openai.RateLimitError):
        chat(house, "bob")
    assert ask("root", "POST", "/limits", **{**limit, "name": "luck"}).json()["error"]["param"] == "name"
    assert ask("audrey", "POST", "/limits", **limit).status_code == 403
    path = f"/limits/user/{house.ids['bob']}/requests_per_minute"
    assert ask("root", "DELETE", path).status_code == 200
    assert ask("root", "DELETE", path).status_code == 404
    time.sleep(0.5)
    assert chat(house, "bob").choices


def test_the_record_of_acts_over_the_api(house):
    keys = admin_keys(house)

    def ask(name, path, **query):
        return house.http.get("/api/admin/audit" + path, params=query, headers=bearer(keys[name]))

    assert ask("ann", "").status_code == 403 and ask("ann", "/verification").status_code == 403
    rows, cursor = [], {}
    while True:
        page = ask("audrey", "", limit=7, **cursor).json()
        rows += page["data"]
        if not page["next"]:
            break
        cursor = {"cursor": page["next"]}
    assert [row["seq"] for row in rows] == list(range(rows[0]["seq"], 0, -1))
    refused = [row for row in rows if row["action"] == "scope.refuse" and row["actor"] == house.ids["ann"]]
    assert {row["subject"] for row in refused} >= {"admin_audit", "admin_audit_verify"}
    assert ask("root", "", cursor="x").status_code == 400
    report = ask("root", "/verification").json()
    assert report["sound"] and report["fault"] is None and report["head"]["seq"] >= rows[0]["seq"]
    assert not any(key in json.dumps(rows) for key in [*keys.values(), *house.keys.values()])


def test_features_are_narrowed_by_groups_and_refusals_recorded(house):
    keys = admin_keys(house)
    maru(house.home, "groups", "add", "clerks")
    maru(house.home, "groups", "join", "clerks", "bob")
    maru(house.home, "groups", "allow", "clerks", "feature:chats")
    maru(house.home, "groups", "allow", "clerks", "feature:nonsense", code=2)
    maru(house.home, "groups", "allow", "clerks", "egress:https://x", code=2)

    def status(name, path):
        return house.http.get(path, headers=bearer(keys[name])).status_code

    for path in ("/api/files", "/api/assistants", "/api/memories", "/api/shares"):
        assert status("bob", path) == 403, path
        assert status("ann", path) == 200, path
    assert status("bob", "/api/chats") == 200
    with pytest.raises(openai.PermissionDeniedError):
        chat(house, "bob")
    listed = maru(house.home, "audit", "list")
    for feature in ("files", "assistants", "memories", "shares", "completions"):
        assert f'"feature":"{feature}"' in listed, feature
    maru(house.home, "groups", "allow", "clerks", "feature:completions")
    assert chat(house, "bob").choices
    maru(house.home, "groups", "remove", "clerks")
    assert status("bob", "/api/files") == 200


def test_a_cut_record_is_found_by_the_kept_head(house):
    """The newest rows and the table's own head: as who may write the database would cut them."""
    maru(house.home, "groups", "add", "last")
    maru(house.home, "audit", "verify")
    with sqlite3.connect(house.home / "maru.db", timeout=30) as database:
        triggers = database.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name LIKE 'audit%'"
        ).fetchall()
        for name, _ in triggers:
            database.execute(f"DROP TRIGGER {name}")
        (seq,) = database.execute("SELECT max(seq) FROM audit").fetchone()
        rows = database.execute("SELECT * FROM audit WHERE seq > ?", (seq - 2,)).fetchall()
        head = database.execute("SELECT * FROM audit_head").fetchall()
        database.execute("DELETE FROM audit WHERE seq > ?", (seq - 2,))
        database.execute(
            "UPDATE audit_head SET seq = ?, hash = (SELECT hash FROM audit WHERE seq = ?)", (seq - 2, seq - 2)
        )
    assert "damaged" in maru(house.home, "audit", "verify", code=1)
    with sqlite3.connect(house.home / "maru.db", timeout=30) as database:
        marks = ",".join("?" * len(rows[0]))
        database.executemany(f"INSERT INTO audit VALUES ({marks})", rows)
        database.execute("DELETE FROM audit_head")
        database.executemany("INSERT INTO audit_head VALUES (?, ?, ?)", head)
        for _, sql in triggers:
            database.execute(sql)
    maru(house.home, "audit", "verify")


def test_acts_are_recorded_and_tampering_shows(house, tmp_path):
    listed = maru(house.home, "audit", "list")
    for action in ("user.", "key.", "price.set", "limit.set", "limit.remove"):
        assert f" {action}" in listed, action
    assert PASSWORD not in listed and not any(key in listed for key in house.keys.values())
    maru(house.home, "audit", "verify")
    exported = [json.loads(line) for line in maru(house.home, "audit", "export").splitlines()]
    assert [row["seq"] for row in exported] == list(range(1, len(exported) + 1))
    head = tmp_path / "head"
    head.write_text(maru(house.home, "audit", "export", "--only-head") + "\n")
    maru(house.home, "audit", "verify", "--head", str(head))
    with sqlite3.connect(house.home / "maru.db", timeout=30) as database:
        with pytest.raises(sqlite3.IntegrityError):
            database.execute("UPDATE audit SET actor = 'nobody' WHERE seq = 2")
    wrong = head.read_text().replace(exported[-1]["hash"], exported[0]["hash"])
    head.write_text(wrong)
    assert "damaged" in maru(house.home, "audit", "verify", "--head", str(head), code=1)
