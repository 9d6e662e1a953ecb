"""One file each is all that a family, a block format, a kernel, an endpoint and a sampling step
need: this suite copies the tree, drops a toy of each into its folder, builds, and uses them.
Nothing else is changed in the copy.
"""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import time
import urllib.request

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DROP_IN = ROOT / "tests/extension/drop_in"
BUILD = pathlib.Path(os.environ.get("MARU_BUILD_BIN", ROOT / "build/release/bin")).parent
MODELS = pathlib.Path(os.environ["MARU_TEST_MODELS"])


def run(*command, **options):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done


@pytest.fixture(scope="module")
def built():
    """The tree with the toys, built. Returns the folder of its programs."""
    tree = BUILD / "extension"
    build = tree / "build/release"
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"],
                            cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    shutil.rmtree(tree, ignore_errors=True)
    for name in filter(None, listed):
        if (ROOT / name).is_file():
            target = tree / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
    shutil.copytree(DROP_IN, tree, dirs_exist_ok=True)
    # As script/build does: unchanged sources come out of ccache, whatever folder they stand in.
    environment = dict(os.environ, CCACHE_BASEDIR=str(tree), CCACHE_NOHASHDIR="1")
    run("cmake", "-S", tree, "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
        env=environment)
    run("cmake", "--build", build, "--target", "maru", "maru_kernels_test", "maru_tensor_test",
        env=environment)
    return build / "bin"


def test_the_shipped_program_has_no_toys():
    listed = run(BUILD / "bin/maru_tensor_test", "--gtest_list_tests").stdout
    assert "q4_1" in listed and "f64" not in listed


def test_format_and_kernel_join_the_conformance_tests(built):
    listed = run(built / "maru_tensor_test", "--gtest_list_tests").stdout
    assert "f64" in listed
    run(built / "maru_tensor_test")
    run(built / "maru_kernels_test")


def test_family_computes_the_golden_logits(built, tmp_path):
    golden = ROOT / "tests/oracle/llama"
    case = json.loads((golden / "case.json").read_text())
    shutil.copytree(golden / "hf", tmp_path / "model")
    config = json.loads((tmp_path / "model/config.json").read_text())
    config["model_type"], config["architectures"] = "toy", ["ToyForCausalLM"]
    (tmp_path / "model/config.json").write_text(json.dumps(config))
    (tmp_path / "ids.json").write_text(json.dumps(case["ids"]))
    arguments = ["logits", tmp_path / "model", "--tokens", tmp_path / "ids.json",
                 "--out", tmp_path / "out.npy"]
    refused = subprocess.run([BUILD / "bin/maru", *arguments], capture_output=True, text=True)
    assert refused.returncode != 0 and "toy" in refused.stderr
    run(built / "maru", *arguments)
    expected = np.load(golden / case["logits"])
    # The program keeps KV in F16 by default; the exact comparison is the models layer's.
    assert np.abs(np.load(tmp_path / "out.npy") - expected).max() <= 2e-2 * expected.std()


def test_endpoint_and_sampler_serve(built, tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [built / "maru", "serve", "--model", MODELS / "SmolLM2-135M-Instruct.Q4_1.gguf",
         "--port", str(port)],
        env=dict(os.environ, MARU_HOME=str(tmp_path)), stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL)
    try:
        base = f"http://127.0.0.1:{port}"
        for _ in range(300):
            try:
                with urllib.request.urlopen(f"{base}/ready", timeout=5):
                    break
            except OSError:
                assert server.poll() is None, "the server ended"
                time.sleep(0.1)
        with urllib.request.urlopen(f"{base}/toy", timeout=5) as answer:
            assert json.load(answer) == {"toy": True}

        def complete(**fields):
            body = {"model": json.load(urllib.request.urlopen(f"{base}/v1/models"))["data"][0]["id"],
                    "prompt": "The capital of France is", "max_tokens": 16, **fields}
            request = urllib.request.Request(f"{base}/v1/completions", json.dumps(body).encode(),
                                             {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["choices"][0]["text"]

        assert complete(seed=424242, temperature=2.0) == complete(temperature=0)
        assert complete(seed=424243, temperature=2.0) != complete(temperature=0)
    finally:
        server.terminate()
        server.wait(timeout=20)
