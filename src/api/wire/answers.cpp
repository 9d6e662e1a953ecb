#include "api/wire/answers.h"

#include <cmath>
#include <random>

#include "base/json.h"
#include "base/log.h"
#include "base/utf8.h"

namespace maru::api {
namespace {

constexpr float kLeastLogprob = -9999.0f;  // OpenAI's stand-in for "never"; JSON has no infinity

Json logprob_value(float logprob) {
  return std::isfinite(logprob) ? Json(logprob) : Json(kLeastLogprob);
}

const char* reason_name(service::FinishReason reason) {
  return reason == service::FinishReason::kLength ? "length" : "stop";
}

Json usage_json(const TotalUsage& usage) {
  Json json;
  json["prompt_tokens"] = usage.prompt_tokens;
  json["completion_tokens"] = usage.completion_tokens;
  json["total_tokens"] = usage.prompt_tokens + usage.completion_tokens;
  json["prompt_tokens_details"] = {{"cached_tokens", usage.cached_tokens}, {"audio_tokens", 0}};
  json["completion_tokens_details"] = {{"reasoning_tokens", usage.reasoning_tokens},
                                       {"audio_tokens", 0},
                                       {"accepted_prediction_tokens", 0},
                                       {"rejected_prediction_tokens", 0}};
  return json;
}

Json bytes_json(std::string_view bytes) {
  Json array = Json::array();
  for (const char c : bytes) array.push_back(static_cast<uint8_t>(c));
  return array;
}

Json chat_token(std::string_view bytes, float logprob) {
  Json json;
  json["token"] = token_string(bytes);
  json["logprob"] = logprob_value(logprob);
  json["bytes"] = bytes_json(bytes);
  return json;
}

Json chat_logprobs(const std::vector<service::TextLogprob>& logprobs) {
  Json content = Json::array();
  for (const service::TextLogprob& item : logprobs) {
    Json token = chat_token(item.bytes, item.logprob);
    token["top_logprobs"] = Json::array();
    for (const auto& [bytes, logprob] : item.top) {
      token["top_logprobs"].push_back(chat_token(bytes, logprob));
    }
    content.push_back(std::move(token));
  }
  return {{"content", std::move(content)}, {"refusal", nullptr}};
}

class ChatFormat final : public AnswerFormat {
 public:
  using AnswerFormat::AnswerFormat;

  std::string whole(std::vector<Answer>& answers, const TotalUsage& usage) override {
    Json json = make_head("chat.completion");
    for (size_t i = 0; i < answers.size(); ++i) {
      Json choice;
      choice["index"] = i;
      choice["message"] = {{"role", "assistant"},
                           {"content", answers[i].text},
                           {"refusal", nullptr},
                           {"annotations", Json::array()}};
      choice["logprobs"] = head_.has_logprobs ? chat_logprobs(answers[i].logprobs) : Json(nullptr);
      choice["finish_reason"] = reason_name(answers[i].reason);
      json["choices"].push_back(std::move(choice));
    }
    json["usage"] = usage_json(usage);
    return dump_json(json);
  }

  std::string opening(uint32_t index) override {
    return chunk(index, {{"role", "assistant"}, {"content", ""}, {"refusal", nullptr}}, nullptr,
                 nullptr);
  }
  std::string delta(uint32_t index, Answer&, const std::string& text,
                    const std::vector<service::TextLogprob>& logprobs) override {
    return chunk(index, {{"content", text}},
                 head_.has_logprobs ? chat_logprobs(logprobs) : Json(nullptr), nullptr);
  }
  std::string closing(uint32_t index, service::FinishReason reason) override {
    return chunk(index, Json::object(), nullptr, reason_name(reason));
  }

 protected:
  const char* chunk_object() const override { return "chat.completion.chunk"; }

 private:
  std::string chunk(uint32_t index, Json delta, Json logprobs, Json reason) const {
    Json choice;
    choice["index"] = index;
    choice["delta"] = std::move(delta);
    choice["logprobs"] = std::move(logprobs);
    choice["finish_reason"] = std::move(reason);
    return make_chunk(std::move(choice));
  }
};

class CompletionFormat final : public AnswerFormat {
 public:
  using AnswerFormat::AnswerFormat;

  std::string whole(std::vector<Answer>& answers, const TotalUsage& usage) override {
    Json json = make_head("text_completion");
    for (uint32_t i = 0; i < answers.size(); ++i) {
      json["choices"].push_back(make_choice(i, answers[i], answers[i].text, answers[i].logprobs,
                                            reason_name(answers[i].reason)));
    }
    json["usage"] = usage_json(usage);
    return dump_json(json);
  }

  std::string opening(uint32_t) override { return {}; }
  std::string delta(uint32_t index, Answer& answer, const std::string& text,
                    const std::vector<service::TextLogprob>& logprobs) override {
    return make_chunk(make_choice(index, answer, text, logprobs, nullptr));
  }
  std::string closing(uint32_t index, service::FinishReason reason) override {
    Json choice;
    choice["index"] = index;
    choice["text"] = "";
    choice["logprobs"] = nullptr;
    choice["finish_reason"] = reason_name(reason);
    return make_chunk(std::move(choice));
  }

 protected:
  const char* chunk_object() const override { return "text_completion"; }

 private:
  Json make_choice(uint32_t index, Answer& answer, const std::string& text,
                   const std::vector<service::TextLogprob>& logprobs, Json reason) const {
    Json choice;
    choice["index"] = index;
    choice["text"] = text;
    choice["logprobs"] = head_.has_logprobs ? legacy_logprobs(answer, logprobs) : Json(nullptr);
    choice["finish_reason"] = std::move(reason);
    return choice;
  }

  // Parallel arrays; text_offset counts characters of the answer's text, echoed prompt included.
  Json legacy_logprobs(Answer& answer, const std::vector<service::TextLogprob>& items) const {
    Json tokens = Json::array(), logprobs = Json::array(), tops = Json::array(),
         offsets = Json::array();
    for (const service::TextLogprob& item : items) {
      tokens.push_back(token_string(item.bytes));
      offsets.push_back(answer.n_characters);
      advance(answer, item.bytes);
      logprobs.push_back(item.has_logprob ? logprob_value(item.logprob) : Json(nullptr));
      if (!item.has_logprob || head_.n_top_logprobs == 0) {
        tops.push_back(nullptr);
        continue;
      }
      Json top = Json::object();  // with the chosen token, which may be none of the most likely
      for (const auto& [bytes, logprob] : item.top) {
        top.emplace(token_string(bytes), logprob_value(logprob));
      }
      top.emplace(token_string(item.bytes), logprob_value(item.logprob));
      tops.push_back(std::move(top));
    }
    Json result;
    result["tokens"] = std::move(tokens);
    result["token_logprobs"] = std::move(logprobs);
    result["top_logprobs"] = head_.n_top_logprobs > 0 ? std::move(tops) : Json(nullptr);
    result["text_offset"] = std::move(offsets);
    return result;
  }

  static void advance(Answer& answer, std::string_view bytes) {
    answer.open_bytes += bytes;
    std::string_view rest = answer.open_bytes;
    const size_t n_open = utf8_incomplete_suffix(rest);
    rest.remove_suffix(n_open);
    while (!rest.empty()) {
      rest.remove_prefix(utf8_decode(rest).length);
      ++answer.n_characters;
    }
    answer.open_bytes.erase(0, answer.open_bytes.size() - n_open);
  }
};

}  // namespace

Json AnswerFormat::make_head(const char* object) const {
  Json json;
  json["id"] = head_.id;
  json["object"] = object;
  json["created"] = head_.created_unix_seconds;
  json["model"] = head_.model;
  json["system_fingerprint"] = "maru-" MARU_VERSION;
  json["choices"] = Json::array();
  return json;
}

std::string AnswerFormat::make_chunk(Json choice) const {
  Json json = make_head(chunk_object());
  json["choices"].push_back(std::move(choice));
  if (head_.include_usage) json["usage"] = nullptr;
  return dump_json(json);
}

std::string AnswerFormat::usage_chunk(const TotalUsage& usage) {
  Json json = make_head(chunk_object());
  json["usage"] = usage_json(usage);
  return dump_json(json);
}

std::unique_ptr<AnswerFormat> make_chat_format(AnswerHead head) {
  return std::make_unique<ChatFormat>(std::move(head));
}

std::unique_ptr<AnswerFormat> make_completion_format(AnswerHead head) {
  return std::make_unique<CompletionFormat>(std::move(head));
}

std::string token_string(std::string_view bytes) {
  if (utf8_is_valid(bytes)) return std::string(bytes);
  std::string text = "bytes:";
  for (const char c : bytes) text += fmt::format("\\x{:02x}", static_cast<uint8_t>(c));
  return text;
}

std::string make_answer_id(std::string_view prefix) {
  thread_local std::mt19937_64 random{std::random_device{}()};
  constexpr std::string_view kLetters =
      "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  std::uniform_int_distribution<size_t> any(0, kLetters.size() - 1);
  std::string id(prefix);
  for (int i = 0; i < 29; ++i) id += kLetters[any(random)];
  return id;
}

}  // namespace maru::api
