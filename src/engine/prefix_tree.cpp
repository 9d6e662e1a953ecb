#include "engine/prefix_tree.h"

#include <algorithm>

#include "base/check.h"

namespace maru::engine {
namespace {

size_t common_prefix(std::span<const TokenId> a, std::span<const TokenId> b) {
  const auto ends = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  return static_cast<size_t>(ends.first - a.begin());
}

}  // namespace

struct PrefixTree::Node {
  Node* parent = nullptr;             // null in a root
  const PrefixKey* key = nullptr;     // in a root only
  size_t slot = 0;                    // index in nodes_
  uint32_t depth = 0;                 // page index; a root's children have 0
  std::vector<TokenId> tokens;        // of this page's first rows
  std::vector<PageId> pages;          // [group]
  std::vector<bool> is_new;           // [group] in the list of new pages
  PrefixDigest digest;                // of a root, and of full nodes while new pages are listed
  std::vector<uint64_t> page_stamps;  // [group] when a resumed state last looked at this page
  uint64_t stamp = 0;                 // when this node was last part of a used prefix
  std::vector<std::unique_ptr<Node>> children;  // by tokens, lexicographically

  using Children = std::vector<std::unique_ptr<Node>>;
  template <class NodeT>
  static auto lower_bound(NodeT& node, std::span<const TokenId> tokens) {
    return std::lower_bound(node.children.begin(), node.children.end(), tokens,
                            [](const std::unique_ptr<Node>& child, std::span<const TokenId> t) {
                              return std::lexicographical_compare(
                                  child->tokens.begin(), child->tokens.end(), t.begin(), t.end());
                            });
  }
};

PrefixTree::PrefixTree(const models::KvLayout& layout, KvMemory& memory)
    : layout_(layout), memory_(memory) {}

PrefixTree::~PrefixTree() { clear(); }

const PrefixTree::Node* PrefixTree::root_of(const PrefixKey& key) const {
  const auto it = roots_.find(key);
  return it == roots_.end() ? nullptr : it->second.get();
}

// The nodes that begin with `tokens`, the last one perhaps only in its first rows.
std::vector<const PrefixTree::Node*> PrefixTree::walk(const PrefixKey& key,
                                                      std::span<const TokenId> tokens,
                                                      uint32_t& n_tokens) const {
  std::vector<const Node*> path;
  n_tokens = 0;
  const Node* node = root_of(key);
  while (node != nullptr && !tokens.empty()) {
    const auto wanted = tokens.first(std::min<size_t>(tokens.size(), layout_.page_tokens));
    // In sorted order the longest common beginning is beside the place of `wanted`.
    const auto next = Node::lower_bound(*node, wanted);
    const Node* best = nullptr;
    size_t n_common = 0;
    if (next != node->children.end()) {
      best = next->get();
      n_common = common_prefix(best->tokens, wanted);
    }
    if (next != node->children.begin()) {
      const Node* before = std::prev(next)->get();
      const size_t n = common_prefix(before->tokens, wanted);
      if (n > n_common) best = before, n_common = n;
    }
    if (n_common == 0) break;
    path.push_back(best);
    n_tokens += static_cast<uint32_t>(n_common);
    if (n_common < layout_.page_tokens) break;
    tokens = tokens.subspan(n_common);
    node = best;
  }
  return path;
}

PrefixMatch PrefixTree::match(const PrefixKey& key, std::span<const TokenId> tokens,
                              uint32_t limit) const {
  PrefixMatch match;
  const auto path = walk(key, tokens.first(std::min<size_t>(limit, tokens.size())), match.n_tokens);
  const uint32_t page_tokens = layout_.page_tokens;
  // A missing page forbids every end from which it would be seen; only ends before the page remain
  // to be tried, so one pass from the back finds the longest state.
  for (size_t i = path.size(); i-- > 0;) {
    for (size_t g = 0; g < layout_.groups.size(); ++g) {
      const bool is_seen =
          i * page_tokens < match.n_tokens &&
          i >= first_visible_page(match.n_tokens, layout_.groups[g].window, page_tokens);
      if (is_seen && path[i]->pages[g] == kNoPage) {
        match.n_tokens = static_cast<uint32_t>(i) * page_tokens;
      }
    }
  }
  const size_t n_pages = (match.n_tokens + page_tokens - 1) / page_tokens;
  for (const models::KvGroup& group : layout_.groups) {
    const size_t g = match.pages.size();
    auto& pages = match.pages.emplace_back(n_pages, kNoPage);
    for (size_t i = first_visible_page(match.n_tokens, group.window, page_tokens); i < n_pages;
         ++i) {
      pages[i] = path[i]->pages[g];
    }
  }
  return match;
}

void PrefixTree::touch(const PrefixKey& key, std::span<const TokenId> tokens) {
  uint32_t n_tokens = 0;
  const auto path = walk(key, tokens, n_tokens);
  if (!path.empty()) stamp_path(const_cast<Node*>(path.back()), n_tokens);
}

void PrefixTree::stamp_path(Node* last, uint32_t n_tokens) {
  ++clock_;
  for (Node* node = last; node->parent != nullptr; node = node->parent) {
    node->stamp = clock_;
    for (size_t g = 0; g < layout_.groups.size(); ++g) {
      const uint32_t first =
          first_visible_page(n_tokens, layout_.groups[g].window, layout_.page_tokens);
      if (node->depth >= first) node->page_stamps[g] = clock_;
    }
  }
}

void PrefixTree::insert(const PrefixKey& key, std::span<const TokenId> tokens,
                        std::vector<std::vector<PageId>>& pages) {
  if (tokens.empty()) return;
  const auto [it, is_new] = roots_.try_emplace(key);
  if (is_new) {
    it->second = std::make_unique<Node>();
    it->second->key = &it->first;
    if (lists_new_pages_) it->second->digest = root_digest(key);
  }
  Node* node = it->second.get();
  const size_t page_tokens = layout_.page_tokens;
  for (size_t begin = 0; begin < tokens.size(); begin += page_tokens) {
    const auto part = tokens.subspan(begin, std::min(page_tokens, tokens.size() - begin));
    node = child_for_insert(node, part);
    if (node->tokens.size() == part.size()) take_pages(node, begin / page_tokens, pages);
  }
  stamp_path(node, static_cast<uint32_t>(tokens.size()));
}

// The child that holds exactly these tokens, or more of them (then ours add nothing).
PrefixTree::Node* PrefixTree::child_for_insert(Node* parent, std::span<const TokenId> tokens) {
  const auto next = Node::lower_bound(*parent, tokens);
  if (next != parent->children.end() && common_prefix((*next)->tokens, tokens) == tokens.size()) {
    return next->get();
  }
  if (next != parent->children.begin()) {
    Node* before = std::prev(next)->get();
    if (common_prefix(before->tokens, tokens) == before->tokens.size()) {
      // A leaf that ours continues. No sibling begins like it, so it keeps its place in the order.
      for (size_t g = 0; g < before->pages.size(); ++g) drop_page(before, g);
      set_tokens(before, tokens);
      return before;
    }
  }
  auto child = std::make_unique<Node>();
  Node* added = child.get();
  added->parent = parent;
  added->depth = parent->parent == nullptr ? 0 : parent->depth + 1;
  set_tokens(added, tokens);
  added->pages.assign(layout_.groups.size(), kNoPage);
  added->is_new.assign(layout_.groups.size(), false);
  added->page_stamps.assign(layout_.groups.size(), clock_);
  added->slot = nodes_.size();
  nodes_.push_back(added);
  parent->children.insert(next, std::move(child));
  return added;
}

void PrefixTree::set_tokens(Node* node, std::span<const TokenId> tokens) {
  node->tokens.assign(tokens.begin(), tokens.end());
  if (lists_new_pages_ && tokens.size() == layout_.page_tokens) {
    node->digest = digest_after(node->parent->digest, tokens);
  }
}

void PrefixTree::take_pages(Node* node, size_t index, std::vector<std::vector<PageId>>& pages) {
  const bool is_full = node->tokens.size() == layout_.page_tokens;
  for (size_t g = 0; g < layout_.groups.size(); ++g) {
    PageId& offered = pages[g][index];
    PageId& kept = node->pages[g];
    if (offered == kNoPage || offered == kept) continue;
    if (kept == kNoPage) {
      memory_.retain(g, offered, PageHolder::kTree);
      kept = offered;
      node->page_stamps[g] = clock_;
      ++version_;
      if (is_full && lists_new_pages_) list_new_page(node, g);
    } else if (is_full) {
      memory_.retain(g, kept, PageHolder::kSequence);
      memory_.release(g, offered, PageHolder::kSequence);
      offered = kept;
    }
  }
}

void PrefixTree::list_new_pages() {
  MARU_CHECK(nodes_.empty());  // or nodes without a digest would be among them
  lists_new_pages_ = true;
}

void PrefixTree::list_new_page(Node* node, size_t group) {
  node->is_new[group] = true;
  new_pages_.emplace_back(node, group);
}

std::optional<NewPage> PrefixTree::new_page() const {
  if (new_pages_.empty()) return std::nullopt;
  const auto [node, group] = new_pages_.front();
  return NewPage{node->digest, node->depth, static_cast<uint32_t>(group), node->pages[group],
                 node->tokens};
}

void PrefixTree::pop_new_page() {
  const auto [node, group] = new_pages_.front();
  node->is_new[group] = false;
  new_pages_.pop_front();
}

std::vector<std::vector<PageId>> PrefixTree::full_pages(const PrefixKey& key,
                                                        std::span<const TokenId> tokens) const {
  uint32_t n_tokens = 0;
  std::vector<std::vector<PageId>> pages;
  for (const Node* node : walk(key, tokens, n_tokens)) {
    if (pages.size() == n_tokens / layout_.page_tokens) break;
    pages.push_back(node->pages);
  }
  return pages;
}

void PrefixTree::drop_page(Node* node, size_t group) {
  if (node->pages[group] == kNoPage) return;
  if (node->is_new[group]) {
    std::erase(new_pages_, std::pair(node, group));
    node->is_new[group] = false;
    ++n_new_pages_lost_;
  }
  memory_.release(group, node->pages[group], PageHolder::kTree);
  node->pages[group] = kNoPage;
}

void PrefixTree::remove(Node* node) {
  MARU_CHECK(node->children.empty());
  for (size_t g = 0; g < node->pages.size(); ++g) drop_page(node, g);
  nodes_[node->slot] = nodes_.back();
  nodes_[node->slot]->slot = node->slot;
  nodes_.pop_back();
  Node* parent = node->parent;
  const auto at = std::find_if(parent->children.begin(), parent->children.end(),
                               [&](const auto& child) { return child.get() == node; });
  parent->children.erase(at);
  if (parent->parent == nullptr && parent->children.empty())
    roots_.erase(roots_.find(*parent->key));
}

// A scan over all nodes: at 64 tokens a node they are few (a million tokens: 16,000), and it runs
// once per page that a full budget must give up.
bool PrefixTree::evict_one() {
  Node* victim = nullptr;
  size_t victim_group = 0;
  bool is_whole = false;
  uint64_t oldest = UINT64_MAX;
  for (Node* node : nodes_) {
    bool is_held = false;
    for (size_t g = 0; g < node->pages.size(); ++g) {
      is_held |= node->pages[g] != kNoPage && memory_.held_by_sequence(g, node->pages[g]);
    }
    if (node->children.empty() && !is_held) {
      // On a tie the leaf goes first: without the pages before it, it would be of no use.
      if (node->stamp < oldest || (node->stamp == oldest && !is_whole)) {
        victim = node, is_whole = true, oldest = node->stamp;
      }
      continue;
    }
    for (size_t g = 0; g < node->pages.size(); ++g) {
      if (layout_.groups[g].window == 0 || node->pages[g] == kNoPage) continue;
      if (memory_.held_by_sequence(g, node->pages[g]) || node->page_stamps[g] >= oldest) continue;
      victim = node, victim_group = g, is_whole = false, oldest = node->page_stamps[g];
    }
  }
  if (victim == nullptr) return false;
  if (is_whole) {
    remove(victim);
  } else {
    drop_page(victim, victim_group);
  }
  return true;
}

void PrefixTree::clear() {
  for (Node* node : nodes_) {
    for (size_t g = 0; g < node->pages.size(); ++g) drop_page(node, g);
  }
  nodes_.clear();
  roots_.clear();
}

}  // namespace maru::engine
