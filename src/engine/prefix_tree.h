// The prefix tree: KV pages by the tokens that led to them, shared by all requests of a model.
//
// A node is one page: the tokens of its positions, and per group the page (or none: a window's page
// may be dropped alone). Full nodes have children; a node with fewer tokens than a page is a leaf,
// the end of something read or said. Siblings may begin alike (they differ inside the page), but
// none is a prefix of another. Rows of a page that a node names are never written again; the one
// sequence that owns the page may go on writing behind them.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/engine.h"
#include "engine/kv_memory.h"
#include "engine/prefix_digest.h"
#include "models/model.h"

namespace maru::engine {

// Nothing is shared between different keys. (Model fingerprint and KV layout: one tree belongs to
// one loaded model; they stand here so that a stored tree cannot be read by another.)
struct PrefixKey {
  uint64_t model_fingerprint = 0;
  uint64_t kv_layout = 0;  // hash of the layout
  std::string adapter;
  std::string tenant_salt;
  auto operator<=>(const PrefixKey&) const = default;
};

// The first page index whose rows a token at `position` can see in a group of this window.
inline uint32_t first_visible_page(uint32_t position, uint32_t window, uint32_t page_tokens) {
  return window == 0 || position < window ? 0 : (position + 1 - window) / page_tokens;
}

// A place from which a sequence can go on: the state of tokens [0, n_tokens).
struct PrefixMatch {
  uint32_t n_tokens = 0;
  std::vector<std::vector<PageId>> pages;  // [group][page]; kNoPage where no later token looks
};

// A full page that the tree has taken.
struct NewPage {
  PrefixDigest digest;  // of the prefix that ends with it
  uint32_t index = 0;   // in the prefix
  uint32_t group = 0;
  PageId page = kNoPage;
  std::span<const TokenId> tokens;
};

// Not thread-safe. Holds pages of `memory` as PageHolder::kTree.
class PrefixTree {
 public:
  PrefixTree(const models::KvLayout& layout, KvMemory& memory);
  ~PrefixTree();

  // The longest state of at most `limit` of the tokens that every group can resume.
  PrefixMatch match(const PrefixKey& key, std::span<const TokenId> tokens, uint32_t limit) const;
  // Marks what a match uses as used now.
  void touch(const PrefixKey& key, std::span<const TokenId> tokens);

  // Adds the pages of tokens [0, tokens.size()): pages[group][page], kNoPage where the sequence has
  // none any more. Where a full page is known already, `pages` is changed to the tree's own and the
  // hold of the sequence moves with it, so that equal pages are kept once.
  void insert(const PrefixKey& key, std::span<const TokenId> tokens,
              std::vector<std::vector<PageId>>& pages);

  // The pages of full nodes along `tokens`, as they are: [page][group], kNoPage where given up.
  std::vector<std::vector<PageId>> full_pages(const PrefixKey& key,
                                              std::span<const TokenId> tokens) const;

  // For who keeps full pages elsewhere: from now on they are listed in the order in which insert()
  // takes them, until they are popped or given up (which is counted). The tree must be empty.
  void list_new_pages();
  std::optional<NewPage> new_page() const;  // the first of the list
  void pop_new_page();
  uint64_t n_new_pages_lost() const { return n_new_pages_lost_; }

  // Gives up what was used longest ago and no sequence holds: a leaf, or a window's page inside.
  // False if there is nothing to give up.
  bool evict_one();
  void clear();  // gives up everything; sequences keep their pages

  uint64_t version() const { return version_; }  // changes with every insert that added something
  size_t n_nodes() const { return nodes_.size(); }

 private:
  struct Node;

  const Node* root_of(const PrefixKey& key) const;
  std::vector<const Node*> walk(const PrefixKey& key, std::span<const TokenId> tokens,
                                uint32_t& n_tokens) const;
  Node* child_for_insert(Node* parent, std::span<const TokenId> tokens);
  void set_tokens(Node* node, std::span<const TokenId> tokens);
  void list_new_page(Node* node, size_t group);
  void take_pages(Node* node, size_t index, std::vector<std::vector<PageId>>& pages);
  void remove(Node* node);
  void drop_page(Node* node, size_t group);
  void stamp_path(Node* last, uint32_t n_tokens);

  const models::KvLayout layout_;
  KvMemory& memory_;
  std::map<PrefixKey, std::unique_ptr<Node>> roots_;
  std::vector<Node*> nodes_;  // all but roots, in no order
  uint64_t clock_ = 0;
  uint64_t version_ = 0;
  bool lists_new_pages_ = false;
  std::deque<std::pair<Node*, size_t>> new_pages_;  // node and group
  uint64_t n_new_pages_lost_ = 0;
};

}  // namespace maru::engine
