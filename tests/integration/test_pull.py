"""maru pull and maru models against a hub of our own that misbehaves in every way we know."""

import hashlib
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest
from hub_server import COMMIT, Hub

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.path.abspath(os.environ.get("MARU_BINARY", "build/release/bin/maru"))
SMOL = pathlib.Path(os.environ["MARU_TEST_MODELS"]) / "SmolLM2-135M-Instruct.Q4_1.gguf"
TINY = ROOT / "tests/oracle/qwen3/model.gguf"
FOLDER = ROOT / "tests/oracle/qwen3/hf"
TOKEN = "hf_TESTSECRETTOKEN"
N_KILLS = 50 if os.environ.get("MARU_LONG") else 8


def start(home, hub, *arguments, **env):
    variables = {k: v for k, v in os.environ.items() if not k.startswith(("MARU_", "HF_"))}
    variables |= {"LANG": "C.UTF-8", "LC_ALL": "", "MARU_HOME": str(home)}
    variables |= hub.environment() if hub else {}
    return subprocess.Popen([BINARY, *map(str, arguments)], env=variables | env,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=home)


def run(home, hub, *arguments, timeout=120, **env):
    process = start(home, hub, *arguments, **env)
    out, err = process.communicate(timeout=timeout)
    return process.returncode, out.decode(), err.decode()


def succeed(home, hub, *arguments, **env):
    code, out, err = run(home, hub, *arguments, **env)
    assert code == 0, err
    return out, err


def refuse(home, hub, *arguments, **env):
    """The pull fails with a sentence and leaves nothing that looks like a model."""
    code, out, err = run(home, hub, *arguments, **env)
    assert code in (1, 2), (code, out, err)
    assert out == "" and "\nhint: " in err, err
    assert visible(home) == []
    assert run(home, None, "models")[1] == ""
    return err


def wait_for_bytes(hub, process, n_bytes):
    """Until the hub has sent so many more, or the pull is over: no test depends on the clock."""
    goal = hub.sent + n_bytes
    while hub.sent < goal and process.poll() is None:
        time.sleep(0.005)


def visible(home):
    folder = home / "models"
    return sorted(p.name for p in folder.iterdir() if not p.name.startswith(".")) \
        if folder.exists() else []


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture()
def home(tmp_path):
    return tmp_path


@pytest.fixture()
def hub():
    tiny = TINY.read_bytes()
    running = Hub({"tiny-Q4_K_M.gguf": tiny[:-1] + b"!", "tiny-Q8_0.gguf": tiny,
                   "README.md": b"# tiny\n", "LICENSE": b"free\n", "evil.py": b"import os\n",
                   "mmproj-F16.gguf": b"no", "weights.bin": b"pickle"})
    yield running
    running.close()


@pytest.fixture(scope="module")
def large():
    """A hub with a model of 94 MiB."""
    running = Hub({"SmolLM2-135M-Instruct.Q4_1.gguf": SMOL, "README.md": b"# smol\n"})
    yield running
    running.close()


@pytest.fixture(autouse=True)
def reset(request):
    yield
    if "large" in request.fixturenames:
        hub = request.getfixturevalue("large")
        hub.knobs.__init__()
        hub.log.clear()


# --- what a pull brings -------------------------------------------------------------------------


def test_pull_brings_one_gguf_with_its_papers_and_manifest(home, hub):
    out, err = succeed(home, hub, "pull", "org/model:Q8_0@v1")
    folder = home / "models" / "tiny-Q8_0"
    assert out.strip() == str(folder) and "Licence: apache-2.0" in err
    assert sorted(p.name for p in folder.iterdir()) == [
        "LICENSE", "README.md", "maru-model.json", "tiny-Q8_0.gguf"]
    assert (folder / "tiny-Q8_0.gguf").read_bytes() == TINY.read_bytes()
    manifest = json.loads((folder / "maru-model.json").read_text())
    assert manifest["origin"] == {"kind": "hub", "place": hub.url, "repository": "org/model",
                                  "revision": "v1", "commit": COMMIT}
    assert manifest["licence"] == "apache-2.0"
    assert {f["path"]: f["sha256"] for f in manifest["files"]} == {
        name: sha256(folder / name) for name in ["LICENSE", "README.md", "tiny-Q8_0.gguf"]}
    # Files are asked for by the commit, not by the revision that was named.
    assert all(COMMIT in path for _, path, _ in hub.requests("hub")[1:])
    info = json.loads(succeed(home, None, "info", "tiny-Q8_0", "--json")[0])
    assert info["family"] == "qwen3"
    assert succeed(home, None, "models")[0] == f"tiny-Q8_0\t{folder}/tiny-Q8_0.gguf\n"


def test_the_default_rule_prefers_q4_k_m_and_a_file_can_be_named(home, hub):
    succeed(home, hub, "pull", "org/model")
    succeed(home, hub, "pull", "org/model", "--file", "tiny-Q8_0.gguf", "--name", "other")
    assert visible(home) == ["other", "tiny-Q4_K_M"]


def test_pull_of_a_folder_takes_what_a_model_is_read_with(home):
    files = {p.name: p.read_bytes() for p in FOLDER.iterdir()}
    files |= {"modeling.py": b"x", "pytorch_model.bin": b"x", "sub/model.safetensors": b"x"}
    files.setdefault("tokenizer.json", b"{}")
    hub = Hub(files, in_lfs=".safetensors")
    succeed(home, hub, "pull", "org/model")
    taken = {p.name for p in (home / "models" / "model").iterdir()}
    assert {"config.json", "tokenizer.json", "model.safetensors", "maru-model.json"} <= taken
    assert not taken & {"modeling.py", "pytorch_model.bin", "sub"}
    assert json.loads(succeed(home, None, "info", "model", "--json")[0])["family"] == "qwen3"
    hub.close()


def test_a_second_pull_fetches_nothing_and_another_repository_is_refused(home, hub):
    succeed(home, hub, "pull", "org/model")
    n = len(hub.requests("storage"))
    assert "already" in succeed(home, hub, "pull", "org/model")[1]
    assert len(hub.requests("storage")) == n
    hub.repository = "other/model"
    code, _, err = run(home, hub, "pull", "other/model")
    assert code != 0 and "--name" in err
    assert succeed(home, None, "models", "verify", "tiny-Q4_K_M")


def test_korean_texts(home, hub):
    assert "라이선스" in succeed(home, hub, "pull", "org/model", LANG="ko_KR.UTF-8")[1]


@pytest.mark.parametrize("name", [
    "model", "a/b/c", "../x", "org/..", "org/model@", "org/model@../x", "org/mo del", "/nowhere/x",
    "org/model:Q 4", "org/model@a?b", "", "default",
])
def test_wrong_names_are_refused_before_anything_is_asked(home, hub, name):
    refuse(home, hub, "pull", name)
    assert hub.requests() == []


# --- a hub that misbehaves ----------------------------------------------------------------------


@pytest.mark.parametrize("status, words", [
    (401, "HF_TOKEN"), (403, "terms"), (404, "check the name"), (410, "check the name")])
def test_refusals_are_explained_and_final(home, hub, status, words):
    hub.knobs.refuse_all = status
    assert words in refuse(home, hub, "pull", "org/model")
    assert len(hub.requests()) == 1


@pytest.mark.parametrize("statuses", [[429, 500], [503, (429, 1)], [502, 504]])
def test_passing_refusals_are_waited_for(home, hub, statuses):
    hub.knobs.api_status = list(statuses)
    hub.knobs.file_status = list(statuses)
    begin = time.monotonic()
    succeed(home, hub, "pull", "org/model")
    assert time.monotonic() - begin > 2 * 0.5


def test_it_gives_up_in_the_end(home, hub):
    hub.knobs.refuse_all = 500
    assert "status 500" in refuse(home, hub, "pull", "org/model", "--tries", 4)
    assert len(hub.requests()) == 4


def test_a_wait_that_is_too_long_is_not_waited(home, hub):
    hub.knobs.api_status = [(429, 100000)]
    refuse(home, hub, "pull", "org/model")
    assert len(hub.requests()) == 1


@pytest.mark.parametrize("knobs, words", [
    ({"size_lie": 1}, "lists"), ({"size_lie": -1}, "lists"), ({"length_lie": 5}, "lists"),
    ({"hash_lie": True}, "hash"), ({"flip": True}, "hash"), ({"html": True}, "web page"),
    ({"extra": b"more"}, "bytes"), ({"size_lie": 1 << 42}, "lacks room"),
    ({"size_lie": 1 << 60}, "makes no sense"),
])
def test_lies_are_found_and_nothing_is_left(home, hub, knobs, words):
    vars(hub.knobs).update(knobs)
    assert words in refuse(home, hub, "pull", "org/model")


@pytest.mark.parametrize("knobs", [{"wrong_range": True}, {"flip": True}, {"hash_lie": True}])
def test_lies_about_ranges_are_found(home, large, knobs):
    vars(large.knobs).update(knobs)
    refuse(home, large, "pull", "org/model")


@pytest.mark.parametrize("answer", [
    b"<html>", b"[]", b"{}", b'{"sha": "main", "siblings": []}', b"{" * 1000, b"\xff\xfe",
    json.dumps({"sha": COMMIT, "siblings": [{"rfilename": "a.gguf"}]}).encode(),
    json.dumps({"sha": COMMIT, "siblings": [
        {"rfilename": p, "size": 1, "blobId": "0" * 40}
        for p in ["../a.gguf", "/etc/a.gguf", "a/../../b.gguf", "a\\b.gguf", "a\n.gguf"]]}).encode(),
    json.dumps({"sha": COMMIT, "siblings": [
        {"rfilename": "a-00001-of-00002.gguf", "size": 1, "blobId": "0" * 40}]}).encode(),
    b'"' + b"x" * (20 << 20) + b'"',
])
def test_strange_answers_are_refused(home, hub, answer):
    hub.knobs.answer = answer
    refuse(home, hub, "pull", "org/model")
    assert hub.requests("storage") == []
    assert not list(home.rglob("*.gguf"))


def test_a_server_that_falls_silent_is_left(home, hub):
    hub.knobs.stall = True
    hub.files["tiny-Q4_K_M.gguf"] = os.urandom(200 << 10)
    assert "silent" in refuse(home, hub, "pull", "org/model", "--timeout", 1, "--tries", 2)


# --- hosts --------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", [
    "https://evil.example/x", "http://169.254.169.254/latest/meta-data", "http://10.0.0.1/x",
    "http://127.0.0.1:9/x", "http://localhost:{storage}/blob/tiny-Q4_K_M.gguf", "file:///etc/passwd",
    "gopher://127.0.0.1:{storage}/x", "http://user:pw@127.0.0.1:{storage}/x",
    "https://127.0.0.1.evil.example/x", "http://[::ffff:127.0.0.1]:{storage}/x", "//evil.example/x",
])
def test_redirects_to_other_hosts_are_refused(home, hub, target):
    hub.knobs.redirect = target.format(storage=hub.storage.server_port)
    refuse(home, hub, "pull", "org/model")
    assert hub.requests("storage") == []


def test_an_endless_redirect_ends(home, hub):
    hub.knobs.redirect = f"/org/model/resolve/{COMMIT}/tiny-Q4_K_M.gguf"
    assert "redirects" in refuse(home, hub, "pull", "org/model")
    assert len(hub.requests()) == 5


def test_an_endpoint_that_is_not_listed_is_not_contacted(home, hub):
    for egress in ("huggingface.co", "127.0.0.1", f"*.0.0.1:{hub.hub.server_port}"):
        err = refuse(home, hub, "pull", "org/model", MARU_EGRESS_HOSTS=egress)
        assert "egress_hosts" in err
    assert hub.requests() == []


def test_http_is_for_loopback_only(home):
    err = refuse(home, None, "pull", "org/model", HF_ENDPOINT="http://hub.example",
                 MARU_EGRESS_HOSTS="hub.example:80")
    assert "https" in err


def test_the_token_goes_to_the_hub_only_and_is_never_shown(home, hub):
    hub.knobs.need_token = TOKEN
    assert TOKEN not in refuse(home, hub, "pull", "org/model", HF_TOKEN="hf_wrong")
    _, err = succeed(home, hub, "pull", "org/model", HF_TOKEN=TOKEN, MARU_LOG_LEVEL="debug")
    assert hub.requests("storage")
    assert all("Authorization" not in headers for _, _, headers in hub.requests("storage"))
    assert TOKEN not in err and "signature" not in err
    assert not any(TOKEN.encode() in p.read_bytes() for p in home.rglob("*") if p.is_file())


def test_a_token_that_is_none_is_refused(home, hub):
    refuse(home, hub, "pull", "org/model", HF_TOKEN="a\r\nX-Evil: 1")
    assert hub.requests() == []


def test_a_pull_works_where_there_is_no_route_at_all(home):
    command = [sys.executable, str(ROOT / "tests/integration/hub_server.py"), str(TINY),
               BINARY, "pull", "org/model"]
    variables = os.environ | {"MARU_HOME": str(home), "LC_ALL": "C.UTF-8"}
    for flags in ("-rn", "-n"):
        probe = subprocess.run(["unshare", flags, "true"], capture_output=True, check=False)
        if probe.returncode == 0:
            result = subprocess.run(["unshare", flags, *command], env=variables,
                                    capture_output=True, text=True, timeout=60, check=False)
            assert result.returncode == 0, result.stderr
            assert "requests to the storage" in result.stdout
            assert visible(home) == ["tiny-Q8_0"]
            return
    print("NOTE: no network namespace can be made here; the servers' logs are the only proof",
          file=sys.stderr)
    # The tests above look at the logs: every request is one of ours.


# --- cuts, kills, several at once ---------------------------------------------------------------


def test_several_connections_fetch_ranges(home, large):
    succeed(home, large, "pull", "org/model")
    ranges = [h.get("Range") for _, p, h in large.requests("storage") if "gguf" in p]
    assert len(ranges) >= 4 and all(ranges)
    assert all("If-Range" in h for _, p, h in large.requests("storage")[1:] if "gguf" in p)
    model = home / "models/SmolLM2-135M-Instruct.Q4_1"
    assert sha256(model / "SmolLM2-135M-Instruct.Q4_1.gguf") == sha256(SMOL)
    assert not (home / "models/.incoming/SmolLM2-135M-Instruct.Q4_1.files").exists()


def test_a_server_without_ranges_serves_too(home, large):
    large.knobs.knows_ranges = False
    succeed(home, large, "pull", "org/model")
    assert len([1 for _, p, _ in large.requests("storage") if "gguf" in p]) == 1


def test_cut_connections_go_on_where_they_were(home, large):
    dice = random.Random(7)
    large.knobs.cut_after = lambda: dice.randrange(1 << 20, 16 << 20)
    succeed(home, large, "pull", "org/model")
    asked = 0
    for _, path, headers in large.requests("storage"):
        if "gguf" in path:
            begin, end = headers["Range"].removeprefix("bytes=").split("-")
            asked = max(asked, int(end))
    assert asked == SMOL.stat().st_size - 1
    succeed(home, None, "models", "verify", "SmolLM2-135M-Instruct.Q4_1")


def test_interrupted_pulls_end_in_the_same_bytes(home, large):
    dice = random.Random(11)
    large.knobs.rate = 24 << 20  # of a connection
    folder = home / "models/SmolLM2-135M-Instruct.Q4_1"
    n_done = 0
    for i in range(N_KILLS):
        large.log.clear()
        process = start(home, large, "pull", "org/model", "--connections", 2)
        wait_for_bytes(large, process, dice.randrange(1, 10 << 20))
        process.kill()
        process.communicate(timeout=30)
        if visible(home):  # it was faster: the next round starts anew
            assert sha256(folder / "SmolLM2-135M-Instruct.Q4_1.gguf") == sha256(SMOL), i
            shutil.rmtree(home / "models")
            n_done += 1
        else:
            assert process.returncode == -signal.SIGKILL
    large.knobs.rate = None
    large.log.clear()
    _, err = succeed(home, large, "pull", "org/model")
    assert "Going on" in err or n_done > 0
    assert n_done < N_KILLS / 2
    assert sha256(folder / "SmolLM2-135M-Instruct.Q4_1.gguf") == sha256(SMOL)
    succeed(home, None, "models", "verify", folder.name)


def test_ctrl_c_stops_and_says_how_to_go_on(home, large):
    large.knobs.rate = 4 << 20
    process = start(home, large, "pull", "org/model")
    wait_for_bytes(large, process, 1 << 20)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130 and b"Stopped" in err
    assert visible(home) == []


def test_what_an_older_run_left_is_not_trusted(home, large):
    large.knobs.rate = 24 << 20
    process = start(home, large, "pull", "org/model")
    wait_for_bytes(large, process, 16 << 20)
    process.kill()
    process.communicate(timeout=30)
    (part,) = (home / "models/.incoming").rglob("*.gguf")
    with part.open("r+b") as file:  # as a power cut leaves it: promised cells are zeros
        file.write(b"\0" * (1 << 20))
    large.knobs.rate = None
    succeed(home, large, "pull", "org/model")
    succeed(home, None, "models", "verify", "SmolLM2-135M-Instruct.Q4_1")


def test_a_file_that_changed_meanwhile_is_fetched_anew(home, large):
    large.knobs.rate = 24 << 20
    process = start(home, large, "pull", "org/model")
    wait_for_bytes(large, process, 16 << 20)
    process.kill()
    process.communicate(timeout=30)
    large.knobs.rate = None
    large.knobs.etag = '"another"'
    succeed(home, large, "pull", "org/model")
    succeed(home, None, "models", "verify", "SmolLM2-135M-Instruct.Q4_1")


def test_a_servers_tag_adds_no_header_to_requests(home, large):
    large.knobs.etag = '"a\rX-Added: 1"'
    succeed(home, large, "pull", "org/model")
    assert len(large.requests("storage")) > 1
    for _, _, headers in large.requests():
        assert "X-Added" not in headers and "\r" not in headers.get("If-Range", "")


def test_two_pulls_at_once_end_in_one_model(home, large):
    large.knobs.rate = 40 << 20
    first = start(home, large, "pull", "org/model")
    wait_for_bytes(large, first, 1)
    second = start(home, large, "pull", "org/model")
    errors = [p.communicate(timeout=60)[1].decode() for p in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0], errors
    assert "Another process" in errors[1] and "already" in errors[1]
    assert visible(home) == ["SmolLM2-135M-Instruct.Q4_1"]
    succeed(home, None, "models", "verify", "SmolLM2-135M-Instruct.Q4_1")


# --- from a folder, and what is here ------------------------------------------------------------


def test_pull_from_a_file_and_from_a_folder(home, tmp_path_factory):
    stick = tmp_path_factory.mktemp("stick")
    shutil.copy(TINY, stick / "my model.gguf")
    assert "name" in refuse(home, None, "pull", stick / "my model.gguf")
    succeed(home, None, "pull", stick / "my model.gguf", "--name", "mine")
    succeed(home, None, "models", "verify", "mine")
    shutil.copytree(FOLDER, stick / "hf")
    (stick / "hf" / "tokenizer.json").write_text("{}")
    os.symlink("/etc/passwd", stick / "hf" / "vocab.txt")
    succeed(home, None, "pull", stick / "hf")
    assert not (home / "models/hf/vocab.txt").exists()
    assert visible(home) == ["hf", "mine"]
    (stick / "empty").mkdir()
    code, _, err = run(home, None, "pull", stick / "empty")
    assert code == 2 and "hint: " in err


def test_a_copied_model_is_held_to_its_manifest(home, hub, tmp_path_factory):
    succeed(home, hub, "pull", "org/model:Q8_0")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    succeed(elsewhere, None, "pull", home / "models/tiny-Q8_0")
    manifest = json.loads((elsewhere / "models/tiny-Q8_0/maru-model.json").read_text())
    assert manifest["origin"]["commit"] == COMMIT and manifest["licence"] == "apache-2.0"
    with (home / "models/tiny-Q8_0/tiny-Q8_0.gguf").open("r+b") as file:
        file.write(b"X")
    other = tmp_path_factory.mktemp("other")
    assert "manifest" in refuse(other, None, "pull", home / "models/tiny-Q8_0")


def test_verify_finds_every_change_and_remove_removes(home, hub):
    succeed(home, hub, "pull", "org/model:Q8_0")
    model = home / "models/tiny-Q8_0"
    assert "3 files" in succeed(home, None, "models", "verify", "tiny-Q8_0")[0]
    assert COMMIT in succeed(home, None, "models", "info", "tiny-Q8_0")[0]
    good = (model / "tiny-Q8_0.gguf").read_bytes()
    for bad in (good[:-1], good + b"x", good[:500] + bytes([good[500] ^ 1]) + good[501:]):
        (model / "tiny-Q8_0.gguf").write_bytes(bad)
        code, out, _ = run(home, None, "models", "verify", "tiny-Q8_0")
        assert code == 1 and "tiny-Q8_0.gguf" in out
    (model / "tiny-Q8_0.gguf").unlink()
    assert run(home, None, "models", "verify", "tiny-Q8_0")[0] != 0
    (model / "maru-model.json").write_text("{}")
    assert "manifest" in run(home, None, "models", "info", "tiny-Q8_0")[2]
    succeed(home, None, "models", "remove", "tiny-Q8_0")
    assert visible(home) == []
    for name in ("tiny-Q8_0", "../models", "/etc", ".incoming", ""):
        assert run(home, None, "models", "remove", name)[0] == 2
