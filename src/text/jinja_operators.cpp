// Arithmetic, comparison and subscription with Python's meaning.
#include <algorithm>
#include <cmath>
#include <optional>

#include "base/utf8.h"
#include "text/jinja_builtins.h"
#include "text/jinja_print.h"

namespace maru::text::jinja {
namespace {

Error overflow() { return template_error("an integer leaves the range of 64 bits"); }

Error no_operator(std::string_view op, const Value& a, const Value& b) {
  for (const Value* value : {&a, &b}) {
    if (value->is_undefined()) return template_error(*value->as_undefined()->message);
  }
  return template_error("'" + std::string(op) + "' has no meaning between " +
                        std::string(type_name(a)) + " and " + std::string(type_name(b)));
}

// Python's floor division and remainder: the remainder has the sign of the divisor.
int64_t floor_divide(int64_t a, int64_t b) {
  return a / b - ((a % b != 0) && ((a < 0) != (b < 0)));
}
int64_t floor_modulo(int64_t a, int64_t b) {
  const int64_t r = a % b;
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
double float_modulo(double a, double b) {
  const double r = std::fmod(a, b);
  if (r == 0) return std::copysign(0.0, b);
  return (r < 0) != (b < 0) ? r + b : r;
}

Result<Value> integer_power(int64_t base, int64_t exponent) {
  if (exponent < 0) {
    if (base == 0) return template_error("division by zero");
    return Value::real(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  }
  if (base == 0 || base == 1) return Value::integer(exponent == 0 ? 1 : base);
  if (base == -1) return Value::integer(exponent % 2 == 0 ? 1 : -1);
  int64_t result = 1;
  for (; exponent > 0; --exponent) {  // at most 63 rounds before it overflows
    if (__builtin_mul_overflow(result, base, &result)) return overflow();
  }
  return Value::integer(result);
}

Result<Value> integer_arithmetic(std::string_view op, int64_t a, int64_t b) {
  int64_t result = 0;
  if (op == "+") {
    if (__builtin_add_overflow(a, b, &result)) return overflow();
    return Value::integer(result);
  }
  if (op == "-") {
    if (__builtin_sub_overflow(a, b, &result)) return overflow();
    return Value::integer(result);
  }
  if (op == "*") {
    if (__builtin_mul_overflow(a, b, &result)) return overflow();
    return Value::integer(result);
  }
  if (op == "**") return integer_power(a, b);
  if (b == 0) return template_error("division by zero");
  if (op == "/") return Value::real(static_cast<double>(a) / static_cast<double>(b));
  if (b == -1) {
    if (op == "%") return Value::integer(0);
    if (__builtin_sub_overflow(int64_t{0}, a, &result)) return overflow();
    return Value::integer(result);
  }
  return Value::integer(op == "//" ? floor_divide(a, b) : floor_modulo(a, b));
}

Result<Value> float_arithmetic(std::string_view op, double a, double b) {
  if (op == "+") return Value::real(a + b);
  if (op == "-") return Value::real(a - b);
  if (op == "*") return Value::real(a * b);
  if (op == "**") {
    if (a == 0 && b < 0) return template_error("division by zero");
    if (a < 0 && b != std::floor(b)) return template_error("complex numbers are not supported");
    return Value::real(std::pow(a, b));
  }
  if (b == 0) return template_error("division by zero");
  if (op == "/") return Value::real(a / b);
  const double modulo = float_modulo(a, b);
  if (op == "%") return Value::real(modulo);
  return Value::real(std::round((a - modulo) / b));
}

Result<Value> join_strings(Runtime& runtime, const StringObject& a, const StringObject& b) {
  TextBuilder out = runtime.heap.builder();
  const bool markup = a.markup || b.markup;
  for (const StringObject* part : {&a, &b}) {
    if (markup && !part->markup) {
      MARU_ASSIGN_OR_RETURN(const Value plain, runtime.heap.string(part->text));
      MARU_ASSIGN_OR_RETURN(const Value escaped, escape_markup(runtime, plain));
      out.append(escaped.as_string()->text);
    } else {
      out.append(part->text);
    }
  }
  return runtime.heap.string(std::move(out), markup);
}

Result<Value> add(Runtime& runtime, const Value& a, const Value& b) {
  if (a.is_string() && b.is_string()) return join_strings(runtime, *a.as_string(), *b.as_string());
  const SequenceObject* left = a.as_sequence();
  const SequenceObject* right = b.as_sequence();
  if (left == nullptr || right == nullptr || left->kind != right->kind ||
      (left->kind != SequenceKind::kList && left->kind != SequenceKind::kTuple)) {
    return no_operator("+", a, b);
  }
  MARU_RETURN_IF_ERROR(
      runtime.heap.reserve((left->items.size() + right->items.size()) * sizeof(Value)));
  std::vector<Value> items = left->items;
  items.insert(items.end(), right->items.begin(), right->items.end());
  return runtime.heap.sequence(std::move(items), left->kind);
}

Result<Value> repeat(Runtime& runtime, const Value& value, int64_t times) {
  const auto count = static_cast<size_t>(std::max<int64_t>(times, 0));
  if (const StringObject* text = value.as_string()) {
    TextBuilder out = runtime.heap.builder();
    if (!text->view().empty()) {
      for (size_t i = 0; i < count && !out.overflowed(); ++i) out.append(text->text);
    }
    return runtime.heap.string(std::move(out), text->markup);
  }
  const SequenceObject& sequence = *value.as_sequence();
  const size_t size = sequence.items.size();
  if (size > 0 && count > runtime.heap.limits().max_memory_bytes / sizeof(Value) / size) {
    return template_error("a repeated list is too long");
  }
  MARU_RETURN_IF_ERROR(runtime.heap.reserve(size * count * sizeof(Value)));
  std::vector<Value> items;
  items.reserve(size * count);
  for (size_t i = 0; size > 0 && i < count; ++i) {
    items.insert(items.end(), sequence.items.begin(), sequence.items.end());
  }
  return runtime.heap.sequence(std::move(items), sequence.kind);
}

bool can_repeat(const Value& value) {
  const SequenceObject* s = value.as_sequence();
  return value.is_string() ||
         (s != nullptr && (s->kind == SequenceKind::kList || s->kind == SequenceKind::kTuple));
}

Result<bool> contains(Runtime& runtime, const Value& item, const Value& container) {
  Heap& heap = runtime.heap;
  if (const StringObject* text = container.as_string()) {
    const StringObject* part = item.as_string();
    if (part == nullptr) return no_operator("in", item, container);
    MARU_RETURN_IF_ERROR(heap.step_bytes(text->view().size()));
    return text->view().find(part->view()) != std::string_view::npos;
  }
  if (const DictObject* dict = container.as_dict()) {
    MARU_RETURN_IF_ERROR(heap.step(1 + dict->entries.size() / 16));
    return dict->find(item) != nullptr;
  }
  if (!container.is_undefined() && container.as_sequence() == nullptr) {
    return no_operator("in", item, container);
  }
  MARU_ASSIGN_OR_RETURN(const SequencePtr sequence, heap.iterate(container));
  for (const Value& other : sequence->items) {
    MARU_ASSIGN_OR_RETURN(const bool same, equals(heap, item, other));
    if (same) return true;
  }
  return false;
}

// Python's slice.indices: where to start, where to stop, how far to go.
struct SliceRange {
  int64_t start, stop, step;
};

Result<SliceRange> slice_range(const Value& start, const Value& stop, const Value& step,
                               int64_t size) {
  SliceRange range{};
  range.step = step.is_none() ? 1 : step.integral();
  if (range.step == 0) return template_error("a slice's step can't be zero");
  range.step = std::clamp<int64_t>(range.step, -(int64_t{1} << 40), int64_t{1} << 40);
  const int64_t low = range.step < 0 ? -1 : 0;
  const int64_t high = range.step < 0 ? size - 1 : size;
  const auto place = [&](const Value& bound, int64_t missing) {
    if (bound.is_none()) return missing;
    const int64_t at = bound.integral();
    return std::clamp(at < 0 ? (at < -size ? low : at + size) : at, low, high);
  };
  range.start = place(start, range.step < 0 ? high : low);
  range.stop = place(stop, range.step < 0 ? low : high);
  return range;
}

std::vector<size_t> character_offsets(std::string_view text) {
  std::vector<size_t> offsets;
  for (size_t at = 0; at < text.size();) {
    offsets.push_back(at);
    at += utf8_decode(text.substr(at)).length;
  }
  offsets.push_back(text.size());
  return offsets;
}

Result<Value> slice_string(Runtime& runtime, const StringObject& text, const Value& start,
                           const Value& stop, const Value& step) {
  MARU_RETURN_IF_ERROR(runtime.heap.step_bytes(text.view().size()));
  const auto size = static_cast<int64_t>(count_characters(text.view()));
  MARU_ASSIGN_OR_RETURN(const SliceRange range, slice_range(start, stop, step, size));
  TextBuilder out = runtime.heap.builder();
  if (range.step == 1) {
    const auto first = static_cast<size_t>(range.start);
    if (range.start < range.stop) {
      const size_t begin = offset_of_character(text.view(), first);
      const size_t length = offset_of_character(text.view().substr(begin),
                                                static_cast<size_t>(range.stop - range.start));
      out.append(text.text, begin, begin + length);
    }
    return runtime.heap.string(std::move(out), text.markup);
  }
  MARU_RETURN_IF_ERROR(runtime.heap.reserve(text.view().size() * sizeof(size_t)));
  const std::vector<size_t> offsets = character_offsets(text.view());
  for (int64_t i = range.start; range.step > 0 ? i < range.stop : i > range.stop; i += range.step) {
    out.append(text.text, offsets[static_cast<size_t>(i)], offsets[static_cast<size_t>(i) + 1]);
  }
  return runtime.heap.string(std::move(out), text.markup);
}

}  // namespace

Result<Value> apply_operator(Runtime& runtime, std::string_view op, const Value& a,
                             const Value& b) {
  if (op == "%" && a.is_string()) return format_percent(runtime, *a.as_string(), b);
  if (a.is_number() && b.is_number()) {
    if (a.is_integral() && b.is_integral()) {
      return integer_arithmetic(op, a.integral(), b.integral());
    }
    return float_arithmetic(op, a.number(), b.number());
  }
  if (op == "+") return add(runtime, a, b);
  if (op == "*" && can_repeat(a) && b.is_integral()) return repeat(runtime, a, b.integral());
  if (op == "*" && can_repeat(b) && a.is_integral()) return repeat(runtime, b, a.integral());
  return no_operator(op, a, b);
}

Result<Value> negate(Runtime& runtime, const Value& value) {
  if (const double* d = value.as_real()) return Value::real(-*d);
  return apply_operator(runtime, "-", Value::integer(0), value);
}

Result<bool> compare(Runtime& runtime, std::string_view op, const Value& a, const Value& b) {
  if (op == "==" || op == "!=") {
    MARU_ASSIGN_OR_RETURN(const bool same, equals(runtime.heap, a, b));
    return same == (op == "==");
  }
  if (op == "in") return contains(runtime, a, b);
  if (op == "not in") {
    MARU_ASSIGN_OR_RETURN(const bool found, contains(runtime, a, b));
    return !found;
  }
  if (op == "<") return less(runtime.heap, a, b, op);
  if (op == ">") return less(runtime.heap, b, a, op);
  const bool numbers = a.is_number() && b.is_number();
  if (numbers && (std::isnan(a.number()) || std::isnan(b.number()))) return false;
  MARU_ASSIGN_OR_RETURN(const bool opposite,
                        op == "<=" ? less(runtime.heap, b, a, op) : less(runtime.heap, a, b, op));
  return !opposite;
}

Result<Value> get_slice(Runtime& runtime, const Value& value, const Value& start, const Value& stop,
                        const Value& step) {
  for (const Value* bound : {&start, &stop, &step}) {
    if (!bound->is_none() && !bound->is_integral()) {
      return Value::undefined("slice bounds must be integers, not " +
                              std::string(type_name(*bound)));
    }
  }
  if (const StringObject* text = value.as_string()) {
    return slice_string(runtime, *text, start, stop, step);
  }
  const SequenceObject* sequence = value.as_sequence();
  if (sequence == nullptr || sequence->kind > SequenceKind::kRange) {
    if (value.is_undefined()) return template_error(*value.as_undefined()->message);
    return Value::undefined("a " + std::string(type_name(value)) + " can't be sliced");
  }
  const auto size = static_cast<int64_t>(sequence->items.size());
  MARU_ASSIGN_OR_RETURN(const SliceRange range, slice_range(start, stop, step, size));
  MARU_RETURN_IF_ERROR(runtime.heap.reserve(sequence->items.size() * sizeof(Value)));
  std::vector<Value> items;
  for (int64_t i = range.start; range.step > 0 ? i < range.stop : i > range.stop; i += range.step) {
    items.push_back(sequence->items[static_cast<size_t>(i)]);
  }
  return runtime.heap.sequence(std::move(items), sequence->kind);
}

}  // namespace maru::text::jinja
