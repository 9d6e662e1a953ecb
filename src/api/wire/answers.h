// Native answers -> wire JSON, whole or as stream chunks; one format for chat, one for
// completions. Not thread-safe; one object per call of an endpoint.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/json_fwd.h"
#include "service/generation.h"

namespace maru::api {

// What has come of one answer.
struct Answer {
  std::string text;
  std::vector<service::TextLogprob> logprobs;
  service::FinishReason reason = service::FinishReason::kStop;
  engine::Usage usage;
  uint32_t n_reasoning_tokens = 0;  // of the new ones
  bool finished = false;
  // Where the legacy text_offset stands: whole characters and bytes of an unfinished one.
  size_t n_characters = 0;
  std::string open_bytes;
};

// Of all answers of a call together: a prompt counts once, however many answers it got.
struct TotalUsage {
  uint64_t prompt_tokens = 0, cached_tokens = 0, completion_tokens = 0, reasoning_tokens = 0;
};

struct AnswerHead {
  std::string id;
  std::string model;
  int64_t created_unix_seconds = 0;
  bool has_logprobs = false;
  uint32_t n_top_logprobs = 0;
  bool include_usage = false;  // chunks carry "usage": null until the last one
};

class AnswerFormat {
 public:
  explicit AnswerFormat(AnswerHead head) : head_(std::move(head)) {}
  virtual ~AnswerFormat() = default;

  virtual std::string whole(std::vector<Answer>& answers, const TotalUsage& usage) = 0;
  // Chunks of a stream; an empty string means that there is none.
  virtual std::string opening(uint32_t index) = 0;
  virtual std::string delta(uint32_t index, Answer& answer, const std::string& text,
                            const std::vector<service::TextLogprob>& logprobs) = 0;
  virtual std::string closing(uint32_t index, service::FinishReason reason) = 0;
  std::string usage_chunk(const TotalUsage& usage);

 protected:
  Json make_head(const char* object) const;
  std::string make_chunk(Json choice) const;
  virtual const char* chunk_object() const = 0;

  const AnswerHead head_;
};

std::unique_ptr<AnswerFormat> make_chat_format(AnswerHead head);
std::unique_ptr<AnswerFormat> make_completion_format(AnswerHead head);

// A token's bytes as OpenAI prints them: the text, or "bytes:\xe2\x80" if it is no whole text.
std::string token_string(std::string_view bytes);

// "chatcmpl-" and 29 random letters and digits.
std::string make_answer_id(std::string_view prefix);

}  // namespace maru::api
