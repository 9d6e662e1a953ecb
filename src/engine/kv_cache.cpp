#include "engine/kv_cache.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"

namespace maru::engine {
namespace {

uint64_t hash_layout(const models::KvLayout& layout) {
  uint64_t hash = 0xcbf29ce484222325;  // FNV-1a over the fields
  const auto mix = [&](uint64_t value) { hash = (hash ^ value) * 0x100000001b3; };
  mix(layout.page_tokens);
  mix(static_cast<uint64_t>(layout.type));
  for (const models::KvGroup& group : layout.groups) {
    mix(group.window);
    mix(group.n_layers);
    mix(group.bytes_per_token);
  }
  return hash;
}

}  // namespace

Result<std::unique_ptr<KvCache>> KvCache::create(const models::KvLayout& layout,
                                                 uint64_t model_fingerprint, uint64_t budget_bytes,
                                                 uint32_t max_step_tokens) {
  MARU_ASSIGN_OR_RETURN(auto memory, KvMemory::create(layout, budget_bytes));
  std::unique_ptr<KvCache> cache(
      new KvCache(layout, model_fingerprint, std::move(memory), max_step_tokens));
  const uint64_t least = cache->bytes_for(max_step_tokens);
  if (budget_bytes < least) {
    return Error{
        ErrorCode::kTooLarge,
        fmt::format("a KV budget of {} bytes holds not even one step of {} tokens ({} bytes)",
                    budget_bytes, max_step_tokens, least),
        "raise the KV budget"};
  }
  return cache;
}

KvCache::KvCache(const models::KvLayout& layout, uint64_t model_fingerprint,
                 std::unique_ptr<KvMemory> memory, uint32_t max_step_tokens)
    : layout_(layout),
      model_fingerprint_(model_fingerprint),
      layout_hash_(hash_layout(layout)),
      max_step_tokens_(max_step_tokens),
      memory_(std::move(memory)),
      tree_(std::make_unique<PrefixTree>(layout, *memory_)) {}

PrefixKey KvCache::key_of(const Request& request) const {
  return {model_fingerprint_, layout_hash_, request.adapter, request.tenant_salt};
}

uint32_t KvCache::resume(const PrefixKey& key, std::span<const TokenId> tokens, uint32_t limit,
                         uint32_t n_done, SequenceKv& kv) {
  while (limit > n_done) {
    const PrefixMatch match = tree_->match(key, tokens, limit);
    if (match.n_tokens <= n_done) break;
    if (adopt(match, kv)) {
      tree_->touch(key, tokens.first(match.n_tokens));
      return match.n_tokens;
    }
    // No page to copy the split page into: the pages before it need none.
    limit = match.n_tokens / layout_.page_tokens * layout_.page_tokens;
  }
  return n_done;
}

bool KvCache::adopt(const PrefixMatch& match, SequenceKv& kv) {
  const auto each_page = [&](const auto& body) {
    for (size_t g = 0; g < match.pages.size(); ++g) {
      for (const PageId page : match.pages[g]) {
        if (page != kNoPage) body(g, page);
      }
    }
  };
  // Held first, so that getting pages for copies cannot evict them.
  each_page([&](size_t g, PageId page) { memory_->retain(g, page, PageHolder::kSequence); });
  auto pages = match.pages;
  if (match.n_tokens % layout_.page_tokens != 0) {
    std::vector<PageId> copies;
    for (size_t g = 0; g < pages.size(); ++g) {
      copies.push_back(allocate(g));
      if (copies.back() != kNoPage) continue;
      for (size_t h = 0; h < g; ++h) memory_->release(h, copies[h], PageHolder::kSequence);
      each_page([&](size_t h, PageId page) { memory_->release(h, page, PageHolder::kSequence); });
      return false;
    }
    for (size_t g = 0; g < pages.size(); ++g) {
      PageId& split = pages[g].back();
      memory_->copy(g, split, copies[g]);
      memory_->release(g, split, PageHolder::kSequence);
      split = copies[g];
    }
  }
  release(kv);
  kv.pages = std::move(pages);
  kv.n_trimmed.clear();
  for (const models::KvGroup& group : layout_.groups) {
    kv.n_trimmed.push_back(first_visible_page(match.n_tokens, group.window, layout_.page_tokens));
  }
  refresh_pointers(kv);
  return true;
}

PageId KvCache::allocate(size_t group) {
  PageId page = memory_->allocate(group);
  while (page == kNoPage && tree_->evict_one()) page = memory_->allocate(group);
  return page;
}

uint32_t KvCache::grow(SequenceKv& kv, uint32_t n_tokens) {
  const size_t n_groups = layout_.groups.size();
  kv.pages.resize(n_groups);
  kv.pointers.resize(n_groups);
  kv.n_trimmed.resize(n_groups, 0);
  const size_t n_wanted = (n_tokens + layout_.page_tokens - 1) / layout_.page_tokens;
  while (kv.pages[0].size() < n_wanted) {
    std::vector<PageId> row;
    while (row.size() < n_groups) {
      const PageId page = allocate(row.size());
      if (page == kNoPage) break;
      row.push_back(page);
    }
    if (row.size() < n_groups) {
      for (size_t g = 0; g < row.size(); ++g) memory_->release(g, row[g], PageHolder::kSequence);
      break;
    }
    for (size_t g = 0; g < n_groups; ++g) {
      kv.pages[g].push_back(row[g]);
      kv.pointers[g].push_back(memory_->data(g, row[g]));
    }
  }
  const uint64_t room = uint64_t{kv.pages[0].size()} * layout_.page_tokens;
  return static_cast<uint32_t>(std::min<uint64_t>(room, n_tokens));
}

void KvCache::publish(const PrefixKey& key, std::span<const TokenId> computed, SequenceKv& kv) {
  if (computed.empty()) return;
  tree_->insert(key, computed, kv.pages);
  refresh_pointers(kv);
}

void KvCache::trim(SequenceKv& kv, uint32_t n_done) {
  for (size_t g = 0; g < kv.pages.size(); ++g) {
    const uint32_t first =
        first_visible_page(n_done, layout_.groups[g].window, layout_.page_tokens);
    for (uint32_t& i = kv.n_trimmed[g]; i < first && i < kv.pages[g].size(); ++i) {
      if (kv.pages[g][i] == kNoPage) continue;
      memory_->release(g, kv.pages[g][i], PageHolder::kSequence);
      kv.pages[g][i] = kNoPage;
      kv.pointers[g][i] = nullptr;
    }
  }
}

void KvCache::release(SequenceKv& kv) {
  for (size_t g = 0; g < kv.pages.size(); ++g) {
    for (const PageId page : kv.pages[g]) {
      if (page != kNoPage) memory_->release(g, page, PageHolder::kSequence);
    }
  }
  kv = {};
}

void KvCache::refresh_pointers(SequenceKv& kv) const {
  kv.pointers.resize(kv.pages.size());
  for (size_t g = 0; g < kv.pages.size(); ++g) {
    kv.pointers[g].resize(kv.pages[g].size());
    for (size_t i = 0; i < kv.pages[g].size(); ++i) {
      const PageId page = kv.pages[g][i];
      kv.pointers[g][i] = page == kNoPage ? nullptr : memory_->data(g, page);
    }
  }
}

uint64_t KvCache::bytes_for(uint64_t n_tokens) const {
  const uint64_t page_tokens = layout_.page_tokens;
  uint64_t bytes = 0;
  for (size_t g = 0; g < layout_.groups.size(); ++g) {
    uint64_t n_pages = (n_tokens + page_tokens - 1) / page_tokens;
    if (const uint64_t window = layout_.groups[g].window; window > 0) {
      // A step sees window - 1 positions before its own; they may begin and end inside pages.
      n_pages =
          std::min(n_pages, (window - 1 + max_step_tokens_ + page_tokens - 1) / page_tokens + 1);
    }
    bytes += n_pages * memory_->page_bytes(g);
  }
  return bytes;
}

uint64_t KvCache::bytes_to_add(const PrefixKey& key, std::span<const TokenId> tokens,
                               uint32_t limit, uint64_t n_tokens) const {
  const PrefixMatch match = tree_->match(key, tokens, limit);
  uint64_t shared = 0;
  for (size_t g = 0; g < match.pages.size(); ++g) {
    // The split page is copied, so it saves nothing.
    const size_t n_whole = match.n_tokens / layout_.page_tokens;
    for (size_t i = 0; i < n_whole; ++i) {
      const PageId page = match.pages[g][i];
      if (page != kNoPage && memory_->held_by_sequence(g, page)) shared += memory_->page_bytes(g);
    }
  }
  const uint64_t all = bytes_for(n_tokens);
  return all > shared ? all - shared : 0;
}

uint64_t KvCache::bytes_held(const SequenceKv& kv) const {
  uint64_t bytes = 0;
  for (size_t g = 0; g < kv.pages.size(); ++g) {
    for (const PageId page : kv.pages[g]) bytes += page == kNoPage ? 0 : memory_->page_bytes(g);
  }
  return bytes;
}

uint32_t KvCache::max_tokens() const {
  uint64_t low = 0, high = uint64_t{1} << 31;
  while (low < high) {
    const uint64_t middle = (low + high + 1) / 2;
    if (bytes_for(middle) <= memory_->budget_bytes()) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return static_cast<uint32_t>(low);
}

}  // namespace maru::engine
