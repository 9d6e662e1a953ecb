// Where a model is put together before anybody sees it: a hidden folder beside the models, held by
// one process at a time, that becomes the model by one rename. What a killed process left in it
// serves the next one that wants the same. Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "service/model_manifest.h"
#include "store/file_lock.h"

namespace maru::service {

class ModelStaging {
 public:
  // For the model `name` in `models_folder`, which is made if it is not there. Waits while another
  // process holds the place; `on_wait` is asked meanwhile, false gives up. `plan` says what is to
  // be put together: an older run's files stay only if theirs was the same. Errors:
  // kInvalidArgument (the name), kConflict (given up), those of the disk.
  static Result<std::unique_ptr<ModelStaging>> open(const std::string& models_folder,
                                                    const std::string& name,
                                                    const std::function<bool()>& on_wait);

  // Removes an older run's files unless its plan was the same.
  Status begin(const std::string& plan);

  // Where the file at `inner` (checked) is put; makes its folders. Errors: those of the disk.
  Result<std::string> place(const std::string& inner);
  // Beside it, for what is known of its parts.
  Result<std::string> map_place(const std::string& inner);

  // Errors: kUnavailable with the numbers if the disk lacks room for `n_bytes` more.
  Status check_room(uint64_t n_bytes) const;

  // Writes the manifest, syncs everything, and makes it the model; what had its name before goes.
  // Errors: those of the disk; nothing has changed then.
  Status install(const ModelManifest& manifest);

  // Removes what was put here.
  void discard();

  // Of the model, once it is installed.
  std::string target() const { return models_folder_ + "/" + name_; }

 private:
  ModelStaging(std::string models_folder, std::string name, store::FileLock lock);

  std::string models_folder_, name_, folder_;
  store::FileLock lock_;
};

// Removes a model of the data folder; a link goes without what it leads to. Errors: kNotFound.
Status remove_model(const std::string& models_folder, const std::string& name);

}  // namespace maru::service
