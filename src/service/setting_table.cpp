#include "service/setting_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <span>
#include <thread>

#include "service/accounts.h"

namespace maru::service {
namespace {

constexpr uint32_t kMaxPort = 65535;
constexpr uint32_t kMaxThreads = 1024;
constexpr size_t kMaxStoredBytes = 255;

struct Head {
  const char* name;
  const char* help;
  SettingGroup group;
  OnPage on_page;
};

SettingKey key_of(const Head& head, SettingKind kind) {
  return {.name = head.name,
          .help = head.help,
          .kind = kind,
          .group = head.group,
          .on_page = head.on_page};
}

KeySpec number(const Head& head, NumberMember member, uint32_t min, uint32_t max) {
  SettingKey key = key_of(head, SettingKind::kNumber);
  key.min = min;
  key.max = max;
  return {std::move(key), member};
}

KeySpec choice(const Head& head, TextMember member, std::vector<std::string> choices) {
  SettingKey key = key_of(head, SettingKind::kChoice);
  key.choices = std::move(choices);
  return {std::move(key), member};
}

KeySpec text(const Head& head, TextMember member) {
  return {key_of(head, SettingKind::kText), member};
}
KeySpec model(const Head& head, TextMember member) {
  return {key_of(head, SettingKind::kModel), member};
}
KeySpec list(const Head& head, ListMember member) {
  return {key_of(head, SettingKind::kList), member};
}

KeySpec secret(KeySpec spec) {
  spec.key.is_secret = true;
  return spec;
}

// The page only shows what might let people in, lock all out, open files or widen what leaves the
// house: who stole an administrator's session must not get further than that session.
std::vector<KeySpec> make_table() {
  using enum SettingGroup;
  using enum OnPage;
  return {
      model(
          {"model", "model to use: a GGUF file, a Hugging Face folder or a name in the data folder",
           kModels, kNextStart},
          &Settings::model),
      text({"host", "address to listen on", kServer, kShown}, &Settings::host),
      number({"port", "TCP port to listen on (0: any free one)", kServer, kShown}, &Settings::port,
             0, kMaxPort),
      number({"threads", "threads of the engine (0: one for each CPU)", kSpeed, kNextStart},
             &Settings::threads, 0, kMaxThreads),
      number({"context", "tokens that one request may use, prompt and answer (0: the model's own)",
              kMemory, kNextStart},
             &Settings::context, 0, 1U << 24),
      choice({"kv_type", "number format of the KV cache: f16, q8_0 or f32", kMemory, kNextStart},
             &Settings::kv_type, {"f16", "q8_0", "f32"}),
      choice({"precision",
              "of products: standard, or high, nearly that of float32 activations but slower",
              kSpeed, kNextStart},
             &Settings::precision, {"standard", "high"}),
      number({"kv_memory_mib", "memory of the KV cache in MiB (0: by the memory that is free)",
              kMemory, kNextStart},
             &Settings::kv_memory_mib, 0, 1U << 24),
      choice({"packed_cache", "keep packed weights in the data folder for later starts: on or off",
              kMemory, kNextStart},
             &Settings::packed_cache, {"on", "off"}),
      number(
          {"prefix_cache_disk_mib",
           "disk space for prompts that a restarted server need not read again, in MiB (0: none)",
           kMemory, kNextStart},
          &Settings::prefix_cache_disk_mib, 0, 1U << 30),
      number({"max_running", "requests that are computed at the same time", kSpeed, kNextStart},
             &Settings::max_running, 1, 1024),
      choice({"speculation", "guess tokens ahead from earlier text: lookup or off", kSpeed,
              kNextStart},
             &Settings::speculation, {"lookup", "off"}),
      model({"draft_model",
             "a small model with the same tokenizer that guesses tokens for the large one (path or "
             "name)",
             kModels, kNextStart},
            &Settings::draft_model),
      model({"embedding_model", "the model of /v1/embeddings, of the BERT family (path or name)",
             kModels, kNextStart},
            &Settings::embedding_model),
      model({"rerank_model",
             "the model of /v1/rerank: a BERT with one label for pairs of texts (path or name)",
             kModels, kNextStart},
            &Settings::rerank_model),
      number({"idle_minutes",
              "a model that nobody used for so long is unloaded; the default one never (0: none "
              "is)",
              kModels, kAtOnce},
             &Settings::idle_minutes, 0, 60 * 24 * 365),
      number({"max_waiting", "requests that may wait; more get status 429", kSpeed, kNextStart},
             &Settings::max_waiting, 1, 1U << 20),
      secret(list({"keys", "API keys of members without an account", kServer, kShown},
                  &Settings::keys)),
      list({"allowed_hosts", "Host values to answer, beside this machine's own names", kServer,
            kShown},
           &Settings::allowed_hosts),
      list({"allowed_origins", "web origins that may call the API", kServer, kShown},
           &Settings::allowed_origins),
      secret(text({"database_url",
                   "URL of a PostgreSQL database, postgresql://... (empty: maru.db in the data "
                   "folder)",
                   kServer, kShown},
                  &Settings::database_url)),
      choice({"secure_cookies",
              "sessions' cookies are sent over https only: on, or auto, if the login came by https",
              kSecurity, kShown},
             &Settings::secure_cookies, {"auto", "on"}),
      choice({"prefix_sharing",
              "who shares the cache of prompts: user (each their own) or organisation (all)",
              kSecurity, kNextStart},
             &Settings::prefix_sharing, {"user", "organisation"}),
      text({"currency", "name of the currency of prices and costs", kPrices, kAtOnce},
           &Settings::currency),
      choice({"log_level", "debug, info, warning, error or off", kPrices, kAtOnce},
             &Settings::log_level, {"debug", "info", "warning", "error", "off"}),
      text({"default_chat_template",
            "chat template of models that have none: chatml, plain or a file", kServer, kShown},
           &Settings::default_chat_template),
      list({"egress_hosts",
            "hosts that Maru may contact by itself: a name, name:port or *.domain (the hub and its "
            "storage)",
            kServer, kShown},
           &Settings::egress_hosts),
      list({"trusted_keys", "public keys of those whose bundles may be imported", kServer, kShown},
           &Settings::trusted_keys),
      choice(
          {"lang", "language of terminal texts: en or ko (empty: by the locale)", kServer, kShown},
          &Settings::lang, {"", "en", "ko"}),
  };
}

Error bad_value(const KeySpec& spec, const std::string& origin, const std::string& what,
                Reason reason = {}) {
  return {ErrorCode::kInvalidArgument,
          fmt::format("{}{}{} {}", origin, origin.empty() ? "" : ": ", spec.key.name, what),
          fmt::format("{}: {}", spec.key.name, spec.key.help), spec.key.name, std::move(reason)};
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
  constexpr size_t kShownLetters = 3;
  return secret.size() >= 4 * kShownLetters ? secret.substr(0, kShownLetters) + "..." : "...";
}

}  // namespace

const std::vector<KeySpec>& setting_specs() {
  static const std::vector<KeySpec> table = make_table();
  return table;
}

std::optional<size_t> find_setting(std::string_view name) {
  for (size_t i = 0; i < setting_specs().size(); ++i) {
    if (name == setting_specs()[i].key.name) return i;
  }
  return std::nullopt;
}

Status store_setting(const KeySpec& spec, const SettingValue& value, const std::string& origin,
                     Settings& settings) {
  const SettingKey& key = spec.key;
  if (const auto* member = std::get_if<NumberMember>(&spec.member)) {
    const auto* number = std::get_if<int64_t>(&value);
    if (number == nullptr) return bad_value(spec, origin, "must be a whole number");
    if (*number < int64_t{key.min} || *number > int64_t{key.max}) {
      return bad_value(
          spec, origin, fmt::format("must be {} to {}, not {}", key.min, key.max, *number),
          Reason{"out_of_range", {{"field", key.name}, {"low", key.min}, {"high", key.max}}});
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
  if (text == nullptr) return bad_value(spec, origin, "must be a text");
  if (!key.choices.empty() &&
      std::find(key.choices.begin(), key.choices.end(), *text) == key.choices.end()) {
    std::string names;
    for (const std::string& choice : key.choices) {
      names += fmt::format("{}\"{}\"", names.empty() ? "" : ", ", choice);
    }
    return bad_value(spec, origin, fmt::format("must be one of {}, not \"{}\"", names, *text));
  }
  settings.*std::get<TextMember>(spec.member) = *text;
  return {};
}

Status check_stored_setting(const KeySpec& spec, const SettingValue& value) {
  if (spec.key.on_page == OnPage::kShown) {
    return bad_value(spec, "", "can be set in the file only");
  }
  const auto* text = std::get_if<std::string>(&value);
  if (text != nullptr && text->size() > kMaxStoredBytes) {
    return bad_value(spec, "", fmt::format("must be at most {} bytes long", kMaxStoredBytes));
  }
  Settings unused;
  MARU_RETURN_IF_ERROR(store_setting(spec, value, "", unused));
  if (spec.key.kind == SettingKind::kText) {
    MARU_RETURN_IF_ERROR(check_title(*text, spec.key.name));
  }
  if (spec.key.kind == SettingKind::kModel &&
      (text->empty() || text->find('/') != std::string::npos)) {
    return bad_value(spec, "", "must be the name of a model in the data folder, not a path");
  }
  const auto* n = std::get_if<int64_t>(&value);
  if (n != nullptr && *n > int64_t{most_stored(spec.key)}) {
    return bad_value(
        spec, "",
        fmt::format("must be at most {} on this machine, not {}", most_stored(spec.key), *n),
        Reason{"out_of_range",
               {{"field", spec.key.name}, {"low", spec.key.min}, {"high", most_stored(spec.key)}}});
  }
  return {};
}

Result<SettingValue> parse_setting(const KeySpec& spec, const std::string& text,
                                   const std::string& origin) {
  if (std::holds_alternative<NumberMember>(spec.member)) {
    int64_t number = 0;
    const char* end = text.data() + text.size();
    const auto [stop, code] = std::from_chars(text.data(), end, number);
    if (code != std::errc{} || stop != end) {
      return bad_value(spec, origin, fmt::format("must be a whole number, not \"{}\"", text));
    }
    return SettingValue(number);
  }
  if (std::holds_alternative<ListMember>(spec.member)) {
    std::vector<std::string> items;
    for (size_t begin = 0; begin < text.size();) {
      const size_t end = std::min(text.find(',', begin), text.size());
      items.push_back(text.substr(begin, end - begin));
      begin = end + 1;
    }
    return SettingValue(std::move(items));
  }
  return SettingValue(text);
}

SettingValue read_setting(const KeySpec& spec, const Settings& settings) {
  if (const auto* member = std::get_if<NumberMember>(&spec.member)) {
    return SettingValue(int64_t{settings.*(*member)});
  }
  if (const auto* member = std::get_if<TextMember>(&spec.member)) {
    const std::string& text = settings.*(*member);
    return SettingValue(spec.key.is_secret && !text.empty() ? masked(text) : text);
  }
  std::vector<std::string> list = settings.*std::get<ListMember>(spec.member);
  if (spec.key.is_secret) {
    for (std::string& item : list) item = masked(item);
  }
  return SettingValue(std::move(list));
}

std::string print_setting(const SettingValue& value) {
  if (const auto* number = std::get_if<int64_t>(&value)) return std::to_string(*number);
  if (const auto* text = std::get_if<std::string>(&value)) return quoted(*text);
  if (const auto* truth = std::get_if<bool>(&value)) return *truth ? "true" : "false";
  std::string out = "[";
  if (const auto* list = std::get_if<std::vector<std::string>>(&value)) {
    for (const std::string& item : *list) out += (out.size() > 1 ? ", " : "") + quoted(item);
  }
  return out + "]";
}

uint32_t most_stored(const SettingKey& key) {
  if (std::string_view(key.name) != "threads") return key.max;
  return std::min(key.max, std::max(1U, std::thread::hardware_concurrency()));
}

const std::vector<SettingKey>& setting_keys() {
  static const std::vector<SettingKey> keys = [] {
    std::vector<SettingKey> out;
    for (const KeySpec& spec : setting_specs()) out.push_back(spec.key);
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
