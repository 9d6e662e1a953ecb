#include "text/jinja_text.h"

#include <algorithm>

#include "base/utf8.h"

namespace maru::text::jinja {
namespace {

// The first mark that ends after `begin`.
std::vector<Span>::const_iterator first_mark_after(const Text& text, size_t begin) {
  return std::upper_bound(text.foreign.begin(), text.foreign.end(), begin,
                          [](size_t at, const Span& span) { return at < span.end; });
}

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

bool holds_character(std::string_view set, std::string_view character) {
  return set.find(character) != std::string_view::npos;
}

// The start of the character that ends at `end` (end > 0).
size_t previous_character(std::string_view text, size_t end) {
  size_t begin = end - 1;
  while (begin > 0 && is_continuation(text[begin])) --begin;
  return begin;
}

}  // namespace

Text Text::from_input(std::string_view bytes) {
  Text text{std::string(bytes), {}};
  if (!bytes.empty()) text.foreign.push_back({0, bytes.size()});
  return text;
}

bool TextBuilder::fits(size_t bytes) {
  if (overflowed_ || bytes > max_bytes_ - text_.bytes.size()) overflowed_ = true;
  return !overflowed_;
}

void TextBuilder::add_foreign(size_t begin, size_t end) {
  if (begin == end) return;
  if (!text_.foreign.empty() && text_.foreign.back().end == begin) {
    text_.foreign.back().end = end;
  } else {
    text_.foreign.push_back({begin, end});
  }
}

void TextBuilder::append(std::string_view bytes, bool foreign) {
  if (!fits(bytes.size())) return;
  const size_t begin = text_.bytes.size();
  text_.bytes += bytes;
  if (foreign) add_foreign(begin, text_.bytes.size());
}

void TextBuilder::append(const Text& text, size_t begin, size_t end) {
  if (begin >= end || !fits(end - begin)) return;
  const size_t base = text_.bytes.size();
  text_.bytes.append(text.bytes, begin, end - begin);
  for (auto it = first_mark_after(text, begin); it != text.foreign.end() && it->begin < end; ++it) {
    add_foreign(base + std::max(it->begin, begin) - begin, base + std::min(it->end, end) - begin);
  }
}

void TextBuilder::mark_all_foreign() {
  text_.foreign.clear();
  add_foreign(0, text_.bytes.size());
}

Text slice(const Text& text, size_t begin, size_t end) {
  TextBuilder builder(text.bytes.size());
  builder.append(text, begin, end);
  return builder.take();
}

bool foreign_within(const Text& text, size_t begin, size_t end) {
  const auto it = first_mark_after(text, begin);
  return it != text.foreign.end() && it->begin < end;
}

size_t count_characters(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return !is_continuation(c); }));
}

size_t offset_of_character(std::string_view text, size_t index) {
  size_t at = 0;
  for (; at < text.size(); ++at) {
    if (is_continuation(text[at])) continue;
    if (index == 0) break;
    --index;
  }
  return at;
}

bool is_python_space(uint32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 ||
         c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
         c == 0x205F || c == 0x3000;
}

Span strip_span(std::string_view text, const std::string_view* chars, StripSide side) {
  const auto strips = [&](std::string_view character) {
    return chars != nullptr ? holds_character(*chars, character)
                            : is_python_space(utf8_decode(character).code_point);
  };
  Span span{0, text.size()};
  while (side != StripSide::kRight && span.begin < span.end) {
    const size_t length = utf8_decode(text.substr(span.begin)).length;
    if (!strips(text.substr(span.begin, length))) break;
    span.begin += length;
  }
  while (side != StripSide::kLeft && span.begin < span.end) {
    const size_t begin = previous_character(text, span.end);
    if (!strips(text.substr(begin, span.end - begin))) break;
    span.end = begin;
  }
  return span;
}

}  // namespace maru::text::jinja
