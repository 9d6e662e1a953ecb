// What values have: attributes, items and methods of dicts, lists, loops and namespaces. Methods
// that would change a dict or a list do not exist here, as in Jinja's immutable sandbox.
#include <algorithm>
#include <array>

#include "base/utf8.h"
#include "text/jinja_builtins.h"

namespace maru::text::jinja {
namespace {

std::string no_attribute(const Value& value, std::string_view name) {
  return "a " + std::string(type_name(value)) + " has no '" + std::string(name) + "'";
}

Result<Value> dict_get(Runtime&, const Value& self, const Arguments& arguments) {
  MARU_ASSIGN_OR_RETURN(const auto bound, arguments.bind("get", {"key", "default"}, 1));
  if (const Value* found = self.as_dict()->find(*bound[0])) return *found;
  return bound[1] == nullptr ? Value() : *bound[1];
}

Result<Value> dict_keys(Runtime& runtime, const Value& self, const Arguments& arguments) {
  MARU_RETURN_IF_ERROR(arguments.bind("keys", {}));
  std::vector<Value> keys;
  for (const DictEntry& entry : self.as_dict()->entries) keys.push_back(entry.first);
  return runtime.heap.sequence(std::move(keys), SequenceKind::kKeys);
}

Result<Value> dict_values(Runtime& runtime, const Value& self, const Arguments& arguments) {
  MARU_RETURN_IF_ERROR(arguments.bind("values", {}));
  std::vector<Value> values;
  for (const DictEntry& entry : self.as_dict()->entries) values.push_back(entry.second);
  return runtime.heap.sequence(std::move(values), SequenceKind::kValues);
}

Result<Value> dict_items(Runtime& runtime, const Value& self, const Arguments& arguments) {
  MARU_RETURN_IF_ERROR(arguments.bind("items", {}));
  std::vector<Value> items;
  for (const auto& [key, value] : self.as_dict()->entries) {
    MARU_ASSIGN_OR_RETURN(items.emplace_back(),
                          runtime.heap.sequence({key, value}, SequenceKind::kTuple));
  }
  return runtime.heap.sequence(std::move(items), SequenceKind::kItems);
}

Result<Value> copy_of(Runtime&, const Value& self, const Arguments& arguments) {
  MARU_RETURN_IF_ERROR(arguments.bind("copy", {}));
  return self;
}

Result<Value> sequence_index(Runtime& runtime, const Value& self, const Arguments& arguments) {
  MARU_ASSIGN_OR_RETURN(const auto bound, arguments.bind("index", {"value"}, 1));
  const auto& items = self.as_sequence()->items;
  for (size_t i = 0; i < items.size(); ++i) {
    MARU_ASSIGN_OR_RETURN(const bool same, equals(runtime.heap, items[i], *bound[0]));
    if (same) return Value::integer(static_cast<int64_t>(i));
  }
  return template_error("the value is not in the list");
}

Result<Value> sequence_count(Runtime& runtime, const Value& self, const Arguments& arguments) {
  MARU_ASSIGN_OR_RETURN(const auto bound, arguments.bind("count", {"value"}, 1));
  int64_t count = 0;
  for (const Value& item : self.as_sequence()->items) {
    MARU_ASSIGN_OR_RETURN(const bool same, equals(runtime.heap, item, *bound[0]));
    count += same ? 1 : 0;
  }
  return Value::integer(count);
}

Result<Value> loop_cycle(Runtime&, const Value& self, const Arguments& arguments) {
  if (arguments.positional.empty()) return template_error("loop.cycle needs values");
  return arguments.positional[self.as_loop()->index0 % arguments.positional.size()];
}

Result<Value> loop_changed(Runtime& runtime, const Value& self, const Arguments& arguments) {
  LoopObject& loop = *self.as_loop();
  bool same = loop.called_changed && loop.changed.size() == arguments.positional.size();
  for (size_t i = 0; same && i < loop.changed.size(); ++i) {
    MARU_ASSIGN_OR_RETURN(same, equals(runtime.heap, loop.changed[i], arguments.positional[i]));
  }
  loop.called_changed = true;
  if (loop.running) loop.changed = arguments.positional;
  return Value::boolean(!same);
}

struct MethodEntry {
  std::string_view name;
  MethodFunction function;
};

constexpr std::array<MethodEntry, 5> kDictMethods = {{{"get", dict_get},
                                                      {"items", dict_items},
                                                      {"keys", dict_keys},
                                                      {"values", dict_values},
                                                      {"copy", copy_of}}};
constexpr std::array<MethodEntry, 3> kSequenceMethods = {
    {{"index", sequence_index}, {"count", sequence_count}, {"copy", copy_of}}};
constexpr std::array<std::string_view, 5> kDictChanges = {"clear", "pop", "popitem", "setdefault",
                                                          "update"};
constexpr std::array<std::string_view, 8> kListChanges = {"append", "clear",  "extend",  "insert",
                                                          "pop",    "remove", "reverse", "sort"};

template <size_t N>
MethodFunction find_method(const std::array<MethodEntry, N>& table, std::string_view name) {
  const auto it = std::find_if(table.begin(), table.end(),
                               [&](const MethodEntry& entry) { return entry.name == name; });
  return it == table.end() ? nullptr : it->function;
}

template <size_t N>
bool holds(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

Value unsafe_attribute(const Value& value, std::string_view name) {
  return Value::undefined("the sandbox forbids '" + std::string(name) + "' of a " +
                          std::string(type_name(value)));
}

Result<Value> loop_attribute(Runtime& runtime, const Value& value, std::string_view name) {
  const LoopObject& loop = *value.as_loop();
  const auto& items = loop.items->items;
  const auto index = static_cast<int64_t>(loop.index0);
  const auto length = static_cast<int64_t>(items.size());
  if (name == "index") return Value::integer(index + 1);
  if (name == "index0") return Value::integer(index);
  if (name == "revindex") return Value::integer(length - index);
  if (name == "revindex0") return Value::integer(length - index - 1);
  if (name == "first") return Value::boolean(index == 0);
  if (name == "last") return Value::boolean(index + 1 == length);
  if (name == "length") return Value::integer(length);
  if (name == "depth") return Value::integer(1);
  if (name == "depth0") return Value::integer(0);
  if (name == "previtem") {
    return index == 0 ? Value::undefined("there is no previous item") : items[loop.index0 - 1];
  }
  if (name == "nextitem") {
    return index + 1 == length ? Value::undefined("there is no next item") : items[loop.index0 + 1];
  }
  if (name == "cycle") return runtime.heap.method(name, loop_cycle, value);
  if (name == "changed") return runtime.heap.method(name, loop_changed, value);
  return Value::undefined(no_attribute(value, name));
}

Result<Value> dict_attribute(Runtime& runtime, const Value& value, std::string_view name) {
  if (const MethodFunction method = find_method(kDictMethods, name)) {
    return runtime.heap.method(name, method, value);
  }
  if (holds(kDictChanges, name)) return unsafe_attribute(value, name);
  if (const Value* found = value.as_dict()->find(name)) return *found;
  return Value::undefined(no_attribute(value, name));
}

Result<Value> sequence_attribute(Runtime& runtime, const Value& value, std::string_view name) {
  const SequenceKind kind = value.as_sequence()->kind;
  if (kind <= SequenceKind::kRange) {
    const MethodFunction method = find_method(kSequenceMethods, name);
    if (method != nullptr && (name != "copy" || kind == SequenceKind::kList)) {
      return runtime.heap.method(name, method, value);
    }
    if (kind == SequenceKind::kList && holds(kListChanges, name)) {
      return unsafe_attribute(value, name);
    }
  }
  return Value::undefined(no_attribute(value, name));
}

Result<Value> item_at(Runtime& runtime, const Value& value, int64_t index) {
  const std::string missing =
      "the " + std::string(type_name(value)) + " has no item " + std::to_string(index);
  if (const StringObject* text = value.as_string()) {
    MARU_RETURN_IF_ERROR(runtime.heap.step_bytes(text->view().size()));
    const auto size = static_cast<int64_t>(count_characters(text->view()));
    if (index < 0) index += size;
    if (index < 0 || index >= size) return Value::undefined(missing);
    const size_t begin = offset_of_character(text->view(), static_cast<size_t>(index));
    const size_t length = utf8_decode(text->view().substr(begin)).length;
    return runtime.heap.string(slice(text->text, begin, begin + length), text->markup);
  }
  const auto& items = value.as_sequence()->items;
  const auto size = static_cast<int64_t>(items.size());
  if (index < 0) index += size;
  if (index < 0 || index >= size) return Value::undefined(missing);
  return items[static_cast<size_t>(index)];
}

}  // namespace

Result<Value> get_attribute(Runtime& runtime, const Value& value, std::string_view name) {
  if (value.is_undefined()) return template_error(*value.as_undefined()->message);
  if (value.is_dict()) return dict_attribute(runtime, value, name);
  if (value.as_sequence() != nullptr) return sequence_attribute(runtime, value, name);
  if (value.as_loop() != nullptr) return loop_attribute(runtime, value, name);
  if (value.is_string()) {
    if (const MethodFunction method = find_string_method(name)) {
      return runtime.heap.method(name, method, value);
    }
  }
  if (NamespaceObject* space = value.as_namespace()) {
    if (const Value* found = space->find(name)) return *found;
  }
  return Value::undefined(no_attribute(value, name));
}

Result<Value> get_item(Runtime& runtime, const Value& value, const Value& key) {
  if (value.is_undefined()) return template_error(*value.as_undefined()->message);
  if (const DictObject* dict = value.as_dict()) {
    MARU_RETURN_IF_ERROR(runtime.heap.step(key.is_string() ? 1 : 1 + dict->entries.size() / 16));
    if (const Value* found = dict->find(key)) return *found;
  }
  const SequenceObject* sequence = value.as_sequence();
  const bool indexed =
      value.is_string() || (sequence != nullptr && sequence->kind <= SequenceKind::kRange);
  if (indexed && key.is_integral()) return item_at(runtime, value, key.integral());
  if (const StringObject* name = key.as_string())
    return get_attribute(runtime, value, name->view());
  return Value::undefined("a " + std::string(type_name(value)) + " has no such item");
}

}  // namespace maru::text::jinja
