#include "service/pull.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <optional>
#include <string_view>
#include <system_error>

#include "base/files.h"
#include "base/io_error.h"
#include "net/http.h"
#include "service/clock.h"
#include "service/model_staging.h"
#include "service/staged_file.h"

namespace maru::service {
namespace {

namespace fs = std::filesystem;
using Stage = PullProgress::Stage;

// What both ways share: the hidden place, progress over all files, and what is there already.
class Pull {
 public:
  Pull(const PullWish& wish, const PullCalls& calls, ModelOrigin origin)
      : wish_(wish), calls_(calls), origin_(std::move(origin)) {}

  Status open(const std::string& name) {
    manifest_.name = name;
    manifest_.origin = origin_;
    const auto on_wait = [this] {
      say(Stage::kWaiting);
      return !is_stopped();
    };
    MARU_ASSIGN_OR_RETURN(staging_, ModelStaging::open(wish_.models_folder, name, on_wait));
    return {};
  }

  // The model that has the name, if it is ours to replace. Errors: kConflict.
  Result<std::optional<ModelManifest>> find_older() const {
    const std::string path = wish_.models_folder + "/" + manifest_.name;
    std::error_code code;
    const bool is_taken = fs::exists(fs::symlink_status(path, code)) ||
                          fs::exists(fs::symlink_status(path + ".gguf", code));
    if (!is_taken) return std::optional<ModelManifest>();
    auto older = read_manifest(path);
    const bool is_same = older && older->origin.kind == origin_.kind &&
                         older->origin.repository == origin_.repository &&
                         (origin_.kind == "hub" || older->origin.place == origin_.place);
    if (is_same) return std::optional<ModelManifest>(*std::move(older));
    return Error{ErrorCode::kConflict,
                 fmt::format("there is another model {} already", manifest_.name),
                 fmt::format("give this one a name of its own with --name, or remove the other: "
                             "maru models remove {}",
                             manifest_.name),
                 "", Reason{"model_name_taken", {{"model", manifest_.name}}}};
  }

  void say(Stage stage, const std::string& file = "", uint64_t n_done = 0) {
    if (!calls_.on_progress) return;
    calls_.on_progress({stage, file, n_before_ + n_done, n_total_, n_resumed_});
  }

  bool is_stopped() const { return calls_.should_stop && calls_.should_stop(); }

  OnBytes on_bytes(Stage stage, const std::string& file) {
    return [this, stage, file, n = uint64_t{0}](uint64_t more) mutable {
      n += more;
      say(stage, file, n);
      return !is_stopped();
    };
  }

  Result<Pulled> finish() {
    manifest_.added_at = unix_milliseconds();
    MARU_RETURN_IF_ERROR(staging_->install(manifest_));
    return Pulled{std::move(manifest_), staging_->target(), false};
  }

  const PullWish& wish_;
  const PullCalls& calls_;
  ModelOrigin origin_;
  ModelManifest manifest_ = {};
  std::unique_ptr<ModelStaging> staging_ = {};
  uint64_t n_total_ = 0, n_before_ = 0, n_resumed_ = 0;
};

// Where a file lies in the model's folder: a GGUF file at its top, where it is looked for, also if
// the source keeps it in a folder of its own.
std::string inner_path(const std::string& path) {
  const std::string_view suffix = std::string_view(path).substr(path.find_last_of('.') + 1);
  if (!net::equal_ignoring_case(suffix, "gguf")) return path;
  const std::string name = path.substr(path.rfind('/') + 1);
  return name.substr(0, name.rfind('.')) + ".gguf";
}

std::string plan_of(const ModelOrigin& origin, const std::vector<HubFile>& files) {
  std::string plan = fmt::format("hub {} {} {}\n", origin.place, origin.repository, origin.commit);
  for (const HubFile& file : files) {
    plan += fmt::format("{}{} {} {}\n", file.sha256, file.git_blob, file.bytes, file.path);
  }
  return plan;
}

// What a file takes of the disk already: less than its size where it has holes.
uint64_t taken_bytes(const std::string& path) {
  struct stat status = {};
  return ::lstat(path.c_str(), &status) == 0 ? static_cast<uint64_t>(status.st_blocks) * 512 : 0;
}

bool is_what_the_hub_named(const FileHashes& hashes, const HubFile& file) {
  if (hashes.bytes != file.bytes) return false;
  return file.sha256.empty() ? hashes.git_blob == file.git_blob : hashes.sha256 == file.sha256;
}

// Whether the older model is of the same commit and holds these files, by names and sizes.
bool holds(const ModelManifest& older, const ModelOrigin& origin, const std::vector<HubFile>& files,
           const std::string& folder) {
  if (older.origin.commit != origin.commit || older.files.size() != files.size()) return false;
  return std::all_of(files.begin(), files.end(), [&](const HubFile& file) {
    std::error_code code;
    return fs::file_size(fs::path(folder) / inner_path(file.path), code) == file.bytes && !code &&
           std::any_of(older.files.begin(), older.files.end(),
                       [&](const ModelFile& own) { return own.path == inner_path(file.path); });
  });
}

Status fetch_file(Pull& pull, const HubClient& hub, const HubFile& file, StagedFile& staged) {
  const auto on_bytes = [&](uint64_t n_done) { pull.say(Stage::kFetching, file.path, n_done); };
  for (int round = 0;; ++round) {
    const bool was_resumed = staged.was_resumed();
    const Status fetched =
        hub.download(pull.origin_.repository, pull.origin_.commit, file, staged, on_bytes);
    if (!fetched && (fetched.error().code != ErrorCode::kConflict || round > 0)) {
      return fetched.error();
    }
    if (fetched) {
      MARU_ASSIGN_OR_RETURN(const FileHashes hashes,
                            hash_file(staged.path(), pull.on_bytes(Stage::kChecking, file.path)));
      if (is_what_the_hub_named(hashes, file)) {
        pull.manifest_.files.push_back({inner_path(file.path), file.bytes, hashes.sha256});
        return {};
      }
    }
    // What an earlier run left may be at fault: once more from the start.
    MARU_RETURN_IF_ERROR(staged.reset());
    if (fetched && (!was_resumed || round > 0)) {
      return Error{ErrorCode::kCorrupt,
                   fmt::format("{} is not what the hub's hash says; it was thrown away", file.path),
                   "try again; if it stays so, the server or the network changes files", "",
                   Reason{"hash_wrong", {{"file", file.path}}}};
    }
  }
}

// --- from a folder or a file --------------------------------------------------------------------

struct DiskFile {
  std::string path;   // on the disk
  std::string inner;  // in the model
  uint64_t bytes = 0;
};

Error no_model(const std::string& path) {
  return {ErrorCode::kInvalidArgument, fmt::format("{} is no model", path),
          "a model is a GGUF file, or a folder with config.json, tokenizer.json and "
          "model.safetensors"};
}

Result<std::vector<DiskFile>> list_folder(const fs::path& folder) {
  // The same choice as from a hub: no code and no pickles.
  HubAnswer as_hub;
  bool has_links = false;
  std::error_code code;
  for (fs::recursive_directory_iterator it(folder, code), end; !code && it != end;
       it.increment(code)) {
    has_links = has_links || it->is_symlink(code);
    if (it->is_symlink(code) || !it->is_regular_file(code)) continue;
    const std::string inner = it->path().lexically_relative(folder).string();
    if (!check_inner_path(inner) || inner == kManifestName) continue;
    as_hub.files.push_back({inner, it->file_size(code), "", ""});
  }
  if (code) return no_model(folder.string());
  const auto choice = choose_files(as_hub, {});
  if (!choice) {
    Error error = choice.error();
    if (has_links) {
      error.hint = fmt::format(
          "links inside a folder are not followed; copy what they lead to: "
          "cp -rL {} NEW-FOLDER",
          folder.string());
    }
    return error;
  }
  std::vector<DiskFile> files;
  for (const HubFile& file : choice->files) {
    files.push_back({(folder / file.path).string(), inner_path(file.path), file.bytes});
  }
  return files;
}

Result<std::vector<DiskFile>> list_source(const fs::path& path) {
  std::error_code code;
  if (fs::is_directory(path, code)) return list_folder(path);
  if (!fs::is_regular_file(path, code) || path.extension() != ".gguf")
    return no_model(path.string());
  return std::vector<DiskFile>{
      {path.string(), path.filename().string(), fs::file_size(path, code)}};
}

Status copy_file(Pull& pull, const DiskFile& file) {
  MARU_ASSIGN_OR_RETURN(const std::string place, pull.staging_->place(file.inner));
  std::error_code code;
  fs::remove(place, code);
  const int in = ::open(file.path.c_str(), O_RDONLY | O_CLOEXEC);
  if (in < 0) return io_error("open", file.path);
  const int out = ::open(place.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (out < 0) {
    ::close(in);
    return io_error("create", place);
  }
  Status status;
  std::vector<char> buffer(size_t{1} << 20);
  const OnBytes on_bytes = pull.on_bytes(Stage::kCopying, file.inner);
  while (status) {
    const ssize_t n = ::read(in, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) status = io_error("read", file.path);
    if (n <= 0) break;
    for (ssize_t at = 0; status && at < n;) {
      const ssize_t written = ::write(out, buffer.data() + at, static_cast<size_t>(n - at));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) status = io_error("write", place);
      at += std::max<ssize_t>(written, 0);
    }
    if (status && !on_bytes(static_cast<uint64_t>(n))) {
      status = Error{ErrorCode::kUnavailable, "stopped"};
    }
  }
  ::close(in);
  ::close(out);
  return status;
}

// Copies the files and holds them to the manifest that lay beside them, if one did.
Status copy_files(Pull& pull, const std::vector<DiskFile>& files, const ModelManifest* known) {
  for (const DiskFile& file : files) pull.n_total_ += file.bytes;
  MARU_RETURN_IF_ERROR(pull.staging_->check_room(pull.n_total_));
  for (const DiskFile& file : files) {
    MARU_RETURN_IF_ERROR(copy_file(pull, file));
    MARU_ASSIGN_OR_RETURN(const std::string place, pull.staging_->place(file.inner));
    // Read back: what is written down is what this disk holds.
    MARU_ASSIGN_OR_RETURN(const FileHashes hashes,
                          hash_file(place, pull.on_bytes(Stage::kChecking, file.inner)));
    pull.manifest_.files.push_back({file.inner, hashes.bytes, hashes.sha256});
    pull.n_before_ += file.bytes;
  }
  if (known == nullptr) return {};
  const auto& copied = pull.manifest_.files;
  for (const ModelFile& file : known->files) {
    if (std::find(copied.begin(), copied.end(), file) == copied.end()) {
      return Error{ErrorCode::kCorrupt,
                   fmt::format("{} is not what the manifest beside it says", file.path),
                   "the folder was damaged or changed; nothing was brought in"};
    }
  }
  return {};
}

}  // namespace

Result<Pulled> pull_from_hub(const HubClient& hub, const HubName& name, const PullWish& wish,
                             const PullCalls& calls) {
  Pull pull(wish, calls, {"hub", hub.endpoint(), name.repository, name.revision, ""});
  pull.say(Stage::kAsking);
  MARU_ASSIGN_OR_RETURN(const HubAnswer answer, hub.ask(name.repository, name.revision));
  pull.origin_.commit = answer.commit;
  pull.manifest_.licence = answer.licence;
  FileWish files = wish.files;
  if (!name.quantisation.empty()) files.quantisation = name.quantisation;
  MARU_ASSIGN_OR_RETURN(const FileChoice choice, choose_files(answer, files));
  const std::string given =
      choice.name.empty() ? name.repository.substr(name.repository.find('/') + 1) : choice.name;
  MARU_RETURN_IF_ERROR(pull.open(wish.name.empty() ? given : wish.name));
  MARU_ASSIGN_OR_RETURN(const auto older, pull.find_older());
  if (older && holds(*older, pull.origin_, choice.files, pull.staging_->target())) {
    return Pulled{*older, pull.staging_->target(), true};
  }

  MARU_RETURN_IF_ERROR(pull.staging_->begin(plan_of(pull.origin_, choice.files)));
  std::vector<std::unique_ptr<StagedFile>> staged;
  for (const HubFile& file : choice.files) pull.n_total_ += file.bytes;
  uint64_t n_here = 0;
  for (const HubFile& file : choice.files) {
    MARU_ASSIGN_OR_RETURN(const std::string place, pull.staging_->place(inner_path(file.path)));
    n_here += std::min(file.bytes, taken_bytes(place));
  }
  if (const Status room = pull.staging_->check_room(pull.n_total_ - n_here); !room) {
    if (n_here == 0) pull.staging_->discard();
    return room.error();
  }
  for (const HubFile& file : choice.files) {
    MARU_ASSIGN_OR_RETURN(const std::string place, pull.staging_->place(inner_path(file.path)));
    MARU_ASSIGN_OR_RETURN(const std::string map_place,
                          pull.staging_->map_place(inner_path(file.path)));
    MARU_ASSIGN_OR_RETURN(
        auto one, StagedFile::open(place, map_place, file.sha256 + file.git_blob, file.bytes));
    pull.n_resumed_ += one->done_bytes();
    staged.push_back(std::move(one));
  }
  for (size_t i = 0; i < staged.size(); ++i) {
    MARU_RETURN_IF_ERROR(fetch_file(pull, hub, choice.files[i], *staged[i]));
    pull.n_before_ += choice.files[i].bytes;
  }
  staged.clear();
  return pull.finish();
}

Result<Pulled> pull_from_disk(const std::string& path, const PullWish& wish,
                              const PullCalls& calls) {
  std::error_code code;
  fs::path source = fs::canonical(path, code);
  if (code)
    return Error{ErrorCode::kNotFound, fmt::format("there is no {}", path), "check the path"};
  const auto known = read_manifest(source.string());
  if (!known && known.error().code == ErrorCode::kCorrupt) return known.error();
  MARU_ASSIGN_OR_RETURN(const std::vector<DiskFile> files, list_source(source));

  ModelOrigin origin{"folder", source.string(), "", "", ""};
  if (known) {
    origin.repository = known->origin.repository;
    origin.revision = known->origin.revision;
    origin.commit = known->origin.commit;
  }
  Pull pull(wish, calls, std::move(origin));
  if (known) pull.manifest_.licence = known->licence;
  std::string given = fs::is_directory(source, code) ? source.filename() : source.stem();
  MARU_RETURN_IF_ERROR(pull.open(wish.name.empty() ? given : wish.name));
  MARU_RETURN_IF_ERROR(pull.find_older());
  // A copy does not go on where an older one was: what that left would only take room.
  pull.staging_->discard();
  MARU_RETURN_IF_ERROR(pull.staging_->begin(fmt::format("folder {}\n", source.string())));
  if (const Status copied = copy_files(pull, files, known ? &*known : nullptr); !copied) {
    pull.staging_->discard();
    return copied.error();
  }
  return pull.finish();
}

}  // namespace maru::service
