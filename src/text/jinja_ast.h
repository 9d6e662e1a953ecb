// The syntax tree of a template. Built once by the parser, never changed, shared by all renders.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "text/jinja_value.h"

namespace maru::text::jinja {

// Variables are numbers: an index into Program::names.
using NameId = uint32_t;
enum SpecialName : NameId { kLoop, kCaller, kVarargs, kKwargs, kSpecialNames };

struct Expr;
struct Stmt;
using ExprPtr = std::unique_ptr<Expr>;
using Block = std::vector<std::unique_ptr<Stmt>>;

enum class ExprKind : uint8_t {
  kConstant,   // constant
  kName,       // name
  kTuple,      // children
  kList,       // children
  kDict,       // children: key, value, key, value...
  kAttribute,  // children[0] . text
  kItem,       // children[0] [ children[1] ]
  kSlice,      // children[0] [ children[1] : children[2] : children[3] ], each may be null
  kCall,       // children[0] ( arguments )
  kFilter,     // children[0] | text ( arguments ); children[0] null in a filter block
  kTest,       // children[0] is text ( arguments )
  kNot,        // children[0]
  kNegative,   // children[0]
  kPositive,   // children[0]
  kBinary,     // children[0] text children[1]
  kConcat,     // children joined by ~
  kCompare,    // children[0] operators[0] children[1] operators[1] children[2]...
  kAnd,        // children[0] and children[1]
  kOr,
  kConditional,  // children[0] if children[1] else children[2], which may be null
};

struct CallArguments {
  std::vector<ExprPtr> positional;
  std::vector<std::pair<std::string, ExprPtr>> named;
  ExprPtr star;       // *list
  ExprPtr star_star;  // **dict
};

struct Expr {
  ExprKind kind;
  uint32_t line;
  uint32_t depth = 1;  // of the tree below, so that walking it is bounded
  NameId name = 0;
  std::string text = {};
  Value constant = {};
  std::vector<ExprPtr> children = {};
  std::vector<std::string> operators = {};
  std::unique_ptr<CallArguments> arguments = {};
};

// What is assigned to: a name, an attribute of a namespace, or a tuple of targets.
struct Target {
  NameId name = 0;
  std::string attribute = {};
  bool is_tuple = false;
  std::vector<Target> parts = {};
};

struct Parameter {
  NameId name;
  std::string text;
  ExprPtr fallback;  // null: none
};

struct Macro {
  std::string title;
  NameId name = 0;
  std::vector<Parameter> parameters;
  Block body;
  bool uses_caller = false, uses_varargs = false, uses_kwargs = false;
};

enum class StmtKind : uint8_t {
  kText,         // constant
  kPrint,        // expr
  kIf,           // branches; otherwise
  kFor,          // target, expr, test; body; otherwise
  kSet,          // target, expr
  kSetBlock,     // target, body, expr: a filter or null
  kWith,         // assignments; body
  kScope,        // body
  kMacro,        // macro
  kCallBlock,    // expr: the call; macro: the block as its caller
  kFilterBlock,  // expr: filters whose innermost subject is null; body
  kBreak,
  kContinue,
};

struct Branch {
  ExprPtr test;
  Block body;
};

struct Stmt {
  StmtKind kind;
  uint32_t line;
  Value constant = {};
  ExprPtr expr = {};
  ExprPtr test = {};
  Target target = {};
  Block body = {};
  Block otherwise = {};
  std::vector<Branch> branches = {};
  std::vector<std::pair<Target, ExprPtr>> assignments = {};
  std::unique_ptr<Macro> macro = {};
};

struct Program {
  std::vector<std::string> names;
  Block body;
};

}  // namespace maru::text::jinja
