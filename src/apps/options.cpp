#include "apps/options.h"

#include <CLI/CLI.hpp>

#include "base/check.h"
#include "service/config.h"

namespace maru::apps {

void Options::argument(const std::string& name, std::string& target, const std::string& help,
                       bool is_required) {
  app_.add_option(name, target, help)->required(is_required);
}

void Options::text(const std::string& names, std::string& target, const std::string& help,
                   bool is_required) {
  app_.add_option(names, target, help)->required(is_required);
}

void Options::number(const std::string& names, uint32_t& target, uint32_t min, uint32_t max,
                     const std::string& help) {
  app_.add_option(names, target, help)->check(CLI::Range(min, max))->capture_default_str();
}

void Options::real(const std::string& names, float& target, float min, float max,
                   const std::string& help) {
  app_.add_option(names, target, help)->check(CLI::Range(min, max))->capture_default_str();
}

void Options::toggle(const std::string& names, bool& target, const std::string& help) {
  app_.add_flag(names, target, help);
}

void Options::setting(const std::string& key, const std::string& extra_names) {
  for (const service::SettingKey& known : service::setting_keys()) {
    if (known.name != key) continue;
    MARU_CHECK(!known.is_secret);
    const std::string names =
        (extra_names.empty() ? "" : extra_names + ",") + service::setting_flag(key);
    const auto keep = [&settings = settings_, key](const std::string& text) {
      settings.emplace_back(key, text);
    };
    // The last one counts, so that a script's flags can be overridden.
    app_.add_option_function<std::string>(names, keep, known.help)->take_last();
    return;
  }
  MARU_CHECK(false && "no such setting");
}

void Options::engine_settings() {
  setting("model", "-m");
  setting("threads", "-t");
  setting("context", "-c");
  setting("kv_type");
  setting("precision");
  setting("kv_memory_mib");
  setting("packed_cache");
  setting("default_chat_template");
}

void Options::solo_settings() {
  setting("threads", "-t");
  setting("kv_type");
  setting("precision");
  setting("packed_cache");
}

void Options::examples(const std::string& text) { app_.footer("\nExamples:\n" + text); }

}  // namespace maru::apps
