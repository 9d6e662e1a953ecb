// The settings of a running server, and those that are kept in its database: what is in force, what
// waits for the next start, and changes. Glossary: stored setting.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "service/audit.h"
#include "service/config.h"

namespace maru::service {

// One key as it is now.
struct SettingView {
  const SettingKey* key = nullptr;  // of the table, which lives for good
  SettingValue value;               // in force; secrets masked
  SettingValue default_value;
  std::string origin;                       // of `value`, as in SettingRow
  std::vector<std::string> choices;         // of choices; of models that may be set
  bool is_editable = false;                 // the page may set it, and nothing stronger decides
  std::optional<SettingValue> stored = {};  // what is kept in the database, in force or not
  std::optional<SettingValue> next = {};  // from the next start on, where that differs from `value`
};

struct SettingsView {
  std::vector<SettingView> settings;    // in the table's order
  std::vector<IgnoredSetting> ignored;  // kept, but not in force
};

// none: back to what it would be if the page had never set it.
using SettingChanges = std::map<std::string, std::optional<SettingValue>>;

// Names in the data folder that a key may have.
using ModelNames = std::function<std::vector<std::string>(const std::string& key)>;

// Thread-safe. Waits for the disk.
class ServerSettings {
 public:
  // `base`: of flags, environment and file. What it holds is in force until load().
  ServerSettings(std::shared_ptr<AuditLog> log, Config base, ModelNames models);

  // Takes into force what is kept; what can't be is logged, with how to mend it. Errors: those of
  // the store.
  Status load();
  // The server could not start: `error`. Puts what is kept for models, memory and speed aside and
  // logs so; false if none of it was in force.
  bool put_engine_aside(const Error& error);
  Config in_force() const;
  // After every change, one call at a time: for keys of OnPage::kAtOnce. To be set before others
  // know of this object.
  void on_change(std::function<void(const Settings&)> apply) { apply_ = std::move(apply); }

  Result<SettingsView> list() const;
  // All or none, recorded by `actor` with old and new values. Errors: kInvalidArgument (no such
  // setting, or a value that it can't have) and kConflict (something stronger decides), with
  // `param`.
  Status change(const std::string& actor, const SettingChanges& changes);

 private:
  Result<std::vector<store::StoredSetting>> read_stored() const;
  bool is_model(const std::string& key, const std::string& model) const;
  Status check(const std::string& name, const SettingValue& value) const;
  void take_at_once(const SettingChanges& changes, const std::vector<store::StoredSetting>& stored);

  std::shared_ptr<AuditLog> log_;
  const Config base_;
  const ModelNames models_;
  std::function<void(const Settings&)> apply_ = [](const Settings&) {};
  std::mutex change_mutex_;  // one change after the other
  mutable std::mutex mutex_;
  Config in_force_;
  std::vector<IgnoredSetting> aside_;  // by put_engine_aside()
};

}  // namespace maru::service
