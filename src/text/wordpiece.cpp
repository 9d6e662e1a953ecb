#include "text/wordpiece.h"

#include <algorithm>

#include "base/utf8.h"

namespace maru::text {
namespace {

size_t count_characters(std::string_view text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<uint8_t>(c) & 0xC0) != 0x80; }));
}

EncoderInput fill(const std::vector<TemplatePart>& parts, const std::vector<TokenId>& first,
                  const std::vector<TokenId>& second) {
  EncoderInput out;
  for (const TemplatePart& part : parts) {
    if (part.token.has_value()) {
      out.tokens.push_back(*part.token);
    } else {
      const auto& text = part.is_second ? second : first;
      out.tokens.insert(out.tokens.end(), text.begin(), text.end());
    }
    out.types.resize(out.tokens.size(), part.type);
  }
  return out;
}

}  // namespace

// The longest token that the rest begins with, again and again; a word that can't be cut so is
// unknown as a whole.
void WordPieceTokenizer::encode_word(std::string_view word, std::string& key,
                                     std::vector<TokenId>& out) const {
  if (count_characters(word) > parts_.max_word_characters) {
    out.push_back(parts_.unknown);
    return;
  }
  const size_t n_before = out.size();
  for (size_t begin = 0; begin < word.size();) {
    key = begin == 0 ? std::string() : parts_.continuation;
    const size_t prefix = key.size();
    key += word.substr(begin);
    TokenId id = parts_.vocabulary.find(key);
    while (id == kNoToken) {
      do {
        key.pop_back();
      } while (key.size() > prefix &&
               (static_cast<uint8_t>(word[begin + key.size() - prefix]) & 0xC0) == 0x80);
      if (key.size() <= prefix) {
        out.resize(n_before);
        out.push_back(parts_.unknown);
        return;
      }
      id = parts_.vocabulary.find(key);
    }
    out.push_back(id);
    begin += key.size() - prefix;
  }
}

std::vector<TokenId> WordPieceTokenizer::encode(std::string_view text) const {
  std::string valid;
  if (!utf8_is_valid(text)) {
    for (size_t pos = 0; pos < text.size();) {
      const std::string_view rest = text.substr(pos);
      const Utf8Char c = utf8_decode(rest);
      utf8_append(valid, c.code_point);
      pos += c.valid ? c.length : utf8_invalid_length(rest);
    }
    text = valid;
  }
  const std::string normalised = bert_normalise(text, parts_.normalising);
  std::vector<TokenId> out;
  std::string key;
  for (const std::string_view word : bert_words(normalised)) encode_word(word, key, out);
  return out;
}

EncoderInput WordPieceTokenizer::arrange(std::vector<TokenId> text) const {
  return fill(parts_.single, text, {});
}

EncoderInput WordPieceTokenizer::arrange(const std::vector<TokenId>& first,
                                         const std::vector<TokenId>& second) const {
  return fill(parts_.pair, first, second);
}

size_t WordPieceTokenizer::n_added(bool is_pair) const {
  const auto& parts = is_pair ? parts_.pair : parts_.single;
  return static_cast<size_t>(std::count_if(
      parts.begin(), parts.end(), [](const TemplatePart& part) { return part.token.has_value(); }));
}

}  // namespace maru::text
