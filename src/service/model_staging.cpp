#include "service/model_staging.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "base/files.h"
#include "base/io_error.h"
#include "service/memory_plan.h"

namespace maru::service {
namespace {

namespace fs = std::filesystem;

constexpr const char* kHidden = ".incoming";
constexpr int kPatienceMs = 200;
constexpr uint64_t kDiskReserve = uint64_t{64} << 20;
constexpr size_t kMaxPlanBytes = size_t{32} << 20;

Error disk_error(const std::error_code& code, const std::string& what, const fs::path& path) {
  return {ErrorCode::kUnavailable,
          fmt::format("cannot {} '{}': {}", what, path.string(), code.message()),
          "check the folder's rights and the disk", "",
          Reason{"disk_error", {{"why", code.message()}}}};
}

Status make_folders(const fs::path& path) {
  std::error_code code;
  fs::create_directories(path, code);
  if (code) return disk_error(code, "make", path);
  return {};
}

Status sync_path(const fs::path& path, int flags) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | flags);
  if (fd < 0) return io_error("open", path.string());
  Status status;
  if (::fsync(fd) != 0) status = io_error("sync", path.string());
  ::close(fd);
  return status;
}

Status sync_tree(const fs::path& folder) {
  std::error_code code;
  for (fs::recursive_directory_iterator it(folder, code), end; !code && it != end;
       it.increment(code)) {
    const bool is_folder = it->is_directory(code);
    MARU_RETURN_IF_ERROR(sync_path(it->path(), is_folder ? O_DIRECTORY : 0));
  }
  if (code) return disk_error(code, "read", folder);
  return sync_path(folder, O_DIRECTORY);
}

bool is_there(const fs::path& path) {
  std::error_code code;
  return fs::exists(fs::symlink_status(path, code));
}

}  // namespace

ModelStaging::ModelStaging(std::string models_folder, std::string name, store::FileLock lock)
    : models_folder_(std::move(models_folder)),
      name_(std::move(name)),
      folder_(models_folder_ + "/" + kHidden + "/" + name_ + ".files"),
      lock_(std::move(lock)) {}

Result<std::unique_ptr<ModelStaging>> ModelStaging::open(const std::string& models_folder,
                                                         const std::string& name,
                                                         const std::function<bool()>& on_wait) {
  MARU_RETURN_IF_ERROR(check_model_name(name));
  const std::string place = models_folder + "/" + kHidden;
  MARU_RETURN_IF_ERROR(make_folders(place));
  while (true) {
    auto lock =
        store::FileLock::take(place + "/" + name, store::FileLock::Mode::kAlone, kPatienceMs);
    if (lock) {
      return std::unique_ptr<ModelStaging>(new ModelStaging(models_folder, name, *std::move(lock)));
    }
    if (lock.error().code != ErrorCode::kConflict) return lock.error();
    if (!on_wait || !on_wait()) {
      return Error{ErrorCode::kConflict,
                   fmt::format("another process is bringing the model {} in", name),
                   "wait until it is done", "", Reason{"pulled_elsewhere", {{"model", name}}}};
    }
  }
}

Status ModelStaging::begin(const std::string& plan) {
  const std::string plan_file = folder_ + "/plan";
  const auto older = read_file(plan_file, kMaxPlanBytes);
  if (older && *older == plan) return {};
  discard();
  MARU_RETURN_IF_ERROR(make_folders(folder_ + "/data"));
  MARU_RETURN_IF_ERROR(make_folders(folder_ + "/maps"));
  return write_file_atomically(plan_file, plan);
}

Result<std::string> ModelStaging::place(const std::string& inner) {
  const fs::path path = fs::path(folder_) / "data" / inner;
  MARU_RETURN_IF_ERROR(make_folders(path.parent_path()));
  return path.string();
}

Result<std::string> ModelStaging::map_place(const std::string& inner) {
  const fs::path path = fs::path(folder_) / "maps" / (inner + ".map");
  MARU_RETURN_IF_ERROR(make_folders(path.parent_path()));
  return path.string();
}

Status ModelStaging::check_room(uint64_t n_bytes) const {
  struct statvfs disk = {};
  if (::statvfs(models_folder_.c_str(), &disk) != 0) return io_error("look at", models_folder_);
  const uint64_t n_free = uint64_t{disk.f_bavail} * disk.f_frsize;
  if (n_bytes + kDiskReserve <= n_free) return {};
  return Error{ErrorCode::kUnavailable,
               fmt::format("{} lacks room: {} are needed and {} are free", models_folder_,
                           format_bytes(n_bytes + kDiskReserve), format_bytes(n_free)),
               "make room, or set MARU_HOME to a larger disk", "",
               Reason{"disk_full", {{"needed", n_bytes + kDiskReserve}, {"free", n_free}}}};
}

Status ModelStaging::install(const ModelManifest& manifest) {
  const fs::path data = fs::path(folder_) / "data";
  MARU_RETURN_IF_ERROR(
      write_file_atomically((data / kManifestName).string(), print_manifest(manifest)));
  MARU_RETURN_IF_ERROR(sync_tree(data));
  const std::string goal = target();
  // With an older model in its place the two change places at once.
  const unsigned flags = is_there(goal) ? RENAME_EXCHANGE : RENAME_NOREPLACE;
  if (::renameat2(AT_FDCWD, data.c_str(), AT_FDCWD, goal.c_str(), flags) != 0) {
    if (errno != EINVAL && errno != ENOSYS) return io_error("rename to", goal);
    // A file system without exchange: the older one steps aside first.
    const std::string aside = folder_ + "/old";
    if (is_there(goal) && ::rename(goal.c_str(), aside.c_str()) != 0) {
      return io_error("rename", goal);
    }
    if (::rename(data.c_str(), goal.c_str()) != 0) return io_error("rename to", goal);
  }
  MARU_RETURN_IF_ERROR(sync_path(models_folder_, O_DIRECTORY));
  discard();
  return {};
}

void ModelStaging::discard() {
  std::error_code code;
  fs::remove_all(folder_, code);
}

Status remove_model(const std::string& models_folder, const std::string& name) {
  MARU_RETURN_IF_ERROR(check_model_name(name));
  MARU_ASSIGN_OR_RETURN(const auto staging, ModelStaging::open(models_folder, name, nullptr));
  fs::path path = fs::path(models_folder) / name;
  if (!is_there(path)) path += ".gguf";
  if (!is_there(path)) {
    return Error{ErrorCode::kNotFound,
                 fmt::format("there is no model {} in {}", name, models_folder),
                 "maru models lists them", "", Reason{"model_unknown", {{"model", name}}}};
  }
  // Out of sight first, so that no half model is seen.
  MARU_RETURN_IF_ERROR(staging->begin("remove"));
  MARU_ASSIGN_OR_RETURN(const std::string aside, staging->place("removed"));
  if (::rename(path.c_str(), aside.c_str()) != 0) return io_error("remove", path.string());
  staging->discard();
  return {};
}

}  // namespace maru::service
