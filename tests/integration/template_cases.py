"""Real chat templates from installed packages, and conversations made for them."""

import glob
import json
import os
import random
import re
import struct

USER_TEXTS = [
    "Hello!",
    "",
    " leading and trailing \n",
    "안녕하세요, 오늘 회의 일정을 알려 주세요.",
    "日本語とEnglishと한국어 🎉👩‍👩‍👧",
    "line one\nline two\r\n\ttabbed  ",
    "quotes \" ' ` and \\ backslash {{ not_jinja }} {% raw %}",
    "<b>tags</b> & entities &amp; it's",
    "[INST] <<SYS>> x <</SYS>> [/INST]",
    "x" * 300,
    "1 < 2 > 0; 3.14 and 1e10\u00a0nbsp\u2028sep\x7f",
    "Ünïcödé ß ŒUVRE İstanbul",
]
ASSISTANT_TEXTS = [
    "Sure.",
    "",
    "<think>\nLet me see.\n</think>\n\nThe answer is 4.",
    "<think>\n\n</think>\n\nPlain",
    "no start tag</think>after",
    "네, 도와드리겠습니다.\n1. 하나\n2. 둘",
    "```python\nprint('hi')\n```",
    "  spaced  ",
    "<|channel|>analysis<|message|>hm<|end|>",
]
SYSTEM_TEXTS = ["You are helpful.", "", "당신은 유능한 비서입니다.\n짧게 답하세요.", "/no_think be brief"]

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Gets the weather of a city.",
            "parameters": {
                "type": "object",
                "properties": {
                    "city": {"type": "string", "description": "Name, e.g. \"서울\""},
                    "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"},
                    "days": {"type": "integer", "minimum": 1, "maximum": 7},
                },
                "required": ["city"],
            },
            "return": {"type": "string", "description": "the weather"},
        },
    },
    {
        "type": "function",
        "function": {
            "name": "search",
            "description": "Searches documents.\nSeveral lines & <tags>.",
            "parameters": {
                "type": "object",
                "properties": {
                    "query": {"type": "string"},
                    "limit": {"type": ["integer", "null"]},
                    "filter": {
                        "type": "object",
                        "properties": {
                            "tags": {"type": "array", "items": {"type": "string"}},
                            "score": {"type": "number", "default": 0.5},
                            "deep": {"type": "object", "properties": {"flag": {"type": "boolean"}}},
                        },
                        "required": ["tags"],
                    },
                    "either": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
                },
                "required": ["query", "filter"],
            },
        },
    },
    {"type": "function", "function": {"name": "now", "description": "", "parameters": {"type": "object", "properties": {}}}},
]
ARGUMENTS = [
    {"city": "서울", "unit": "celsius"},
    {},
    {"query": "a \"b\"", "filter": {"tags": ["x", "y"], "score": 0.25, "deep": {"flag": True}}, "limit": None},
    {"n": 12345678901, "f": 1e-7, "big": 1e22, "neg": -0.0, "list": [1, [2.5, "three"], {}], "b": False},
]
DOCUMENTS = [
    {"title": "Handbook", "text": "Rule one.\nRule two."},
    {"doc_id": 2, "title": "회의록", "text": "본문 ", "contents": "Rule"},
]


def _message_content(rng, texts):
    text = rng.choice(texts)
    kind = rng.random()
    if kind < 0.85:
        return text
    if kind < 0.95:
        return [{"type": "text", "text": text}, {"type": "text", "text": rng.choice(texts)}]
    return [{"type": "text", "text": text}, {"type": "image"}]


def _tool_call(rng):
    arguments = rng.choice(ARGUMENTS)
    if rng.random() < 0.4:
        arguments = json.dumps(arguments, ensure_ascii=False)
    call = {"type": "function", "function": {"name": rng.choice(["get_weather", "search", "now"]), "arguments": arguments}}
    if rng.random() < 0.8:
        call["id"] = rng.choice(["call00001", "abcdef123", "call_with_a_long_id"])
    return call


def _exchange(rng, messages):
    messages.append({"role": "user", "content": _message_content(rng, USER_TEXTS)})
    kind = rng.random()
    if kind < 0.35:
        calls = [_tool_call(rng) for _ in range(rng.choice([1, 1, 2]))]
        answer = {"role": "assistant", "content": rng.choice([None, "", "Let me look."]), "tool_calls": calls}
        if rng.random() < 0.2:
            del answer["content"]
        messages.append(answer)
        for call in calls:
            result = {"role": "tool", "content": rng.choice(["22 °C", '{"ok": true}', "", "맑음\n"])}
            if "id" in call and rng.random() < 0.8:
                result["tool_call_id"] = call["id"]
            if rng.random() < 0.6:
                result["name"] = call["function"]["name"]
            messages.append(result)
    answer = {"role": "assistant", "content": _message_content(rng, ASSISTANT_TEXTS)}
    if rng.random() < 0.25:
        answer["reasoning_content"] = rng.choice(["First think.", "", "생각 중\n"])
    if rng.random() < 0.1:
        answer["thinking"] = "Hmm."
    messages.append(answer)


def _distort(rng, messages):
    """What callers get wrong: roles in a wrong order, unknown, or missing."""
    kind = rng.randrange(5)
    if kind == 0:
        messages.insert(0, {"role": "assistant", "content": "I begin."})
    elif kind == 1:
        messages.append({"role": rng.choice(["critic", "developer", "ipython", "function"]), "content": "odd"})
    elif kind == 2:
        messages.append({"content": "no role"})
    elif kind == 3:
        messages.append({"role": "system", "content": "late system"})
    else:
        messages.append({"role": "user"})


def conversations(count=200, seed=20240607):
    """Inputs of a template, the same in every run."""
    rng = random.Random(seed)
    made = []
    for number in range(count):
        messages = []
        if rng.random() < 0.5:
            messages.append({"role": "system", "content": _message_content(rng, SYSTEM_TEXTS)})
        for _ in range(rng.choice([0, 1, 1, 2, 3])):
            _exchange(rng, messages)
        if rng.random() < 0.7 or not messages:
            messages.append({"role": "user", "content": _message_content(rng, USER_TEXTS)})
        if rng.random() < 0.15:
            _distort(rng, messages)
        case = {"messages": messages, "add_generation_prompt": rng.random() < 0.7}
        if rng.random() < 0.4:
            case["tools"] = rng.sample(TOOLS, rng.choice([1, 2, 3]))
        if rng.random() < 0.1:
            case["documents"] = DOCUMENTS
        extra = {}
        for name, values in {
            "enable_thinking": [True, False],
            "thinking": [True, False],
            "reasoning_effort": ["low", "high"],
            "custom_tools": [TOOLS[:1]],
            "tools_in_user_message": [False],
            "date_string": ["26 Jul 2024"],
            "builtin_tools": [["wolfram_alpha", "code_interpreter"]],
            "controls": [{"length": "short"}],
        }.items():
            if rng.random() < 0.08:
                extra[name] = rng.choice(values)
        if rng.random() < 0.2:
            extra |= {"functions": json.dumps(TOOLS, ensure_ascii=False), "datetime": "2025-07-31 GMT"}
        case["extra"] = extra
        made.append(case)
    return made


def _from_lenml(folder):
    for path in sorted(glob.glob(os.path.join(folder, "tokenizer-*", "models", "tokenizer_config.json"))):
        with open(path, encoding="utf-8") as file:
            template = json.load(file).get("chat_template")
        name = path.split(os.sep)[-3]
        for part in template if isinstance(template, list) else [{"name": "default", "template": template}]:
            if part["template"]:
                yield f"{name}/{part['name']}", part["template"]


def _from_ollama_utils(folder):
    path = os.path.join(os.path.dirname(os.path.normpath(folder)), "@huggingface", "ollama-utils", "src", "chat-template-automap.ts")
    with open(path, encoding="utf-8") as file:
        source = file.read()
    pattern = re.compile(r'model: ("(?:[^"\\]|\\.)*"),\s*gguf:\s*("(?:[^"\\]|\\.)*")')
    for match in pattern.finditer(source):
        yield json.loads(match[1]), json.loads(match[2])


def _from_gguf(path):
    """The template in a GGUF file's metadata: key, type 8 (string), length, bytes."""
    with open(path, "rb") as file:
        head = file.read(32 << 20)
    key = b"tokenizer.chat_template" + struct.pack("<I", 8)
    at = head.find(key)
    if at >= 0:
        at += len(key)
        (size,) = struct.unpack_from("<Q", head, at)
        yield os.path.basename(path), head[at + 8 : at + 8 + size].decode("utf-8")


def real_templates():
    """Distinct templates by name. MARU_TEST_TEMPLATES may name a folder with more (*.jinja)."""
    tokenizers = os.environ["MARU_TEST_TOKENIZERS"]
    found = list(_from_lenml(tokenizers)) + list(_from_ollama_utils(tokenizers))
    for path in sorted(glob.glob(os.path.join(os.environ["MARU_TEST_MODELS"], "*.gguf"))):
        found += _from_gguf(path)
    more = os.environ.get("MARU_TEST_TEMPLATES")
    for path in sorted(glob.glob(os.path.join(more, "*.jinja"))) if more else []:
        with open(path, encoding="utf-8") as file:
            found.append((os.path.basename(path), file.read()))
    distinct = {}
    for name, source in found:
        distinct.setdefault(source, name)
    return [(name, source) for source, name in distinct.items()]
