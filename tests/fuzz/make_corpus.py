#!/usr/bin/env python3
"""Writes the seed corpora of the fuzz targets; they stay tiny.

    python3 tests/fuzz/make_corpus.py      (from the project's folder)

libFuzzer mutates these; what it finds goes into the same folders as a regression test, under
another name, and stays when this script runs again.
"""

import json
import pathlib
import struct

CORPUS = pathlib.Path(__file__).parent / "corpus"
NUMBERS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<B", 10: "<Q", 11: "<q", 12: "<d"}
STRING, ARRAY = 8, 9


def text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def scalar(kind: int, value) -> bytes:
    return text(value) if kind == STRING else struct.pack(NUMBERS[kind], value)


def key(name: str, kind: int, value, of: int | None = None) -> bytes:
    out = text(name) + struct.pack("<I", kind)
    if kind != ARRAY:
        return out + scalar(kind, value)
    return out + struct.pack("<IQ", of, len(value)) + b"".join(scalar(of, v) for v in value)


def gguf(keys: list[bytes], tensors: list[tuple[str, list[int], int, bytes]], version=3, alignment=32) -> bytes:
    directory, data = b"", b""
    for name, extents, kind, raw in tensors:
        data += b"\0" * (-len(data) % alignment)
        directory += text(name) + struct.pack("<I", len(extents))
        directory += b"".join(struct.pack("<Q", extent) for extent in extents)
        directory += struct.pack("<IQ", kind, len(data))
        data += raw
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(keys)) + b"".join(keys) + directory
    return head + b"\0" * (-len(head) % alignment) + data


def safetensors(header, data: bytes) -> bytes:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + data


def entry(dtype: str, shape: list[int], begin: int, end: int) -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def gguf_seeds() -> dict[str, bytes]:
    every = [key(f"k{kind}", kind, 1) for kind in NUMBERS]
    every += [key("text", STRING, "value"), key("list", ARRAY, ["a", "", "bc"], of=STRING)]
    every += [key(f"a{kind}", ARRAY, [0, 1], of=kind) for kind in NUMBERS]
    block_bytes = {0: 4, 1: 2, 2: 18, 3: 20, 6: 22, 7: 24, 8: 34, 10: 84, 11: 110, 12: 144, 13: 176, 14: 210, 30: 2}
    block_values = {k: 1 if k in (0, 1, 30) else 32 if k < 10 else 256 for k in block_bytes}
    tensors = [(f"t{k}", [block_values[k], 1], k, bytes(n)) for k, n in block_bytes.items()]
    return {
        "empty": gguf([], []),
        "values": gguf(every, []),
        "values-v2": gguf(every, [], version=2),
        "tensors": gguf([key("general.architecture", STRING, "llama")], tensors),
        "aligned-8": gguf([key("general.alignment", 4, 8)], tensors[:2], alignment=8),
        "scalar-and-empty": gguf([], [("s", [], 0, bytes(4)), ("e", [0], 0, b"")]),
    }


def safetensors_seeds() -> dict[str, bytes]:
    return {
        "empty": safetensors({}, b""),
        "kinds": safetensors(
            {
                "__metadata__": {"format": "pt"},
                "a": entry("F32", [2, 1], 0, 8),
                "b": entry("BF16", [1], 8, 10),
                "c": entry("F16", [], 10, 12),
                "d": entry("I64", [1], 12, 20),
                "e": entry("F32", [0, 3], 20, 20),
            },
            bytes(20),
        ),
        "outside": safetensors({"a": entry("F32", [2], 0, 8)}, bytes(4)),
        "overlap": safetensors({"a": entry("F32", [1], 0, 4), "b": entry("F16", [1], 2, 4)}, bytes(4)),
        "deep": safetensors(b'{"a":' + b"[" * 40, b""),
    }


def json_seeds() -> dict[str, bytes]:
    return {
        "object": b'{"a":[1,-2,3.5e-7,true,false,null],"b":{"c":"\\u00e9\\ud83d\\ude00\\n"}}',
        "numbers": b"[0,-0,1e308,1e-400,18446744073709551615,-9223372036854775808,0.1]",
        "text": '"마루 \U0001f3e1"'.encode(),
        "duplicate": b'{"a":1,"a":2}',
        "invalid-utf8": b'"\xff\xc0\x80"',
        "huge-number": b"1e999",
        "cut": b'{"a":[{"b":',
        "trailing": b"{} {}",
    }


def engine_wire_seeds() -> dict[str, bytes]:
    def text32(value: str) -> bytes:
        return struct.pack("<I", len(value)) + value.encode()

    def logprob(token: int, top: int) -> bytes:
        return struct.pack("<ifI", token, -0.5, top) + struct.pack("<if", token, -0.5) * top

    def request(prompt: list[int], bias: int) -> bytes:
        return (
            b"R\x01" + struct.pack("<Q", 7) + text32("model") + text32("") + text32("caller") + text32("salt")
            + struct.pack(f"<I{len(prompt)}i", len(prompt), *prompt) + struct.pack("<IIi", 16, 1, 2)
            + struct.pack("<fiffffff", 0.7, 40, 0.9, 0.05, 1.0, 0.0, 0.5, 1.1)
            + struct.pack("<I", bias) + struct.pack("<if", 5, -1.5) * bias + struct.pack("<QBBI", 42, 1, 0, 5)
        )

    def event(kind: int) -> bytes:
        return (
            b"E\x01" + struct.pack("<QBII", 7, kind, 64, 1) + logprob(3, 2) + struct.pack("<i", 9) + logprob(9, 1)
            + struct.pack("<BIIIB", 2, 64, 32, 5, 5) + text32("what") + text32("how") + text32("prompt")
        )

    seeds = {"request": request([1, 2, 3], 1), "request-empty": request([], 0), "request-cut": request([1], 1)[:40]}
    return seeds | {f"event-{kind}": event(kind) for kind in range(5)}


def template_seeds() -> dict[str, bytes]:
    messages = b'\0[{"role":"user","content":"hi <|end|>"},{"role":"assistant","content":[{"type":"text","text":"x"}]}]'
    return {
        "blocks": b'{% filter upper %}{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}{% endfilter %}{% generation %}g{% endgeneration %}',
        "chat": b"{{ bos_token }}{% for m in messages %}<|{{ m.role }}|>{{ m['content'] | trim }}{% if not loop.last %}\n{% endif %}{% endfor %}" + messages,
        "filters": b"{{ messages | selectattr('role', 'equalto', 'user') | map(attribute='content') | join(', ') | upper | indent(2) | replace('H', 'j') }}" + messages,
        "format": b"{{ '%05.2f %-4s|%r' % (1.5, 'a', [1]) }}{{ '{:>8} {0!r} {a[0]}'.format(1, a=[2]) }}",
        "json": b'{{ messages | tojson(indent=2, sort_keys=true) }}{{ messages }}' + messages,
        "limits": b"{% set n = namespace(x=[1]) %}{% for i in range(99999) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ 'a' * 99999999 }}",
        "loop": b"{% for k, v in messages[0].items() if k %}{{ loop.index ~ loop.cycle('a','b') ~ loop.changed(k) }}{% break %}{% else %}{% continue %}{% endfor %}" + messages,
        "macro": b'{% macro m(a, b=2) %}{{ a }}{{ b }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, c=3) }}{% call m(1) %}x{% endcall %}',
        "namespace": b'{% set n = namespace(x=0) %}{% for i in range(3) %}{% set n.x = n.x + i %}{% endfor %}{{ n.x }}',
        "numbers": b'{{ 7 // -2 ~ 2 ** 62 ~ 1e400 ~ 0x1F ~ 1_000 ~ 5 % 3.5 ~ 1 / 3 }}',
        "slices": b"{{ 'hello'[::-1] ~ [1,2,3][-2:] ~ (1,)[0] ~ 'x'[9] }}",
        "strings": b"{{ 'a\\tb \\u00e9'.split() }}{{ ' x '.strip().title().partition('x') }}",
        "tests": b"{{ x is defined or 1 is odd and [] is sequence and 'a' is in 'abc' and 4 is divisibleby 2 }}",
        "time": b"{{ strftime_now('%d %b %Y') }}{{ raise_exception('no') }}",
        "white-space": b' {%- if 1 -%} \n{# c -#}\n {%+ set x %}\n{{- x -}} {% endset %}{% raw %}{{ {% endraw %}{% endif %}',
    }


def http_body_seeds() -> dict[str, bytes]:
    chat = {
        "model": "m",
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "hi"}], "name": "n"},
            {
                "role": "assistant",
                "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "c", "content": "x"},
        ],
    }
    sampling = {
        "temperature": 0.5,
        "top_p": 1,
        "top_k": 4,
        "seed": -1,
        "stop": ["a", "b"],
        "n": 2,
        "logit_bias": {"5": -100},
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    completion = {"model": "m", "prompt": [[1, 2], [3]], "echo": True, "logprobs": 5, "max_tokens": 0}
    return {
        "target": b"/v1/models/org%2Fname?x=%20",
        "absolute-target": b"http://localhost:8080/health?x",
        "chat": json.dumps({**chat, "logprobs": True, "top_logprobs": 3}).encode(),
        "chat-sampling": json.dumps({**chat, **sampling}).encode(),
        "completion": json.dumps({**completion, **sampling, "best_of": 2}).encode(),
        "prompts": b'{"model":"m","prompt":["a","b"],"suffix":null}',
        "huge-number": b'{"model":"m","temperature":1e400}',
        "nan": b'{"model":"m","messages":[{"x":NaN}]}',
        "deep": b'{"messages":' + b"[" * 70,
        "neutral": b'{"store":false,"response_format":{"type":"text"},"modalities":["text"],"tools":[]}',
    }


def packed_cache_seeds() -> dict[str, bytes]:
    def short(value: str) -> bytes:
        return struct.pack("<I", len(value)) + value.encode()

    def matrix(name: str, n_out: int, k: int, begin: int, n_bytes: int, layout=b"@@layout") -> bytes:
        return b"\0" + short(name) + short("f32") + layout + struct.pack("<QQQQ", n_out, k, begin, n_bytes)

    def floats(name: str, n: int, begin: int, n_bytes: int) -> bytes:
        return b"\1" + short(name) + struct.pack("<QQQQ", n, 1, begin, n_bytes)

    def directory(*parts: bytes, n_parts: int | None = None, n_chunks: int = 1) -> bytes:
        origin = short("/m.gguf") + struct.pack("<IQqqQQ", 1, 100, 5, 6, 7, 8)
        count = struct.pack("<I", len(parts) if n_parts is None else n_parts)
        return b"D" + origin + count + b"".join(parts) + bytes(8 * n_chunks)

    good = (matrix("w", 17, 4, 64, 512), floats("norm", 3, 640, 12))
    return {
        "good": directory(*good),
        "twice": directory(good[0], good[0]),
        "other_layout": directory(matrix("w", 17, 4, 64, 512, layout=b"12345678")),
        "outside": directory(floats("norm", 1000, 64, 4000)),
        "far": directory(floats("norm", 3, 2**64 - 64, 12)),
        "huge": directory(matrix("w", 2**32, 2**32, 64, 0)),
        "unaligned": directory(floats("norm", 3, 68, 12)),
        "too_many": directory(*good, n_parts=2**31),
        "no_checksums": directory(*good, n_chunks=0),
        "empty": b"",
        "magic": b"MARUPACK" + struct.pack("<I", 1) + bytes(116),
    }


def prefix_index_seeds() -> dict[str, bytes]:
    """Entries of segments; the target puts the header in front and the checksums behind."""

    def entry(group: int, index: int, offset: int) -> bytes:
        head = bytes(range(16)) + struct.pack("<IIQQ", group, index, offset, 0x0123456789ABCDEF)
        return head + struct.pack("<4i", 1, 2, 3, -1) + bytes(8)

    return {
        "empty": b"",
        "entry": entry(0, 0, 0),
        "entries": entry(0, 0, 0) + entry(1, 0, 32) + entry(0, 1, 96),
        "torn": entry(1, 7, 64)[:-9],
        "group": entry(2, 0, 0),
        "offset": entry(0, 0, 4065) + entry(0, 0, 2**64 - 8),
        "header": b"MARUKV01" + bytes(56),
    }


def live_seeds() -> dict[str, bytes]:
    wishes = [
        {"type": "follow", "message": "msg_abc", "from": 12},
        {"type": "unfollow", "message": "msg_abc"},
        {"type": "stop", "message": "msg_abc"},
        {"type": "ping"},
        {"type": "follow", "message": "", "from": -1, "more": [{}]},
    ]
    return {f"wish{n}": json.dumps(wish).encode() for n, wish in enumerate(wishes)}


def hub_answer_seeds() -> dict[str, bytes]:
    def answer(*files: dict, **more) -> bytes:
        return json.dumps({"sha": "0123456789" * 4, "siblings": list(files)} | more).encode()

    def small(path: str) -> dict:
        return {"rfilename": path, "size": 5, "blobId": "a" * 40}

    def large(path: str) -> dict:
        return small(path) | {"lfs": {"sha256": "b" * 64, "size": 5, "pointerSize": 135}}

    return {
        "gguf": answer(large("m-Q4_K_M.gguf"), large("m-Q8_0.gguf"), small("README.md"),
                       cardData={"license": "apache-2.0"}),
        "folder": answer(small("config.json"), small("tokenizer.json"), large("model.safetensors"),
                         small("1_Pooling/config.json"), tags=["license:mit"]),
        "split": answer(large("m-00001-of-00002.gguf"), large("m-00002-of-00002.gguf")),
        "outside": answer(large("../m.gguf"), large("/m.gguf"), large("a/../../m.gguf")),
        "twice": answer(large("m.gguf"), large("m.gguf")),
        "lists": answer(large("m.gguf"), cardData={"license": ["mit"], "license_name": "x"}),
        "name": b"org/model:Q4_K_M@refs/pr/1",
    }


def bundle_head_seeds() -> dict[str, bytes]:
    def manifest(*paths: str, **more) -> bytes:
        files = [{"path": path, "bytes": 3, "sha256": "c" * 64} for path in paths]
        origin = {"kind": "hub", "place": "https://hub.example", "repository": "a/b",
                  "revision": "main", "commit": "d" * 40}
        return json.dumps({"format": "maru-model", "version": 1, "name": "m", "licence": "mit",
                           "origin": origin, "signer": "", "added_at": 1, "files": files}
                          | more).encode()

    def bundle(text: bytes, version=1, length=None) -> bytes:
        head = struct.pack("<8sII", b"MARUBNDL", version, len(text) if length is None else length)
        return head + bytes(32) + bytes(64) + text

    return {
        "bundle": bundle(manifest("m.gguf", "LICENSE")) + b"abcabc",
        "manifest": manifest("m.gguf", "a/b.json"),
        "outside": manifest("../m.gguf"),
        "nested": manifest("a", "a-b", "a/b"),
        "twice": manifest("a", "a"),
        "name": manifest("a", name="../a"),
        "version": bundle(manifest("a"), version=2),
        "long": bundle(manifest("a"), length=0xFFFFFFFF),
        "cut": bundle(manifest("a"))[:50],
    }


def main() -> None:
    corpora = {"gguf": gguf_seeds(), "safetensors": safetensors_seeds(), "json": json_seeds()}
    corpora["engine_wire"] = engine_wire_seeds()
    corpora["template"] = template_seeds()
    corpora["http_body"] = http_body_seeds()
    corpora["live"] = live_seeds()
    corpora["packed_cache"] = packed_cache_seeds()
    corpora["prefix_index"] = prefix_index_seeds()
    corpora["hub_answer"] = hub_answer_seeds()
    corpora["bundle_head"] = bundle_head_seeds()
    for name, seeds in corpora.items():
        folder = CORPUS / name
        folder.mkdir(parents=True, exist_ok=True)
        for seed, raw in seeds.items():
            (folder / seed).write_bytes(raw)


if __name__ == "__main__":
    main()
