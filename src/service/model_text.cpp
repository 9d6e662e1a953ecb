#include "service/model_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/files.h"
#include "base/json.h"
#include "formats/gguf.h"
#include "service/front_matter.h"

namespace maru::service {
namespace {

constexpr size_t kMaxJsonBytes = size_t{64} << 20;
constexpr size_t kMaxTemplateBytes = size_t{4} << 20;

// The format of many models tuned on "ChatML" turns; the control tokens must be in the vocabulary
// for them to work as such.
constexpr const char* kChatml =
    "{%- for message in messages -%}\n"
    "{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}\n"
    "{%- endfor -%}\n"
    "{%- if add_generation_prompt -%}\n"
    "{{ '<|im_start|>assistant\\n' }}\n"
    "{%- endif -%}\n";

// For base models: a conversation as running text.
constexpr const char* kPlain =
    "{%- for message in messages -%}\n"
    "{{ message.role | capitalize + ': ' + message.content + '\\n\\n' }}\n"
    "{%- endfor -%}\n"
    "{%- if add_generation_prompt -%}\n"
    "{{ 'Assistant:' }}\n"
    "{%- endif -%}\n";

// A file that a folder need not have: nullopt if it is not there.
Result<std::optional<std::string>> read_optional(const std::string& path, size_t max_bytes) {
  auto text = read_file(path, max_bytes);
  if (text) return std::optional<std::string>(*std::move(text));
  if (text.error().code == ErrorCode::kNotFound) return std::optional<std::string>();
  return std::move(text).error();
}

// Null if the file is not there.
Result<Json> read_optional_json(const std::string& path) {
  MARU_ASSIGN_OR_RETURN(const auto text, read_optional(path, kMaxJsonBytes));
  if (!text) return Json();
  auto json = parse_json(*text);
  if (!json) {
    json.error().message = path + ": " + json.error().message;
    return std::move(json).error();
  }
  if (!json->is_object()) {
    return Error{ErrorCode::kCorrupt, path + ": is not a JSON object", "fetch the file again"};
  }
  return json;
}

Error in_file(Error error, const std::string& where) {
  error.message = where + ": " + error.message;
  return error;
}

// A text, or a list of {"name", "template"} of which "default" counts.
std::optional<std::string> template_of(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) return std::nullopt;
  for (const Json& item : value) {
    if (!item.is_object() || !item.contains("name") || !item.contains("template")) continue;
    if (item["name"] == "default" && item["template"].is_string()) {
      return item["template"].get<std::string>();
    }
  }
  return std::nullopt;
}

// eos_token_id is an id or a list of ids, and in some configurations null.
void add_end_tokens(const Json& config, size_t vocabulary, std::vector<text::TokenId>& ends) {
  const auto found = config.find("eos_token_id");
  if (!config.is_object() || found == config.end()) return;
  const auto add = [&](const Json& value) {
    if (!value.is_number_integer()) return;
    const auto id = value.get<int64_t>();
    if (id >= 0 && id < static_cast<int64_t>(vocabulary)) {
      ends.push_back(static_cast<text::TokenId>(id));
    }
  };
  if (found->is_array()) {
    for (const Json& value : *found) add(value);
  } else {
    add(*found);
  }
}

struct Found {
  std::shared_ptr<const text::Tokenizer> tokenizer;
  std::optional<std::string> chat_template;
  std::vector<text::TokenId> end_tokens;
  std::string licence;
};

Result<Found> read_gguf(const std::string& path) {
  MARU_ASSIGN_OR_RETURN(const formats::GgufFile file, formats::GgufFile::open(path));
  auto tokenizer = text::Tokenizer::from_gguf(file);
  if (!tokenizer) return in_file(std::move(tokenizer).error(), path);
  Found found;
  found.tokenizer = *std::move(tokenizer);
  if (const auto source = file.get_string("tokenizer.chat_template")) found.chat_template = *source;
  if (const auto licence = file.get_string("general.license")) found.licence = *licence;
  return found;
}

Result<std::optional<std::string>> template_of_folder(const std::string& folder) {
  MARU_ASSIGN_OR_RETURN(auto source,
                        read_optional(folder + "/chat_template.jinja", kMaxTemplateBytes));
  if (source) return source;
  MARU_ASSIGN_OR_RETURN(const Json config, read_optional_json(folder + "/tokenizer_config.json"));
  if (!config.is_object() || !config.contains("chat_template")) return source;
  return template_of(config["chat_template"]);
}

Result<Found> read_folder(const std::string& folder) {
  Found found;
  auto tokenizer = text::Tokenizer::from_json_file(folder + "/tokenizer.json");
  if (!tokenizer) return std::move(tokenizer).error();
  found.tokenizer = *std::move(tokenizer);
  const size_t size = found.tokenizer->size();

  MARU_ASSIGN_OR_RETURN(found.chat_template, template_of_folder(folder));
  for (const char* file : {"/generation_config.json", "/config.json"}) {
    MARU_ASSIGN_OR_RETURN(const Json config, read_optional_json(folder + file));
    if (config.is_object()) add_end_tokens(config, size, found.end_tokens);
  }
  MARU_ASSIGN_OR_RETURN(const auto card, read_optional(folder + "/README.md", kMaxTemplateBytes));
  if (card) {
    const auto licences = front_matter(*card, "license");
    if (!licences.empty()) found.licence = licences.front();
  }
  return found;
}

Result<std::string> default_template_source(const std::string& name) {
  if (const char* source = find_builtin_template(name)) return std::string(source);
  auto text = read_file(name, kMaxTemplateBytes);
  if (!text) {
    Error error = std::move(text).error();
    error.message = "default_chat_template: " + error.message;
    error.hint = "name a built-in template (chatml, plain) or a file";
    return error;
  }
  return text;
}

}  // namespace

const char* find_builtin_template(const std::string& name) {
  if (name == "chatml") return kChatml;
  if (name == "plain") return kPlain;
  return nullptr;
}

Result<std::shared_ptr<const text::Tokenizer>> load_tokenizer(const ModelLocation& location) {
  if (location.kind == ModelKind::kGguf) {
    MARU_ASSIGN_OR_RETURN(Found found, read_gguf(location.path));
    return std::move(found.tokenizer);
  }
  const bool is_file = location.path.ends_with(".json");
  auto tokenizer =
      text::Tokenizer::from_json_file(is_file ? location.path : location.path + "/tokenizer.json");
  if (!tokenizer) return std::move(tokenizer).error();
  return std::shared_ptr<const text::Tokenizer>(*std::move(tokenizer));
}

Status check_vocabulary(const ModelLocation& location, const text::Tokenizer& tokenizer,
                        uint32_t vocab_size) {
  for (size_t id = vocab_size; id < tokenizer.size(); ++id) {
    const auto token = static_cast<text::TokenId>(id);
    if (tokenizer.is_control(token) || tokenizer.token_text(token).empty()) continue;
    return Error{
        ErrorCode::kCorrupt,
        fmt::format("{}: the tokenizer's token {} ('{}') has no row in the embedding of {}",
                    location.path, id, tokenizer.token_text(token), vocab_size),
        "the tokenizer must be the model's own: take both from the same origin"};
  }
  return {};
}

Result<std::string> read_template_source(const ModelLocation& location) {
  if (location.kind != ModelKind::kGguf) {
    MARU_ASSIGN_OR_RETURN(auto source, template_of_folder(location.path));
    return source.value_or("");
  }
  MARU_ASSIGN_OR_RETURN(const formats::GgufFile file, formats::GgufFile::open(location.path));
  return std::string(file.get_string("tokenizer.chat_template").value_or(""));
}

Result<ModelText> load_model_text(const ModelLocation& location,
                                  const std::string& default_template) {
  MARU_ASSIGN_OR_RETURN(Found found, location.kind == ModelKind::kGguf
                                         ? read_gguf(location.path)
                                         : read_folder(location.path));
  ModelText out;
  out.tokenizer = std::move(found.tokenizer);
  out.licence = std::move(found.licence);
  out.end_tokens = out.tokenizer->end_tokens();
  out.end_tokens.insert(out.end_tokens.end(), found.end_tokens.begin(), found.end_tokens.end());
  std::sort(out.end_tokens.begin(), out.end_tokens.end());
  out.end_tokens.erase(std::unique(out.end_tokens.begin(), out.end_tokens.end()),
                       out.end_tokens.end());

  std::string source;
  if (found.chat_template) {
    source = *std::move(found.chat_template);
    out.template_origin = "model";
  } else if (!default_template.empty()) {
    MARU_ASSIGN_OR_RETURN(source, default_template_source(default_template));
    out.template_origin = default_template;
  } else {
    return out;
  }
  auto compiled = text::ChatTemplate::compile(source);
  if (!compiled) {
    return in_file(std::move(compiled).error(),
                   fmt::format("chat template of {} ({})", location.name, out.template_origin));
  }
  out.chat_template = std::make_shared<const text::ChatTemplate>(*std::move(compiled));
  return out;
}

}  // namespace maru::service
