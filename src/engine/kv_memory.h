// The memory of KV pages: one reservation of address space per group, one byte budget for all of
// them. Pages are committed when first used and counted by who holds them: sequences (running
// requests) or the prefix tree.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/result.h"
#include "models/model.h"

namespace maru::engine {

using PageId = uint32_t;
inline constexpr PageId kNoPage = UINT32_MAX;

enum class PageHolder : uint8_t { kSequence, kTree };

// Not thread-safe: the engine's thread owns it.
class KvMemory {
 public:
  // From one page to the next: whole pages of the system.
  static uint64_t bytes_of_page(const models::KvLayout& layout, size_t group);

  // Reserves address space, commits nothing. Errors: kUnavailable when the kernel refuses.
  static Result<std::unique_ptr<KvMemory>> create(const models::KvLayout& layout,
                                                  uint64_t budget_bytes);
  ~KvMemory();
  KvMemory(const KvMemory&) = delete;
  KvMemory& operator=(const KvMemory&) = delete;

  // A page with one sequence as holder, or kNoPage when the budget is used up. Its content is
  // undefined (NaN in debug builds).
  PageId allocate(size_t group);
  // The tree holds a page at most once.
  void retain(size_t group, PageId page, PageHolder holder);
  // The last holder's release frees the page; its content is gone (NaN in debug builds).
  void release(size_t group, PageId page, PageHolder holder);

  uint8_t* data(size_t group, PageId page) const;  // 64-byte aligned
  void copy(size_t group, PageId from, PageId to);
  bool held_by_sequence(size_t group, PageId page) const;

  size_t n_groups() const { return groups_.size(); }
  uint64_t page_bytes(size_t group) const { return groups_[group].stride; }
  uint64_t budget_bytes() const { return budget_; }
  uint64_t used_bytes() const { return used_; }      // by any holder
  uint64_t pinned_bytes() const { return pinned_; }  // by sequences; the rest can be evicted

 private:
  struct Page {
    uint32_t sequence_refs = 0;
    bool in_tree = false;
  };
  struct Group {
    uint8_t* base = nullptr;
    size_t reserved = 0;
    uint64_t stride = 0;       // bytes from page to page, a multiple of the system's page
    std::vector<Page> pages;   // those ever used
    std::vector<PageId> warm;  // free and committed; last in, first out
    std::vector<PageId> cold;  // free and given back to the system
  };

  explicit KvMemory(uint64_t budget_bytes) : budget_(budget_bytes) {}
  void make_room_to_commit(uint64_t bytes);
  void free_page(Group& group, PageId page);

  const uint64_t budget_;
  uint64_t used_ = 0, pinned_ = 0, committed_ = 0;
  std::vector<Group> groups_;
};

}  // namespace maru::engine
