#include "service/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <span>
#include <string_view>
#include <variant>

#include "base/files.h"
#include "service/model_settings.h"
#include "service/toml_file.h"

namespace maru::service {
namespace {

constexpr uint32_t kMaxPort = 65535;
constexpr size_t kMaxConfigBytes = size_t{1} << 20;

using TextMember = std::string Settings::*;
using NumberMember = uint32_t Settings::*;
using ListMember = std::vector<std::string> Settings::*;

struct KeySpec {
  SettingKey key;
  std::variant<TextMember, NumberMember, ListMember> member;
  uint32_t min = 0, max = 0;                   // of numbers
  std::vector<std::string_view> choices = {};  // of texts; empty: anything
};

const std::vector<KeySpec>& specs() {
  static const std::vector<KeySpec> table = {
      {{"model", "model to use: a GGUF file, a Hugging Face folder or a name in the data folder",
        false},
       &Settings::model},
      {{"host", "address to listen on", false}, &Settings::host},
      {{"port", "TCP port to listen on (0: any free one)", false}, &Settings::port, 0, kMaxPort},
      {{"threads", "threads of the engine (0: one for each CPU)", false},
       &Settings::threads,
       0,
       1024},
      {{"context", "tokens that one request may use, prompt and answer (0: the model's own)",
        false},
       &Settings::context,
       0,
       1U << 24},
      {{"kv_type", "number format of the KV cache: f16, q8_0 or f32", false},
       &Settings::kv_type,
       0,
       0,
       {"f16", "q8_0", "f32"}},
      {{"precision",
        "of products: standard, or high, nearly that of float32 activations but slower", false},
       &Settings::precision,
       0,
       0,
       {"standard", "high"}},
      {{"kv_memory_mib", "memory of the KV cache in MiB (0: by the memory that is free)", false},
       &Settings::kv_memory_mib,
       0,
       1U << 24},
      {{"packed_cache", "keep packed weights in the data folder for later starts: on or off",
        false},
       &Settings::packed_cache,
       0,
       0,
       {"on", "off"}},
      {{"prefix_cache_disk_mib",
        "disk space for prompts that a restarted server need not read again, in MiB (0: none)",
        false},
       &Settings::prefix_cache_disk_mib,
       0,
       1U << 30},
      {{"max_running", "requests that are computed at the same time", false},
       &Settings::max_running,
       1,
       1024},
      {{"speculation", "guess tokens ahead from earlier text: lookup or off", false},
       &Settings::speculation,
       0,
       0,
       {"lookup", "off"}},
      {{"draft_model",
        "a small model with the same tokenizer that guesses tokens for the large one (path or "
        "name)",
        false},
       &Settings::draft_model},
      {{"embedding_model", "the model of /v1/embeddings, of the BERT family (path or name)", false},
       &Settings::embedding_model},
      {{"rerank_model",
        "the model of /v1/rerank: a BERT with one label for pairs of texts (path or name)", false},
       &Settings::rerank_model},
      {{"idle_minutes",
        "a model that nobody used for so long is unloaded; the default one never (0: none is)",
        false},
       &Settings::idle_minutes,
       0,
       60 * 24 * 365},
      {{"max_waiting", "requests that may wait; more get status 429", false},
       &Settings::max_waiting,
       1,
       1U << 20},
      {{"keys", "API keys of members without an account", true}, &Settings::keys},
      {{"allowed_hosts", "Host values to answer, beside this machine's own names", false},
       &Settings::allowed_hosts},
      {{"allowed_origins", "web origins that may call the API", false}, &Settings::allowed_origins},
      {{"database_url",
        "URL of a PostgreSQL database, postgresql://... (empty: maru.db in the data folder)", true},
       &Settings::database_url},
      {{"secure_cookies",
        "sessions' cookies are sent over https only: on, or auto, if the login came by https",
        false},
       &Settings::secure_cookies,
       0,
       0,
       {"auto", "on"}},
      {{"prefix_sharing",
        "who shares the cache of prompts: user (each their own) or organisation (all)", false},
       &Settings::prefix_sharing,
       0,
       0,
       {"user", "organisation"}},
      {{"currency", "name of the currency of prices and costs", false}, &Settings::currency},
      {{"log_level", "debug, info, warning, error or off", false},
       &Settings::log_level,
       0,
       0,
       {"debug", "info", "warning", "error", "off"}},
      {{"default_chat_template", "chat template of models that have none: chatml, plain or a file",
        false},
       &Settings::default_chat_template},
      {{"egress_hosts",
        "hosts that Maru may contact by itself: a name, name:port or *.domain (the hub and its "
        "storage)",
        false},
       &Settings::egress_hosts},
      {{"trusted_keys", "public keys of those whose bundles may be imported", false},
       &Settings::trusted_keys},
      {{"lang", "language of terminal texts: en or ko (empty: by the locale)", false},
       &Settings::lang,
       0,
       0,
       {"", "en", "ko"}},
  };
  return table;
}

const char* type_name(const KeySpec& spec) {
  switch (spec.member.index()) {
    case 0: return "a text";
    case 1: return "a whole number";
    default: return "a list of texts";
  }
}

std::string known_keys() {
  std::string names;
  for (const KeySpec& spec : specs()) {
    if (!names.empty()) names += ", ";
    names += spec.key.name;
  }
  return names;
}

Error bad_value(const KeySpec& spec, const std::string& origin, const std::string& what) {
  return {ErrorCode::kInvalidArgument, fmt::format("{}: {} {}", origin, spec.key.name, what),
          fmt::format("{}: {}", spec.key.name, spec.key.help), spec.key.name};
}

// One place that knows ranges and choices, whichever way a value came in.
Status store(const KeySpec& spec, const TomlValue& value, const std::string& origin,
             Settings& settings) {
  if (const auto* member = std::get_if<NumberMember>(&spec.member)) {
    const auto* number = std::get_if<int64_t>(&value);
    if (number == nullptr) return bad_value(spec, origin, "must be a whole number");
    if (*number < int64_t{spec.min} || *number > int64_t{spec.max}) {
      return bad_value(spec, origin,
                       fmt::format("must be {} to {}, not {}", spec.min, spec.max, *number));
    }
    settings.*(*member) = static_cast<uint32_t>(*number);
    return {};
  }
  if (const auto* member = std::get_if<ListMember>(&spec.member)) {
    const auto* list = std::get_if<std::vector<std::string>>(&value);
    if (list == nullptr) return bad_value(spec, origin, "must be a list of texts");
    if (std::find(list->begin(), list->end(), "") != list->end()) {
      return bad_value(spec, origin, "holds an empty text");
    }
    settings.*(*member) = *list;
    return {};
  }
  const auto* text = std::get_if<std::string>(&value);
  if (text == nullptr) return bad_value(spec, origin, fmt::format("must be {}", type_name(spec)));
  if (!spec.choices.empty() &&
      std::find(spec.choices.begin(), spec.choices.end(), *text) == spec.choices.end()) {
    std::string names;
    for (const std::string_view choice : spec.choices) {
      names += fmt::format("{}\"{}\"", names.empty() ? "" : ", ", choice);
    }
    return bad_value(spec, origin, fmt::format("must be one of {}, not \"{}\"", names, *text));
  }
  settings.*std::get<TextMember>(spec.member) = *text;
  return {};
}

// Flags and environment are text: lists are separated by commas, numbers are decimal.
Result<TomlValue> parse_text(const KeySpec& spec, const std::string& text,
                             const std::string& origin) {
  if (std::holds_alternative<NumberMember>(spec.member)) {
    int64_t number = 0;
    const char* end = text.data() + text.size();
    const auto [stop, code] = std::from_chars(text.data(), end, number);
    if (code != std::errc{} || stop != end) {
      return bad_value(spec, origin, fmt::format("must be a whole number, not \"{}\"", text));
    }
    return TomlValue(number);
  }
  if (std::holds_alternative<ListMember>(spec.member)) {
    std::vector<std::string> items;
    for (size_t begin = 0; begin < text.size();) {
      const size_t end = std::min(text.find(',', begin), text.size());
      items.push_back(text.substr(begin, end - begin));
      begin = end + 1;
    }
    return TomlValue(std::move(items));
  }
  return TomlValue(text);
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

// The first letters tell keys apart without giving them away.
std::string masked(const std::string& secret) {
  constexpr size_t kShown = 3;
  return secret.size() >= 4 * kShown ? secret.substr(0, kShown) + "..." : "...";
}

std::string shown_value(const KeySpec& spec, const Settings& settings) {
  if (const auto* member = std::get_if<NumberMember>(&spec.member)) {
    return std::to_string(settings.*(*member));
  }
  if (const auto* member = std::get_if<TextMember>(&spec.member)) {
    const std::string& text = settings.*(*member);
    return quoted(spec.key.is_secret && !text.empty() ? masked(text) : text);
  }
  std::string out = "[";
  for (const std::string& item : settings.*std::get<ListMember>(spec.member)) {
    if (out.size() > 1) out += ", ";
    out += quoted(spec.key.is_secret ? masked(item) : item);
  }
  return out + "]";
}

std::optional<std::string> process_environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr) return std::nullopt;
  return std::string(value);
}

}  // namespace

struct ConfigLoader {
  const ConfigSources& sources;
  Config config = {};

  std::optional<std::string> environment(const std::string& name) const {
    return sources.environment ? sources.environment(name) : process_environment(name);
  }

  Status set(size_t index, const TomlValue& value, const std::string& origin) {
    MARU_RETURN_IF_ERROR(store(specs()[index], value, origin, config.settings_));
    config.origins_[index] = origin;
    return {};
  }

  Status set_text(size_t index, const std::string& text, const std::string& origin) {
    MARU_ASSIGN_OR_RETURN(const TomlValue value, parse_text(specs()[index], text, origin));
    return set(index, value, origin);
  }

  static std::optional<size_t> find_key(std::string_view name) {
    for (size_t i = 0; i < specs().size(); ++i) {
      if (name == specs()[i].key.name) return i;
    }
    return std::nullopt;
  }

  Status read_one_file(const std::string& path) {
    MARU_ASSIGN_OR_RETURN(const std::string text, read_file(path, kMaxConfigBytes));
    MARU_ASSIGN_OR_RETURN(const std::vector<TomlEntry> entries, parse_toml(text, path));
    config.file_ = path;
    for (const TomlEntry& entry : entries) {
      const std::string origin = fmt::format("file {}:{}", path, entry.line);
      const bool is_table = std::holds_alternative<std::monostate>(entry.value);
      if (entry.tables.empty() && entry.key == "models" && is_table) continue;
      if (!entry.tables.empty() && entry.tables.front() == "models") {
        MARU_RETURN_IF_ERROR(store_model_setting(entry, origin, config.settings_.models));
        continue;
      }
      const auto index = entry.tables.empty() ? find_key(entry.key) : std::nullopt;
      if (!index) {
        const std::string& key = entry.tables.empty() ? entry.key : entry.tables.front();
        return Error{ErrorCode::kInvalidArgument,
                     fmt::format("{}: unknown key \"{}\"", origin, key),
                     "known keys: " + known_keys() + ", and tables [models.NAME]", key};
      }
      MARU_RETURN_IF_ERROR(set(*index, entry.value, origin));
    }
    return check_model_settings(config.settings_.models, path);
  }

  Status read_files() {
    if (!sources.file.empty()) return read_one_file(sources.file);
    if (const auto path = environment("MARU_CONFIG"); path && !path->empty()) {
      return read_one_file(*path);
    }
    for (const std::string& path : {std::string("maru.toml"), data_folder() + "/maru.toml"}) {
      auto status = read_one_file(path);
      if (status || status.error().code != ErrorCode::kNotFound) return status;
    }
    return {};
  }

  Result<Config> load() {
    config.origins_.assign(specs().size(), "default");
    MARU_RETURN_IF_ERROR(read_files());
    for (size_t i = 0; i < specs().size(); ++i) {
      const std::string name = setting_environment(specs()[i].key.name);
      if (const auto text = environment(name)) {
        MARU_RETURN_IF_ERROR(set_text(i, *text, "environment " + name));
      }
    }
    for (const auto& [name, text] : sources.flags) {
      const auto index = find_key(name);
      MARU_CHECK(index.has_value());
      MARU_RETURN_IF_ERROR(set_text(*index, text, "flag " + setting_flag(name)));
    }
    return std::move(config);
  }
};

Result<Config> Config::load(const ConfigSources& sources) { return ConfigLoader{sources}.load(); }

std::vector<SettingRow> Config::rows() const {
  std::vector<SettingRow> rows;
  for (size_t i = 0; i < specs().size(); ++i) {
    rows.push_back({specs()[i].key.name, shown_value(specs()[i], settings_), origins_[i]});
  }
  for (auto& [name, value] : shown_model_settings(settings_.models)) {
    rows.push_back({std::move(name), std::move(value), "file " + file_});
  }
  return rows;
}

std::string database_location(const Settings& settings) {
  return settings.database_url.empty() ? data_folder() + "/maru.db" : settings.database_url;
}

const std::vector<SettingKey>& setting_keys() {
  static const std::vector<SettingKey> keys = [] {
    std::vector<SettingKey> out;
    for (const KeySpec& spec : specs()) out.push_back(spec.key);
    return out;
  }();
  return keys;
}

std::string setting_flag(const std::string& name) {
  std::string flag = "--" + name;
  std::replace(flag.begin(), flag.end(), '_', '-');
  return flag;
}

std::string setting_environment(const std::string& name) {
  std::string variable = "MARU_" + name;
  std::transform(variable.begin(), variable.end(), variable.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  return variable;
}

}  // namespace maru::service
