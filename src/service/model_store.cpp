#include "service/model_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <system_error>

namespace maru::service {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kGgufSuffix = ".gguf";

bool is_file(const fs::path& path) {
  std::error_code code;
  return fs::is_regular_file(path, code);
}

bool is_folder(const fs::path& path) {
  std::error_code code;
  return fs::is_directory(path, code);
}

std::string name_of(const fs::path& path) {
  // "folder/" has an empty last part.
  fs::path plain = path.lexically_normal();
  if (!plain.has_filename()) plain = plain.parent_path();
  if (plain == "." || plain == ".." || plain.filename() == "..") {
    std::error_code code;
    plain = fs::weakly_canonical(path, code);
  }
  std::string name = plain.filename().string();
  if (name.size() > kGgufSuffix.size() && name.ends_with(kGgufSuffix)) {
    name.resize(name.size() - kGgufSuffix.size());
  }
  return name;
}

// The only GGUF file of a folder, as 'maru pull' leaves it beside its manifest.
std::optional<fs::path> only_gguf(const fs::path& folder) {
  std::optional<fs::path> found;
  std::error_code code;
  for (fs::directory_iterator it(folder, code), end; !code && it != end; it.increment(code)) {
    if (it->path().extension() != kGgufSuffix || !is_file(it->path())) continue;
    if (found) return std::nullopt;
    found = it->path();
  }
  return found;
}

// What lies at `path`, if it is a model.
std::optional<ModelLocation> look(const fs::path& path) {
  if (is_file(path)) {
    const bool is_tokenizer = path.extension() == ".json";
    return ModelLocation{name_of(path), path.string(),
                         is_tokenizer ? ModelKind::kTokenizerOnly : ModelKind::kGguf};
  }
  if (!is_folder(path)) return std::nullopt;
  if (is_file(path / "config.json")) {
    return ModelLocation{name_of(path), path.string(), ModelKind::kHuggingFace};
  }
  if (is_file(path / "tokenizer.json")) {
    return ModelLocation{name_of(path), path.string(), ModelKind::kTokenizerOnly};
  }
  if (const auto gguf = only_gguf(path)) {
    return ModelLocation{name_of(path), gguf->string(), ModelKind::kGguf};
  }
  return std::nullopt;
}

bool is_plain_name(const std::string& model) {
  return !model.empty() && model.find('/') == std::string::npos && model != "." && model != "..";
}

}  // namespace

Result<ModelLocation> ModelStore::find(const std::string& model) const {
  if (auto found = look(model)) return *std::move(found);
  if (is_plain_name(model)) {
    for (const std::string& file : {model + std::string(kGgufSuffix), model}) {
      if (auto found = look(fs::path(folder_) / file)) return *std::move(found);
    }
  }
  if (is_folder(model)) {
    return Error{ErrorCode::kInvalidArgument, fmt::format("the folder {} holds no model", model),
                 "a Hugging Face folder has config.json, tokenizer.json and model.safetensors; "
                 "for a GGUF model name the file itself",
                 "model"};
  }
  std::string names;
  for (const ModelLocation& location : list()) {
    names += (names.empty() ? "" : ", ") + location.name;
  }
  return Error{
      ErrorCode::kNotFound,
      fmt::format("there is no model \"{}\", neither as a path nor in {}", model, folder_),
      names.empty()
          ? fmt::format("'maru pull' brings one in, 'maru recommend' names some; or put a GGUF "
                        "file or a Hugging Face folder into {}",
                        folder_)
          : "models there: " + names,
      "model"};
}

Result<ModelLocation> ModelStore::find_default() const {
  const std::vector<ModelLocation> models = list();
  for (const char* name : {"default", kShippedModel}) {
    const auto found = std::find_if(models.begin(), models.end(),
                                    [&](const ModelLocation& m) { return m.name == name; });
    if (found != models.end()) return *found;
  }
  if (models.size() == 1) return models.front();
  if (models.empty()) {
    return Error{ErrorCode::kNotFound, fmt::format("no model is named and {} holds none", folder_),
                 "name one with --model PATH, or let script/server fetch the default one", "model"};
  }
  std::string names;
  for (const ModelLocation& location : models) names += (names.empty() ? "" : ", ") + location.name;
  return Error{ErrorCode::kNotFound,
               fmt::format("{} holds several models and none is named", folder_),
               fmt::format("choose one with --model or the setting model: {}", names), "model"};
}

Result<ModelLocation> ModelStore::find_or_default(const std::string& model) const {
  return model.empty() ? find_default() : find(model);
}

std::vector<ModelLocation> ModelStore::list() const {
  std::vector<ModelLocation> models;
  std::error_code code;
  for (fs::directory_iterator it(folder_, code), end; !code && it != end; it.increment(code)) {
    const fs::path& path = it->path();
    if (path.filename().string().starts_with('.')) continue;
    if (is_file(path) && path.extension() != kGgufSuffix) continue;
    if (auto found = look(path); found && found->kind != ModelKind::kTokenizerOnly) {
      models.push_back(*std::move(found));
    }
  }
  std::sort(models.begin(), models.end(),
            [](const ModelLocation& a, const ModelLocation& b) { return a.name < b.name; });
  return models;
}

}  // namespace maru::service
