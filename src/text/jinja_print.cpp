#include "text/jinja_print.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/utf8.h"
#include "text/letter_case.h"

namespace maru::text::jinja {
namespace {

void append_hex(std::string& out, uint32_t value, int digits) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (int shift = (digits - 1) * 4; shift >= 0; shift -= 4) out += kDigits[(value >> shift) & 15];
}

std::string quoted_repr(std::string_view text) {
  const bool single = text.find('\'') != std::string_view::npos;
  const char quote = single && text.find('"') == std::string_view::npos ? '"' : '\'';
  std::string out(1, quote);
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = utf8_decode(text.substr(at));
    if (c.code_point == static_cast<uint32_t>(quote) || c.code_point == '\\') {
      out += '\\';
      out += text[at];
    } else if (c.code_point == '\n') {
      out += "\\n";
    } else if (c.code_point == '\r') {
      out += "\\r";
    } else if (c.code_point == '\t') {
      out += "\\t";
    } else if (is_printable(c.code_point)) {
      out += text.substr(at, c.length);
    } else {
      const int digits = c.code_point < 0x100 ? 2 : c.code_point < 0x10000 ? 4 : 8;
      out += digits == 2 ? "\\x" : digits == 4 ? "\\u" : "\\U";
      append_hex(out, c.code_point, digits);
    }
    at += c.length;
  }
  return out + quote;
}

void append_utf16_escape(std::string& out, uint32_t code_point) {
  if (code_point >= 0x10000) {
    out += "\\u";
    append_hex(out, 0xD800 + ((code_point - 0x10000) >> 10), 4);
    code_point = 0xDC00 + ((code_point - 0x10000) & 0x3FF);
  }
  out += "\\u";
  append_hex(out, code_point, 4);
}

std::string json_string(std::string_view text, bool ascii) {
  std::string out = "\"";
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = utf8_decode(text.substr(at));
    switch (c.code_point) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      case '\f': out += "\\f"; break;
      case '\b': out += "\\b"; break;
      default:
        if (c.code_point < 0x20 || (ascii && c.code_point > 0x7E)) {
          append_utf16_escape(out, c.code_point);
        } else {
          out += text.substr(at, c.length);
        }
    }
    at += c.length;
  }
  return out + '"';
}

class Representation {
 public:
  Representation(Heap& heap, TextBuilder& out) : heap_(heap), out_(out) {}

  Status write(const Value& value) {
    MARU_RETURN_IF_ERROR(heap_.step());
    if (out_.overflowed()) return {};
    if (const StringObject* text = value.as_string()) {
      MARU_RETURN_IF_ERROR(heap_.step_bytes(text->view().size()));
      const std::string quoted = quoted_repr(text->view());
      out_.append(text->markup ? "Markup(" + quoted + ")" : quoted, text->text.has_foreign());
      foreign_ = foreign_ || text->text.has_foreign();
      return {};
    }
    if (const DictObject* dict = value.as_dict()) return write_dict(*dict);
    if (const SequenceObject* sequence = value.as_sequence()) return write_sequence(*sequence);
    out_.append(scalar(value));
    return {};
  }
  bool foreign() const { return foreign_; }

 private:
  static std::string scalar(const Value& value) {
    if (value.is_none()) return "None";
    if (value.is_undefined()) return "Undefined";
    if (const bool* b = value.as_boolean()) return *b ? "True" : "False";
    if (const int64_t* i = value.as_integer()) return integer_text(*i);
    if (const double* d = value.as_real()) return float_repr(*d);
    return "<" + std::string(type_name(value)) + ">";
  }

  Status write_items(const std::vector<Value>& items) {
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out_.append(", ");
      MARU_RETURN_IF_ERROR(write(items[i]));
    }
    return {};
  }

  Status write_sequence(const SequenceObject& sequence) {
    switch (sequence.kind) {
      case SequenceKind::kGenerator: out_.append("<generator object>"); return {};
      case SequenceKind::kRange: {
        const int64_t first = sequence.items.empty() ? 0 : sequence.items.front().integral();
        const int64_t last = sequence.items.empty() ? -1 : sequence.items.back().integral();
        out_.append("range(" + integer_text(first) + ", " + integer_text(last + 1) + ")");
        return {};
      }
      case SequenceKind::kTuple: {
        out_.append("(");
        MARU_RETURN_IF_ERROR(write_items(sequence.items));
        out_.append(sequence.items.size() == 1 ? ",)" : ")");
        return {};
      }
      default: break;
    }
    const bool list = sequence.kind == SequenceKind::kList;
    if (!list) {
      out_.append(sequence.kind == SequenceKind::kKeys     ? "dict_keys("
                  : sequence.kind == SequenceKind::kValues ? "dict_values("
                                                           : "dict_items(");
    }
    out_.append("[");
    MARU_RETURN_IF_ERROR(write_items(sequence.items));
    out_.append(list ? "]" : "])");
    return {};
  }

  Status write_dict(const DictObject& dict) {
    out_.append("{");
    for (size_t i = 0; i < dict.entries.size(); ++i) {
      if (i > 0) out_.append(", ");
      MARU_RETURN_IF_ERROR(write(dict.entries[i].first));
      out_.append(": ");
      MARU_RETURN_IF_ERROR(write(dict.entries[i].second));
    }
    out_.append("}");
    return {};
  }

  Heap& heap_;
  TextBuilder& out_;
  bool foreign_ = false;
};

class JsonWriter {
 public:
  JsonWriter(Heap& heap, TextBuilder& out, const JsonStyle& style)
      : heap_(heap), out_(out), style_(style) {}

  Status write(const Value& value) {
    MARU_RETURN_IF_ERROR(heap_.step());
    if (out_.overflowed()) return {};
    if (const StringObject* text = value.as_string()) return write_string(*text);
    if (const DictObject* dict = value.as_dict()) return write_dict(*dict);
    const SequenceObject* sequence = value.as_sequence();
    if (sequence != nullptr &&
        (sequence->kind == SequenceKind::kList || sequence->kind == SequenceKind::kTuple)) {
      return write_list(*sequence);
    }
    MARU_ASSIGN_OR_RETURN(const std::string text, scalar(value));
    out_.append(text);
    return {};
  }
  bool foreign() const { return foreign_; }

 private:
  static Result<std::string> scalar(const Value& value) {
    if (value.is_none()) return std::string("null");
    if (const bool* b = value.as_boolean()) return std::string(*b ? "true" : "false");
    if (const int64_t* i = value.as_integer()) return integer_text(*i);
    if (const double* d = value.as_real()) {
      if (std::isnan(*d)) return std::string("NaN");
      if (std::isinf(*d)) return std::string(*d > 0 ? "Infinity" : "-Infinity");
      return float_repr(*d);
    }
    return template_error("a " + std::string(type_name(value)) + " can't be written as JSON");
  }

  Status write_string(const StringObject& text) {
    MARU_RETURN_IF_ERROR(heap_.step_bytes(text.view().size()));
    foreign_ = foreign_ || text.text.has_foreign();
    out_.append(json_string(text.view(), style_.ascii), text.text.has_foreign());
    return {};
  }

  Status write_key(const Value& key) {
    if (const StringObject* text = key.as_string()) return write_string(*text);
    if (!key.is_number() && !key.is_none()) {
      return template_error("a " + std::string(type_name(key)) + " can't be a key of JSON");
    }
    MARU_ASSIGN_OR_RETURN(const std::string text, scalar(key));
    out_.append("\"" + text + "\"");
    return {};
  }

  void new_line() {
    if (!style_.indent) return;
    out_.append("\n");
    for (size_t i = 0; i < level_ && !out_.overflowed(); ++i) out_.append(*style_.indent);
  }

  Status write_list(const SequenceObject& list) {
    if (list.items.empty()) {
      out_.append("[]");
      return {};
    }
    out_.append("[");
    ++level_;
    for (size_t i = 0; i < list.items.size(); ++i) {
      if (i > 0) out_.append(style_.item_separator);
      new_line();
      MARU_RETURN_IF_ERROR(write(list.items[i]));
    }
    --level_;
    new_line();
    out_.append("]");
    return {};
  }

  Status write_dict(const DictObject& dict) {
    if (dict.entries.empty()) {
      out_.append("{}");
      return {};
    }
    MARU_ASSIGN_OR_RETURN(const auto order, ordered(dict));
    out_.append("{");
    ++level_;
    for (size_t i = 0; i < order.size(); ++i) {
      if (i > 0) out_.append(style_.item_separator);
      new_line();
      MARU_RETURN_IF_ERROR(write_key(order[i]->first));
      out_.append(style_.key_separator);
      MARU_RETURN_IF_ERROR(write(order[i]->second));
    }
    --level_;
    new_line();
    out_.append("}");
    return {};
  }

  Result<std::vector<const DictEntry*>> ordered(const DictObject& dict) {
    std::vector<const DictEntry*> order;
    for (const DictEntry& entry : dict.entries) order.push_back(&entry);
    if (!style_.sort_keys) return order;
    MARU_RETURN_IF_ERROR(heap_.step(order.size() * 16));
    const bool strings = std::all_of(order.begin(), order.end(),
                                     [](const DictEntry* e) { return e->first.is_string(); });
    const bool numbers = std::all_of(order.begin(), order.end(),
                                     [](const DictEntry* e) { return e->first.is_number(); });
    if (!strings && !numbers) return template_error("keys of different types can't be sorted");
    std::stable_sort(order.begin(), order.end(), [&](const DictEntry* a, const DictEntry* b) {
      return strings ? a->first.as_string()->view() < b->first.as_string()->view()
                     : a->first.number() < b->first.number();
    });
    return order;
  }

  Heap& heap_;
  TextBuilder& out_;
  const JsonStyle& style_;
  size_t level_ = 0;
  bool foreign_ = style_.foreign;
};

// Appends what `write` builds; all of it is foreign when any of it is.
template <class Writer>
Status append_whole(TextBuilder& out, TextBuilder&& part, const Writer& writer) {
  if (writer.foreign()) part.mark_all_foreign();
  const bool overflowed = part.overflowed();
  out.append(part.take());
  if (overflowed) return template_error("a printed value is too long");
  return {};
}

}  // namespace

std::string integer_text(int64_t value) { return std::to_string(value); }

std::string float_repr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  std::array<char, 64> buffer;
  const auto scientific = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                        std::chars_format::scientific);
  std::string text(buffer.data(), scientific.ptr);
  const size_t e = text.find('e');
  int exponent = 0;
  const char* digits = text.data() + e + (text[e + 1] == '+' ? 2 : 1);
  std::from_chars(digits, text.data() + text.size(), exponent);
  if (exponent < -4 || exponent >= 16) return text;
  const auto fixed =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::fixed);
  text.assign(buffer.data(), fixed.ptr);
  return text.find('.') == std::string::npos ? text + ".0" : text;
}

Status append_repr(Heap& heap, TextBuilder& out, const Value& value) {
  TextBuilder part = heap.builder();
  Representation writer(heap, part);
  MARU_RETURN_IF_ERROR(writer.write(value));
  return append_whole(out, std::move(part), writer);
}

Status append_str(Heap& heap, TextBuilder& out, const Value& value) {
  if (const StringObject* text = value.as_string()) {
    MARU_RETURN_IF_ERROR(heap.step_bytes(text->view().size()));
    out.append(text->text);
    return {};
  }
  if (value.is_undefined()) return {};
  return append_repr(heap, out, value);
}

Result<Text> to_str(Heap& heap, const Value& value) {
  TextBuilder out = heap.builder();
  MARU_RETURN_IF_ERROR(append_str(heap, out, value));
  if (out.overflowed()) return template_error("a printed value is too long");
  return out.take();
}

Status append_json(Heap& heap, TextBuilder& out, const Value& value, const JsonStyle& style) {
  TextBuilder part = heap.builder();
  JsonWriter writer(heap, part, style);
  MARU_RETURN_IF_ERROR(writer.write(value));
  return append_whole(out, std::move(part), writer);
}

}  // namespace maru::text::jinja
