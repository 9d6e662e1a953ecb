// A runner without weights whose logits are a hash of every row that the token can see. A row holds
// the hash of its own token, position and everything it saw, so the last row depends on the whole
// past even where a window hides it, as in a deep model. A wrong, stale, missing or unwritten page
// or a wrong position changes the output or counts as a violation.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "engine/engine.h"
#include "engine/sampler.h"
#include "engine/step_runner.h"

namespace maru::engine::testing {

struct FakeShape {
  uint32_t page_tokens = 4;
  std::vector<uint32_t> windows = {0};  // one group each
  uint32_t vocab_size = 24;
  uint32_t context_length = 1024;
  size_t max_rows = 64;
  TokenId nan_token = -1;  // logits after this token are NaN
  float sharpness = 1.0f;  // times the logits: how sure the model is
  float habit = 0.0f;      // added to the logit of the token's successor: text that repeats itself
};

inline uint64_t mix(uint64_t a, uint64_t b) {
  uint64_t x = a * 0x9E3779B97F4A7C15 + b + 0x632BE59BD9B4E019;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

struct FakeRow {
  uint64_t state;
  uint64_t position;
};

// What a token computes from the rows before it: row_at(group, position) gives them.
template <class RowAt>
uint64_t fake_seen(const FakeShape& shape, uint32_t position, const RowAt& row_at) {
  uint64_t seen = 1;
  for (size_t g = 0; g < shape.windows.size(); ++g) {
    const uint32_t window = shape.windows[g];
    const uint32_t first = window == 0 || position < window ? 0 : position + 1 - window;
    for (uint32_t q = first; q < position; ++q) seen = mix(seen, row_at(g, q));
  }
  return seen;
}

inline void fake_logits(const FakeShape& shape, uint64_t hash, TokenId token, float* out) {
  for (uint32_t v = 0; v < shape.vocab_size; ++v) {
    out[v] = static_cast<float>(mix(hash, v) >> 44) * 0x1.0p-17f - 4.0f;
    if (v == (static_cast<uint32_t>(token) + 1) % 6) out[v] += shape.habit;
    out[v] *= shape.sharpness;
    if (token == shape.nan_token) out[v] = std::numeric_limits<float>::quiet_NaN();
  }
}

// Logits of every position of `tokens`, computed alone and without pages.
inline std::vector<std::vector<float>> fake_oracle_logits(const FakeShape& shape,
                                                          std::span<const TokenId> tokens) {
  std::vector<std::vector<uint64_t>> rows(shape.windows.size());
  std::vector<std::vector<float>> logits;
  for (uint32_t p = 0; p < tokens.size(); ++p) {
    const uint64_t seen = fake_seen(shape, p, [&](size_t g, uint32_t q) { return rows[g][q]; });
    const uint64_t hash = mix(mix(seen, static_cast<uint64_t>(tokens[p])), p);
    for (size_t g = 0; g < rows.size(); ++g) rows[g].push_back(mix(hash, g));
    fake_logits(shape, hash, tokens[p], logits.emplace_back(shape.vocab_size).data());
  }
  return logits;
}

struct OracleAnswer {
  std::vector<TokenId> tokens;  // as kToken events bring them
  FinishReason reason = FinishReason::kLength;
  uint32_t n_new = 0;
};

// The answer to a request that runs alone.
inline OracleAnswer fake_oracle(const FakeShape& shape, const Request& request) {
  OracleAnswer answer;
  Sampler sampler(request.sampling, request.prompt);
  std::vector<TokenId> tokens = request.prompt;
  while (answer.n_new < request.max_new_tokens) {
    const auto logits = fake_oracle_logits(shape, tokens);
    const TokenId token =
        sampler.sample(logits.back(), static_cast<uint32_t>(tokens.size())).value();
    ++answer.n_new;
    for (const TokenId end : request.end_tokens) {
      if (token == end) {
        answer.reason = FinishReason::kEndToken;
        return answer;
      }
    }
    answer.tokens.push_back(token);
    tokens.push_back(token);
  }
  return answer;
}

class FakeRunner final : public StepRunner {
 public:
  struct Log {
    uint64_t n_rows = 0;                           // computed since start
    uint64_t n_violations = 0;                     // rows that were missing, unwritten or misplaced
    std::vector<std::vector<size_t>> step_counts;  // of each step, rows of each sequence
    std::function<void(std::span<const models::StepSequence>)> on_run;  // may turn a test's clock
  };

  FakeRunner(FakeShape shape, std::shared_ptr<Log> log) : shape_(shape), log_(std::move(log)) {
    layout_.page_tokens = shape.page_tokens;
    for (const uint32_t window : shape.windows) {
      layout_.groups.push_back(
          {.window = window, .n_layers = 1, .bytes_per_token = sizeof(FakeRow)});
    }
  }

  const models::KvLayout& kv_layout() const override { return layout_; }
  uint32_t vocab_size() const override { return shape_.vocab_size; }
  uint32_t context_length() const override { return shape_.context_length; }
  uint64_t fingerprint() const override { return 7; }
  size_t max_rows() const override { return shape_.max_rows; }

  void run(std::span<const models::StepSequence> sequences, float* logits,
           kernels::LogitBlock* blocks) override {
    std::vector<size_t> counts;
    for (const models::StepSequence& s : sequences) {
      counts.push_back(s.tokens.size());
      for (size_t t = 0; t < s.tokens.size(); ++t) {
        const uint64_t hash =
            run_token(s, s.first_position + static_cast<uint32_t>(t), s.tokens[t]);
        const bool is_wanted =
            s.logits == models::LogitsWanted::kAll ||
            (s.logits == models::LogitsWanted::kLast && t + 1 == s.tokens.size());
        if (!is_wanted) continue;
        fake_logits(shape_, hash, s.tokens[t], logits);
        const auto row = sum_up({logits, shape_.vocab_size}, s.sum_scale, scratch_);
        blocks = std::copy(row.blocks.begin(), row.blocks.end(), blocks);
        logits += shape_.vocab_size;
      }
    }
    log_->step_counts.push_back(std::move(counts));
    if (log_->on_run) log_->on_run(sequences);
  }

 private:
  uint8_t* row_address(const models::StepSequence& s, size_t group, uint32_t position) const {
    const auto& pages = s.pages[group];
    const size_t page = position / layout_.page_tokens;
    if (page >= pages.size() || pages[page] == nullptr) return nullptr;
    return pages[page] + (position % layout_.page_tokens) * sizeof(FakeRow);
  }

  uint64_t run_token(const models::StepSequence& s, uint32_t position, TokenId token) {
    ++log_->n_rows;
    const uint64_t seen = fake_seen(shape_, position, [&](size_t g, uint32_t q) -> uint64_t {
      const uint8_t* address = row_address(s, g, q);
      FakeRow row{0, UINT64_MAX};
      if (address != nullptr) std::memcpy(&row, address, sizeof(row));
      if (row.position != q) ++log_->n_violations;
      return row.state;
    });
    const uint64_t hash = mix(mix(seen, static_cast<uint64_t>(token)), position);
    for (size_t g = 0; g < shape_.windows.size(); ++g) {
      uint8_t* address = row_address(s, g, position);
      const FakeRow row{mix(hash, g), position};
      if (address == nullptr) {
        ++log_->n_violations;
      } else {
        std::memcpy(address, &row, sizeof(row));
      }
    }
    return hash;
  }

  const FakeShape shape_;
  const std::shared_ptr<Log> log_;
  models::KvLayout layout_;
  std::vector<kernels::LogitBlock> scratch_;
};

// What one request was told, with the order of events checked as they come.
struct Told {
  std::vector<TokenId> tokens;
  std::vector<TokenLogprob> logprobs, prompt_logprobs;
  std::vector<uint32_t> progress;
  uint32_t n_ends = 0;      // terminal events; must end as 1
  uint32_t n_disorder = 0;  // events after the end, progress that falls, tokens before the prompt
  bool failed = false;
  FinishReason reason = FinishReason::kLength;
  Usage usage;
  Error error;

  void hear(const Event& event) {
    if (n_ends > 0) ++n_disorder;
    switch (event.kind) {
      case EventKind::kProgress:
        if (!tokens.empty() || (!progress.empty() && event.n_prompt_done < progress.back())) {
          ++n_disorder;
        }
        progress.push_back(event.n_prompt_done);
        prompt_logprobs.insert(prompt_logprobs.end(), event.prompt_logprobs.begin(),
                               event.prompt_logprobs.end());
        break;
      case EventKind::kToken:
        tokens.push_back(event.token);
        logprobs.push_back(event.logprob);
        break;
      case EventKind::kFinished:
        reason = event.reason;
        usage = event.usage;
        ++n_ends;
        break;
      case EventKind::kFailed:
        failed = true;
        error = event.error;
        ++n_ends;
        break;
    }
  }
};

}  // namespace maru::engine::testing
