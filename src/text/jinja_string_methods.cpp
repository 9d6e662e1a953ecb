// Methods of strings, with Python's meaning; parts keep the marks of the bytes they come from.
#include <algorithm>
#include <array>
#include <functional>

#include "base/utf8.h"
#include "text/jinja_builtins.h"
#include "text/jinja_print.h"
#include "text/letter_case.h"

namespace maru::text::jinja {
namespace {

constexpr int64_t kNoLimit = -1;

const Text& text_of(const Value& self) { return self.as_string()->text; }
std::string_view view_of(const Value& self) { return self.as_string()->view(); }
bool given(const Value* argument) { return argument != nullptr && !argument->is_none(); }

Result<Value> part(Runtime& runtime, const Value& self, size_t begin, size_t end) {
  return runtime.heap.string(slice(text_of(self), begin, end), self.as_string()->markup);
}

Result<Value> list_of_parts(Runtime& runtime, const Value& self, const std::vector<Span>& spans) {
  std::vector<Value> parts;
  for (const Span& span : spans) {
    MARU_ASSIGN_OR_RETURN(parts.emplace_back(), part(runtime, self, span.begin, span.end));
  }
  return runtime.heap.sequence(std::move(parts));
}

Result<Value> strip_side(Runtime& runtime, const Value& self, const Arguments& arguments,
                         StripSide side) {
  MARU_ASSIGN_OR_RETURN(const auto bound, arguments.bind("strip", {"chars"}));
  Span span{};
  if (given(bound[0])) {
    MARU_ASSIGN_OR_RETURN(const StringObject* chars, string_argument("strip", *bound[0]));
    const std::string_view set = chars->view();
    MARU_RETURN_IF_ERROR(runtime.heap.step(1 + view_of(self).size() / 256 * (1 + set.size() / 64)));
    span = strip_span(view_of(self), &set, side);
  } else {
    span = strip_span(view_of(self), nullptr, side);
  }
  return part(runtime, self, span.begin, span.end);
}

Result<Value> strip(Runtime& r, const Value& self, const Arguments& a) {
  return strip_side(r, self, a, StripSide::kBoth);
}
Result<Value> lstrip(Runtime& r, const Value& self, const Arguments& a) {
  return strip_side(r, self, a, StripSide::kLeft);
}
Result<Value> rstrip(Runtime& r, const Value& self, const Arguments& a) {
  return strip_side(r, self, a, StripSide::kRight);
}

// Splitting.

std::vector<Span> split_at(std::string_view text, std::string_view separator, int64_t limit) {
  std::vector<Span> spans;
  size_t begin = 0;
  for (int64_t cuts = 0; limit == kNoLimit || cuts < limit; ++cuts) {
    const size_t at = text.find(separator, begin);
    if (at == std::string_view::npos) break;
    spans.push_back({begin, at});
    begin = at + separator.size();
  }
  spans.push_back({begin, text.size()});
  return spans;
}

std::vector<Span> split_at_from_right(std::string_view text, std::string_view separator,
                                      int64_t limit) {
  std::vector<Span> spans;
  size_t end = text.size();
  for (int64_t cuts = 0; (limit == kNoLimit || cuts < limit) && end >= separator.size(); ++cuts) {
    const size_t at = text.rfind(separator, end - separator.size());
    if (at == std::string_view::npos) break;
    spans.push_back({at + separator.size(), end});
    end = at;
  }
  spans.push_back({0, end});
  std::reverse(spans.begin(), spans.end());
  return spans;
}

// The words of `text`, at most `limit` of them taken from one side; what is left is one more.
std::vector<Span> split_words(std::string_view text, int64_t limit, bool from_right) {
  std::vector<Span> words;
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = utf8_decode(text.substr(at));
    if (is_python_space(c.code_point)) {
      at += c.length;
      continue;
    }
    const size_t begin = at;
    while (at < text.size()) {
      const Utf8Char inner = utf8_decode(text.substr(at));
      if (is_python_space(inner.code_point)) break;
      at += inner.length;
    }
    words.push_back({begin, at});
  }
  if (limit == kNoLimit || words.size() <= static_cast<size_t>(limit)) return words;
  const auto kept = static_cast<ptrdiff_t>(limit);
  if (from_right) {
    const Span rest{0, words[words.size() - static_cast<size_t>(limit) - 1].end};
    words.erase(words.begin(), words.end() - kept);
    const Span trimmed = strip_span(text.substr(0, rest.end), nullptr, StripSide::kRight);
    words.insert(words.begin(), Span{0, trimmed.end});
  } else {
    const Span rest{words[static_cast<size_t>(limit)].begin, text.size()};
    words.erase(words.begin() + kept, words.end());
    words.push_back(rest);
  }
  return words;
}

Result<Value> split_text(Runtime& runtime, const Value& self, const Arguments& arguments,
                         bool from_right) {
  MARU_ASSIGN_OR_RETURN(const auto bound, arguments.bind("split", {"sep", "maxsplit"}));
  int64_t limit = kNoLimit;
  if (bound[1] != nullptr) {
    MARU_ASSIGN_OR_RETURN(limit, integer_argument("split", *bound[1]));
    limit = std::max(limit, kNoLimit);
  }
  MARU_RETURN_IF_ERROR(runtime.heap.step_bytes(view_of(self).size()));
  if (!given(bound[0])) {
    return list_of_parts(runtime, self, split_words(view_of(self), limit, from_right));
  }
  MARU_ASSIGN_OR_RETURN(const StringObject* separator, string_argument("split", *bound[0]));
  if (separator->view().empty()) return template_error("split needs a separator that is not empty");
  return list_of_parts(runtime, self,
                       from_right ? split_at_from_right(view_of(self), separator->view(), limit)
                                  : split_at(view_of(self), separator->view(), limit));
}

Result<Value> split(Runtime& r, const Value& self, const Arguments& a) {
  return split_text(r, self, a, false);
}
Result<Value> rsplit(Runtime& r, const Value& self, const Arguments& a) {
  return split_text(r, self, a, true);
}

bool ends_line(uint32_t c) {
  return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 ||
         c == 0x2029;
}

Result<Value> splitlines(Runtime& runtime, const Value& self, const Arguments& arguments) {
  MARU_ASSIGN_OR_RETURN(const auto bound, arguments.bind("splitlines", {"keepends"}));
  const bool keep = bound[0] != nullptr && truthy(*bound[0]);
  const std::string_view text = view_of(self);
  std::vector<Span> lines;
  size_t begin = 0;
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = utf8_decode(text.substr(at));
    size_t next = at + c.length;
    if (ends_line(c.code_point)) {
      if (c.code_point == '\r' && next < text.size() && text[next] == '\n') ++next;
      lines.push_back({begin, keep ? next : at});
      begin = next;
    }
    at = next;
  }
  if (begin < text.size()) lines.push_back({begin, text.size()});
  return list_of_parts(runtime, self, lines);
}

Result<Value> partition_at(Runtime& runtime, const Value& self, const Arguments& arguments,
                           bool from_right) {
  MARU_ASSIGN_OR_RETURN(const auto bound, arguments.bind("partition", {"sep"}, 1));
  MARU_ASSIGN_OR_RETURN(const StringObject* separator, string_argument("partition", *bound[0]));
  if (separator->view().empty()) return template_error("partition needs a separator");
  const size_t size = view_of(self).size();
  const size_t found =
      from_right ? view_of(self).rfind(separator->view()) : view_of(self).find(separator->view());
  size_t at = found;
  size_t after = found + separator->view().size();
  if (found == std::string_view::npos) at = after = from_right ? 0 : size;
  std::vector<Value> parts;
  MARU_ASSIGN_OR_RETURN(parts.emplace_back(), part(runtime, self, 0, at));
  MARU_ASSIGN_OR_RETURN(parts.emplace_back(), part(runtime, self, at, after));
  MARU_ASSIGN_OR_RETURN(parts.emplace_back(), part(runtime, self, after, size));
  return runtime.heap.sequence(std::move(parts), SequenceKind::kTuple);
}

Result<Value> partition(Runtime& r, const Value& self, const Arguments& a) {
  return partition_at(r, self, a, false);
}
Result<Value> rpartition(Runtime& r, const Value& self, const Arguments& a) {
  return partition_at(r, self, a, true);
}

// Searching.

// The bytes between the characters start and stop, as in text[start:stop].
Result<Span> bounded(const Value& self, const Value* start, const Value* stop) {
  const auto size = static_cast<int64_t>(count_characters(view_of(self)));
  int64_t bounds[2] = {0, size};
  const Value* arguments[2] = {start, stop};
  for (int i = 0; i < 2; ++i) {
    if (!given(arguments[i])) continue;
    MARU_ASSIGN_OR_RETURN(bounds[i], integer_argument("a bound", *arguments[i]));
    if (bounds[i] < 0) bounds[i] = std::max<int64_t>(bounds[i] < -size ? 0 : bounds[i] + size, 0);
    bounds[i] = std::min(bounds[i], size);
  }
  const size_t begin = offset_of_character(view_of(self), static_cast<size_t>(bounds[0]));
  const size_t end = offset_of_character(view_of(self), static_cast<size_t>(bounds[1]));
  return Span{begin, std::max(begin, end)};
}

struct Search {
  Span within;
  std::string_view needle;
};

Result<Search> search_of(Runtime& runtime, const Value& self, const Arguments& arguments) {
  MARU_ASSIGN_OR_RETURN(const auto bound, arguments.bind("find", {"sub", "start", "end"}, 1));
  MARU_ASSIGN_OR_RETURN(const StringObject* needle, string_argument("find", *bound[0]));
  MARU_RETURN_IF_ERROR(runtime.heap.step_bytes(view_of(self).size()));
  MARU_ASSIGN_OR_RETURN(const Span within, bounded(self, bound[1], bound[2]));
  return Search{within, needle->view()};
}

Result<Value> find_text(Runtime& runtime, const Value& self, const Arguments& arguments,
                        bool from_right, bool required) {
  MARU_ASSIGN_OR_RETURN(const Search search, search_of(runtime, self, arguments));
  const std::string_view area =
      view_of(self).substr(search.within.begin, search.within.end - search.within.begin);
  const size_t at = from_right ? area.rfind(search.needle) : area.find(search.needle);
  if (at == std::string_view::npos) {
    if (required) return template_error("the substring is not found");
    return Value::integer(-1);
  }
  return Value::integer(
      static_cast<int64_t>(count_characters(view_of(self).substr(0, search.within.begin + at))));
}

Result<Value> find(Runtime& r, const Value& self, const Arguments& a) {
  return find_text(r, self, a, false, false);
}
Result<Value> rfind(Runtime& r, const Value& self, const Arguments& a) {
  return find_text(r, self, a, true, false);
}
Result<Value> index(Runtime& r, const Value& self, const Arguments& a) {
  return find_text(r, self, a, false, true);
}
Result<Value> rindex(Runtime& r, const Value& self, const Arguments& a) {
  return find_text(r, self, a, true, true);
}

Result<Value> count(Runtime& runtime, const Value& self, const Arguments& arguments) {
  MARU_ASSIGN_OR_RETURN(const Search search, search_of(runtime, self, arguments));
  const std::string_view area =
      view_of(self).substr(search.within.begin, search.within.end - search.within.begin);
  if (search.needle.empty()) {
    return Value::integer(static_cast<int64_t>(count_characters(area)) + 1);
  }
  const size_t parts = split_at(area, search.needle, kNoLimit).size();
  return Value::integer(static_cast<int64_t>(parts) - 1);
}

Result<Value> has_affix(Runtime& runtime, const Value& self, const Arguments& arguments,
                        bool at_start) {
  MARU_ASSIGN_OR_RETURN(const auto bound, arguments.bind("startswith", {"x", "start", "end"}, 1));
  MARU_ASSIGN_OR_RETURN(const Span within, bounded(self, bound[1], bound[2]));
  const std::string_view area = view_of(self).substr(within.begin, within.end - within.begin);
  std::vector<Value> affixes = {*bound[0]};
  const SequenceObject* tuple = bound[0]->as_sequence();
  if (tuple != nullptr && tuple->kind == SequenceKind::kTuple) affixes = tuple->items;
  MARU_RETURN_IF_ERROR(runtime.heap.step(affixes.size()));
  for (const Value& affix : affixes) {
    MARU_ASSIGN_OR_RETURN(const StringObject* text, string_argument("startswith", affix));
    if (at_start ? area.starts_with(text->view()) : area.ends_with(text->view())) {
      return Value::boolean(true);
    }
  }
  return Value::boolean(false);
}

Result<Value> startswith(Runtime& r, const Value& self, const Arguments& a) {
  return has_affix(r, self, a, true);
}
Result<Value> endswith(Runtime& r, const Value& self, const Arguments& a) {
  return has_affix(r, self, a, false);
}

Result<Value> removeprefix(Runtime& runtime, const Value& self, const Arguments& arguments) {
  MARU_ASSIGN_OR_RETURN(const auto bound, arguments.bind("removeprefix", {"prefix"}, 1));
  MARU_ASSIGN_OR_RETURN(const StringObject* prefix, string_argument("removeprefix", *bound[0]));
  const size_t cut = view_of(self).starts_with(prefix->view()) ? prefix->view().size() : 0;
  return part(runtime, self, cut, view_of(self).size());
}

Result<Value> removesuffix(Runtime& runtime, const Value& self, const Arguments& arguments) {
  MARU_ASSIGN_OR_RETURN(const auto bound, arguments.bind("removesuffix", {"suffix"}, 1));
  MARU_ASSIGN_OR_RETURN(const StringObject* suffix, string_argument("removesuffix", *bound[0]));
  const size_t cut = view_of(self).ends_with(suffix->view()) ? suffix->view().size() : 0;
  return part(runtime, self, 0, view_of(self).size() - cut);
}

// Changing.

using Mapping = void (*)(std::string& out, uint32_t code_point, bool inside_word);

// Maps each character; `inside_word` tells whether the one before was a letter.
Result<Value> map_characters(Runtime& runtime, const Value& self, Mapping mapping) {
  const std::string_view text = view_of(self);
  MARU_RETURN_IF_ERROR(runtime.heap.step_bytes(text.size()));
  TextBuilder out = runtime.heap.builder();
  bool inside_word = false;
  std::string mapped;
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = utf8_decode(text.substr(at));
    mapped.clear();
    mapping(mapped, c.code_point, inside_word);
    out.append(mapped, foreign_within(text_of(self), at, at + c.length));
    inside_word = has_upper_case(c.code_point) || has_lower_case(c.code_point);
    at += c.length;
  }
  return runtime.heap.string(std::move(out), self.as_string()->markup);
}

Result<Value> upper(Runtime& r, const Value& self, const Arguments& a) {
  MARU_RETURN_IF_ERROR(a.bind("upper", {}));
  return map_characters(r, self, [](std::string& out, uint32_t c, bool) { append_upper(out, c); });
}
Result<Value> lower(Runtime& r, const Value& self, const Arguments& a) {
  MARU_RETURN_IF_ERROR(a.bind("lower", {}));
  return map_characters(r, self, [](std::string& out, uint32_t c, bool) { append_lower(out, c); });
}
Result<Value> title(Runtime& r, const Value& self, const Arguments& a) {
  MARU_RETURN_IF_ERROR(a.bind("title", {}));
  return map_characters(r, self, [](std::string& out, uint32_t c, bool inside_word) {
    inside_word ? append_lower(out, c) : append_title(out, c);
  });
}
Result<Value> swapcase(Runtime& r, const Value& self, const Arguments& a) {
  MARU_RETURN_IF_ERROR(a.bind("swapcase", {}));
  return map_characters(r, self, [](std::string& out, uint32_t c, bool) {
    has_upper_case(c) ? append_lower(out, c) : append_upper(out, c);
  });
}

Result<Value> capitalize(Runtime& runtime, const Value& self, const Arguments& arguments) {
  MARU_RETURN_IF_ERROR(arguments.bind("capitalize", {}));
  if (view_of(self).empty()) return self;
  const size_t first = utf8_decode(view_of(self)).length;
  MARU_ASSIGN_OR_RETURN(const Value head, part(runtime, self, 0, first));
  MARU_ASSIGN_OR_RETURN(const Value tail, part(runtime, self, first, view_of(self).size()));
  MARU_ASSIGN_OR_RETURN(const Value big, title(runtime, head, {}));
  MARU_ASSIGN_OR_RETURN(const Value small, lower(runtime, tail, {}));
  return apply_operator(runtime, "+", big, small);
}

Result<Value> replace(Runtime& runtime, const Value& self, const Arguments& arguments) {
  MARU_ASSIGN_OR_RETURN(const auto bound, arguments.bind("replace", {"old", "new", "count"}, 2));
  MARU_ASSIGN_OR_RETURN(const StringObject* from, string_argument("replace", *bound[0]));
  MARU_ASSIGN_OR_RETURN(const StringObject* to, string_argument("replace", *bound[1]));
  int64_t limit = kNoLimit;
  if (bound[2] != nullptr) {
    MARU_ASSIGN_OR_RETURN(limit, integer_argument("replace", *bound[2]));
  }
  return replace_text(runtime, text_of(self), from->text, to->text, limit,
                      self.as_string()->markup);
}

Result<Value> join(Runtime& runtime, const Value& self, const Arguments& arguments) {
  MARU_ASSIGN_OR_RETURN(const auto bound, arguments.bind("join", {"iterable"}, 1));
  MARU_ASSIGN_OR_RETURN(const SequencePtr items, runtime.heap.iterate(*bound[0]));
  TextBuilder out = runtime.heap.builder();
  for (size_t i = 0; i < items->items.size(); ++i) {
    if (i > 0) out.append(text_of(self));
    MARU_ASSIGN_OR_RETURN(const StringObject* item, string_argument("join", items->items[i]));
    out.append(item->text);
  }
  return runtime.heap.string(std::move(out));
}

enum class Align : uint8_t { kLeft, kRight, kCentre };

Result<Value> pad(Runtime& runtime, const Value& self, const Arguments& arguments, Align align,
                  std::string_view fill) {
  MARU_ASSIGN_OR_RETURN(const auto bound, arguments.bind("just", {"width", "fillchar"}, 1));
  MARU_ASSIGN_OR_RETURN(const int64_t width, integer_argument("just", *bound[0]));
  Text filler = Text::trusted(fill);
  if (bound[1] != nullptr) {
    MARU_ASSIGN_OR_RETURN(const StringObject* given_fill, string_argument("just", *bound[1]));
    if (count_characters(given_fill->view()) != 1) return template_error("fill with one character");
    filler = given_fill->text;
  }
  const auto size = static_cast<int64_t>(count_characters(view_of(self)));
  const int64_t missing = std::max<int64_t>(width - size, 0);
  int64_t left = align == Align::kRight ? missing : 0;
  if (align == Align::kCentre) left = missing / 2 + (missing & width & 1);
  TextBuilder out = runtime.heap.builder();
  for (int64_t i = 0; i < left && !out.overflowed(); ++i) out.append(filler);
  out.append(text_of(self));
  for (int64_t i = left; i < missing && !out.overflowed(); ++i) out.append(filler);
  return runtime.heap.string(std::move(out), self.as_string()->markup);
}

Result<Value> ljust(Runtime& r, const Value& self, const Arguments& a) {
  return pad(r, self, a, Align::kLeft, " ");
}
Result<Value> rjust(Runtime& r, const Value& self, const Arguments& a) {
  return pad(r, self, a, Align::kRight, " ");
}
Result<Value> center(Runtime& r, const Value& self, const Arguments& a) {
  return pad(r, self, a, Align::kCentre, " ");
}

Result<Value> format(Runtime& runtime, const Value& self, const Arguments& arguments) {
  return format_braces(runtime, *self.as_string(), arguments);
}

// Questions.

Result<Value> all_characters(const Value& self, const Arguments& arguments,
                             bool (*holds)(uint32_t)) {
  MARU_RETURN_IF_ERROR(arguments.bind("is", {}));
  const std::string_view text = view_of(self);
  if (text.empty()) return Value::boolean(false);
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = utf8_decode(text.substr(at));
    if (!holds(c.code_point)) return Value::boolean(false);
    at += c.length;
  }
  return Value::boolean(true);
}

Result<Value> isdigit(Runtime&, const Value& self, const Arguments& a) {
  return all_characters(self, a, is_decimal_digit);
}
Result<Value> isnumeric(Runtime&, const Value& self, const Arguments& a) {
  return all_characters(self, a, is_number_character);
}
Result<Value> isalpha(Runtime&, const Value& self, const Arguments& a) {
  return all_characters(self, a, is_letter);
}
Result<Value> isalnum(Runtime&, const Value& self, const Arguments& a) {
  return all_characters(self, a, [](uint32_t c) { return is_letter(c) || is_number_character(c); });
}
Result<Value> isspace(Runtime&, const Value& self, const Arguments& a) {
  return all_characters(self, a, is_python_space);
}

Result<Value> single_case(const Value& self, const Arguments& arguments, bool (*wanted)(uint32_t),
                          bool (*other)(uint32_t)) {
  MARU_RETURN_IF_ERROR(arguments.bind("is", {}));
  bool found = false;
  const std::string_view text = view_of(self);
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = utf8_decode(text.substr(at));
    if (other(c.code_point)) return Value::boolean(false);
    found = found || wanted(c.code_point);
    at += c.length;
  }
  return Value::boolean(found);
}

Result<Value> isupper(Runtime&, const Value& self, const Arguments& a) {
  return single_case(self, a, has_upper_case, has_lower_case);
}
Result<Value> islower(Runtime&, const Value& self, const Arguments& a) {
  return single_case(self, a, has_lower_case, has_upper_case);
}

struct MethodEntry {
  std::string_view name;
  MethodFunction function;
};

constexpr std::array kMethods = std::to_array<MethodEntry>({
    {"strip", strip},
    {"lstrip", lstrip},
    {"rstrip", rstrip},
    {"split", split},
    {"rsplit", rsplit},
    {"splitlines", splitlines},
    {"partition", partition},
    {"rpartition", rpartition},
    {"find", find},
    {"rfind", rfind},
    {"index", index},
    {"rindex", rindex},
    {"count", count},
    {"startswith", startswith},
    {"endswith", endswith},
    {"removeprefix", removeprefix},
    {"removesuffix", removesuffix},
    {"upper", upper},
    {"lower", lower},
    {"casefold", lower},
    {"title", title},
    {"swapcase", swapcase},
    {"capitalize", capitalize},
    {"replace", replace},
    {"join", join},
    {"ljust", ljust},
    {"rjust", rjust},
    {"center", center},
    {"format", format},
    {"isdigit", isdigit},
    {"isdecimal", isdigit},
    {"isnumeric", isnumeric},
    {"isalpha", isalpha},
    {"isalnum", isalnum},
    {"isspace", isspace},
    {"isupper", isupper},
    {"islower", islower},
});

}  // namespace

MethodFunction find_string_method(std::string_view name) {
  const auto it = std::find_if(kMethods.begin(), kMethods.end(),
                               [&](const MethodEntry& entry) { return entry.name == name; });
  return it == kMethods.end() ? nullptr : it->function;
}

Result<Value> replace_text(Runtime& runtime, const Text& text, const Text& from, const Text& to,
                           int64_t count, bool markup) {
  const std::string_view bytes = text.bytes;
  TextBuilder out = runtime.heap.builder();
  size_t at = 0;
  for (int64_t done = 0; count < 0 || done < count; ++done) {
    // An empty `from` stands before every character and at the end.
    size_t found = bytes.find(from.bytes, at);
    if (from.bytes.empty() && done > 0) {
      if (at >= bytes.size()) break;
      found = at + utf8_decode(bytes.substr(at)).length;
    }
    if (found == std::string_view::npos || out.overflowed()) break;
    out.append(text, at, found);
    out.append(to);
    at = found + from.bytes.size();
  }
  out.append(text, at, bytes.size());
  return runtime.heap.string(std::move(out), markup);
}

}  // namespace maru::text::jinja
