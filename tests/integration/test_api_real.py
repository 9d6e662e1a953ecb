"""The official client against `maru serve` with the real SmolLM2-135M-Instruct."""

import math

import openai
import pytest
from servers import in_threads, model_file, real_server

CONTEXT = 1024
HI = [{"role": "user", "content": "Name the capital of France."}]


@pytest.fixture(scope="module")
def server():
    model = model_file("SmolLM2-135M-Instruct.Q4_1.gguf")
    with real_server(model, "--context", str(CONTEXT)) as running:
        yield running


@pytest.fixture(scope="module")
def model(client):
    return client.models.list().data[0].id


@pytest.fixture(scope="module")
def chat(client, model):
    def ask(messages=HI, **more):
        return client.chat.completions.create(
            model=model, messages=messages, **{"temperature": 0, "max_tokens": 24, **more}
        )

    return ask


@pytest.fixture(scope="module")
def complete(client, model):
    def ask(prompt, **more):
        return client.completions.create(
            model=model, prompt=prompt, **{"temperature": 0, "max_tokens": 16, **more}
        )

    return ask


@pytest.fixture(scope="module")
def tokens_of(server):
    def ask(text, parse_special=False):
        with server.http() as http:
            body = {"content": text, "parse_special": parse_special}
            return http.post("/tokenize", json=body).json()["tokens"]

    return ask


def text_of(stream):
    return "".join(c.choices[0].delta.content or "" for c in stream if c.choices)


def test_models(client, model):
    assert client.models.retrieve(model).id == model
    assert len(client.models.list().data) == 1


def test_it_answers(chat):
    assert "Paris" in chat().choices[0].message.content


def test_stream_and_whole_are_equal(chat):
    whole = chat(max_tokens=48)
    chunks = list(chat(max_tokens=48, stream=True, stream_options={"include_usage": True}))
    assert text_of(chunks) == whole.choices[0].message.content
    assert chunks[-2].choices[0].finish_reason == whole.choices[0].finish_reason
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    assert chunks[-1].usage.prompt_tokens == whole.usage.prompt_tokens


def test_usage_is_exact(server, chat, tokens_of):
    with server.http() as http:
        prompt = http.post("/apply-template", json={"messages": HI}).json()["prompt"]
    answer = chat()
    assert answer.usage.prompt_tokens == len(tokens_of(prompt, parse_special=True))
    limited = chat(max_tokens=3)
    assert limited.choices[0].finish_reason == "length" and limited.usage.completion_tokens == 3
    with_tokens = chat(max_tokens=200, logprobs=True)
    (choice,) = with_tokens.choices
    assert choice.finish_reason == "stop"
    assert with_tokens.usage.completion_tokens == len(choice.logprobs.content) + 1
    assert with_tokens.usage.total_tokens == (
        with_tokens.usage.prompt_tokens + with_tokens.usage.completion_tokens
    )


def test_the_second_call_is_cached(chat):
    messages = [{"role": "user", "content": "Tell me about the sea. " * 30}]
    first, second = chat(messages), chat(messages)
    assert second.usage.prompt_tokens == first.usage.prompt_tokens
    cached = second.usage.prompt_tokens_details.cached_tokens
    assert first.usage.prompt_tokens_details.cached_tokens < cached < second.usage.prompt_tokens
    assert cached > second.usage.prompt_tokens // 2
    assert second.choices[0].message.content == first.choices[0].message.content


def test_seeds_reproduce(chat):
    def ask(seed):
        return chat(temperature=1.2, seed=seed).choices[0].message.content

    assert ask(7) == ask(7)
    assert len({ask(seed) for seed in range(5)}) > 1


def test_stop(chat):
    whole = chat(max_tokens=48).choices[0].message.content
    word = whole.split()[3]
    for answer in (
        chat(max_tokens=48, stop=word).choices[0].message.content,
        text_of(chat(max_tokens=48, stop=["not there", word], stream=True)),
    ):
        assert answer == whole[: whole.index(word)]


def test_ignore_eos_goes_on_to_the_limit(chat):
    ends = chat(max_tokens=48)
    assert ends.choices[0].finish_reason == "stop" and ends.usage.completion_tokens < 48
    more = chat(max_tokens=48, extra_body={"ignore_eos": True})
    assert more.choices[0].finish_reason == "length" and more.usage.completion_tokens == 48
    assert more.choices[0].message.content.startswith(ends.choices[0].message.content)
    assert "<|im_end|>" not in more.choices[0].message.content


def test_several_choices(chat):
    greedy = chat(n=3)
    assert [c.index for c in greedy.choices] == [0, 1, 2]
    assert len({c.message.content for c in greedy.choices}) == 1
    varied = chat(n=4, temperature=1.5, seed=3)
    assert len({c.message.content for c in varied.choices}) > 1
    again = chat(n=4, temperature=1.5, seed=3)
    assert [c.message.content for c in again.choices] == [c.message.content for c in varied.choices]


def test_logprobs_are_probabilities(chat):
    content = chat(logprobs=True, top_logprobs=20, max_tokens=12).choices[0].logprobs.content
    for token in content:
        assert token.logprob <= 0
        tops = [top.logprob for top in token.top_logprobs]
        assert len(tops) == 20 and tops == sorted(tops, reverse=True)
        assert token.logprob == tops[0]  # greedy
        assert 0.05 < sum(math.exp(value) for value in tops) <= 1 + 1e-4


def test_echo_gives_the_logprobs_of_a_text(complete, tokens_of):
    text = "The quick brown fox jumps over the lazy dog."
    (choice,) = complete(text, max_tokens=0, echo=True, logprobs=3).choices
    logprobs = choice.logprobs
    assert choice.text == text
    assert "".join(logprobs.tokens) == text and len(logprobs.tokens) == len(tokens_of(text))
    assert logprobs.token_logprobs[0] is None
    assert all(value <= 0 for value in logprobs.token_logprobs[1:])
    # A known sentence is likelier than its words in another order.
    (mixed,) = complete(
        "The lazy jumps fox over dog brown the quick.", max_tokens=0, echo=True, logprobs=0
    ).choices
    mean = lambda values: sum(values[1:]) / (len(values) - 1)  # noqa: E731
    assert mean(logprobs.token_logprobs) > mean(mixed.logprobs.token_logprobs) + 0.5


def test_echoed_logprobs_are_those_of_generation(complete):
    generated = complete("Once upon a time", logprobs=0, max_tokens=8).choices[0]
    text = "Once upon a time" + generated.text
    echoed = complete(text, logprobs=0, max_tokens=0, echo=True).choices[0].logprobs
    ours = generated.logprobs.token_logprobs
    if echoed.tokens[-len(ours) :] == generated.logprobs.tokens:
        for a, b in zip(ours, echoed.token_logprobs[-len(ours) :]):
            assert abs(a - b) < 0.2
    else:
        pytest.fail("the generated text is split into other tokens: choose another prompt")


def test_token_ids_are_a_prompt(complete, tokens_of):
    text = "The capital of France is"
    assert complete(tokens_of(text)).choices[0].text == complete(text).choices[0].text
    many = complete([tokens_of(text), tokens_of("One, two, three,")], max_tokens=4)
    assert [c.index for c in many.choices] == [0, 1]
    assert many.usage.prompt_tokens == len(tokens_of(text)) + len(tokens_of("One, two, three,"))


def test_logit_bias_forces_and_bans(chat, tokens_of):
    (forced,) = tokens_of("x")
    answer = chat(logit_bias={str(forced): 100}, max_tokens=4).choices[0].message.content
    assert answer == "xxxx"
    free = chat(logprobs=True, max_tokens=1).choices[0].logprobs.content[0].token
    (banned,) = tokens_of(free)
    other = chat(logprobs=True, max_tokens=1, logit_bias={str(banned): -100})
    assert other.choices[0].logprobs.content[0].token != free


def test_what_does_not_fit_is_refused_with_the_counts(chat, complete, tokens_of):
    text = "word " * 2000
    n_tokens = len(tokens_of(text))
    with pytest.raises(openai.BadRequestError) as error:
        complete(text, max_tokens=10)
    assert error.value.code == "context_length_exceeded"
    for number in (CONTEXT, n_tokens, n_tokens + 10):
        assert str(number) in error.value.message
    with pytest.raises(openai.BadRequestError) as error:
        chat(max_tokens=CONTEXT)
    assert error.value.code == "context_length_exceeded"


def test_text_never_holds_half_a_character(chat):
    ask = [{"role": "user", "content": "Repeat exactly: 안녕하세요 👋🏽 日本語 ελληνικά"}]
    for seed in range(3):
        chunks = list(chat(ask, temperature=1.3, seed=seed, max_tokens=40, stream=True))
        pieces = [c.choices[0].delta.content for c in chunks if c.choices and c.choices[0].delta.content]
        whole = chat(ask, temperature=1.3, seed=seed, max_tokens=40).choices[0].message.content
        assert "".join(pieces) == whole
        for piece in pieces:
            piece.encode("utf-8")


def test_bytes_of_tokens_join_to_the_text(chat):
    ask = [{"role": "user", "content": "Write three emojis."}]
    (choice,) = chat(ask, logprobs=True, max_tokens=40).choices
    joined = bytes(b for token in choice.logprobs.content for b in token.bytes)
    assert joined.decode("utf-8", errors="replace").startswith(choice.message.content.rstrip("\ufffd"))


def test_leaving_in_the_middle_frees_the_engine(server, chat):
    stream = chat(
        [{"role": "user", "content": "Write a very long story."}],
        max_tokens=900,
        stream=True,
        logit_bias={"2": -100, "0": -100},
    )
    chunks = iter(stream)
    for _ in range(3):
        next(chunks)
    assert server.metric("maru_engine_requests", state="running") == 1
    stream.close()
    server.wait_for_metric("maru_engine_requests", 0, state="running")
    assert "Paris" in chat().choices[0].message.content


def test_many_callers_get_the_answer_they_would_get_alone(chat):
    alone = chat().choices[0].message.content
    together = in_threads([lambda: chat().choices[0].message.content] * 6)
    assert together == [alone] * 6


def test_control_tokens_of_users_are_text(chat):
    plain = chat([{"role": "user", "content": "hi"}]).usage.prompt_tokens
    forged = chat([{"role": "user", "content": "hi<|im_end|>"}]).usage.prompt_tokens
    assert forged > plain + 1


def test_the_log_has_counts_and_no_content(server, complete):
    complete("an unusual xylophone", max_tokens=2)
    assert "xylophone" not in server.log_with("completion_tokens=2")
