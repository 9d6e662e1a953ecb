// Python's two ways of formatting: "%s" % value and "{}".format(value).
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "base/utf8.h"
#include "text/jinja_builtins.h"
#include "text/jinja_print.h"

namespace maru::text::jinja {
namespace {

constexpr int64_t kMaxWidth = 100'000;
constexpr int64_t kMaxPrecision = 300;

struct Spec {
  std::string fill = " ";
  char align = 0;  // '<' '>' '^' '=', 0: by type
  char sign = '-';
  bool alternate = false;
  bool grouped = false;
  int64_t width = 0;
  int64_t precision = -1;
  char type = 0;
};

Error bad_format(const std::string& why) { return template_error("format: " + why); }

std::string grouped_by_thousands(const std::string& digits) {
  const size_t point = std::min(digits.find_first_of(".e"), digits.size());
  std::string out;
  for (size_t i = 0; i < point; ++i) {
    if (i > 0 && (point - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return out + digits.substr(point);
}

std::string digits_in_base(uint64_t value, unsigned base, bool upper) {
  const char* kDigits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
  std::string out;
  do {
    out.insert(out.begin(), kDigits[value % base]);
    value /= base;
  } while (value != 0);
  return out;
}

// The digits of |value| without its sign.
Result<std::string> integer_digits(int64_t value, const Spec& spec) {
  const uint64_t magnitude =
      value < 0 ? uint64_t{0} - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
  switch (spec.type) {
    case 'x': return (spec.alternate ? "0x" : "") + digits_in_base(magnitude, 16, false);
    case 'X': return (spec.alternate ? "0X" : "") + digits_in_base(magnitude, 16, true);
    case 'o': return (spec.alternate ? "0o" : "") + digits_in_base(magnitude, 8, false);
    case 'b': return (spec.alternate ? "0b" : "") + digits_in_base(magnitude, 2, false);
    default: return digits_in_base(magnitude, 10, false);
  }
}

Result<std::string> float_digits(double value, const Spec& spec) {
  const double magnitude = std::fabs(value);
  if (std::isnan(value)) return std::string("nan");
  if (std::isinf(value)) return std::string("inf");
  const int precision = static_cast<int>(spec.precision < 0 ? 6 : spec.precision);
  std::array<char, 800> buffer;
  const auto print = [&](const char* format, double v) {
    const int n = std::snprintf(buffer.data(), buffer.size(), format, precision, v);
    return std::string(buffer.data(), static_cast<size_t>(std::max(n, 0)));
  };
  switch (spec.type) {
    case 'e': return print("%.*e", magnitude);
    case 'E': return print("%.*E", magnitude);
    case 'g': return print("%.*g", magnitude);
    case 'G': return print("%.*G", magnitude);
    case '%': return print("%.*f", magnitude * 100) + "%";
    case 0: return spec.precision < 0 ? float_repr(magnitude) : print("%.*g", magnitude);
    default: return print("%.*f", magnitude);
  }
}

void append_padded(TextBuilder& out, const Text& text, const Spec& spec, char align) {
  const auto size = static_cast<int64_t>(count_characters(text.bytes));
  const int64_t missing = std::max<int64_t>(spec.width - size, 0);
  const int64_t left = align == '>' ? missing : align == '^' ? missing / 2 : 0;
  for (int64_t i = 0; i < left; ++i) out.append(spec.fill);
  out.append(text);
  for (int64_t i = left; i < missing; ++i) out.append(spec.fill);
}

Status append_number(TextBuilder& out, const Value& value, const Spec& spec) {
  constexpr std::string_view kIntegerTypes = "dixXobn";
  const bool as_integer = value.is_integral() && (spec.type == 0 || kIntegerTypes.find(spec.type) !=
                                                                        std::string_view::npos);
  if (!as_integer && kIntegerTypes.find(spec.type) != std::string_view::npos && spec.type != 0) {
    return bad_format("an integer is needed");
  }
  const bool negative = as_integer ? value.integral() < 0 : std::signbit(value.number());
  std::string sign = negative ? "-" : spec.sign == '-' ? "" : std::string(1, spec.sign);
  std::string digits;
  if (as_integer) {
    MARU_ASSIGN_OR_RETURN(digits, integer_digits(value.integral(), spec));
  } else {
    MARU_ASSIGN_OR_RETURN(digits, float_digits(value.number(), spec));
  }
  if (spec.grouped) digits = grouped_by_thousands(digits);
  if (spec.align == '=') {
    const auto size = static_cast<int64_t>(sign.size() + digits.size());
    for (int64_t i = size; i < spec.width; ++i) sign += spec.fill;
  }
  append_padded(out, Text::trusted(sign + digits), spec, spec.align == 0 ? '>' : spec.align);
  return {};
}

Status append_text(TextBuilder& out, const Text& text, const Spec& spec) {
  const size_t end = spec.precision < 0
                         ? text.bytes.size()
                         : offset_of_character(text.bytes, static_cast<size_t>(spec.precision));
  append_padded(out, slice(text, 0, end), spec, spec.align == 0 ? '<' : spec.align);
  return {};
}

// Reads a decimal number at `at`; -1 when there is none.
Result<int64_t> read_number(std::string_view text, size_t& at, int64_t limit) {
  int64_t value = -1;
  while (at < text.size() && text[at] >= '0' && text[at] <= '9') {
    value = std::max<int64_t>(value, 0) * 10 + (text[at++] - '0');
    if (value > limit) return bad_format("a width or precision is too large");
  }
  return value;
}

// A format that came from input could spell anything by fill characters: then all is foreign.
Result<Text> finished(TextBuilder&& out, const Text& format) {
  if (out.overflowed()) return bad_format("the result is too long");
  if (format.has_foreign()) out.mark_all_foreign();
  return out.take();
}

class PercentFormatter {
 public:
  PercentFormatter(Runtime& runtime, const Text& format, const Value& arguments)
      : runtime_(runtime), format_(format), mapping_(arguments.as_dict()) {
    const SequenceObject* tuple = arguments.as_sequence();
    if (tuple != nullptr && tuple->kind == SequenceKind::kTuple) {
      values_ = tuple->items;
    } else {
      values_.push_back(arguments);
    }
  }

  Result<Text> run() {
    const std::string_view text = format_.bytes;
    TextBuilder out = runtime_.heap.builder();
    while (at_ < text.size()) {
      const size_t percent = std::min(text.find('%', at_), text.size());
      out.append(format_, at_, percent);
      at_ = percent + 1;
      if (percent < text.size()) MARU_RETURN_IF_ERROR(conversion(out));
    }
    if (mapping_ == nullptr && used_ < values_.size()) {
      return bad_format("not all arguments were used");
    }
    return finished(std::move(out), format_);
  }

 private:
  char peek() const { return at_ < format_.bytes.size() ? format_.bytes[at_] : '\0'; }

  Result<Value> next_value() {
    if (used_ >= values_.size()) return bad_format("there are too few arguments");
    return values_[used_++];
  }

  Result<Value> named_value() {
    const size_t close = format_.bytes.find(')', at_);
    if (close == std::string::npos || mapping_ == nullptr) return bad_format("a mapping is needed");
    const std::string name = format_.bytes.substr(at_ + 1, close - at_ - 1);
    at_ = close + 1;
    const Value* value = mapping_->find(name);
    if (value == nullptr) return bad_format("there is no value named '" + name + "'");
    return *value;
  }

  Result<Spec> read_spec() {
    Spec spec;
    bool zero = false;
    for (;; ++at_) {
      const char c = peek();
      if (c == '-')
        spec.align = '<';
      else if (c == '+')
        spec.sign = '+';
      else if (c == ' ' && spec.sign == '-')
        spec.sign = ' ';
      else if (c == '0')
        zero = true;
      else if (c == '#')
        spec.alternate = true;
      else if (c != ' ')
        break;
    }
    MARU_ASSIGN_OR_RETURN(spec.width, read_number(format_.bytes, at_, kMaxWidth));
    if (peek() == '.') {
      ++at_;
      MARU_ASSIGN_OR_RETURN(spec.precision, read_number(format_.bytes, at_, kMaxPrecision));
      spec.precision = std::max<int64_t>(spec.precision, 0);
    }
    spec.type = peek();
    ++at_;
    if (spec.align == 0) spec.align = zero ? '=' : '>';
    if (spec.align == '=') spec.fill = "0";
    return spec;
  }

  Status conversion(TextBuilder& out) {
    Value value;
    const bool named = peek() == '(';
    if (named) {
      MARU_ASSIGN_OR_RETURN(value, named_value());
    }
    MARU_ASSIGN_OR_RETURN(Spec spec, read_spec());
    if (spec.type == '%') {
      out.append("%");
      return {};
    }
    if (!named) {
      MARU_ASSIGN_OR_RETURN(value, next_value());
    }
    if (spec.type == 's' || spec.type == 'r') {
      TextBuilder part = runtime_.heap.builder();
      MARU_RETURN_IF_ERROR(spec.type == 's' ? append_str(runtime_.heap, part, value)
                                            : append_repr(runtime_.heap, part, value));
      if (spec.align == '=') {
        spec.align = '>';
        spec.fill = " ";
      }
      return append_text(out, part.take(), spec);
    }
    constexpr std::string_view kTypes = "diuxXofFeEgG";
    if (spec.type == '\0' || kTypes.find(spec.type) == std::string_view::npos) {
      return bad_format("this conversion is not supported");
    }
    if (!value.is_number()) return bad_format("a number is needed");
    if (spec.type == 'i' || spec.type == 'u') spec.type = 'd';
    if (spec.type == 'd' && !value.is_integral()) {
      const double whole = std::trunc(value.number());
      if (!(std::fabs(whole) < 9e18)) return bad_format("the number is too large");
      value = Value::integer(static_cast<int64_t>(whole));
    }
    return append_number(out, value, spec);
  }

  Runtime& runtime_;
  const Text& format_;
  const DictObject* mapping_;
  std::vector<Value> values_;
  size_t used_ = 0;
  size_t at_ = 0;
};

class BraceFormatter {
 public:
  BraceFormatter(Runtime& runtime, const Text& format, const Arguments& arguments)
      : runtime_(runtime), format_(format), arguments_(arguments) {}

  Result<Text> run() {
    const std::string_view text = format_.bytes;
    TextBuilder out = runtime_.heap.builder();
    for (size_t at = 0; at < text.size();) {
      const size_t brace = std::min(text.find_first_of("{}", at), text.size());
      out.append(format_, at, brace);
      if (brace == text.size()) break;
      if (brace + 1 < text.size() && text[brace + 1] == text[brace]) {
        out.append(format_, brace, brace + 1);
        at = brace + 2;
        continue;
      }
      const size_t close = text.find('}', brace);
      if (text[brace] == '}' || close == std::string_view::npos) return bad_format("single brace");
      const std::string_view field = text.substr(brace + 1, close - brace - 1);
      if (field.find('{') != std::string_view::npos) {
        return bad_format("fields inside fields are not supported");
      }
      MARU_RETURN_IF_ERROR(append_field(out, field));
      at = close + 1;
    }
    return finished(std::move(out), format_);
  }

 private:
  Status append_field(TextBuilder& out, std::string_view field) {
    const size_t colon = std::min(field.find(':'), field.size());
    std::string_view name = field.substr(0, colon);
    char conversion = 0;
    if (const size_t mark = name.find('!'); mark != std::string_view::npos) {
      if (mark + 2 != name.size()) return bad_format("a conversion is !s or !r");
      conversion = name.back();
      name = name.substr(0, mark);
    }
    MARU_ASSIGN_OR_RETURN(const Value value, lookup(name));
    const std::string_view rest = colon < field.size() ? field.substr(colon + 1) : "";
    MARU_ASSIGN_OR_RETURN(const Spec spec, read_spec(rest));
    if (value.is_number() && value.as_boolean() == nullptr && conversion == 0) {
      return append_number(out, value, spec);
    }
    if (value.as_boolean() != nullptr && spec.type != 0 && conversion == 0) {
      return append_number(out, value, spec);
    }
    TextBuilder part = runtime_.heap.builder();
    MARU_RETURN_IF_ERROR(conversion == 'r' ? append_repr(runtime_.heap, part, value)
                                           : append_str(runtime_.heap, part, value));
    if (spec.type != 0 && spec.type != 's') return bad_format("this type can't be used here");
    return append_text(out, part.take(), spec);
  }

  // An argument by number or name, then attributes and items: "0", "name.key", "name[3]".
  Result<Value> lookup(std::string_view path) {
    size_t at = std::min(path.find_first_of(".["), path.size());
    const std::string_view first = path.substr(0, at);
    MARU_ASSIGN_OR_RETURN(Value value, argument(first));
    while (at < path.size()) {
      const bool item = path[at] == '[';
      size_t end = item ? path.find(']', at) : path.find_first_of(".[", at + 1);
      if (item && end == std::string_view::npos) return bad_format("']' is missing");
      end = std::min(end, path.size());
      const std::string_view name = path.substr(at + 1, end - at - 1);
      size_t digits = 0;
      MARU_ASSIGN_OR_RETURN(const int64_t index, read_number(name, digits, 1'000'000));
      if (item && index >= 0 && digits == name.size()) {
        MARU_ASSIGN_OR_RETURN(value, get_item(runtime_, value, Value::integer(index)));
      } else {
        MARU_ASSIGN_OR_RETURN(value, get_attribute(runtime_, value, name));
      }
      at = item ? end + 1 : end;
    }
    return value;
  }

  Result<Value> argument(std::string_view name) {
    size_t digits = 0;
    MARU_ASSIGN_OR_RETURN(int64_t index, read_number(name, digits, 1'000'000));
    if (name.empty()) index = next_++;
    if (name.empty() || (index >= 0 && digits == name.size())) {
      const auto place = static_cast<size_t>(index);
      if (place < arguments_.positional.size()) return arguments_.positional[place];
      return bad_format("there are too few arguments");
    }
    if (const Value* value = arguments_.find(name)) return *value;
    return bad_format("there is no argument '" + std::string(name) + "'");
  }

  static bool is_align(char c) { return c == '<' || c == '>' || c == '^' || c == '='; }

  static Result<Spec> read_spec(std::string_view text) {
    Spec spec;
    size_t at = 0;
    const auto peek = [&] { return at < text.size() ? text[at] : '\0'; };
    if (!text.empty()) {
      const size_t first = utf8_decode(text).length;
      if (first < text.size() && is_align(text[first])) {
        spec.fill = text.substr(0, first);
        spec.align = text[first];
        at = first + 1;
      } else if (is_align(text[0])) {
        spec.align = text[0];
        at = 1;
      }
    }
    if (peek() == '+' || peek() == '-' || peek() == ' ') spec.sign = text[at++];
    if (peek() == '#') spec.alternate = ++at > 0;
    if (peek() == '0') {
      ++at;
      if (spec.align == 0) {
        spec.align = '=';
        spec.fill = "0";
      }
    }
    MARU_ASSIGN_OR_RETURN(spec.width, read_number(text, at, kMaxWidth));
    if (peek() == ',') spec.grouped = ++at > 0;
    if (peek() == '.') {
      ++at;
      MARU_ASSIGN_OR_RETURN(spec.precision, read_number(text, at, kMaxPrecision));
      if (spec.precision < 0) return bad_format("a precision is missing");
    }
    constexpr std::string_view kTypes = "sdxXobneEfFgG%";
    if (peek() != '\0' && kTypes.find(peek()) != std::string_view::npos) spec.type = text[at++];
    if (at != text.size())
      return bad_format("the format '" + std::string(text) + "' is not supported");
    return spec;
  }

  Runtime& runtime_;
  const Text& format_;
  const Arguments& arguments_;
  int64_t next_ = 0;
};

}  // namespace

Result<Value> format_percent(Runtime& runtime, const StringObject& format, const Value& arguments) {
  if (arguments.is_dict() && format.view().find("%(") == std::string_view::npos) {
    MARU_ASSIGN_OR_RETURN(const Value tuple,
                          runtime.heap.sequence({arguments}, SequenceKind::kTuple));
    MARU_ASSIGN_OR_RETURN(Text text, PercentFormatter(runtime, format.text, tuple).run());
    return runtime.heap.string(std::move(text), format.markup);
  }
  MARU_ASSIGN_OR_RETURN(Text text, PercentFormatter(runtime, format.text, arguments).run());
  return runtime.heap.string(std::move(text), format.markup);
}

Result<Value> format_braces(Runtime& runtime, const StringObject& format,
                            const Arguments& arguments) {
  MARU_ASSIGN_OR_RETURN(Text text, BraceFormatter(runtime, format.text, arguments).run());
  return runtime.heap.string(std::move(text), format.markup);
}

}  // namespace maru::text::jinja
