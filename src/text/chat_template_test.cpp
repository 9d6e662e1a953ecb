#include "text/chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"

namespace maru::text {
namespace {

using testing::HasSubstr;

// Renders `source` with the members of `variables` (a JSON object) as variables.
Result<std::string> render(std::string_view source, std::string_view variables = "{}",
                           const TemplateLimits& limits = {}) {
  MARU_ASSIGN_OR_RETURN(const ChatTemplate compiled, ChatTemplate::compile(source));
  MARU_ASSIGN_OR_RETURN(const Json extra, parse_json(variables));
  TemplateInput input;
  input.extra = &extra;
  return compiled.render_text(input, limits);
}

std::string text_of(std::string_view source, std::string_view variables = "{}") {
  const auto result = render(source, variables);
  return result ? *result : "ERROR " + result.error().message;
}

std::string error_of(std::string_view source, std::string_view variables = "{}") {
  const auto result = render(source, variables);
  return result ? "no error: " + *result : result.error().message;
}

// Trusted pieces in [], others in ().
std::string marked(std::string_view source, std::string_view messages) {
  const auto compiled = ChatTemplate::compile(source);
  if (!compiled) return compiled.error().message;
  const auto json = parse_json(messages);
  TemplateInput input;
  input.messages = &*json;
  input.bos_token = "<s>";
  const auto pieces = compiled->render(input);
  if (!pieces) return pieces.error().message;
  std::string out;
  for (const RenderedPiece& piece : *pieces) {
    out += (piece.trusted ? "[" : "(") + piece.text + (piece.trusted ? "]" : ")");
  }
  return out;
}

struct Case {
  const char* source;
  const char* expected;  // what Python's jinja2 3.1.6 prints, trim_blocks and lstrip_blocks on
};

class Renders : public testing::TestWithParam<Case> {};

TEST_P(Renders, AsPython) { EXPECT_EQ(text_of(GetParam().source), GetParam().expected); }

INSTANTIATE_TEST_SUITE_P(
    Whitespace, Renders,
    testing::Values(Case{"a\n  {% if true %}\nb\n  {% endif %}\nc\n", "a\nb\nc"},
                    Case{"a  {{- 1 -}}  b", "a1b"}, Case{"a {%- if 1 -%} b {%- endif -%} c", "abc"},
                    Case{"  {{ 1 }}\n{# c #}\nx", "  1\nx"},
                    Case{"x  {%+ if 1 %}y{% endif %}", "x  y"},
                    Case{"{% if 1 +%}\ny{% endif %}", "\ny"}, Case{"a\r\nb\rc", "a\nb\nc"},
                    Case{"{% raw %}{{ x }}{% endraw %}", "{{ x }}"},
                    Case{"{% set x = 1 %}\n\n{{ x }}", "\n1"},
                    Case{"{{ '}}' }}{{ {'a': {}}['a'] }}", "}}{}"}));

INSTANTIATE_TEST_SUITE_P(
    Expressions, Renders,
    testing::Values(
        Case{"{{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 3 ** 2 }}",
             "3 -4 2 3.5 64"},
        Case{"{{ 1e16 }} {{ 1e-5 }} {{ 0.1 + 0.2 }} {{ 100.0 }} {{ 1e15 }}",
             "1e+16 1e-05 0.30000000000000004 100.0 1000000000000000.0"},
        Case{"{{ 'a' ~ 1 + 2 }}",
             "ERROR chat template, line 1: '+' has no meaning between str and int"},
        Case{"{{ 1 < 2 < 3 }} {{ 3 > 2 > 2 }} {{ 1 == 1.0 == true }}", "True False True"},
        Case{"{{ 'x' if false }}|{{ 1 if 0 else 2 }}", "|2"},
        Case{"{{ [1, 'a', none, true, 1.5, {'k': (1,)}] }}",
             "[1, 'a', None, True, 1.5, {'k': (1,)}]"},
        Case{"{{ \"it's\" }} {{ [\"it's\", 'q\"', 'a\\n\\x07'] }}",
             "it's [\"it's\", 'q\"', 'a\\n\\x07']"},
        Case{"{{ 'hello'[1:3] }} {{ 'hello'[::-1] }} {{ [1,2,3][-2:] }} {{ 'abc'[-1] }}",
             "el olleh [2, 3] c"},
        Case{"{{ '한국어'[1] }} {{ '한국어'|length }} {{ '한국어'[::-1] }}", "국 3 어국한"},
        Case{"{{ 'b' in 'abc' }} {{ 2 not in [1] }} {{ 'k' in {'k': 1} }}", "True True True"},
        Case{"{{ not true or true and false }}", "False"},
        Case{"{{ 'ab' * 2 }} {{ [0] * 2 }} {{ 'a' 'b' }}", "abab [0, 0] ab"},
        Case{"{{ -2 ** 2 }} {{ (-3)|abs }} {{ 5 is odd }}", "4 3 True"}));

INSTANTIATE_TEST_SUITE_P(
    Statements, Renders,
    testing::Values(
        Case{"{% for x in [1,2,3] %}{{ loop.index }}{{ loop.last }}{% if x == 2 %}{% break %}{% "
             "endif %}"
             "{% endfor %}",
             "1False2False"},
        Case{"{% for x in [] %}a{% else %}none{% endfor %}", "none"},
        Case{"{% for x in [1,2,3,4] if x is even %}{{ x }}/{{ loop.length }} {% endfor %}",
             "2/2 4/2 "},
        Case{"{% set n = namespace(x=0) %}{% for i in range(3) %}{% set n.x = n.x + i %}{% endfor "
             "%}{{ n.x }}",
             "3"},
        Case{"{% set x = 1 %}{% for i in [1] %}{% set x = 2 %}{% endfor %}{{ x }}", "1"},
        Case{"{% if true %}{% set x = 2 %}{% endif %}{{ x }}", "2"},
        Case{"{% macro m(a, b=2, c=b) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(1) }} {{ m(1, c=5) "
             "}}",
             "122 125"},
        Case{
            "{% macro m() %}<{{ caller('x') }}>{% endmacro %}{% call(v) m() %}{{ v }}{% endcall %}",
            "<x>"},
        Case{"{% macro m(a) %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, z=3) }}",
             "(2,){'z': 3}"},
        Case{"{% set a, b = 1, 2 %}{{ b }}{{ a }}", "21"},
        Case{"{% set t %}x{{ 1 }}{% endset %}{{ t }}{{ t is string }}", "x1True"},
        Case{"{% filter upper %}abc{% endfilter %}{% set q | trim %}  z {% endset %}{{ q }}",
             "ABCz"},
        Case{"{% with a = 1 %}{{ a }}{% endwith %}{{ a is defined }}", "1False"},
        Case{"{% generation %}g{% set z = 1 %}{% endgeneration %}{{ z is defined }}", "gFalse"},
        Case{"{% for k, v in {'a': 1}.items() %}{{ k }}{{ v }}{% endfor %}", "a1"},
        Case{"{% for x in 'ab' %}{{ loop.previtem }}{{ x }}{{ loop.nextitem }}-{% endfor %}",
             "ab-ab-"},
        Case{"{% for x in [1,1,2] %}{{ loop.changed(x) }}{{ loop.cycle('a','b') }} {% endfor %}",
             "Truea Falseb Truea "}));

INSTANTIATE_TEST_SUITE_P(
    Builtins, Renders,
    testing::Values(
        Case{"{{ {'b': [1, 2.0, none, true], 'a': '한\"\\n'} | tojson }}",
             "{\"b\": [1, 2.0, null, true], \"a\": \"한\\\"\\n\"}"},
        Case{"{{ {'b': 1, 'a': []} | tojson(indent=2, sort_keys=true) }}",
             "{\n  \"a\": [],\n  \"b\": 1\n}"},
        Case{"{{ '한' | tojson(ensure_ascii=true) }} {{ [1,2] | tojson(separators=(',', ':')) }}",
             "\"\\ud55c\" [1,2]"},
        Case{"{{ ' x '.strip() }}|{{ 'xxay'.lstrip('x') }}|{{ 'a,b,c'.split(',', 1) }}|{{ 'a "
             "b'.split() }}",
             "x|ay|['a', 'b,c']|['a', 'b']"},
        Case{"{{ 'a-b-c'.rsplit('-', 1) }} {{ 'abc'.startswith(('x', 'a')) }} {{ "
             "'abab'.replace('a', 'x', 1) }}",
             "['a-b', 'c'] True xbab"},
        Case{"{{ 'hello world'.title() }} {{ 'ß'|upper }} {{ 'ABC'|lower }} {{ 'hELLO'|capitalize "
             "}}",
             "Hello World SS abc Hello"},
        Case{"{{ 'abcabc'.find('c') }} {{ 'abcabc'.rfind('c') }} {{ 'aaa'.count('a') }} {{ "
             "'-'.join(['a','b']) }}",
             "2 5 3 a-b"},
        Case{"{{ [{'r': 'u', 'n': 1}, {'r': 'a', 'n': 2}] | selectattr('r', 'equalto', 'a') | "
             "map(attribute='n') | list }}",
             "[2]"},
        Case{"{{ [3, 1, 2] | sort }} {{ {'b': 1, 'A': 2} | dictsort }} {{ ['a', 'A', 'b'] | unique "
             "| list }}",
             "[1, 2, 3] [('A', 2), ('b', 1)] ['a', 'b']"},
        Case{"{{ [1,2,3] | first }}{{ [1,2,3] | last }}{{ [1,2,3] | sum }}{{ [1,2] | min }}{{ "
             "'abc' | reverse }}",
             "1361cba"},
        Case{"{{ '3.7' | int }} {{ 'x' | int(5) }} {{ '2.5' | float }} {{ 2.5 | round }} {{ 2.567 "
             "| round(2) }}",
             "3 5 2.5 2.0 2.57"},
        Case{"{{ 'a\nb\n\nc' | indent(2) }}", "a\n  b\n\n  c"},
        Case{"{{ '%s-%05.1f-%d' | format('x', 2.25, 7) }} {{ '{}-{a:>4}'.format(1, a='z') }}",
             "x-002.2-7 1-   z"},
        Case{"{{ x | default('d') }} {{ '' | default('e', true) }} {{ x is defined }} [{{ x }}] {{ "
             "x | length }}",
             "d e False [] 0"},
        Case{"{{ '<' | escape }} {{ ('<'|safe) + '<' }} {{ ('<'|safe) ~ '<' }}", "&lt; <&lt; <<"},
        Case{"{{ (1, 2) is sequence }} {{ {} is mapping }} {{ 'a' is iterable }} {{ 1 is number }} "
             "{{ true is integer }}",
             "True True True True False"},
        Case{"{{ [1, 2, 3, 4, 5] | batch(2) | list }} {{ dict(a=1) }} {{ range(1, 7, 2) | list }}",
             "[[1, 2], [3, 4], [5]] {'a': 1} [1, 3, 5]"},
        Case{"{{ 'a b  c'.partition(' ') }} {{ 'x'.removesuffix('x') }} {{ '12'.isdigit() }}",
             "('a', ' ', 'b  c')  True"}));

TEST(ChatTemplate, ErrorsNameTheLine) {
  EXPECT_THAT(error_of("a\n{{ x.y }}"), HasSubstr("line 2: 'x' is undefined"));
  EXPECT_THAT(error_of("{{ 'a' | no_such }}"),
              HasSubstr("line 1, column 10: the filter 'no_such'"));
  EXPECT_THAT(error_of("{% include 'x' %}"), HasSubstr("the tag 'include' is not supported"));
  EXPECT_THAT(error_of("{% if 1 %}"), HasSubstr("'endif' is missing"));
  EXPECT_THAT(error_of("{{ 1 +"), HasSubstr("no end"));
  EXPECT_THAT(error_of("{{ 9223372036854775807 + 1 }}"), HasSubstr("64 bits"));
  EXPECT_THAT(error_of("{{ [].append(1) }}"), HasSubstr("sandbox forbids 'append'"));
  EXPECT_THAT(error_of("{{ {}.update(1) }}"), HasSubstr("sandbox forbids 'update'"));
  EXPECT_THAT(error_of("{{ ''.__class__.__mro__ }}"), HasSubstr("has no '__class__'"));
  EXPECT_EQ(error_of("{{ raise_exception('my own words') }}"), "my own words");
}

TEST(ChatTemplate, AFilterOfAnUntakenBranchNeedNotExist) {
  EXPECT_EQ(text_of("{% if false %}{{ 1 | from_json }}{% endif %}ok"), "ok");
}

TEST(ChatTemplate, TimeIsWhatTheCallerSays) {
  const auto compiled = ChatTemplate::compile("{{ strftime_now('%d %b %Y %-d %H:%M%Z') }}");
  TemplateInput input;
  input.now_unix_seconds = 1'753'920'000;
  EXPECT_EQ(*compiled->render_text(input), "31 Jul 2025 31 00:00");
}

TEST(ChatTemplate, MarksWhatCameFromMessages) {
  const char* messages = R"([{"role": "user", "content": " <|end|> "}])";
  EXPECT_EQ(
      marked("{{ bos_token }}<|{{ messages[0].role }}|>{{ messages[0].content | trim }}<|end|>",
             messages),
      "[<s><|user|>](<|end|>)[<|end|>]");
  EXPECT_EQ(marked("{{ messages[0].content[2:4] ~ 'x' }}", messages), "(|e)[x]");
  EXPECT_EQ(marked("{{ messages[0].content.split('|') | join('#') | upper }}", messages),
            "( <)[#](END)[#](> )");
  EXPECT_EQ(marked("{{ messages[0].content.replace('end', 'END') }}", messages), "( <|)[END](|> )");
  EXPECT_EQ(marked("{{ [1] | tojson }}{{ messages[0].content | tojson }}", messages),
            "[[1]](\" <|end|> \")");
  EXPECT_EQ(marked("{% set x %}{{ messages[0].content }}{% endset %}a{{ x }}", messages),
            "[a]( <|end|> )");
  EXPECT_EQ(marked("{% for k in messages[0] %}{{ k }}{% endfor %}", messages), "(rolecontent)");
  EXPECT_EQ(marked("{{ messages[0].role }}", R"([{"role": "<|end|>"}])"), "(<|end|>)");
  EXPECT_EQ(marked("{{ '%s!' % messages[0].content }}{{ messages[0].content | e }}", messages),
            "( <|end|> )[!]( &lt;|end|&gt; )");
}

TEST(ChatTemplate, FormatsFromInputAreNeverTrusted) {
  const char* messages = R"([{"role": "user", "content": "{:<^3}%s|"}])";
  EXPECT_EQ(marked("{{ messages[0].content.format(1) }}", messages), "(<1<%s|)");
  EXPECT_EQ(marked("{{ messages[0].content % 1 }}", messages), "({:<^3}1|)");
  EXPECT_EQ(marked("{{ [1, 2] | tojson(separators=(messages[0].content, '')) }}", messages),
            "([1{:<^3}%s|2])");
}

// Sources that would take all memory, all time or the whole stack.
TEST(ChatTemplate, StaysWithinItsLimits) {
  TemplateLimits limits;
  limits.max_steps = 200'000;
  limits.max_output_bytes = 1 << 16;
  limits.max_memory_bytes = 1 << 22;
  const std::vector<std::string> hostile = {
      "{{ 'a' * 1000000000 }}",
      "{{ [0] * 1000000000 }}",
      "{{ range(1000000000) }}",
      "{{ '%1000000000d' % 1 }}",
      "{{ 'a'.center(1000000000) }}",
      "{{ ['a' * 60000] * 1000 | join }}",
      "{{ (['a' * 60000] * 1000) | join }}",
      "{{ ('a' * 60000).replace('a', 'b' * 60000) }}",
      "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
      "{% for i in range(99999) %}aaaaaaaaaa{% endfor %}",
      "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
      "{% macro m(x) %}{{ m(x)|upper|lower }}{% endmacro %}{{ m(1) }}",
      "{% set n = namespace(x=[]) %}{% for i in range(9999) %}{% set n.x = [n.x] %}{% endfor %}{{ "
      "n.x }}",
      "{% set n = namespace(x=[1]) %}{% for i in range(99) %}{% set n.x = [n.x, n.x] %}{% endfor "
      "%}{{ n.x }}",
      "{% set n = namespace(x=[1]) %}{% for i in range(99) %}{% set n.x = [n.x, n.x] %}{% endfor "
      "%}{{ n.x == [n.x, 1] }}{{ n.x | tojson }}",
      "{% set n = namespace(x='ab') %}{% for i in range(99) %}{% set n.x = n.x + n.x %}{% endfor "
      "%}",
      "{% set n = namespace(x={}) %}{% for i in range(9999) %}{% set n.x = {'a': n.x}.get %}{% "
      "endfor %}",
      "{{ [1] | batch(1000000000, 0) | list }}",
      "{{ 'x' | indent(1000000000) }}",
      "{{ 10 ** 1000000000 }}",
  };
  for (const std::string& source : hostile) {
    const auto result = render(source, "{}", limits);
    EXPECT_FALSE(result.has_value()) << source << " gave " << result->substr(0, 100);
  }
}

// Each level of a macro's recursion stands inside as many blocks and brackets as parse.
TEST(ChatTemplate, DeepRecursionIsAnError) {
  const auto recursion = [](std::string_view open, std::string_view call, std::string_view close) {
    std::string source = "{% macro m(x) %}";
    for (int i = 0; i < 50; ++i) source += open;
    source += call;
    for (int i = 0; i < 50; ++i) source += close;
    return source + "{% endmacro %}{{ m(1) }}";
  };
  for (const std::string& source :
       {recursion("{% if x %}", "{{ m(x) }}", "{% endif %}"),
        recursion("{% for i in [1] %}", "{{ m(x) }}", "{% endfor %}"),
        recursion("{% filter upper %}", "{{ m(x) }}", "{% endfilter %}"),
        recursion("{% set a %}", "{{ m(x) }}", "{% endset %}")}) {
    EXPECT_THAT(error_of(source), HasSubstr("too deeply")) << source;
  }
  std::string brackets = "{% macro m(x) %}{{ ";
  for (int i = 0; i < 100; ++i) brackets += "[1, ";
  brackets += "m(x)";
  for (int i = 0; i < 100; ++i) brackets += "]";
  EXPECT_THAT(error_of(brackets + " }}{% endmacro %}{{ m(1) }}"), HasSubstr("too deeply"));
}

TEST(ChatTemplate, CyclesAreFreed) {
  EXPECT_EQ(text_of("{% set n = namespace() %}{% set n.me = n %}{% set n.l = [n] %}"
                    "{% macro m() %}{% endmacro %}{% set n.m = m %}"
                    "{% for x in [1] %}{% set n.loop = loop %}{{ loop.changed(loop) }}{% endfor %}"
                    "{{ n.loop.changed(n) }}"),
            "TrueTrue");
}

TEST(ChatTemplate, DeepSourcesAreRefused) {
  const auto repeat = [](std::string_view text, size_t n) {
    std::string out;
    for (size_t i = 0; i < n; ++i) out += text;
    return out;
  };
  for (const std::string& source :
       {"{{ " + repeat("(", 50'000), "{{ " + repeat("[", 900) + repeat("]", 900) + " }}",
        "{{ " + repeat("not ", 50'000) + "x }}", "{{ " + repeat("-", 50'000) + "1 }}",
        "{{ x" + repeat(".a", 50'000) + " }}", "{{ 1" + repeat("+1", 50'000) + " }}",
        "{{ x" + repeat("|trim", 50'000) + " }}", repeat("{% if 1 %}", 50'000),
        "{{ 1" + repeat(" if 1 else 2", 50'000) + " }}", "{% set " + repeat("(", 50'000),
        "{{ x" + repeat(" is not defined", 50'000) + " }}"}) {
    EXPECT_FALSE(ChatTemplate::compile(source).has_value()) << source.substr(0, 30);
  }
}

TEST(ChatTemplate, InputBeyondTheLimitsIsAnError) {
  std::string deep = std::string(100, '[') + std::string(100, ']');
  EXPECT_EQ(text_of("{{ x | length }}", "{\"x\": " + deep + "}"), "1");
  EXPECT_THAT(error_of("{{ x }}", R"({"x": 18446744073709551615})"), HasSubstr("64 bits"));
  EXPECT_FALSE(ChatTemplate::compile("\xff").has_value());
}

}  // namespace
}  // namespace maru::text
