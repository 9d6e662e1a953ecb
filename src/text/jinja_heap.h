// Makes the values of one render and holds it to its limits: steps, bytes alive, nesting. Every
// value that a render makes must die before its heap. Not thread-safe.
#pragma once

#include <initializer_list>
#include <memory>
#include <vector>

#include "text/chat_template.h"
#include "text/jinja_value.h"

namespace maru::text::jinja {

// One level of variables; names are numbers given by the parser.
struct Scope {
  explicit Scope(std::shared_ptr<Scope> outer) : parent(std::move(outer)) {}
  const Value* find(uint32_t name) const;
  void set(uint32_t name, Value value);

  std::shared_ptr<Scope> parent;
  std::vector<std::pair<uint32_t, Value>> variables;
};

struct Macro;    // jinja_ast.h
struct Runtime;  // below
struct Arguments;

using MethodFunction = Result<Value> (*)(Runtime&, const Value& self, const Arguments&);

class Heap {
 public:
  explicit Heap(const TemplateLimits& limits) : limits_(limits) {}
  // Breaks cycles between namespaces, scopes and macros.
  ~Heap();
  Heap(const Heap&) = delete;
  Heap& operator=(const Heap&) = delete;

  const TemplateLimits& limits() const { return limits_; }
  Status step(uint64_t count = 1);
  // Steps for work over `bytes` of text.
  Status step_bytes(size_t bytes) { return step(1 + bytes / 256); }
  // Whether `bytes` more would fit: asked before large blocks are allocated.
  Status reserve(size_t bytes) const;

  TextBuilder builder() const { return TextBuilder(limits_.max_output_bytes); }
  Result<Value> string(Text text, bool markup = false);
  Result<Value> string(TextBuilder&& builder, bool markup = false);
  Result<Value> trusted(std::string_view bytes) { return string(Text::trusted(bytes)); }
  Result<Value> sequence(std::vector<Value> items, SequenceKind kind = SequenceKind::kList);
  // Later entries replace earlier ones of the same key. Errors: a key that has no hash.
  Result<Value> dict(std::vector<DictEntry> entries);
  Result<Value> new_namespace();
  Result<LoopPtr> loop(SequencePtr items);
  Result<Value> method(std::string_view name, MethodFunction function, Value self = {});
  Result<Value> macro(const Macro* macro, std::shared_ptr<Scope> scope);
  // Keeps a scope that a macro refers to until the heap dies.
  Status keep(const std::shared_ptr<Scope>& scope);

  // The items of anything that Python would iterate.
  Result<SequencePtr> iterate(const Value& value);

 private:
  friend class Charged;

  const TemplateLimits limits_;
  uint64_t steps_ = 0;
  size_t live_bytes_ = 0;
  std::vector<NamespacePtr> namespaces_;
  std::vector<std::shared_ptr<Scope>> scopes_;
};

// Positional and named arguments of a call.
struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;

  const Value* find(std::string_view name) const;
  // The arguments in the order of `names`, nullptr where none was given. Errors: too many, unknown,
  // given twice, or fewer than `required`. `what` names the function in errors.
  Result<std::vector<const Value*>> bind(std::string_view what,
                                         std::initializer_list<std::string_view> names,
                                         size_t required = 0) const;
};

// What built-in functions may use.
struct Runtime {
  Heap& heap;
  int64_t now_unix_seconds;
  bool raised = false;  // the template itself refused, by raise_exception
};

// A method with its object, a global function, or a macro with its scope.
struct CallableObject : Charged {
  CallableObject(Heap* heap, std::string_view n, MethodFunction f, Value s)
      : Charged(heap, sizeof(CallableObject)), name(n), function(f), self(std::move(s)) {}

  std::string name;
  MethodFunction function = nullptr;
  Value self;
  const Macro* macro = nullptr;
  std::shared_ptr<Scope> scope;  // where the macro was defined
};

}  // namespace maru::text::jinja
