// Renders chat templates for the tests that compare with jinja2. One JSON object a line in, one
// out:
//   {"source": "..."}                     compiles; later lines use it       -> {} or {"error"}
//   {"messages": [...], "tools": ...}     renders with the last template     -> {"pieces"} or
//   {"error"}
// Further members of an input: documents, extra, add_generation_prompt, bos_token, eos_token, now.
// Pieces are pairs of a text and whether it is trusted. An error comes with its hint.
#include <iostream>
#include <optional>
#include <string>

#include "base/json.h"
#include "text/chat_template.h"

namespace {

using maru::Json;
using maru::text::ChatTemplate;
using maru::text::TemplateInput;

const Json* member(const Json& object, const char* name) {
  const auto it = object.find(name);
  return it == object.end() || it->is_null() ? nullptr : &*it;
}

std::string text_member(const Json& object, const char* name) {
  const Json* value = member(object, name);
  return value == nullptr ? "" : value->get<std::string>();
}

Json error_json(const maru::Error& error) {
  return Json{{"error", error.message}, {"hint", error.hint}};
}

Json render(const ChatTemplate& chat_template, const Json& line) {
  TemplateInput input;
  input.messages = member(line, "messages");
  input.tools = member(line, "tools");
  input.documents = member(line, "documents");
  input.extra = member(line, "extra");
  const Json* prompt = member(line, "add_generation_prompt");
  input.add_generation_prompt = prompt != nullptr && prompt->get<bool>();
  input.bos_token = text_member(line, "bos_token");
  input.eos_token = text_member(line, "eos_token");
  const Json* now = member(line, "now");
  input.now_unix_seconds = now == nullptr ? 0 : now->get<int64_t>();
  const auto pieces = chat_template.render(input);
  if (!pieces) return error_json(pieces.error());
  Json list = Json::array();
  for (const auto& piece : *pieces) list.push_back(Json::array({piece.text, piece.trusted}));
  return Json{{"pieces", std::move(list)}};
}

}  // namespace

int main() {
  std::ios::sync_with_stdio(false);
  std::optional<ChatTemplate> chat_template;
  for (std::string text; std::getline(std::cin, text);) {
    const auto line = maru::parse_json(text);
    Json answer = Json::object();
    if (!line) {
      answer = error_json(line.error());
    } else if (member(*line, "source") != nullptr) {
      auto compiled = ChatTemplate::compile(text_member(*line, "source"));
      if (compiled) {
        chat_template.emplace(std::move(*compiled));
      } else {
        chat_template.reset();
        answer = error_json(compiled.error());
      }
    } else if (chat_template) {
      answer = render(*chat_template, *line);
    } else {
      answer = Json{{"error", "no template was compiled"}, {"hint", ""}};
    }
    std::cout << maru::dump_json(answer) << '\n' << std::flush;
  }
  return 0;
}
