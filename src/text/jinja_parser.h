// Builds the syntax tree of a template. Errors name line, column and what is not supported.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/jinja_ast.h"
#include "text/jinja_lexer.h"

namespace maru::text::jinja {

Result<Program> parse_template(std::string_view source);

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens);
  Result<Program> run();

 private:
  // Tokens.
  const Token& current() const { return tokens_[at_]; }
  const Token& next() const { return tokens_[at_ + 1 < tokens_.size() ? at_ + 1 : at_]; }
  Token take();
  bool is_name(std::string_view name) const;
  bool is_operator(std::string_view op) const;
  bool skip_name(std::string_view name);
  bool skip_operator(std::string_view op);
  Status expect_operator(std::string_view op);
  Result<std::string> expect_name();
  Status expect_tag_end();
  Error fail(std::string what) const;
  Error unexpected() const;
  NameId intern(const std::string& name);

  // Expressions (jinja_parse_expression.cpp).
  struct Nesting;
  enum TupleRule : uint8_t { kPlain, kNoConditional, kParentheses };
  Result<ExprPtr> finish(ExprPtr expr) const;
  ExprPtr make(ExprKind kind) const;
  Result<ExprPtr> parse_tuple(TupleRule rule, std::string_view end_name = {});
  Result<ExprPtr> parse_expression(bool with_conditional = true);
  Result<ExprPtr> parse_or();
  Result<ExprPtr> parse_and();
  Result<ExprPtr> parse_not();
  Result<ExprPtr> parse_compare();
  Result<ExprPtr> parse_sum();
  Result<ExprPtr> parse_concat();
  Result<ExprPtr> parse_product();
  Result<ExprPtr> parse_power();
  Result<ExprPtr> parse_unary(bool with_filter = true);
  Result<ExprPtr> parse_primary();
  Result<ExprPtr> parse_literal();
  Result<ExprPtr> parse_list();
  Result<ExprPtr> parse_dict();
  Result<ExprPtr> parse_postfix(ExprPtr subject);
  Result<ExprPtr> parse_filters_and_tests(ExprPtr subject);
  Result<ExprPtr> parse_subscript(ExprPtr subject);
  Result<ExprPtr> parse_call(ExprPtr callee);
  Result<ExprPtr> parse_filter(ExprPtr subject);
  Result<ExprPtr> parse_test(ExprPtr subject);
  Result<std::unique_ptr<CallArguments>> parse_arguments();
  Result<ExprPtr> binary(ExprPtr left, std::string op, Result<ExprPtr> right);

  // Statements (jinja_parser.cpp).
  Result<Block> parse_block(std::initializer_list<std::string_view> ends);
  Result<std::unique_ptr<Stmt>> parse_statement();
  Status parse_if(Stmt& stmt);
  Status parse_for(Stmt& stmt);
  Status parse_set(Stmt& stmt);
  Status parse_with(Stmt& stmt);
  Status parse_macro(Stmt& stmt);
  Status parse_call_block(Stmt& stmt);
  Status parse_filter_block(Stmt& stmt);
  Status parse_signature(Macro& macro);
  Status parse_macro_body(Macro& macro, std::string_view end);
  Status parse_simple_body(Stmt& stmt, std::string_view end);
  Result<Target> parse_target(std::string_view end_name, bool with_attributes);
  Result<Target> parse_single_target(bool with_attributes);

  std::vector<Token> tokens_;
  size_t at_ = 0;
  uint32_t nesting_ = 0;
  uint32_t loops_ = 0;         // open for loops of the current macro
  uint32_t conditionals_ = 0;  // open ifs: a filter that does not exist counts only when it is run
  bool saw_caller_ = false, saw_varargs_ = false, saw_kwargs_ = false;
  std::vector<std::string> names_;
  std::unordered_map<std::string, NameId> ids_;
};

}  // namespace maru::text::jinja
