// A disk in memory for SQLite, which can lose power and fill up (https://sqlite.org/vfs.html).
//
// What is written is seen at once, but is on the disk only when it was synced. When power fails, of
// every write since a file's last sync some sectors arrive and some do not, in any order; a file
// that was made may be gone, one that was removed without a sync may be back. As on a real disk,
// bytes that nobody wrote do not change. Thread-safe, but power fails only while nobody has a file
// open.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

namespace maru::store::testing {

class CrashVfs {
 public:
  CrashVfs();
  ~CrashVfs();
  CrashVfs(const CrashVfs&) = delete;
  CrashVfs& operator=(const CrashVfs&) = delete;

  const std::string& name() const { return name_; }
  // An empty file that is on the disk.
  void make_file(const std::string& path);

  // After `n` more writes, syncs, truncations and removals every call fails, this one too.
  void fail_after(uint64_t n);
  bool has_failed() const;
  // What the disk holds after the power failed; calls work again.
  void lose_power(std::mt19937_64& random);

  // Writes that make the files larger than this in sum fail with SQLITE_FULL.
  void set_room(uint64_t n_bytes);
  uint64_t used() const;
  uint64_t n_operations() const;

  // For the callbacks of the VFS (crash_vfs.cpp).
  struct Change {
    bool is_write;  // else a truncation to `offset`
    size_t offset;
    std::string bytes;
  };
  struct File {
    std::string content;          // what programs see
    std::string durable;          // what was synced
    std::vector<Change> pending;  // what leads from one to the other
    bool exists = true;
    bool is_durable = false;  // a file of its name survives, this one or the removed one before it
    bool is_new = true;       // its first sync syncs the folder too, as SQLite's VFS of Unix does
    int n_shared = 0;
    bool reserved = false, pending_lock = false, exclusive = false;
    std::vector<std::unique_ptr<char[]>> shared_memory;
    int n_mapped = 0;
    int shm_shared[SQLITE_SHM_NLOCK] = {};
    bool shm_exclusive[SQLITE_SHM_NLOCK] = {};
  };
  struct Handle {
    sqlite3_file base;
    CrashVfs* vfs;
    File* file;
    int lock;
    bool is_mapped;
    unsigned shm_shared, shm_exclusive;  // bits of the locks that it holds
  };
  File* find(const std::string& path);
  File* find_or_make(const std::string& path);
  void sync_folder();
  bool is_down() const { return is_down_; }
  bool spend_operation();  // false if the power is out
  bool has_room_for(const File& file, size_t new_size) const;
  std::recursive_mutex& mutex() const { return mutex_; }

 private:
  void settle(File& file, std::mt19937_64& random);

  mutable std::recursive_mutex mutex_;
  std::string name_;
  sqlite3_vfs vfs_ = {};
  std::map<std::string, std::unique_ptr<File>> files_;
  uint64_t n_left_ = UINT64_MAX, n_operations_ = 0, room_ = UINT64_MAX;
  bool is_down_ = false;
};

}  // namespace maru::store::testing
