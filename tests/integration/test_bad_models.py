"""Models that are wrong or mean harm: each is refused with the name of the tensor or key and a hint,
by the commands and by a server that goes on."""

import json
import struct

import pytest
import tiny_models as tiny
from people import run_maru
from servers import real_server
from tiny_models import good_folder, good_gguf, string_value, strings_value, uint_value

GIB = 1 << 30


def gguf(change):
    model = good_gguf()
    raw = change(model)
    return raw if isinstance(raw, bytes) else model.to_bytes()


def put(key, value):
    return lambda model: model.metadata.__setitem__(key, value)


def drop(name):
    return lambda model: model.tensors.remove(model.tensor(name))


def change_tensor(name, **values):
    def change(model):
        for field, value in values.items():
            setattr(model.tensor(name), field, value)

    return change


def overlap(model):
    model.tensor("blk.0.attn_k.weight").offset = model.tensor("blk.0.attn_q.weight").offset


def huge_string(key):
    """The length of a string that the file does not hold."""

    def change(model):
        model.metadata = {key: struct.pack("<IQ", tiny.STRING, 10 * GIB) + b"x", **model.metadata}

    return change


def huge_array(key):
    def change(model):
        model.metadata[key] = struct.pack("<IIQ", tiny.ARRAY, tiny.STRING, 1 << 60)

    return change


def twice(name):
    def change(model):
        model.tensors.append(model.tensor(name))

    return change


def cut(model):
    return model.to_bytes()[:-1000]


# name -> (what is wrong, what the message names)
GGUF = {
    "shape": (change_tensor("blk.1.ffn_down.weight", dims=[32, 48]), "blk.1.ffn_down.weight"),
    "dims": (change_tensor("output_norm.weight", dims=[1 << 40]), "output_norm.weight"),
    "product": (change_tensor("blk.0.attn_q.weight", dims=[1 << 32] * 2), "blk.0.attn_q.weight"),
    "type": (change_tensor("token_embd.weight", kind=999), "token_embd.weight"),
    "outside": (change_tensor("blk.0.attn_v.weight", offset=10 * GIB), "blk.0.attn_v.weight"),
    "unaligned": (change_tensor("blk.0.attn_v.weight", offset=7), "blk.0.attn_v.weight"),
    "overlap": (overlap, "blk.0.attn_k.weight"),
    "double": (twice("blk.0.attn_q.weight"), "blk.0.attn_q.weight"),
    "missing": (drop("blk.1.attn_k.weight"), "blk.1.attn_k.weight"),
    "no-embedding": (drop("token_embd.weight"), "token_embd.weight"),
    "cut": (cut, ""),
    "huge-string": (huge_string("general.description"), "general.description"),
    "huge-array": (huge_array("tokenizer.ggml.tokens"), "tokenizer.ggml.tokens"),
    "family": (put("general.architecture", string_value("mamba")), "mamba"),
    "layers": (put("llama.block_count", uint_value(1 << 30)), "llama.block_count"),
    "context": (put("llama.context_length", uint_value(0)), "llama.context_length"),
    "heads": (put("llama.attention.head_count", uint_value(0)), "llama.attention.head_count"),
    "more-tokens": (
        put("tokenizer.ggml.tokens", strings_value(tiny.TOKENS + [f"t{i}" for i in range(9)])),
        "105 tokens",
    ),
    "merge-of-nothing": (put("tokenizer.ggml.merges", strings_value(["a b", " ab"])), "merges[1]"),
    "merge-of-itself": (put("tokenizer.ggml.merges", strings_value(["ab ab"])), "merges[0]"),
    "merge-unknown": (put("tokenizer.ggml.merges", strings_value(["a b", "b c"])), "merges[1]"),
    "tokenizer": (put("tokenizer.ggml.model", string_value("x")), "tokenizer.ggml.model"),
    "pre": (put("tokenizer.ggml.pre", string_value("martian")), "martian"),
    "magic": (lambda model: b"GGML" + model.to_bytes()[4:], ""),
    "empty": (lambda model: b"", ""),
    "page": (lambda model: b"<!doctype html><title>404</title>", ""),
}


def folder(change):
    files = good_folder()
    change(files)
    return files


def config(**values):
    def change(files):
        files["config.json"] = json.dumps(json.loads(files["config.json"]) | values).encode()

    return change


def header(change):
    """Changes the header of the safetensors file: {tensor: {dtype, shape, data_offsets}}."""

    def apply(files):
        parsed, data = tiny.split_safetensors(files["model.safetensors"])
        change(parsed)
        files["model.safetensors"] = tiny.join_safetensors(parsed, data)

    return apply


def tokenizer(change):
    def apply(files):
        parsed = tiny.good_tokenizer()
        change(parsed)
        files["tokenizer.json"] = json.dumps(parsed).encode()

    return apply


Q = "model.layers.0.self_attn.q_proj.weight"
K = "model.layers.0.self_attn.k_proj.weight"


def set_entry(name, field, value):
    return header(lambda tensors: tensors[name].__setitem__(field, value))


def more_tokens(parsed):
    parsed["model"]["vocab"] |= {f"t{i}": 96 + i for i in range(9)}


FOLDERS = {
    "hf-shape": (set_entry(Q, "shape", [16, 64]), Q),
    "hf-negative": (set_entry(Q, "shape", [-32, 32]), Q),
    "hf-outside": (set_entry(Q, "data_offsets", [0, 10 * GIB]), Q),
    "hf-overlap": (
        header(lambda t: t[K].__setitem__("data_offsets", t[Q]["data_offsets"])),
        "self_attn.",
    ),
    "hf-missing": (header(lambda t: t.pop(K)), K),
    "hf-dtype": (set_entry(Q, "dtype", "F4"), Q),
    "hf-header": (
        lambda files: files.__setitem__(
            "model.safetensors", struct.pack("<Q", 10 * GIB) + files["model.safetensors"][8:]
        ),
        "model.safetensors",
    ),
    "hf-family": (config(model_type="mamba"), "mamba"),
    "hf-heads": (config(num_attention_heads=0), "num_attention_heads"),
    "hf-layers": (config(num_hidden_layers=10**9), "num_hidden_layers"),
    "hf-config": (lambda files: files.__setitem__("config.json", b"{"), "config.json"),
    "hf-no-weights": (lambda files: files.pop("model.safetensors"), "model.safetensors"),
    "hf-no-tokenizer": (lambda files: files.pop("tokenizer.json"), "tokenizer.json"),
    "hf-more-tokens": (tokenizer(more_tokens), "t0"),
    "hf-merge": (tokenizer(lambda t: t["model"].update(merges=[["", "ab"]])), "merges[0]"),
    "hf-merge-self": (tokenizer(lambda t: t["model"].update(merges=[["ab", "ab"]])), "merges[0]"),
    "hf-tokenizer": (tokenizer(lambda t: t["model"].update(type="X")), "model.type X"),
}
# What the commands see only when they need the tokenizer.
TOKENIZER = {
    name
    for name in [*GGUF, *FOLDERS]
    if "merge" in name or "tokenizer" in name or name in ("pre", "hf-more-tokens", "huge-array")
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    models = home / "models"
    models.mkdir()
    (models / "good.gguf").write_bytes(good_gguf().to_bytes())
    for name, (change, _) in GGUF.items():
        (models / (name + ".gguf")).write_bytes(gguf(change))
    for name, files in [("good-hf", good_folder())] + [
        (name, folder(change)) for name, (change, _) in FOLDERS.items()
    ]:
        (models / name).mkdir()
        for file, raw in files.items():
            (models / name / file).write_bytes(raw)
    return home


def run(home, name):
    return run_maru(home, "run", "--own-engine", "--model", name, "--max-tokens", "2", "--raw", "ab")


def expected(name):
    return {**GGUF, **FOLDERS}[name][1]


def test_the_good_ones_are_good(home):
    for name in ("good", "good-hf"):
        info = run_maru(home, "info", name)
        assert info.returncode == 0, info.stderr
        done = run(home, name)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", [*GGUF, *FOLDERS])
def test_commands_refuse(home, name):
    info = run_maru(home, "info", name)
    assert info.returncode in ((0, 1, 2) if name in TOKENIZER else (1, 2)), info.stdout + info.stderr
    assert expected(name) in info.stdout + info.stderr
    done = run(home, name)
    assert done.returncode in (1, 2), done.stdout + done.stderr
    assert expected(name) in done.stderr, done.stderr
    # What to do comes on a line of its own, behind what is wrong.
    assert len(done.stderr.strip().splitlines()) >= 2, done.stderr


def test_a_server_refuses_and_goes_on(home):
    with real_server("good", home=home) as server, server.http() as http:

        def ask(name):
            body = {"model": name, "prompt": "ab", "max_tokens": 2}
            return http.post("/v1/completions", json=body)

        assert ask("good").status_code == 200
        for name in [*GGUF, *FOLDERS]:
            answer = ask(name)
            assert answer.status_code == 503, (name, answer.text)
            error = answer.json()["error"]
            assert error["code"] == "model_unavailable" and error["param"] == "model"
            assert expected(name) in error["message"], (name, error)
        listed = {model["id"]: model["maru"] for model in http.get("/v1/models").json()["data"]}
        for name in [*GGUF, *FOLDERS]:
            assert listed[name]["state"] == "unloaded"
            assert expected(name) in listed[name]["error"]["message"], (name, listed[name])
            assert listed[name]["error"]["hint"], name
        assert ask("good").status_code == 200
        assert ask("good-hf").status_code == 200
