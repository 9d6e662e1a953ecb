#!/usr/bin/env python3
"""Checks that includes between the folders of src/ point downwards only, that third-party headers
stay in the layers that own them, and that CMake links what the table allows. The table is
tools/check/layers.toml. Exits with 1 and one line per offence.
"""

import pathlib
import re
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parents[2]
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^">]+)[">]')
USES = re.compile(r"maru_layer\(\s*(\w+)(.*?)\)", re.S)


def check_file(path: pathlib.Path, table: dict) -> list[str]:
    layer = path.relative_to(ROOT / "src").parts[0]
    allowed = set(table["layers"].get(layer, [])) | {layer}
    errors = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        kind, header = match.groups()
        where = f"{path.relative_to(ROOT)}:{number}"
        if kind == '"':
            target = header.split("/")[0]
            if not (ROOT / "src" / header).is_file():
                errors.append(f'{where}: "{header}" is not a file below src/')
            elif target not in allowed:
                errors.append(f"{where}: layer '{layer}' may not include '{target}'")
            continue
        for prefix, owners in table["third_party"].items():
            if header.startswith(prefix) and layer not in owners:
                is_test = path.name.endswith("_test.cpp") or path.name.startswith("test_")
                if not (is_test and prefix.startswith("g")):
                    errors.append(f"{where}: <{header}> belongs to {owners}, not to '{layer}'")
    return errors


def check_cmake(path: pathlib.Path, table: dict) -> list[str]:
    errors = []
    for name, body in USES.findall(path.read_text(encoding="utf-8")):
        uses = re.search(r"\bUSES\b(.*?)(?=\b(?:SOURCES|LIBS|PRIVATE_LIBS)\b|$)", body, re.S)
        for used in (uses.group(1).split() if uses else []):
            if used not in table["layers"].get(name, []):
                errors.append(f"{path.relative_to(ROOT)}: layer '{name}' may not link '{used}'")
    return errors


def main() -> int:
    table = tomllib.loads((ROOT / "tools/check/layers.toml").read_text(encoding="utf-8"))
    errors = []
    for folder in sorted((ROOT / "src").iterdir()):
        if folder.name not in table["layers"]:
            errors.append(f"src/{folder.name}: not a layer of tools/check/layers.toml")
    for path in sorted((ROOT / "src").rglob("*")):
        if path.suffix in {".cpp", ".h", ".inc"}:
            errors += check_file(path, table)
        elif path.name == "CMakeLists.txt":
            errors += check_cmake(path, table)
    print("\n".join(errors) if errors else "layers: all includes point downwards")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
