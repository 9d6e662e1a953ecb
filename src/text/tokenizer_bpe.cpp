#include "text/tokenizer_bpe.h"

#include <algorithm>
#include <array>

#include "base/utf8.h"

namespace maru::text {
namespace {

// Joins the segments; what is not UTF-8 becomes U+FFFD (one for each maximal subpart). A character
// is trusted if all its bytes are.
std::string join_segments(std::span<const Segment> segments, TrustedRanges& trusted) {
  std::string joined;
  TrustedRanges ranges;
  for (const Segment& segment : segments) {
    const size_t begin = joined.size();
    joined += segment.text;
    if (segment.trusted) ranges.add(begin, joined.size());
  }
  if (utf8_is_valid(joined)) {
    trusted = std::move(ranges);
    return joined;
  }
  std::string out;
  out.reserve(joined.size() + joined.size() / 8);
  for (size_t pos = 0; pos < joined.size();) {
    const std::string_view rest = std::string_view(joined).substr(pos);
    const Utf8Char c = utf8_decode(rest);
    const size_t length = c.valid ? c.length : utf8_invalid_length(rest);
    const size_t begin = out.size();
    utf8_append(out, c.code_point);
    if (ranges.covers(pos, pos + length)) trusted.add(begin, out.size());
    pos += length;
  }
  return out;
}

}  // namespace

std::vector<TokenId> Tokenizer::encode(std::string_view text) const {
  const Segment plain{text, false};
  return encode(std::span(&plain, 1));
}

std::string Tokenizer::decode(std::span<const TokenId> ids, bool with_special) const {
  DecodeState state;
  std::string out;
  for (const TokenId id : ids) decode_next(state, id, with_special, out);
  decode_end(state, out);
  return out;
}

std::vector<TokenId> BpeTokenizer::encode(std::span<const Segment> segments) const {
  TrustedRanges trusted;
  const std::string text = join_segments(segments, trusted);
  Bpe::Scratch scratch(text.size());
  std::vector<TokenId> out;
  out.reserve(text.size() / 3 + 1);
  for (size_t pos = 0; pos < text.size();) {
    const auto match = parts_.added.find(text, pos, trusted);
    const size_t end = match.has_value() ? match->begin : text.size();
    encode_section(std::string_view(text).substr(pos, end - pos), pos == 0, scratch, out);
    if (!match.has_value()) break;
    out.push_back(match->id);
    pos = match->end;
  }
  return out;
}

void BpeTokenizer::encode_section(std::string_view text, bool at_start, Bpe::Scratch& scratch,
                                  std::vector<TokenId>& out) const {
  if (text.empty()) return;
  std::string normalised(text);
  for (const auto& step : parts_.normaliser) normalised = step->apply(std::move(normalised));
  for (size_t pos = 0; pos < normalised.size();) {
    const auto match = parts_.normalised_added.find(normalised, pos, TrustedRanges());
    const size_t end = match.has_value() ? match->begin : normalised.size();
    encode_words(std::string_view(normalised).substr(pos, end - pos), at_start && pos == 0, scratch,
                 out);
    if (!match.has_value()) break;
    out.push_back(match->id);
    pos = match->end;
  }
}

void BpeTokenizer::encode_words(std::string_view text, bool at_start, Bpe::Scratch& scratch,
                                std::vector<TokenId>& out) const {
  if (text.empty()) return;
  if (parts_.pretokenizer.empty()) {
    parts_.bpe->encode(text, scratch, out);
    return;
  }
  PieceList list{std::string(text), {{0, text.size()}}, at_start};
  for (const auto& step : parts_.pretokenizer) step->apply(list);
  for (const Piece& piece : list.pieces) {
    parts_.bpe->encode(std::string_view(list.text).substr(piece.begin, piece.end - piece.begin),
                       scratch, out);
  }
}

std::string_view BpeTokenizer::token_bytes(TokenId id) const {
  return parts_.vocabulary.has(id) && !is_control(id) ? parts_.decoder.bytes(id)
                                                      : std::string_view();
}

void BpeTokenizer::decode_next(DecodeState& state, TokenId id, bool with_special,
                               std::string& out) const {
  const Vocabulary& vocabulary = parts_.vocabulary;
  if (!vocabulary.has(id) || vocabulary.text(id).empty()) return;
  if (!with_special && vocabulary.is_control(id)) return;
  parts_.decoder.next(state, id, vocabulary.text(id), out);
}

void BpeTokenizer::decode_end(DecodeState& state, std::string& out) const {
  parts_.decoder.end(state, out);
}

std::string_view BpeTokenizer::token_text(TokenId id) const {
  return parts_.vocabulary.has(id) ? std::string_view(parts_.vocabulary.text(id))
                                   : std::string_view();
}

bool BpeTokenizer::is_control(TokenId id) const {
  return parts_.vocabulary.has(id) && parts_.vocabulary.is_control(id);
}

std::optional<TokenId> BpeTokenizer::find_token(std::string_view spelling) const {
  const TokenId id = parts_.vocabulary.find(spelling);
  return id == kNoToken ? std::nullopt : std::optional(id);
}

bool looks_like_control(std::string_view spelling) {
  constexpr std::string_view kWideBar = "｜";
  if (spelling.size() < 3 || spelling.front() != '<' || spelling.back() != '>') return false;
  const std::string_view inside = spelling.substr(1, spelling.size() - 2);
  return (inside.size() > 2 && inside.front() == '|' && inside.back() == '|') ||
         (inside.size() > 2 * kWideBar.size() && inside.starts_with(kWideBar) &&
          inside.ends_with(kWideBar));
}

std::vector<TokenId> find_end_tokens(const Vocabulary& vocabulary, std::optional<TokenId> eos,
                                     std::vector<TokenId> further) {
  constexpr std::array<std::string_view, 16> kKnown = {
      "</s>",           "<eos>",      "<|endoftext|>", "<|end_of_text|>", "<|im_end|>",
      "<|eot_id|>",     "<|eom_id|>", "<|eot|>",       "<|eom|>",         "<end_of_turn>",
      "<|end|>",        "<|return|>", "<|call|>",      "<|EOT|>",         "<｜end▁of▁sentence｜>",
      "<|end_of_turn|>"};
  std::vector<TokenId> out;
  if (eos.has_value()) out.push_back(*eos);
  out.insert(out.end(), further.begin(), further.end());
  // gpt-oss ends each of the messages of one answer by <|end|>, and the answer by the others.
  const bool has_messages =
      vocabulary.find("<|return|>") != kNoToken && vocabulary.find("<|call|>") != kNoToken;
  for (const std::string_view spelling : kKnown) {
    const TokenId id = vocabulary.find(spelling);
    if (id == kNoToken || !vocabulary.is_control(id)) continue;
    if (has_messages && spelling == "<|end|>") continue;
    out.push_back(id);
  }
  std::vector<TokenId> unique;
  for (const TokenId id : out) {
    if (std::find(unique.begin(), unique.end(), id) == unique.end()) unique.push_back(id);
  }
  return unique;
}

std::vector<BpeMerge> merges_from_ranks(const std::vector<std::string>& units,
                                        const std::vector<uint32_t>& rank) {
  StringIds ids;
  ids.reset(units.size());
  for (size_t i = 0; i < units.size(); ++i) {
    if (!units[i].empty()) ids.insert(units[i], static_cast<TokenId>(i));
  }
  std::vector<BpeMerge> merges;
  for (size_t i = 0; i < units.size(); ++i) {
    const std::string_view unit = units[i];
    for (size_t cut = 1; cut < unit.size(); ++cut) {
      if ((static_cast<uint8_t>(unit[cut]) & 0xC0) == 0x80) continue;
      const TokenId left = ids.find(unit.substr(0, cut));
      if (left == kNoToken) continue;
      const TokenId right = ids.find(unit.substr(cut));
      if (right == kNoToken) continue;
      merges.push_back({left, right, ids.find(unit), rank[i]});
    }
  }
  return merges;
}

}  // namespace maru::text
