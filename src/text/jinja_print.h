// Values as text: Python's str() and repr(), and JSON as json.dumps writes it. A container that
// holds any text from input is printed as foreign as a whole.
#pragma once

#include <optional>
#include <string>

#include "text/jinja_heap.h"

namespace maru::text::jinja {

// str(value). Strings keep their marks.
Status append_str(Heap& heap, TextBuilder& out, const Value& value);
Result<Text> to_str(Heap& heap, const Value& value);
Status append_repr(Heap& heap, TextBuilder& out, const Value& value);

std::string integer_text(int64_t value);
std::string float_repr(double value);  // shortest that reads back equal, as Python writes it

struct JsonStyle {
  bool ascii = false;  // \uXXXX for what is not ASCII
  bool sort_keys = false;
  std::optional<std::string> indent;  // one level; none: one line
  std::string item_separator = ", ";
  std::string key_separator = ": ";
  bool foreign = false;  // any of the texts above came from input
};
Status append_json(Heap& heap, TextBuilder& out, const Value& value, const JsonStyle& style);

}  // namespace maru::text::jinja
