// Where models are: MODEL on the command line and in the settings is a path of a GGUF file, of a
// folder that holds one, or of a Hugging Face folder, or a name in the data folder. Reads nothing
// of a model but its place.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace maru::service {

enum class ModelKind {
  kGguf,
  kHuggingFace,    // a folder with config.json
  kTokenizerOnly,  // tokenizer.json, or a folder that holds it and no weights
};

struct ModelLocation {
  std::string name;  // as clients call it: the file's name without ".gguf", or the folder's
  std::string path;  // of the file or folder
  ModelKind kind = ModelKind::kGguf;
};

// The model that script/server fetches; see find_default().
inline constexpr const char* kShippedModel = "SmolLM2-135M-Instruct";

// Thread-safe; looks at the file system anew with every call.
class ModelStore {
 public:
  // `folder`: usually data_folder() + "/models". Need not exist.
  explicit ModelStore(std::string folder) : folder_(std::move(folder)) {}

  // A path wins over a name. Errors: kNotFound (with the names there are), kInvalidArgument (a
  // folder that holds no model).
  Result<ModelLocation> find(const std::string& model) const;

  // The model that is used when none is named: the one called "default" (a link will do), the only
  // one there is, or the shipped one. Errors: kNotFound.
  Result<ModelLocation> find_default() const;

  // find(model), or find_default() if it is empty.
  Result<ModelLocation> find_or_default(const std::string& model) const;

  // Models of the data folder, by name.
  std::vector<ModelLocation> list() const;

  const std::string& folder() const { return folder_; }

 private:
  std::string folder_;
};

}  // namespace maru::service
