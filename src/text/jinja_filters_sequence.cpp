// Filters on sequences and dicts.
#include <algorithm>
#include <array>
#include <optional>

#include "text/jinja_filters.h"
#include "text/jinja_print.h"

namespace maru::text::jinja {
namespace {

Result<Value> length(Runtime&, const Value& value, const Arguments& arguments) {
  MARU_RETURN_IF_ERROR(arguments.bind("length", {}));
  if (value.is_undefined()) return Value::integer(0);
  if (const StringObject* text = value.as_string()) {
    return Value::integer(static_cast<int64_t>(count_characters(text->view())));
  }
  if (const DictObject* dict = value.as_dict()) {
    return Value::integer(static_cast<int64_t>(dict->entries.size()));
  }
  const SequenceObject* sequence = value.as_sequence();
  if (sequence == nullptr || sequence->kind == SequenceKind::kGenerator) {
    return template_error("a " + std::string(type_name(value)) + " has no length");
  }
  return Value::integer(static_cast<int64_t>(sequence->items.size()));
}

Result<Value> fallback(Runtime&, const Value& value, const Arguments& arguments) {
  MARU_ASSIGN_OR_RETURN(const auto bound, arguments.bind("default", {"default_value", "boolean"}));
  const bool also_false = bound[1] != nullptr && truthy(*bound[1]);
  if (!value.is_undefined() && !(also_false && !truthy(value))) return value;
  if (bound[0] != nullptr) return *bound[0];
  return Value::object(StringPtr(std::make_shared<StringObject>(nullptr, Text{}, false)));
}

// Attributes as the filters take them: a number, or names with dots between them.
Result<Value> lookup(Runtime& runtime, const Value& item, const Value& attribute) {
  if (attribute.is_integral()) return get_item(runtime, item, attribute);
  MARU_ASSIGN_OR_RETURN(const StringObject* path, string_argument("attribute", attribute));
  Value value = item;
  std::string_view rest = path->view();
  while (true) {
    const size_t dot = std::min(rest.find('.'), rest.size());
    const std::string_view name = rest.substr(0, dot);
    const bool number =
        !name.empty() && name.size() < 10 &&
        std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
    MARU_ASSIGN_OR_RETURN(Value key, runtime.heap.trusted(name));
    if (number) key = Value::integer(std::stoll(std::string(name)));
    MARU_ASSIGN_OR_RETURN(value, get_item(runtime, value, key));
    if (dot == rest.size()) return value;
    rest.remove_prefix(dot + 1);
  }
}

// The key that an item is compared by: an attribute of it perhaps, without case perhaps.
Result<Value> key_of(Runtime& runtime, const Value& item, const Value* attribute,
                     bool case_sensitive) {
  Value key = item;
  if (attribute != nullptr && !attribute->is_none()) {
    MARU_ASSIGN_OR_RETURN(key, lookup(runtime, item, *attribute));
  }
  if (case_sensitive || !key.is_string()) return key;
  return find_string_method("lower")(runtime, key, {});
}

Result<Value> join(Runtime& runtime, const Value& value, const Arguments& arguments) {
  MARU_ASSIGN_OR_RETURN(const auto bound, arguments.bind("join", {"d", "attribute"}));
  Text separator;
  if (bound[0] != nullptr) {
    MARU_ASSIGN_OR_RETURN(separator, to_str(runtime.heap, *bound[0]));
  }
  MARU_ASSIGN_OR_RETURN(const SequencePtr items, runtime.heap.iterate(value));
  TextBuilder out = runtime.heap.builder();
  for (size_t i = 0; i < items->items.size(); ++i) {
    if (i > 0) out.append(separator);
    MARU_ASSIGN_OR_RETURN(const Value item, key_of(runtime, items->items[i], bound[1], true));
    MARU_RETURN_IF_ERROR(append_str(runtime.heap, out, item));
  }
  return runtime.heap.string(std::move(out));
}

Result<Value> first(Runtime& runtime, const Value& value, const Arguments& arguments) {
  MARU_RETURN_IF_ERROR(arguments.bind("first", {}));
  if (value.is_string()) {
    return get_slice(runtime, value, Value(), Value::integer(1), Value());
  }
  MARU_ASSIGN_OR_RETURN(const SequencePtr items, runtime.heap.iterate(value));
  if (items->items.empty()) return Value::undefined("the sequence has no first item");
  return items->items.front();
}

Result<Value> last(Runtime& runtime, const Value& value, const Arguments& arguments) {
  MARU_RETURN_IF_ERROR(arguments.bind("last", {}));
  const SequenceObject* sequence = value.as_sequence();
  if (sequence != nullptr && sequence->kind == SequenceKind::kGenerator) {
    return template_error("a generator has no last item");
  }
  MARU_ASSIGN_OR_RETURN(const SequencePtr items, runtime.heap.iterate(value));
  if (items->items.empty()) return Value::undefined("the sequence has no last item");
  return items->items.back();
}

Result<Value> list(Runtime& runtime, const Value& value, const Arguments& arguments) {
  MARU_RETURN_IF_ERROR(arguments.bind("list", {}));
  MARU_ASSIGN_OR_RETURN(const SequencePtr items, runtime.heap.iterate(value));
  return runtime.heap.sequence(items->items);
}

Result<Value> reverse(Runtime& runtime, const Value& value, const Arguments& arguments) {
  MARU_RETURN_IF_ERROR(arguments.bind("reverse", {}));
  if (value.is_string()) {
    return get_slice(runtime, value, Value(), Value(), Value::integer(-1));
  }
  MARU_ASSIGN_OR_RETURN(const SequencePtr items, runtime.heap.iterate(value));
  std::vector<Value> reversed(items->items.rbegin(), items->items.rend());
  return runtime.heap.sequence(std::move(reversed), SequenceKind::kGenerator);
}

Result<Value> items(Runtime& runtime, const Value& value, const Arguments& arguments) {
  MARU_RETURN_IF_ERROR(arguments.bind("items", {}));
  if (value.is_undefined()) return runtime.heap.sequence({}, SequenceKind::kGenerator);
  if (!value.is_dict()) return template_error("items needs a dict");
  std::vector<Value> pairs;
  for (const auto& [key, item] : value.as_dict()->entries) {
    MARU_ASSIGN_OR_RETURN(pairs.emplace_back(),
                          runtime.heap.sequence({key, item}, SequenceKind::kTuple));
  }
  return runtime.heap.sequence(std::move(pairs), SequenceKind::kGenerator);
}

// Sorting.

struct Keyed {
  Value key;
  Value item;
};

Result<Value> sorted(Runtime& runtime, std::vector<Keyed> keyed, bool reversed) {
  std::optional<Error> error;
  std::stable_sort(keyed.begin(), keyed.end(), [&](const Keyed& a, const Keyed& b) {
    if (error) return false;
    const Result<bool> result =
        reversed ? less(runtime.heap, b.key, a.key) : less(runtime.heap, a.key, b.key);
    if (!result) error = result.error();
    return result.has_value() && *result;
  });
  if (error) return *error;
  std::vector<Value> values;
  for (Keyed& entry : keyed) values.push_back(std::move(entry.item));
  return runtime.heap.sequence(std::move(values));
}

Result<Value> sort(Runtime& runtime, const Value& value, const Arguments& arguments) {
  MARU_ASSIGN_OR_RETURN(const auto bound,
                        arguments.bind("sort", {"reverse", "case_sensitive", "attribute"}));
  const bool case_sensitive = bound[1] != nullptr && truthy(*bound[1]);
  MARU_ASSIGN_OR_RETURN(const SequencePtr all, runtime.heap.iterate(value));
  std::vector<Keyed> keyed;
  for (const Value& item : all->items) {
    MARU_ASSIGN_OR_RETURN(Value key, key_of(runtime, item, bound[2], case_sensitive));
    keyed.push_back({std::move(key), item});
  }
  return sorted(runtime, std::move(keyed), bound[0] != nullptr && truthy(*bound[0]));
}

Result<Value> dictsort(Runtime& runtime, const Value& value, const Arguments& arguments) {
  MARU_ASSIGN_OR_RETURN(const auto bound,
                        arguments.bind("dictsort", {"case_sensitive", "by", "reverse"}));
  if (value.is_undefined()) return template_error(*value.as_undefined()->message);
  if (!value.is_dict()) return template_error("dictsort needs a dict");
  const bool case_sensitive = bound[0] != nullptr && truthy(*bound[0]);
  bool by_value = false;
  if (bound[1] != nullptr) {
    MARU_ASSIGN_OR_RETURN(const StringObject* by, string_argument("dictsort", *bound[1]));
    if (by->view() != "key" && by->view() != "value") {
      return template_error("dictsort sorts by key or by value");
    }
    by_value = by->view() == "value";
  }
  std::vector<Keyed> keyed;
  for (const auto& [key, item] : value.as_dict()->entries) {
    MARU_ASSIGN_OR_RETURN(Value sort_key,
                          key_of(runtime, by_value ? item : key, nullptr, case_sensitive));
    MARU_ASSIGN_OR_RETURN(Value pair, runtime.heap.sequence({key, item}, SequenceKind::kTuple));
    keyed.push_back({std::move(sort_key), std::move(pair)});
  }
  return sorted(runtime, std::move(keyed), bound[2] != nullptr && truthy(*bound[2]));
}

Result<Value> unique(Runtime& runtime, const Value& value, const Arguments& arguments) {
  MARU_ASSIGN_OR_RETURN(const auto bound,
                        arguments.bind("unique", {"case_sensitive", "attribute"}));
  const bool case_sensitive = bound[0] != nullptr && truthy(*bound[0]);
  MARU_ASSIGN_OR_RETURN(const SequencePtr all, runtime.heap.iterate(value));
  std::vector<Value> kept;
  std::vector<Value> seen;
  for (const Value& item : all->items) {
    MARU_ASSIGN_OR_RETURN(Value key, key_of(runtime, item, bound[1], case_sensitive));
    bool found = false;
    for (size_t i = 0; i < seen.size() && !found; ++i) {
      MARU_ASSIGN_OR_RETURN(found, equals(runtime.heap, seen[i], key));
    }
    if (found) continue;
    kept.push_back(item);
    seen.push_back(std::move(key));
  }
  return runtime.heap.sequence(std::move(kept), SequenceKind::kGenerator);
}

Result<Value> extreme(Runtime& runtime, const Value& value, const Arguments& arguments,
                      bool largest) {
  MARU_ASSIGN_OR_RETURN(const auto bound, arguments.bind("min", {"case_sensitive", "attribute"}));
  const bool case_sensitive = bound[0] != nullptr && truthy(*bound[0]);
  MARU_ASSIGN_OR_RETURN(const SequencePtr all, runtime.heap.iterate(value));
  if (all->items.empty()) return Value::undefined("the sequence is empty");
  std::optional<Keyed> best;
  for (const Value& item : all->items) {
    MARU_ASSIGN_OR_RETURN(Value key, key_of(runtime, item, bound[1], case_sensitive));
    bool better = !best.has_value();
    if (!better) {
      MARU_ASSIGN_OR_RETURN(better, largest ? less(runtime.heap, best->key, key)
                                            : less(runtime.heap, key, best->key));
    }
    if (better) best = Keyed{std::move(key), item};
  }
  return best->item;
}

Result<Value> minimum(Runtime& r, const Value& v, const Arguments& a) {
  return extreme(r, v, a, false);
}
Result<Value> maximum(Runtime& r, const Value& v, const Arguments& a) {
  return extreme(r, v, a, true);
}

Result<Value> sum(Runtime& runtime, const Value& value, const Arguments& arguments) {
  MARU_ASSIGN_OR_RETURN(const auto bound, arguments.bind("sum", {"attribute", "start"}));
  Value total = bound[1] == nullptr ? Value::integer(0) : *bound[1];
  if (total.is_string()) return template_error("sum does not join strings");
  MARU_ASSIGN_OR_RETURN(const SequencePtr all, runtime.heap.iterate(value));
  for (const Value& item : all->items) {
    MARU_ASSIGN_OR_RETURN(const Value part, key_of(runtime, item, bound[0], true));
    MARU_ASSIGN_OR_RETURN(total, apply_operator(runtime, "+", total, part));
  }
  return total;
}

Result<Value> batch(Runtime& runtime, const Value& value, const Arguments& arguments) {
  MARU_ASSIGN_OR_RETURN(const auto bound, arguments.bind("batch", {"linecount", "fill_with"}, 1));
  MARU_ASSIGN_OR_RETURN(const int64_t wanted, integer_argument("batch", *bound[0]));
  MARU_ASSIGN_OR_RETURN(const SequencePtr all, runtime.heap.iterate(value));
  const auto size = static_cast<size_t>(std::max<int64_t>(wanted, 1));
  std::vector<Value> batches;
  for (size_t at = 0; at < all->items.size(); at += std::min(size, all->items.size() - at)) {
    const size_t end = at + std::min(size, all->items.size() - at);
    std::vector<Value> row(all->items.begin() + static_cast<ptrdiff_t>(at),
                           all->items.begin() + static_cast<ptrdiff_t>(end));
    if (bound[1] != nullptr && !bound[1]->is_none()) {
      MARU_RETURN_IF_ERROR(runtime.heap.reserve(std::min(size, size_t{1} << 40) * sizeof(Value)));
      row.resize(std::max(row.size(), size), *bound[1]);
    }
    MARU_ASSIGN_OR_RETURN(batches.emplace_back(), runtime.heap.sequence(std::move(row)));
  }
  return runtime.heap.sequence(std::move(batches), SequenceKind::kGenerator);
}

// Mapping and selecting. As in Jinja, what is false (none too) counts as empty.

Result<Value> map(Runtime& runtime, const Value& value, const Arguments& arguments) {
  if (!truthy(value)) return runtime.heap.sequence({}, SequenceKind::kGenerator);
  MARU_ASSIGN_OR_RETURN(const SequencePtr all, runtime.heap.iterate(value));
  const Value* attribute = arguments.find("attribute");
  const Value* missing = arguments.find("default");
  std::vector<Value> mapped;
  if (arguments.positional.empty()) {
    if (attribute == nullptr) return template_error("map needs a filter or an attribute");
    for (const Value& item : all->items) {
      MARU_ASSIGN_OR_RETURN(Value found, lookup(runtime, item, *attribute));
      if (found.is_undefined() && missing != nullptr) found = *missing;
      mapped.push_back(std::move(found));
    }
    return runtime.heap.sequence(std::move(mapped), SequenceKind::kGenerator);
  }
  MARU_ASSIGN_OR_RETURN(const StringObject* name, string_argument("map", arguments.positional[0]));
  const FilterFunction filter = find_filter(name->view());
  if (filter == nullptr) {
    return template_error("the filter '" + std::string(name->view()) + "' is not supported");
  }
  const Arguments rest{{arguments.positional.begin() + 1, arguments.positional.end()},
                       arguments.named};
  for (const Value& item : all->items) {
    MARU_ASSIGN_OR_RETURN(mapped.emplace_back(), filter(runtime, item, rest));
  }
  return runtime.heap.sequence(std::move(mapped), SequenceKind::kGenerator);
}

// The items for which the test (or truth, when none is named) gives `wanted`; the test sees an
// attribute of the item where `by_attribute`.
Result<Value> filtered(Runtime& runtime, const Value& value, const Arguments& arguments,
                       bool by_attribute, bool wanted) {
  if (!truthy(value)) return runtime.heap.sequence({}, SequenceKind::kGenerator);
  const std::vector<Value>& given = arguments.positional;
  const size_t test_at = by_attribute ? 1 : 0;
  if (by_attribute && given.empty()) return template_error("selectattr needs an attribute");
  TestFunction test = nullptr;
  Arguments rest;
  if (given.size() > test_at) {
    MARU_ASSIGN_OR_RETURN(const StringObject* name, string_argument("select", given[test_at]));
    test = find_test(name->view());
    if (test == nullptr) {
      return template_error("the test '" + std::string(name->view()) + "' is not supported");
    }
    rest = {{given.begin() + static_cast<ptrdiff_t>(test_at) + 1, given.end()}, arguments.named};
  }
  MARU_ASSIGN_OR_RETURN(const SequencePtr all, runtime.heap.iterate(value));
  std::vector<Value> kept;
  for (const Value& item : all->items) {
    Value subject = item;
    if (by_attribute) {
      MARU_ASSIGN_OR_RETURN(subject, lookup(runtime, item, given[0]));
    }
    bool holds = truthy(subject);
    if (test != nullptr) {
      MARU_ASSIGN_OR_RETURN(holds, test(runtime, subject, rest));
    }
    if (holds == wanted) kept.push_back(item);
  }
  return runtime.heap.sequence(std::move(kept), SequenceKind::kGenerator);
}

Result<Value> select(Runtime& r, const Value& v, const Arguments& a) {
  return filtered(r, v, a, false, true);
}
Result<Value> reject(Runtime& r, const Value& v, const Arguments& a) {
  return filtered(r, v, a, false, false);
}
Result<Value> selectattr(Runtime& r, const Value& v, const Arguments& a) {
  return filtered(r, v, a, true, true);
}
Result<Value> rejectattr(Runtime& r, const Value& v, const Arguments& a) {
  return filtered(r, v, a, true, false);
}

constexpr std::array kSequenceFilters = std::to_array<FilterEntry>({
    {"length", length},
    {"count", length},
    {"default", fallback},
    {"d", fallback},
    {"join", join},
    {"first", first},
    {"last", last},
    {"list", list},
    {"reverse", reverse},
    {"items", items},
    {"sort", sort},
    {"dictsort", dictsort},
    {"unique", unique},
    {"min", minimum},
    {"max", maximum},
    {"sum", sum},
    {"batch", batch},
    {"map", map},
    {"select", select},
    {"reject", reject},
    {"selectattr", selectattr},
    {"rejectattr", rejectattr},
});

}  // namespace

std::span<const FilterEntry> sequence_filters() { return kSequenceFilters; }

}  // namespace maru::text::jinja
