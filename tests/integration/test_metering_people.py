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
    for _ in range(5):
        assert cached("bob") == 0 or _ > 0
        assert cached("root") == 0 or _ > 0
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
