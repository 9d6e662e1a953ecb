// Runs a model on sequences whose pages it allocates itself: what an engine does, without a
// scheduler. For tests only.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "models/model.h"

namespace maru::models::testing {

// One sequence's pages. New pages are filled with NaN bits, so that a read of what nobody wrote
// shows; pages that a window has left are taken away.
class PagedSequence {
 public:
  explicit PagedSequence(const KvLayout& layout) : layout_(layout) {
    pages_.resize(layout.groups.size());
    storage_.resize(layout.groups.size());
  }

  uint32_t n_tokens() const { return n_tokens_; }

  StepSequence step(std::span<const int32_t> tokens, LogitsWanted logits) {
    StepSequence s{.tokens = tokens, .first_position = n_tokens_, .pages = {}, .logits = logits};
    n_tokens_ += static_cast<uint32_t>(tokens.size());
    for (size_t g = 0; g < pages_.size(); ++g) {
      grow(g);
      drop_unseen(g, s.first_position);
      s.pages.push_back(pages_[g]);
    }
    return s;
  }

 private:
  void grow(size_t g) {
    const size_t n = (n_tokens_ + layout_.page_tokens - 1) / layout_.page_tokens;
    while (pages_[g].size() < n) {
      const size_t bytes = (layout_.page_bytes(g) + 63) / 64 * 64;
      storage_[g].emplace_back(static_cast<uint8_t*>(std::aligned_alloc(64, bytes)), std::free);
      std::memset(storage_[g].back().get(), 0xff, bytes);
      pages_[g].push_back(storage_[g].back().get());
    }
  }

  void drop_unseen(size_t g, uint32_t first_position) {
    const uint32_t window = layout_.groups[g].window;
    if (window == 0 || first_position + 1 <= window) return;
    const size_t first_seen = (first_position + 1 - window) / layout_.page_tokens;
    for (size_t i = 0; i < first_seen; ++i) {
      storage_[g][i].reset();
      pages_[g][i] = nullptr;
    }
  }

  const KvLayout& layout_;
  uint32_t n_tokens_ = 0;
  std::vector<std::vector<uint8_t*>> pages_;  // by group
  std::vector<std::vector<std::unique_ptr<uint8_t, void (*)(void*)>>> storage_;
};

// Logits of every position, [tokens, vocab], read in chunks of at most `chunk` tokens.
inline std::vector<float> run_all(const Model& model, std::span<const int32_t> tokens, size_t chunk,
                                  ThreadPool& pool) {
  const size_t vocab = model.info().vocab_size;
  auto workspace = model.make_workspace(std::min(chunk, tokens.size()), pool.size());
  PagedSequence sequence(model.kv_layout());
  std::vector<float> logits(tokens.size() * vocab);
  for (size_t at = 0; at < tokens.size(); at += chunk) {
    const auto part = tokens.subspan(at, std::min(chunk, tokens.size() - at));
    const StepSequence step = sequence.step(part, LogitsWanted::kAll);
    model.run({&step, 1}, pool, *workspace, logits.data() + at * vocab);
  }
  return logits;
}

// The prompt and its greedy continuation by `n_new` tokens (ties: the lowest id).
inline std::vector<int32_t> continue_greedily(const Model& model, std::vector<int32_t> tokens,
                                              size_t n_new, ThreadPool& pool) {
  const size_t vocab = model.info().vocab_size;
  auto workspace = model.make_workspace(tokens.size(), pool.size());
  PagedSequence sequence(model.kv_layout());
  std::vector<float> logits(vocab);
  std::vector<int32_t> part = tokens;
  for (size_t i = 0; i < n_new; ++i) {
    const StepSequence step = sequence.step(part, LogitsWanted::kLast);
    model.run({&step, 1}, pool, *workspace, logits.data());
    const auto best = std::max_element(logits.begin(), logits.end()) - logits.begin();
    tokens.push_back(static_cast<int32_t>(best));
    part = {tokens.back()};
  }
  return tokens;
}

}  // namespace maru::models::testing
