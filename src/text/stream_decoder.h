// Turns a stream of token ids into text that can be sent at once: never half a character, and never
// a stop string or the start of one. One object per answer; not thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace maru::text {

class StreamDecoder {
 public:
  // `tokenizer` must outlive the decoder. `stop` strings that are empty or no UTF-8 never match.
  // `with_special` shows control tokens by their spelling. `continues`: the tokens go on with a
  // text, so that a space before their first word stays.
  StreamDecoder(const Tokenizer& tokenizer, std::vector<std::string> stop,
                bool with_special = false, bool continues = false);

  // Takes one token; returns the text that became certain (maybe empty).
  std::string push(TokenId id);
  // The rest at the end of an answer. Bytes that never became a character turn into U+FFFD.
  std::string finish();
  // A stop string was met: all text before its first occurrence has been returned, and nothing more
  // comes. Of several that start at the same place, the one that was complete first.
  bool stopped() const { return stopped_; }
  const std::string& stop_string() const { return stop_string_; }

 private:
  std::string take_certain(bool at_end);

  const Tokenizer& tokenizer_;
  std::vector<std::string> stop_;
  bool with_special_;
  DecodeState state_;
  std::string pending_;  // whole characters not given out yet
  bool stopped_ = false;
  std::string stop_string_;
};

}  // namespace maru::text
