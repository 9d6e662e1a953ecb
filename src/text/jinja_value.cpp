#include "text/jinja_value.h"

#include <algorithm>
#include <cmath>

#include "text/jinja_heap.h"

namespace maru::text::jinja {
namespace {

constexpr size_t kIndexedFrom = 9;  // dicts with fewer keys are searched in order

const std::vector<Value>* items_of(const Value& value, SequenceKind kind) {
  const SequenceObject* sequence = value.as_sequence();
  return sequence != nullptr && sequence->kind == kind ? &sequence->items : nullptr;
}

// Equality of what may be a dict's key. Tuples compare by their members.
bool same_key(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) {
    if (a.is_integral() && b.is_integral()) return a.integral() == b.integral();
    return a.number() == b.number();
  }
  if (a.as_string() != nullptr && b.as_string() != nullptr) {
    return a.as_string()->view() == b.as_string()->view();
  }
  if (a.is_none() || b.is_none()) return a.is_none() && b.is_none();
  if (a.is_undefined() || b.is_undefined()) return a.is_undefined() && b.is_undefined();
  const auto* left = items_of(a, SequenceKind::kTuple);
  const auto* right = items_of(b, SequenceKind::kTuple);
  return left != nullptr && right != nullptr &&
         std::equal(left->begin(), left->end(), right->begin(), right->end(), same_key);
}

Result<bool> equal_items(Heap& heap, const std::vector<Value>& a, const std::vector<Value>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    MARU_ASSIGN_OR_RETURN(const bool same, equals(heap, a[i], b[i]));
    if (!same) return false;
  }
  return true;
}

Result<bool> equal_dicts(Heap& heap, const DictObject& a, const DictObject& b) {
  if (a.entries.size() != b.entries.size()) return false;
  for (const auto& [key, value] : a.entries) {
    const Value* other = b.find(key);
    if (other == nullptr) return false;
    MARU_ASSIGN_OR_RETURN(const bool same, equals(heap, value, *other));
    if (!same) return false;
  }
  return true;
}

bool is_ordered_sequence(const SequenceObject* s) {
  return s != nullptr && (s->kind == SequenceKind::kList || s->kind == SequenceKind::kTuple);
}

}  // namespace

Value Value::undefined(std::string message) {
  return Value(Storage(Undefined{std::make_shared<const std::string>(std::move(message))}));
}

int64_t Value::integral() const {
  if (const bool* b = as_boolean()) return *b ? 1 : 0;
  const int64_t* i = as_integer();
  return i == nullptr ? 0 : *i;
}

double Value::number() const {
  const double* d = as_real();
  return d == nullptr ? static_cast<double>(integral()) : *d;
}

StringObject::StringObject(Heap* heap, Text t, bool is_markup)
    : Charged(heap, sizeof(StringObject) + t.bytes.size() + t.foreign.size() * sizeof(Span)),
      text(std::move(t)),
      markup(is_markup) {}

SequenceObject::SequenceObject(Heap* heap, std::vector<Value> i, SequenceKind k, uint32_t d)
    : Charged(heap, sizeof(SequenceObject) + i.size() * sizeof(Value)),
      items(std::move(i)),
      kind(k),
      depth(d) {}

DictObject::DictObject(Heap* heap, std::vector<DictEntry> e, uint32_t d)
    : Charged(heap, sizeof(DictObject) + e.size() * (sizeof(DictEntry) + 48)),
      entries(std::move(e)),
      depth(d) {
  if (entries.size() < kIndexedFrom) return;
  for (size_t i = 0; i < entries.size(); ++i) {
    if (const StringObject* key = entries[i].first.as_string()) index_.emplace(key->view(), i);
  }
}

const Value* DictObject::find(std::string_view key) const {
  if (!index_.empty()) {
    const auto it = index_.find(key);
    return it == index_.end() ? nullptr : &entries[it->second].second;
  }
  for (const auto& [name, value] : entries) {
    if (name.as_string() != nullptr && name.as_string()->view() == key) return &value;
  }
  return nullptr;
}

const Value* DictObject::find(const Value& key) const {
  if (const StringObject* string = key.as_string()) return find(string->view());
  const auto it = std::find_if(entries.begin(), entries.end(),
                               [&](const DictEntry& entry) { return same_key(entry.first, key); });
  return it == entries.end() ? nullptr : &it->second;
}

NamespaceObject::NamespaceObject(Heap* heap) : Charged(heap, sizeof(NamespaceObject)) {}

Value* NamespaceObject::find(std::string_view name) {
  for (auto& [key, value] : attributes) {
    if (key == name) return &value;
  }
  return nullptr;
}

std::string_view type_name(const Value& value) {
  if (value.is_undefined()) return "Undefined";
  if (value.is_none()) return "NoneType";
  if (value.as_boolean() != nullptr) return "bool";
  if (value.as_integer() != nullptr) return "int";
  if (value.as_real() != nullptr) return "float";
  if (value.is_string()) return "str";
  if (value.is_dict()) return "dict";
  if (value.as_namespace() != nullptr) return "Namespace";
  if (value.as_loop() != nullptr) return "LoopContext";
  if (value.as_callable() != nullptr) return "function";
  switch (value.as_sequence()->kind) {
    case SequenceKind::kList: return "list";
    case SequenceKind::kTuple: return "tuple";
    case SequenceKind::kRange: return "range";
    case SequenceKind::kKeys: return "dict_keys";
    case SequenceKind::kValues: return "dict_values";
    case SequenceKind::kItems: return "dict_items";
    case SequenceKind::kGenerator: return "generator";
  }
  return "object";
}

bool truthy(const Value& value) {
  if (value.is_undefined() || value.is_none()) return false;
  if (value.is_integral()) return value.integral() != 0;
  if (const double* d = value.as_real()) return *d != 0;
  if (const StringObject* s = value.as_string()) return !s->view().empty();
  if (const DictObject* d = value.as_dict()) return !d->entries.empty();
  if (const SequenceObject* s = value.as_sequence()) {
    return s->kind == SequenceKind::kGenerator || !s->items.empty();
  }
  return true;
}

uint32_t depth_of(const Value& value) {
  if (const SequenceObject* s = value.as_sequence()) return s->depth;
  if (const DictObject* d = value.as_dict()) return d->depth;
  if (const LoopObject* l = value.as_loop()) return l->items->depth + 1;
  if (const CallableObject* c = value.as_callable()) return depth_of(c->self) + 1;
  return 0;
}

Result<bool> equals(Heap& heap, const Value& a, const Value& b) {
  MARU_RETURN_IF_ERROR(heap.step());
  if (const StringObject* left = a.as_string()) {
    const StringObject* right = b.as_string();
    if (right == nullptr || left->view().size() != right->view().size()) return false;
    MARU_RETURN_IF_ERROR(heap.step_bytes(left->view().size()));
    return left->view() == right->view();
  }
  const SequenceObject* left = a.as_sequence();
  const SequenceObject* right = b.as_sequence();
  if (left != nullptr && right != nullptr) {
    if (left == right) return true;
    const bool views =
        left->kind == SequenceKind::kGenerator || left->kind == SequenceKind::kValues;
    if (left->kind != right->kind || views) return false;
    return equal_items(heap, left->items, right->items);
  }
  if (a.is_dict() && b.is_dict()) return equal_dicts(heap, *a.as_dict(), *b.as_dict());
  if (a.as_namespace() != nullptr) return a.as_namespace() == b.as_namespace();
  if (a.as_loop() != nullptr) return a.as_loop() == b.as_loop();
  if (a.as_callable() != nullptr) return a.as_callable() == b.as_callable();
  return same_key(a, b);
}

Result<bool> less(Heap& heap, const Value& a, const Value& b, std::string_view symbol) {
  MARU_RETURN_IF_ERROR(heap.step());
  if (a.is_undefined()) return template_error(*a.as_undefined()->message);
  if (b.is_undefined()) return template_error(*b.as_undefined()->message);
  if (a.is_number() && b.is_number()) {
    if (a.is_integral() && b.is_integral()) return a.integral() < b.integral();
    return a.number() < b.number();
  }
  if (a.is_string() && b.is_string()) {
    MARU_RETURN_IF_ERROR(heap.step_bytes(a.as_string()->view().size()));
    return a.as_string()->view() < b.as_string()->view();  // bytes order as code points do
  }
  const SequenceObject* left = a.as_sequence();
  const SequenceObject* right = b.as_sequence();
  if (is_ordered_sequence(left) && is_ordered_sequence(right) && left->kind == right->kind) {
    const size_t shared = std::min(left->items.size(), right->items.size());
    for (size_t i = 0; i < shared; ++i) {
      MARU_ASSIGN_OR_RETURN(const bool same, equals(heap, left->items[i], right->items[i]));
      if (!same) return less(heap, left->items[i], right->items[i], symbol);
    }
    return left->items.size() < right->items.size();
  }
  return template_error("'" + std::string(symbol) + "' has no meaning between " +
                        std::string(type_name(a)) + " and " + std::string(type_name(b)));
}

Error template_error(std::string message) {
  return Error{ErrorCode::kInvalidArgument, std::move(message)};
}

}  // namespace maru::text::jinja
