// Inside service only: the tables [models.NAME] of the settings file.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "service/config.h"
#include "service/toml_file.h"

namespace maru::service {

// Takes one entry of a table [models.NAME]; `origin` is its place. Errors: kInvalidArgument.
Status store_model_setting(const TomlEntry& entry, const std::string& origin,
                           std::vector<ModelSettings>& models);

// No alias may mean two models. Errors: kInvalidArgument.
Status check_model_settings(const std::vector<ModelSettings>& models, const std::string& file);

// "models.NAME.pinned" and its value, for every value that is set.
std::vector<std::pair<std::string, std::string>> shown_model_settings(
    const std::vector<ModelSettings>& models);

}  // namespace maru::service
