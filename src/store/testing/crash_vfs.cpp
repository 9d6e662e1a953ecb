#include "store/testing/crash_vfs.h"

#include <algorithm>
#include <atomic>
#include <cstring>

namespace maru::store::testing {
namespace {

using File = CrashVfs::File;
using Handle = CrashVfs::Handle;
using Guard = std::lock_guard<std::recursive_mutex>;
constexpr size_t kSector = 512;

Handle& handle_of(sqlite3_file* file) { return *reinterpret_cast<Handle*>(file); }

void apply_change(std::string& content, const CrashVfs::Change& change) {
  if (!change.is_write) {
    content.resize(change.offset);
    return;
  }
  content.resize(std::max(content.size(), change.offset + change.bytes.size()));
  content.replace(change.offset, change.bytes.size(), change.bytes);
}

int close_file(sqlite3_file* base);

int read_file(sqlite3_file* base, void* out, int amount, sqlite3_int64 offset) {
  const Handle& handle = handle_of(base);
  const Guard guard(handle.vfs->mutex());
  if (handle.vfs->is_down()) return SQLITE_IOERR_READ;
  const std::string& content = handle.file->content;
  const auto start = std::min(static_cast<size_t>(offset), content.size());
  const size_t n = std::min(static_cast<size_t>(amount), content.size() - start);
  std::memcpy(out, content.data() + start, n);
  std::memset(static_cast<char*>(out) + n, 0, static_cast<size_t>(amount) - n);
  return n == static_cast<size_t>(amount) ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

int write_file(sqlite3_file* base, const void* data, int amount, sqlite3_int64 offset) {
  const Handle& handle = handle_of(base);
  const Guard guard(handle.vfs->mutex());
  const auto n = static_cast<size_t>(amount);
  const auto at = static_cast<size_t>(offset);
  CrashVfs::Change change{true, at, std::string(static_cast<const char*>(data), n)};
  if (handle.vfs->is_down()) return SQLITE_IOERR_WRITE;
  if (!handle.vfs->has_room_for(*handle.file, at + n)) return SQLITE_FULL;
  const bool arrives = handle.vfs->spend_operation();
  // The write in which the power fails may arrive in part.
  apply_change(handle.file->content, change);
  handle.file->pending.push_back(std::move(change));
  return arrives ? SQLITE_OK : SQLITE_IOERR_WRITE;
}

int truncate_file(sqlite3_file* base, sqlite3_int64 size) {
  const Handle& handle = handle_of(base);
  const Guard guard(handle.vfs->mutex());
  if (!handle.vfs->spend_operation()) return SQLITE_IOERR_TRUNCATE;
  CrashVfs::Change change{false, static_cast<size_t>(size), ""};
  apply_change(handle.file->content, change);
  handle.file->pending.push_back(std::move(change));
  return SQLITE_OK;
}

int sync_file(sqlite3_file* base, int) {
  const Handle& handle = handle_of(base);
  const Guard guard(handle.vfs->mutex());
  if (!handle.vfs->spend_operation()) return SQLITE_IOERR_FSYNC;
  File& file = *handle.file;
  for (const CrashVfs::Change& change : file.pending) apply_change(file.durable, change);
  file.pending.clear();
  if (file.is_new) handle.vfs->sync_folder();
  return SQLITE_OK;
}

int file_size(sqlite3_file* base, sqlite3_int64* out) {
  const Handle& handle = handle_of(base);
  const Guard guard(handle.vfs->mutex());
  if (handle.vfs->is_down()) return SQLITE_IOERR_FSTAT;
  *out = static_cast<sqlite3_int64>(handle.file->content.size());
  return SQLITE_OK;
}

// Locks of the rollback journal: https://sqlite.org/lockingv3.html
int lock_file(sqlite3_file* base, int level) {
  Handle& handle = handle_of(base);
  const Guard guard(handle.vfs->mutex());
  File& file = *handle.file;
  if (handle.lock >= level) return SQLITE_OK;
  if (handle.lock == SQLITE_LOCK_NONE) {
    if (file.exclusive || file.pending_lock) return SQLITE_BUSY;
    ++file.n_shared;
    handle.lock = SQLITE_LOCK_SHARED;
  }
  if (level >= SQLITE_LOCK_RESERVED && handle.lock < SQLITE_LOCK_RESERVED) {
    if (file.reserved) return SQLITE_BUSY;
    file.reserved = true;
    handle.lock = SQLITE_LOCK_RESERVED;
  }
  if (level == SQLITE_LOCK_EXCLUSIVE) {
    file.pending_lock = true;
    handle.lock = SQLITE_LOCK_PENDING;
    if (file.n_shared > 1) return SQLITE_BUSY;
    file.exclusive = true;
    handle.lock = SQLITE_LOCK_EXCLUSIVE;
  }
  return SQLITE_OK;
}

int unlock_file(sqlite3_file* base, int level) {
  Handle& handle = handle_of(base);
  const Guard guard(handle.vfs->mutex());
  File& file = *handle.file;
  if (handle.lock <= level) return SQLITE_OK;
  if (handle.lock >= SQLITE_LOCK_RESERVED) file.reserved = false;
  if (handle.lock >= SQLITE_LOCK_PENDING) file.pending_lock = file.exclusive = false;
  if (level == SQLITE_LOCK_NONE) --file.n_shared;
  handle.lock = level;
  return SQLITE_OK;
}

int check_reserved(sqlite3_file* base, int* out) {
  const Handle& handle = handle_of(base);
  const Guard guard(handle.vfs->mutex());
  *out = handle.file->reserved ? 1 : 0;
  return SQLITE_OK;
}

int file_control(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
int sector_size(sqlite3_file*) { return 4096; }
// What the VFS of Unix says, too: a write changes no bytes beside it.
int device_traits(sqlite3_file*) { return SQLITE_IOCAP_POWERSAFE_OVERWRITE; }

int map_memory(sqlite3_file* base, int region, int size, int extend, void volatile** out) {
  Handle& handle = handle_of(base);
  const Guard guard(handle.vfs->mutex());
  if (handle.vfs->is_down()) return SQLITE_IOERR_SHMMAP;
  File& file = *handle.file;
  if (!handle.is_mapped) ++file.n_mapped;
  handle.is_mapped = true;
  const auto index = static_cast<size_t>(region);
  *out = nullptr;
  if (index >= file.shared_memory.size()) {
    if (extend == 0) return SQLITE_OK;
    file.shared_memory.resize(index + 1);
  }
  auto& memory = file.shared_memory[index];
  if (!memory) memory = std::make_unique<char[]>(static_cast<size_t>(size));
  *out = memory.get();
  return SQLITE_OK;
}

int lock_memory(sqlite3_file* base, int offset, int n, int flags) {
  Handle& handle = handle_of(base);
  const Guard guard(handle.vfs->mutex());
  File& file = *handle.file;
  const bool is_shared = (flags & SQLITE_SHM_SHARED) != 0;
  const bool takes = (flags & SQLITE_SHM_LOCK) != 0;
  for (int i = offset; takes && i < offset + n; ++i) {
    const unsigned bit = 1U << i;
    const int others = file.shm_shared[i] - ((handle.shm_shared & bit) != 0 ? 1 : 0);
    const bool is_held = file.shm_exclusive[i] && (handle.shm_exclusive & bit) == 0;
    if (is_held || (!is_shared && others > 0)) return SQLITE_BUSY;
  }
  for (int i = offset; i < offset + n; ++i) {
    const unsigned bit = 1U << i;
    unsigned& mine = is_shared ? handle.shm_shared : handle.shm_exclusive;
    if (((mine & bit) != 0) == takes) continue;
    mine ^= bit;
    if (is_shared) {
      file.shm_shared[i] += takes ? 1 : -1;
    } else {
      file.shm_exclusive[i] = takes;
    }
  }
  return SQLITE_OK;
}

void memory_barrier(sqlite3_file*) { std::atomic_thread_fence(std::memory_order_seq_cst); }

int unmap_memory(sqlite3_file* base, int) {
  Handle& handle = handle_of(base);
  const Guard guard(handle.vfs->mutex());
  for (int i = 0; i < SQLITE_SHM_NLOCK; ++i) {
    lock_memory(base, i, 1, SQLITE_SHM_UNLOCK | SQLITE_SHM_SHARED);
    lock_memory(base, i, 1, SQLITE_SHM_UNLOCK | SQLITE_SHM_EXCLUSIVE);
  }
  if (handle.is_mapped && --handle.file->n_mapped == 0) handle.file->shared_memory.clear();
  handle.is_mapped = false;
  return SQLITE_OK;
}

constexpr sqlite3_io_methods kMethods = {
    2,
    close_file,
    read_file,
    write_file,
    truncate_file,
    sync_file,
    file_size,
    lock_file,
    unlock_file,
    check_reserved,
    file_control,
    sector_size,
    device_traits,
    map_memory,
    lock_memory,
    memory_barrier,
    unmap_memory,
    nullptr,
    nullptr,
};

int close_file(sqlite3_file* base) {
  unmap_memory(base, 0);
  return unlock_file(base, SQLITE_LOCK_NONE);
}

CrashVfs& disk_of(sqlite3_vfs* vfs) { return *static_cast<CrashVfs*>(vfs->pAppData); }

int open_file(sqlite3_vfs* vfs, const char* path, sqlite3_file* out, int flags, int* out_flags) {
  CrashVfs& disk = disk_of(vfs);
  const Guard guard(disk.mutex());
  out->pMethods = nullptr;
  if (disk.is_down() || path == nullptr) return SQLITE_CANTOPEN;
  File* file = (flags & SQLITE_OPEN_CREATE) != 0 ? disk.find_or_make(path) : disk.find(path);
  if (file == nullptr) return SQLITE_CANTOPEN;
  Handle& handle = handle_of(out);
  handle = {{&kMethods}, &disk, file, SQLITE_LOCK_NONE, false, 0, 0};
  if (out_flags != nullptr) *out_flags = flags;
  return SQLITE_OK;
}

int delete_file(sqlite3_vfs* vfs, const char* path, int sync_folder) {
  CrashVfs& disk = disk_of(vfs);
  const Guard guard(disk.mutex());
  if (!disk.spend_operation()) return SQLITE_IOERR_DELETE;
  File* file = disk.find(path);
  if (file == nullptr) return SQLITE_IOERR_DELETE_NOENT;
  file->exists = false;
  file->content.clear();
  if (sync_folder != 0) disk.sync_folder();
  return SQLITE_OK;
}

int access_file(sqlite3_vfs* vfs, const char* path, int, int* out) {
  CrashVfs& disk = disk_of(vfs);
  const Guard guard(disk.mutex());
  if (disk.is_down()) return SQLITE_IOERR_ACCESS;
  *out = disk.find(path) != nullptr ? 1 : 0;
  return SQLITE_OK;
}

int full_path(sqlite3_vfs*, const char* path, int size, char* out) {
  sqlite3_snprintf(size, out, "%s", path);
  return SQLITE_OK;
}

}  // namespace

CrashVfs::CrashVfs() {
  static std::atomic<int> count{0};
  name_ = "maru-crash-" + std::to_string(count++);
  vfs_ = *sqlite3_vfs_find(nullptr);  // its clock and random numbers
  vfs_.iVersion = 1;
  vfs_.szOsFile = sizeof(Handle);
  vfs_.pNext = nullptr;
  vfs_.zName = name_.c_str();
  vfs_.pAppData = this;
  vfs_.xOpen = open_file;
  vfs_.xDelete = delete_file;
  vfs_.xAccess = access_file;
  vfs_.xFullPathname = full_path;
  sqlite3_vfs_register(&vfs_, 0);
}

CrashVfs::~CrashVfs() { sqlite3_vfs_unregister(&vfs_); }

void CrashVfs::make_file(const std::string& path) {
  find_or_make(path);
  sync_folder();
}

// All names in it are safe, and all removals.
void CrashVfs::sync_folder() {
  for (const auto& [path, file] : files_) {
    file->is_durable = file->exists;
    file->is_new = false;
    if (file->exists) continue;
    file->durable.clear();
    file->pending.clear();
  }
}

void CrashVfs::fail_after(uint64_t n) {
  const Guard guard(mutex_);
  n_left_ = n;
}

bool CrashVfs::has_failed() const {
  const Guard guard(mutex_);
  return is_down_;
}

void CrashVfs::set_room(uint64_t n_bytes) {
  const Guard guard(mutex_);
  room_ = n_bytes;
}

uint64_t CrashVfs::used() const {
  const Guard guard(mutex_);
  uint64_t n = 0;
  for (const auto& [path, file] : files_) n += file->content.size();
  return n;
}

uint64_t CrashVfs::n_operations() const {
  const Guard guard(mutex_);
  return n_operations_;
}

CrashVfs::File* CrashVfs::find(const std::string& path) {
  const auto found = files_.find(path);
  return found != files_.end() && found->second->exists ? found->second.get() : nullptr;
}

CrashVfs::File* CrashVfs::find_or_make(const std::string& path) {
  auto& file = files_[path];
  if (!file) file = std::make_unique<File>();
  if (!file->exists) {
    // A new file under the name of one whose removal was not synced: a crash may bring the old
    // bytes back.
    file->exists = file->is_new = true;
    file->pending.push_back({false, 0, ""});
  }
  return file.get();
}

bool CrashVfs::spend_operation() {
  if (is_down_) return false;
  ++n_operations_;
  if (n_left_ == 0) is_down_ = true;
  --n_left_;
  return !is_down_;
}

bool CrashVfs::has_room_for(const File& file, size_t new_size) const {
  return new_size <= file.content.size() || used() + new_size - file.content.size() <= room_;
}

// Of the changes since the last sync, each sector arrives or not.
void CrashVfs::settle(File& file, std::mt19937_64& random) {
  const double share = std::vector<double>{0, 0.1, 0.5, 0.9, 1}[random() % 5];
  std::bernoulli_distribution arrives(share);
  for (const Change& change : file.pending) {
    if (!change.is_write) {
      if (arrives(random)) apply_change(file.durable, change);
      continue;
    }
    for (size_t start = 0; start < change.bytes.size();) {
      // Up to the next sector's border; or anywhere, for disks that tear within one.
      const size_t border = kSector - (change.offset + start) % kSector;
      const size_t n = std::min(random() % 8 == 0 ? 1 + random() % kSector : border,
                                change.bytes.size() - start);
      if (arrives(random))
        apply_change(file.durable, {true, change.offset + start, change.bytes.substr(start, n)});
      start += n;
    }
  }
  file.pending.clear();
  file.content = file.durable;
}

void CrashVfs::lose_power(std::mt19937_64& random) {
  const Guard guard(mutex_);
  for (auto it = files_.begin(); it != files_.end();) {
    File& file = *it->second;
    // A name that is not safe may be there or not: the one of a new file, or of a removed one.
    const bool is_safe = file.exists && !file.is_new;
    const bool is_gone = !file.exists && !file.is_durable;
    if (is_gone || (!is_safe && random() % 2 == 0)) {
      it = files_.erase(it);
      continue;
    }
    settle(file, random);
    file.exists = file.is_durable = true;
    file.is_new = false;
    file.shared_memory.clear();
    ++it;
  }
  is_down_ = false;
  n_left_ = UINT64_MAX;
}

}  // namespace maru::store::testing
