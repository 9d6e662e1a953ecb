#include "text/jinja_lexer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "base/utf8.h"
#include "text/jinja_text.h"

namespace maru::text::jinja {
namespace {

constexpr size_t kMaxSourceBytes = size_t{4} << 20;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_ascii_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_name_character(char c) {
  return is_ascii_letter(c) || is_digit(c) || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}

std::string with_plain_newlines(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      out += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      out += source[i];
    }
  }
  if (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The value of `count` hexadecimal digits at `at`, or nothing.
std::optional<uint32_t> read_hex(std::string_view text, size_t at, size_t count) {
  if (at + count > text.size()) return std::nullopt;
  uint32_t value = 0;
  for (size_t i = 0; i < count; ++i) {
    const int digit = hex_value(text[at + i]);
    if (digit < 0) return std::nullopt;
    value = value * 16 + static_cast<uint32_t>(digit);
  }
  return value;
}

// Resolves the escapes of a Python string literal. Nothing for a malformed one.
std::optional<std::string> unescape(std::string_view body) {
  std::string out;
  for (size_t i = 0; i < body.size(); ++i) {
    if (body[i] != '\\') {
      out += body[i];
      continue;
    }
    if (++i >= body.size()) return std::nullopt;
    const char c = body[i];
    constexpr std::string_view kNames = "abfnrtv\\'\"";
    constexpr std::string_view kValues = "\a\b\f\n\r\t\v\\'\"";
    if (const size_t k = kNames.find(c); k != std::string_view::npos) {
      out += kValues[k];
    } else if (c == '\n') {
      continue;
    } else if (c == 'x' || c == 'u' || c == 'U') {
      const size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : 8;
      const auto value = read_hex(body, i + 1, digits);
      if (!value || *value > 0x10FFFF || (*value >= 0xD800 && *value < 0xE000)) return std::nullopt;
      utf8_append(out, *value);
      i += digits;
    } else if (c >= '0' && c <= '7') {
      uint32_t value = 0;
      size_t digits = 0;
      while (digits < 3 && i + digits < body.size() && body[i + digits] >= '0' &&
             body[i + digits] <= '7') {
        value = value * 8 + static_cast<uint32_t>(body[i + digits] - '0');
        ++digits;
      }
      utf8_append(out, value);
      i += digits - 1;
    } else {
      out += '\\';
      out += c;
    }
  }
  return out;
}

class Lexer {
 public:
  explicit Lexer(std::string source) : source_(std::move(source)) {}

  Result<std::vector<Token>> run() {
    while (at_ < source_.size()) MARU_RETURN_IF_ERROR(lex_text());
    add(TokenKind::kEnd, "", source_.size());
    return std::move(tokens_);
  }

 private:
  Error fail(size_t at, std::string what) {
    move_to(at);
    return syntax_error(line_, column(at), std::move(what));
  }

  // Keeps line_ at the line of `at`; called with rising positions.
  void move_to(size_t at) {
    for (; counted_ < at && counted_ < source_.size(); ++counted_) {
      if (source_[counted_] == '\n') {
        ++line_;
        line_start_ = counted_ + 1;
      }
    }
  }
  uint32_t column(size_t at) const {
    return static_cast<uint32_t>(at >= line_start_ ? at - line_start_ + 1 : 1);
  }

  Token& add(TokenKind kind, std::string value, size_t at) {
    move_to(at);
    tokens_.push_back(Token{kind, std::move(value), line_, column(at)});
    return tokens_.back();
  }

  char peek(size_t at) const { return at < source_.size() ? source_[at] : '\0'; }
  bool starts(size_t at, std::string_view text) const {
    return std::string_view(source_).substr(std::min(at, source_.size())).starts_with(text);
  }
  void skip_space(size_t& at) const {
    while (at < source_.size()) {
      const Utf8Char c = utf8_decode(std::string_view(source_).substr(at));
      if (!is_python_space(c.code_point)) return;
      at += c.length;
    }
  }

  // Moves past the end of a tag whose closing mark is `close` ("%}", "#}") and what it swallows.
  // False when there is no such end at `at`.
  bool take_end(size_t& at, std::string_view close, bool trims_newline) {
    size_t p = at;
    if (trims_newline && peek(p) == '+' && starts(p + 1, close)) {
      p += 1 + close.size();
    } else if (peek(p) == '-' && starts(p + 1, close)) {
      p += 1 + close.size();
      skip_space(p);
    } else if (starts(p, close)) {
      p += close.size();
      if (trims_newline && peek(p) == '\n') ++p;
    } else {
      return false;
    }
    line_starting_ = source_[p - 1] == '\n';
    at = p;
    return true;
  }

  // Text up to the next tag, then the tag.
  Status lex_text() {
    size_t tag = at_;
    while (true) {
      tag = source_.find('{', tag);
      if (tag == std::string::npos) tag = source_.size();
      const char kind = peek(tag + 1);
      if (tag == source_.size() || kind == '{' || kind == '%' || kind == '#') break;
      ++tag;
    }
    if (tag == source_.size()) {
      add(TokenKind::kText, source_.substr(at_), at_);
      at_ = tag;
      return {};
    }
    const char kind = source_[tag + 1];
    const char sign = peek(tag + 2);
    add_text_before(tag, sign, kind != '{');
    size_t inside = tag + 2 + (sign == '-' || sign == '+' ? 1 : 0);
    if (kind == '#') return lex_comment(tag, inside);
    if (kind == '%' && is_raw_tag(inside)) return lex_raw(tag, inside);
    add(kind == '{' ? TokenKind::kPrintBegin : TokenKind::kTagBegin, "", tag);
    at_ = inside;
    return lex_inside(tag, kind == '{');
  }

  void add_text_before(size_t tag, char sign, bool strips_indent) {
    std::string_view text = std::string_view(source_).substr(at_, tag - at_);
    if (sign == '-') {
      text = text.substr(0, strip_span(text, nullptr, StripSide::kRight).end);
    } else if (sign != '+' && strips_indent) {
      const size_t newline = text.rfind('\n');
      const size_t start = newline == std::string_view::npos ? 0 : newline + 1;
      const std::string_view indent = text.substr(start);
      const Span left = strip_span(indent, nullptr, StripSide::kBoth);
      if ((start > 0 || line_starting_) && left.begin == left.end) text = text.substr(0, start);
    }
    if (!text.empty()) add(TokenKind::kText, std::string(text), at_);
  }

  Status lex_comment(size_t tag, size_t at) {
    for (; at < source_.size(); ++at) {
      if (take_end(at, "#}", true)) {
        at_ = at;
        return {};
      }
    }
    return fail(tag, "a comment has no end");
  }

  bool is_raw_tag(size_t at) const {
    skip_space(at);
    if (!starts(at, "raw")) return false;
    at += 3;
    skip_space(at);
    return starts(at, "%}") || starts(at, "-%}");
  }

  Status lex_raw(size_t tag, size_t at) {
    at = source_.find("%}", at);
    const bool strips = source_[at - 1] == '-';
    at += 2;
    if (strips) skip_space(at);
    for (size_t end = at; (end = source_.find("{%", end)) != std::string::npos; ++end) {
      const char sign = peek(end + 2);
      size_t p = end + 2 + (sign == '-' || sign == '+' ? 1 : 0);
      skip_space(p);
      if (!starts(p, "endraw")) continue;
      p += 6;
      skip_space(p);
      at_ = at;
      line_starting_ = false;
      size_t after = p;
      if (!take_end(after, "%}", true)) continue;
      const bool line_starting = line_starting_;
      line_starting_ = false;
      add_text_before(end, sign, true);
      line_starting_ = line_starting;
      at_ = after;
      return {};
    }
    return fail(tag, "a raw block has no end");
  }

  Status lex_inside(size_t tag, bool print) {
    std::vector<char> open;  // brackets
    while (true) {
      skip_space(at_);
      if (at_ >= source_.size()) return fail(tag, "a tag has no end");
      const size_t begin = at_;
      if (open.empty() && take_end(at_, print ? "}}" : "%}", !print)) {
        add(print ? TokenKind::kPrintEnd : TokenKind::kTagEnd, "", begin);
        return {};
      }
      const char c = source_[at_];
      if (is_digit(c)) {
        MARU_RETURN_IF_ERROR(lex_number());
      } else if (is_name_character(c)) {
        while (is_name_character(peek(at_))) ++at_;
        add(TokenKind::kName, source_.substr(begin, at_ - begin), begin);
      } else if (c == '\'' || c == '"') {
        MARU_RETURN_IF_ERROR(lex_string(c));
      } else {
        MARU_RETURN_IF_ERROR(lex_operator(open));
      }
    }
  }

  Status lex_string(char quote) {
    const size_t begin = at_++;
    while (at_ < source_.size() && source_[at_] != quote) at_ += source_[at_] == '\\' ? 2 : 1;
    if (at_ >= source_.size()) return fail(begin, "a string has no end");
    auto value = unescape(std::string_view(source_).substr(begin + 1, at_ - begin - 1));
    if (!value) return fail(begin, "a string has an escape that can't be read");
    ++at_;
    add(TokenKind::kString, std::move(*value), begin);
    return {};
  }

  void skip_digits() {
    while (is_digit(peek(at_)) || (peek(at_) == '_' && is_digit(peek(at_ + 1)))) ++at_;
  }

  Status lex_number() {
    const size_t begin = at_;
    int base = 10;
    bool real = false;
    const char kind = static_cast<char>(peek(at_ + 1) | 0x20);
    if (source_[at_] == '0' && (kind == 'x' || kind == 'o' || kind == 'b')) {
      base = kind == 'x' ? 16 : kind == 'o' ? 8 : 2;
      at_ += 2;
      while (hex_value(peek(at_)) >= 0 || peek(at_) == '_') ++at_;
    } else {
      skip_digits();
      const bool after_dot = begin > 0 && source_[begin - 1] == '.';
      if (!after_dot && peek(at_) == '.' && is_digit(peek(at_ + 1))) {
        real = true;
        ++at_;
        skip_digits();
      }
      size_t e = at_;
      if (!after_dot && (peek(e) == 'e' || peek(e) == 'E')) {
        ++e;
        if (peek(e) == '+' || peek(e) == '-') ++e;
        if (is_digit(peek(e))) {
          real = true;
          at_ = e;
          skip_digits();
        }
      }
    }
    std::string digits = source_.substr(begin, at_ - begin);
    std::erase(digits, '_');
    return add_number(begin, digits, base, real);
  }

  Status add_number(size_t begin, const std::string& digits, int base, bool real) {
    Token& token = add(real ? TokenKind::kFloat : TokenKind::kInteger, digits, begin);
    const char* first = digits.data() + (base == 10 ? 0 : 2);
    const char* last = digits.data() + digits.size();
    const auto result = real ? std::from_chars(first, last, token.real)
                             : std::from_chars(first, last, token.integer, base);
    if (result.ec != std::errc() || result.ptr != last) {
      return syntax_error(token.line, token.column, "the number " + digits + " can't be read");
    }
    return {};
  }

  Status lex_operator(std::vector<char>& open) {
    constexpr std::array<std::string_view, 6> kLong = {"//", "**", "==", "!=", ">=", "<="};
    constexpr std::string_view kShort = "+-/*%~[](){}<>=.:|,;";
    const size_t begin = at_;
    const char c = source_[at_];
    size_t length = 0;
    for (const std::string_view op : kLong) {
      if (starts(at_, op)) length = 2;
    }
    if (length == 0 && kShort.find(c) != std::string_view::npos) length = 1;
    if (length == 0) return fail(begin, "unexpected character");
    if (c == '(' || c == '[' || c == '{') {
      if (open.size() >= 1000) return fail(begin, "brackets are nested too deeply");
      open.push_back(c);
    }
    if (c == ')' || c == ']' || c == '}') {
      const char expected = c == ')' ? '(' : c == ']' ? '[' : '{';
      if (open.empty() || open.back() != expected) {
        return fail(begin, std::string("unexpected '") + c + "'");
      }
      open.pop_back();
    }
    at_ += length;
    add(TokenKind::kOperator, source_.substr(begin, length), begin);
    return {};
  }

  const std::string source_;
  size_t at_ = 0;
  bool line_starting_ = true;  // what comes next stands at the start of a line
  size_t counted_ = 0;
  size_t line_start_ = 0;
  uint32_t line_ = 1;
  std::vector<Token> tokens_;
};

}  // namespace

Error syntax_error(uint32_t line, uint32_t column, std::string what) {
  return Error{ErrorCode::kInvalidArgument,
               "chat template, line " + std::to_string(line) + ", column " +
                   std::to_string(column) + ": " + std::move(what),
               "mend the template or name another one"};
}

Result<std::vector<Token>> tokenize(std::string_view source) {
  if (source.size() > kMaxSourceBytes) return syntax_error(1, 1, "the template is too long");
  if (!utf8_is_valid(source)) return syntax_error(1, 1, "the template is not UTF-8");
  return Lexer(with_plain_newlines(source)).run();
}

}  // namespace maru::text::jinja
