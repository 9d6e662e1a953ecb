// Values of the template interpreter, with Python's types and meaning. A value is a small handle;
// strings, sequences and dicts are shared and never change after they were made. Namespaces and
// loops change and live as long as the Heap that made them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"
#include "text/jinja_text.h"

namespace maru::text::jinja {

class Heap;
class Value;
struct StringObject;
struct SequenceObject;
struct DictObject;
struct NamespaceObject;
struct CallableObject;
struct LoopObject;

using StringPtr = std::shared_ptr<const StringObject>;
using SequencePtr = std::shared_ptr<const SequenceObject>;
using DictPtr = std::shared_ptr<const DictObject>;
using NamespacePtr = std::shared_ptr<NamespaceObject>;
using CallablePtr = std::shared_ptr<CallableObject>;
using LoopPtr = std::shared_ptr<LoopObject>;

// What a name that has no value gives: prints nothing, is false, and fails with `message` when
// used.
struct Undefined {
  std::shared_ptr<const std::string> message;
};
struct None {};

class Value {
 public:
  Value() : storage_(None{}) {}
  static Value undefined(std::string message);
  static Value boolean(bool b) { return Value(Storage(std::in_place_type<bool>, b)); }
  static Value integer(int64_t i) { return Value(Storage(std::in_place_type<int64_t>, i)); }
  static Value real(double d) { return Value(Storage(std::in_place_type<double>, d)); }
  template <class Pointer>
  static Value object(Pointer pointer) {
    return Value(Storage(std::move(pointer)));
  }

  bool is_undefined() const { return std::holds_alternative<Undefined>(storage_); }
  bool is_none() const { return std::holds_alternative<None>(storage_); }
  bool is_string() const { return std::holds_alternative<StringPtr>(storage_); }
  bool is_dict() const { return std::holds_alternative<DictPtr>(storage_); }
  // int or bool, as Python's isinstance(x, int).
  bool is_integral() const {
    return std::holds_alternative<int64_t>(storage_) || std::holds_alternative<bool>(storage_);
  }
  bool is_number() const { return is_integral() || std::holds_alternative<double>(storage_); }

  // Each returns nullptr for another type.
  const Undefined* as_undefined() const { return std::get_if<Undefined>(&storage_); }
  const bool* as_boolean() const { return std::get_if<bool>(&storage_); }
  const int64_t* as_integer() const { return std::get_if<int64_t>(&storage_); }
  const double* as_real() const { return std::get_if<double>(&storage_); }
  const StringObject* as_string() const { return pointer<StringPtr>(); }
  const SequenceObject* as_sequence() const { return pointer<SequencePtr>(); }
  const DictObject* as_dict() const { return pointer<DictPtr>(); }
  NamespaceObject* as_namespace() const { return pointer<NamespacePtr>(); }
  CallableObject* as_callable() const { return pointer<CallablePtr>(); }
  LoopObject* as_loop() const { return pointer<LoopPtr>(); }
  const SequencePtr* sequence_pointer() const { return std::get_if<SequencePtr>(&storage_); }

  // The number of an int or bool (is_integral()), or of any number (is_number()).
  int64_t integral() const;
  double number() const;

 private:
  using Storage = std::variant<Undefined, None, bool, int64_t, double, StringPtr, SequencePtr,
                               DictPtr, NamespacePtr, CallablePtr, LoopPtr>;
  explicit Value(Storage storage) : storage_(std::move(storage)) {}
  template <class Pointer>
  typename Pointer::element_type* pointer() const {
    const Pointer* p = std::get_if<Pointer>(&storage_);
    return p == nullptr ? nullptr : p->get();
  }

  Storage storage_;
};

// Counts an object's bytes in its heap for as long as it lives. No heap: constants of the program.
class Charged {
 public:
  Charged(Heap* heap, size_t bytes);
  ~Charged();
  Charged(const Charged&) = delete;
  Charged& operator=(const Charged&) = delete;

 private:
  Heap* heap_;
  size_t bytes_;
};

struct StringObject : Charged {
  StringObject(Heap* heap, Text t, bool is_markup);
  std::string_view view() const { return text.bytes; }

  const Text text;
  const bool markup;  // made by safe or escape: `+` escapes the other side
};

enum class SequenceKind : uint8_t { kList, kTuple, kRange, kKeys, kValues, kItems, kGenerator };

struct SequenceObject : Charged {
  SequenceObject(Heap* heap, std::vector<Value> i, SequenceKind k, uint32_t d);

  const std::vector<Value> items;
  const SequenceKind kind;
  const uint32_t depth;           // nesting: 1 for a list of scalars
  mutable bool consumed = false;  // a generator gives its items once
};

using DictEntry = std::pair<Value, Value>;

struct DictObject : Charged {
  DictObject(Heap* heap, std::vector<DictEntry> e, uint32_t d);
  // nullptr when there is no such key.
  const Value* find(std::string_view key) const;
  const Value* find(const Value& key) const;

  const std::vector<DictEntry> entries;  // in order of insertion, keys unique
  const uint32_t depth;

 private:
  std::unordered_map<std::string_view, size_t> index_;  // string keys, when there are many
};

struct NamespaceObject : Charged {
  explicit NamespaceObject(Heap* heap);
  std::vector<std::pair<std::string, Value>> attributes;
  Value* find(std::string_view name);
};

// The state of a running for loop, as templates see it under the name `loop`.
struct LoopObject : Charged {
  LoopObject(Heap* heap, SequencePtr i) : Charged(heap, sizeof(LoopObject)), items(std::move(i)) {}

  const SequencePtr items;
  size_t index0 = 0;
  std::vector<Value>
      changed;  // what changed() saw last; emptied at the end, so that no cycle stays
  bool called_changed = false;
  bool running = true;
};

// Python's names and meaning.
std::string_view type_name(const Value& value);
bool truthy(const Value& value);
uint32_t depth_of(const Value& value);
// Whether a and b are equal; counts steps, because shared parts can be nested exponentially.
Result<bool> equals(Heap& heap, const Value& a, const Value& b);
// a < b for numbers, strings and sequences. Errors: types that have no order.
Result<bool> less(Heap& heap, const Value& a, const Value& b, std::string_view symbol = "<");

Error template_error(std::string message);

}  // namespace maru::text::jinja
