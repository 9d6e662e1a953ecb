"""maru bundle: what is exported comes back the same; whatever else is refused and leaves nothing."""

import json
import shutil
import struct

import pytest
from test_pull import TINY, refuse, run, sha256, succeed, visible

HEAD = 8 + 4 + 4 + 32 + 64


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A home with a model and a key, its bundle, and its public key."""
    home = tmp_path_factory.mktemp("made")
    succeed(home, None, "pull", TINY, "--name", "tiny")
    key = succeed(home, None, "bundle", "key")[0].strip()
    bundle = home / "tiny.maru"
    succeed(home, None, "bundle", "export", "tiny", bundle)
    return home, bundle, key


def test_what_is_exported_comes_back_the_same(made, tmp_path):
    home, bundle, key = made
    _, err = succeed(tmp_path, None, "bundle", "import", bundle, MARU_TRUSTED_KEYS=key)
    assert "signature" in err
    manifest = json.loads((tmp_path / "models/tiny/maru-model.json").read_text())
    assert manifest["signer"] == key
    assert sha256(tmp_path / "models/tiny/model.gguf") == sha256(TINY)
    succeed(tmp_path, None, "models", "verify", "tiny")
    # A second import finds the name taken; an own bundle is trusted without a setting.
    assert "already" in run(tmp_path, None, "bundle", "import", bundle, MARU_TRUSTED_KEYS=key)[2]
    succeed(home, None, "models", "remove", "tiny")
    succeed(home, None, "bundle", "import", bundle)


def test_the_key_is_made_once_and_kept_from_others(made):
    home, _, key = made
    assert succeed(home, None, "bundle", "key")[0].strip() == key
    path = home / "keys/bundle.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text().strip() not in key


def test_a_stranger_is_not_trusted(made, tmp_path):
    home, bundle, key = made
    other = "ed25519:" + "A" * 43
    for trusted in ("", other):
        assert key in refuse(tmp_path, None, "bundle", "import", bundle, MARU_TRUSTED_KEYS=trusted)
    for wrong in (key[:-1], key[8:], "rsa:" + key[8:], key + "A"):
        refuse(tmp_path, None, "bundle", "import", bundle, MARU_TRUSTED_KEYS=wrong)


def test_every_changed_byte_is_found(made, tmp_path):
    _, bundle, key = made
    good = bundle.read_bytes()
    length = struct.unpack_from("<I", good, 12)[0]
    places = [0, 7, 8, 11, 12, 13, 15, 16, 40, 48, 80, 111, HEAD, HEAD + 9, HEAD + length - 1,
              HEAD + length, HEAD + length + 50_000, len(good) - 1]
    bad = tmp_path / "bad.maru"
    for at in places:
        bad.write_bytes(good[:at] + bytes([good[at] ^ 0x10]) + good[at + 1:])
        refuse(tmp_path, None, "bundle", "import", bad, MARU_TRUSTED_KEYS=key)
        assert not list((tmp_path / "models").rglob("*.gguf")) if (tmp_path / "models").exists() \
            else True, at


def test_every_cut_and_every_added_byte_is_found(made, tmp_path):
    _, bundle, key = made
    good = bundle.read_bytes()
    bad = tmp_path / "bad.maru"
    for n in [0, 1, 8, 15, HEAD - 1, HEAD, HEAD + 10, HEAD + 400, len(good) // 2, len(good) - 1]:
        bad.write_bytes(good[:n])
        refuse(tmp_path, None, "bundle", "import", bad, MARU_TRUSTED_KEYS=key)
    bad.write_bytes(good + b"\0")
    refuse(tmp_path, None, "bundle", "import", bad, MARU_TRUSTED_KEYS=key)
    refuse(tmp_path, None, "bundle", "import", TINY, MARU_TRUSTED_KEYS=key)
    refuse(tmp_path, None, "bundle", "import", tmp_path / "absent", MARU_TRUSTED_KEYS=key)


def test_an_export_is_held_to_the_manifest(made, tmp_path):
    home, _, _ = made
    shutil.copytree(home / "models", tmp_path / "models")
    shutil.copytree(home / "keys", tmp_path / "keys")
    with (tmp_path / "models/tiny/model.gguf").open("r+b") as file:
        file.seek(500)
        file.write(b"XYZ")
    code, _, err = run(tmp_path, None, "bundle", "export", "tiny", tmp_path / "out.maru")
    assert code != 0 and "hash" in err
    assert [p.name for p in tmp_path.iterdir() if "out" in p.name] == []


def test_a_signed_manifest_that_leaves_the_folder_is_refused(made, tmp_path):
    """Even a trusted signer can't write outside: the manifest is changed before it is signed."""
    home, _, key = made
    for name in ("models", "keys"):
        shutil.copytree(home / name, tmp_path / name)
    manifest = tmp_path / "models/tiny/maru-model.json"
    text = json.loads(manifest.read_text())
    text["files"][0]["path"] = "../../escaped.gguf"
    manifest.write_text(json.dumps(text))
    shutil.copy(TINY, tmp_path / "escaped.gguf")
    code, _, err = run(tmp_path, None, "bundle", "export", "tiny", tmp_path / "out.maru")
    assert code != 0 and "path inside" in err


def test_wrong_use_is_explained(made, tmp_path):
    home, bundle, _ = made
    for arguments in (["export"], ["export", "tiny"], ["import"], ["sign", "x"], ["export", "../x", "y"],
                      ["export", "absent", "y"], ["export", "tiny", bundle]):
        code, out, err = run(home, None, "bundle", *arguments)
        assert code in (1, 2) and out == "" and "hint: " in err, arguments
    assert "bundle key" in run(tmp_path, None, "bundle", "export", "tiny", "y")[2]
    assert visible(tmp_path) == []
