#include "text/tokenizer_decoder.h"

#include <array>

#include "base/utf8.h"

namespace maru::text {
namespace {

constexpr size_t kLongestByteRun = 64;

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  if (from.empty()) return;
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

// Bytes that print as they are; the others stand from U+0100 on, in order.
bool prints(uint32_t byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

// Code point - 0 .. 0x143 -> byte, or -1.
std::array<int16_t, 0x144> make_alphabet() {
  std::array<int16_t, 0x144> byte_of{};
  byte_of.fill(-1);
  size_t next = 0x100;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    byte_of[prints(byte) ? byte : next++] = static_cast<int16_t>(byte);
  }
  return byte_of;
}

// Moves whole characters from `bytes` to `out`, U+FFFD for invalid ones; what may still become a
// character stays.
void take_characters(std::string& bytes, std::string& out) {
  const size_t open = utf8_incomplete_suffix(bytes);
  const size_t end = bytes.size() - open;
  for (size_t pos = 0; pos < end;) {
    const std::string_view rest = std::string_view(bytes).substr(pos, end - pos);
    const Utf8Char c = utf8_decode(rest);
    utf8_append(out, c.code_point);
    pos += c.valid ? c.length : utf8_invalid_length(rest);
  }
  bytes.erase(0, end);
}

}  // namespace

std::optional<uint8_t> byte_of_token(std::string_view text) {
  if (text.size() != 6 || !text.starts_with("<0x") || text[5] != '>') return std::nullopt;
  uint32_t byte = 0;
  for (const char c : text.substr(3, 2)) {
    const uint32_t digit = c >= '0' && c <= '9'   ? static_cast<uint32_t>(c - '0')
                           : c >= 'A' && c <= 'F' ? static_cast<uint32_t>(c - 'A' + 10)
                           : c >= 'a' && c <= 'f' ? static_cast<uint32_t>(c - 'a' + 10)
                                                  : 16;
    if (digit == 16) return std::nullopt;
    byte = byte * 16 + digit;
  }
  return static_cast<uint8_t>(byte);
}

std::optional<std::string> bytes_of_alphabet(std::string_view text) {
  static const std::array<int16_t, 0x144> kByteOf = make_alphabet();
  std::string out;
  while (!text.empty()) {
    const Utf8Char c = utf8_decode(text);
    if (!c.valid || c.code_point >= kByteOf.size() || kByteOf[c.code_point] < 0) {
      return std::nullopt;
    }
    out.push_back(static_cast<char>(kByteOf[c.code_point]));
    text.remove_prefix(c.length);
  }
  return out;
}

Decoder::Decoder(const Vocabulary& vocabulary, DecoderSpec spec)
    : spec_(std::move(spec)), is_byte_(vocabulary.size()) {
  bytes_.reserve(vocabulary.size());
  for (size_t i = 0; i < vocabulary.size(); ++i) {
    std::string text = vocabulary.text(static_cast<TokenId>(i));
    if (spec_.join == DecoderSpec::Join::kBytes) {
      bytes_.push_back(bytes_of_alphabet(text).value_or(text));
      continue;
    }
    for (const auto& [from, to] : spec_.replacements) replace_all(text, from, to);
    if (const auto byte = byte_of_token(text); spec_.byte_fallback && byte.has_value()) {
      is_byte_[i] = true;
      text.assign(1, static_cast<char>(*byte));
    }
    bytes_.push_back(std::move(text));
  }
}

void Decoder::put(DecodeState& state, std::string_view text, std::string& out) const {
  while (state.n_stripped < spec_.n_leading_spaces && !text.empty()) {
    if (text[0] != ' ') {
      state.n_stripped = spec_.n_leading_spaces;
      break;
    }
    text.remove_prefix(1);
    ++state.n_stripped;
  }
  out += text;
}

void Decoder::next(DecodeState& state, TokenId id, std::string_view spelling,
                   std::string& out) const {
  const bool is_first = state.at_start;
  state.at_start = false;
  const std::string& bytes = bytes_[static_cast<size_t>(id)];
  if (spec_.join == DecoderSpec::Join::kBytes) {
    state.bytes += bytes;
    take_characters(state.bytes, out);
    return;
  }
  if (is_byte_[static_cast<size_t>(id)]) {
    state.bytes += bytes;
    if (state.bytes.size() >= kLongestByteRun) {
      std::string text;
      take_characters(state.bytes, text);
      put(state, text, out);
    }
    return;
  }
  end(state, out);
  if (is_first && !spec_.first_token_drops.empty()) {
    std::string first(spelling);
    replace_all(first, spec_.first_token_drops, "");
    put(state, first, out);
    return;
  }
  if (!is_first && spec_.join == DecoderSpec::Join::kSpaced) out += ' ';
  put(state, bytes, out);
}

// A run of byte tokens counts as a whole: one invalid byte makes all of them U+FFFD, as in Hugging
// Face's ByteFallback.
void Decoder::end(DecodeState& state, std::string& out) const {
  if (state.bytes.empty()) return;
  std::string text;
  if (utf8_is_valid(state.bytes)) {
    text = state.bytes;
  } else if (spec_.join == DecoderSpec::Join::kBytes) {
    utf8_append(text, 0xFFFD);  // take_characters() has left the start of one character
  } else {
    for (size_t i = 0; i < state.bytes.size(); ++i) utf8_append(text, 0xFFFD);
  }
  state.bytes.clear();
  put(state, text, out);
}

}  // namespace maru::text
