// Statements and the template as a whole.
#include "text/jinja_parser.h"

#include <algorithm>

namespace maru::text::jinja {
namespace {

constexpr uint32_t kMaxBlocks = 100;  // statements inside statements

bool one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

Result<Program> parse_template(std::string_view source) {
  MARU_ASSIGN_OR_RETURN(auto tokens, tokenize(source));
  return Parser(std::move(tokens)).run();
}

Parser::Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {
  for (const char* name : {"loop", "caller", "varargs", "kwargs"}) intern(name);
}

Result<Program> Parser::run() {
  MARU_ASSIGN_OR_RETURN(Block body, parse_block({}));
  return Program{std::move(names_), std::move(body)};
}

Token Parser::take() {
  Token token = tokens_[at_];
  if (at_ + 1 < tokens_.size()) ++at_;
  return token;
}

bool Parser::is_name(std::string_view name) const {
  return current().kind == TokenKind::kName && current().value == name;
}

bool Parser::is_operator(std::string_view op) const {
  return current().kind == TokenKind::kOperator && current().value == op;
}

bool Parser::skip_name(std::string_view name) {
  if (!is_name(name)) return false;
  take();
  return true;
}

bool Parser::skip_operator(std::string_view op) {
  if (!is_operator(op)) return false;
  take();
  return true;
}

Status Parser::expect_operator(std::string_view op) {
  if (skip_operator(op)) return {};
  return fail("expected '" + std::string(op) + "'");
}

Result<std::string> Parser::expect_name() {
  if (current().kind != TokenKind::kName) return unexpected();
  return take().value;
}

Status Parser::expect_tag_end() {
  if (current().kind != TokenKind::kTagEnd) return unexpected();
  take();
  return {};
}

Error Parser::fail(std::string what) const {
  return syntax_error(current().line, current().column, std::move(what));
}

Error Parser::unexpected() const {
  switch (current().kind) {
    case TokenKind::kEnd: return fail("the template ends too early");
    case TokenKind::kTagEnd:
    case TokenKind::kPrintEnd: return fail("the tag ends too early");
    default: return fail("unexpected '" + current().value.substr(0, 40) + "'");
  }
}

NameId Parser::intern(const std::string& name) {
  const auto [it, added] = ids_.emplace(name, static_cast<NameId>(names_.size()));
  if (added) names_.push_back(name);
  return it->second;
}

// Statements up to a tag whose name is in `ends`; stands behind that name afterwards.
Result<Block> Parser::parse_block(std::initializer_list<std::string_view> ends) {
  Block block;
  if (++nesting_ > kMaxBlocks) return fail("blocks are nested too deeply");
  while (true) {
    const Token& token = current();
    auto stmt = std::make_unique<Stmt>(Stmt{.kind = StmtKind::kText, .line = token.line});
    if (token.kind == TokenKind::kEnd) {
      if (ends.size() > 0) return fail("'" + std::string(*(ends.end() - 1)) + "' is missing");
      break;
    }
    if (token.kind == TokenKind::kText) {
      stmt->constant = Value::object(
          StringPtr(std::make_shared<StringObject>(nullptr, Text::trusted(take().value), false)));
    } else if (token.kind == TokenKind::kPrintBegin) {
      take();
      stmt->kind = StmtKind::kPrint;
      MARU_ASSIGN_OR_RETURN(stmt->expr, parse_tuple(TupleRule::kPlain));
      if (current().kind != TokenKind::kPrintEnd) return unexpected();
      take();
    } else {
      take();  // {%
      if (current().kind == TokenKind::kName && one_of(current().value, ends)) break;
      MARU_ASSIGN_OR_RETURN(stmt, parse_statement());
    }
    block.push_back(std::move(stmt));
  }
  --nesting_;
  return block;
}

Result<std::unique_ptr<Stmt>> Parser::parse_statement() {
  auto stmt = std::make_unique<Stmt>(Stmt{.kind = StmtKind::kText, .line = current().line});
  const Token start = current();
  MARU_ASSIGN_OR_RETURN(const std::string name, expect_name());
  Status status;
  if (name == "if") {
    status = parse_if(*stmt);
  } else if (name == "for") {
    status = parse_for(*stmt);
  } else if (name == "set") {
    status = parse_set(*stmt);
  } else if (name == "with") {
    status = parse_with(*stmt);
  } else if (name == "macro") {
    status = parse_macro(*stmt);
  } else if (name == "call") {
    status = parse_call_block(*stmt);
  } else if (name == "filter") {
    status = parse_filter_block(*stmt);
  } else if (name == "generation") {
    stmt->kind = StmtKind::kScope;
    status = parse_simple_body(*stmt, "endgeneration");
  } else if (name == "break" || name == "continue") {
    if (loops_ == 0) return fail("'" + name + "' outside of a loop");
    stmt->kind = name == "break" ? StmtKind::kBreak : StmtKind::kContinue;
    status = expect_tag_end();
  } else {
    return syntax_error(start.line, start.column, "the tag '" + name + "' is not supported here");
  }
  if (!status) return std::move(status).error();
  return stmt;
}

Status Parser::parse_simple_body(Stmt& stmt, std::string_view end) {
  MARU_RETURN_IF_ERROR(expect_tag_end());
  MARU_ASSIGN_OR_RETURN(stmt.body, parse_block({end}));
  take();
  return expect_tag_end();
}

Status Parser::parse_if(Stmt& stmt) {
  stmt.kind = StmtKind::kIf;
  ++conditionals_;
  while (true) {
    Branch& branch = stmt.branches.emplace_back();
    MARU_ASSIGN_OR_RETURN(branch.test, parse_tuple(TupleRule::kNoConditional));
    MARU_RETURN_IF_ERROR(expect_tag_end());
    MARU_ASSIGN_OR_RETURN(branch.body, parse_block({"elif", "else", "endif"}));
    const std::string end = take().value;
    if (end == "elif") continue;
    if (end == "else") {
      MARU_RETURN_IF_ERROR(expect_tag_end());
      MARU_ASSIGN_OR_RETURN(stmt.otherwise, parse_block({"endif"}));
      take();
    }
    --conditionals_;
    return expect_tag_end();
  }
}

Status Parser::parse_for(Stmt& stmt) {
  stmt.kind = StmtKind::kFor;
  MARU_ASSIGN_OR_RETURN(stmt.target, parse_target("in", false));
  if (!skip_name("in")) return unexpected();
  MARU_ASSIGN_OR_RETURN(stmt.expr, parse_tuple(TupleRule::kNoConditional, "recursive"));
  if (skip_name("if")) {
    MARU_ASSIGN_OR_RETURN(stmt.test, parse_expression());
  }
  if (is_name("recursive")) return fail("recursive loops are not supported");
  MARU_RETURN_IF_ERROR(expect_tag_end());
  ++loops_;
  MARU_ASSIGN_OR_RETURN(stmt.body, parse_block({"else", "endfor"}));
  --loops_;
  if (take().value == "else") {
    MARU_RETURN_IF_ERROR(expect_tag_end());
    MARU_ASSIGN_OR_RETURN(stmt.otherwise, parse_block({"endfor"}));
    take();
  }
  return expect_tag_end();
}

Status Parser::parse_set(Stmt& stmt) {
  MARU_ASSIGN_OR_RETURN(stmt.target, parse_target("", true));
  if (skip_operator("=")) {
    stmt.kind = StmtKind::kSet;
    MARU_ASSIGN_OR_RETURN(stmt.expr, parse_tuple(TupleRule::kPlain));
    return expect_tag_end();
  }
  stmt.kind = StmtKind::kSetBlock;
  while (skip_operator("|")) {
    MARU_ASSIGN_OR_RETURN(stmt.expr, parse_filter(std::move(stmt.expr)));
  }
  return parse_simple_body(stmt, "endset");
}

Status Parser::parse_with(Stmt& stmt) {
  stmt.kind = StmtKind::kWith;
  while (current().kind != TokenKind::kTagEnd) {
    auto& [target, value] = stmt.assignments.emplace_back();
    MARU_ASSIGN_OR_RETURN(target, parse_single_target(false));
    MARU_RETURN_IF_ERROR(expect_operator("="));
    MARU_ASSIGN_OR_RETURN(value, parse_expression());
    if (!skip_operator(",")) break;
  }
  return parse_simple_body(stmt, "endwith");
}

Status Parser::parse_macro(Stmt& stmt) {
  stmt.kind = StmtKind::kMacro;
  stmt.macro = std::make_unique<Macro>();
  MARU_ASSIGN_OR_RETURN(stmt.macro->title, expect_name());
  stmt.macro->name = intern(stmt.macro->title);
  MARU_RETURN_IF_ERROR(parse_signature(*stmt.macro));
  return parse_macro_body(*stmt.macro, "endmacro");
}

Status Parser::parse_call_block(Stmt& stmt) {
  stmt.kind = StmtKind::kCallBlock;
  stmt.macro = std::make_unique<Macro>();
  stmt.macro->title = "caller";
  if (is_operator("(")) MARU_RETURN_IF_ERROR(parse_signature(*stmt.macro));
  MARU_ASSIGN_OR_RETURN(stmt.expr, parse_expression());
  if (stmt.expr->kind != ExprKind::kCall) return fail("a call block needs a call");
  return parse_macro_body(*stmt.macro, "endcall");
}

Status Parser::parse_filter_block(Stmt& stmt) {
  stmt.kind = StmtKind::kFilterBlock;
  do {
    MARU_ASSIGN_OR_RETURN(stmt.expr, parse_filter(std::move(stmt.expr)));
  } while (skip_operator("|"));
  return parse_simple_body(stmt, "endfilter");
}

Status Parser::parse_signature(Macro& macro) {
  MARU_RETURN_IF_ERROR(expect_operator("("));
  while (!is_operator(")")) {
    Parameter& parameter = macro.parameters.emplace_back();
    MARU_ASSIGN_OR_RETURN(parameter.text, expect_name());
    parameter.name = intern(parameter.text);
    if (skip_operator("=")) {
      MARU_ASSIGN_OR_RETURN(parameter.fallback, parse_expression());
    } else if (macro.parameters.size() > 1 &&
               macro.parameters[macro.parameters.size() - 2].fallback != nullptr) {
      return fail("a parameter without a default follows one that has it");
    }
    if (!skip_operator(",")) break;
  }
  return expect_operator(")");
}

Status Parser::parse_macro_body(Macro& macro, std::string_view end) {
  MARU_RETURN_IF_ERROR(expect_tag_end());
  const bool outer_caller = std::exchange(saw_caller_, false);
  const bool outer_varargs = std::exchange(saw_varargs_, false);
  const bool outer_kwargs = std::exchange(saw_kwargs_, false);
  const uint32_t outer_loops = std::exchange(loops_, 0);
  MARU_ASSIGN_OR_RETURN(macro.body, parse_block({end}));
  take();
  macro.uses_caller = saw_caller_;
  macro.uses_varargs = saw_varargs_;
  macro.uses_kwargs = saw_kwargs_;
  saw_caller_ = saw_caller_ || outer_caller;
  saw_varargs_ = saw_varargs_ || outer_varargs;
  saw_kwargs_ = saw_kwargs_ || outer_kwargs;
  loops_ = outer_loops;
  return expect_tag_end();
}

Result<Target> Parser::parse_target(std::string_view end_name, bool with_attributes) {
  Target tuple;
  tuple.is_tuple = true;
  bool comma = false;
  while (true) {
    if (!tuple.parts.empty() &&
        (is_operator("=") || is_operator(")") || (!end_name.empty() && is_name(end_name)))) {
      break;
    }
    MARU_ASSIGN_OR_RETURN(tuple.parts.emplace_back(), parse_single_target(with_attributes));
    if (!skip_operator(",")) break;
    comma = true;
  }
  if (!comma) return std::move(tuple.parts.front());
  return tuple;
}

Result<Target> Parser::parse_single_target(bool with_attributes) {
  if (skip_operator("(")) {
    if (++nesting_ > kMaxBlocks) return fail("targets are nested too deeply");
    MARU_ASSIGN_OR_RETURN(Target inner, parse_target("", with_attributes));
    --nesting_;
    MARU_RETURN_IF_ERROR(expect_operator(")"));
    return inner;
  }
  Target target;
  MARU_ASSIGN_OR_RETURN(const std::string name, expect_name());
  if (one_of(name, {"true", "false", "none", "True", "False", "None"})) {
    return fail("can't assign to '" + name + "'");
  }
  target.name = intern(name);
  if (with_attributes && skip_operator(".")) {
    MARU_ASSIGN_OR_RETURN(target.attribute, expect_name());
  }
  return target;
}

}  // namespace maru::text::jinja
