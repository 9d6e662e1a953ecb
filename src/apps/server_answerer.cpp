// Answers of a running server, over its OpenAI-compatible API.
#include <algorithm>

#include "apps/answerer.h"
#include "apps/files.h"
#include "apps/server_url.h"
#include "apps/sse_reader.h"
#include "apps/terminal.h"
#include "base/json.h"
#include "net/http_client.h"

namespace maru::apps {
namespace {

constexpr std::chrono::milliseconds kProbe{500};

std::vector<net::Header> headers(const service::Settings& settings) {
  std::vector<net::Header> out = {{"Content-Type", "application/json"}};
  if (!settings.keys.empty()) out.push_back({"Authorization", "Bearer " + settings.keys.front()});
  return out;
}

std::string text_at(const Json& json, const char* key) {
  const auto found = json.is_object() ? json.find(key) : json.end();
  return json.is_object() && found != json.end() && found->is_string() ? found->get<std::string>()
                                                                       : std::string();
}

// {"error": {"message": ..., "param": ...}} of an answer that is no success.
Error error_of(const net::ClientResponse& response, const std::string& url) {
  Error error;
  error.code = response.status == 429 || response.status >= 500 ? ErrorCode::kUnavailable
                                                                : ErrorCode::kInvalidArgument;
  error.message = fmt::format("{} answered with status {}", url, response.status);
  const auto json = parse_json(response.body);
  if (!json || !json->is_object() || !json->contains("error")) return error;
  const Json& body = (*json)["error"];
  if (const std::string message = text_at(body, "message"); !message.empty()) {
    error.message = message;
  }
  if (text_at(body, "code") == "context_length_exceeded") error.code = ErrorCode::kTooLarge;
  error.param = text_at(body, "param");
  return error;
}

class ServerAnswerer final : public Answerer {
 public:
  ServerAnswerer(std::string url, std::string model, const service::Settings& settings)
      : url_(std::move(url)), model_(std::move(model)), headers_(headers(settings)) {}

  const std::string& model() const override { return model_; }

  Result<AnswerEnd> answer(const Question& question, const AnswerHooks& hooks) override {
    Json body = {{"model", model_},
                 {"stream", true},
                 {"temperature", question.temperature},
                 {"top_p", question.top_p}};
    if (question.messages) body["messages"] = *question.messages;
    if (!question.messages) body["prompt"] = question.text;
    if (question.seed) body["seed"] = *question.seed;
    if (question.max_tokens) body["max_tokens"] = *question.max_tokens;

    AnswerEnd end = AnswerEnd::kStopped;
    bool is_done = false;
    std::optional<Error> failure;
    SseReader reader([&](std::string_view data) {
      if (data == "[DONE]") {
        is_done = true;
        return;
      }
      if (auto status = take_chunk(data, hooks, end); !status) failure = status.error();
    });
    net::ClientRequest request;
    request.method = "POST";
    request.url = url_ + (question.messages ? "/v1/chat/completions" : "/v1/completions");
    request.headers = headers_;
    request.body = dump_json(body);
    request.on_bytes = [&](std::string_view bytes) { reader.push(bytes); };
    request.should_stop = [&] { return failure.has_value() || hooks.should_stop(); };
    MARU_ASSIGN_OR_RETURN(const net::ClientResponse response, net::send_request(request));
    if (failure) return *failure;
    if (response.is_stopped) return AnswerEnd::kStopped;
    if (response.status != 200) return error_of(response, url_);
    if (!is_done) {
      return Error{ErrorCode::kUnavailable, url_ + " broke the answer off", "see the server's log"};
    }
    return end;
  }

 private:
  static Status take_chunk(std::string_view data, const AnswerHooks& hooks, AnswerEnd& end) {
    const auto json = parse_json(data);
    if (!json || !json->is_object()) {
      return Error{ErrorCode::kUnavailable, "the server sent an event that is no JSON object"};
    }
    if (json->contains("error")) {
      return Error{ErrorCode::kUnavailable, text_at((*json)["error"], "message")};
    }
    const auto choices = json->find("choices");
    if (choices == json->end() || !choices->is_array() || choices->empty()) return {};
    const Json& choice = (*choices)[0];
    std::string text = text_at(choice, "text");
    if (choice.is_object() && choice.contains("delta")) text = text_at(choice["delta"], "content");
    if (!text.empty()) hooks.on_text(text);
    const std::string reason = text_at(choice, "finish_reason");
    if (!reason.empty()) end = reason == "length" ? AnswerEnd::kCut : AnswerEnd::kComplete;
    return {};
  }

  const std::string url_;
  const std::string model_;
  const std::vector<net::Header> headers_;
};

}  // namespace

std::unique_ptr<Answerer> find_server(const service::Settings& settings) {
  if (settings.port == 0) return nullptr;
  const std::string url = server_url(settings.host, static_cast<uint16_t>(settings.port));
  net::ClientRequest request;
  request.url = url + "/v1/models";
  request.headers = headers(settings);
  request.connect_timeout = kProbe;
  request.idle_timeout = kProbe;
  const auto response = net::send_request(request);
  if (!response || response->status != 200) return nullptr;
  const auto json = parse_json(response->body);
  if (!json || !json->is_object() || !json->contains("data") || !(*json)["data"].is_array()) {
    return nullptr;
  }
  std::string wanted;
  if (!settings.model.empty()) {
    // A path and a name mean the same model if the server calls it so.
    const auto location = find_model(settings.model);
    wanted = location ? location->name : settings.model;
  }
  for (const Json& model : (*json)["data"]) {
    const std::string id = text_at(model, "id");
    if (id.empty() || (!wanted.empty() && id != wanted)) continue;
    return std::make_unique<ServerAnswerer>(url, id, settings);
  }
  return nullptr;
}

}  // namespace maru::apps
