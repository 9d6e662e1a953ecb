// Filters on texts and numbers, and the look-up of all filters.
#include "text/jinja_filters.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <optional>

#include "base/utf8.h"
#include "text/jinja_print.h"
#include "text/letter_case.h"

namespace maru::text::jinja {
namespace {

// The subject as a string value, as Jinja's soft_str gives it.
Result<Value> soft_str(Runtime& runtime, const Value& value) {
  if (value.is_string()) return value;
  MARU_ASSIGN_OR_RETURN(Text text, to_str(runtime.heap, value));
  return runtime.heap.string(std::move(text));
}

Result<Value> call_method(Runtime& runtime, std::string_view name, const Value& value,
                          const Arguments& arguments) {
  MARU_ASSIGN_OR_RETURN(const Value text, soft_str(runtime, value));
  return find_string_method(name)(runtime, text, arguments);
}

Result<Value> trim(Runtime& r, const Value& v, const Arguments& a) {
  return call_method(r, "strip", v, a);
}
Result<Value> upper(Runtime& r, const Value& v, const Arguments& a) {
  return call_method(r, "upper", v, a);
}
Result<Value> lower(Runtime& r, const Value& v, const Arguments& a) {
  return call_method(r, "lower", v, a);
}
Result<Value> capitalize(Runtime& r, const Value& v, const Arguments& a) {
  return call_method(r, "capitalize", v, a);
}
Result<Value> string(Runtime& r, const Value& v, const Arguments& a) {
  MARU_RETURN_IF_ERROR(a.bind("string", {}));
  return soft_str(r, v);
}

Result<Value> center(Runtime& runtime, const Value& value, const Arguments& arguments) {
  MARU_ASSIGN_OR_RETURN(const auto bound, arguments.bind("center", {"width"}));
  const Arguments width{{bound[0] == nullptr ? Value::integer(80) : *bound[0]}, {}};
  return call_method(runtime, "center", value, width);
}

// Words start after these; unlike str.title, an apostrophe does not start one.
Result<Value> title(Runtime& runtime, const Value& value, const Arguments& arguments) {
  MARU_RETURN_IF_ERROR(arguments.bind("title", {}));
  MARU_ASSIGN_OR_RETURN(const Value subject, soft_str(runtime, value));
  const Text& text = subject.as_string()->text;
  TextBuilder out = runtime.heap.builder();
  bool starts = true;
  std::string mapped;
  for (size_t at = 0; at < text.bytes.size();) {
    const Utf8Char c = utf8_decode(std::string_view(text.bytes).substr(at));
    constexpr std::string_view kOpening = "-({[<";
    const bool separator =
        is_python_space(c.code_point) ||
        (c.code_point < 0x80 && kOpening.find(text.bytes[at]) != std::string_view::npos);
    mapped.clear();
    starts && !separator ? append_upper(mapped, c.code_point) : append_lower(mapped, c.code_point);
    out.append(mapped, foreign_within(text, at, at + c.length));
    starts = separator;
    at += c.length;
  }
  return runtime.heap.string(std::move(out));
}

Result<Value> replace(Runtime& runtime, const Value& value, const Arguments& arguments) {
  MARU_ASSIGN_OR_RETURN(const auto bound, arguments.bind("replace", {"old", "new", "count"}, 2));
  MARU_ASSIGN_OR_RETURN(const Text text, to_str(runtime.heap, value));
  MARU_ASSIGN_OR_RETURN(const Text from, to_str(runtime.heap, *bound[0]));
  MARU_ASSIGN_OR_RETURN(const Text to, to_str(runtime.heap, *bound[1]));
  int64_t count = -1;
  if (bound[2] != nullptr && !bound[2]->is_none()) {
    MARU_ASSIGN_OR_RETURN(count, integer_argument("replace", *bound[2]));
  }
  return replace_text(runtime, text, from, to, count, false);
}

Result<Value> indent(Runtime& runtime, const Value& value, const Arguments& arguments) {
  MARU_ASSIGN_OR_RETURN(const auto bound, arguments.bind("indent", {"width", "first", "blank"}));
  MARU_ASSIGN_OR_RETURN(const StringObject* subject, string_argument("indent", value));
  Text margin = Text::trusted("    ");
  if (bound[0] != nullptr && bound[0]->is_string()) {
    margin = bound[0]->as_string()->text;
  } else if (bound[0] != nullptr) {
    MARU_ASSIGN_OR_RETURN(const int64_t width, integer_argument("indent", *bound[0]));
    if (width > 10'000) return template_error("indent is too wide");
    margin = Text::trusted(std::string(static_cast<size_t>(std::max<int64_t>(width, 0)), ' '));
  }
  const bool first = bound[1] != nullptr && truthy(*bound[1]);
  const bool blank = bound[2] != nullptr && truthy(*bound[2]);
  // Jinja adds a line end before it splits, so that a text that ends in one keeps it.
  TextBuilder extended = runtime.heap.builder();
  extended.append(subject->text);
  extended.append("\n");
  MARU_ASSIGN_OR_RETURN(const Value whole, runtime.heap.string(std::move(extended)));
  MARU_ASSIGN_OR_RETURN(const Value lines, call_method(runtime, "splitlines", whole, {}));
  TextBuilder out = runtime.heap.builder();
  const auto& items = lines.as_sequence()->items;
  for (size_t i = 0; i < items.size(); ++i) {
    const Text& line = items[i].as_string()->text;
    if (i > 0) out.append("\n");
    if (i == 0 ? first : (blank || !line.bytes.empty())) out.append(margin);
    out.append(line);
  }
  return runtime.heap.string(std::move(out), subject->markup);
}

Result<Value> safe(Runtime& runtime, const Value& value, const Arguments& arguments) {
  MARU_RETURN_IF_ERROR(arguments.bind("safe", {}));
  MARU_ASSIGN_OR_RETURN(Text text, to_str(runtime.heap, value));
  return runtime.heap.string(std::move(text), true);
}

Result<Value> escape(Runtime& runtime, const Value& value, const Arguments& arguments) {
  MARU_RETURN_IF_ERROR(arguments.bind("escape", {}));
  return escape_markup(runtime, value);
}

Result<Value> forceescape(Runtime& runtime, const Value& value, const Arguments& arguments) {
  MARU_RETURN_IF_ERROR(arguments.bind("forceescape", {}));
  MARU_ASSIGN_OR_RETURN(Text text, to_str(runtime.heap, value));
  MARU_ASSIGN_OR_RETURN(const Value plain, runtime.heap.string(std::move(text)));
  return escape_markup(runtime, plain);
}

Result<Value> wordcount(Runtime& runtime, const Value& value, const Arguments& arguments) {
  MARU_RETURN_IF_ERROR(arguments.bind("wordcount", {}));
  MARU_ASSIGN_OR_RETURN(const Text text, to_str(runtime.heap, value));
  int64_t words = 0;
  bool inside = false;
  for (size_t at = 0; at < text.bytes.size();) {
    const Utf8Char c = utf8_decode(std::string_view(text.bytes).substr(at));
    const bool word =
        is_letter(c.code_point) || is_number_character(c.code_point) || c.code_point == '_';
    if (word && !inside) ++words;
    inside = word;
    at += c.length;
  }
  return Value::integer(words);
}

Result<Value> format(Runtime& runtime, const Value& value, const Arguments& arguments) {
  MARU_ASSIGN_OR_RETURN(const Value subject, soft_str(runtime, value));
  if (!arguments.named.empty() && !arguments.positional.empty()) {
    return template_error("format takes positional or named arguments, not both");
  }
  if (arguments.named.empty()) {
    MARU_ASSIGN_OR_RETURN(const Value tuple,
                          runtime.heap.sequence(arguments.positional, SequenceKind::kTuple));
    return format_percent(runtime, *subject.as_string(), tuple);
  }
  std::vector<DictEntry> entries;
  for (const auto& [name, argument] : arguments.named) {
    MARU_ASSIGN_OR_RETURN(Value key, runtime.heap.string(Text::from_input(name)));
    entries.emplace_back(std::move(key), argument);
  }
  MARU_ASSIGN_OR_RETURN(const Value dict, runtime.heap.dict(std::move(entries)));
  return format_percent(runtime, *subject.as_string(), dict);
}

Result<Value> tojson(Runtime& runtime, const Value& value, const Arguments& arguments) {
  MARU_ASSIGN_OR_RETURN(const auto bound, arguments.bind("tojson", {"ensure_ascii", "indent",
                                                                    "separators", "sort_keys"}));
  JsonStyle style;
  style.ascii = bound[0] != nullptr && truthy(*bound[0]);
  style.sort_keys = bound[3] != nullptr && truthy(*bound[3]);
  if (bound[1] != nullptr && !bound[1]->is_none()) {
    style.item_separator = ",";
    if (bound[1]->is_string()) {
      style.indent = bound[1]->as_string()->view();
      style.foreign = bound[1]->as_string()->text.has_foreign();
    } else {
      MARU_ASSIGN_OR_RETURN(const int64_t width, integer_argument("tojson", *bound[1]));
      if (width > 1000) return template_error("tojson's indent is too wide");
      style.indent = std::string(static_cast<size_t>(std::max<int64_t>(width, 0)), ' ');
    }
  }
  if (bound[2] != nullptr && !bound[2]->is_none()) {
    MARU_ASSIGN_OR_RETURN(const SequencePtr pair, runtime.heap.iterate(*bound[2]));
    if (pair->items.size() != 2) return template_error("separators are a pair of strings");
    MARU_ASSIGN_OR_RETURN(const StringObject* item, string_argument("tojson", pair->items[0]));
    MARU_ASSIGN_OR_RETURN(const StringObject* key, string_argument("tojson", pair->items[1]));
    style.item_separator = item->view();
    style.key_separator = key->view();
    style.foreign = style.foreign || item->text.has_foreign() || key->text.has_foreign();
  }
  TextBuilder out = runtime.heap.builder();
  MARU_RETURN_IF_ERROR(append_json(runtime.heap, out, value, style));
  return runtime.heap.string(std::move(out));
}

// Numbers.

std::string without_underscores(std::string_view text) {
  const Span span = strip_span(text, nullptr, StripSide::kBoth);
  std::string digits;
  for (size_t i = span.begin; i < span.end; ++i) {
    const bool between = text[i] == '_' && i > span.begin && i + 1 < span.end &&
                         text[i - 1] != '_' && text[i + 1] != '_';
    if (!between) digits += text[i];
  }
  return digits;
}

std::optional<double> parse_float(std::string_view text) {
  std::string digits = without_underscores(text);
  const char* first = digits.c_str() + (digits.starts_with('+') ? 1 : 0);
  double value = 0;
  const auto result = std::from_chars(first, digits.c_str() + digits.size(), value);
  if (result.ec == std::errc::result_out_of_range && result.ptr == digits.c_str() + digits.size()) {
    return std::strtod(first, nullptr);  // infinity or zero, as Python has it
  }
  const bool whole = result.ptr == digits.c_str() + digits.size();
  if (result.ec != std::errc() || !whole || digits.starts_with("+-")) return std::nullopt;
  return value;
}

// Nothing when the text is not an integer in this base. Errors: beyond 64 bits.
Result<std::optional<int64_t>> parse_integer(std::string_view text, int64_t base) {
  std::string digits = without_underscores(text);
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) digits.erase(0, 1);
  const char mark = base == 16 ? 'x' : base == 8 ? 'o' : base == 2 ? 'b' : '\0';
  if (mark != '\0' && digits.size() > 1 && digits[0] == '0' && (digits[1] | 0x20) == mark) {
    digits.erase(0, 2);
  }
  if (digits.empty() || digits[0] == '-' || base < 2 || base > 36) return std::optional<int64_t>();
  if (negative) digits.insert(0, "-");
  int64_t value = 0;
  const char* last = digits.data() + digits.size();
  const auto result = std::from_chars(digits.data(), last, value, static_cast<int>(base));
  if (result.ptr != last) return std::optional<int64_t>();
  if (result.ec != std::errc()) return template_error("an integer leaves the range of 64 bits");
  return std::optional<int64_t>(value);
}

Result<Value> integer_of(double value, const Value& fallback) {
  if (std::isnan(value) || std::isinf(value)) return fallback;
  if (!(std::fabs(value) < 9.2e18)) return template_error("an integer leaves the range of 64 bits");
  return Value::integer(static_cast<int64_t>(value));
}

Result<Value> to_int(Runtime&, const Value& value, const Arguments& arguments) {
  MARU_ASSIGN_OR_RETURN(const auto bound, arguments.bind("int", {"default", "base"}));
  const Value fallback = bound[0] == nullptr ? Value::integer(0) : *bound[0];
  int64_t base = 10;
  if (bound[1] != nullptr) {
    MARU_ASSIGN_OR_RETURN(base, integer_argument("int", *bound[1]));
  }
  if (value.is_undefined()) return template_error(*value.as_undefined()->message);
  if (value.is_integral()) return Value::integer(value.integral());
  if (value.is_number()) return integer_of(value.number(), fallback);
  if (!value.is_string()) return fallback;
  MARU_ASSIGN_OR_RETURN(const auto parsed, parse_integer(value.as_string()->view(), base));
  if (parsed) return Value::integer(*parsed);
  const auto real = parse_float(value.as_string()->view());
  return real ? integer_of(*real, fallback) : Result<Value>(fallback);
}

Result<Value> to_float(Runtime&, const Value& value, const Arguments& arguments) {
  MARU_ASSIGN_OR_RETURN(const auto bound, arguments.bind("float", {"default"}));
  const Value fallback = bound[0] == nullptr ? Value::real(0) : *bound[0];
  if (value.is_undefined()) return template_error(*value.as_undefined()->message);
  if (value.is_number()) return Value::real(value.number());
  if (!value.is_string()) return fallback;
  const auto real = parse_float(value.as_string()->view());
  return real ? Value::real(*real) : fallback;
}

Result<Value> absolute(Runtime& runtime, const Value& value, const Arguments& arguments) {
  MARU_RETURN_IF_ERROR(arguments.bind("abs", {}));
  if (!value.is_number()) return apply_operator(runtime, "-", Value::integer(0), value);
  if (!value.is_integral()) return Value::real(std::fabs(value.number()));
  return value.integral() < 0 ? negate(runtime, value) : Value::integer(value.integral());
}

Result<Value> round_number(Runtime&, const Value& value, const Arguments& arguments) {
  MARU_ASSIGN_OR_RETURN(const auto bound, arguments.bind("round", {"precision", "method"}));
  int64_t precision = 0;
  if (bound[0] != nullptr) {
    MARU_ASSIGN_OR_RETURN(precision, integer_argument("round", *bound[0]));
  }
  if (precision < 0 || precision > 300) return template_error("round's precision is out of range");
  if (!value.is_number()) return template_error("round needs a number");
  const std::string_view method =
      bound[1] != nullptr && bound[1]->is_string() ? bound[1]->as_string()->view() : "common";
  if (method == "common") {
    if (value.is_integral()) return Value::integer(value.integral());
    std::array<char, 700> buffer;
    std::snprintf(buffer.data(), buffer.size(), "%.*f", static_cast<int>(precision),
                  value.number());
    return Value::real(std::strtod(buffer.data(), nullptr));
  }
  if (method != "ceil" && method != "floor") return template_error("round's method is unknown");
  const double scale = std::pow(10.0, static_cast<double>(precision));
  const double scaled = value.number() * scale;
  return Value::real((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale);
}

constexpr std::array kTextFilters = std::to_array<FilterEntry>({
    {"trim", trim},
    {"upper", upper},
    {"lower", lower},
    {"capitalize", capitalize},
    {"title", title},
    {"center", center},
    {"string", string},
    {"replace", replace},
    {"indent", indent},
    {"safe", safe},
    {"escape", escape},
    {"e", escape},
    {"forceescape", forceescape},
    {"wordcount", wordcount},
    {"format", format},
    {"tojson", tojson},
    {"int", to_int},
    {"float", to_float},
    {"abs", absolute},
    {"round", round_number},
});

}  // namespace

FilterFunction find_filter(std::string_view name) {
  for (const std::span<const FilterEntry> table :
       {std::span<const FilterEntry>(kTextFilters), sequence_filters()}) {
    for (const FilterEntry& entry : table) {
      if (entry.name == name) return entry.function;
    }
  }
  return nullptr;
}

Result<Value> escape_markup(Runtime& runtime, const Value& value) {
  if (value.is_string() && value.as_string()->markup) return value;
  MARU_ASSIGN_OR_RETURN(const Text text, to_str(runtime.heap, value));
  TextBuilder out = runtime.heap.builder();
  size_t begin = 0;
  for (size_t at = 0; at <= text.bytes.size(); ++at) {
    constexpr std::string_view kSpecial = "&<>'\"";
    constexpr std::array<std::string_view, 5> kEscaped = {"&amp;", "&lt;", "&gt;", "&#39;",
                                                          "&#34;"};
    const size_t which = at == text.bytes.size() ? kSpecial.size() : kSpecial.find(text.bytes[at]);
    if (which == std::string_view::npos) continue;
    out.append(text, begin, at);
    begin = at + 1;
    if (which < kSpecial.size()) out.append(kEscaped[which], foreign_within(text, at, at + 1));
  }
  return runtime.heap.string(std::move(out), true);
}

}  // namespace maru::text::jinja
