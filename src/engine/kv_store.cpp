// KvCache and the disk: what the prefix tree knows goes to the store, what the store knows comes
// back.
#include <algorithm>
#include <utility>

#include "engine/kv_cache.h"

namespace maru::engine {

// The longest state that tree and store have together, in whole pages.
struct KvCache::StoredPrefix {
  std::vector<PageName> names;               // [page], of group 0
  std::vector<std::vector<PageId>> in_tree;  // [page][group]
  uint32_t n_pages = 0;
};

void KvCache::set_store(std::unique_ptr<PrefixStore> store) {
  store_ = std::move(store);
  tree_->list_new_pages();
}

bool KvCache::save() {
  if (store_ == nullptr) return false;
  store_->collect();
  while (const auto page = tree_->new_page()) {
    const PageName name{page->digest, page->group, page->index, page->tokens};
    const uint8_t* rows = memory_->data(page->group, page->page);
    if (store_->take(name, rows) == PrefixStore::Taken::kLater) return true;
    tree_->pop_new_page();
  }
  return store_->n_on_their_way() > 0;
}

void KvCache::flush(std::chrono::steady_clock::time_point deadline) {
  if (store_ == nullptr) return;
  while (save()) {
    if (!store_->drain(deadline)) return;
  }
  store_->drain(deadline);
}

KvCache::StoredPrefix KvCache::look_up_stored(const PrefixKey& key, std::span<const TokenId> tokens,
                                              uint32_t limit) {
  const uint32_t page_tokens = layout_.page_tokens;
  const auto n_groups = static_cast<uint32_t>(layout_.groups.size());
  const uint32_t n_most = limit / page_tokens;
  StoredPrefix found;
  found.in_tree = tree_->full_pages(key, tokens.first(n_most * page_tokens));
  std::vector<std::vector<bool>> is_there;  // [page][group]
  PrefixDigest digest = root_digest(key);
  for (uint32_t i = 0; i < n_most; ++i) {
    const auto page = tokens.subspan(size_t{i} * page_tokens, page_tokens);
    digest = digest_after(digest, page);
    const bool is_in_tree = i < found.in_tree.size();
    bool is_known = is_in_tree;
    auto& row = is_there.emplace_back(n_groups, false);
    for (uint32_t g = 0; g < n_groups; ++g) {
      const bool is_stored = store_->find({digest, g, i, page});
      is_known |= is_stored;
      row[g] = is_stored || (is_in_tree && found.in_tree[i][g] != kNoPage);
    }
    // A page whose tokens nobody vouches for: what follows may be another prefix of equal digest.
    if (!is_known) break;
    found.names.push_back({digest, 0, i, page});
  }
  // As in PrefixTree::match: a missing page leaves only the ends before it.
  found.n_pages = static_cast<uint32_t>(found.names.size());
  for (uint32_t i = found.n_pages; i-- > 0;) {
    for (uint32_t g = 0; g < n_groups; ++g) {
      const uint32_t first =
          first_visible_page(found.n_pages * page_tokens, layout_.groups[g].window, page_tokens);
      if (i < found.n_pages && i >= first && !is_there[i][g]) found.n_pages = i;
    }
  }
  found.in_tree.resize(found.names.size(), std::vector<PageId>(n_groups, kNoPage));
  return found;
}

uint64_t KvCache::restore(const PrefixKey& key, std::span<const TokenId> tokens, uint32_t limit,
                          uint32_t n_done, uint64_t max_bytes) {
  if (store_ == nullptr) return 0;
  const uint32_t n_here = std::max(n_done, tree_->match(key, tokens, limit).n_tokens);
  if (limit / layout_.page_tokens <= n_here / layout_.page_tokens) return 0;
  store_->collect();
  const StoredPrefix found = look_up_stored(key, tokens, limit);
  const uint32_t n_tokens = found.n_pages * layout_.page_tokens;
  if (n_tokens <= n_here) return 0;
  tree_->touch(key, tokens.first(n_tokens));  // what is there already goes last

  const size_t n_groups = layout_.groups.size();
  std::vector<std::vector<PageId>> pages(n_groups);
  uint64_t n_bytes = 0;
  bool goes_on = true;
  for (uint32_t i = 0; i < found.n_pages && goes_on && n_bytes < max_bytes; ++i) {
    for (size_t g = 0; g < n_groups; ++g) {
      PageId page = kNoPage;
      const bool is_wanted =
          found.in_tree[i][g] == kNoPage &&
          i >= first_visible_page(n_tokens, layout_.groups[g].window, layout_.page_tokens);
      if (is_wanted && goes_on) page = allocate(g);
      if (is_wanted && page == kNoPage) goes_on = false;
      PageName name = found.names[i];
      name.group = static_cast<uint32_t>(g);
      if (page != kNoPage && !store_->load(name, memory_->data(g, page))) {
        memory_->release(g, page, PageHolder::kSequence);
        page = kNoPage;
        goes_on = false;
      }
      if (page != kNoPage) n_bytes += memory_->page_bytes(g);
      pages[g].push_back(page);
    }
  }
  tree_->insert(key, tokens.first(pages[0].size() * layout_.page_tokens), pages);
  for (size_t g = 0; g < n_groups; ++g) {
    for (const PageId page : pages[g]) {
      if (page != kNoPage) memory_->release(g, page, PageHolder::kSequence);
    }
  }
  return n_bytes;
}

}  // namespace maru::engine
