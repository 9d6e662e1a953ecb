// A request on its way: its tokens so far, what of them is in KV pages, and what was told already.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "engine/engine.h"
#include "engine/kv_cache.h"
#include "engine/sampler.h"
#include "engine/speculation.h"

namespace maru::engine {

struct Sequence {
  Sequence(Request r, EventHandler h, PrefixKey k, uint64_t n)
      : request(std::move(r)),
        handler(std::move(h)),
        key(std::move(k)),
        arrival(n),
        tokens(request.prompt),
        sampler(request.sampling, request.prompt) {}

  const Request request;
  const EventHandler handler;
  const PrefixKey key;
  const uint64_t arrival;  // smaller is older; kept when the sequence loses its place

  std::vector<TokenId> tokens;  // prompt and answer, known so far
  uint32_t n_done = 0;          // of them, computed: their rows are in `kv`
  SequenceKv kv;
  uint64_t seen_version = UINT64_MAX;  // of the prefix tree, when last looked up
  bool is_restoring = true;            // the store may have pages for it
  uint64_t n_restored_bytes = 0;       // read from the store for it
  Sampler sampler;
  DraftGate gate;        // of guesses from the text
  DraftGate model_gate;  // of a draft model's

  uint32_t n_accounted = 0;  // positions that were computed or taken from the tree at least once
  uint32_t n_cached = 0;     // prompt tokens taken from the tree
  uint32_t n_new = 0;        // generated tokens, an end token included
  uint32_t n_progress = 0;   // prompt tokens last reported as done
  uint32_t n_prompt_logprobs = 0;  // sent

  uint32_t n_known() const { return static_cast<uint32_t>(tokens.size()); }
  uint32_t n_prompt() const { return static_cast<uint32_t>(request.prompt.size()); }
  uint32_t n_to_do() const { return n_known() - n_done; }
  uint64_t n_most() const { return uint64_t{n_prompt()} + request.max_new_tokens; }

  bool wants_prompt_logprobs() const {
    return request.want_prompt_logprobs && n_prompt_logprobs + 1 < n_prompt();
  }
  // The first position whose logits are still needed: nothing from there on may be skipped.
  uint32_t resume_limit() const {
    const uint32_t last = n_known() - 1;
    return wants_prompt_logprobs() ? std::min(last, n_prompt_logprobs) : last;
  }
  Usage usage() const { return {n_prompt(), n_cached, n_new}; }
};

}  // namespace maru::engine
