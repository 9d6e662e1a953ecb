#!/usr/bin/env python3
"""Refuses ISA objects that could leak code for a newer CPU into the rest of the program.

usage: isa_leak.py BUILD_DIR

An object of src/kernels/<op>.<isa>.cpp defines one global, its Kernel. It must have no weak symbol
(an inline function compiled for AVX-512 could be the copy that the linker keeps for everybody), no
static constructor (it would run before the CPU is known), and call nothing but memory functions.
"""

import pathlib
import re
import subprocess
import sys

ALLOWED_CALLS = {"memcpy", "memset", "memmove", "_GLOBAL_OFFSET_TABLE_", "__stack_chk_fail", "sqrtf"}


def problems_of(path):
    symbols = subprocess.run(["nm", "-C", path], capture_output=True, text=True, check=True).stdout
    sections = subprocess.run(["readelf", "-SW", path], capture_output=True, text=True,
                              check=True).stdout
    defined = []
    for line in symbols.splitlines():
        kind, name = line[17:].split(" ", 1)
        if kind in "vVwWu":
            yield f"weak symbol {name}"
        elif kind == "U" and name not in ALLOWED_CALLS:
            yield f"calls {name}"
        elif kind.isupper() and kind != "U":
            defined.append(name)
        elif kind in "bd" and not name.startswith((".", "$")):
            yield f"static object {name}"
    if len(defined) != 1 or not defined[0].startswith("maru::kernels::kernel_"):
        yield f"defines {defined}, not just its kernel"
    for section in (".init_array", ".ctors", ".tdata", ".tbss"):
        if section in sections:
            yield f"has a section {section}"


def main():
    build = pathlib.Path(sys.argv[1])
    objects = [p for p in sorted(build.glob("src/kernels/**/*.o"))
               if re.search(r"\.(scalar|avx\w*|amx\w*|neon\w*|i8mm)\.cpp\.o$", p.name)]
    if not objects:
        sys.exit(f"isa_leak: no ISA objects below {build}")
    bad = [f"{path.name}: {problem}" for path in objects for problem in problems_of(path)]
    if bad:
        sys.exit("isa_leak:\n  " + "\n  ".join(bad))
    print(f"isa_leak: {len(objects)} objects, all closed")


main()
