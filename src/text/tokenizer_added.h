// Tokens that are found in a text before anything else splits it: control tokens, and pieces that
// a vocabulary's makers added by hand. Immutable; thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/tokenizer.h"

namespace maru::text {

struct AddedToken {
  std::string text;
  TokenId id = -1;
  bool guarded = false;      // found in trusted text only
  bool single_word = false;  // not beside a letter, digit or underscore
  bool lstrip = false;       // takes the white space before it
  bool rstrip = false;       // takes the white space behind it
};

// The parts of a text that the program wrote. Ranges are sorted and do not touch.
class TrustedRanges {
 public:
  void add(size_t begin, size_t end);
  bool covers(size_t begin, size_t end) const;

 private:
  struct Range {
    size_t begin, end;
  };
  std::vector<Range> ranges_;
};

class AddedTokens {
 public:
  struct Match {
    size_t begin, end;  // with the white space that the token takes
    TokenId id;
  };

  AddedTokens() = default;
  explicit AddedTokens(std::vector<AddedToken> tokens);

  bool empty() const { return tokens_.empty(); }
  // The leftmost match at or behind `from`, the longest one there. `text` must be valid UTF-8.
  std::optional<Match> find(std::string_view text, size_t from, const TrustedRanges& trusted) const;

 private:
  const AddedToken* longest_at(std::string_view text, size_t begin,
                               const TrustedRanges& trusted) const;

  std::vector<AddedToken> tokens_;
  // A trie: (node, byte) -> node. Node 0 is the root; token_at_[node] is an index or -1.
  std::unordered_map<uint64_t, uint32_t> children_;
  std::vector<int32_t> token_at_;
  bool starts_[256] = {};  // bytes that a token starts with
};

}  // namespace maru::text
