#include "engine/kv_memory.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/check.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size) \
  (static_cast<void>(address), static_cast<void>(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) \
  (static_cast<void>(address), static_cast<void>(size))
#endif

namespace maru::engine {
namespace {

// Fills with NaN in every float format, so that a read of what nobody wrote shows at once.
void fill_with_nan([[maybe_unused]] uint8_t* data, [[maybe_unused]] size_t size) {
#ifndef NDEBUG
  std::memset(data, 0xFF, size);
#endif
}

}  // namespace

uint64_t KvMemory::bytes_of_page(const models::KvLayout& layout, size_t group) {
  const auto system_page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  return (layout.page_bytes(group) + system_page - 1) / system_page * system_page;
}

Result<std::unique_ptr<KvMemory>> KvMemory::create(const models::KvLayout& layout,
                                                   uint64_t budget_bytes) {
  std::unique_ptr<KvMemory> memory(new KvMemory(budget_bytes));
  for (size_t g = 0; g < layout.groups.size(); ++g) {
    Group& group = memory->groups_.emplace_back();
    group.stride = bytes_of_page(layout, g);
    MARU_CHECK(group.stride > 0);
    group.reserved = static_cast<size_t>(budget_bytes / group.stride * group.stride);
    if (group.reserved == 0) continue;
    void* base = mmap(nullptr, group.reserved, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) {
      group.reserved = 0;
      return Error{ErrorCode::kUnavailable,
                   fmt::format("cannot reserve {} bytes of address space for the KV cache: {}",
                               group.reserved, std::strerror(errno)),
                   "give the engine a smaller KV budget"};
    }
    group.base = static_cast<uint8_t*>(base);
  }
  return memory;
}

KvMemory::~KvMemory() {
  for (Group& group : groups_) {
    if (group.base == nullptr) continue;
    ASAN_UNPOISON_MEMORY_REGION(group.base, group.reserved);
    munmap(group.base, group.reserved);
  }
}

PageId KvMemory::allocate(size_t group_index) {
  Group& group = groups_[group_index];
  if (used_ + group.stride > budget_) return kNoPage;
  PageId page = kNoPage;
  if (!group.warm.empty()) {
    page = group.warm.back();
    group.warm.pop_back();
  } else {
    make_room_to_commit(group.stride);
    committed_ += group.stride;
    if (!group.cold.empty()) {
      page = group.cold.back();
      group.cold.pop_back();
    } else {
      page = static_cast<PageId>(group.pages.size());
      group.pages.emplace_back();
    }
  }
  used_ += group.stride;
  pinned_ += group.stride;
  group.pages[page] = {.sequence_refs = 1, .in_tree = false};
  ASAN_UNPOISON_MEMORY_REGION(data(group_index, page), group.stride);
  fill_with_nan(data(group_index, page), group.stride);
  return page;
}

// Free pages of one group stay committed, since they will be wanted again; when another group
// grows into the same budget, they go back to the system first.
void KvMemory::make_room_to_commit(uint64_t bytes) {
  for (size_t g = 0; g < groups_.size() && committed_ + bytes > budget_; ++g) {
    Group& group = groups_[g];
    while (!group.warm.empty() && committed_ + bytes > budget_) {
      const PageId page = group.warm.back();
      group.warm.pop_back();
      ASAN_UNPOISON_MEMORY_REGION(data(g, page), group.stride);
      madvise(data(g, page), group.stride, MADV_DONTNEED);
      ASAN_POISON_MEMORY_REGION(data(g, page), group.stride);
      group.cold.push_back(page);
      committed_ -= group.stride;
    }
  }
  MARU_CHECK(committed_ + bytes <= budget_);
}

void KvMemory::retain(size_t group_index, PageId page_id, PageHolder holder) {
  Group& group = groups_[group_index];
  Page& page = group.pages[page_id];
  MARU_CHECK(page.sequence_refs > 0 || page.in_tree);
  if (holder == PageHolder::kTree) {
    MARU_CHECK(!page.in_tree);
    page.in_tree = true;
  } else if (++page.sequence_refs == 1) {
    pinned_ += group.stride;
  }
}

void KvMemory::release(size_t group_index, PageId page_id, PageHolder holder) {
  Group& group = groups_[group_index];
  Page& page = group.pages[page_id];
  if (holder == PageHolder::kTree) {
    MARU_CHECK(page.in_tree);
    page.in_tree = false;
  } else {
    MARU_CHECK(page.sequence_refs > 0);
    if (--page.sequence_refs == 0) pinned_ -= group.stride;
  }
  if (page.sequence_refs > 0 || page.in_tree) return;
  used_ -= group.stride;
  fill_with_nan(data(group_index, page_id), group.stride);
  ASAN_POISON_MEMORY_REGION(data(group_index, page_id), group.stride);
  group.warm.push_back(page_id);
}

uint8_t* KvMemory::data(size_t group, PageId page) const {
  return groups_[group].base + groups_[group].stride * page;
}

void KvMemory::copy(size_t group, PageId from, PageId to) {
  std::memcpy(data(group, to), data(group, from), groups_[group].stride);
}

bool KvMemory::held_by_sequence(size_t group, PageId page) const {
  return groups_[group].pages[page].sequence_refs > 0;
}

}  // namespace maru::engine
