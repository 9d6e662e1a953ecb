#include "text/stream_decoder.h"

#include <algorithm>
#include <limits>

#include "base/utf8.h"

namespace maru::text {
namespace {

// The length of the longest end of `text` that is a proper start of `word`.
size_t overlap(std::string_view text, std::string_view word) {
  for (size_t n = std::min(text.size(), word.empty() ? 0 : word.size() - 1); n > 0; --n) {
    if (text.substr(text.size() - n) == word.substr(0, n)) return n;
  }
  return 0;
}

}  // namespace

StreamDecoder::StreamDecoder(const Tokenizer& tokenizer, std::vector<std::string> stop,
                             bool with_special, bool continues)
    : tokenizer_(tokenizer), stop_(std::move(stop)), with_special_(with_special) {
  if (continues) {
    state_.at_start = false;
    state_.n_stripped = std::numeric_limits<uint32_t>::max();
  }
  // Half a character never stands in the text, so cutting at it would only break one.
  std::erase_if(stop_, [](const std::string& s) { return s.empty() || !utf8_is_valid(s); });
}

std::string StreamDecoder::push(TokenId id) {
  if (stopped_) return {};
  tokenizer_.decode_next(state_, id, with_special_, pending_);
  return take_certain(false);
}

std::string StreamDecoder::finish() {
  if (stopped_) return {};
  tokenizer_.decode_end(state_, pending_);
  return take_certain(true);
}

// The earliest match wins; a stop string that might still start before it is waited for, so that
// the cut does not depend on how the text came in tokens.
std::string StreamDecoder::take_certain(bool at_end) {
  size_t first = std::string::npos;
  const std::string* met = nullptr;
  for (const std::string& stop : stop_) {
    const size_t at = pending_.find(stop);
    if (at == std::string::npos || at > first) continue;
    if (at == first && met->size() <= stop.size()) continue;
    first = at;
    met = &stop;
  }
  size_t held = 0;
  if (!at_end) {
    for (const std::string& stop : stop_) held = std::max(held, overlap(pending_, stop));
  }
  const size_t open = pending_.size() - held;
  if (met != nullptr && (first <= open)) {
    stopped_ = true;
    stop_string_ = *met;
    std::string out = pending_.substr(0, first);
    pending_.clear();
    return out;
  }
  std::string out = pending_.substr(0, open);
  pending_.erase(0, open);
  return out;
}

}  // namespace maru::text
