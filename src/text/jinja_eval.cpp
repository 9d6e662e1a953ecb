// Expressions.
#include "text/jinja_interpreter.h"
#include "text/jinja_print.h"

namespace maru::text::jinja {

Result<Value> Interpreter::eval(const Expr& expr, const ScopePtr& scope) {
  if (expr.kind == ExprKind::kConstant) return expr.constant;
  MARU_RETURN_IF_ERROR(enter());
  ++depth_;
  line_ = expr.line;
  Result<Value> result = eval_node(expr, scope);
  --depth_;
  return result;
}

Result<Value> Interpreter::eval_node(const Expr& expr, const ScopePtr& scope) {
  switch (expr.kind) {
    case ExprKind::kConstant: return expr.constant;
    case ExprKind::kName: return eval_name(expr, scope);
    case ExprKind::kTuple:
    case ExprKind::kList: return eval_sequence(expr, scope);
    case ExprKind::kDict: return eval_dict(expr, scope);
    case ExprKind::kAttribute: {
      MARU_ASSIGN_OR_RETURN(const Value object, eval(*expr.children[0], scope));
      return get_attribute(runtime_, object, expr.text);
    }
    case ExprKind::kItem: {
      MARU_ASSIGN_OR_RETURN(const Value object, eval(*expr.children[0], scope));
      MARU_ASSIGN_OR_RETURN(const Value key, eval(*expr.children[1], scope));
      return get_item(runtime_, object, key);
    }
    case ExprKind::kSlice: return eval_slice(expr, scope);
    case ExprKind::kCall: return eval_call(expr, scope);
    case ExprKind::kFilter: return eval_filter(expr, nullptr, scope);
    case ExprKind::kTest: return eval_test(expr, scope);
    case ExprKind::kNot: {
      MARU_ASSIGN_OR_RETURN(const Value value, eval(*expr.children[0], scope));
      return Value::boolean(!truthy(value));
    }
    case ExprKind::kNegative: {
      MARU_ASSIGN_OR_RETURN(const Value value, eval(*expr.children[0], scope));
      return negate(runtime_, value);
    }
    case ExprKind::kPositive: {
      MARU_ASSIGN_OR_RETURN(const Value value, eval(*expr.children[0], scope));
      return apply_operator(runtime_, "+", Value::integer(0), value);
    }
    case ExprKind::kBinary: return eval_binary(expr, scope);
    case ExprKind::kConcat: return eval_concat(expr, scope);
    case ExprKind::kCompare: return eval_compare(expr, scope);
    case ExprKind::kAnd:
    case ExprKind::kOr: return eval_logic(expr, scope);
    case ExprKind::kConditional: return eval_conditional(expr, scope);
  }
  return template_error("unknown expression");
}

Result<Value> Interpreter::eval_name(const Expr& expr, const ScopePtr& scope) {
  if (const Value* value = scope->find(expr.name)) return *value;
  if (const MethodFunction function = find_function(expr.text)) {
    return heap_.method(expr.text, function);
  }
  return Value::undefined("'" + expr.text + "' is undefined");
}

Result<Value> Interpreter::eval_sequence(const Expr& expr, const ScopePtr& scope) {
  std::vector<Value> items;
  items.reserve(expr.children.size());
  for (const ExprPtr& child : expr.children) {
    MARU_ASSIGN_OR_RETURN(items.emplace_back(), eval(*child, scope));
  }
  return heap_.sequence(std::move(items),
                        expr.kind == ExprKind::kList ? SequenceKind::kList : SequenceKind::kTuple);
}

Result<Value> Interpreter::eval_dict(const Expr& expr, const ScopePtr& scope) {
  std::vector<DictEntry> entries;
  for (size_t i = 0; i + 1 < expr.children.size(); i += 2) {
    MARU_ASSIGN_OR_RETURN(Value key, eval(*expr.children[i], scope));
    MARU_ASSIGN_OR_RETURN(Value value, eval(*expr.children[i + 1], scope));
    entries.emplace_back(std::move(key), std::move(value));
  }
  return heap_.dict(std::move(entries));
}

Result<Value> Interpreter::eval_slice(const Expr& expr, const ScopePtr& scope) {
  MARU_ASSIGN_OR_RETURN(const Value object, eval(*expr.children[0], scope));
  Value bounds[3];
  for (size_t i = 0; i < 3; ++i) {
    if (expr.children[i + 1] == nullptr) continue;
    MARU_ASSIGN_OR_RETURN(bounds[i], eval(*expr.children[i + 1], scope));
  }
  return get_slice(runtime_, object, bounds[0], bounds[1], bounds[2]);
}

Result<Value> Interpreter::eval_binary(const Expr& expr, const ScopePtr& scope) {
  MARU_ASSIGN_OR_RETURN(const Value left, eval(*expr.children[0], scope));
  MARU_ASSIGN_OR_RETURN(const Value right, eval(*expr.children[1], scope));
  return apply_operator(runtime_, expr.text, left, right);
}

Result<Value> Interpreter::eval_concat(const Expr& expr, const ScopePtr& scope) {
  TextBuilder out = heap_.builder();
  for (const ExprPtr& child : expr.children) {
    MARU_ASSIGN_OR_RETURN(const Value value, eval(*child, scope));
    MARU_RETURN_IF_ERROR(append_str(heap_, out, value));
  }
  return heap_.string(std::move(out));
}

Result<Value> Interpreter::eval_compare(const Expr& expr, const ScopePtr& scope) {
  MARU_ASSIGN_OR_RETURN(Value left, eval(*expr.children[0], scope));
  for (size_t i = 0; i < expr.operators.size(); ++i) {
    MARU_ASSIGN_OR_RETURN(Value right, eval(*expr.children[i + 1], scope));
    MARU_ASSIGN_OR_RETURN(const bool holds, compare(runtime_, expr.operators[i], left, right));
    if (!holds) return Value::boolean(false);
    left = std::move(right);
  }
  return Value::boolean(true);
}

Result<Value> Interpreter::eval_logic(const Expr& expr, const ScopePtr& scope) {
  MARU_ASSIGN_OR_RETURN(Value left, eval(*expr.children[0], scope));
  if (truthy(left) == (expr.kind == ExprKind::kOr)) return left;
  return eval(*expr.children[1], scope);
}

Result<Value> Interpreter::eval_conditional(const Expr& expr, const ScopePtr& scope) {
  MARU_ASSIGN_OR_RETURN(const Value test, eval(*expr.children[1], scope));
  if (truthy(test)) return eval(*expr.children[0], scope);
  if (expr.children[2] != nullptr) return eval(*expr.children[2], scope);
  return Value::undefined("the condition was false and there is no else part");
}

Result<Value> Interpreter::eval_filter(const Expr& expr, const Value* innermost,
                                       const ScopePtr& scope) {
  Value subject;
  if (expr.children[0] == nullptr) {
    if (innermost == nullptr) return template_error("a filter has nothing to work on");
    subject = *innermost;
  } else if (innermost != nullptr && expr.children[0]->kind == ExprKind::kFilter) {
    MARU_ASSIGN_OR_RETURN(subject, eval_filter(*expr.children[0], innermost, scope));
  } else {
    MARU_ASSIGN_OR_RETURN(subject, eval(*expr.children[0], scope));
  }
  const FilterFunction filter = find_filter(expr.text);
  if (filter == nullptr) {
    return template_error("the filter '" + expr.text + "' is not supported");
  }
  MARU_ASSIGN_OR_RETURN(const Arguments arguments, eval_arguments(*expr.arguments, scope));
  return filter(runtime_, subject, arguments);
}

Result<Value> Interpreter::eval_test(const Expr& expr, const ScopePtr& scope) {
  MARU_ASSIGN_OR_RETURN(const Value subject, eval(*expr.children[0], scope));
  const TestFunction test = find_test(expr.text);
  if (test == nullptr) return template_error("the test '" + expr.text + "' is not supported");
  MARU_ASSIGN_OR_RETURN(const Arguments arguments, eval_arguments(*expr.arguments, scope));
  MARU_ASSIGN_OR_RETURN(const bool holds, test(runtime_, subject, arguments));
  return Value::boolean(holds);
}

Result<Value> Interpreter::eval_call(const Expr& expr, const ScopePtr& scope) {
  MARU_ASSIGN_OR_RETURN(const Value callee, eval(*expr.children[0], scope));
  MARU_ASSIGN_OR_RETURN(const Arguments arguments, eval_arguments(*expr.arguments, scope));
  return call(callee, arguments);
}

Result<Arguments> Interpreter::eval_arguments(const CallArguments& arguments,
                                              const ScopePtr& scope) {
  Arguments result;
  for (const ExprPtr& argument : arguments.positional) {
    MARU_ASSIGN_OR_RETURN(result.positional.emplace_back(), eval(*argument, scope));
  }
  if (arguments.star != nullptr) {
    MARU_ASSIGN_OR_RETURN(const Value list, eval(*arguments.star, scope));
    MARU_ASSIGN_OR_RETURN(const SequencePtr items, heap_.iterate(list));
    MARU_RETURN_IF_ERROR(heap_.step(items->items.size()));
    result.positional.insert(result.positional.end(), items->items.begin(), items->items.end());
  }
  for (const auto& [name, argument] : arguments.named) {
    MARU_ASSIGN_OR_RETURN(Value value, eval(*argument, scope));
    result.named.emplace_back(name, std::move(value));
  }
  if (arguments.star_star != nullptr) {
    MARU_ASSIGN_OR_RETURN(const Value mapping, eval(*arguments.star_star, scope));
    const DictObject* dict = mapping.as_dict();
    if (dict == nullptr) return template_error("what follows ** must be a dict");
    for (const auto& [key, value] : dict->entries) {
      MARU_RETURN_IF_ERROR(heap_.step(1 + result.named.size()));
      const StringObject* name = key.as_string();
      if (name == nullptr) return template_error("names of arguments must be strings");
      if (result.find(name->view()) != nullptr) return template_error("an argument is given twice");
      result.named.emplace_back(std::string(name->view()), value);
    }
  }
  return result;
}

}  // namespace maru::text::jinja
