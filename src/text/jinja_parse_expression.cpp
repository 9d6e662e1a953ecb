// Expressions. Precedence from low to high, as Jinja has it: conditional, or, and, not, comparison,
// + -, ~, * / // %, **, unary, postfix, filters and tests.
#include <algorithm>
#include <array>

#include "text/jinja_builtins.h"
#include "text/jinja_parser.h"

namespace maru::text::jinja {
namespace {

constexpr uint32_t kMaxNesting = 120;  // of expressions while parsing
constexpr uint32_t kMaxDepth = 300;    // of the finished tree

}  // namespace

// Counts nested expressions, so that no source can exhaust the stack.
struct Parser::Nesting {
  explicit Nesting(Parser& parser) : parser_(parser) { ++parser_.nesting_; }
  ~Nesting() { --parser_.nesting_; }
  Nesting(const Nesting&) = delete;
  Nesting& operator=(const Nesting&) = delete;
  bool too_deep() const { return parser_.nesting_ > kMaxNesting; }

 private:
  Parser& parser_;
};

ExprPtr Parser::make(ExprKind kind) const {
  return std::make_unique<Expr>(Expr{.kind = kind, .line = current().line});
}

// Measures the depth of a finished node.
Result<ExprPtr> Parser::finish(ExprPtr expr) const {
  uint32_t deepest = 0;
  const auto see = [&](const ExprPtr& child) {
    if (child != nullptr) deepest = std::max(deepest, child->depth);
  };
  for (const ExprPtr& child : expr->children) see(child);
  if (expr->arguments != nullptr) {
    for (const ExprPtr& argument : expr->arguments->positional) see(argument);
    for (const auto& [name, argument] : expr->arguments->named) see(argument);
    see(expr->arguments->star);
    see(expr->arguments->star_star);
  }
  expr->depth = deepest + 1;
  if (expr->depth > kMaxDepth) return fail("the expression is nested too deeply");
  return expr;
}

Result<ExprPtr> Parser::binary(ExprPtr left, std::string op, Result<ExprPtr> right) {
  if (!right) return right;
  ExprPtr expr = make(ExprKind::kBinary);
  expr->line = left->line;
  expr->text = std::move(op);
  expr->children.push_back(std::move(left));
  expr->children.push_back(std::move(*right));
  return finish(std::move(expr));
}

Result<ExprPtr> Parser::parse_tuple(TupleRule rule, std::string_view end_name) {
  ExprPtr tuple = make(ExprKind::kTuple);
  bool comma = false;
  const auto at_end = [&] {
    return current().kind == TokenKind::kTagEnd || current().kind == TokenKind::kPrintEnd ||
           is_operator(")") || (!end_name.empty() && is_name(end_name));
  };
  while (!at_end()) {
    MARU_ASSIGN_OR_RETURN(tuple->children.emplace_back(),
                          parse_expression(rule != TupleRule::kNoConditional));
    if (!skip_operator(",")) break;
    comma = true;
  }
  if (!comma && tuple->children.size() == 1) return std::move(tuple->children.front());
  if (!comma && rule != TupleRule::kParentheses) return unexpected();
  return finish(std::move(tuple));
}

Result<ExprPtr> Parser::parse_expression(bool with_conditional) {
  const Nesting nesting(*this);
  if (nesting.too_deep()) return fail("the expression is nested too deeply");
  if (!with_conditional) return parse_or();
  MARU_ASSIGN_OR_RETURN(ExprPtr value, parse_or());
  while (skip_name("if")) {
    ExprPtr choice = make(ExprKind::kConditional);
    ++conditionals_;
    MARU_ASSIGN_OR_RETURN(ExprPtr test, parse_or());
    ExprPtr otherwise;
    if (skip_name("else")) {
      MARU_ASSIGN_OR_RETURN(otherwise, parse_expression());
    }
    --conditionals_;
    choice->children.push_back(std::move(value));
    choice->children.push_back(std::move(test));
    choice->children.push_back(std::move(otherwise));
    MARU_ASSIGN_OR_RETURN(value, finish(std::move(choice)));
  }
  return value;
}

Result<ExprPtr> Parser::parse_or() {
  MARU_ASSIGN_OR_RETURN(ExprPtr left, parse_and());
  while (skip_name("or")) {
    MARU_ASSIGN_OR_RETURN(left, binary(std::move(left), "or", parse_and()));
    left->kind = ExprKind::kOr;
  }
  return left;
}

Result<ExprPtr> Parser::parse_and() {
  MARU_ASSIGN_OR_RETURN(ExprPtr left, parse_not());
  while (skip_name("and")) {
    MARU_ASSIGN_OR_RETURN(left, binary(std::move(left), "and", parse_not()));
    left->kind = ExprKind::kAnd;
  }
  return left;
}

Result<ExprPtr> Parser::parse_not() {
  if (!is_name("not")) return parse_compare();
  const Nesting nesting(*this);
  if (nesting.too_deep()) return fail("the expression is nested too deeply");
  ExprPtr expr = make(ExprKind::kNot);
  take();
  MARU_ASSIGN_OR_RETURN(expr->children.emplace_back(), parse_not());
  return finish(std::move(expr));
}

Result<ExprPtr> Parser::parse_compare() {
  constexpr std::array<std::string_view, 6> kOperators = {"==", "!=", "<", "<=", ">", ">="};
  ExprPtr compare = make(ExprKind::kCompare);
  MARU_ASSIGN_OR_RETURN(compare->children.emplace_back(), parse_sum());
  while (true) {
    std::string op;
    if (std::any_of(kOperators.begin(), kOperators.end(),
                    [&](std::string_view o) { return is_operator(o); })) {
      op = take().value;
    } else if (skip_name("in")) {
      op = "in";
    } else if (is_name("not") && next().kind == TokenKind::kName && next().value == "in") {
      take();
      take();
      op = "not in";
    } else {
      break;
    }
    compare->operators.push_back(std::move(op));
    MARU_ASSIGN_OR_RETURN(compare->children.emplace_back(), parse_sum());
  }
  if (compare->operators.empty()) return std::move(compare->children.front());
  return finish(std::move(compare));
}

Result<ExprPtr> Parser::parse_sum() {
  MARU_ASSIGN_OR_RETURN(ExprPtr left, parse_concat());
  while (is_operator("+") || is_operator("-")) {
    std::string op = take().value;
    MARU_ASSIGN_OR_RETURN(left, binary(std::move(left), std::move(op), parse_concat()));
  }
  return left;
}

Result<ExprPtr> Parser::parse_concat() {
  ExprPtr concat = make(ExprKind::kConcat);
  do {
    MARU_ASSIGN_OR_RETURN(concat->children.emplace_back(), parse_product());
  } while (skip_operator("~"));
  if (concat->children.size() == 1) return std::move(concat->children.front());
  return finish(std::move(concat));
}

Result<ExprPtr> Parser::parse_product() {
  MARU_ASSIGN_OR_RETURN(ExprPtr left, parse_power());
  while (is_operator("*") || is_operator("/") || is_operator("//") || is_operator("%")) {
    std::string op = take().value;
    MARU_ASSIGN_OR_RETURN(left, binary(std::move(left), std::move(op), parse_power()));
  }
  return left;
}

Result<ExprPtr> Parser::parse_power() {
  MARU_ASSIGN_OR_RETURN(ExprPtr left, parse_unary());
  while (is_operator("**")) {
    std::string op = take().value;
    MARU_ASSIGN_OR_RETURN(left, binary(std::move(left), std::move(op), parse_unary()));
  }
  return left;
}

Result<ExprPtr> Parser::parse_unary(bool with_filter) {
  ExprPtr expr;
  if (is_operator("-") || is_operator("+")) {
    const Nesting nesting(*this);
    if (nesting.too_deep()) return fail("the expression is nested too deeply");
    expr = make(is_operator("-") ? ExprKind::kNegative : ExprKind::kPositive);
    take();
    MARU_ASSIGN_OR_RETURN(expr->children.emplace_back(), parse_unary(false));
    MARU_ASSIGN_OR_RETURN(expr, finish(std::move(expr)));
  } else {
    MARU_ASSIGN_OR_RETURN(expr, parse_primary());
  }
  MARU_ASSIGN_OR_RETURN(expr, parse_postfix(std::move(expr)));
  if (with_filter) return parse_filters_and_tests(std::move(expr));
  return expr;
}

Result<ExprPtr> Parser::parse_primary() {
  if (current().kind == TokenKind::kName) {
    const std::string& name = current().value;
    if (name == "true" || name == "True" || name == "false" || name == "False" || name == "none" ||
        name == "None") {
      return parse_literal();
    }
    ExprPtr expr = make(ExprKind::kName);
    expr->text = take().value;
    expr->name = intern(expr->text);
    saw_caller_ = saw_caller_ || expr->name == kCaller;
    saw_varargs_ = saw_varargs_ || expr->name == kVarargs;
    saw_kwargs_ = saw_kwargs_ || expr->name == kKwargs;
    return expr;
  }
  if (skip_operator("(")) {
    MARU_ASSIGN_OR_RETURN(ExprPtr inner, parse_tuple(TupleRule::kParentheses));
    MARU_RETURN_IF_ERROR(expect_operator(")"));
    return inner;
  }
  if (is_operator("[")) return parse_list();
  if (is_operator("{")) return parse_dict();
  return parse_literal();
}

Result<ExprPtr> Parser::parse_literal() {
  ExprPtr expr = make(ExprKind::kConstant);
  const Token token = take();
  switch (token.kind) {
    case TokenKind::kName:
      if (token.value == "none" || token.value == "None") return expr;
      expr->constant = Value::boolean(token.value == "true" || token.value == "True");
      return expr;
    case TokenKind::kInteger: expr->constant = Value::integer(token.integer); return expr;
    case TokenKind::kFloat: expr->constant = Value::real(token.real); return expr;
    case TokenKind::kString: {
      std::string text = token.value;
      while (current().kind == TokenKind::kString) text += take().value;
      expr->constant = Value::object(
          StringPtr(std::make_shared<StringObject>(nullptr, Text::trusted(text), false)));
      return expr;
    }
    default: --at_; return unexpected();
  }
}

Result<ExprPtr> Parser::parse_list() {
  ExprPtr list = make(ExprKind::kList);
  take();
  while (!is_operator("]")) {
    MARU_ASSIGN_OR_RETURN(list->children.emplace_back(), parse_expression());
    if (!skip_operator(",")) break;
  }
  MARU_RETURN_IF_ERROR(expect_operator("]"));
  return finish(std::move(list));
}

Result<ExprPtr> Parser::parse_dict() {
  ExprPtr dict = make(ExprKind::kDict);
  take();
  while (!is_operator("}")) {
    MARU_ASSIGN_OR_RETURN(dict->children.emplace_back(), parse_expression());
    MARU_RETURN_IF_ERROR(expect_operator(":"));
    MARU_ASSIGN_OR_RETURN(dict->children.emplace_back(), parse_expression());
    if (!skip_operator(",")) break;
  }
  MARU_RETURN_IF_ERROR(expect_operator("}"));
  return finish(std::move(dict));
}

Result<ExprPtr> Parser::parse_postfix(ExprPtr subject) {
  while (true) {
    if (is_operator(".") || is_operator("[")) {
      MARU_ASSIGN_OR_RETURN(subject, parse_subscript(std::move(subject)));
    } else if (is_operator("(")) {
      MARU_ASSIGN_OR_RETURN(subject, parse_call(std::move(subject)));
    } else {
      return subject;
    }
  }
}

Result<ExprPtr> Parser::parse_filters_and_tests(ExprPtr subject) {
  while (true) {
    if (skip_operator("|")) {
      MARU_ASSIGN_OR_RETURN(subject, parse_filter(std::move(subject)));
    } else if (skip_name("is")) {
      MARU_ASSIGN_OR_RETURN(subject, parse_test(std::move(subject)));
    } else if (is_operator("(")) {
      MARU_ASSIGN_OR_RETURN(subject, parse_call(std::move(subject)));
    } else {
      return subject;
    }
  }
}

Result<ExprPtr> Parser::parse_subscript(ExprPtr subject) {
  ExprPtr expr = make(ExprKind::kItem);
  expr->children.push_back(std::move(subject));
  if (skip_operator(".")) {
    if (current().kind == TokenKind::kName) {
      expr->kind = ExprKind::kAttribute;
      expr->text = take().value;
      return finish(std::move(expr));
    }
    if (current().kind != TokenKind::kInteger) return unexpected();
    MARU_ASSIGN_OR_RETURN(expr->children.emplace_back(), parse_literal());
    return finish(std::move(expr));
  }
  take();
  const auto part_ends = [&] { return is_operator(":") || is_operator("]"); };
  ExprPtr start;
  if (!is_operator(":")) {
    MARU_ASSIGN_OR_RETURN(start, parse_expression());
  }
  const bool is_slice = is_operator(":");
  expr->children.push_back(std::move(start));
  if (is_slice) {
    expr->kind = ExprKind::kSlice;
    for (int part = 0; part < 2; ++part) {
      ExprPtr bound;
      if (skip_operator(":") && !part_ends()) {
        MARU_ASSIGN_OR_RETURN(bound, parse_expression());
      }
      expr->children.push_back(std::move(bound));
    }
  }
  MARU_RETURN_IF_ERROR(expect_operator("]"));
  return finish(std::move(expr));
}

Result<ExprPtr> Parser::parse_call(ExprPtr callee) {
  ExprPtr call = make(ExprKind::kCall);
  call->children.push_back(std::move(callee));
  MARU_ASSIGN_OR_RETURN(call->arguments, parse_arguments());
  return finish(std::move(call));
}

Result<std::unique_ptr<CallArguments>> Parser::parse_arguments() {
  auto arguments = std::make_unique<CallArguments>();
  MARU_RETURN_IF_ERROR(expect_operator("("));
  while (!is_operator(")")) {
    if (skip_operator("*")) {
      if (arguments->star != nullptr || arguments->star_star != nullptr) return unexpected();
      MARU_ASSIGN_OR_RETURN(arguments->star, parse_expression());
    } else if (skip_operator("**")) {
      if (arguments->star_star != nullptr) return unexpected();
      MARU_ASSIGN_OR_RETURN(arguments->star_star, parse_expression());
    } else if (current().kind == TokenKind::kName && next().kind == TokenKind::kOperator &&
               next().value == "=") {
      std::string name = take().value;
      take();
      MARU_ASSIGN_OR_RETURN(ExprPtr value, parse_expression());
      arguments->named.emplace_back(std::move(name), std::move(value));
    } else {
      if (!arguments->named.empty() || arguments->star != nullptr) return unexpected();
      MARU_ASSIGN_OR_RETURN(arguments->positional.emplace_back(), parse_expression());
    }
    if (!skip_operator(",")) break;
  }
  MARU_RETURN_IF_ERROR(expect_operator(")"));
  return arguments;
}

Result<ExprPtr> Parser::parse_filter(ExprPtr subject) {
  ExprPtr filter = make(ExprKind::kFilter);
  const uint32_t column = current().column;
  MARU_ASSIGN_OR_RETURN(filter->text, expect_name());
  if (find_filter(filter->text) == nullptr && conditionals_ == 0) {
    return syntax_error(filter->line, column, "the filter '" + filter->text + "' is not supported");
  }
  filter->children.push_back(std::move(subject));
  filter->arguments = std::make_unique<CallArguments>();
  if (is_operator("(")) {
    MARU_ASSIGN_OR_RETURN(filter->arguments, parse_arguments());
  }
  return finish(std::move(filter));
}

Result<ExprPtr> Parser::parse_test(ExprPtr subject) {
  const bool negated = skip_name("not");
  ExprPtr test = make(ExprKind::kTest);
  const uint32_t column = current().column;
  MARU_ASSIGN_OR_RETURN(test->text, expect_name());
  if (find_test(test->text) == nullptr && conditionals_ == 0) {
    return syntax_error(test->line, column, "the test '" + test->text + "' is not supported");
  }
  test->children.push_back(std::move(subject));
  test->arguments = std::make_unique<CallArguments>();
  const TokenKind kind = current().kind;
  if (is_operator("(")) {
    MARU_ASSIGN_OR_RETURN(test->arguments, parse_arguments());
  } else if ((kind == TokenKind::kName && !is_name("else") && !is_name("or") && !is_name("and")) ||
             kind == TokenKind::kString || kind == TokenKind::kInteger ||
             kind == TokenKind::kFloat || is_operator("[") || is_operator("{")) {
    if (is_name("is")) return fail("tests can't be chained");
    MARU_ASSIGN_OR_RETURN(ExprPtr argument, parse_primary());
    MARU_ASSIGN_OR_RETURN(test->arguments->positional.emplace_back(),
                          parse_postfix(std::move(argument)));
  }
  MARU_ASSIGN_OR_RETURN(test, finish(std::move(test)));
  if (!negated) return test;
  ExprPtr expr = make(ExprKind::kNot);
  expr->children.push_back(std::move(test));
  return finish(std::move(expr));
}

}  // namespace maru::text::jinja
