#include "text/pretokenizer_scanners.h"

#include <utility>

namespace maru::text {

const std::string_view kGpt2Regex =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
const std::string_view kLlama3Regex =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|)"
    R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
const std::string_view kQwen2Regex =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|)"
    R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
const std::string_view kO200kRegex =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)"
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
    R"(\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
const std::string_view kDeepseekNumberRegex = R"(\p{N}{1,3})";
const std::string_view kDeepseekIdeographRegex = "[一-龥\u3040-ゟ゠-ヿ]+";
const std::string_view kDeepseekRegex =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|)"
    "[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|"
    "\\s*[\r\n]+|\\s+(?!\\S)|\\s+";

namespace {

constexpr uint16_t kUpperLike = kUpper | kTitle | kModifier | kOtherLetter | kMark;
constexpr uint16_t kLowerLike = kLower | kModifier | kOtherLetter | kMark;
constexpr uint16_t kWordStops = kSpace | kLetter | kNumber;

// Reads characters with their classes.
class Reader {
 public:
  Reader(std::string_view text, const CharClasses& classes) : text_(text), classes_(classes) {}

  struct Char {
    uint32_t code_point = 0;
    uint16_t bits = 0;    // of CharClass
    uint32_t length = 0;  // 0 at the end
  };

  Char at(size_t pos) const {
    if (pos >= text_.size()) return {};
    const uint32_t lead = byte(pos);
    uint32_t code_point = lead, length = 1;
    if (lead >= 0xF0) {
      code_point = (lead & 7) << 18 | tail(pos + 1) << 12 | tail(pos + 2) << 6 | tail(pos + 3);
      length = 4;
    } else if (lead >= 0xE0) {
      code_point = (lead & 15) << 12 | tail(pos + 1) << 6 | tail(pos + 2);
      length = 3;
    } else if (lead >= 0xC0) {
      code_point = (lead & 31) << 6 | tail(pos + 1);
      length = 2;
    }
    return {code_point, classes_.of(code_point), length};
  }

  // The end of the run of characters with any of `bits`, at most `limit` of them.
  size_t skip(size_t pos, uint16_t bits, size_t limit = ~size_t{0}) const {
    for (Char c = at(pos); (c.bits & bits) != 0 && limit > 0; c = at(pos), --limit) pos += c.length;
    return pos;
  }
  // The end of the run of characters with none of `bits`.
  size_t skip_without(size_t pos, uint16_t bits) const {
    for (Char c = at(pos); c.length > 0 && (c.bits & bits) == 0; c = at(pos)) pos += c.length;
    return pos;
  }
  size_t skip_line_ends(size_t pos, char also = '\n') const {
    while (pos < text_.size() && (text_[pos] == '\r' || text_[pos] == '\n' || text_[pos] == also)) {
      ++pos;
    }
    return pos;
  }

  size_t size() const { return text_.size(); }

 private:
  uint32_t byte(size_t pos) const { return static_cast<uint8_t>(text_[pos]); }
  uint32_t tail(size_t pos) const { return byte(pos) & 0x3F; }

  std::string_view text_;
  const CharClasses& classes_;
};

// 's 't 're 've 'm 'll 'd: returns its end, or `pos`.
size_t skip_contraction(const Reader& reader, size_t pos, bool any_case) {
  constexpr uint32_t kLongS = 0x17F;  // folds to s
  if (reader.at(pos).code_point != '\'') return pos;
  const auto letter = [&](const Reader::Char& c) -> uint32_t {
    if (any_case && c.code_point == kLongS) return 's';
    return any_case && c.code_point >= 'A' && c.code_point <= 'Z' ? c.code_point + 32
                                                                  : c.code_point;
  };
  const Reader::Char first = reader.at(pos + 1);
  const size_t after_first = pos + 1 + first.length;
  switch (letter(first)) {
    case 's':
    case 't':
    case 'm':
    case 'd': return after_first;
    case 'r':
    case 'v': return letter(reader.at(after_first)) == 'e' ? after_first + 1 : pos;
    case 'l': return letter(reader.at(after_first)) == 'l' ? after_first + 1 : pos;
    default: return pos;
  }
}

// \s+(?!\S)|\s+, with \s*[\r\n]+ before it if `lines`. `pos` is at white space.
size_t scan_space(const Reader& reader, size_t pos, bool lines) {
  size_t end = pos, last = pos, after_line = pos;
  for (Reader::Char c = reader.at(end); (c.bits & kSpace) != 0; c = reader.at(end)) {
    last = end;
    end += c.length;
    if ((c.bits & kLineEnd) != 0) after_line = end;
  }
  if (lines && after_line > pos) return after_line;
  // The last space of a run belongs to the word behind it.
  return end < reader.size() && last > pos ? last : end;
}

size_t scan_gpt2(std::string_view text, size_t begin, const CharClasses& classes) {
  const Reader reader(text, classes);
  const Reader::Char first = reader.at(begin);
  if (first.code_point == '\'') {
    if (const size_t end = skip_contraction(reader, begin, false); end > begin) return end;
  }
  const size_t start = first.code_point == ' ' ? begin + 1 : begin;
  const Reader::Char c = start == begin ? first : reader.at(start);
  if ((c.bits & kLetter) != 0) return reader.skip(start, kLetter);
  if ((c.bits & kNumber) != 0) return reader.skip(start, kNumber);
  if (c.length > 0 && (c.bits & kSpace) == 0) return reader.skip_without(start, kWordStops);
  return scan_space(reader, begin, false);
}

template <size_t kMaxDigits>
size_t scan_llama3(std::string_view text, size_t begin, const CharClasses& classes) {
  const Reader reader(text, classes);
  const Reader::Char first = reader.at(begin);
  if ((first.bits & kLetter) != 0) return reader.skip(begin, kLetter);
  if ((first.bits & kNumber) != 0) return reader.skip(begin, kNumber, kMaxDigits);
  if (first.code_point == '\'') {
    if (const size_t end = skip_contraction(reader, begin, true); end > begin) return end;
  }
  const size_t start = begin + first.length;
  const Reader::Char second = reader.at(start);
  if ((first.bits & kLineEnd) == 0 && (second.bits & kLetter) != 0) {
    return reader.skip(start, kLetter);
  }
  if ((first.bits & kSpace) == 0) {
    return reader.skip_line_ends(reader.skip_without(begin, kWordStops));
  }
  if (first.code_point == ' ' && second.length > 0 && (second.bits & kWordStops) == 0) {
    return reader.skip_line_ends(reader.skip_without(start, kWordStops));
  }
  return scan_space(reader, begin, true);
}

// [Upper-like]*[lower-like]+ from `pos` with backtracking, or `pos`. A run of upper-like characters
// that no lower-case letter follows must give its last letter that is of both kinds to the second
// part.
size_t scan_cased(const Reader& reader, size_t pos) {
  size_t end = pos, after_both = pos;
  for (Reader::Char c = reader.at(end); (c.bits & kUpperLike) != 0; c = reader.at(end)) {
    end += c.length;
    if ((c.bits & kLowerLike) != 0) after_both = end;
  }
  const size_t lower_end = reader.skip(end, kLowerLike);
  return lower_end > end ? lower_end : after_both;
}

// The two alternatives for words in kO200kRegex, each first with a leading character, then without;
// `begin` if none matches.
size_t scan_o200k_word(const Reader& reader, size_t begin, const Reader::Char& first) {
  const bool may_lead = (first.bits & (kLetter | kNumber | kLineEnd)) == 0;
  const size_t start = may_lead ? begin + first.length : begin;
  for (const size_t pos : {start, begin}) {
    if (const size_t end = scan_cased(reader, pos); end > pos) {
      return skip_contraction(reader, end, true);
    }
  }
  for (const size_t pos : {start, begin}) {
    if (const size_t end = reader.skip(pos, kUpperLike); end > pos) {
      return skip_contraction(reader, end, true);
    }
  }
  return begin;
}

size_t scan_o200k(std::string_view text, size_t begin, const CharClasses& classes) {
  const Reader reader(text, classes);
  const Reader::Char first = reader.at(begin);
  if ((first.bits & kNumber) != 0) return reader.skip(begin, kNumber, 3);
  if (const size_t end = scan_o200k_word(reader, begin, first); end > begin) return end;
  const size_t start = first.code_point == ' ' ? begin + 1 : begin;
  const Reader::Char c = start == begin ? first : reader.at(start);
  if (c.length > 0 && (c.bits & kWordStops) == 0) {
    return reader.skip_line_ends(reader.skip_without(start, kWordStops), '/');
  }
  return scan_space(reader, begin, true);
}

size_t scan_three_digits(std::string_view text, size_t begin, const CharClasses& classes) {
  return Reader(text, classes).skip(begin, kNumber, 3);
}

size_t scan_ideographs(std::string_view text, size_t begin, const CharClasses& classes) {
  const Reader reader(text, classes);
  size_t end = begin;
  for (;;) {
    const Reader::Char c = reader.at(end);
    const bool fits = (c.code_point >= 0x4E00 && c.code_point <= 0x9FA5) ||
                      (c.code_point >= 0x3040 && c.code_point <= 0x30FF);
    if (!fits) return end;
    end += c.length;
  }
}

bool is_ascii_letter(uint32_t c) { return (c | 32) >= 'a' && (c | 32) <= 'z'; }

size_t scan_deepseek(std::string_view text, size_t begin, const CharClasses& classes) {
  constexpr uint16_t kSign = kPunctuation | kSymbol;
  const Reader reader(text, classes);
  const Reader::Char first = reader.at(begin);
  const size_t start = begin + first.length;
  const Reader::Char second = reader.at(start);
  if (first.code_point < 0x80 && (first.bits & kSign) != 0 && is_ascii_letter(second.code_point)) {
    size_t end = start;
    while (end < text.size() && is_ascii_letter(static_cast<uint8_t>(text[end]))) ++end;
    return end;
  }
  if ((first.bits & (kLetter | kMark)) != 0) return reader.skip(begin, kLetter | kMark);
  if ((first.bits & (kLineEnd | kSign)) == 0 && (second.bits & (kLetter | kMark)) != 0) {
    return reader.skip(start, kLetter | kMark);
  }
  if ((first.bits & kSign) != 0) return reader.skip_line_ends(reader.skip(begin, kSign));
  if (first.code_point == ' ' && (second.bits & kSign) != 0) {
    return reader.skip_line_ends(reader.skip(start, kSign));
  }
  return (first.bits & kSpace) != 0 ? scan_space(reader, begin, true) : begin;
}

}  // namespace

size_t scan_digit(std::string_view text, size_t begin, const CharClasses& classes) {
  return Reader(text, classes).skip(begin, kNumber, 1);
}

size_t scan_digits(std::string_view text, size_t begin, const CharClasses& classes) {
  return Reader(text, classes).skip(begin, kNumber);
}

Scanner find_scanner(std::string_view expression) {
  const std::pair<std::string_view, Scanner> known[] = {
      {kGpt2Regex, scan_gpt2},
      {kLlama3Regex, scan_llama3<3>},
      {kQwen2Regex, scan_llama3<1>},
      {kO200kRegex, scan_o200k},
      {kDeepseekNumberRegex, scan_three_digits},
      {kDeepseekIdeographRegex, scan_ideographs},
      {kDeepseekRegex, scan_deepseek},
      {R"(\p{N})", scan_digit},
      {R"(\p{N}+)", scan_digits},
  };
  for (const auto& [known_expression, scanner] : known) {
    if (known_expression == expression) return scanner;
  }
  return nullptr;
}

}  // namespace maru::text
