#include "apps/files.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <limits>

#include "base/files.h"
#include "base/json.h"

namespace maru::apps {
namespace {

constexpr size_t kMaxIdsBytes = size_t{256} << 20;
constexpr size_t kChunk = size_t{64} << 10;

}  // namespace

Result<service::ModelLocation> find_model(const std::string& model) {
  return service::ModelStore(data_folder() + "/models").find_or_default(model);
}

Result<std::string> read_stdin(size_t max_bytes) {
  std::string text;
  while (true) {
    const size_t begin = text.size();
    text.resize(begin + kChunk);
    const ssize_t n = ::read(STDIN_FILENO, text.data() + begin, kChunk);
    text.resize(begin + static_cast<size_t>(n > 0 ? n : 0));
    if (n == 0) return text;
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      return Error{ErrorCode::kInvalidArgument,
                   fmt::format("standard input can't be read: {}", std::strerror(errno))};
    }
    if (text.size() > max_bytes) {
      return Error{ErrorCode::kTooLarge,
                   fmt::format("standard input holds more than {} bytes", max_bytes),
                   "pass a smaller text"};
    }
  }
}

Result<std::string> read_input(const std::string& path, size_t max_bytes) {
  return path == "-" ? read_stdin(max_bytes) : read_file(path, max_bytes);
}

Result<std::vector<int32_t>> read_token_ids(const std::string& path) {
  const std::string hint = "the file must hold one JSON array of token ids, e.g. [1, 2, 3]";
  MARU_ASSIGN_OR_RETURN(const std::string text, read_input(path, kMaxIdsBytes));
  JsonLimits limits;
  limits.max_bytes = kMaxIdsBytes;
  auto json = parse_json(text, limits);
  if (!json) {
    json.error().message = path + ": " + json.error().message;
    json.error().hint = hint;
    return std::move(json).error();
  }
  if (!json->is_array()) {
    return Error{ErrorCode::kInvalidArgument, path + ": is not a JSON array", hint};
  }
  std::vector<int32_t> ids;
  ids.reserve(json->size());
  for (const Json& item : *json) {
    const auto bad = [&](const char* what) {
      return Error{ErrorCode::kInvalidArgument,
                   fmt::format("{}: entry {} {}", path, ids.size(), what), hint};
    };
    if (!item.is_number_integer()) return bad("is not a whole number");
    if (item.is_number_unsigned() &&
        item.get<uint64_t>() > uint64_t{std::numeric_limits<int32_t>::max()}) {
      return bad("is not in the vocabulary");
    }
    const auto id = item.get<int64_t>();
    if (id < 0) return bad("is negative");
    ids.push_back(static_cast<int32_t>(id));
  }
  return ids;
}

Status check_token_ids(std::span<const int32_t> ids, uint32_t n_vocab, const std::string& path) {
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] >= 0 && static_cast<uint32_t>(ids[i]) < n_vocab) continue;
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("{}: entry {}, the id {}, is not in the vocabulary", path, i, ids[i]),
                 fmt::format("ids of this model are 0 to {}", n_vocab - 1), "tokens"};
  }
  return {};
}

Result<std::unique_ptr<FileWriter>> FileWriter::create(const std::string& path) {
  const std::string temporary = fmt::format("{}.{}.part", path, ::getpid());
  std::FILE* file = std::fopen(temporary.c_str(), "wb");
  if (file == nullptr) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("{} can't be written: {}", path, std::strerror(errno)),
                 "name a file in a folder that exists and is yours"};
  }
  return std::unique_ptr<FileWriter>(new FileWriter(path, temporary, file));
}

FileWriter::~FileWriter() {
  if (file_ == nullptr) return;
  std::fclose(file_);
  std::remove(temporary_.c_str());
}

Error FileWriter::failed(const char* what) const {
  return {ErrorCode::kUnavailable,
          fmt::format("{} {} failed: {}", path_, what, std::strerror(errno)), "is the disk full?"};
}

Status FileWriter::write(std::string_view bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), file_) != bytes.size()) return failed("writing");
  return {};
}

Status FileWriter::finish() {
  const bool is_on_disk = std::fflush(file_) == 0 && ::fsync(::fileno(file_)) == 0;
  const bool is_closed = std::fclose(file_) == 0;
  file_ = nullptr;
  if (is_on_disk && is_closed && std::rename(temporary_.c_str(), path_.c_str()) == 0) return {};
  const Error error = failed("writing");
  std::remove(temporary_.c_str());
  return error;
}

}  // namespace maru::apps
