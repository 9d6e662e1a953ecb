#include "engine/wire.h"

#include <gtest/gtest.h>

#include <random>

namespace maru::engine {
namespace {

Request full_request() {
  Request r;
  r.id = 0xFEDCBA9876543210;
  r.model = "smol";
  r.adapter = "poet";
  r.caller = "key:1";
  r.tenant_salt = std::string("a\0b", 3);
  r.prompt = {1, 2, 0x7FFFFFFF, -1};
  r.max_new_tokens = 77;
  r.end_tokens = {2, 9};
  r.sampling = {.temperature = 0.7f,
                .top_k = 40,
                .top_p = 0.9f,
                .min_p = 0.05f,
                .typical_p = 0.95f,
                .presence_penalty = -0.5f,
                .frequency_penalty = 0.25f,
                .repetition_penalty = 1.1f,
                .logit_bias = {{5, -100.0f}, {6, 1.5f}},
                .seed = 0x0123456789ABCDEF};
  r.want_logprobs = true;
  r.want_prompt_logprobs = true;
  r.n_top_logprobs = 20;
  return r;
}

Event full_event() {
  Event e;
  e.id = 3;
  e.kind = EventKind::kFailed;
  e.n_prompt_done = 512;
  e.prompt_logprobs = {{1, -0.5f, {{1, -0.5f}, {2, -1.5f}}}, {7, -3.0f, {}}};
  e.token = 123;
  e.logprob = {123, -0.25f, {{123, -0.25f}}};
  e.reason = FinishReason::kCancelled;
  e.usage = {10, 4, 6};
  e.error = {ErrorCode::kTooLarge, "what", "how", "where"};
  return e;
}

TEST(Wire, RequestsSurviveTheRoundTrip) {
  const Request r = full_request();
  const auto bytes = encode_request(r);
  const auto back = decode_request(bytes);
  ASSERT_TRUE(back.has_value()) << back.error().to_string();
  EXPECT_EQ(back->id, r.id);
  EXPECT_EQ(back->model, r.model);
  EXPECT_EQ(back->adapter, r.adapter);
  EXPECT_EQ(back->caller, r.caller);
  EXPECT_EQ(back->tenant_salt, r.tenant_salt);
  EXPECT_EQ(back->prompt, r.prompt);
  EXPECT_EQ(back->max_new_tokens, r.max_new_tokens);
  EXPECT_EQ(back->end_tokens, r.end_tokens);
  EXPECT_EQ(back->sampling.temperature, r.sampling.temperature);
  EXPECT_EQ(back->sampling.top_k, r.sampling.top_k);
  EXPECT_EQ(back->sampling.top_p, r.sampling.top_p);
  EXPECT_EQ(back->sampling.min_p, r.sampling.min_p);
  EXPECT_EQ(back->sampling.typical_p, r.sampling.typical_p);
  EXPECT_EQ(back->sampling.presence_penalty, r.sampling.presence_penalty);
  EXPECT_EQ(back->sampling.frequency_penalty, r.sampling.frequency_penalty);
  EXPECT_EQ(back->sampling.repetition_penalty, r.sampling.repetition_penalty);
  EXPECT_EQ(back->sampling.logit_bias, r.sampling.logit_bias);
  EXPECT_EQ(back->sampling.seed, r.sampling.seed);
  EXPECT_EQ(back->want_logprobs, r.want_logprobs);
  EXPECT_EQ(back->want_prompt_logprobs, r.want_prompt_logprobs);
  EXPECT_EQ(back->n_top_logprobs, r.n_top_logprobs);
  EXPECT_EQ(encode_request(*back), bytes);
}

TEST(Wire, EventsSurviveTheRoundTrip) {
  const Event e = full_event();
  const auto bytes = encode_event(e);
  const auto back = decode_event(bytes);
  ASSERT_TRUE(back.has_value()) << back.error().to_string();
  EXPECT_EQ(back->id, e.id);
  EXPECT_EQ(back->kind, e.kind);
  EXPECT_EQ(back->n_prompt_done, e.n_prompt_done);
  ASSERT_EQ(back->prompt_logprobs.size(), 2u);
  EXPECT_EQ(back->prompt_logprobs[0].top, e.prompt_logprobs[0].top);
  EXPECT_EQ(back->prompt_logprobs[1].token, 7);
  EXPECT_EQ(back->prompt_logprobs[1].logprob, -3.0f);
  EXPECT_EQ(back->token, e.token);
  EXPECT_EQ(back->logprob.top, e.logprob.top);
  EXPECT_EQ(back->reason, e.reason);
  EXPECT_EQ(back->usage.prompt_tokens, 10u);
  EXPECT_EQ(back->usage.cached_tokens, 4u);
  EXPECT_EQ(back->usage.new_tokens, 6u);
  EXPECT_EQ(back->error.code, e.error.code);
  EXPECT_EQ(back->error.message, "what");
  EXPECT_EQ(back->error.hint, "how");
  EXPECT_EQ(back->error.param, "where");
  EXPECT_EQ(encode_event(*back), bytes);
}

TEST(Wire, EveryTruncationIsRefused) {
  const auto request = encode_request(full_request());
  for (size_t n = 0; n < request.size(); ++n) {
    const auto result = decode_request(std::span(request).first(n));
    ASSERT_FALSE(result.has_value()) << n;
    ASSERT_EQ(result.error().code, ErrorCode::kCorrupt);
  }
  const auto event = encode_event(full_event());
  for (size_t n = 0; n < event.size(); ++n) {
    ASSERT_FALSE(decode_event(std::span(event).first(n)).has_value()) << n;
  }
}

TEST(Wire, OtherMessagesVersionsAndTrailingBytesAreRefused) {
  auto bytes = encode_request(full_request());
  EXPECT_FALSE(decode_event(bytes).has_value());
  bytes.push_back(0);
  EXPECT_FALSE(decode_request(bytes).has_value());
  bytes.pop_back();
  bytes[1] = 99;
  EXPECT_FALSE(decode_request(bytes).has_value());
}

// What is accepted is canonical: it encodes to the bytes it came from.
TEST(Wire, DamagedBytesAreRefusedOrMeanExactlyThemselves) {
  std::mt19937_64 random(1);
  const auto request = encode_request(full_request());
  const auto event = encode_event(full_event());
  int n_refused = 0;
  for (int i = 0; i < 20'000; ++i) {
    auto bytes = i % 2 == 0 ? request : event;
    for (uint64_t n = 1 + random() % 3; n > 0; --n) {
      bytes[random() % bytes.size()] = static_cast<uint8_t>(random());
    }
    if (i % 2 == 0) {
      const auto result = decode_request(bytes);
      n_refused += !result.has_value();
      if (result) {
        ASSERT_EQ(encode_request(*result), bytes);
      }
    } else {
      const auto result = decode_event(bytes);
      n_refused += !result.has_value();
      if (result) {
        ASSERT_EQ(encode_event(*result), bytes);
      }
    }
  }
  EXPECT_GT(n_refused, 1000);
}

TEST(Wire, AHugeLengthIsRefusedBeforeAnythingIsAllocated) {
  Request r;
  auto bytes = encode_request(r);
  // The prompt's length follows kind, version, id and four empty texts.
  const size_t at = 2 + 8 + 4 * 4;
  bytes[at] = bytes[at + 1] = bytes[at + 2] = bytes[at + 3] = 0xFF;
  const auto result = decode_request(bytes);
  ASSERT_FALSE(result.has_value());
  EXPECT_NE(result.error().message.find("length"), std::string::npos);
}

}  // namespace
}  // namespace maru::engine
