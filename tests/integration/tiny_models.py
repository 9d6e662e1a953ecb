"""Tiny models to break: the oracle's llama with a tokenizer of 96 tokens, as GGUF and as a Hugging
Face folder. No test lives here."""

import dataclasses
import json
import struct

from servers import ROOT

ORACLE = ROOT / "tests" / "oracle" / "llama"

UINT32, STRING, ARRAY, FLOAT32, INT32 = 4, 8, 9, 6, 5
SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
ALIGNMENT = 32

# Byte-level spellings of the printable ASCII characters, and two merged ones.
TOKENS = [chr(code) for code in range(33, 127)] + ["Ġ", "ab"]
MERGES = ["a b"]


@dataclasses.dataclass
class Tensor:
    name: str
    dims: list
    kind: int
    offset: int


@dataclasses.dataclass
class Gguf:
    metadata: dict  # key -> bytes of type and value
    tensors: list
    data: bytes
    version: int = 3

    def to_bytes(self):
        out = b"GGUF" + struct.pack("<IQQ", self.version, len(self.tensors), len(self.metadata))
        for key, value in self.metadata.items():
            out += text(key) + value
        for tensor in self.tensors:
            out += text(tensor.name) + struct.pack("<I", len(tensor.dims))
            out += b"".join(struct.pack("<Q", n) for n in tensor.dims)
            out += struct.pack("<IQ", tensor.kind, tensor.offset)
        return out + b"\0" * (-len(out) % ALIGNMENT) + self.data

    def tensor(self, name):
        return next(tensor for tensor in self.tensors if tensor.name == name)


def text(value):
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def string_value(value):
    return struct.pack("<I", STRING) + text(value)


def uint_value(value):
    return struct.pack("<II", UINT32, value)


def strings_value(values):
    return struct.pack("<IIQ", ARRAY, STRING, len(values)) + b"".join(text(v) for v in values)


def ints_value(values):
    return struct.pack("<IIQ", ARRAY, INT32, len(values)) + struct.pack(f"<{len(values)}i", *values)


def read_gguf(raw):
    at = 4

    def take(form):
        nonlocal at
        values = struct.unpack_from("<" + form, raw, at)
        at += struct.calcsize("<" + form)
        return values

    def take_text():
        nonlocal at
        (size,) = take("Q")
        at += size
        return raw[at - size : at].decode()

    def skip(kind):
        nonlocal at
        if kind == STRING:
            take_text()
        elif kind == ARRAY:
            inner, count = take("IQ")
            for _ in range(count):
                skip(inner)
        else:
            at += SIZES[kind]

    version, n_tensors, n_keys = take("IQQ")
    metadata = {}
    for _ in range(n_keys):
        key, begin = take_text(), at
        skip(*take("I"))
        metadata[key] = raw[begin:at]
    tensors = []
    for _ in range(n_tensors):
        name, (n_dims,) = take_text(), take("I")
        tensors.append(Tensor(name, list(take("Q" * n_dims)), *take("IQ")))
    return Gguf(metadata, tensors, raw[at + -at % ALIGNMENT :], version)


def good_gguf():
    model = read_gguf((ORACLE / "model.gguf").read_bytes())
    model.metadata |= {
        "tokenizer.ggml.model": string_value("gpt2"),
        "tokenizer.ggml.pre": string_value("gpt-2"),
        "tokenizer.ggml.tokens": strings_value(TOKENS),
        "tokenizer.ggml.token_type": ints_value([1] * len(TOKENS)),
        "tokenizer.ggml.merges": strings_value(MERGES),
        "tokenizer.ggml.eos_token_id": uint_value(0),
    }
    return model


def good_folder():
    """{file name: bytes}"""
    return {
        "config.json": (ORACLE / "hf" / "config.json").read_bytes(),
        "model.safetensors": (ORACLE / "hf" / "model.safetensors").read_bytes(),
        "tokenizer.json": json.dumps(good_tokenizer()).encode(),
    }


def good_tokenizer():
    return {
        "version": "1.0",
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True},
        "decoder": {"type": "ByteLevel"},
        "post_processor": None,
        "model": {
            "type": "BPE",
            "vocab": {token: index for index, token in enumerate(TOKENS)},
            "merges": [merge.split(" ") for merge in MERGES],
        },
    }


def split_safetensors(raw):
    (size,) = struct.unpack_from("<Q", raw)
    return json.loads(raw[8 : 8 + size]), raw[8 + size :]


def join_safetensors(header, data):
    raw = json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + data
