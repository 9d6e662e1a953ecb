// The engine's face: requests and events are plain values (they survive a round trip through bytes,
// engine/wire.h), so that an engine may live in this process, in another, or be a script.
// JSON and templates never reach it: it sees token ids.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace maru::engine {

using RequestId = uint64_t;  // chosen by the caller, unique while it runs
using TokenId = int32_t;

// Order of application: logit_bias, penalties, top_k, temperature, typical_p, top_p, min_p.
// Neutral values switch a step off. temperature 0 is greedy (ties: the lowest id).
struct SamplingParams {
  float temperature = 1.0f;
  int32_t top_k = 0;  // 0: off
  float top_p = 1.0f;
  float min_p = 0.0f;
  float typical_p = 1.0f;
  float presence_penalty = 0.0f;    // on generated tokens
  float frequency_penalty = 0.0f;   // on generated tokens
  float repetition_penalty = 1.0f;  // on prompt and generated tokens
  std::vector<std::pair<TokenId, float>> logit_bias;
  uint64_t seed = 0;  // the same seed, request and model give the same tokens, whatever else runs;
                      // several answers to one prompt need several seeds
};

struct Request {
  RequestId id = 0;
  std::string model;        // name as models() lists it
  std::string adapter;      // LoRA adapter, empty for none
  std::string caller;       // whose turn it is (fair order between callers)
  std::string tenant_salt;  // prefix-cache pages are shared within one salt only
  std::vector<TokenId> prompt;
  uint32_t max_new_tokens = 0;  // 0: read the prompt only
  std::vector<TokenId> end_tokens;
  SamplingParams sampling;
  bool want_logprobs = false;  // of generated tokens
  bool want_prompt_logprobs = false;
  uint32_t n_top_logprobs = 0;  // 0..20 alternatives beside each token
};

struct TokenLogprob {
  TokenId token = 0;
  float logprob = 0.0f;  // of the model's own distribution, before sampling parameters
  std::vector<std::pair<TokenId, float>> top;  // most likely first
};

enum class EventKind : uint8_t { kProgress, kToken, kFinished, kFailed };
enum class FinishReason : uint8_t { kEndToken, kLength, kCancelled };

struct Usage {
  uint32_t prompt_tokens = 0;
  uint32_t cached_tokens = 0;  // of the prompt, taken from the prefix tree
  uint32_t new_tokens = 0;     // generated, an end token included
};

struct Event {
  RequestId id = 0;
  EventKind kind = EventKind::kProgress;
  uint32_t n_prompt_done = 0;                 // kProgress
  std::vector<TokenLogprob> prompt_logprobs;  // kProgress, for want_prompt_logprobs: next in order,
                                              // from the prompt's second token on
  TokenId token = 0;                          // kToken (end tokens are not sent as kToken)
  TokenLogprob logprob;                       // kToken, for want_logprobs
  FinishReason reason = FinishReason::kLength;  // kFinished
  Usage usage;                                  // kFinished
  Error error;                                  // kFailed
};

// Called on the engine's thread, in order; must return quickly and not call the engine back.
using EventHandler = std::function<void(const Event&)>;

struct EngineModel {
  std::string name;
  uint32_t context_length = 0;  // that one request may use here: prompt and answer together
  uint32_t vocab_size = 0;
};

struct EngineStats {
  uint64_t n_waiting = 0, n_running = 0;
  uint64_t kv_bytes_total = 0;   // that pages may take
  uint64_t kv_bytes_used = 0;    // in pages that running requests hold
  uint64_t kv_bytes_cached = 0;  // in pages that only prefix trees hold: given up when needed
  uint64_t prompt_tokens = 0, cached_tokens = 0, new_tokens = 0;  // since start
  uint64_t n_steps = 0;
  uint64_t drafted_tokens = 0;   // guessed ahead (speculation)
  uint64_t accepted_tokens = 0;  // of them, right: each saved a step
  uint64_t n_preempted = 0;      // times a running request gave its place up and went on later
  uint64_t disk_bytes = 0;       // of stored prefixes
  // Pages of prefixes since start: dropped ones were given up or failed before they were stored.
  uint64_t disk_pages_written = 0, disk_pages_read = 0;
  uint64_t disk_pages_dropped = 0, disk_pages_damaged = 0;
};

// Thread-safe.
class Engine {
 public:
  virtual ~Engine() = default;
  // Errors: kNotFound (model, adapter), kInvalidArgument (a token or request id, an empty prompt, a
  // sampling parameter out of range, named in `param`), kTooLarge (prompt and answer exceed the
  // context, with the counts), kRateLimited (the queue is full), kUnavailable (shutting down).
  // After success `handler` gets events until exactly one kFinished or kFailed.
  virtual Status submit(Request request, EventHandler handler) = 0;
  // Ends a request; kFinished with kCancelled follows if it still ran. Unknown ids are ignored.
  virtual void cancel(RequestId id) = 0;
  virtual std::vector<EngineModel> models() const = 0;
  virtual EngineStats stats() const = 0;
};

}  // namespace maru::engine
