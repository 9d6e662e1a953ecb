"""The maru program as a person uses it: every command, with the real models."""

import ast
import json
import math
import os
import pathlib
import random
import struct
import subprocess

import numpy
import pytest

BINARY = os.environ.get("MARU_BINARY", "build/release/bin/maru")
MODELS = pathlib.Path(os.environ["MARU_TEST_MODELS"])
TOKENIZERS = pathlib.Path(os.environ["MARU_TEST_TOKENIZERS"])
SMOL = MODELS / "SmolLM2-135M-Instruct.Q4_1.gguf"
GEMMA = MODELS / "gemma-3-270m-q4_k_m.gguf"
KOREAN = "마루는 한옥의 열린 공간이다. 👩‍👩‍👧 naïve café\n\t<|im_end|> <bos>\n"


@pytest.fixture()
def home(tmp_path):
    """A data folder that holds nothing yet, and a working folder without maru.toml."""
    return tmp_path


def run(*arguments, home=None, stdin="", env=None, timeout=120, cwd=None):
    variables = {k: v for k, v in os.environ.items() if not k.startswith("MARU_")}
    variables |= {"LANG": "C.UTF-8", "LC_ALL": "", "MARU_HOME": str(home or "/nonexistent")}
    if home is None:
        variables["MARU_PACKED_CACHE"] = "off"  # nothing is left behind
    variables |= env or {}
    return subprocess.run(
        [os.path.abspath(BINARY), *map(str, arguments)], input=stdin.encode(), env=variables,
        capture_output=True, timeout=timeout, cwd=cwd or home or "/",
    )


def succeed(*arguments, **options):
    result = run(*arguments, **options)
    assert result.returncode == 0, result.stderr.decode()
    return result.stdout.decode()


def refuse(*arguments, code=2, **options):
    result = run(*arguments, **options)
    assert result.returncode == code, (result.returncode, result.stdout, result.stderr)
    assert result.stdout == b""
    text = result.stderr.decode()
    assert text.startswith("error: "), text
    return text


# --- help, version, wrong use -------------------------------------------------------------------


def test_help_lists_every_command_with_a_line():
    text = succeed("--help")
    for command in ["serve", "chat", "run", "info", "tokenize", "logits", "perplexity",
                    "divergence", "bench", "config", "models", "backup", "restore", "version"]:
        assert f"\n  {command} " in text
        help_text = succeed(command, "--help")
        assert "--config" in help_text
    assert succeed() == text


def test_version():
    assert succeed("version").startswith("maru ")
    assert succeed("--version").startswith("maru ")


@pytest.mark.parametrize("arguments", [
    ["nonsense"], ["--nonsense"], ["serve", "--nonsense"], ["tokenize"], ["tokenize", SMOL],
    ["perplexity", SMOL], ["bench", SMOL, "-p", "-1"], ["bench", SMOL, "-r", "0"],
    ["bench", SMOL, "-n", "1.5"], ["run", "hi", "--temperature", "3"], ["run", "hi", "--seed", "x"],
    ["run", "a", "b"], ["config", "--port", "99999"], ["config", "--port", "x"],
    ["config", "--kv-type", "q4"],
])
def test_wrong_use_is_exit_code_2_with_a_hint(arguments):
    assert "\nhint: " in refuse(*arguments)


def test_messages_speak_korean_when_asked():
    for options in [{"env": {"LANG": "ko_KR.UTF-8"}}, {"env": {"LC_ALL": "ko_KR.UTF-8"}}]:
        result = run("info", "absent", **options)
        assert result.stderr.decode().startswith("오류: ")
    assert run("info", "absent", "--lang", "ko").stderr.decode().startswith("오류: ")
    assert "error: " in run("info", "absent", "--lang", "en",
                            env={"LANG": "ko_KR.UTF-8"}).stderr.decode()


# --- config -------------------------------------------------------------------------------------


def test_flags_beat_environment_beats_file(home):
    (home / "maru.toml").write_text('port = 1\nthreads = 3\nhost = "::1"\nkeys = ["sk-secret-1234"]\n')
    out = json.loads(succeed("config", "--json", "--port", "7", home=home,
                             env={"MARU_PORT": "5", "MARU_THREADS": "2"}))
    settings = out["settings"]
    assert out["file"] == "maru.toml"
    assert settings["port"] == {"value": "7", "origin": "flag --port"}
    assert settings["threads"] == {"value": "2", "origin": "environment MARU_THREADS"}
    assert settings["host"] == {"value": '"::1"', "origin": "file maru.toml:3"}
    assert settings["context"]["origin"] == "default"
    assert "secret" not in json.dumps(settings)
    again = succeed("config", "--json", "--port", "7", "--port", "8", home=home)
    assert json.loads(again)["settings"]["port"]["value"] == "8"
    table = succeed("config", home=home)
    assert "secret" not in table and "# file maru.toml:1" in table


def test_the_data_folders_file_counts_when_there_is_none_here(home, tmp_path_factory):
    (home / "maru.toml").write_text("port = 4242\n")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    out = json.loads(succeed("config", "--json", home=home, cwd=elsewhere))
    assert out["settings"]["port"]["value"] == "4242"
    other = elsewhere / "other.toml"
    other.write_text("port = 4243\n")
    out = json.loads(succeed("config", "--json", "--config", other, home=home))
    assert out["settings"]["port"]["value"] == "4243"


@pytest.mark.parametrize("text, wanted", [
    ("prot = 1", '"prot"'), ("port = 1\nport = 2", "maru.toml:2"), ("port = 'x'", "maru.toml:1"),
    ("[server]\nport = 1", '"server"'), ("port = 70000", "70000"), ("port = ", "maru.toml:1"),
    ("\x00", "maru.toml"),
])
def test_bad_settings_are_refused_by_name_and_line(home, text, wanted):
    (home / "maru.toml").write_text(text)
    assert wanted in refuse("config", home=home)


def test_a_missing_settings_file_is_an_error():
    assert "absent.toml" in refuse("config", "--config", "absent.toml")


# --- models, info -------------------------------------------------------------------------------


def test_models_lists_the_data_folder(home):
    assert succeed("models", home=home) == ""
    (home / "models").mkdir()
    (home / "models" / "tiny.gguf").symlink_to(SMOL)
    assert succeed("models", home=home).startswith("tiny\t")
    assert json.loads(succeed("models", "--json", home=home))[0]["name"] == "tiny"


def test_info_describes_both_models():
    smol = json.loads(succeed("info", SMOL, "--json"))
    assert smol["family"] == "llama" and smol["licence"] == "apache-2.0"
    assert smol["parameters"] == 134_515_008 and smol["context_length"] == 8192
    assert {"q4_1", "f32"} <= smol["formats"].keys()
    assert sum(f["bytes"] for f in smol["formats"].values()) < SMOL.stat().st_size
    assert smol["memory"]["kv_bytes_per_token"] == 30 * 2 * 3 * 64 * 2
    gemma = json.loads(succeed("info", GEMMA, "--json"))
    assert gemma["family"] == "gemma3" and gemma["chat_template"] == "none"
    assert {"q4_k", "q6_k", "q8_0", "q5_0"} <= gemma["formats"].keys()
    table = succeed("info", SMOL)
    for word in ["llama", "apache-2.0", "134,515,008", "q4_1", "runs on"]:
        assert word in table


def test_info_names_the_kernels_that_will_run():
    out = json.loads(succeed("info", SMOL, "--json", env={"MARU_FORCE_ISA": "scalar"}))
    assert out["isa"] == "scalar"
    assert {f["kernel"] for f in out["formats"].values()} == {"scalar"}
    assert "MARU_FORCE_ISA" in refuse("info", SMOL, env={"MARU_FORCE_ISA": "pentium"})


def test_info_of_the_only_model_needs_no_name(home):
    refuse("info", home=home)
    (home / "models").mkdir()
    (home / "models" / "tiny.gguf").symlink_to(SMOL)
    assert json.loads(succeed("info", "--json", home=home))["name"] == "tiny"
    assert json.loads(succeed("info", "tiny", "--json", home=home))["name"] == "tiny"
    assert "tiny" in refuse("info", "absent", home=home)


def test_broken_models_are_errors(tmp_path):
    for name, data in [("empty.gguf", b""), ("noise.gguf", random.Random(1).randbytes(5000)),
                       ("cut.gguf", SMOL.read_bytes()[:100_000])]:
        path = tmp_path / name
        path.write_bytes(data)
        for command in [["info", path], ["tokenize", path, "--file", "-"],
                        ["run", "hi", "--own-engine", "--model", path]]:
            refuse(*command)
    (tmp_path / "folder").mkdir()
    assert "no model" in refuse("info", tmp_path / "folder")


# --- tokenize -----------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["llama3_1", "qwen3", "gemma3", "deepseek_v3", "gptoss", "llama2"])
def test_tokenize_gives_hugging_faces_ids(family, tmp_path):
    import tokenizers
    folder = TOKENIZERS / f"tokenizer-{family}" / "models"
    text = "Hello, world! " + KOREAN.replace("<|im_end|>", "").replace("<bos>", "")
    path = tmp_path / "text.txt"
    path.write_text(text)
    oracle = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    want = oracle.encode(text, add_special_tokens=False).ids
    assert json.loads(succeed("tokenize", folder, "--file", path)) == want
    assert json.loads(succeed("tokenize", folder / "tokenizer.json", "-f", "-", stdin=text)) == want


def test_tokenize_recognises_no_control_token():
    ids = json.loads(succeed("tokenize", SMOL, "--file", "-", stdin="<|im_start|>"))
    assert len(ids) > 1 and 1 not in ids
    assert succeed("tokenize", SMOL, "--file", "-", stdin="") == "[]\n"
    assert "absent" in refuse("tokenize", SMOL, "--file", "/absent")
    assert "absent" in refuse("tokenize", "absent", "--file", "-")


# --- logits, perplexity, bench ------------------------------------------------------------------


@pytest.fixture(scope="module")
def alice_ids(tmp_path_factory):
    text = "Alice was beginning to get very tired of sitting by her sister on the bank. " * 30
    ids = json.loads(succeed("tokenize", SMOL, "--file", "-", stdin=text))
    return ids[:300]


def test_logits_of_every_position_in_one_array(tmp_path, alice_ids):
    (tmp_path / "ids.json").write_text(json.dumps(alice_ids))
    assert succeed("logits", SMOL, "--tokens", "ids.json", "--out", "out.npy", cwd=tmp_path) == ""
    logits = numpy.load(tmp_path / "out.npy")
    assert logits.dtype == numpy.float32 and logits.shape == (300, 49152)
    assert numpy.isfinite(logits).all()
    # The text repeats itself: late positions foresee it.
    right = logits[200:299].argmax(axis=1) == numpy.array(alice_ids[201:300])
    assert right.mean() > 0.9
    # A prefix has the same logits, however the rows are cut into steps.
    (tmp_path / "few.json").write_text(json.dumps(alice_ids[:7]))
    succeed("logits", SMOL, "--tokens", "few.json", "-o", "few.npy", cwd=tmp_path)
    few = numpy.load(tmp_path / "few.npy")
    assert few.shape == (7, 49152)
    assert numpy.abs(few - logits[:7]).max() < 0.02 * logits.std()


@pytest.mark.parametrize("text, wanted", [
    ("", "ids.json"), ("[]", "no token ids"), ("{}", "array"), ("[1, -1]", "entry 1"),
    ("[49152]", "49151"), ("[1.5]", "entry 0"), ('["1"]', "entry 0"), ("[1", "ids.json"),
    (json.dumps([1] * 8193), "8192"), ("[" * 100_000, "ids.json"),
])
def test_logits_checks_its_ids(tmp_path, text, wanted):
    (tmp_path / "ids.json").write_text(text)
    assert wanted in refuse("logits", SMOL, "--tokens", "ids.json", "--out", "o.npy", cwd=tmp_path)
    assert not (tmp_path / "o.npy").exists()


def test_logits_refuses_a_place_it_cannot_write(tmp_path):
    (tmp_path / "ids.json").write_text("[1]")
    assert "absent" in refuse("logits", SMOL, "--tokens", "ids.json", "--out", "absent/o.npy",
                              cwd=tmp_path)


def test_perplexity_is_the_mean_of_the_scored_halves(tmp_path):
    """Recomputed from `maru logits` by the method that docs/cli.md describes."""
    text = (pathlib.Path(__file__).parents[1] / "data" / "alice.txt").read_text()[:6000]
    (tmp_path / "text.txt").write_text(text)
    out = json.loads(succeed("perplexity", SMOL, "text.txt", "--ctx", "256", "--json", cwd=tmp_path))
    ids = json.loads(succeed("tokenize", SMOL, "--file", "text.txt", cwd=tmp_path))
    losses = []
    for chunk in range(len(ids) // 256):
        part = ids[256 * chunk: 256 * (chunk + 1)]
        (tmp_path / "ids.json").write_text(json.dumps(part))
        succeed("logits", SMOL, "--tokens", "ids.json", "--out", "o.npy", cwd=tmp_path)
        logits = numpy.load(tmp_path / "o.npy").astype(numpy.float64)
        log_sum = numpy.log(numpy.exp(logits - logits.max(axis=1, keepdims=True)).sum(axis=1))
        log_sum += logits.max(axis=1)
        losses += [log_sum[i] - logits[i, part[i + 1]] for i in range(128, 255)]
    assert out["tokens"] == len(losses) == 127 * (len(ids) // 256)
    assert out["nll"] == pytest.approx(numpy.mean(losses), rel=2e-3)
    assert out["ppl"] == pytest.approx(math.exp(out["nll"]), rel=1e-9)
    table = succeed("perplexity", SMOL, "text.txt", "--ctx", "256", "--chunks", "1", cwd=tmp_path)
    assert "127 tokens" in table


@pytest.mark.parametrize("model, llama_cpp", [(SMOL, 17.8662), (GEMMA, 15.3563)])
def test_perplexity_is_within_half_a_percent_of_llama_cpp(model, llama_cpp):
    """The other program's figures: docs/perf/perplexity.md."""
    text = pathlib.Path(__file__).parents[1] / "data" / "alice.txt"
    out = json.loads(succeed("perplexity", model, text, "--ctx", "512", "--json", timeout=1200))
    assert out["tokens"] == 13_260
    assert abs(out["ppl"] / llama_cpp - 1) < 0.005


def test_perplexity_needs_a_chunk(tmp_path):
    (tmp_path / "text.txt").write_text("short")
    assert "--ctx" in refuse("perplexity", SMOL, "text.txt", cwd=tmp_path)


def test_bench_reports_medians_and_samples():
    out = json.loads(succeed("bench", SMOL, "-t", "2", "-p", "32", "-n", "8", "-r", "3", "--json"))
    assert out["threads"] == 2 and len(out["pp"]["samples"]) == 3
    assert out["pp_tokens_per_s"] == sorted(out["pp"]["samples"])[1] > 0
    assert out["tg_tokens_per_s"] == sorted(out["tg"]["samples"])[1] > 0
    assert out["kernels"]["q4_1"] == out["isa"]
    assert "tokens/s" in succeed("bench", SMOL, "-p", "8", "-n", "2", "-r", "1")


# --- memory -------------------------------------------------------------------------------------


def test_a_context_that_does_not_fit_is_refused_with_the_largest_that_would():
    text = refuse("run", "hi", "--own-engine", "--model", SMOL, "--kv-memory-mib", "16000000")
    assert "GiB" in text
    text = refuse("run", "hi", "--own-engine", "--model", SMOL, "--kv-memory-mib", "1")
    assert "kv_memory_mib" in text
    assert "8192" in refuse("run", "hi", "--own-engine", "--model", SMOL, "--context", "9000")


# --- run ----------------------------------------------------------------------------------------


def answer(*arguments, **options):
    return succeed("run", "--own-engine", "--model", SMOL, "--temperature", "0", *arguments,
                   **options)


def test_run_writes_the_answer_and_nothing_else():
    result = run("run", "--own-engine", "--model", SMOL, "--temperature", "0",
                 "What is the capital of France? Answer in one word.")
    assert result.returncode == 0, result.stderr
    assert "Paris" in result.stdout.decode() and result.stdout.endswith(b"\n")
    assert result.stderr == b""


def test_run_reads_what_is_piped_in():
    whole = answer("What is the capital of France?\n\nAnswer in one word.")
    assert answer("What is the capital of France?", stdin="Answer in one word.\n") == whole
    assert answer(stdin="What is the capital of France?\n\nAnswer in one word.\n") == whole
    assert "no question" in refuse("run", "--model", SMOL, "--own-engine")


def test_run_repeats_with_a_seed_and_obeys_its_limits():
    options = ["run", "--own-engine", "--model", SMOL, "--temperature", "1", "--max-tokens", "20",
               "Write a poem."]
    assert succeed(*options, "--seed", "7") == succeed(*options, "--seed", "7")
    assert len({succeed(*options) for _ in range(3)}) > 1


def test_run_refuses_a_question_that_does_not_fit():
    text = refuse("run", "--own-engine", "--model", SMOL, "--context", "256", stdin="word " * 2000)
    assert "256" in text and "tokens" in text


def test_a_base_model_needs_a_template_or_raw():
    assert "default_chat_template" in refuse("run", "--own-engine", "--model", GEMMA, "hi")
    text = succeed("run", "--own-engine", "--model", GEMMA, "--temperature", "0", "--raw",
                   "--max-tokens", "8", "1, 2, 3, 4,")
    assert "5, 6" in text
    succeed("run", "--own-engine", "--model", GEMMA, "--max-tokens", "4", "hi",
            "--default-chat-template", "plain")
    assert "absent" in refuse("run", "--own-engine", "--model", GEMMA, "hi",
                              "--default-chat-template", "absent")
