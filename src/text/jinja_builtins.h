// The tables of filters, tests, global functions and methods. A new one is one function and one
// line in the table of its file.
#pragma once

#include <string_view>

#include "text/jinja_heap.h"

namespace maru::text::jinja {

using FilterFunction = Result<Value> (*)(Runtime&, const Value& subject, const Arguments&);
using TestFunction = Result<bool> (*)(Runtime&, const Value& subject, const Arguments&);

struct FilterEntry {
  std::string_view name;
  FilterFunction function;
};

// nullptr when there is none of that name.
FilterFunction find_filter(std::string_view name);
TestFunction find_test(std::string_view name);
MethodFunction find_function(std::string_view name);
MethodFunction find_string_method(std::string_view name);

// value.name and value[key], as Jinja's sandbox has them: an undefined value where there is
// nothing.
Result<Value> get_attribute(Runtime& runtime, const Value& value, std::string_view name);
Result<Value> get_item(Runtime& runtime, const Value& value, const Value& key);
// value[start:stop:step]; none for a bound that is left out.
Result<Value> get_slice(Runtime& runtime, const Value& value, const Value& start, const Value& stop,
                        const Value& step);

// Operators of expressions: + - * / // % ** (jinja_operators.cpp).
Result<Value> apply_operator(Runtime& runtime, std::string_view op, const Value& a, const Value& b);
Result<Value> negate(Runtime& runtime, const Value& value);
// One comparison: == != < <= > >= in "not in".
Result<bool> compare(Runtime& runtime, std::string_view op, const Value& a, const Value& b);

// Python's "%" on strings and str.format (jinja_format.cpp).
Result<Value> format_percent(Runtime& runtime, const StringObject& format, const Value& arguments);
Result<Value> format_braces(Runtime& runtime, const StringObject& format,
                            const Arguments& arguments);

// HTML escaping of a text, as markupsafe does it.
Result<Value> escape_markup(Runtime& runtime, const Value& value);

// Replaces up to `count` (-1: all) occurrences of `from`.
Result<Value> replace_text(Runtime& runtime, const Text& text, const Text& from, const Text& to,
                           int64_t count, bool markup);

// The string of an argument, or an error that names `what`.
Result<const StringObject*> string_argument(std::string_view what, const Value& value);
Result<int64_t> integer_argument(std::string_view what, const Value& value);

// "2026-11-22" from "%Y-%m-%d" (strftime of the C locale, UTC).
std::string format_time(int64_t unix_seconds, const std::string& format);

}  // namespace maru::text::jinja
