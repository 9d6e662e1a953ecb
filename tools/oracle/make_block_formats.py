#!/usr/bin/env python3
"""Writes src/tensor/testdata/block_formats.json: random blocks of every block format with the
floats that the GGUF reference (Python package `gguf`) makes of them.

usage: block_formats.py OUT.json    needs: numpy, gguf (0.19.0 wrote the committed file)
"""

import json
import sys

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType as T, quants

FORMATS = [T.F32, T.F16, T.BF16, T.Q4_0, T.Q4_1, T.Q5_0, T.Q5_1, T.Q8_0,
           T.Q2_K, T.Q3_K, T.Q4_K, T.Q5_K, T.Q6_K]
QUANTISED = [T.BF16, T.F16, T.Q4_0, T.Q4_1, T.Q5_0, T.Q5_1, T.Q8_0]
SCALES_AT = {T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q8_0: [0],
             T.Q2_K: [80, 82], T.Q3_K: [108], T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208]}
# Zero, minus zero, the smallest and largest subnormal, the largest number, infinity, -0.3.
ODD_SCALES = [0x0000, 0x8000, 0x0001, 0x03FF, 0x7BFF, 0x7C00, 0xB4CD]


def main():
    rng = np.random.default_rng(20261122)
    cases = {}
    for kind in FORMATS:
        values, size = GGML_QUANT_SIZES[kind]
        n_blocks = 10 if values > 1 else 300
        blocks = rng.integers(0, 256, (n_blocks, size), dtype=np.uint8)
        for at in SCALES_AT.get(kind, []):
            for i, bits in enumerate(ODD_SCALES):
                blocks[i, at:at + 2] = [bits & 255, bits >> 8]
        with np.errstate(all="ignore"):
            floats = quants.dequantize(blocks.reshape(1, -1), kind).astype(np.float32)
        case = {"gguf_type": int(kind), "block_values": values, "block_bytes": size,
                "blocks": blocks.tobytes().hex(), "floats": floats.tobytes().hex()}
        if kind in QUANTISED:
            x = rng.normal(0, 1, (1, 128)).astype(np.float32)
            x[0, 32:64] = 0
            case["x"] = x.tobytes().hex()
            case["quantised"] = quants.quantize(x, kind).tobytes().hex()
        cases[kind.name.lower()] = case
    with open(sys.argv[1], "w", encoding="utf-8") as f:
        json.dump(cases, f, indent=0)
        f.write("\n")


main()
