// An engine that a test plays by hand, and a tokenizer of single bytes.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/utf8.h"
#include "engine/engine.h"
#include "service/served_model.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace maru::service {

class FakeEngine : public engine::Engine {
 public:
  Status submit(engine::Request request, engine::EventHandler handler) override {
    if (!refusal.message.empty()) return refusal;
    requests.push_back(request);
    handlers[request.id] = std::move(handler);
    return {};
  }
  void cancel(engine::RequestId id) override {
    const std::lock_guard lock(mutex_);
    cancelled_.push_back(id);
    changed_.notify_all();
  }
  std::vector<engine::EngineModel> models() const override { return {}; }
  engine::EngineStats stats() const override { return {}; }

  // The service cancels from a thread of its own.
  std::vector<engine::RequestId> wait_for_cancels(size_t n) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(20), [&] { return cancelled_.size() >= n; });
    return cancelled_;
  }

  void send(engine::Event event) {
    event.id = requests.back().id;
    handlers.at(event.id)(event);
  }
  void send_token(engine::TokenId token, float logprob = -1.0f) {
    engine::Event event;
    event.kind = engine::EventKind::kToken;
    event.token = token;
    event.logprob.token = token;
    event.logprob.logprob = logprob;
    send(event);
  }
  void send_text(const std::string& bytes) {
    for (const char c : bytes) send_token(static_cast<unsigned char>(c));
  }
  void send_finished(engine::FinishReason reason, engine::Usage usage = {}) {
    engine::Event event;
    event.kind = engine::EventKind::kFinished;
    event.reason = reason;
    event.usage = usage;
    send(event);
  }

  Error refusal;
  std::vector<engine::Request> requests;
  std::map<engine::RequestId, engine::EventHandler> handlers;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<engine::RequestId> cancelled_;
};

// Ids 0..255 are bytes; then <s>, </s>, <|im_start|>, <|im_end|>.
class ByteTokenizer : public text::Tokenizer {
 public:
  static constexpr text::TokenId kBos = 256, kEos = 257, kStart = 258, kEnd = 259;

  explicit ByteTokenizer(bool adds_bos = false) : adds_bos_(adds_bos) {
    for (size_t i = 0; i < 256; ++i) bytes_[i] = static_cast<char>(i);
  }

  using text::Tokenizer::encode;
  std::vector<text::TokenId> encode(std::span<const text::Segment> segments) const override {
    std::vector<text::TokenId> ids;
    for (const text::Segment& segment : segments) {
      for (std::string_view rest = segment.text; !rest.empty();) {
        size_t taken = 0;
        for (size_t i = 0; segment.trusted && i < kControls.size() && taken == 0; ++i) {
          if (!rest.starts_with(kControls[i])) continue;
          ids.push_back(kBos + static_cast<text::TokenId>(i));
          taken = kControls[i].size();
        }
        if (taken == 0) {
          ids.push_back(static_cast<unsigned char>(rest.front()));
          taken = 1;
        }
        rest.remove_prefix(taken);
      }
    }
    return ids;
  }
  std::string_view token_bytes(text::TokenId id) const override {
    return is_control(id) ? std::string_view()
                          : std::string_view(&bytes_[static_cast<size_t>(id)], 1);
  }
  void decode_next(text::DecodeState& state, text::TokenId id, bool with_special,
                   std::string& out) const override {
    if (is_control(id)) {
      decode_end(state, out);
      if (with_special) out += token_text(id);
      return;
    }
    state.bytes += token_bytes(id);
    const size_t whole = state.bytes.size() - utf8_incomplete_suffix(state.bytes);
    out += utf8_sanitise(state.bytes.substr(0, whole));
    state.bytes.erase(0, whole);
  }
  void decode_end(text::DecodeState& state, std::string& out) const override {
    out += utf8_sanitise(state.bytes);
    state.bytes.clear();
  }
  size_t size() const override { return 256 + kControls.size(); }
  std::string_view token_text(text::TokenId id) const override {
    return is_control(id) ? kControls[static_cast<size_t>(id - kBos)] : token_bytes(id);
  }
  bool is_control(text::TokenId id) const override { return id >= kBos; }
  std::optional<text::TokenId> find_token(std::string_view) const override { return std::nullopt; }
  std::optional<text::TokenId> bos() const override { return kBos; }
  std::optional<text::TokenId> eos() const override { return kEos; }
  std::vector<text::TokenId> end_tokens() const override { return {kEos, kEnd}; }
  bool adds_bos() const override { return adds_bos_; }

 private:
  static constexpr std::array<std::string_view, 4> kControls = {"<s>", "</s>", "<|im_start|>",
                                                                "<|im_end|>"};
  bool adds_bos_;
  std::array<char, 256> bytes_;
};

// A model of single bytes, as the service keeps it; null: it has no chat template.
inline ServedModel tiny_model(const char* chat_template, bool adds_bos = false,
                              uint32_t context = 1000) {
  ServedModel model;
  model.name = "tiny";
  model.context_length = context;
  model.tokenizer = std::make_shared<ByteTokenizer>(adds_bos);
  model.end_tokens = model.tokenizer->end_tokens();
  if (chat_template == nullptr) return model;
  auto compiled = text::ChatTemplate::compile(chat_template);
  EXPECT_TRUE(compiled);
  model.chat_template = std::make_shared<const text::ChatTemplate>(*std::move(compiled));
  return model;
}

inline constexpr const char* kTinyTemplate =
    "{% for m in messages %}{{ m.role }}:{{ m.content }}\n{% endfor %}";

}  // namespace maru::service
