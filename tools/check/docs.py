#!/usr/bin/env python3
"""Checks that relative links in the Markdown pages lead to files, and that every ADR is listed in
docs/adr/README.md. Exits with 1 and one line per offence.
"""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")


def main() -> int:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    errors = []
    for name in listed:
        page = ROOT / name
        if not page.exists():
            continue
        for link in LINK.findall(page.read_text(encoding="utf-8")):
            if "://" in link or link.startswith("mailto:"):
                continue
            if not (page.parent / link).exists():
                errors.append(f"{name}: link to '{link}' leads nowhere")
    index = (ROOT / "docs/adr/README.md").read_text(encoding="utf-8")
    for adr in sorted((ROOT / "docs/adr").glob("[0-9]*.md")):
        if adr.name not in index:
            errors.append(f"docs/adr/README.md: does not list {adr.name}")
    print("\n".join(errors) if errors else "docs: all links lead somewhere")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
