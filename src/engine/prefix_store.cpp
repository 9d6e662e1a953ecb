#include "engine/prefix_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <pthread.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/log.h"

namespace maru::engine {
namespace {

namespace fs = std::filesystem;

// The budget is given back in parts of this size: a segment.
constexpr uint64_t kSegments = 16;
constexpr std::string_view kIndexEnding = ".index";

std::string folder_name(const SegmentFormat& format) {
  std::string name;
  for (size_t i = 0; i < 16; ++i) name += fmt::format("{:02x}", format.identity[i]);
  return name;
}

struct FolderUse {
  uint64_t n_bytes = 0;
  fs::file_time_type last_write = fs::file_time_type::min();
};

FolderUse folder_use(const fs::path& folder) {
  FolderUse use;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    std::error_code failed;
    const uint64_t n_bytes = entry.file_size(failed);
    if (!failed) use.n_bytes += n_bytes;
    const auto written = entry.last_write_time(failed);
    if (!failed) use.last_write = std::max(use.last_write, written);
  }
  return use;
}

bool is_in_use(const fs::path& folder) {
  const int fd = ::open((folder / "lock").c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return false;
  const bool is_held = ::flock(fd, LOCK_EX | LOCK_NB) != 0;
  ::close(fd);
  return is_held;
}

}  // namespace

size_t PrefixStore::KeyHash::operator()(const Key& key) const {
  size_t hash = 0;
  std::memcpy(&hash, key.digest.bytes.data(), sizeof(hash));
  return hash ^ key.group;
}

Result<std::unique_ptr<PrefixStore>> PrefixStore::open(const PrefixStoreOptions& options,
                                                       const models::KvLayout& layout) {
  std::unique_ptr<PrefixStore> store(new PrefixStore(options, layout));
  uint64_t least = 0;
  for (const uint64_t n_bytes : store->format_.page_bytes) least += 2 * n_bytes;
  if (options.budget_bytes < least) {
    return Error{ErrorCode::kTooLarge,
                 fmt::format("{} bytes of disk hold not even two pages of this model ({} bytes)",
                             options.budget_bytes, least),
                 "raise prefix_cache_disk_mib, or set it to 0"};
  }
  MARU_RETURN_IF_ERROR(store->lock_folder());
  store->give_up_other_models();
  store->segment_bytes_ = store->budget_ / kSegments;
  store->read_segments();
  store->writer_ = std::thread([raw = store.get()] { raw->write_pages(); });
  return store;
}

PrefixStore::PrefixStore(const PrefixStoreOptions& options, const models::KvLayout& layout)
    : options_(options),
      format_(make_segment_format(options.identity, layout)),
      folder_(options.folder + "/" + folder_name(format_)),
      budget_(options.budget_bytes) {}

PrefixStore::~PrefixStore() {
  hurry();
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    queue_.clear();
  }
  wake_.notify_one();
  if (writer_.joinable()) writer_.join();
  if (lock_fd_ >= 0) ::close(lock_fd_);
}

// One process at a time: two would each evict what the other one counts on.
Status PrefixStore::lock_folder() {
  std::error_code failed;
  fs::create_directories(options_.folder, failed);
  const auto refused = [&](const std::string& what, const std::string& why) {
    return Error{ErrorCode::kUnavailable, fmt::format("cannot {} '{}': {}", what, folder_, why),
                 "check the folder's permissions"};
  };
  if (failed) return refused("make the folder of", failed.message());
  for (const std::string& folder : {options_.folder, folder_}) {
    if (::mkdir(folder.c_str(), S_IRWXU) != 0 && errno != EEXIST) {
      return refused("make", std::strerror(errno));
    }
    if (::chmod(folder.c_str(), S_IRWXU) != 0) return refused("protect", std::strerror(errno));
  }
  lock_fd_ = ::open((folder_ + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
                    S_IRUSR | S_IWUSR);
  if (lock_fd_ < 0) return refused("lock", std::strerror(errno));
  if (::flock(lock_fd_, LOCK_EX | LOCK_NB) != 0) {
    return Error{ErrorCode::kUnavailable, fmt::format("'{}' is in use by another process", folder_),
                 "let each process that serves this model have its own data folder (MARU_HOME)"};
  }
  return {};
}

// Other models may keep half of the budget; those written to longest ago go first.
void PrefixStore::give_up_other_models() {
  struct Other {
    fs::path path;
    FolderUse use;
  };
  std::vector<Other> others;
  uint64_t n_bytes = 0;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(options_.folder, ignored)) {
    if (!entry.is_directory(ignored) || entry.path() == fs::path(folder_)) continue;
    others.push_back({entry.path(), folder_use(entry.path())});
    n_bytes += others.back().use.n_bytes;
  }
  std::sort(others.begin(), others.end(),
            [](const Other& a, const Other& b) { return a.use.last_write < b.use.last_write; });
  for (const Other& other : others) {
    if (n_bytes <= budget_ / 2) break;
    if (is_in_use(other.path)) continue;
    removed_folders_.push_back(other.path);
    n_bytes -= other.use.n_bytes;
  }
  budget_ -= std::min(n_bytes, budget_ / 2);
}

void PrefixStore::read_segments() {
  std::vector<uint64_t> numbers;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder_, ignored)) {
    const std::string name = entry.path().filename();
    if (!name.ends_with(kIndexEnding)) continue;
    uint64_t number = 0;
    const char* end = name.data() + name.size() - kIndexEnding.size();
    const auto [stop, code] = std::from_chars(name.data(), end, number);
    if (code == std::errc{} && stop == end) numbers.push_back(number);
  }
  std::sort(numbers.begin(), numbers.end());
  for (const uint64_t number : numbers) {
    next_number_ = number + 1;
    SegmentIndex index;
    auto file = SegmentFile::open(folder_, number, format_, index);
    if (!file) {
      removed_segments_.push_back(number);
      ++stats_.n_damaged;
      continue;
    }
    stats_.n_damaged += index.n_damaged;
    stats_.n_bytes += (*file)->bytes();
    segments_.push_back({*file, (*file)->bytes(), {}});
    for (SegmentEntry& entry : index.entries) {
      const Key key{entry.digest, entry.group};
      segments_.back().keys.push_back(key);
      pages_.insert_or_assign(key, Page{*file, std::move(entry)});
    }
  }
  if (!segments_.empty()) current_ = segments_.back().file;
  give_up_old_segments();
}

PrefixStore::Taken PrefixStore::take(const PageName& name, const uint8_t* rows) {
  const Key key{name.digest, name.group};
  if (pages_.contains(key)) return Taken::kKnown;
  const uint64_t n_bytes = format_.page_bytes[name.group];
  Write page;
  {
    // The writer has the lowest priority: never wait for it.
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock || (n_queued_bytes_ > 0 && n_queued_bytes_ + n_bytes > options_.queue_bytes)) {
      return Taken::kLater;
    }
    page.entry.digest = name.digest;
    page.entry.group = name.group;
    page.entry.index = name.index;
    page.entry.tokens.assign(name.tokens.begin(), name.tokens.end());
    page.rows = std::make_unique_for_overwrite<uint8_t[]>(n_bytes);
    std::memcpy(page.rows.get(), rows, n_bytes);
    pages_.emplace(key, Page{nullptr, page.entry});
    queue_.push_back(std::move(page));
    n_queued_bytes_ += n_bytes;
  }
  wake_.notify_one();
  ++n_on_their_way_;
  return Taken::kYes;
}

bool PrefixStore::find(const PageName& name) const {
  const auto it = pages_.find({name.digest, name.group});
  return it != pages_.end() && it->second.file != nullptr && it->second.entry.index == name.index &&
         std::ranges::equal(it->second.entry.tokens, name.tokens);
}

bool PrefixStore::load(const PageName& name, uint8_t* rows) {
  const auto it = pages_.find({name.digest, name.group});
  if (it == pages_.end() || it->second.file == nullptr) return false;
  const Page& page = it->second;
  if (page.file->read(page.entry, {rows, format_.page_bytes[name.group]})) {
    ++stats_.n_read;
    return true;
  }
  ++stats_.n_damaged;
  pages_.erase(it);
  return false;
}

void PrefixStore::collect() {
  std::vector<Written> written;
  {
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock) return;
    written.swap(written_);
  }
  if (written.empty()) return;
  for (Written& one : written) note(std::move(one));
  give_up_old_segments();
}

void PrefixStore::note(Written written) {
  --n_on_their_way_;
  const Key key{written.entry.digest, written.entry.group};
  if (written.file == nullptr) {
    ++stats_.n_dropped;
    pages_.erase(key);
    return;
  }
  ++stats_.n_written;
  if (segments_.empty() || segments_.back().file != written.file) {
    segments_.push_back({written.file, 0, {}});
  }
  const uint64_t n_bytes = format_.page_bytes[written.entry.group] + format_.entry_bytes();
  segments_.back().n_bytes += n_bytes;
  segments_.back().keys.push_back(key);
  stats_.n_bytes += n_bytes;
  pages_[key] = {std::move(written.file), std::move(written.entry)};
}

void PrefixStore::give_up_old_segments() {
  while (stats_.n_bytes > budget_ && segments_.size() > 1) {
    const Segment& oldest = segments_.front();
    for (const Key& key : oldest.keys) {
      const auto it = pages_.find(key);
      if (it != pages_.end() && it->second.file == oldest.file) pages_.erase(it);
    }
    {
      const std::lock_guard lock(mutex_);
      removed_segments_.push_back(oldest.file->number());
    }
    wake_.notify_one();
    stats_.n_bytes -= oldest.n_bytes;
    segments_.pop_front();
  }
}

// Somebody waits for the writer now. Where the system does not let it rise again, it takes what
// time is left by others.
void PrefixStore::hurry() {
  const sched_param no_priority = {};
  if (writer_.joinable()) {
    static_cast<void>(::pthread_setschedparam(writer_.native_handle(), SCHED_OTHER, &no_priority));
  }
}

bool PrefixStore::drain(std::chrono::steady_clock::time_point deadline) {
  bool is_done = false;
  hurry();
  {
    std::unique_lock lock(mutex_);
    is_done = idle_.wait_until(lock, deadline, [&] { return queue_.empty() && !is_writing_; });
  }
  collect();
  return is_done;
}

void PrefixStore::write_pages() {
  // Only time that nobody else wants; where the system refuses, the thread stays as it is.
  const sched_param no_priority = {};
  static_cast<void>(::pthread_setschedparam(::pthread_self(), SCHED_IDLE, &no_priority));
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [&] {
      return stopping_ || !queue_.empty() || !removed_segments_.empty() ||
             !removed_folders_.empty();
    });
    const auto segments = std::exchange(removed_segments_, {});
    const auto folders = std::exchange(removed_folders_, {});
    if (stopping_ && segments.empty() && folders.empty() && queue_.empty()) return;
    Write page;
    if (!queue_.empty()) {
      page = std::move(queue_.front());
      queue_.pop_front();
    }
    is_writing_ = true;
    lock.unlock();
    for (const uint64_t number : segments) SegmentFile::remove(folder_, number);
    for (const std::string& folder : folders) {
      std::error_code ignored;
      fs::remove_all(folder, ignored);
    }
    Written written;
    if (page.rows != nullptr) written = write(std::move(page));
    lock.lock();
    is_writing_ = false;
    if (!written.entry.tokens.empty()) {
      n_queued_bytes_ -= format_.page_bytes[written.entry.group];
      written_.push_back(std::move(written));
    }
    if (queue_.empty()) idle_.notify_all();
  }
}

PrefixStore::Written PrefixStore::write(Write page) {
  Written written{std::move(page.entry), nullptr};
  const auto now = std::chrono::steady_clock::now();
  if (now < paused_until_) return written;
  const std::span<const uint8_t> rows(page.rows.get(), format_.page_bytes[written.entry.group]);
  if (Status status = append(written.entry, rows); !status) {
    log_warning(
        "prefixes are not kept for the next {} s: {}",
        std::chrono::duration_cast<std::chrono::seconds>(options_.pause_after_error).count(),
        status.error().message);
    paused_until_ = now + options_.pause_after_error;
    return written;
  }
  written.file = current_;
  return written;
}

Status PrefixStore::append(SegmentEntry& entry, std::span<const uint8_t> rows) {
  if (current_ != nullptr && current_->bytes() + rows.size() > segment_bytes_) current_ = nullptr;
  if (current_ == nullptr) {
    MARU_ASSIGN_OR_RETURN(current_, SegmentFile::create(folder_, next_number_, format_));
    ++next_number_;
  }
  const bool is_new = current_->is_empty();
  Status status = current_->append(entry, rows);
  if (!status && is_new) {
    SegmentFile::remove(folder_, current_->number());
    current_ = nullptr;
  }
  return status;
}

}  // namespace maru::engine
