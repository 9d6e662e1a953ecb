"""Models fetched by administrators of a running server, from a hub of the tests' own."""

import json
import os
import pathlib
import time

import pytest
from hub_server import Hub
from people import bearer, maru
from servers import model_file, real_server

ROOT = pathlib.Path(__file__).resolve().parents[2]
TINY = ROOT / "tests/oracle/qwen3/model.gguf"
SMOL = "SmolLM2-135M-Instruct.Q4_1"


@pytest.fixture()
def hub():
    tiny = TINY.read_bytes()
    running = Hub({"tiny-Q8_0.gguf": tiny, "tiny-Q4_K_M.gguf": tiny[:-1] + b"!", "README.md": b"# tiny\n"})
    yield running
    running.close()


def until(http, key, pull, states):
    deadline = time.monotonic() + 60
    while True:
        pulls = http.get("/api/admin/pulls", headers=bearer(key)).json()["data"]
        found = next(one for one in pulls if one["id"] == pull)
        if found["state"] in states:
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.02)


def test_an_admin_fetches_a_model_that_is_listed_then(tmp_path, hub, monkeypatch):
    for name, value in hub.environment().items():
        monkeypatch.setenv(name, value)
    home = tmp_path / "home"
    (home / "models").mkdir(parents=True)
    os.symlink(model_file(SMOL + ".gguf"), home / "models" / (SMOL + ".gguf"))
    keys = {}
    for name, role in [("root", "admin"), ("audrey", "auditor")]:
        maru(home, "users", "add", name, "--role", role, "--password", stdin="correct horse battery\n")
        keys[name] = maru(home, "keys", "add", name, "--scopes", "admin,audit,inference")
    with real_server(SMOL, home=home) as server, server.http() as http:
        def pull(source, who="root"):
            return http.post("/api/admin/pulls", headers=bearer(keys[who]), json={"source": source})

        assert pull("org/model", "audrey").status_code == 403
        refused = pull("org/model")
        assert refused.status_code == 403 and "may not be reached" in refused.text
        assert hub.requests() == []
        maru(home, "groups", "add", "fetchers")
        maru(home, "groups", "join", "fetchers", "root")
        maru(home, "groups", "allow", "fetchers", "egress:127.0.0.1")

        assert pull("").status_code == 400
        # Names of the server's own files are none of the hub's.
        for source in ["/etc/passwd", "../models", "no slash", "org/model/../../x"]:
            failed = until(http, keys["root"], pull(source).json()["id"], {"failed"})
            assert failed["error"]["message"]
        assert hub.requests() == []

        started = pull("org/model:Q8_0")
        assert started.status_code == 200, started.text
        done = until(http, keys["root"], started.json()["id"], {"done", "failed"})
        assert done["model"] == "tiny-Q8_0" and done["error"] is None
        assert done["bytes_done"] == done["bytes_total"] > TINY.stat().st_size
        models = http.get("/v1/models", headers=bearer(keys["audrey"])).json()["data"]
        assert "tiny-Q8_0" in [model["id"] for model in models]

        hub.knobs.stall = True
        slow = pull("org/model").json()["id"]
        until(http, keys["root"], slow, {"running"})
        assert pull("org/model").status_code == 409
        stop = http.delete(f"/api/admin/pulls/{slow}", headers=bearer(keys["root"]))
        assert stop.status_code == 200
        until(http, keys["root"], slow, {"stopped"})
        acts = http.get("/api/admin/audit", headers=bearer(keys["root"])).json()["data"]
        assert {"egress", "egress.refuse"} <= {act["action"] for act in acts}
        assert all(json.dumps(act["detail"]).find(keys["root"]) < 0 for act in acts)
