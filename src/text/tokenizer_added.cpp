#include "text/tokenizer_added.h"

#include <algorithm>

#include "base/utf8.h"
#include "text/unicode.h"

namespace maru::text {
namespace {

uint16_t class_at(std::string_view text, size_t pos) {
  return CharClasses::get().of(utf8_decode(text.substr(pos)).code_point);
}

// The begin of the character that ends at `end` > 0.
size_t character_before(std::string_view text, size_t end) {
  size_t begin = end - 1;
  while (begin > 0 && (static_cast<uint8_t>(text[begin]) & 0xC0) == 0x80) --begin;
  return begin;
}

bool is_word_at(std::string_view text, size_t pos) {
  return text[pos] == '_' || (class_at(text, pos) & (kLetter | kMark | kNumber)) != 0;
}

bool stands_alone(std::string_view text, size_t begin, size_t end) {
  return (begin == 0 || !is_word_at(text, character_before(text, begin))) &&
         (end == text.size() || !is_word_at(text, end));
}

}  // namespace

void TrustedRanges::add(size_t begin, size_t end) {
  if (begin >= end) return;
  if (!ranges_.empty() && ranges_.back().end == begin) {
    ranges_.back().end = end;
  } else {
    ranges_.push_back({begin, end});
  }
}

bool TrustedRanges::covers(size_t begin, size_t end) const {
  const auto after = std::upper_bound(ranges_.begin(), ranges_.end(), begin,
                                      [](size_t at, const Range& r) { return at < r.begin; });
  return after != ranges_.begin() && end <= std::prev(after)->end;
}

AddedTokens::AddedTokens(std::vector<AddedToken> tokens)
    : tokens_(std::move(tokens)), token_at_(1, -1) {
  for (size_t i = 0; i < tokens_.size(); ++i) {
    const std::string& text = tokens_[i].text;
    if (text.empty()) continue;
    uint32_t node = 0;
    for (const char c : text) {
      const uint64_t key = uint64_t{node} << 8 | static_cast<uint8_t>(c);
      const auto [child, is_new] =
          children_.try_emplace(key, static_cast<uint32_t>(token_at_.size()));
      if (is_new) token_at_.push_back(-1);
      node = child->second;
    }
    if (token_at_[node] < 0) token_at_[node] = static_cast<int32_t>(i);
    starts_[static_cast<uint8_t>(text[0])] = true;
  }
}

const AddedToken* AddedTokens::longest_at(std::string_view text, size_t begin,
                                          const TrustedRanges& trusted) const {
  const AddedToken* longest = nullptr;
  uint32_t node = 0;
  for (size_t i = begin; i < text.size(); ++i) {
    const auto child = children_.find(uint64_t{node} << 8 | static_cast<uint8_t>(text[i]));
    if (child == children_.end()) break;
    node = child->second;
    if (token_at_[node] < 0) continue;
    const AddedToken& token = tokens_[static_cast<size_t>(token_at_[node])];
    if (token.guarded && !trusted.covers(begin, i + 1)) continue;
    if (token.single_word && !stands_alone(text, begin, i + 1)) continue;
    longest = &token;
  }
  return longest;
}

std::optional<AddedTokens::Match> AddedTokens::find(std::string_view text, size_t from,
                                                    const TrustedRanges& trusted) const {
  for (size_t begin = from; begin < text.size(); ++begin) {
    if (!starts_[static_cast<uint8_t>(text[begin])]) continue;
    const AddedToken* token = longest_at(text, begin, trusted);
    if (token == nullptr) continue;
    Match match{begin, begin + token->text.size(), token->id};
    while (token->lstrip && match.begin > from) {
      const size_t before = character_before(text, match.begin);
      if (before < from || (class_at(text, before) & kSpace) == 0) break;
      match.begin = before;
    }
    while (token->rstrip && match.end < text.size() && (class_at(text, match.end) & kSpace) != 0) {
      match.end += utf8_decode(text.substr(match.end)).length;
    }
    return match;
  }
  return std::nullopt;
}

}  // namespace maru::text
