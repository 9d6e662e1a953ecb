"""Results as JSON lines: one measurement a line, with everything needed to repeat it."""

import json
import pathlib
import sys


def round_floats(value):
    """Five digits: more is noise, and lines stay short."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {key: round_floats(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [round_floats(item) for item in value]
    return value


class Results:
    """Prints each line and appends it to a file, if one is named."""

    def __init__(self, path: str | None, context: dict):
        self.path = pathlib.Path(path) if path else None
        self.context = context

    def add(self, line: dict) -> dict:
        line = round_floats(line)
        text = json.dumps(line | self.context)
        if self.path:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(text + "\n")
        print(json.dumps(line), flush=True)
        return line


def read_results(path: str) -> list:
    lines = []
    for number, text in enumerate(pathlib.Path(path).read_text(encoding="utf-8").splitlines(), 1):
        if not text.strip():
            continue
        try:
            lines.append(json.loads(text))
        except ValueError as error:
            sys.exit(f"error: {path}:{number}: no JSON: {error}")
    return lines


def say(text: str) -> None:
    print(f"==> {text}", file=sys.stderr, flush=True)
