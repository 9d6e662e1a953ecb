// KV pages of published prefixes on disk, in the format they have in memory: the prefix tree's
// second tier, which a restart does not empty. One folder holds the pages of one {model, kernels,
// program, layout}; another of any of these is another folder. The tokens of every page are stored
// and compared, so that not even equal digests give a wrong page.
//
// A thread of lowest priority writes; the engine's thread looks up and reads. Pages on their way
// are copied, so that the tree may give up its own at any time.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "engine/prefix_segment.h"

namespace maru::engine {

struct PrefixStoreOptions {
  std::string folder;         // of all models; this one's is made below it, 0700
  std::string identity;       // model, ISA and build: whatever else decides the bits of a page
  uint64_t budget_bytes = 0;  // of the folder, files of other models included
  uint64_t queue_bytes = uint64_t{8} << 20;             // of pages on their way; at least one goes
  std::chrono::milliseconds pause_after_error{10'000};  // before the disk is tried again
};

struct PrefixStoreStats {
  uint64_t n_bytes = 0;    // of this model's files
  uint64_t n_written = 0;  // pages since start, as all below
  uint64_t n_read = 0;
  uint64_t n_dropped = 0;  // could not be written
  uint64_t n_damaged = 0;  // entries or rows that were not as written
};

// A page by what it holds.
struct PageName {
  PrefixDigest digest;              // of the prefix that ends with the page
  uint32_t group = 0;               // of layers
  uint32_t index = 0;               // in the prefix
  std::span<const TokenId> tokens;  // [page_tokens]
};

// All functions belong to one thread, the engine's. None waits for the disk but load() and drain().
class PrefixStore {
 public:
  // Reads the index files that are there. Errors: kUnavailable (no folder, no permission, another
  // process has it), kTooLarge (the budget holds not even two pages of each group).
  static Result<std::unique_ptr<PrefixStore>> open(const PrefixStoreOptions& options,
                                                   const models::KvLayout& layout);
  // Waits for the page that is being written; what is queued behind it is lost unless drain() was
  // called.
  ~PrefixStore();
  PrefixStore(const PrefixStore&) = delete;
  PrefixStore& operator=(const PrefixStore&) = delete;

  enum class Taken { kYes, kKnown, kLater };
  // Copies the rows and queues them. kKnown: stored or queued already. kLater: the queue is full.
  Taken take(const PageName& name, const uint8_t* rows);
  bool find(const PageName& name) const;  // stored, as of the last collect()
  // Reads the rows of a page that find() knows. False when they are not as written: the page is
  // forgotten and the rows are undefined.
  bool load(const PageName& name, uint8_t* rows);
  // Takes over what has been written or dropped since the last call.
  void collect();
  size_t n_on_their_way() const { return n_on_their_way_; }  // taken and not collected yet
  // Waits until everything queued is written, and collects it. False when the time came first.
  bool drain(std::chrono::steady_clock::time_point deadline);

  PrefixStoreStats stats() const { return stats_; }
  size_t n_pages() const { return pages_.size(); }

 private:
  struct Key {
    PrefixDigest digest;
    uint32_t group = 0;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    size_t operator()(const Key& key) const;
  };
  struct Page {
    std::shared_ptr<SegmentFile> file;  // null while the page is on its way
    SegmentEntry entry;
  };
  struct Segment {
    std::shared_ptr<SegmentFile> file;
    uint64_t n_bytes = 0;
    std::vector<Key> keys;
  };
  struct Write {  // a page on its way
    SegmentEntry entry;
    std::unique_ptr<uint8_t[]> rows;
  };
  struct Written {
    SegmentEntry entry;
    std::shared_ptr<SegmentFile> file;  // null: dropped
  };

  PrefixStore(const PrefixStoreOptions& options, const models::KvLayout& layout);
  Status lock_folder();
  void read_segments();
  void give_up_other_models();
  void note(Written written);
  void give_up_old_segments();
  void hurry();
  // The writer's side.
  void write_pages();
  Written write(Write page);
  Status append(SegmentEntry& entry, std::span<const uint8_t> rows);

  const PrefixStoreOptions options_;
  const SegmentFormat format_;
  const std::string folder_;  // of this format
  uint64_t budget_ = 0;       // of this folder
  uint64_t segment_bytes_ = 0;
  int lock_fd_ = -1;

  // The engine's.
  std::unordered_map<Key, Page, KeyHash> pages_;
  std::deque<Segment> segments_;  // oldest first
  PrefixStoreStats stats_;
  size_t n_on_their_way_ = 0;

  // The writer's.
  std::shared_ptr<SegmentFile> current_;
  uint64_t next_number_ = 1;
  std::chrono::steady_clock::time_point paused_until_{};

  std::mutex mutex_;  // guards what follows
  std::condition_variable wake_, idle_;
  std::deque<Write> queue_;
  std::vector<Written> written_;
  std::vector<uint64_t> removed_segments_;
  std::vector<std::string> removed_folders_;
  uint64_t n_queued_bytes_ = 0;
  bool is_writing_ = false, stopping_ = false;

  std::thread writer_;
};

}  // namespace maru::engine
