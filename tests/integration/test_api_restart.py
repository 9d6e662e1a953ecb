"""What a stopped server leaves on disk, and what the next one makes of it."""

import openai
from servers import model_file, real_server

QUESTION = [{"role": "user", "content": "Tell me about the sea. " * 60}]


def ask(server):
    client = openai.OpenAI(base_url=server.url + "/v1", api_key="any", max_retries=0)
    model = client.models.list().data[0].id
    answer = client.chat.completions.create(model=model, messages=QUESTION, temperature=0, max_tokens=24)
    return answer.choices[0].message.content, answer.usage.prompt_tokens_details.cached_tokens


def start(home, *flags):
    model = model_file("SmolLM2-135M-Instruct.Q4_1.gguf")
    return real_server(model, "--context", "1024", *flags, home=home)


def test_a_prompt_is_not_read_again_after_a_restart(tmp_path):
    with start(tmp_path) as server:
        first, cached = ask(server)
        assert cached == 0
    pages = list((tmp_path / "cache/prefix").rglob("*.pages"))
    assert len(pages) == 1
    with start(tmp_path) as server:
        assert server.metric("maru_prefix_disk_bytes") > pages[0].stat().st_size
        second, cached = ask(server)
        assert second == first
        assert cached % 64 == 0 and cached > 200
        assert server.metric("maru_prefix_disk_pages_total", state="read") == cached / 64

    data = bytearray(pages[0].read_bytes())
    data[len(data) // 3] ^= 4
    pages[0].write_bytes(data)
    with start(tmp_path) as server:
        third, fewer = ask(server)
        assert third == first and 0 < fewer < cached
        assert server.metric("maru_prefix_disk_pages_total", state="damaged") == 1


def test_pages_of_another_precision_are_not_read(tmp_path):
    with start(tmp_path) as server:
        first, _ = ask(server)
    with start(tmp_path, "--precision", "high") as server:
        high, cached = ask(server)
        assert high and cached == 0
    with start(tmp_path, "--precision", "high") as server:
        again, cached = ask(server)
        assert again == high and cached > 200


def test_without_disk_nothing_is_kept(tmp_path):
    with start(tmp_path, "--prefix-cache-disk-mib", "0") as server:
        ask(server)
    assert not (tmp_path / "cache/prefix").exists()
