// Statements, macros and the run as a whole.
#include "text/jinja_interpreter.h"

#include <algorithm>

#include "text/jinja_print.h"

namespace maru::text::jinja {
namespace {

// Statements and expressions inside one another, for each allowed level of macros.
constexpr uint32_t kLevelsPerDepth = 5;
// Instrumented builds have frames of several kilobytes, so the bytes of the stack are held too.
constexpr uintptr_t kMaxStackBytes = uintptr_t{3} << 19;

uintptr_t stack_position() { return reinterpret_cast<uintptr_t>(__builtin_frame_address(0)); }

}  // namespace

Interpreter::Interpreter(const Program& program, Heap& heap, int64_t now_unix_seconds)
    : program_(program),
      heap_(heap),
      runtime_{heap, now_unix_seconds},
      root_(std::make_shared<Scope>(nullptr)) {}

bool Interpreter::mentions(std::string_view name) const {
  return std::find(program_.names.begin(), program_.names.end(), name) != program_.names.end();
}

void Interpreter::set_variable(std::string_view name, Value value) {
  const auto it = std::find(program_.names.begin(), program_.names.end(), name);
  if (it == program_.names.end()) return;
  root_->set(static_cast<NameId>(it - program_.names.begin()), std::move(value));
}

Result<Text> Interpreter::run() {
  TextBuilder out = heap_.builder();
  stack_base_ = stack_position();
  MARU_RETURN_IF_ERROR(run_block(program_.body, root_, out));
  return out.take();
}

Status Interpreter::enter() {
  const uintptr_t here = stack_position();
  const uintptr_t used = here < stack_base_ ? stack_base_ - here : here - stack_base_;
  if (depth_ >= uint64_t{heap_.limits().max_depth} * kLevelsPerDepth || used > kMaxStackBytes) {
    return template_error("the template recurses too deeply");
  }
  return heap_.step();
}

Result<Interpreter::Flow> Interpreter::run_block(const Block& block, const ScopePtr& scope,
                                                 TextBuilder& out) {
  MARU_RETURN_IF_ERROR(enter());
  ++depth_;
  for (const auto& stmt : block) {
    MARU_RETURN_IF_ERROR(heap_.step());
    line_ = stmt->line;
    MARU_ASSIGN_OR_RETURN(const Flow flow, run_statement(*stmt, scope, out));
    if (out.overflowed()) {
      return template_error("the output is longer than " +
                            std::to_string(heap_.limits().max_output_bytes) + " bytes");
    }
    if (flow != Flow::kNormal) {
      --depth_;
      return flow;
    }
  }
  --depth_;
  return Flow::kNormal;
}

Result<Interpreter::Flow> Interpreter::run_statement(const Stmt& stmt, const ScopePtr& scope,
                                                     TextBuilder& out) {
  switch (stmt.kind) {
    case StmtKind::kText: out.append(stmt.constant.as_string()->text); break;
    case StmtKind::kPrint: {
      MARU_ASSIGN_OR_RETURN(const Value value, eval(*stmt.expr, scope));
      MARU_RETURN_IF_ERROR(append_str(heap_, out, value));
      break;
    }
    case StmtKind::kIf: return run_if(stmt, scope, out);
    case StmtKind::kFor: return run_for(stmt, scope, out);
    case StmtKind::kSet: {
      MARU_ASSIGN_OR_RETURN(const Value value, eval(*stmt.expr, scope));
      MARU_RETURN_IF_ERROR(assign(stmt.target, value, scope));
      break;
    }
    case StmtKind::kSetBlock: MARU_RETURN_IF_ERROR(run_set_block(stmt, scope)); break;
    case StmtKind::kWith: MARU_RETURN_IF_ERROR(run_with(stmt, scope, out)); break;
    case StmtKind::kScope:
      MARU_RETURN_IF_ERROR(run_block(stmt.body, std::make_shared<Scope>(scope), out));
      break;
    case StmtKind::kMacro: {
      MARU_ASSIGN_OR_RETURN(Value macro, heap_.macro(stmt.macro.get(), scope));
      scope->set(stmt.macro->name, std::move(macro));
      break;
    }
    case StmtKind::kCallBlock: MARU_RETURN_IF_ERROR(run_call_block(stmt, scope, out)); break;
    case StmtKind::kFilterBlock: {
      MARU_ASSIGN_OR_RETURN(const Value body, capture(stmt.body, scope));
      MARU_ASSIGN_OR_RETURN(const Value filtered, eval_filter(*stmt.expr, &body, scope));
      MARU_RETURN_IF_ERROR(append_str(heap_, out, filtered));
      break;
    }
    case StmtKind::kBreak: return Flow::kBreak;
    case StmtKind::kContinue: return Flow::kContinue;
  }
  return Flow::kNormal;
}

Result<Interpreter::Flow> Interpreter::run_if(const Stmt& stmt, const ScopePtr& scope,
                                              TextBuilder& out) {
  for (const Branch& branch : stmt.branches) {
    MARU_ASSIGN_OR_RETURN(const Value test, eval(*branch.test, scope));
    if (truthy(test)) return run_block(branch.body, scope, out);
  }
  return run_block(stmt.otherwise, scope, out);
}

Result<SequencePtr> Interpreter::loop_items(const Stmt& stmt, const ScopePtr& scope) {
  MARU_ASSIGN_OR_RETURN(const Value subject, eval(*stmt.expr, scope));
  MARU_ASSIGN_OR_RETURN(const SequencePtr all, heap_.iterate(subject));
  if (stmt.test == nullptr) return all;
  std::vector<Value> kept;
  for (const Value& item : all->items) {
    const auto inner = std::make_shared<Scope>(scope);
    inner->set(kLoop, Value::undefined("a loop's filter can't use 'loop'"));
    MARU_RETURN_IF_ERROR(assign(stmt.target, item, inner));
    MARU_ASSIGN_OR_RETURN(const Value test, eval(*stmt.test, inner));
    if (truthy(test)) kept.push_back(item);
  }
  MARU_ASSIGN_OR_RETURN(const Value list, heap_.sequence(std::move(kept)));
  return *list.sequence_pointer();
}

Result<Interpreter::Flow> Interpreter::run_for(const Stmt& stmt, const ScopePtr& scope,
                                               TextBuilder& out) {
  MARU_ASSIGN_OR_RETURN(const SequencePtr items, loop_items(stmt, scope));
  if (items->items.empty()) {
    return run_block(stmt.otherwise, std::make_shared<Scope>(scope), out);
  }
  MARU_ASSIGN_OR_RETURN(const LoopPtr loop, heap_.loop(items));
  for (size_t i = 0; i < items->items.size(); ++i) {
    loop->index0 = i;
    const auto inner = std::make_shared<Scope>(scope);
    inner->set(kLoop, Value::object(loop));
    MARU_RETURN_IF_ERROR(assign(stmt.target, items->items[i], inner));
    MARU_ASSIGN_OR_RETURN(const Flow flow, run_block(stmt.body, inner, out));
    if (flow == Flow::kBreak) break;
  }
  loop->running = false;
  loop->changed.clear();
  return Flow::kNormal;
}

Status Interpreter::run_with(const Stmt& stmt, const ScopePtr& scope, TextBuilder& out) {
  const auto inner = std::make_shared<Scope>(scope);
  for (const auto& [target, expr] : stmt.assignments) {
    MARU_ASSIGN_OR_RETURN(const Value value, eval(*expr, scope));
    MARU_RETURN_IF_ERROR(assign(target, value, inner));
  }
  MARU_RETURN_IF_ERROR(run_block(stmt.body, inner, out));
  return {};
}

Status Interpreter::run_set_block(const Stmt& stmt, const ScopePtr& scope) {
  MARU_ASSIGN_OR_RETURN(Value value, capture(stmt.body, scope));
  if (stmt.expr != nullptr) {
    MARU_ASSIGN_OR_RETURN(value, eval_filter(*stmt.expr, &value, scope));
  }
  return assign(stmt.target, value, scope);
}

Status Interpreter::run_call_block(const Stmt& stmt, const ScopePtr& scope, TextBuilder& out) {
  MARU_ASSIGN_OR_RETURN(const Value callee, eval(*stmt.expr->children[0], scope));
  MARU_ASSIGN_OR_RETURN(Arguments arguments, eval_arguments(*stmt.expr->arguments, scope));
  MARU_ASSIGN_OR_RETURN(Value caller, heap_.macro(stmt.macro.get(), scope));
  arguments.named.emplace_back("caller", std::move(caller));
  MARU_ASSIGN_OR_RETURN(const Value result, call(callee, arguments));
  return append_str(heap_, out, result);
}

Result<Value> Interpreter::capture(const Block& block, const ScopePtr& scope) {
  TextBuilder out = heap_.builder();
  MARU_RETURN_IF_ERROR(run_block(block, std::make_shared<Scope>(scope), out));
  return heap_.string(std::move(out));
}

Status Interpreter::assign(const Target& target, const Value& value, const ScopePtr& scope) {
  if (target.is_tuple) {
    MARU_ASSIGN_OR_RETURN(const SequencePtr items, heap_.iterate(value));
    if (items->items.size() != target.parts.size()) {
      return template_error(std::to_string(items->items.size()) +
                            " values can't be unpacked into " +
                            std::to_string(target.parts.size()) + " names");
    }
    for (size_t i = 0; i < target.parts.size(); ++i) {
      MARU_RETURN_IF_ERROR(assign(target.parts[i], items->items[i], scope));
    }
    return {};
  }
  if (target.attribute.empty()) {
    scope->set(target.name, value);
    return {};
  }
  const Value* object = scope->find(target.name);
  NamespaceObject* space = object == nullptr ? nullptr : object->as_namespace();
  if (space == nullptr) return template_error("only a namespace's attributes can be set");
  if (target.attribute.front() == '_') {
    return template_error("a namespace's attribute can't start with an underscore");
  }
  if (Value* old = space->find(target.attribute)) {
    *old = value;
  } else {
    space->attributes.emplace_back(target.attribute, value);
  }
  return {};
}

Result<Value> Interpreter::call(const Value& callee, const Arguments& arguments) {
  if (callee.is_undefined()) return template_error(*callee.as_undefined()->message);
  const CallableObject* callable = callee.as_callable();
  if (callable == nullptr) {
    return template_error("a " + std::string(type_name(callee)) + " can't be called");
  }
  if (callable->macro != nullptr) return call_macro(*callable, arguments);
  return callable->function(runtime_, callable->self, arguments);
}

Result<Value> Interpreter::call_macro(const CallableObject& callable, const Arguments& arguments) {
  if (calls_ >= heap_.limits().max_depth) return template_error("macros call too deeply");
  ++calls_;
  const Macro& macro = *callable.macro;
  const auto scope = std::make_shared<Scope>(callable.scope);
  MARU_RETURN_IF_ERROR(bind_parameters(macro, arguments, scope));
  MARU_RETURN_IF_ERROR(bind_extras(macro, arguments, scope));
  TextBuilder out = heap_.builder();
  MARU_RETURN_IF_ERROR(run_block(macro.body, scope, out));
  --calls_;
  return heap_.string(std::move(out));
}

Status Interpreter::bind_parameters(const Macro& macro, const Arguments& arguments,
                                    const ScopePtr& scope) {
  for (size_t i = 0; i < macro.parameters.size(); ++i) {
    const Parameter& parameter = macro.parameters[i];
    const Value* named = arguments.find(parameter.text);
    if (i < arguments.positional.size()) {
      scope->set(parameter.name, arguments.positional[i]);
    } else if (named != nullptr) {
      scope->set(parameter.name, *named);
    } else if (parameter.fallback != nullptr) {
      MARU_ASSIGN_OR_RETURN(Value value, eval(*parameter.fallback, scope));
      scope->set(parameter.name, std::move(value));
    } else {
      scope->set(parameter.name,
                 Value::undefined("the parameter '" + parameter.text + "' was not given"));
    }
  }
  return {};
}

// What is left after the parameters: varargs, kwargs and caller, where the macro uses them.
Status Interpreter::bind_extras(const Macro& macro, const Arguments& arguments,
                                const ScopePtr& scope) {
  const size_t taken = std::min(macro.parameters.size(), arguments.positional.size());
  std::vector<Value> varargs(arguments.positional.begin() + static_cast<ptrdiff_t>(taken),
                             arguments.positional.end());
  std::vector<DictEntry> kwargs;
  Value caller = Value::undefined("the macro was called without a caller");
  for (const auto& [name, value] : arguments.named) {
    const auto parameter = std::find_if(macro.parameters.begin(), macro.parameters.end(),
                                        [&](const Parameter& p) { return p.text == name; });
    if (parameter != macro.parameters.end()) {
      if (static_cast<size_t>(parameter - macro.parameters.begin()) < taken) {
        return template_error("macro '" + macro.title + "' got two values for '" + name + "'");
      }
    } else if (name == "caller" && macro.uses_caller) {
      caller = value;
    } else {
      MARU_ASSIGN_OR_RETURN(Value key, heap_.string(Text::from_input(name)));
      kwargs.emplace_back(std::move(key), value);
    }
  }
  if (!macro.uses_varargs && !varargs.empty()) {
    return template_error("macro '" + macro.title + "' takes at most " +
                          std::to_string(macro.parameters.size()) + " arguments");
  }
  if (!macro.uses_kwargs && !kwargs.empty()) {
    return template_error("macro '" + macro.title + "' has no parameter '" +
                          std::string(kwargs.front().first.as_string()->view()) + "'");
  }
  if (macro.uses_caller) scope->set(kCaller, caller);
  if (macro.uses_varargs) {
    MARU_ASSIGN_OR_RETURN(Value tuple, heap_.sequence(std::move(varargs), SequenceKind::kTuple));
    scope->set(kVarargs, std::move(tuple));
  }
  if (macro.uses_kwargs) {
    MARU_ASSIGN_OR_RETURN(Value dict, heap_.dict(std::move(kwargs)));
    scope->set(kKwargs, std::move(dict));
  }
  return {};
}

}  // namespace maru::text::jinja
