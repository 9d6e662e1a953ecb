// Page memory, prefix tree and the cache over both.
#include "engine/kv_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <numeric>

namespace maru::engine {
namespace {

using ::testing::ElementsAre;

constexpr uint64_t kPage = 4096;  // of every group below: 4 tokens of 1 KiB

models::KvLayout layout_of(std::vector<uint32_t> windows) {
  models::KvLayout layout;
  layout.page_tokens = 4;
  for (const uint32_t window : windows) {
    layout.groups.push_back({.window = window, .n_layers = 1, .bytes_per_token = 1024});
  }
  return layout;
}

std::unique_ptr<KvMemory> memory_of(const models::KvLayout& layout, uint64_t n_pages) {
  return KvMemory::create(layout, n_pages * kPage).value();
}

std::vector<TokenId> iota_tokens(size_t n, TokenId first = 0) {
  std::vector<TokenId> tokens(n);
  std::iota(tokens.begin(), tokens.end(), first);
  return tokens;
}

TEST(KvMemory, GivesPagesUpToItsBudget) {
  const auto memory = memory_of(layout_of({0, 8}), 3);
  EXPECT_NE(memory->allocate(0), kNoPage);
  EXPECT_NE(memory->allocate(1), kNoPage);
  const PageId last = memory->allocate(0);
  EXPECT_EQ(memory->allocate(1), kNoPage);
  EXPECT_EQ(memory->used_bytes(), 3 * kPage);
  memory->release(0, last, PageHolder::kSequence);
  EXPECT_NE(memory->allocate(1), kNoPage);  // the budget is shared by the groups
}

TEST(KvMemory, KeepsAPageUntilItsLastHolderLetsGo) {
  const auto memory = memory_of(layout_of({0}), 1);
  const PageId page = memory->allocate(0);
  std::memset(memory->data(0, page), 42, kPage);
  memory->retain(0, page, PageHolder::kTree);
  memory->retain(0, page, PageHolder::kSequence);
  memory->release(0, page, PageHolder::kSequence);
  EXPECT_EQ(memory->pinned_bytes(), kPage);
  memory->release(0, page, PageHolder::kSequence);
  EXPECT_EQ(memory->pinned_bytes(), 0u);
  EXPECT_EQ(memory->used_bytes(), kPage);
  EXPECT_EQ(memory->data(0, page)[kPage - 1], 42);
  memory->release(0, page, PageHolder::kTree);
  EXPECT_EQ(memory->used_bytes(), 0u);
}

TEST(KvMemoryDeathTest, ReleasingTwiceIsOurMistake) {
  const auto memory = memory_of(layout_of({0}), 1);
  const PageId page = memory->allocate(0);
  memory->release(0, page, PageHolder::kSequence);
  EXPECT_DEATH(memory->release(0, page, PageHolder::kSequence), "check failed");
}

#ifndef NDEBUG
TEST(KvMemory, ANewPageIsNanInDebugBuilds) {
  const auto memory = memory_of(layout_of({0}), 1);
  for (int i = 0; i < 2; ++i) {
    const PageId page = memory->allocate(0);
    float value = 0.0f;
    std::memcpy(&value, memory->data(0, page), sizeof(value));
    EXPECT_NE(value, value);
    std::memset(memory->data(0, page), 0, kPage);
    memory->release(0, page, PageHolder::kSequence);
  }
}
#endif

TEST(FirstVisiblePage, IsThePageOfTheOldestVisiblePosition) {
  for (const uint32_t window : {0u, 1u, 3u, 4u, 5u, 11u}) {
    for (uint32_t position = 0; position < 40; ++position) {
      const uint32_t oldest = window == 0 || position + 1 < window ? 0 : position + 1 - window;
      EXPECT_EQ(first_visible_page(position, window, 4), oldest / 4) << window << " " << position;
    }
  }
}

// A tree with pages made as a sequence would make them, and given up by it afterwards.
class PrefixTreeTest : public ::testing::Test {
 protected:
  void make(std::vector<uint32_t> windows, uint64_t n_pages = 100) {
    layout_ = layout_of(std::move(windows));
    memory_ = memory_of(layout_, n_pages);
    tree_ = std::make_unique<PrefixTree>(layout_, *memory_);
  }
  // `n_missing[g]` pages at the front are out of the window already.
  std::vector<std::vector<PageId>> insert(const std::vector<TokenId>& tokens,
                                          std::vector<size_t> n_missing = {},
                                          const PrefixKey& key = {}) {
    n_missing.resize(layout_.groups.size());
    std::vector<std::vector<PageId>> pages(layout_.groups.size());
    for (size_t g = 0; g < pages.size(); ++g) {
      for (size_t i = 0; i * 4 < tokens.size(); ++i) {
        pages[g].push_back(i < n_missing[g] ? kNoPage : memory_->allocate(g));
      }
    }
    tree_->insert(key, tokens, pages);
    const auto known = pages;
    for (size_t g = 0; g < pages.size(); ++g) {
      for (const PageId page : pages[g]) {
        if (page != kNoPage) memory_->release(g, page, PageHolder::kSequence);
      }
    }
    return known;
  }
  uint32_t match(const std::vector<TokenId>& tokens, uint32_t limit = 1000,
                 const PrefixKey& key = {}) const {
    return tree_->match(key, tokens, limit).n_tokens;
  }

  models::KvLayout layout_;
  std::unique_ptr<KvMemory> memory_;
  std::unique_ptr<PrefixTree> tree_;
};

TEST_F(PrefixTreeTest, FindsTheLongestCommonBeginning) {
  make({0});
  insert(iota_tokens(10));
  EXPECT_EQ(match(iota_tokens(20)), 10u);
  EXPECT_EQ(match(iota_tokens(7)), 7u);
  EXPECT_EQ(match(iota_tokens(20), 9), 9u);
  EXPECT_EQ(match({0, 1, 2, 3, 4, 99}), 5u);
  EXPECT_EQ(match({99}), 0u);
  EXPECT_EQ(match({}), 0u);
}

TEST_F(PrefixTreeTest, SiblingsMayBeginAlike) {
  make({0});
  insert({1, 2, 3, 4, 5});
  insert({1, 2, 9, 9, 9});
  insert({1, 2, 0, 0, 0});
  EXPECT_EQ(match({1, 2, 3, 4, 5, 6}), 5u);
  EXPECT_EQ(match({1, 2, 9, 9, 9, 6}), 5u);
  EXPECT_EQ(match({1, 2, 0, 0, 0, 6}), 5u);
  EXPECT_EQ(match({1, 2, 9, 1}), 3u);
  EXPECT_EQ(match({1, 2, 7, 1}), 2u);
}

TEST_F(PrefixTreeTest, ALongerEndTakesTheShorterOnesPlace) {
  make({0});
  insert({1, 2});
  insert({1, 2, 3});
  EXPECT_EQ(tree_->n_nodes(), 1u);
  EXPECT_EQ(memory_->used_bytes(), kPage);
  insert({1});  // adds nothing
  EXPECT_EQ(tree_->n_nodes(), 1u);
  EXPECT_EQ(match({1, 2, 3, 4}), 3u);
}

TEST_F(PrefixTreeTest, EqualFullPagesAreKeptOnce) {
  make({0});
  const auto first = insert(iota_tokens(8));
  const auto second = insert(iota_tokens(8));
  EXPECT_EQ(first, second);
  EXPECT_EQ(memory_->used_bytes(), 2 * kPage);
}

TEST_F(PrefixTreeTest, NothingIsSharedBetweenKeys) {
  make({0});
  insert(iota_tokens(8), {}, {0, 0, "", "a"});
  EXPECT_EQ(match(iota_tokens(8), 8, {0, 0, "", "a"}), 8u);
  EXPECT_EQ(match(iota_tokens(8), 8, {0, 0, "", "b"}), 0u);
  EXPECT_EQ(match(iota_tokens(8), 8, {0, 0, "a", ""}), 0u);
  EXPECT_EQ(match(iota_tokens(8), 8, {1, 0, "", "a"}), 0u);
  EXPECT_EQ(match(iota_tokens(8), 8, {0, 1, "", "a"}), 0u);
}

// Group 1 sees 6 positions. Its first two pages are gone, so only ends that see neither will do.
TEST_F(PrefixTreeTest, AStateNeedsTheLastWindowOfEveryGroup) {
  make({0, 6});
  insert(iota_tokens(20), {0, 2});
  EXPECT_EQ(match(iota_tokens(20)), 20u);
  // A token at 13 sees 8 .. 12: pages 2 and 3. One at 12 sees position 7, of page 1.
  EXPECT_EQ(match(iota_tokens(20), 13), 13u);
  EXPECT_EQ(match(iota_tokens(20), 12), 0u);
  const PrefixMatch m = tree_->match({}, iota_tokens(20), 13);
  EXPECT_NE(m.pages[0][0], kNoPage);
  EXPECT_THAT(m.pages[1],
              ElementsAre(kNoPage, kNoPage, ::testing::Ne(kNoPage), ::testing::Ne(kNoPage)));
}

TEST_F(PrefixTreeTest, GivesUpTheLeafUsedLongestAgo) {
  make({0});
  insert({1, 1, 1, 1, 1});
  insert({2, 2, 2, 2, 2});
  insert({3, 3, 3, 3, 3});
  tree_->touch({}, std::vector<TokenId>{1, 1, 1, 1, 1});
  EXPECT_TRUE(tree_->evict_one());
  EXPECT_EQ(match({2, 2, 2, 2, 2}), 4u);  // the leaf first, then what led to it
  EXPECT_TRUE(tree_->evict_one());
  EXPECT_EQ(match({2, 2, 2, 2, 2}), 0u);
  EXPECT_EQ(match({1, 1, 1, 1, 1}), 5u);
  EXPECT_EQ(match({3, 3, 3, 3, 3}), 5u);
}

TEST_F(PrefixTreeTest, GivesUpAWindowsOldPagesBeforeTheState) {
  make({0, 4});
  insert(iota_tokens(8));   // pages 0 and 1, both with their window
  insert(iota_tokens(16));  // a later state: the window's first pages are of no use to it
  const uint64_t used = memory_->used_bytes();
  EXPECT_EQ(used, 8 * kPage);
  EXPECT_TRUE(tree_->evict_one());
  EXPECT_EQ(match(iota_tokens(16)), 16u);
  EXPECT_EQ(memory_->used_bytes(), used - kPage);
}

// Without the window's page before it, the end would be of no use and still take its pages.
TEST_F(PrefixTreeTest, GivesUpTheEndBeforeWhatItNeeds) {
  make({0, 6});
  insert(iota_tokens(8));
  EXPECT_TRUE(tree_->evict_one());
  EXPECT_EQ(match(iota_tokens(8)), 4u);
}

TEST_F(PrefixTreeTest, NeverGivesUpWhatASequenceHolds) {
  make({0});
  const auto pages = insert(iota_tokens(4));
  memory_->retain(0, pages[0][0], PageHolder::kSequence);
  EXPECT_FALSE(tree_->evict_one());
  memory_->release(0, pages[0][0], PageHolder::kSequence);
  EXPECT_TRUE(tree_->evict_one());
  EXPECT_EQ(memory_->used_bytes(), 0u);
}

TEST(KvCache, ASplitPageIsCopiedAndTheOriginalStays) {
  auto cache = KvCache::create(layout_of({0}), 1, 8 * kPage, 8).value();
  const std::vector<TokenId> first = {1, 2, 3, 4, 5, 6};
  SequenceKv a;
  ASSERT_EQ(cache->grow(a, 6), 6u);
  std::memset(a.pointers[0][1], 77, kPage);
  cache->publish({}, first, a);
  SequenceKv b;
  ASSERT_EQ(cache->resume({}, std::vector<TokenId>{1, 2, 3, 4, 5, 9, 9}, 6, 0, b), 5u);
  EXPECT_EQ(b.pages[0][0], a.pages[0][0]);
  EXPECT_NE(b.pages[0][1], a.pages[0][1]);
  EXPECT_EQ(b.pointers[0][1][100], 77);
  b.pointers[0][1][100] = 1;
  EXPECT_EQ(a.pointers[0][1][100], 77);
  cache->release(a);
  cache->release(b);
  EXPECT_EQ(cache->memory().pinned_bytes(), 0u);
}

TEST(KvCache, WithoutAPageForTheCopyTheWholePagesAreTaken) {
  auto cache = KvCache::create(layout_of({0}), 1, 2 * kPage, 8).value();
  const std::vector<TokenId> tokens = {1, 2, 3, 4, 5, 6};
  SequenceKv a;
  ASSERT_EQ(cache->grow(a, 6), 6u);
  cache->publish({}, tokens, a);
  SequenceKv b;
  EXPECT_EQ(cache->resume({}, tokens, 6, 0, b), 4u);
  cache->release(a);
  cache->release(b);
}

TEST(KvCache, GrowsOnlyAsFarAsPagesGo) {
  auto cache = KvCache::create(layout_of({0, 8}), 1, 5 * kPage, 4).value();
  SequenceKv kv;
  EXPECT_EQ(cache->grow(kv, 100), 8u);
  EXPECT_EQ(cache->memory().used_bytes(), 4 * kPage);  // not half a row of groups
  cache->release(kv);
}

TEST(KvCache, ALoneSequenceNeverHoldsMoreThanWasSaid) {
  for (const uint32_t window : {1u, 3u, 4u, 6u, 13u}) {
    for (const uint32_t step : {1u, 2u, 4u, 7u}) {
      auto cache = KvCache::create(layout_of({0, window}), 1, 200 * kPage, step).value();
      SequenceKv kv;
      const std::vector<TokenId> tokens(100, 1);
      for (uint32_t n = step; n <= 100; n += step) {
        ASSERT_EQ(cache->grow(kv, n), n);
        ASSERT_LE(cache->bytes_held(kv), cache->bytes_for(n)) << window << " " << step << " " << n;
        cache->trim(kv, n);
      }
      cache->release(kv);
    }
  }
}

TEST(KvCache, MaxTokensIsWhatTheBudgetHolds) {
  auto cache = KvCache::create(layout_of({0}), 1, 10 * kPage, 8).value();
  EXPECT_EQ(cache->max_tokens(), 40u);
  const auto refused = KvCache::create(layout_of({0}), 1, kPage, 8);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kTooLarge);
}

}  // namespace
}  // namespace maru::engine
