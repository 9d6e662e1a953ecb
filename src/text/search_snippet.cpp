#include "text/search_snippet.h"

#include <algorithm>

#include "base/utf8.h"
#include "text/letter_case.h"
#include "text/unicode.h"

namespace maru::text {
namespace {

// What a term's words stand for: pairs overlap by a letter.
std::string term_text(const SearchTerm& term) {
  std::string text = term.words.front();
  for (size_t i = 1; i < term.words.size(); ++i) {
    const std::string& pair = term.words[i];
    text += pair.substr(utf8_decode(pair).length);
  }
  return text;
}

struct Range {
  size_t begin = 0, end = 0;  // bytes
};

// Bytes of `text` whose lower-case form holds bytes [begin, end) of the whole text's.
Range range_of_lower(std::string_view text, size_t begin, size_t end) {
  Range range{text.size(), text.size()};
  std::string lower;
  size_t n_lower = 0;
  for (size_t at = 0; at < text.size() && n_lower < end;) {
    if (n_lower <= begin) range.begin = at;
    const Utf8Char c = utf8_decode(text.substr(at));
    lower.clear();
    append_lower(lower, c.code_point);
    n_lower += lower.size();
    at += c.length;
    range.end = at;
  }
  return range;
}

Range find_first(std::string_view text, std::span<const SearchTerm> terms) {
  std::string lower;
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = utf8_decode(text.substr(at));
    append_lower(lower, c.code_point);
    at += c.length;
  }
  size_t best = std::string::npos, length = 0;
  for (const SearchTerm& term : terms) {
    const std::string wanted = term_text(term);
    const size_t at = lower.find(wanted);
    if (at >= best) continue;
    best = at;
    length = wanted.size();
  }
  if (best == std::string::npos) return {};
  return range_of_lower(text, best, best + length);
}

bool is_inner_byte(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

size_t back_by(std::string_view text, size_t at, size_t n_characters) {
  while (at > 0 && n_characters > 0) {
    --at;
    if (!is_inner_byte(text[at])) --n_characters;
  }
  return at;
}

size_t forward_by(std::string_view text, size_t at, size_t n_characters) {
  while (at < text.size() && n_characters > 0) {
    ++at;
    while (at < text.size() && is_inner_byte(text[at])) ++at;
    --n_characters;
  }
  return at;
}

std::string on_one_line(std::string_view text) {
  std::string line;
  for (const char c : text) {
    const bool is_space = static_cast<unsigned char>(c) <= ' ' || c == '\x7f';
    if (!is_space) {
      line += c;
    } else if (line.empty() || line.back() != ' ') {
      line += ' ';
    }
  }
  return line;
}

}  // namespace

SearchSnippet search_snippet(std::string_view text, std::span<const SearchTerm> terms,
                             size_t n_around) {
  const std::string normal = normalise_nfc(utf8_sanitise(text));
  const Range match = find_first(normal, terms);
  const size_t begin = back_by(normal, match.begin, n_around);
  const size_t end = forward_by(normal, match.end, n_around);
  const std::string_view view = normal;
  return {.before = on_one_line(view.substr(begin, match.begin - begin)),
          .match = on_one_line(view.substr(match.begin, match.end - match.begin)),
          .after = on_one_line(view.substr(match.end, end - match.end)),
          .is_cut_before = begin > 0,
          .is_cut_after = end < normal.size()};
}

}  // namespace maru::text
