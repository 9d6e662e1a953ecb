#include "text/jinja_heap.h"

#include <algorithm>

#include "base/utf8.h"

namespace maru::text::jinja {
namespace {

// Objects inside objects; far above real templates and far below what a stack can take.
constexpr uint32_t kMaxNesting = 256;

Error memory_error(const TemplateLimits& limits) {
  return template_error("the template needs more than " + std::to_string(limits.max_memory_bytes) +
                        " bytes of memory");
}

bool has_hash(const Value& value) {
  const SequenceObject* sequence = value.as_sequence();
  if (value.is_dict() || value.as_namespace() != nullptr) return false;
  if (sequence == nullptr) return true;
  return sequence->kind == SequenceKind::kTuple &&
         std::all_of(sequence->items.begin(), sequence->items.end(), has_hash);
}

Result<uint32_t> nested(uint32_t depth) {
  if (depth >= kMaxNesting) return template_error("values are nested too deeply");
  return depth + 1;
}

}  // namespace

Charged::Charged(Heap* heap, size_t bytes) : heap_(heap), bytes_(bytes) {
  if (heap_ != nullptr) heap_->live_bytes_ += bytes_;
}

Charged::~Charged() {
  if (heap_ != nullptr) heap_->live_bytes_ -= bytes_;
}

const Value* Scope::find(uint32_t name) const {
  for (const Scope* scope = this; scope != nullptr; scope = scope->parent.get()) {
    for (const auto& [key, value] : scope->variables) {
      if (key == name) return &value;
    }
  }
  return nullptr;
}

void Scope::set(uint32_t name, Value value) {
  for (auto& [key, old] : variables) {
    if (key == name) {
      old = std::move(value);
      return;
    }
  }
  variables.emplace_back(name, std::move(value));
}

Heap::~Heap() {
  for (const NamespacePtr& object : namespaces_) object->attributes.clear();
  for (const std::shared_ptr<Scope>& scope : scopes_) scope->variables.clear();
}

Status Heap::step(uint64_t count) {
  steps_ += count;
  if (steps_ > limits_.max_steps) {
    return template_error("the template takes more than " + std::to_string(limits_.max_steps) +
                          " steps");
  }
  return {};
}

Status Heap::reserve(size_t bytes) const {
  if (bytes > limits_.max_memory_bytes || live_bytes_ > limits_.max_memory_bytes - bytes) {
    return memory_error(limits_);
  }
  return {};
}

Result<Value> Heap::string(Text text, bool markup) {
  MARU_RETURN_IF_ERROR(reserve(text.bytes.size() + sizeof(StringObject)));
  return Value::object(StringPtr(std::make_shared<StringObject>(this, std::move(text), markup)));
}

Result<Value> Heap::string(TextBuilder&& builder, bool markup) {
  if (builder.overflowed()) {
    return template_error("a text of the template is longer than " +
                          std::to_string(limits_.max_output_bytes) + " bytes");
  }
  MARU_RETURN_IF_ERROR(step_bytes(builder.size()));
  return string(builder.take(), markup);
}

Result<Value> Heap::sequence(std::vector<Value> items, SequenceKind kind) {
  MARU_RETURN_IF_ERROR(step(1 + items.size() / 16));
  MARU_RETURN_IF_ERROR(reserve(items.size() * sizeof(Value) + sizeof(SequenceObject)));
  uint32_t deepest = 0;
  for (const Value& item : items) deepest = std::max(deepest, depth_of(item));
  MARU_ASSIGN_OR_RETURN(const uint32_t depth, nested(deepest));
  return Value::object(
      SequencePtr(std::make_shared<SequenceObject>(this, std::move(items), kind, depth)));
}

Result<Value> Heap::dict(std::vector<DictEntry> entries) {
  MARU_RETURN_IF_ERROR(step(1 + entries.size()));
  MARU_RETURN_IF_ERROR(reserve(entries.size() * (sizeof(DictEntry) + 48) + sizeof(DictObject)));
  uint32_t deepest = 0;
  std::unordered_map<std::string_view, size_t> seen;
  std::vector<DictEntry> unique;
  unique.reserve(entries.size());
  std::vector<size_t> odd;  // places of keys that are not strings
  for (DictEntry& entry : entries) {
    if (!has_hash(entry.first)) {
      return template_error("a " + std::string(type_name(entry.first)) + " can't be a dict's key");
    }
    deepest = std::max({deepest, depth_of(entry.first), depth_of(entry.second)});
    size_t place = unique.size();
    if (const StringObject* key = entry.first.as_string()) {
      place = seen.emplace(key->view(), place).first->second;
    } else {
      MARU_RETURN_IF_ERROR(step(1 + odd.size()));
      for (const size_t other : odd) {
        MARU_ASSIGN_OR_RETURN(const bool same, equals(*this, unique[other].first, entry.first));
        if (same) place = other;
      }
      if (place == unique.size()) odd.push_back(place);
    }
    if (place < unique.size()) {
      unique[place].second = std::move(entry.second);
    } else {
      unique.push_back(std::move(entry));
    }
  }
  MARU_ASSIGN_OR_RETURN(const uint32_t depth, nested(deepest));
  return Value::object(DictPtr(std::make_shared<DictObject>(this, std::move(unique), depth)));
}

Result<Value> Heap::new_namespace() {
  MARU_RETURN_IF_ERROR(reserve(sizeof(NamespaceObject)));
  namespaces_.push_back(std::make_shared<NamespaceObject>(this));
  return Value::object(namespaces_.back());
}

Result<LoopPtr> Heap::loop(SequencePtr items) {
  MARU_RETURN_IF_ERROR(reserve(sizeof(LoopObject)));
  return std::make_shared<LoopObject>(this, std::move(items));
}

Result<Value> Heap::method(std::string_view name, MethodFunction function, Value self) {
  MARU_RETURN_IF_ERROR(reserve(sizeof(CallableObject)));
  MARU_RETURN_IF_ERROR(nested(depth_of(self)));
  return Value::object(std::make_shared<CallableObject>(this, name, function, std::move(self)));
}

Result<Value> Heap::macro(const Macro* macro, std::shared_ptr<Scope> scope) {
  MARU_RETURN_IF_ERROR(keep(scope));
  auto object = std::make_shared<CallableObject>(this, "macro", nullptr, Value());
  object->macro = macro;
  object->scope = std::move(scope);
  return Value::object(std::move(object));
}

Status Heap::keep(const std::shared_ptr<Scope>& scope) {
  MARU_RETURN_IF_ERROR(step());
  MARU_RETURN_IF_ERROR(reserve((scopes_.size() + 1) * 256));
  if (scopes_.empty() || scopes_.back() != scope) scopes_.push_back(scope);
  return {};
}

Result<SequencePtr> Heap::iterate(const Value& value) {
  std::vector<Value> items;
  if (const SequencePtr* sequence = value.sequence_pointer()) {
    if ((*sequence)->kind != SequenceKind::kGenerator) return *sequence;
    if (!(*sequence)->consumed) {
      (*sequence)->consumed = true;
      return *sequence;
    }
  } else if (const StringObject* text = value.as_string()) {
    const std::string_view bytes = text->view();
    MARU_RETURN_IF_ERROR(step(bytes.size() / 4));
    for (size_t at = 0; at < bytes.size();) {
      const size_t length = utf8_decode(bytes.substr(at)).length;
      MARU_ASSIGN_OR_RETURN(items.emplace_back(), string(slice(text->text, at, at + length)));
      at += length;
    }
  } else if (const DictObject* dict = value.as_dict()) {
    for (const DictEntry& entry : dict->entries) items.push_back(entry.first);
  } else if (!value.is_undefined()) {
    return template_error("a " + std::string(type_name(value)) + " can't be iterated");
  }
  MARU_ASSIGN_OR_RETURN(const Value made, sequence(std::move(items)));
  return *made.sequence_pointer();
}

const Value* Arguments::find(std::string_view name) const {
  for (const auto& [key, value] : named) {
    if (key == name) return &value;
  }
  return nullptr;
}

Result<std::vector<const Value*>> Arguments::bind(std::string_view what,
                                                  std::initializer_list<std::string_view> names,
                                                  size_t required) const {
  if (positional.size() > names.size()) {
    return template_error(std::string(what) + " takes at most " + std::to_string(names.size()) +
                          " arguments, " + std::to_string(positional.size()) + " were given");
  }
  std::vector<const Value*> bound(names.size(), nullptr);
  for (size_t i = 0; i < positional.size(); ++i) bound[i] = &positional[i];
  for (const auto& [key, value] : named) {
    const auto it = std::find(names.begin(), names.end(), key);
    const auto place = static_cast<size_t>(it - names.begin());
    if (it == names.end() || bound[place] != nullptr) {
      return template_error(std::string(what) + " has no free argument named " + key);
    }
    bound[place] = &value;
  }
  for (size_t i = 0; i < required; ++i) {
    if (bound[i] == nullptr) {
      return template_error(std::string(what) + " needs the argument " +
                            std::string(*(names.begin() + i)));
    }
  }
  return bound;
}

}  // namespace maru::text::jinja
