// Tests: what stands behind "is".
#include <algorithm>
#include <array>

#include "base/utf8.h"
#include "text/jinja_builtins.h"
#include "text/letter_case.h"

namespace maru::text::jinja {
namespace {

template <bool (*Holds)(const Value&)>
Result<bool> simple(Runtime&, const Value& value, const Arguments& arguments) {
  MARU_RETURN_IF_ERROR(arguments.bind("the test", {}));
  return Holds(value);
}

bool is_defined(const Value& v) { return !v.is_undefined(); }
bool is_undefined(const Value& v) { return v.is_undefined(); }
bool is_none(const Value& v) { return v.is_none(); }
bool is_string(const Value& v) { return v.is_string(); }
bool is_mapping(const Value& v) { return v.is_dict(); }
bool is_number(const Value& v) { return v.is_number(); }
bool is_integer(const Value& v) { return v.as_integer() != nullptr; }
bool is_float(const Value& v) { return v.as_real() != nullptr; }
bool is_boolean(const Value& v) { return v.as_boolean() != nullptr; }
bool is_true(const Value& v) { return v.as_boolean() != nullptr && *v.as_boolean(); }
bool is_false(const Value& v) { return v.as_boolean() != nullptr && !*v.as_boolean(); }
bool is_callable(const Value& v) { return v.as_callable() != nullptr || v.is_undefined(); }
bool is_escaped(const Value& v) { return v.is_string() && v.as_string()->markup; }
bool is_iterable(const Value& v) {
  return v.is_string() || v.is_dict() || v.as_sequence() != nullptr || v.is_undefined() ||
         v.as_loop() != nullptr;
}
bool is_sequence(const Value& v) {
  const SequenceObject* s = v.as_sequence();
  return v.is_string() || v.is_dict() || v.is_undefined() ||
         (s != nullptr && s->kind <= SequenceKind::kRange);
}

Result<bool> modulo(Runtime& runtime, const Value& value, const Value& divisor, int64_t wanted) {
  MARU_ASSIGN_OR_RETURN(const Value rest, apply_operator(runtime, "%", value, divisor));
  return equals(runtime.heap, rest, Value::integer(wanted));
}

Result<bool> odd(Runtime& runtime, const Value& value, const Arguments& arguments) {
  MARU_RETURN_IF_ERROR(arguments.bind("odd", {}));
  return modulo(runtime, value, Value::integer(2), 1);
}
Result<bool> even(Runtime& runtime, const Value& value, const Arguments& arguments) {
  MARU_RETURN_IF_ERROR(arguments.bind("even", {}));
  return modulo(runtime, value, Value::integer(2), 0);
}
Result<bool> divisibleby(Runtime& runtime, const Value& value, const Arguments& arguments) {
  MARU_ASSIGN_OR_RETURN(const auto bound, arguments.bind("divisibleby", {"num"}, 1));
  return modulo(runtime, value, *bound[0], 0);
}

// str(value).islower() and isupper().
Result<bool> has_case(const Value& value, bool (*wanted)(uint32_t), bool (*other)(uint32_t)) {
  if (!value.is_string()) return false;
  bool found = false;
  const std::string_view text = value.as_string()->view();
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = utf8_decode(text.substr(at));
    if (other(c.code_point)) return false;
    found = found || wanted(c.code_point);
    at += c.length;
  }
  return found;
}
Result<bool> lower(Runtime&, const Value& value, const Arguments&) {
  return has_case(value, has_lower_case, has_upper_case);
}
Result<bool> upper(Runtime&, const Value& value, const Arguments&) {
  return has_case(value, has_upper_case, has_lower_case);
}

// Operators as tests: "is eq 3", "is in list".
struct OperatorName {
  static constexpr char kEq[] = "==", kNe[] = "!=", kLt[] = "<", kLe[] = "<=", kGt[] = ">",
                        kGe[] = ">=", kIn[] = "in";
};
template <const char* Operator>
Result<bool> comparison(Runtime& runtime, const Value& value, const Arguments& arguments) {
  MARU_ASSIGN_OR_RETURN(const auto bound, arguments.bind("the test", {"other"}, 1));
  return compare(runtime, Operator, value, *bound[0]);
}

Result<bool> sameas(Runtime& runtime, const Value& value, const Arguments& arguments) {
  MARU_ASSIGN_OR_RETURN(const auto bound, arguments.bind("sameas", {"other"}, 1));
  if (type_name(value) != type_name(*bound[0])) return false;
  return equals(runtime.heap, value, *bound[0]);
}

template <bool Filter>
Result<bool> names_builtin(Runtime&, const Value& value, const Arguments&) {
  if (!value.is_string()) return false;
  const std::string_view name = value.as_string()->view();
  return Filter ? find_filter(name) != nullptr : find_test(name) != nullptr;
}

struct TestEntry {
  std::string_view name;
  TestFunction function;
};

using Op = OperatorName;
constexpr std::array kTests = std::to_array<TestEntry>({
    {"defined", simple<is_defined>},
    {"undefined", simple<is_undefined>},
    {"none", simple<is_none>},
    {"string", simple<is_string>},
    {"mapping", simple<is_mapping>},
    {"iterable", simple<is_iterable>},
    {"sequence", simple<is_sequence>},
    {"number", simple<is_number>},
    {"integer", simple<is_integer>},
    {"float", simple<is_float>},
    {"boolean", simple<is_boolean>},
    {"true", simple<is_true>},
    {"false", simple<is_false>},
    {"callable", simple<is_callable>},
    {"escaped", simple<is_escaped>},
    {"odd", odd},
    {"even", even},
    {"divisibleby", divisibleby},
    {"lower", lower},
    {"upper", upper},
    {"sameas", sameas},
    {"filter", names_builtin<true>},
    {"test", names_builtin<false>},
    {"==", comparison<Op::kEq>},
    {"eq", comparison<Op::kEq>},
    {"equalto", comparison<Op::kEq>},
    {"!=", comparison<Op::kNe>},
    {"ne", comparison<Op::kNe>},
    {"<", comparison<Op::kLt>},
    {"lt", comparison<Op::kLt>},
    {"lessthan", comparison<Op::kLt>},
    {"<=", comparison<Op::kLe>},
    {"le", comparison<Op::kLe>},
    {">", comparison<Op::kGt>},
    {"gt", comparison<Op::kGt>},
    {"greaterthan", comparison<Op::kGt>},
    {">=", comparison<Op::kGe>},
    {"ge", comparison<Op::kGe>},
    {"in", comparison<Op::kIn>},
});

}  // namespace

TestFunction find_test(std::string_view name) {
  const auto it = std::find_if(kTests.begin(), kTests.end(),
                               [&](const TestEntry& entry) { return entry.name == name; });
  return it == kTests.end() ? nullptr : it->function;
}

}  // namespace maru::text::jinja
