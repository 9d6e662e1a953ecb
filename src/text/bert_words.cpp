#include "text/bert_words.h"

#include <algorithm>
#include <iterator>
#include <span>

#include "base/utf8.h"
#include "text/bert_unicode.h"
#include "text/letter_case.h"
#include "text/unicode.h"

namespace maru::text {
namespace {

bool within(std::span<const CodePoints> ranges, uint32_t c) {
  const auto after =
      std::upper_bound(ranges.begin(), ranges.end(), c,
                       [](uint32_t value, const CodePoints& range) { return value < range.first; });
  return after != ranges.begin() && c <= std::prev(after)->last;
}

bool is_space(uint32_t c) { return (CharClasses::get().of(c) & kSpace) != 0; }

// NUL and U+FFFD go too; tab and line ends are white space.
bool is_removed(uint32_t c) {
  if (c == '\t' || c == '\n' || c == '\r') return false;
  if (c == 0 || c == 0xFFFD) return true;
  return is_invisible(c) && !within(kLaterFormats, c);
}

bool is_ideograph(uint32_t c) {
  constexpr CodePoints kIdeographs[] = {
      {0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xF900, 0xFAFF},   {0x20000, 0x2A6DF},
      {0x2A700, 0x2B81F}, {0x2B920, 0x2CEAF}, {0x2F800, 0x2FA1F},
  };
  return c >= 0x3400 && within(kIdeographs, c);
}

bool is_punctuation(uint32_t c) {
  if (c < 0x80) {
    return (c > ' ' && c < '0') || (c > '9' && c < 'A') || (c > 'Z' && c < 'a') ||
           (c > 'z' && c < 0x7F);
  }
  if ((CharClasses::get().of(c) & kPunctuation) != 0) return !within(kLaterPunctuation, c);
  return within(kFormerPunctuation, c);
}

bool is_accent(uint32_t c) {
  if (c < 0x300) return false;
  return is_nonspacing_mark(c) ? !within(kLaterMarks, c) : within(kFormerMarks, c);
}

template <class Body>
void for_characters(std::string_view text, const Body& body) {
  for (size_t pos = 0; pos < text.size();) {
    const Utf8Char c = utf8_decode(text.substr(pos));
    body(c.code_point, pos, pos + c.length);
    pos += c.length;
  }
}

std::string clean(std::string_view text, const BertNormalising& how) {
  std::string out;
  out.reserve(text.size());
  for_characters(text, [&](uint32_t c, size_t, size_t) {
    if (how.clean_text && is_removed(c)) return;
    if (how.clean_text && is_space(c)) {
      out += ' ';
    } else if (how.handle_chinese_chars && is_ideograph(c)) {
      out += ' ';
      utf8_append(out, c);
      out += ' ';
    } else {
      utf8_append(out, c);
    }
  });
  return out;
}

std::string without_accents(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for_characters(normalise_nfd(text), [&](uint32_t c, size_t, size_t) {
    if (!is_accent(c)) utf8_append(out, c);
  });
  return out;
}

std::string in_lower_case(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for_characters(text, [&](uint32_t c, size_t, size_t) { append_lower(out, c); });
  return out;
}

}  // namespace

std::string bert_normalise(std::string_view text, const BertNormalising& how) {
  std::string out = clean(text, how);
  if (how.strip_accents) out = without_accents(out);
  if (how.lowercase) out = in_lower_case(out);
  return out;
}

std::vector<std::string_view> bert_words(std::string_view text) {
  std::vector<std::string_view> words;
  size_t begin = 0;
  const auto close = [&](size_t end) {
    if (end > begin) words.push_back(text.substr(begin, end - begin));
  };
  for_characters(text, [&](uint32_t c, size_t from, size_t to) {
    const bool space = is_space(c);
    if (!space && !is_punctuation(c)) return;
    close(from);
    if (!space) words.push_back(text.substr(from, to - from));
    begin = to;
  });
  close(text.size());
  return words;
}

}  // namespace maru::text
