// The KV of one model: page memory, prefix tree and what of it is on disk, as running sequences use
// them.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "engine/kv_memory.h"
#include "engine/prefix_store.h"
#include "engine/prefix_tree.h"

namespace maru::engine {

// A running sequence's page tables. Always as many pages as its computed tokens need; between
// grow() and the step that writes them, those of the step too.
struct SequenceKv {
  std::vector<std::vector<PageId>> pages;       // [group][page]; kNoPage once out of every view
  std::vector<std::vector<uint8_t*>> pointers;  // [group][page]; null there
  std::vector<uint32_t> n_trimmed;              // [group] pages at the front that are gone
};

// Not thread-safe.
class KvCache {
 public:
  // `max_step_tokens`: the longest run of tokens that one step adds to a sequence.
  // Errors: kUnavailable (no address space), kTooLarge (the budget holds not even one step).
  static Result<std::unique_ptr<KvCache>> create(const models::KvLayout& layout,
                                                 uint64_t model_fingerprint, uint64_t budget_bytes,
                                                 uint32_t max_step_tokens);

  PrefixKey key_of(const Request& request) const;

  // Goes on from the tree where that knows more than the `n_done` tokens computed so far, but not
  // beyond `limit`. Returns the new n_done. A state that ends inside a page is copied.
  uint32_t resume(const PrefixKey& key, std::span<const TokenId> tokens, uint32_t limit,
                  uint32_t n_done, SequenceKv& kv);
  // Gets pages for tokens [0, n_tokens), giving up cached ones if it must. Returns for how many
  // tokens there are pages now; fewer when the rest is held by running sequences.
  uint32_t grow(SequenceKv& kv, uint32_t n_tokens);
  // Makes the computed tokens known to the tree. `kv` may get the tree's pages for its own.
  void publish(const PrefixKey& key, std::span<const TokenId> computed, SequenceKv& kv);

  // From now on full pages are kept in `store` too. To be called before anything is published.
  void set_store(std::unique_ptr<PrefixStore> store);
  // Hands new pages of the tree to the store, as many as it takes now. True while some are not on
  // the disk: call again soon.
  bool save();
  // Saves what waits, until `deadline`.
  void flush(std::chrono::steady_clock::time_point deadline);
  // Reads pages from the store into the tree where that leads beyond the tree and `n_done`, at most
  // `max_bytes` and one page more. Returns the bytes read: 0 when nothing is left to read.
  uint64_t restore(const PrefixKey& key, std::span<const TokenId> tokens, uint32_t limit,
                   uint32_t n_done, uint64_t max_bytes);

  // Gives back what no token from position n_done on can see.
  void trim(SequenceKv& kv, uint32_t n_done);
  void release(SequenceKv& kv);

  // The most bytes that a lone sequence of n_tokens holds at any time.
  uint64_t bytes_for(uint64_t n_tokens) const;
  // What such a sequence would add to the pages that running sequences hold.
  uint64_t bytes_to_add(const PrefixKey& key, std::span<const TokenId> tokens, uint32_t limit,
                        uint64_t n_tokens) const;
  uint64_t bytes_held(const SequenceKv& kv) const;  // shared pages count in full
  // The longest sequence that fits alone.
  uint32_t max_tokens() const;

  const models::KvLayout& layout() const { return layout_; }
  const KvMemory& memory() const { return *memory_; }
  const PrefixStore* store() const { return store_.get(); }  // null if there is none
  PrefixTree& tree() { return *tree_; }
  const PrefixTree& tree() const { return *tree_; }

 private:
  KvCache(const models::KvLayout& layout, uint64_t model_fingerprint,
          std::unique_ptr<KvMemory> memory, uint32_t max_step_tokens);
  PageId allocate(size_t group);
  struct StoredPrefix;
  StoredPrefix look_up_stored(const PrefixKey& key, std::span<const TokenId> tokens,
                              uint32_t limit);
  bool adopt(const PrefixMatch& match, SequenceKv& kv);
  void refresh_pointers(SequenceKv& kv) const;

  const models::KvLayout layout_;
  const uint64_t model_fingerprint_;
  const uint64_t layout_hash_;
  const uint32_t max_step_tokens_;
  std::unique_ptr<KvMemory> memory_;
  std::unique_ptr<PrefixTree> tree_;  // after memory_: it gives its pages back first
  std::unique_ptr<PrefixStore> store_;
};

}  // namespace maru::engine
