#include "text/chat_template.h"

#include <algorithm>
#include <array>

#include "base/json.h"
#include "base/utf8.h"
#include "text/jinja_interpreter.h"
#include "text/jinja_parser.h"

namespace maru::text {
namespace {

using jinja::DictEntry;
using jinja::Heap;
using jinja::Interpreter;
using jinja::Text;
using jinja::Value;

// The roles that the chat format itself names. A template may build a control token from one
// ('<|' + role + '|>'), so these words, and no other text of a message, count as trusted.
constexpr std::array<std::string_view, 7> kRoles = {"system", "developer", "user",   "assistant",
                                                    "tool",   "function",  "ipython"};

// Turns JSON from outside into values whose text is marked as input.
class Importer {
 public:
  explicit Importer(Heap& heap) : heap_(heap) {}

  Result<Value> import(const Json& json, uint32_t depth = 0) {
    MARU_RETURN_IF_ERROR(heap_.step());
    if (depth > heap_.limits().max_depth)
      return jinja::template_error("input is nested too deeply");
    switch (json.type()) {
      case Json::value_t::boolean: return Value::boolean(json.get<bool>());
      case Json::value_t::number_integer: return Value::integer(json.get<int64_t>());
      case Json::value_t::number_unsigned:
        if (json.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX)) {
          return jinja::template_error("the input has an integer beyond 64 bits");
        }
        return Value::integer(json.get<int64_t>());
      case Json::value_t::number_float: return Value::real(json.get<double>());
      case Json::value_t::string: return import_string(json.get_ref<const std::string&>());
      case Json::value_t::array: {
        std::vector<Value> items;
        for (const Json& item : json) {
          MARU_ASSIGN_OR_RETURN(items.emplace_back(), import(item, depth + 1));
        }
        return heap_.sequence(std::move(items));
      }
      case Json::value_t::object: return import_object(json, depth);
      default: return Value();
    }
  }

  // A message: its role is trusted where it is one of the chat format's own words.
  Result<Value> import_messages(const Json& messages) {
    if (!messages.is_array()) return import(messages);
    std::vector<Value> items;
    for (const Json& message : messages) {
      in_message_ = true;
      MARU_ASSIGN_OR_RETURN(items.emplace_back(), import(message, 1));
    }
    return heap_.sequence(std::move(items));
  }

 private:
  Result<Value> import_string(const std::string& text) {
    if (utf8_is_valid(text)) return heap_.string(Text::from_input(text));
    return heap_.string(Text::from_input(utf8_sanitise(text)));
  }

  Result<Value> import_object(const Json& json, uint32_t depth) {
    const bool is_message = std::exchange(in_message_, false);
    std::vector<DictEntry> entries;
    for (const auto& [name, item] : json.items()) {
      MARU_ASSIGN_OR_RETURN(Value key, import_string(name));
      const bool known_role = is_message && name == "role" && item.is_string() &&
                              std::find(kRoles.begin(), kRoles.end(),
                                        item.get_ref<const std::string&>()) != kRoles.end();
      MARU_ASSIGN_OR_RETURN(Value value, known_role
                                             ? heap_.trusted(item.get_ref<const std::string&>())
                                             : import(item, depth + 1));
      entries.emplace_back(std::move(key), std::move(value));
    }
    return heap_.dict(std::move(entries));
  }

  Heap& heap_;
  bool in_message_ = false;
};

Status set_json(Interpreter& interpreter, Importer& importer, std::string_view name,
                const Json* json) {
  if (!interpreter.mentions(name)) return {};
  Value value;
  if (json != nullptr) {
    MARU_ASSIGN_OR_RETURN(
        value, name == "messages" ? importer.import_messages(*json) : importer.import(*json));
  }
  interpreter.set_variable(name, std::move(value));
  return {};
}

Status set_variables(Interpreter& interpreter, Heap& heap, const TemplateInput& input) {
  Importer importer(heap);
  if (input.extra != nullptr && input.extra->is_object()) {
    for (const auto& [name, value] : input.extra->items()) {
      MARU_RETURN_IF_ERROR(set_json(interpreter, importer, name, &value));
    }
  }
  MARU_RETURN_IF_ERROR(set_json(interpreter, importer, "messages", input.messages));
  MARU_RETURN_IF_ERROR(set_json(interpreter, importer, "tools", input.tools));
  MARU_RETURN_IF_ERROR(set_json(interpreter, importer, "documents", input.documents));
  interpreter.set_variable("add_generation_prompt", Value::boolean(input.add_generation_prompt));
  const std::array<std::pair<std::string_view, const std::string*>, 2> tokens = {
      {{"bos_token", &input.bos_token}, {"eos_token", &input.eos_token}}};
  for (const auto& [name, token] : tokens) {
    MARU_ASSIGN_OR_RETURN(Value value, heap.trusted(*token));
    interpreter.set_variable(name, std::move(value));
  }
  return {};
}

std::vector<RenderedPiece> pieces_of(const Text& text) {
  std::vector<RenderedPiece> pieces;
  size_t at = 0;
  const auto add = [&](size_t end, bool trusted) {
    if (end > at) pieces.push_back({text.bytes.substr(at, end - at), trusted});
    at = end;
  };
  for (const jinja::Span& span : text.foreign) {
    add(span.begin, true);
    add(span.end, false);
  }
  add(text.bytes.size(), true);
  return pieces;
}

}  // namespace

struct ChatTemplate::Impl {
  std::string source;
  jinja::Program program;

  Result<Text> run(const TemplateInput& input, const TemplateLimits& limits) const {
    Heap heap(limits);
    Interpreter interpreter(program, heap, input.now_unix_seconds);
    if (Status status = set_variables(interpreter, heap, input); !status) {
      return Error{ErrorCode::kInvalidArgument, "chat template: " + status.error().message};
    }
    Result<Text> text = interpreter.run();
    if (text) return text;
    const std::string line = std::to_string(interpreter.line());
    if (interpreter.raised()) {
      return Error{ErrorCode::kInvalidArgument, text.error().message,
                   "the model's chat template refuses these messages, line " + line, "",
                   Reason{"template_refused", {{"why", text.error().message}}}};
    }
    return Error{ErrorCode::kInvalidArgument,
                 "chat template, line " + line + ": " + text.error().message,
                 "check that the messages have what the model's template needs"};
  }
};

ChatTemplate::ChatTemplate(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;
ChatTemplate::~ChatTemplate() = default;

Result<ChatTemplate> ChatTemplate::compile(std::string_view source) {
  MARU_ASSIGN_OR_RETURN(jinja::Program program, jinja::parse_template(source));
  return ChatTemplate(std::make_unique<Impl>(Impl{std::string(source), std::move(program)}));
}

Result<std::vector<RenderedPiece>> ChatTemplate::render(const TemplateInput& input,
                                                        const TemplateLimits& limits) const {
  MARU_ASSIGN_OR_RETURN(const Text text, impl_->run(input, limits));
  return pieces_of(text);
}

Result<std::string> ChatTemplate::render_text(const TemplateInput& input,
                                              const TemplateLimits& limits) const {
  MARU_ASSIGN_OR_RETURN(Text text, impl_->run(input, limits));
  return std::move(text.bytes);
}

const std::string& ChatTemplate::source() const { return impl_->source; }

}  // namespace maru::text
