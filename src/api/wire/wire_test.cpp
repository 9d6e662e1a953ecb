// Wire parsing without a server: what is accepted, what is refused, and which field is named.
#include <gtest/gtest.h>

#include <fstream>
#include <map>

#include "api/wire/answers.h"
#include "api/wire/body.h"
#include "api/wire/encode_requests.h"
#include "api/wire/requests.h"
#include "base/files.h"
#include "base/json.h"

namespace maru::api {
namespace {

Json chat_body() {
  return Json{{"model", "m"}, {"messages", {{{"role", "user"}, {"content", "hi"}}}}};
}

// {param, code} of the refusal; empty if accepted.
std::pair<std::string, std::string> refusal_of_chat(const Json& body) {
  Problems problems;
  parse_chat(body, problems);
  if (!problems.any()) return {};
  EXPECT_EQ(problems.first().status, 400);
  return {problems.first().param, problems.first().code};
}

std::pair<std::string, std::string> refusal_of(const char* field, Json value) {
  Json body = chat_body();
  body[field] = std::move(value);
  return refusal_of_chat(body);
}

std::pair<std::string, std::string> refusal_of_completion(const Json& body) {
  Problems problems;
  parse_completion(body, problems);
  if (!problems.any()) return {};
  return {problems.first().param, problems.first().code};
}

const std::pair<std::string, std::string> kAccepted;

TEST(Body, NamesTheFieldOfANumberThatIsNone) {
  for (const char* value : {"NaN", "Infinity", "-Infinity", "1e400", "-1e400"}) {
    const auto body = parse_body(std::string(R"({"model":"m","temperature":)") + value + "}");
    ASSERT_FALSE(body) << value;
    EXPECT_EQ(body.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(body.error().param, "temperature") << value << ": " << body.error().message;
  }
  const auto nested = parse_body(R"({"logit_bias":{"5":1e999}})");
  ASSERT_FALSE(nested);
  EXPECT_EQ(nested.error().param, "logit_bias");
}

TEST(Body, SaysWhereBadJsonIs) {
  for (const char* bad : {"", "{", "[1,2", "{\"a\" 1}", "{\"a\":1}}", "nul", "{'a':1}", "\"",
                          "{\"a\":\"\xff\"}", "{\"a\":1,}", "\xef\xbb\xbf{"}) {
    const auto body = parse_body(bad);
    ASSERT_FALSE(body) << bad;
    EXPECT_EQ(body.error().param, "") << bad;
    EXPECT_NE(body.error().message.find("byte"), std::string::npos) << body.error().message;
  }
  for (const char* no_object : {"[]", "1", "null", "\"text\""}) {
    ASSERT_FALSE(parse_body(no_object)) << no_object;
  }
}

TEST(Body, BoundsNestingAndKeys) {
  const std::string deep(100'000, '[');
  ASSERT_FALSE(parse_body(deep));
  const auto in_field = parse_body(R"({"messages":)" + deep);
  ASSERT_FALSE(in_field);
  EXPECT_EQ(in_field.error().param, "messages");
  std::string many = R"({"logit_bias":{)";
  for (int i = 0; i < 20'000; ++i) many += "\"" + std::to_string(i) + "\":0,";
  const auto keys = parse_body(many + R"("x":0}})");
  ASSERT_FALSE(keys);
  EXPECT_EQ(keys.error().param, "logit_bias");
}

TEST(Chat, ReadsEveryParameter) {
  Json body = chat_body();
  body.update(Json{{"temperature", 0.5},
                   {"top_p", 0.25},
                   {"top_k", 7},
                   {"min_p", 0.125},
                   {"typical_p", 0.75},
                   {"seed", -3},
                   {"stop", {"a", "b"}},
                   {"n", 2},
                   {"max_completion_tokens", 9},
                   {"presence_penalty", -2},
                   {"frequency_penalty", 2},
                   {"repetition_penalty", 1.5},
                   {"logit_bias", {{"5", -100}, {"6", 1.5}}},
                   {"ignore_eos", true},
                   {"logprobs", true},
                   {"top_logprobs", 4},
                   {"stream", true},
                   {"stream_options", {{"include_usage", true}}},
                   {"user", "u"},
                   {"chat_template_kwargs", {{"enable_thinking", false}}}});
  Problems problems;
  const GenerationCall call = parse_chat(body, problems);
  ASSERT_FALSE(problems.any()) << problems.first().message;
  const engine::SamplingParams& s = call.base.sampling;
  EXPECT_EQ(s.temperature, 0.5f);
  EXPECT_EQ(s.top_p, 0.25f);
  EXPECT_EQ(s.top_k, 7);
  EXPECT_EQ(s.min_p, 0.125f);
  EXPECT_EQ(s.typical_p, 0.75f);
  EXPECT_EQ(s.seed, static_cast<uint64_t>(-3));
  EXPECT_TRUE(call.has_seed);
  EXPECT_EQ(s.presence_penalty, -2.0f);
  EXPECT_EQ(s.frequency_penalty, 2.0f);
  EXPECT_EQ(s.repetition_penalty, 1.5f);
  EXPECT_EQ(s.logit_bias, (std::vector<std::pair<text::TokenId, float>>{{5, -100.0f}, {6, 1.5f}}));
  EXPECT_EQ(call.base.stop, (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(call.base.ignore_eos);
  EXPECT_EQ(call.n, 2u);
  EXPECT_EQ(call.base.max_tokens, 9u);
  EXPECT_TRUE(call.base.logprobs);
  EXPECT_EQ(call.base.n_top_logprobs, 4u);
  EXPECT_TRUE(call.stream);
  EXPECT_TRUE(call.include_usage);
  EXPECT_EQ((*std::get<service::ChatPrompt>(call.prompts.at(0)).extra)["enable_thinking"], false);
}

TEST(Chat, TakesTheBoundsAndRefusesWhatLiesBeyond) {
  struct Bound {
    const char* field;
    Json inside[2];
    Json outside[2];
  };
  const Bound bounds[] = {
      {"temperature", {0, 2}, {-0.001, 2.001}},
      {"top_p", {0, 1}, {-0.1, 1.1}},
      {"min_p", {0, 1.0}, {-1, 2}},
      {"typical_p", {0.1, 1}, {-0.1, 1.1}},
      {"top_k", {-1, 2147483647}, {-2, 2147483648}},
      {"seed", {INT64_MIN, INT64_MAX}, {1180591620717411303424.0, 9223372036854775808u}},
      {"n", {1, 16}, {0, 17}},
      {"max_tokens", {1, 2147483647}, {0, 2147483648}},
      {"max_completion_tokens", {1, 100}, {-1, 1e300}},
      {"presence_penalty", {-2, 2}, {-2.1, 2.1}},
      {"frequency_penalty", {-2, 2}, {-2.1, 1e308}},
      {"repetition_penalty", {0.01, 10}, {0, 11}},
  };
  for (const Bound& bound : bounds) {
    for (const Json& value : bound.inside) {
      EXPECT_EQ(refusal_of(bound.field, value), kAccepted) << bound.field << value;
    }
    for (const Json& value : bound.outside) {
      EXPECT_EQ(refusal_of(bound.field, value),
                std::pair(std::string(bound.field), std::string("invalid_value")))
          << bound.field << value;
    }
    for (const Json& value : {Json("1"), Json(true), Json::array({1}), Json::object()}) {
      EXPECT_EQ(refusal_of(bound.field, value),
                std::pair(std::string(bound.field), std::string("invalid_type")))
          << bound.field << value;
    }
  }
  EXPECT_EQ(refusal_of("n", 1.5).second, "invalid_value");
}

TEST(Chat, AcceptsWhatAsksForNothing) {
  const std::pair<const char*, Json> neutral[] = {{"store", false},
                                                  {"metadata", {{"a", "b"}}},
                                                  {"service_tier", "auto"},
                                                  {"service_tier", "default"},
                                                  {"parallel_tool_calls", true},
                                                  {"response_format", {{"type", "text"}}},
                                                  {"modalities", Json::array({"text"})},
                                                  {"tools", Json::array()},
                                                  {"tool_choice", "none"},
                                                  {"tool_choice", "auto"},
                                                  {"functions", Json::array()},
                                                  {"function_call", "none"},
                                                  {"safety_identifier", "x"},
                                                  {"prompt_cache_key", "x"},
                                                  {"stop", Json::array()},
                                                  {"logit_bias", Json::object()},
                                                  {"logprobs", false},
                                                  {"top_logprobs", 0},
                                                  {"stream", false}};
  for (const auto& [field, value] : neutral) {
    EXPECT_EQ(refusal_of(field, value), kAccepted) << field << value;
  }
  for (const FieldSpec& spec : chat_fields()) {
    if (std::string_view(spec.name) == "messages" || std::string_view(spec.name) == "model")
      continue;
    EXPECT_EQ(refusal_of(spec.name, nullptr), kAccepted) << spec.name;
  }
}

TEST(Chat, RefusesByNameWhatItCannotDo) {
  const Json tool = {{"type", "function"}, {"function", {{"name", "f"}}}};
  const std::pair<const char*, Json> impossible[] = {{"store", true},
                                                     {"service_tier", "flex"},
                                                     {"parallel_tool_calls", false},
                                                     {"response_format", {{"type", "json_object"}}},
                                                     {"modalities", {"text", "audio"}},
                                                     {"tools", Json::array({tool})},
                                                     {"tool_choice", "required"},
                                                     {"functions", Json::array({tool})},
                                                     {"function_call", "auto"},
                                                     {"audio", {{"voice", "x"}}},
                                                     {"prediction", {{"type", "content"}}},
                                                     {"reasoning_effort", "low"},
                                                     {"verbosity", "low"},
                                                     {"web_search_options", Json::object()}};
  for (const auto& [field, value] : impossible) {
    EXPECT_EQ(refusal_of(field, value),
              std::pair(std::string(field), std::string("unsupported_parameter")))
        << field << value;
  }
  EXPECT_EQ(refusal_of("temprature", 1),
            std::pair(std::string("temprature"), std::string("unknown_parameter")));
  Json body = chat_body();
  body["tools"] = Json::array({tool});
  body["tool_choice"] = "none";
  EXPECT_EQ(refusal_of_chat(body), kAccepted);
}

TEST(Chat, NamesWhatIsWrongInsideMessages) {
  const auto refusal = [](const char* message) {
    Json body = chat_body();
    body["messages"].push_back(Json::parse(message));
    return refusal_of_chat(body).first;
  };
  EXPECT_EQ(refusal(R"({"role":"wizard","content":"x"})"), "messages[1].role");
  EXPECT_EQ(refusal(R"({"content":"x"})"), "messages[1].role");
  EXPECT_EQ(refusal(R"({"role":5,"content":"x"})"), "messages[1].role");
  EXPECT_EQ(refusal(R"({"role":"user"})"), "messages[1].content");
  EXPECT_EQ(refusal(R"({"role":"user","content":7})"), "messages[1].content");
  EXPECT_EQ(refusal(R"({"role":"user","content":[]})"), "messages[1].content");
  EXPECT_EQ(refusal(R"({"role":"user","content":["x"]})"), "messages[1].content[0]");
  EXPECT_EQ(
      refusal(
          R"({"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{}}]})"),
      "messages[1].content[1].type");
  EXPECT_EQ(refusal(R"({"role":"user","content":[{"type":"text","text":5}]})"),
            "messages[1].content[0].text");
  EXPECT_EQ(refusal(R"({"role":"user","content":"x","mood":"x"})"), "messages[1].mood");
  EXPECT_EQ(refusal(R"({"role":"user","content":"x","tool_calls":[]})"), "messages[1].tool_calls");
  EXPECT_EQ(refusal(R"({"role":"tool","content":"x"})"), "messages[1].tool_call_id");
  EXPECT_EQ(refusal(R"({"role":"function","content":"x"})"), "messages[1].name");
  EXPECT_EQ(refusal(R"({"role":"assistant"})"), "messages[1].content");
  EXPECT_EQ(
      refusal(
          R"({"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"f"}}]})"),
      "messages[1].tool_calls[0].function.arguments");
  EXPECT_EQ(refusal("5"), "messages[1]");
  EXPECT_EQ(refusal_of("messages", Json::array()).first, "messages");
  EXPECT_EQ(refusal_of("messages", "hi").first, "messages");
  EXPECT_EQ(refusal_of("messages", nullptr).second, "missing_required_parameter");
  EXPECT_EQ(refusal_of("model", nullptr).first, "model");
}

TEST(Chat, GivesMessagesAsTemplatesWantThem) {
  Json body = chat_body();
  body["messages"] = Json::parse(R"([
    {"role":"developer","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}],"name":"n"},
    {"role":"assistant","content":null,"refusal":null,"annotations":[],
     "tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"x\":1}"}},
                   {"id":"d","type":"function","function":{"name":"g","arguments":"oops"}}]},
    {"role":"tool","tool_call_id":"c","content":"result"}])");
  Problems problems;
  const GenerationCall call = parse_chat(body, problems);
  ASSERT_FALSE(problems.any()) << problems.first().message;
  const Json& messages = *std::get<service::ChatPrompt>(call.prompts.at(0)).messages;
  EXPECT_EQ(messages[0]["content"], "a\nb");
  EXPECT_EQ(messages[0]["name"], "n");
  EXPECT_EQ(messages[1]["content"], "");
  EXPECT_EQ(messages[1]["tool_calls"][0]["function"]["arguments"], (Json{{"x", 1}}));
  EXPECT_EQ(messages[1]["tool_calls"][1]["function"]["arguments"], "oops");
  EXPECT_EQ(messages[2]["tool_call_id"], "c");
}

TEST(Chat, ChecksWhatBelongsTogether) {
  EXPECT_EQ(refusal_of("top_logprobs", 3).first, "top_logprobs");
  EXPECT_EQ(refusal_of("stream_options", {{"include_usage", true}}).first, "stream_options");
  Json body = chat_body();
  body["max_tokens"] = 5;
  body["max_completion_tokens"] = 6;
  EXPECT_EQ(refusal_of_chat(body).first, "max_tokens");
  EXPECT_EQ(refusal_of("stop", {"a", "b", "c", "d", "e"}).first, "stop");
  EXPECT_EQ(refusal_of("stop", "").first, "stop");
  EXPECT_EQ(refusal_of("stop", Json::array({5})).first, "stop");
  for (const char* key : {"x", "-1", "1.0", "", "99999999999999999999", " 1"}) {
    EXPECT_EQ(refusal_of("logit_bias", {{key, 1}}).first, "logit_bias") << key;
  }
  for (const Json& value : {Json(100.5), Json("1"), Json(nullptr), Json(-101)}) {
    EXPECT_EQ(refusal_of("logit_bias", {{"1", value}}).first, "logit_bias");
  }
  EXPECT_EQ(refusal_of("chat_template_kwargs", {{"messages", 1}}).first,
            "chat_template_kwargs.messages");
}

TEST(Completion, TakesAllFormsOfPrompts) {
  const auto prompts_of = [](Json prompt) {
    Problems problems;
    const auto call =
        parse_completion(Json{{"model", "m"}, {"prompt", std::move(prompt)}}, problems);
    EXPECT_FALSE(problems.any());
    return call.prompts;
  };
  EXPECT_EQ(std::get<std::string>(prompts_of("a").at(0)), "a");
  EXPECT_EQ(prompts_of({"a", "b"}).size(), 2u);
  EXPECT_EQ(std::get<std::vector<text::TokenId>>(prompts_of({1, 2}).at(0)),
            (std::vector<text::TokenId>{1, 2}));
  EXPECT_EQ(prompts_of({{1, 2}, {3}}).size(), 2u);
}

TEST(Completion, NamesWhatIsWrong) {
  const auto refusal = [](const char* field, Json value) {
    Json body{{"model", "m"}, {"prompt", "x"}};
    body[field] = std::move(value);
    return refusal_of_completion(body);
  };
  using Pair = std::pair<std::string, std::string>;
  EXPECT_EQ(refusal("prompt", Json::array()), Pair("prompt", "invalid_value"));
  EXPECT_EQ(refusal("prompt", 5), Pair("prompt", "invalid_type"));
  EXPECT_EQ(refusal("prompt", nullptr), Pair("prompt", "missing_required_parameter"));
  EXPECT_EQ(refusal("prompt", {1, -2}), Pair("prompt[1]", "invalid_value"));
  EXPECT_EQ(refusal("prompt", {1, 1.5}), Pair("prompt[1]", "invalid_value"));
  EXPECT_EQ(refusal("prompt", {1, "a"}), Pair("prompt[1]", "invalid_type"));
  EXPECT_EQ(refusal("prompt", {"a", 1}), Pair("prompt[1]", "invalid_type"));
  EXPECT_EQ(refusal("prompt", Json::parse("[[1],[]]")), Pair("prompt[1]", "invalid_value"));
  EXPECT_EQ(refusal("prompt", Json::parse("[[1],[1,\"a\"]]")),
            Pair("prompt[1][1]", "invalid_type"));
  EXPECT_EQ(refusal("suffix", "x"), Pair("suffix", "unsupported_parameter"));
  EXPECT_EQ(refusal("logprobs", 6), Pair("logprobs", "invalid_value"));
  EXPECT_EQ(refusal("logprobs", true), Pair("logprobs", "invalid_type"));
  EXPECT_EQ(refusal("max_tokens", -1), Pair("max_tokens", "invalid_value"));
  EXPECT_EQ(refusal("best_of", 2), Pair("best_of", "unsupported_parameter"));
  EXPECT_EQ(refusal("messages", Json::array()), Pair("messages", "unknown_parameter"));
  Json body{{"model", "m"}, {"prompt", "x"}, {"n", 3}, {"best_of", 3}};
  EXPECT_EQ(refusal_of_completion(body), Pair());
  body["best_of"] = 2;
  EXPECT_EQ(refusal_of_completion(body), Pair("best_of", "invalid_value"));
}

TEST(Answers, PrintBytesThatAreNoCharacters) {
  EXPECT_EQ(token_string("안"), "안");
  EXPECT_EQ(token_string("\xe2\x80"), "bytes:\\xe2\\x80");
}

TEST(Answers, CountOffsetsInCharacters) {
  auto format = make_completion_format({"id", "m", 1, true, 0, false});
  std::vector<Answer> answers(1);
  answers[0].text = "안a";
  for (const char* bytes : {"\xec", "\x95\x88", "a"}) {
    service::TextLogprob item;
    item.bytes = bytes;
    item.logprob = -1;
    answers[0].logprobs.push_back(item);
  }
  answers[0].logprobs[0].has_logprob = false;
  const Json json = Json::parse(format->whole(answers, {}));
  const Json& logprobs = json["choices"][0]["logprobs"];
  EXPECT_EQ(logprobs["text_offset"], Json::array({0, 0, 1}));
  EXPECT_EQ(logprobs["tokens"][0], "bytes:\\xec");
  EXPECT_EQ(logprobs["token_logprobs"], Json::array({nullptr, -1.0, -1.0}));
  EXPECT_EQ(logprobs["top_logprobs"], nullptr);
}

TEST(Answers, NeverPrintAnInfiniteNumber) {
  auto format = make_chat_format({"id", "m", 1, true, 0, false});
  std::vector<Answer> answers(1);
  service::TextLogprob item;
  item.bytes = "a";
  item.logprob = -std::numeric_limits<float>::infinity();
  answers[0].logprobs.push_back(item);
  const Json json = Json::parse(format->whole(answers, {}));
  EXPECT_EQ(json["choices"][0]["logprobs"]["content"][0]["logprob"], -9999.0);
}

// The page's tables hold a row "| `field` | support | ..." for every field of the parsers' tables.
TEST(Compatibility, PageAndParsersAgree) {
  const auto page = read_file(MARU_SOURCE_DIR "/docs/api/compatibility.md", size_t{1} << 20);
  ASSERT_TRUE(page) << page.error().message;
  std::map<std::string, std::map<std::string, std::string>> tables;
  std::istringstream lines(*page);
  std::string section;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("## ")) section = line.substr(3);
    if (!line.starts_with("| `")) continue;
    const size_t name_end = line.find('`', 3);
    const size_t support_begin = line.find("| ", name_end) + 2;
    const size_t support_end = line.find(" |", support_begin);
    tables[section][line.substr(3, name_end - 3)] =
        line.substr(support_begin, support_end - support_begin);
  }
  const auto expected = [](std::span<const FieldSpec> specs) {
    std::map<std::string, std::string> table;
    for (const FieldSpec& spec : specs) table[spec.name] = support_name(spec.support);
    return table;
  };
  EXPECT_EQ(tables["POST /v1/chat/completions"], expected(chat_fields()));
  EXPECT_EQ(tables["POST /v1/completions"], expected(completion_fields()));
  EXPECT_EQ(tables["POST /v1/embeddings"], expected(embedding_fields()));
  EXPECT_EQ(tables["POST /v1/rerank"], expected(rerank_fields()));
}

}  // namespace
}  // namespace maru::api
