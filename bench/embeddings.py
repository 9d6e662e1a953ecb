#!/usr/bin/env python3
"""MiniLM on passages of 256 tokens: Maru against onnxruntime, both with the same weights in float32.

usage: script/bench embeddings [--pairs N] [--threads N] [--passages N] [--out FILE]

The ONNX file is exported here from the model's own safetensors, with mean pooling and normalisation,
and fused by onnxruntime's optimizer for BERT; onnxruntime runs with the batch size at which it is
fastest. Runs alternate (Maru first, then onnxruntime, then the other way round); a run computes
all passages three times and its best round counts. Prints one JSON line a pair, and the medians.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnxruntime
import torch
import transformers

ROOT = pathlib.Path(__file__).resolve().parents[1]
N_TOKENS = 256
N_ROUNDS = 3
BATCHES = (1, 4, 16, 32)


class Pooled(torch.nn.Module):
    """BERT, the mean of its rows, length 1."""

    def __init__(self, bert):
        super().__init__()
        self.bert = bert

    def forward(self, input_ids, attention_mask, token_type_ids):
        state = self.bert(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids)[0]
        mask = attention_mask.unsqueeze(-1).to(state.dtype)
        mean = (state * mask).sum(1) / mask.sum(1)
        return torch.nn.functional.normalize(mean, dim=1)


def export(folder, path):
    bert = transformers.BertModel.from_pretrained(folder, attn_implementation="eager").eval()
    ids = torch.ones(2, 8, dtype=torch.long)
    names = ["input_ids", "attention_mask", "token_type_ids"]
    axes = {name: {0: "batch", 1: "tokens"} for name in names} | {"vector": {0: "batch"}}
    torch.onnx.export(Pooled(bert), (ids, ids, torch.zeros_like(ids)), str(path), input_names=names,
                      output_names=["vector"], dynamic_axes=axes, opset_version=17, dynamo=False)
    try:
        from onnxruntime.transformers import optimizer

        fused = optimizer.optimize_model(str(path), model_type="bert", num_heads=bert.config.num_attention_heads,
                                         hidden_size=bert.config.hidden_size)
        fused.save_model_to_file(str(path))
        return dict(fused.get_fused_operator_statistics())
    except ImportError as error:
        print(f"note: no fusion by onnxruntime's optimizer: {error}", file=sys.stderr)
        return {}


class Peer:
    def __init__(self, path, threads):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.batch = 1

    def vectors(self, ids):
        out = []
        for at in range(0, len(ids), self.batch):
            part = ids[at : at + self.batch]
            inputs = {"input_ids": part, "attention_mask": np.ones_like(part), "token_type_ids": np.zeros_like(part)}
            out.append(self.session.run(None, inputs)[0])
        return np.concatenate(out)

    def best_round(self, ids, n_rounds=N_ROUNDS):
        best = float("inf")
        for _ in range(n_rounds):
            begin = time.perf_counter()
            self.vectors(ids)
            best = min(best, time.perf_counter() - begin)
        return ids.size / best


def maru(binary, folder, file, threads):
    command = [binary, "embed", folder, "--file", file, "--truncate", "--time", str(N_ROUNDS), "--threads", str(threads)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    answer = json.loads(done.stdout)
    return answer["tokens"] / min(answer["seconds"])


def check_vectors(binary, folder, file, wanted):
    done = subprocess.run([binary, "embed", folder, "--file", file, "--truncate"], check=True,
                          capture_output=True, text=True)
    got = np.array([json.loads(line) for line in done.stdout.splitlines()])
    return float((got * wanted).sum(1).min())


def passages(tokenizer, n):
    """Lines of more than 256 tokens, and the ids of what is read of them."""
    words = (ROOT / "tests/data/alice.txt").read_text(encoding="utf-8").split()
    lines = [" ".join(words[at : at + 260]) for at in range(0, len(words), 260)][:n]
    ids = tokenizer(lines, truncation=True, max_length=N_TOKENS)["input_ids"]
    assert len(lines) == n and all(len(row) == N_TOKENS for row in ids)
    return lines, np.array(ids, dtype=np.int64)


def parse_arguments():
    parser = argparse.ArgumentParser(prog="script/bench embeddings", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--passages", type=int, default=32)
    parser.add_argument("--models", default=os.environ.get("MARU_TEST_MODELS") or str(ROOT / "build/deps/models"))
    parser.add_argument("--binaries", default=str(ROOT / "build/release/bin"))
    parser.add_argument("--out", help="file that the lines are appended to")
    return parser.parse_args()


def main():
    args = parse_arguments()
    folder = str(pathlib.Path(args.models) / "all-MiniLM-L6-v2")
    binary = str(pathlib.Path(args.binaries) / "maru")
    torch.set_num_threads(args.threads)
    lines, ids = passages(transformers.AutoTokenizer.from_pretrained(folder), args.passages)
    with tempfile.TemporaryDirectory() as temporary:
        file, onnx = pathlib.Path(temporary) / "passages.txt", pathlib.Path(temporary) / "minilm.onnx"
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        fused = export(folder, onnx)
        peer = Peer(onnx, args.threads)
        rates = {}
        for peer.batch in BATCHES:
            rates[peer.batch] = peer.best_round(ids, 2)
        peer.batch = max(rates, key=rates.get)
        cosine = check_vectors(binary, folder, str(file), peer.vectors(ids))
        pairs = []
        for i in range(args.pairs):
            measures = [("maru", lambda: maru(binary, folder, str(file), args.threads)),
                        ("onnxruntime", lambda: peer.best_round(ids))]
            rate = {name: measure() for name, measure in (measures if i % 2 == 0 else measures[::-1])}
            pairs.append({name: round(value) for name, value in rate.items()}
                         | {"ratio": round(rate["maru"] / rate["onnxruntime"], 3)})
            print(json.dumps(pairs[-1]), flush=True)
    median = {key: statistics.median(pair[key] for pair in pairs) for key in pairs[0]}
    summary = {"bench": "embeddings", "passages": args.passages, "tokens": N_TOKENS, "threads": args.threads,
               "onnxruntime": onnxruntime.__version__, "batch": peer.batch, "fused": fused,
               "smallest_cosine": round(cosine, 7), "tokens_per_second": median, "pairs": pairs}
    print(json.dumps(summary))
    if args.out:
        with open(args.out, "a", encoding="utf-8") as out:
            out.write(json.dumps(summary) + "\n")


if __name__ == "__main__":
    main()
