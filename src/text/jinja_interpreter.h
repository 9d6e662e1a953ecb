// Runs a program: walks its tree with a scope of variables and a heap that holds the limits.
// One object per render; not thread-safe.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "text/jinja_ast.h"
#include "text/jinja_builtins.h"

namespace maru::text::jinja {

class Interpreter {
 public:
  Interpreter(const Program& program, Heap& heap, int64_t now_unix_seconds);

  // Gives the outermost scope a variable. Names that the program never mentions are ignored.
  bool mentions(std::string_view name) const;
  void set_variable(std::string_view name, Value value);

  Result<Text> run();
  // Where the last error happened.
  uint32_t line() const { return line_; }
  // Whether that error was the template's own, by raise_exception.
  bool raised() const { return runtime_.raised; }

 private:
  using ScopePtr = std::shared_ptr<Scope>;
  enum class Flow : uint8_t { kNormal, kBreak, kContinue };

  // Statements.
  Result<Flow> run_block(const Block& block, const ScopePtr& scope, TextBuilder& out);
  Result<Flow> run_statement(const Stmt& stmt, const ScopePtr& scope, TextBuilder& out);
  Result<Flow> run_if(const Stmt& stmt, const ScopePtr& scope, TextBuilder& out);
  Result<Flow> run_for(const Stmt& stmt, const ScopePtr& scope, TextBuilder& out);
  Result<SequencePtr> loop_items(const Stmt& stmt, const ScopePtr& scope);
  Status run_with(const Stmt& stmt, const ScopePtr& scope, TextBuilder& out);
  Status run_set_block(const Stmt& stmt, const ScopePtr& scope);
  Status run_call_block(const Stmt& stmt, const ScopePtr& scope, TextBuilder& out);
  Result<Value> capture(const Block& block, const ScopePtr& scope);
  Status assign(const Target& target, const Value& value, const ScopePtr& scope);

  // Expressions.
  Result<Value> eval(const Expr& expr, const ScopePtr& scope);
  Result<Value> eval_node(const Expr& expr, const ScopePtr& scope);
  Result<Value> eval_name(const Expr& expr, const ScopePtr& scope);
  Result<Value> eval_sequence(const Expr& expr, const ScopePtr& scope);
  Result<Value> eval_dict(const Expr& expr, const ScopePtr& scope);
  Result<Value> eval_slice(const Expr& expr, const ScopePtr& scope);
  Result<Value> eval_binary(const Expr& expr, const ScopePtr& scope);
  Result<Value> eval_concat(const Expr& expr, const ScopePtr& scope);
  Result<Value> eval_compare(const Expr& expr, const ScopePtr& scope);
  Result<Value> eval_logic(const Expr& expr, const ScopePtr& scope);
  Result<Value> eval_conditional(const Expr& expr, const ScopePtr& scope);
  Result<Value> eval_filter(const Expr& expr, const Value* innermost, const ScopePtr& scope);
  Result<Value> eval_test(const Expr& expr, const ScopePtr& scope);
  Result<Value> eval_call(const Expr& expr, const ScopePtr& scope);
  Result<Arguments> eval_arguments(const CallArguments& arguments, const ScopePtr& scope);
  Result<Value> call(const Value& callee, const Arguments& arguments);
  Result<Value> call_macro(const CallableObject& callable, const Arguments& arguments);
  Status bind_parameters(const Macro& macro, const Arguments& arguments, const ScopePtr& scope);
  Status bind_extras(const Macro& macro, const Arguments& arguments, const ScopePtr& scope);
  Status enter();

  const Program& program_;
  Heap& heap_;
  Runtime runtime_;
  ScopePtr root_;
  uint32_t line_ = 1;
  uintptr_t stack_base_ = 0;
  uint32_t depth_ = 0;  // nested statements and expressions
  uint32_t calls_ = 0;  // nested macros
};

}  // namespace maru::text::jinja
