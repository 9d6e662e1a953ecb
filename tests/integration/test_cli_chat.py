"""`maru chat` at a terminal (pexpect), and `maru chat` and `maru run` beside a running server."""

import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import time
import urllib.request

import pexpect
import pytest

BINARY = os.path.abspath(os.environ.get("MARU_BINARY", "build/release/bin/maru"))
SMOL = pathlib.Path(os.environ["MARU_TEST_MODELS"]) / "SmolLM2-135M-Instruct.Q4_1.gguf"
CTRL_A, CTRL_C, CTRL_D, CTRL_E, CTRL_U, BACKSPACE = "\x01", "\x03", "\x04", "\x05", "\x15", "\x7f"
UP, LEFT = "\x1b[A", "\x1b[D"


def environment(home, **more):
    variables = {k: v for k, v in os.environ.items() if not k.startswith(("MARU_", "LC_"))}
    return variables | {"LANG": "C.UTF-8", "TERM": "xterm", "MARU_HOME": str(home)} | more


def need_terminals():
    """A root without /dev/pts (a bare chroot) has no pseudo-terminals to hold a conversation at."""
    try:
        for end in os.openpty():
            os.close(end)
    except OSError as error:
        pytest.skip(f"this system gives no pseudo-terminal ({error}); mount /dev/pts")


class Chat:
    """A conversation at a pseudo-terminal; what was said is read back by /save."""

    def __init__(self, folder, *arguments, own_engine=True, max_tokens=3, context=1024,
                 **variables):
        need_terminals()
        self.folder = folder
        options = ["--model", str(SMOL), "--context", str(context), "--temperature", "0"]
        options += ["--own-engine"] if own_engine else []
        options += ["--max-tokens", str(max_tokens)] if max_tokens else []
        self.child = pexpect.spawn(
            BINARY, ["chat", *options, *arguments], env=environment(folder, **variables),
            cwd=str(folder), encoding="utf-8", timeout=90, dimensions=(24, 80))
        self.prompt()

    def prompt(self):
        # libedit may move the cursor around the prompt; it always writes it after a new line.
        self.child.expect(r"\n\r?(\x1b\[[0-9;?]*[a-zA-Z]|\r)*> ")

    def send(self, text, end="\r"):
        self.child.send(text + end)

    def ask(self, text):
        self.send(text)
        self.prompt()

    def messages(self):
        self.ask("/save saved.json")
        return json.loads((self.folder / "saved.json").read_text())["messages"]

    def users(self):
        return [m["content"] for m in self.messages() if m["role"] == "user"]

    def leave(self):
        self.child.send(CTRL_D)
        self.child.expect(pexpect.EOF)
        self.child.close()
        assert self.child.exitstatus == 0, (self.child.exitstatus, self.child.signalstatus)


@pytest.fixture()
def chat(tmp_path):
    session = Chat(tmp_path)
    yield session
    if session.child.isalive():
        session.leave()


def test_lines_can_be_edited_and_recalled(chat):
    chat.ask("Helllo" + BACKSPACE * 3 + "lo you" + CTRL_A + "(" + CTRL_E + ")")
    chat.ask("gone" + CTRL_U + "Goodbye" + LEFT * 3 + "-")
    chat.ask(UP + UP + "!")
    assert chat.users() == ["(Hello you)", "Good-bye", "(Hello you)!"]
    assert all(m["content"] for m in chat.messages())


def test_korean_is_typed_and_deleted_by_whole_characters(chat):
    chat.ask("안녕하세욥" + BACKSPACE + "요 가나" + LEFT + BACKSPACE + "다")
    chat.ask("한글 👍 日本" + BACKSPACE * 3 + "끝")
    assert chat.users() == ["안녕하세요 다나", "한글 👍끝"]


def test_korean_characters_take_two_columns(chat):
    chat.child.send("한글")
    chat.child.expect("한글")
    chat.child.send(LEFT)
    # One step to the left is two columns: two backspaces, or a jump.
    chat.child.expect(r"\x08\x08|\x1b\[2D|\x1b\[\d*G")
    chat.ask("의 ")
    assert chat.users() == ["한의 글"]


def test_several_lines_are_one_message(chat):
    chat.send("first \\")
    chat.child.expect(r"\. ")
    chat.ask("second")
    chat.send('"""')
    chat.child.expect(r"\. ")
    chat.send("a \\")
    chat.send("/reset")
    chat.ask('b"""')
    chat.ask('"""one line"""')
    assert chat.users() == ["first \nsecond", "a \\\n/reset\nb", "one line"]


def test_commands(chat, tmp_path):
    chat.send("/help")
    chat.child.expect("/system TEXT")
    chat.prompt()
    chat.ask("/system Be brief.")
    chat.ask("hi")
    assert [m["role"] for m in chat.messages()] == ["system", "user", "assistant"]
    chat.ask("/reset")
    assert chat.messages() == [{"role": "system", "content": "Be brief."}]
    chat.ask("/system")
    assert chat.messages() == []
    said = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    (tmp_path / "old.json").write_text(json.dumps({"messages": said}))
    chat.send("/load old.json")
    chat.child.expect("Loaded 2 messages")
    chat.prompt()
    assert chat.messages() == said
    for command, answer in [("/load absent.json", "absent.json"), ("/load", "needs the name"),
                            ("/save", "needs the name"), ("/save absent/x.json", "error: "),
                            ("/nonsense", "no command /nonsense")]:
        chat.send(command)
        chat.child.expect(answer)
        chat.prompt()
    (tmp_path / "bad.json").write_text('[{"role": "root", "content": "x"}]')
    chat.send("/load bad.json")
    chat.child.expect("message 0")
    chat.prompt()
    assert chat.messages() == said
    chat.send("/exit")
    chat.child.expect(pexpect.EOF)


def test_ctrl_c_stops_the_answer_and_not_the_program(tmp_path):
    chat = Chat(tmp_path, max_tokens=None)
    chat.send("Write a long story about a dragon and count to one thousand.")
    chat.child.expect(r"thousand\.[^\n]*\n(\W*\w+){5}")  # the question's echo, then its answer
    chat.child.send(CTRL_C)
    chat.child.expect(r"\(stopped\)")
    chat.prompt()
    messages = chat.messages()
    assert [m["role"] for m in messages] == ["user", "assistant"] and messages[1]["content"]
    # The next answer ends by itself; how long it is depends on where the first was cut.
    chat.ask("Count to one thousand.")
    messages = chat.messages()
    assert [m["role"] for m in messages] == ["user", "assistant"] * 2 and messages[3]["content"]
    chat.leave()


def test_ctrl_c_empties_the_line_and_ctrl_d_leaves(chat):
    chat.child.send("unwanted")
    chat.child.expect("unwanted")
    chat.child.send(CTRL_C)
    chat.child.expect("Ctrl-D")
    chat.prompt()
    chat.child.send(CTRL_C)
    chat.prompt()
    chat.ask("wanted")
    assert chat.users() == ["wanted"]
    chat.leave()


def test_a_conversation_that_no_longer_fits_says_so(tmp_path):
    chat = Chat(tmp_path, context=200)
    chat.send("word " * 100 + "\\")
    chat.send("word " * 100)
    chat.child.expect("maximum context length is 200 tokens")
    chat.child.expect("/reset")
    chat.prompt()
    assert chat.messages() == []
    chat.ask("hi")
    assert chat.users() == ["hi"]
    chat.leave()


def test_chat_speaks_korean(tmp_path):
    chat = Chat(tmp_path, LANG="ko_KR.UTF-8")
    chat.send("/reset")
    chat.child.expect("새로 시작")
    chat.prompt()
    chat.leave()


def test_chat_reads_a_pipe(tmp_path):
    result = subprocess.run(
        [BINARY, "chat", "--own-engine", "--model", SMOL, "--context", "1024", "--temperature", "0",
         "--max-tokens", "5"], input="Hello\n/save out.json\n한글".encode(), capture_output=True,
        cwd=tmp_path, env=environment(tmp_path), timeout=120)
    assert result.returncode == 0, result.stderr
    saved = json.loads((tmp_path / "out.json").read_text())["messages"]
    assert saved[0]["content"] == "Hello"
    assert result.stdout.decode().startswith(saved[1]["content"])
    assert b"> " not in result.stdout and b"\x1b" not in result.stdout


# --- beside a server ----------------------------------------------------------------------------


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def server(folder, *arguments, **variables):
    """A server, its port and a function that reads its log so far."""
    port = free_port()
    log_path, out_path = folder / "server.log", folder / "server.out"
    with open(log_path, "wb") as log, open(out_path, "wb") as out:
        process = subprocess.Popen(
            [BINARY, "serve", "--model", SMOL, "--context", "1024", "--port", str(port), *arguments],
            env=environment(folder, **variables), cwd=folder, stdout=out, stderr=log)
    try:
        for _ in range(600):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).read()
                break
            assert process.poll() is None, log_path.read_text()
            signal.sigtimedwait([], 0.1)
        yield port, log_path.read_text, out_path.read_text, process
    finally:
        process.kill()
        process.wait()


def test_serve_says_what_to_do_next_and_stops_cleanly(tmp_path):
    for stop in [signal.SIGINT, signal.SIGTERM]:
        with server(tmp_path) as (port, log, out, process):
            process.send_signal(stop)
            assert process.wait(timeout=30) == 0
            text = out()
        assert f"http://localhost:{port}" in text
        assert "curl " in text and "from openai import OpenAI" in text and SMOL.stem in text


def test_the_printed_curl_line_works(tmp_path):
    with server(tmp_path) as (port, _, out, _):
        command = re.search(r"curl .*?\}'", out(), re.S).group(0)
        result = subprocess.run(command, shell=True, capture_output=True, timeout=120)
        answer = json.loads(result.stdout)
        assert answer["choices"][0]["message"]["role"] == "assistant"


def wait_until_logged(log, path, count):
    """A request is logged when it has ended, a moment after its client has the answer."""
    deadline = time.monotonic() + 30
    while log().count(path) < count and time.monotonic() < deadline:
        time.sleep(0.02)
    assert log().count(path) == count


def test_run_and_chat_use_the_server_that_runs(tmp_path):
    with server(tmp_path) as (port, log, _, _):
        options = ["--temperature", "0", "--max-tokens", "8", "--port", str(port)]
        question = [BINARY, "run", "Name a colour.", *options]

        def run(*more):
            result = subprocess.run([*question, *more], env=environment(tmp_path), cwd=tmp_path,
                                    capture_output=True, stdin=subprocess.DEVNULL, timeout=120)
            assert result.returncode == 0, result.stderr
            return result.stdout

        by_server = run()
        wait_until_logged(log, "/v1/chat/completions", 1)
        assert run("--model", str(SMOL)) == by_server
        wait_until_logged(log, "/v1/chat/completions", 2)
        # The same words from an engine of its own: the server is not asked.
        assert run("--model", str(SMOL), "--own-engine") == by_server
        assert run("--raw") != b""
        wait_until_logged(log, "/v1/completions", 1)
        too_long = subprocess.run(question, input=b"word " * 3000, env=environment(tmp_path),
                                  cwd=tmp_path, capture_output=True, timeout=120)
        assert too_long.returncode == 2 and b"1024" in too_long.stderr

        chat = Chat(tmp_path, "--port", str(port), own_engine=False)
        chat.ask("Name a colour.")
        said = chat.messages()
        assert said[1]["content"]
        chat.leave()
        wait_until_logged(log, "/v1/chat/completions", 4)


def test_ctrl_c_ends_the_servers_work_too(tmp_path):
    with server(tmp_path) as (port, log, _, _):
        chat = Chat(tmp_path, "--port", str(port), own_engine=False, max_tokens=None)
        chat.send("Write a long story about a dragon and count to one thousand.")
        chat.child.expect(r"thousand\.[^\n]*\n(\W*\w+){5}")
        chat.child.send(CTRL_C)
        chat.child.expect(r"\(stopped\)")
        chat.prompt()
        for _ in range(300):
            metrics = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read()
            running = re.search(rb'^maru_\w+\{state="running"\} (\d+)', metrics, re.M)
            assert running, metrics
            if int(running.group(1)) == 0:
                break
            signal.sigtimedwait([], 0.1)
        assert int(running.group(1)) == 0
        chat.leave()


def test_a_server_with_keys_wants_one(tmp_path):
    with server(tmp_path, MARU_KEYS="sk-right-0123456789") as (port, log, _, _):
        options = ["run", "hi", "--max-tokens", "2", "--port", str(port)]
        result = subprocess.run([BINARY, *options], capture_output=True, cwd=tmp_path, timeout=120,
                                stdin=subprocess.DEVNULL,
                                env=environment(tmp_path, MARU_KEYS="sk-right-0123456789"))
        assert result.returncode == 0, result.stderr
        assert "sk-right" not in log()
