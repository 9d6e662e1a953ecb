// Global functions: range, namespace, dict, raise_exception, strftime_now, joiner.
#include <algorithm>
#include <array>
#include <ctime>

#include "text/jinja_builtins.h"
#include "text/jinja_print.h"

namespace maru::text::jinja {
namespace {

constexpr int64_t kMaxRange = 100'000;  // as Jinja's sandbox

Result<Value> range(Runtime& runtime, const Value&, const Arguments& arguments) {
  MARU_ASSIGN_OR_RETURN(const auto bound, arguments.bind("range", {"start", "stop", "step"}, 1));
  int64_t numbers[3] = {0, 0, 1};
  for (size_t i = 0; i < 3; ++i) {
    if (bound[i] == nullptr) continue;
    MARU_ASSIGN_OR_RETURN(numbers[i], integer_argument("range", *bound[i]));
  }
  if (bound[1] == nullptr) std::swap(numbers[0], numbers[1]);
  const auto [start, stop, step] = std::to_array({numbers[0], numbers[1], numbers[2]});
  if (step == 0) return template_error("range's step can't be zero");
  std::vector<Value> items;
  for (int64_t i = start; step > 0 ? i < stop : i > stop;) {
    if (items.size() >= static_cast<size_t>(kMaxRange)) {
      return template_error("a range has more than " + std::to_string(kMaxRange) + " items");
    }
    items.push_back(Value::integer(i));
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return runtime.heap.sequence(std::move(items), SequenceKind::kRange);
}

// The entries that dict() and namespace() are made of: a mapping or pairs, then named arguments.
Result<std::vector<DictEntry>> entries_of(Runtime& runtime, const Arguments& arguments) {
  if (arguments.positional.size() > 1) return template_error("dict takes one positional argument");
  std::vector<DictEntry> entries;
  if (!arguments.positional.empty()) {
    const Value& source = arguments.positional[0];
    if (const DictObject* dict = source.as_dict()) {
      entries = dict->entries;
    } else {
      MARU_ASSIGN_OR_RETURN(const SequencePtr pairs, runtime.heap.iterate(source));
      for (const Value& item : pairs->items) {
        MARU_ASSIGN_OR_RETURN(const SequencePtr pair, runtime.heap.iterate(item));
        if (pair->items.size() != 2) return template_error("dict needs pairs of key and value");
        entries.emplace_back(pair->items[0], pair->items[1]);
      }
    }
  }
  for (const auto& [name, value] : arguments.named) {
    MARU_ASSIGN_OR_RETURN(Value key, runtime.heap.string(Text::from_input(name)));
    entries.emplace_back(std::move(key), value);
  }
  return entries;
}

Result<Value> dict(Runtime& runtime, const Value&, const Arguments& arguments) {
  MARU_ASSIGN_OR_RETURN(auto entries, entries_of(runtime, arguments));
  return runtime.heap.dict(std::move(entries));
}

Result<Value> make_namespace(Runtime& runtime, const Value&, const Arguments& arguments) {
  MARU_ASSIGN_OR_RETURN(auto entries, entries_of(runtime, arguments));
  MARU_ASSIGN_OR_RETURN(const Value space, runtime.heap.new_namespace());
  MARU_RETURN_IF_ERROR(runtime.heap.step(1 + entries.size() * entries.size() / 16));
  for (const auto& [key, value] : entries) {
    MARU_ASSIGN_OR_RETURN(const StringObject* name, string_argument("namespace", key));
    if (name->view().starts_with("_")) {
      return template_error("a namespace's attribute can't start with an underscore");
    }
    if (Value* old = space.as_namespace()->find(name->view())) {
      *old = value;
    } else {
      space.as_namespace()->attributes.emplace_back(name->view(), value);
    }
  }
  return space;
}

Result<Value> raise_exception(Runtime& runtime, const Value&, const Arguments& arguments) {
  MARU_ASSIGN_OR_RETURN(const auto bound, arguments.bind("raise_exception", {"message"}, 1));
  MARU_ASSIGN_OR_RETURN(Text text, to_str(runtime.heap, *bound[0]));
  runtime.raised = true;
  return template_error(std::move(text.bytes));
}

Result<Value> strftime_now(Runtime& runtime, const Value&, const Arguments& arguments) {
  MARU_ASSIGN_OR_RETURN(const auto bound, arguments.bind("strftime_now", {"format"}, 1));
  MARU_ASSIGN_OR_RETURN(const StringObject* format, string_argument("strftime_now", *bound[0]));
  if (format->view().size() > 1000) return template_error("strftime_now's format is too long");
  const std::string text = format_time(runtime.now_unix_seconds, std::string(format->view()));
  return runtime.heap.string(format->text.has_foreign() ? Text::from_input(text)
                                                        : Text::trusted(text));
}

// joiner(sep): nothing the first time it is called, then sep.
Result<Value> join_next(Runtime& runtime, const Value& self, const Arguments&) {
  Value* separator = self.as_namespace()->find("separator");
  Value* used = self.as_namespace()->find("used");
  if (truthy(*used)) return *separator;
  *used = Value::boolean(true);
  return runtime.heap.trusted("");
}

Result<Value> joiner(Runtime& runtime, const Value&, const Arguments& arguments) {
  MARU_ASSIGN_OR_RETURN(const auto bound, arguments.bind("joiner", {"sep"}));
  MARU_ASSIGN_OR_RETURN(const Value state, runtime.heap.new_namespace());
  MARU_ASSIGN_OR_RETURN(Value separator, runtime.heap.trusted(", "));
  if (bound[0] != nullptr) separator = *bound[0];
  state.as_namespace()->attributes.emplace_back("separator", std::move(separator));
  state.as_namespace()->attributes.emplace_back("used", Value::boolean(false));
  return runtime.heap.method("joiner", join_next, state);
}

struct FunctionEntry {
  std::string_view name;
  MethodFunction function;
};

constexpr std::array kFunctions = std::to_array<FunctionEntry>({
    {"range", range},
    {"dict", dict},
    {"namespace", make_namespace},
    {"raise_exception", raise_exception},
    {"strftime_now", strftime_now},
    {"joiner", joiner},
});

}  // namespace

MethodFunction find_function(std::string_view name) {
  const auto it = std::find_if(kFunctions.begin(), kFunctions.end(),
                               [&](const FunctionEntry& entry) { return entry.name == name; });
  return it == kFunctions.end() ? nullptr : it->function;
}

std::string format_time(int64_t unix_seconds, const std::string& format) {
  // Fields that Python knows and C does not, or that depend on the machine.
  std::string known;
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%' || i + 1 == format.size()) {
      if (format[i] != '%')
        known += format[i];
      else
        known += "%%";
      continue;
    }
    const char field = format[++i];
    if (field == 'f')
      known += "000000";
    else if (field != 'z' && field != 'Z')
      known.append({'%', field});
  }
  const auto seconds = static_cast<std::time_t>(unix_seconds);
  std::tm time{};
  if (gmtime_r(&seconds, &time) == nullptr) return {};
  std::array<char, 8192> buffer;
  return std::string(buffer.data(),
                     std::strftime(buffer.data(), buffer.size(), known.c_str(), &time));
}

Result<const StringObject*> string_argument(std::string_view what, const Value& value) {
  if (const StringObject* text = value.as_string()) return text;
  if (value.is_undefined()) return template_error(*value.as_undefined()->message);
  return template_error(std::string(what) + " needs a string, not " +
                        std::string(type_name(value)));
}

Result<int64_t> integer_argument(std::string_view what, const Value& value) {
  if (value.is_integral()) return value.integral();
  if (value.is_undefined()) return template_error(*value.as_undefined()->message);
  return template_error(std::string(what) + " needs an integer, not " +
                        std::string(type_name(value)));
}

}  // namespace maru::text::jinja
