// Options of one subcommand: the only door to CLI11 (its header is costly to compile). Settings
// (service/config.h) become flags of the same name, so that file, environment and flags agree.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace CLI {
class App;
}

namespace maru::apps {

// Key and text of the settings that were given as flags.
using SettingFlags = std::vector<std::pair<std::string, std::string>>;

// Targets must live until the command has run.
class Options {
 public:
  Options(CLI::App& app, SettingFlags& settings) : app_(app), settings_(settings) {}

  void argument(const std::string& name, std::string& target, const std::string& help,
                bool is_required = true);
  // `names`: "-o,--out".
  void text(const std::string& names, std::string& target, const std::string& help,
            bool is_required = false);
  void number(const std::string& names, uint32_t& target, uint32_t min, uint32_t max,
              const std::string& help);
  void real(const std::string& names, float& target, float min, float max, const std::string& help);
  void toggle(const std::string& names, bool& target, const std::string& help);
  // A setting as a flag; `extra_names`: "-t".
  void setting(const std::string& key, const std::string& extra_names = "");
  // The settings of every command that starts an engine.
  void engine_settings();
  // The settings of every command that drives a model by itself.
  void solo_settings();
  // Shown below the options.
  void examples(const std::string& text);

 private:
  CLI::App& app_;
  SettingFlags& settings_;
};

}  // namespace maru::apps
