// Settings of the program: one table of typed keys (setting_table.cpp), filled from flags,
// environment (MARU_<KEY>), a TOML file, the server's database and defaults, in this order of
// strength. Every value knows its origin. docs/cli.md is the page for users.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "service/toml_file.h"
#include "store/settings.h"

namespace maru::service {

// One model's own settings: the table [models.NAME] of the file.
struct ModelSettings {
  std::string name;
  std::string path;  // where it is, if not in the data folder
  std::vector<std::string> aliases;
  bool is_pinned = false;                // stays loaded
  uint32_t context = 0;                  // 0: as Settings::context
  std::optional<uint32_t> idle_minutes;  // none: as Settings::idle_minutes
};

struct Settings {
  std::string model;  // path or name; empty: ModelStore::find_default()
  std::string host = "127.0.0.1";
  uint32_t port = 8080;
  uint32_t threads = 0;                    // 0: one for each CPU that this process may use
  uint32_t context = 0;                    // tokens of one request; 0: what the model was made for
  std::string kv_type = "f16";             // "f16", "q8_0" or "f32"
  std::string precision = "standard";      // "standard" or "high"
  uint32_t kv_memory_mib = 0;              // of the KV pool; 0: by the memory that is free
  std::string packed_cache = "on";         // "on" or "off": packed weights kept for later starts
  uint32_t prefix_cache_disk_mib = 4096;   // of prefixes kept over a restart; 0: none
  uint32_t max_running = 16;               // sequences in one step
  std::string speculation = "lookup";      // "lookup" or "off"
  std::string draft_model;                 // path or name of a model that guesses; empty: none
  std::string embedding_model;             // path or name, for /v1/embeddings; empty: none
  std::string rerank_model;                // path or name, for /v1/rerank; empty: none
  uint32_t idle_minutes = 60;              // unused for so long, a model is unloaded; 0: never
  std::vector<ModelSettings> models;       // of [models.NAME], in the order of the file
  uint32_t max_waiting = 64;               // requests in the queue; more are answered 429
  std::vector<std::string> keys;           // API keys of members without an account
  std::vector<std::string> allowed_hosts;  // Host values beside this machine's own names
  std::vector<std::string> allowed_origins;  // Origin values of web pages that may call the API
  std::string database_url;             // "postgresql://..."; empty: maru.db in the data folder
  std::string secure_cookies = "auto";  // "on": sessions' cookies are for https only; "auto": if so
  std::string prefix_sharing = "user";  // who shares cached prefixes: "user" or "organisation"
  std::string currency = "usd";         // of prices and costs: a name, nothing is converted
  std::string log_level = "info";
  std::string default_chat_template;  // for models without one: a built-in name or a file
  // Hosts that Maru may contact by itself (net/egress.h); 'maru pull' asks no other.
  std::vector<std::string> egress_hosts = {"huggingface.co", "*.huggingface.co", "*.hf.co"};
  std::vector<std::string> trusted_keys;  // whose bundles are imported: "ed25519:..."
  std::string lang;                       // of terminal texts: "en", "ko"; empty: by LC_ALL, LANG
};

// monostate: of no type that a setting has.
using SettingValue = TomlValue;

enum class SettingKind : uint8_t { kNumber, kText, kChoice, kModel, kList };
// Where they stand on the page.
enum class SettingGroup : uint8_t { kModels, kMemory, kSpeed, kSecurity, kPrices, kServer };
// What the page may do about a key.
enum class OnPage : uint8_t {
  kShown,      // nothing
  kNextStart,  // set it; a running server takes it at its next start
  kAtOnce,     // set it; a running server takes it at once
};

// What is known of one key, for help texts, `maru config` and the page.
struct SettingKey {
  const char* name;  // in the file; MARU_<NAME> in the environment; --<name with dashes> as a flag
  const char* help;  // one line
  SettingKind kind = SettingKind::kText;
  SettingGroup group = SettingGroup::kServer;
  OnPage on_page = OnPage::kShown;
  bool is_secret = false;  // shown masked; never a flag, because every user of a machine sees those
  uint32_t min = 0, max = 0;              // of numbers
  std::vector<std::string> choices = {};  // of texts; empty: anything
};

struct SettingRow {
  std::string name;
  std::string value;  // as TOML; secrets masked
  // "default", "database", "file PATH:LINE", "environment MARU_PORT", "flag --port"
  std::string origin;
};

// One that is kept in the database and not in force, and why.
struct IgnoredSetting {
  std::string name;
  std::string reason;
};

// Whether there is a model of that name for that key; empty: it is not asked.
using IsModel = std::function<bool(const std::string& key, const std::string& model)>;

inline constexpr const char* kDefaultOrigin = "default";
inline constexpr const char* kDatabaseOrigin = "database";

struct ConfigSources {
  std::string file;  // --config; empty: $MARU_CONFIG, ./maru.toml or <data folder>/maru.toml
  std::vector<std::pair<std::string, std::string>> flags;                     // key name -> text
  std::function<std::optional<std::string>(const std::string&)> environment;  // null: the process's
};

class Config {
 public:
  // Errors: kNotFound (a file named on purpose is not there), kInvalidArgument (an unknown key, a
  // wrong type, a value out of range, with the file's line, the variable or the flag).
  static Result<Config> load(const ConfigSources& sources);

  // Takes what is kept in the database where nothing stronger decides. What is not valid any more
  // is left aside, never an error: a server starts without it.
  std::vector<IgnoredSetting> take_stored(const std::vector<store::StoredSetting>& stored,
                                          const IsModel& is_model);

  // Takes the values and origins of `which` keys from `other`.
  void copy(const Config& other, const std::function<bool(const SettingKey&)>& which);

  const Settings& settings() const { return settings_; }
  // The file that was read; empty if none.
  const std::string& file() const { return file_; }
  // Every key in the table's order.
  std::vector<SettingRow> rows() const;
  // Of a key of the table; secrets masked.
  SettingValue value(const std::string& name) const;
  const std::string& origin(const std::string& name) const;

 private:
  friend struct ConfigLoader;
  Settings settings_;
  std::string file_;
  std::vector<std::string> origins_;  // in the table's order
};

// What store::Database::open() takes: the URL that is set, or the path of the data folder's file.
std::string database_location(const Settings& settings);

const std::vector<SettingKey>& setting_keys();
// The largest number that may be kept in the database: no more threads than the machine has.
uint32_t most_stored(const SettingKey& key);
std::string setting_flag(const std::string& name);         // "kv_type" -> "--kv-type"
std::string setting_environment(const std::string& name);  // "kv_type" -> "MARU_KV_TYPE"

}  // namespace maru::service
