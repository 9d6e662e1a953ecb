#include "service/generation.h"

#include <gtest/gtest.h>

#include "base/json.h"
#include "service/model_text.h"
#include "service/test_fakes.h"

namespace maru::service {
namespace {

using Kind = GenerationEvent::Kind;

class GenerationTest : public testing::Test {
 protected:
  void make_service(const char* template_source = nullptr, bool adds_bos = false,
                    uint32_t context = 64) {
    service_ = std::make_unique<GenerationService>(
        engine_, std::vector<ServedModel>{tiny_model(template_source, adds_bos, context)});
  }

  static GenerationRequest text_request(const std::string& prompt) {
    GenerationRequest request;
    request.model = "tiny";
    request.prompt = prompt;
    return request;
  }

  static GenerationRequest chat_request(const std::string& content) {
    GenerationRequest request;
    request.model = "tiny";
    ChatPrompt prompt;
    prompt.messages =
        std::make_shared<const Json>(Json::array({{{"role", "user"}, {"content", content}}}));
    request.prompt = prompt;
    return request;
  }

  Result<uint64_t> start(GenerationRequest request) {
    return service_->start(std::move(request),
                           [this](const GenerationEvent& event) { events_.push_back(event); });
  }

  std::string text() const {
    std::string out;
    for (const GenerationEvent& event : events_) out += event.text;
    return out;
  }

  size_t n_terminal() const {
    size_t n = 0;
    for (const GenerationEvent& event : events_) {
      n += event.kind == Kind::kFinished || event.kind == Kind::kFailed;
    }
    return n;
  }

  std::string logprob_bytes() const {
    std::string out;
    for (const GenerationEvent& event : events_) {
      for (const TextLogprob& logprob : event.logprobs) out += "[" + logprob.bytes + "]";
    }
    return out;
  }

  std::vector<text::TokenId> prompt_sent() const { return engine_->requests.back().prompt; }

  static std::vector<text::TokenId> bytes(const std::string& text) {
    return ByteTokenizer().encode(text);
  }

  std::shared_ptr<FakeEngine> engine_ = std::make_shared<FakeEngine>();
  std::unique_ptr<GenerationService> service_;
  std::vector<GenerationEvent> events_;
};

TEST_F(GenerationTest, PassesTokensAndGivesBackTextAndUsage) {
  make_service();
  ASSERT_TRUE(start(text_request("ab")));
  EXPECT_EQ(prompt_sent(), bytes("ab"));
  EXPECT_EQ(engine_->requests[0].max_new_tokens, 62U);
  EXPECT_EQ(engine_->requests[0].end_tokens,
            (std::vector<text::TokenId>{ByteTokenizer::kEos, ByteTokenizer::kEnd}));
  engine_->send_text("hello");
  engine_->send_finished(engine::FinishReason::kEndToken, {2, 1, 6});
  EXPECT_EQ(text(), "hello");
  ASSERT_EQ(n_terminal(), 1U);
  EXPECT_EQ(events_.back().reason, FinishReason::kStop);
  EXPECT_EQ(events_.back().usage.prompt_tokens, 2U);
  EXPECT_EQ(events_.back().usage.cached_tokens, 1U);
  EXPECT_EQ(events_.back().usage.new_tokens, 6U);
}

TEST_F(GenerationTest, GoesOnPastEndTokensIfAsked) {
  make_service();
  GenerationRequest request = text_request("ab");
  request.ignore_eos = true;
  ASSERT_TRUE(start(std::move(request)));
  EXPECT_TRUE(engine_->requests[0].end_tokens.empty());
}

TEST_F(GenerationTest, NeverSendsHalfACharacter) {
  make_service();
  ASSERT_TRUE(start(text_request("x")));
  engine_->send_text("\xEB\xA7");
  EXPECT_EQ(text(), "");
  engine_->send_text("\x88");
  EXPECT_EQ(text(), "마");
  engine_->send_text("\xEB");
  engine_->send_finished(engine::FinishReason::kLength);
  EXPECT_EQ(text(), "마\xEF\xBF\xBD");
  EXPECT_EQ(events_.back().reason, FinishReason::kLength);
}

TEST_F(GenerationTest, StopsBeforeAStopStringAndCountsToIt) {
  make_service();
  GenerationRequest request = text_request("x");
  request.stop = {"END", "zzz"};
  request.logprobs = true;
  const auto id = start(std::move(request));
  ASSERT_TRUE(id);
  engine_->send_text("abEN");
  EXPECT_EQ(text(), "ab");
  engine_->send_text("D");
  EXPECT_EQ(engine_->wait_for_cancels(1), (std::vector<engine::RequestId>{*id}));
  EXPECT_EQ(n_terminal(), 0U);
  engine_->send_text("more");  // made before the cancel arrived
  engine_->send_finished(engine::FinishReason::kCancelled, {1, 0, 9});
  EXPECT_EQ(text(), "ab");
  EXPECT_EQ(logprob_bytes(), "[a][b]");
  EXPECT_EQ(events_.back().reason, FinishReason::kStop);
  EXPECT_EQ(events_.back().usage.new_tokens, 5U);
  EXPECT_EQ(n_terminal(), 1U);
}

TEST_F(GenerationTest, ReleasesTheStartOfAStopStringThatDidNotCome) {
  make_service();
  GenerationRequest request = text_request("x");
  request.stop = {"END"};
  request.logprobs = true;
  ASSERT_TRUE(start(std::move(request)));
  engine_->send_text("aEN");
  EXPECT_EQ(logprob_bytes(), "[a]");
  engine_->send_finished(engine::FinishReason::kEndToken);
  EXPECT_EQ(text(), "aEN");
  EXPECT_EQ(logprob_bytes(), "[a][E][N]");
}

TEST_F(GenerationTest, LogprobsCarryBytesOfHalfCharactersAndSpelledControlTokens) {
  make_service();
  GenerationRequest request = text_request("x");
  request.logprobs = true;
  request.n_top_logprobs = 1;
  ASSERT_TRUE(start(std::move(request)));
  EXPECT_TRUE(engine_->requests[0].want_logprobs);
  EXPECT_FALSE(engine_->requests[0].want_prompt_logprobs);
  engine::Event event;
  event.kind = engine::EventKind::kToken;
  event.token = 0xEB;
  event.logprob = {0xEB, -0.5f, {{ByteTokenizer::kEnd, -0.25f}}};
  engine_->send(event);
  EXPECT_EQ(logprob_bytes(), "");
  engine_->send_text("\xA7\x88");
  EXPECT_EQ(logprob_bytes(), "[\xEB][\xA7][\x88]");
  const TextLogprob& first = events_.front().logprobs.front();
  EXPECT_EQ(first.logprob, -0.5f);
  ASSERT_EQ(first.top.size(), 1U);
  EXPECT_EQ(first.top[0].first, "<|im_end|>");
}

TEST_F(GenerationTest, EchoGivesThePromptFirstWithItsLogprobs) {
  make_service(nullptr, /*adds_bos=*/true);
  GenerationRequest request = text_request("ab");
  request.echo = true;
  request.logprobs = true;
  request.max_tokens = 0;
  ASSERT_TRUE(start(std::move(request)));
  EXPECT_EQ(prompt_sent(), (std::vector<text::TokenId>{ByteTokenizer::kBos, 'a', 'b'}));
  EXPECT_TRUE(engine_->requests[0].want_prompt_logprobs);
  EXPECT_EQ(engine_->requests[0].max_new_tokens, 0U);
  engine::Event progress;
  progress.n_prompt_done = 3;
  progress.prompt_logprobs = {{'a', -1.0f, {}}, {'b', -2.0f, {}}};
  engine_->send(progress);
  engine_->send_finished(engine::FinishReason::kLength);
  EXPECT_EQ(text(), "ab");
  EXPECT_EQ(logprob_bytes(), "[][a][b]");
  EXPECT_FALSE(events_[0].logprobs[0].has_logprob);
  EXPECT_EQ(events_.back().reason, FinishReason::kLength);
}

TEST_F(GenerationTest, EchoOfTokenIdsSpellsControlTokens) {
  make_service();
  GenerationRequest request = text_request("");
  request.prompt = std::vector<text::TokenId>{ByteTokenizer::kStart, 'a'};
  request.echo = true;
  ASSERT_TRUE(start(std::move(request)));
  engine_->send_text("b");
  EXPECT_EQ(text(), "<|im_start|>ab");
}

TEST_F(GenerationTest, RefusesWhatDoesNotFitWithTheCounts) {
  make_service(find_builtin_template("chatml"));
  GenerationRequest fits = text_request(std::string(60, 'a'));
  fits.max_tokens = 4;
  EXPECT_TRUE(start(fits));

  fits.max_tokens = 5;
  const auto refused = start(fits);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kTooLarge);
  EXPECT_EQ(refused.error().param, "prompt");
  for (const char* count : {"64 tokens", "65 tokens", "60 in the prompt", "5 in the completion"}) {
    EXPECT_NE(refused.error().message.find(count), std::string::npos) << refused.error().message;
  }

  EXPECT_TRUE(start(text_request(std::string(63, 'a'))));
  EXPECT_FALSE(start(text_request(std::string(64, 'a'))));
  GenerationRequest only_read = text_request(std::string(64, 'a'));
  only_read.max_tokens = 0;
  EXPECT_TRUE(start(only_read));

  const auto chat = start(chat_request(std::string(64, 'a')));
  ASSERT_FALSE(chat);
  EXPECT_EQ(chat.error().param, "messages");
  GenerationRequest huge = text_request("a");
  huge.max_tokens = std::numeric_limits<uint32_t>::max();
  EXPECT_EQ(start(huge).error().code, ErrorCode::kTooLarge);
}

TEST_F(GenerationTest, RefusesUnknownModelsBadIdsAndEmptyPrompts) {
  make_service();
  GenerationRequest request = text_request("a");
  request.model = "other";
  EXPECT_EQ(start(request).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(start(request).error().param, "model");

  request.model = "tiny";
  for (const text::TokenId bad : {-1, 260, 2'000'000'000}) {
    request.prompt = std::vector<text::TokenId>{1, bad};
    const auto refused = start(request);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().param, "prompt[1]");
  }
  request.prompt = std::vector<text::TokenId>{};
  EXPECT_EQ(start(request).error().param, "prompt");
  EXPECT_TRUE(engine_->requests.empty());

  // Nothing to read: the model begins with its own first token.
  ASSERT_TRUE(start(text_request("")));
  EXPECT_EQ(prompt_sent(), (std::vector<text::TokenId>{ByteTokenizer::kBos}));
}

TEST_F(GenerationTest, AModelWithoutTemplateRefusesChatAndSaysHowToNameOne) {
  make_service();
  const auto refused = start(chat_request("hi"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(refused.error().param, "messages");
  EXPECT_NE(refused.error().message.find("tiny"), std::string::npos);
  EXPECT_NE(refused.error().hint.find("default_chat_template"), std::string::npos);
}

TEST_F(GenerationTest, ControlTokensComeFromTheTemplateNeverFromTheUser) {
  make_service(find_builtin_template("chatml"));
  ASSERT_TRUE(start(chat_request("a<|im_end|>")));
  std::vector<text::TokenId> want = {ByteTokenizer::kStart};
  for (const text::TokenId id : bytes("user\na<|im_end|>")) want.push_back(id);
  want.push_back(ByteTokenizer::kEnd);
  want.push_back('\n');
  want.push_back(ByteTokenizer::kStart);
  for (const text::TokenId id : bytes("assistant\n")) want.push_back(id);
  EXPECT_EQ(prompt_sent(), want);
}

TEST_F(GenerationTest, BosIsThereOnce) {
  make_service("{{ bos_token }}{{ messages[0].content }}", /*adds_bos=*/true);
  ASSERT_TRUE(start(chat_request("a")));
  EXPECT_EQ(prompt_sent(), (std::vector<text::TokenId>{ByteTokenizer::kBos, 'a'}));
  make_service("{{ messages[0].content }}", /*adds_bos=*/true);
  ASSERT_TRUE(start(chat_request("a")));
  EXPECT_EQ(prompt_sent(), (std::vector<text::TokenId>{ByteTokenizer::kBos, 'a'}));
  make_service("{{ messages[0].content }}", /*adds_bos=*/false);
  ASSERT_TRUE(start(chat_request("a")));
  EXPECT_EQ(prompt_sent(), (std::vector<text::TokenId>{'a'}));
}

TEST_F(GenerationTest, TemplateErrorsNameTheMessages) {
  make_service("{{ raise_exception('no such role here') }}");
  const auto refused = start(chat_request("a"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(refused.error().param, "messages");
  EXPECT_NE(refused.error().message.find("no such role here"), std::string::npos);
}

TEST_F(GenerationTest, PassesTheEnginesRefusalAndFailure) {
  make_service();
  engine_->refusal = Error{ErrorCode::kRateLimited, "the queue is full"};
  EXPECT_EQ(start(text_request("a")).error().code, ErrorCode::kRateLimited);
  EXPECT_TRUE(events_.empty());

  engine_->refusal = {};
  ASSERT_TRUE(start(text_request("a")));
  engine::Event failed;
  failed.kind = engine::EventKind::kFailed;
  failed.error = Error{ErrorCode::kUnavailable, "out of pages"};
  engine_->send(failed);
  ASSERT_EQ(n_terminal(), 1U);
  EXPECT_EQ(events_.back().error.message, "out of pages");
}

TEST_F(GenerationTest, CancelReachesTheEngineAndTheAnswerEndsOnce) {
  make_service();
  const auto id = start(text_request("a"));
  ASSERT_TRUE(id);
  service_->cancel(*id);
  EXPECT_EQ(engine_->wait_for_cancels(1), (std::vector<engine::RequestId>{*id}));
  engine_->send_finished(engine::FinishReason::kCancelled);
  EXPECT_EQ(events_.back().reason, FinishReason::kCancelled);
  EXPECT_EQ(n_terminal(), 1U);
}

TEST_F(GenerationTest, TheDestructorCancelsWhatRuns) {
  make_service();
  ASSERT_TRUE(start(text_request("a")));
  engine_->send_finished(engine::FinishReason::kEndToken);
  const auto running = start(text_request("b"));
  ASSERT_TRUE(running);
  service_.reset();
  EXPECT_EQ(engine_->wait_for_cancels(1), (std::vector<engine::RequestId>{*running}));
  engine_->send_finished(engine::FinishReason::kCancelled);
  EXPECT_EQ(n_terminal(), 2U);
}

}  // namespace
}  // namespace maru::service
