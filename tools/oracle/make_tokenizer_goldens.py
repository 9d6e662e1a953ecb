"""Writes the golden files of tests/cases/tokenizer from Hugging Face's tokenizers.

usage: make_tokenizer_goldens.py TOKENIZERS MODELS
  TOKENIZERS  folder that holds tokenizer-<family>/models/tokenizer.json
  MODELS      folder that holds SmolLM2-135M-Instruct.Q4_1.gguf and all-MiniLM-L6-v2/tokenizer.json
Needs the Python packages tokenizers and gguf. src/text/tokenizer_golden_test.cpp repeats the random
generator below.
"""
import json
import pathlib
import struct
import sys

from tokenizers import Tokenizer

FAMILIES = ["llama2", "llama3_1", "qwen3", "gemma3", "deepseek_v3", "gptoss"]
CASES = pathlib.Path(__file__).resolve().parents[2] / "tests/cases/tokenizer"
N_RANDOM_CHUNKS = 60
N_LINES = 50  # in a chunk


class Random:
    """SplitMix64 (Steele, Lea, Flood 2014)."""

    def __init__(self, seed):
        self.state = seed

    def below(self, n):
        self.state = (self.state + 0x9E3779B97F4A7C15) % 2**64
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) % 2**64
        return (z ^ (z >> 31)) % n


def random_line(random, alphabets):
    line = ""
    for _ in range(1 + random.below(14)):
        alphabet = alphabets[random.below(len(alphabets))]
        for _ in range(1 + random.below(8)):
            line += alphabet[random.below(len(alphabet))]
        if random.below(3) == 0:
            line += " "
    data = line.encode()
    if random.below(8) == 0:
        at = random.below(len(data) + 1)
        data = data[:at] + bytes([random.below(256)]) + data[at:]
    return data


def random_ids(random, n_tokens, first_byte_token):
    ids = []
    for _ in range(1 + random.below(24)):
        if first_byte_token is not None and random.below(3) == 0:
            ids.append(first_byte_token + random.below(256))
        else:
            ids.append(random.below(n_tokens))
    return ids


def fnv(hash_, data):
    for byte in data:
        hash_ = ((hash_ ^ byte) * 0x100000001B3) % 2**64
    return hash_


FNV_START = 0xCBF29CE484222325


def hash_ids(all_ids):
    value = FNV_START
    for ids in all_ids:
        value = fnv(value, struct.pack("<%di" % (len(ids) + 1), len(ids), *ids))
    return "%016x" % value


def hash_texts(texts):
    value = FNV_START
    for text in texts:
        data = text.encode()
        value = fnv(value, struct.pack("<i", len(data)) + data)
    return "%016x" % value


def looks_like_control(text):
    return len(text) > 4 and text[0] == "<" and text[-1] == ">" and text[1] == text[-2] and text[1] in "|｜"


def guarded(spec):
    """Tokens spelled <|...|> count as special, so that plain text never yields them."""
    for token in spec["added_tokens"]:
        if looks_like_control(token["content"]):
            token["special"] = True
    return Tokenizer.from_str(json.dumps(spec))


def smollm_spec(path):
    from gguf import GGUFReader

    fields = GGUFReader(path).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    types = fields["tokenizer.ggml.token_type"].contents()
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0", "truncation": None, "padding": None, "normalizer": None, "post_processor": None,
        "added_tokens": [
            {"id": i, "content": token, "single_word": False, "lstrip": False, "rstrip": False,
             "normalized": False, "special": True}
            for i, token in enumerate(tokens) if types[i] == 3
        ],
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Digits", "individual_digits": True}, byte_level]},
        "decoder": byte_level,
        "model": {
            "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False,
            "vocab": {token: i for i, token in enumerate(tokens)},
            "merges": fields["tokenizer.ggml.merges"].contents(),
        },
    }


def encode(tokenizer, texts, parse_special):
    tokenizer.encode_special_tokens = not parse_special
    texts = [t.decode("utf-8", "replace") if isinstance(t, bytes) else t for t in texts]
    return [e.ids for e in tokenizer.encode_batch(texts, add_special_tokens=False)]


def goldens(spec, corpus):
    as_written = Tokenizer.from_str(json.dumps(spec))
    tokenizer = guarded(spec)
    texts = [t for group in corpus["texts"].values() for t in group]
    texts += [bytes.fromhex(h) for h in corpus["bytes"]]
    plain = encode(tokenizer, texts + corpus["special"], False)
    n_tokens = as_written.get_vocab_size(with_added_tokens=True)
    out = {
        "plain": plain,
        "special": encode(as_written, corpus["special"], True),
        "decoded": hash_texts(as_written.decode(ids) for ids in plain),
        "n_tokens": n_tokens,
        "random": [],
        "random_decoded": [],
    }
    first_byte_token = as_written.token_to_id("<0x00>")
    for chunk in range(N_RANDOM_CHUNKS):
        random = Random(chunk)
        lines = [random_line(random, corpus["alphabets"]) for _ in range(N_LINES)]
        out["random"].append(hash_ids(encode(tokenizer, lines, False)))
        ids = [random_ids(random, n_tokens, first_byte_token) for _ in range(N_LINES)]
        decoded = [as_written.decode(i, skip_special_tokens=True) for i in ids]
        decoded += [as_written.decode(i, skip_special_tokens=False) for i in ids]
        out["random_decoded"].append(hash_texts(decoded))
    return out


def wordpiece_goldens(spec, corpus):
    """Ids of texts alone, and of single texts and pairs with the template around them."""
    spec = dict(spec, truncation=None, padding=None)
    tokenizer = Tokenizer.from_str(json.dumps(spec))
    texts = [t for group in corpus["texts"].values() for t in group]
    texts += [bytes.fromhex(h) for h in corpus["bytes"]] + corpus["special"]
    cased = json.loads(json.dumps(spec))
    cased["normalizer"].update(lowercase=False, strip_accents=None)
    out = {
        "plain": encode(tokenizer, texts, False),
        "cased": hash_ids(encode(Tokenizer.from_str(json.dumps(cased)), texts, False)),
        "random": [],
        "pairs": [],
    }
    for chunk in range(N_RANDOM_CHUNKS):
        random = Random(chunk)
        lines = [random_line(random, corpus["alphabets"]) for _ in range(N_LINES)]
        out["random"].append(hash_ids(encode(tokenizer, lines, False)))
    characters = [c for c in range(1, 0x20000) if not 0xD800 <= c < 0xE000]
    out["characters"] = hash_ids(encode(tokenizer, ["a%sb" % chr(c) for c in characters], False))
    for first, second in (("What is Maru?", "마루는 조직이 소유하는 AI입니다."), ("", "b"), ("a", "")):
        single, pair = tokenizer.encode(first), tokenizer.encode(first, second)
        out["pairs"].append({"first": first, "second": second, "single": single.ids, "pair": pair.ids,
                             "types": pair.type_ids})
    return out


def feature_goldens(feature):
    tokenizer = Tokenizer.from_str(json.dumps(feature["tokenizer"]))
    ids = encode(tokenizer, feature["texts"], True)
    return {"name": feature["name"], "ids": ids,
            "decoded": [tokenizer.decode(i, skip_special_tokens=True) for i in ids]}


def write(name, value):
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    (CASES / name).write_text(text.replace('],[', '],\n[').replace('","', '",\n"') + "\n")


def main():
    tokenizers, models = map(pathlib.Path, sys.argv[1:])
    corpus = json.loads((CASES / "corpus.json").read_text())
    features = json.loads((CASES / "features.json").read_text())["features"]
    write("features.golden.json", [feature_goldens(f) for f in features])
    for family in FAMILIES:
        path = tokenizers / f"tokenizer-{family}/models/tokenizer.json"
        write(f"{family}.golden.json", goldens(json.loads(path.read_text()), corpus))
    minilm = json.loads((models / "all-MiniLM-L6-v2/tokenizer.json").read_text())
    write("minilm.golden.json", wordpiece_goldens(minilm, corpus))
    write("smollm.golden.json", goldens(smollm_spec(models / "SmolLM2-135M-Instruct.Q4_1.gguf"), corpus))


if __name__ == "__main__":
    main()
