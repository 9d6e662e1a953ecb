// Stored prefixes: what was written is found again, and whatever happens to the files, a page is
// the one that was written or it is not there.
#include "engine/prefix_store.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <set>

#include "base/testing/test_folder.h"
#include "engine/kv_cache.h"

namespace maru::engine {
namespace {

namespace fs = std::filesystem;
using std::chrono::steady_clock;

constexpr uint32_t kPageTokens = 4;
constexpr auto kLongEnough = std::chrono::seconds(60);

models::KvLayout layout_of(const std::vector<uint32_t>& windows, size_t bytes_per_token = 8) {
  models::KvLayout layout;
  layout.page_tokens = kPageTokens;
  for (const uint32_t window : windows) {
    layout.groups.push_back({.window = window, .n_layers = 1, .bytes_per_token = bytes_per_token});
  }
  return layout;
}

std::vector<TokenId> iota_tokens(size_t n, TokenId first = 0) {
  std::vector<TokenId> tokens(n);
  std::iota(tokens.begin(), tokens.end(), first);
  return tokens;
}

std::vector<uint8_t> read_bytes(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write_bytes(const fs::path& path, std::span<const uint8_t> bytes) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
}

// A chain of pages of one tenant; rows are a pattern of the page's number and salt.
struct Chain {
  explicit Chain(const std::string& salt, size_t n_pages, size_t n_row_bytes)
      : tokens(iota_tokens(n_pages * kPageTokens)) {
    PrefixDigest digest = root_digest({1, 2, "", salt});
    for (uint32_t i = 0; i < n_pages; ++i) {
      const auto page = std::span(tokens).subspan(size_t{i} * kPageTokens, kPageTokens);
      digest = digest_after(digest, page);
      names.push_back({digest, 0, i, page});
      auto& row = rows.emplace_back(n_row_bytes);
      for (size_t b = 0; b < row.size(); ++b) {
        row[b] = static_cast<uint8_t>(31 * i + 7 * b + salt.size());
      }
    }
  }
  std::vector<TokenId> tokens;
  std::vector<PageName> names;
  std::vector<std::vector<uint8_t>> rows;
};

class PrefixStoreTest : public ::testing::Test {
 protected:
  std::unique_ptr<PrefixStore> open() {
    auto store = PrefixStore::open(options(), layout_);
    EXPECT_TRUE(store.has_value()) << store.error().to_string();
    return store ? *std::move(store) : nullptr;
  }
  PrefixStoreOptions options() const {
    return {.folder = folder_.path(), .identity = identity_, .budget_bytes = budget_};
  }
  size_t page_bytes() const { return layout_.page_bytes(0); }

  static void take_all(PrefixStore& store, const Chain& chain) {
    for (size_t i = 0; i < chain.names.size(); ++i) {
      while (store.take(chain.names[i], chain.rows[i].data()) == PrefixStore::Taken::kLater) {
        store.drain(steady_clock::now() + kLongEnough);
      }
    }
    ASSERT_TRUE(store.drain(steady_clock::now() + kLongEnough));
  }
  // The pages that are there; fails if one of them is not the one that was written.
  static std::set<uint32_t> good_pages(PrefixStore& store, const Chain& chain) {
    std::set<uint32_t> good;
    for (size_t i = 0; i < chain.names.size(); ++i) {
      std::vector<uint8_t> rows(chain.rows[i].size());
      if (!store.find(chain.names[i]) || !store.load(chain.names[i], rows.data())) continue;
      EXPECT_EQ(rows, chain.rows[i]) << i;
      good.insert(static_cast<uint32_t>(i));
    }
    return good;
  }
  fs::path only_file(const std::string& ending) const {
    fs::path found;
    for (const auto& entry : fs::recursive_directory_iterator(folder_.path())) {
      if (entry.path().extension() == ending) {
        EXPECT_TRUE(found.empty());
        found = entry.path();
      }
    }
    return found;
  }

  TestFolder folder_;
  models::KvLayout layout_ = layout_of({0});
  std::string identity_ = "model 1";
  uint64_t budget_ = uint64_t{1} << 20;
};

TEST_F(PrefixStoreTest, FindsItsPagesAfterARestart) {
  const Chain chain("a", 5, page_bytes());
  {
    const auto store = open();
    take_all(*store, chain);
    EXPECT_EQ(good_pages(*store, chain).size(), 5u);
    EXPECT_EQ(store->take(chain.names[0], chain.rows[0].data()), PrefixStore::Taken::kKnown);
  }
  const auto store = open();
  EXPECT_EQ(store->n_pages(), 5u);
  EXPECT_EQ(good_pages(*store, chain).size(), 5u);
  EXPECT_EQ(store->stats().n_read, 5u);
  const Chain more("a", 7, page_bytes());  // and goes on behind them, in the same file
  take_all(*store, more);
  EXPECT_EQ(good_pages(*store, more).size(), 7u);
  EXPECT_FALSE(only_file(".pages").empty());
}

TEST_F(PrefixStoreTest, SharesNothingBetweenTenantsAndModels) {
  const Chain a("a", 3, page_bytes()), b("bb", 3, page_bytes());
  {
    const auto store = open();
    take_all(*store, a);
    EXPECT_TRUE(good_pages(*store, b).empty());
  }
  identity_ = "model 2";
  EXPECT_TRUE(good_pages(*open(), a).empty());
  identity_ = "model 1";
  layout_.groups[0].n_layers = 2;
  EXPECT_TRUE(good_pages(*open(), a).empty());
}

TEST_F(PrefixStoreTest, OnlyTheOwnerMayReadTheFiles) {
  take_all(*open(), Chain("a", 1, page_bytes()));
  for (const auto& entry : fs::recursive_directory_iterator(folder_.path())) {
    struct stat status = {};
    ASSERT_EQ(::stat(entry.path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, entry.is_directory() ? 0700U : 0600U) << entry.path();
  }
}

TEST_F(PrefixStoreTest, AFolderBelongsToOneProcessAtATime) {
  auto store = open();
  const auto second = PrefixStore::open(options(), layout_);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, ErrorCode::kUnavailable);
  store.reset();
  EXPECT_NE(open(), nullptr);
}

TEST_F(PrefixStoreTest, EqualDigestsOfOtherTokensAreAnotherPage) {
  const auto store = open();
  const Chain chain("a", 1, page_bytes());
  take_all(*store, chain);
  const auto others = iota_tokens(kPageTokens, 50);
  PageName name = chain.names[0];
  name.tokens = others;
  EXPECT_FALSE(store->find(name));
  name = chain.names[0];
  name.index = 1;
  EXPECT_FALSE(store->find(name));
}

TEST_F(PrefixStoreTest, ATruncatedFileCostsOnlyTheEnd) {
  const Chain chain("a", 4, page_bytes());
  take_all(*open(), chain);
  for (const char* ending : {".index", ".pages"}) {
    const fs::path path = only_file(ending);
    const auto whole = read_bytes(path);
    for (size_t size = 0; size < whole.size(); ++size) {
      write_bytes(path, std::span(whole).first(size));
      const auto good = good_pages(*open(), chain);
      // A file without its header is of no use; else what is in front of the cut is there.
      const size_t unit = ending[1] == 'i' ? (whole.size() - 64) / 4 : page_bytes();
      const size_t n_rest = ending[1] == 'i' ? (size < 64 ? 0 : (size - 64) / unit) : size / unit;
      ASSERT_EQ(good.size(), n_rest) << ending << " " << size;
      if (!fs::exists(path)) take_all(*open(), chain);  // it was refused whole
      write_bytes(path, whole);
    }
  }
  EXPECT_EQ(good_pages(*open(), chain).size(), 4u);
}

TEST_F(PrefixStoreTest, AFlippedBitCostsOnlyItsPage) {
  const Chain chain("a", 3, page_bytes());
  take_all(*open(), chain);
  const fs::path index = only_file(".index"), pages = only_file(".pages");
  const auto whole_index = read_bytes(index), whole_pages = read_bytes(pages);
  for (const fs::path& path : {index, pages}) {
    const auto& whole = path == index ? whole_index : whole_pages;
    for (size_t bit = 0; bit < 8 * whole.size(); bit += 7) {
      auto bytes = whole;
      bytes[bit / 8] ^= static_cast<uint8_t>(1U << (bit % 8));
      write_bytes(path, bytes);
      const size_t n_good = good_pages(*open(), chain).size();
      const bool is_header = path == index && bit / 8 < 64;
      ASSERT_EQ(n_good, is_header ? 0u : 2u) << path << " " << bit;
      write_bytes(index, whole_index);
      write_bytes(pages, whole_pages);
    }
  }
}

TEST_F(PrefixStoreTest, ADamagedPageIsWrittenAnew) {
  const Chain chain("a", 3, page_bytes());
  take_all(*open(), chain);
  auto bytes = read_bytes(only_file(".pages"));
  bytes[page_bytes()] ^= 1;
  write_bytes(only_file(".pages"), bytes);
  {
    const auto store = open();
    EXPECT_EQ(good_pages(*store, chain), (std::set<uint32_t>{0, 2}));
    EXPECT_EQ(store->stats().n_damaged, 1u);
    take_all(*store, chain);
    EXPECT_EQ(good_pages(*store, chain).size(), 3u);
  }
  EXPECT_EQ(good_pages(*open(), chain).size(), 3u);
}

// A process that writes is killed at any time: what the next one finds is right.
TEST_F(PrefixStoreTest, AKilledWriterLeavesGoodPagesOrNone) {
  layout_ = layout_of({0}, 4096);
  budget_ = uint64_t{64} << 20;
  const Chain chain("a", 400, page_bytes());
  size_t n_found = 0;
  for (int round = 0; round < 12; ++round) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      auto store = PrefixStore::open(options(), layout_);
      if (store) take_all(**store, chain);
      ::_exit(0);
    }
    ::usleep(static_cast<useconds_t>(400 * (round + 1)));
    ::kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    n_found = good_pages(*open(), chain).size();
  }
  take_all(*open(), chain);
  EXPECT_EQ(good_pages(*open(), chain).size(), chain.names.size()) << n_found;
}

TEST_F(PrefixStoreTest, TheOldestSegmentsGoWhenTheBudgetIsFull) {
  budget_ = 40 * page_bytes();
  const Chain chain("a", 300, page_bytes());
  {
    const auto store = open();
    take_all(*store, chain);
    EXPECT_LE(store->stats().n_bytes, budget_);
    const auto good = good_pages(*store, chain);
    EXPECT_GT(good.size(), 5u);
    EXPECT_EQ(*good.rbegin(), 299u);
    EXPECT_EQ(*good.begin(), 300u - good.size());  // the latest ones, without a gap
    EXPECT_TRUE(store->drain(steady_clock::now() + kLongEnough));
  }
  uint64_t n_bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder_.path())) {
    if (entry.is_regular_file()) n_bytes += entry.file_size();
  }
  EXPECT_LE(n_bytes, budget_ + 16 * 64);  // headers are not counted
  budget_ /= 4;                           // a smaller one is kept from the start on
  const auto store = open();
  EXPECT_LE(store->stats().n_bytes, budget_);
  EXPECT_TRUE(good_pages(*store, chain).contains(299));
}

TEST_F(PrefixStoreTest, OtherModelsKeepHalfOfTheBudget) {
  layout_ = layout_of({0}, 1024);
  budget_ = 420 * page_bytes();
  const Chain chain("a", 100, page_bytes());
  for (int model = 0; model < 4; ++model) {
    identity_ = "model " + std::to_string(model);
    take_all(*open(), chain);
    ::usleep(20'000);  // folders are told apart by their times
  }
  size_t n_models = 0;
  for (int model = 0; model < 4; ++model) {
    identity_ = "model " + std::to_string(model);
    budget_ = uint64_t{1} << 30;
    n_models += good_pages(*open(), chain).empty() ? 0 : 1;
  }
  EXPECT_EQ(n_models, 3u);  // the last one, and before it as many as fit in half
}

TEST_F(PrefixStoreTest, ABudgetBelowTwoPagesIsRefused) {
  budget_ = 2 * page_bytes() - 1;
  const auto refused = PrefixStore::open(options(), layout_);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kTooLarge);
}

TEST_F(PrefixStoreTest, AFullQueueSaysLater) {
  layout_ = layout_of({0}, size_t{1} << 16);
  budget_ = uint64_t{1} << 30;
  const Chain chain("a", 20, page_bytes());
  PrefixStoreOptions small = options();
  small.queue_bytes = 1;  // one page at a time
  const auto store = PrefixStore::open(small, layout_).value();
  size_t n_later = 0;
  for (size_t i = 0; i < chain.names.size(); ++i) {
    while (store->take(chain.names[i], chain.rows[i].data()) == PrefixStore::Taken::kLater) {
      ++n_later;
      store->collect();
      ::usleep(100);
    }
  }
  EXPECT_TRUE(store->drain(steady_clock::now() + kLongEnough));
  EXPECT_GT(n_later, 0u);
  EXPECT_EQ(good_pages(*store, chain).size(), chain.names.size());
}

// The system refuses to let a file grow beyond a limit, as a full disk would.
TEST_F(PrefixStoreTest, AFullDiskDropsPagesAndIsTriedAgain) {
  layout_ = layout_of({0}, 1024);
  const Chain chain("a", 10, page_bytes());
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit before = {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  PrefixStoreOptions impatient = options();
  impatient.pause_after_error = std::chrono::milliseconds(0);
  const auto store = PrefixStore::open(impatient, layout_).value();
  rlimit small = before;
  small.rlim_cur = 3 * page_bytes() + 5;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  take_all(*store, chain);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_GT(store->stats().n_dropped, 0u);
  EXPECT_EQ(good_pages(*store, chain).size(), 10u - store->stats().n_dropped);
  take_all(*store, chain);
  EXPECT_EQ(good_pages(*store, chain).size(), 10u);
}

TEST(SegmentIndex, NoFlippedBitOfAnEntryGoesUnseen) {
  const SegmentFormat format = make_segment_format("m", layout_of({0}));
  std::vector<uint8_t> bytes = encode_header(format);
  SegmentEntry entry;
  entry.tokens = iota_tokens(kPageTokens);
  const auto encoded = encode_entry(entry);
  bytes.insert(bytes.end(), encoded.begin(), encoded.end());
  ASSERT_EQ(decode_index(bytes, format, 1000)->entries.size(), 1u);
  for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    auto flipped = bytes;
    flipped[bit / 8] ^= static_cast<uint8_t>(1U << (bit % 8));
    const auto index = decode_index(flipped, format, 1000);
    EXPECT_TRUE(!index.has_value() || index->entries.empty()) << bit;
  }
}

TEST(SegmentIndex, AnyPlaceOfGarbageIsOneDamagedEntry) {
  const SegmentFormat format = make_segment_format("m", layout_of({0, 3}));
  std::vector<uint8_t> bytes = encode_header(format);
  for (uint32_t i = 0; i < 3; ++i) {
    SegmentEntry entry;
    entry.group = i;  // 2 is not a group of this layout
    entry.offset = 100 * i;
    entry.tokens = iota_tokens(kPageTokens);
    const auto encoded = encode_entry(entry);
    ASSERT_EQ(encoded.size(), format.entry_bytes());
    bytes.insert(bytes.end(), encoded.begin(), encoded.end());
  }
  const auto index = decode_index(bytes, format, 132).value();
  EXPECT_EQ(index.n_places, 3u);
  EXPECT_EQ(index.entries.size(), 2u);
  EXPECT_EQ(index.n_damaged, 1u);
  EXPECT_EQ(decode_index(bytes, format, 131)->entries.size(), 1u);
  EXPECT_FALSE(decode_index(bytes, make_segment_format("n", layout_of({0, 3})), 132).has_value());
  EXPECT_FALSE(decode_index({}, format, 0).has_value());
}

TEST(PrefixDigest, TellsTenantsAdaptersAndTokensApart) {
  const auto tokens = iota_tokens(4), others = iota_tokens(4, 1);
  const PrefixDigest root = root_digest({1, 2, "x", "y"});
  EXPECT_EQ(root, root_digest({1, 2, "x", "y"}));
  EXPECT_NE(root, root_digest({1, 2, "xy", ""}));
  EXPECT_NE(root, root_digest({1, 2, "", "xy"}));
  EXPECT_NE(root, root_digest({1, 3, "x", "y"}));
  EXPECT_NE(root, root_digest({2, 2, "x", "y"}));
  EXPECT_NE(digest_after(root, tokens), digest_after(root, others));
  EXPECT_NE(digest_after(root, tokens), digest_after(digest_after(root, tokens), tokens));
}

// The cache over memory and disk.
class KvStoreTest : public PrefixStoreTest {
 protected:
  std::unique_ptr<KvCache> make_cache(const std::vector<uint32_t>& windows, uint64_t n_pages) {
    layout_ = layout_of(windows, 1024);
    auto cache = KvCache::create(layout_, 1, n_pages * 4096, 8).value();
    cache->set_store(open());
    return cache;
  }
  // Computes tokens as a sequence would, page by page; rows name group and page.
  static void compute(KvCache& cache, const std::vector<TokenId>& tokens,
                      const PrefixKey& key = {}) {
    SequenceKv kv;
    for (uint32_t n = kPageTokens; n <= tokens.size(); n += kPageTokens) {
      ASSERT_EQ(cache.grow(kv, n), n);
      for (size_t g = 0; g < kv.pointers.size(); ++g) {
        std::memset(kv.pointers[g][n / kPageTokens - 1], pattern(g, n / kPageTokens - 1), 4096);
      }
      cache.publish(key, std::span(tokens).first(n), kv);
      cache.trim(kv, n);
    }
    cache.release(kv);
    cache.flush(steady_clock::now() + kLongEnough);
  }
  static int pattern(size_t group, size_t page) { return static_cast<int>(100 * group + page + 1); }

  static void restore_all(KvCache& cache, const std::vector<TokenId>& tokens, uint64_t slice,
                          const PrefixKey& key = {}) {
    const auto limit = static_cast<uint32_t>(tokens.size());
    for (int i = 0; cache.restore(key, tokens, limit, 0, slice) > 0; ++i) ASSERT_LT(i, 100);
  }
};

TEST_F(KvStoreTest, AfterARestartASequenceGoesOnFromTheDisk) {
  const auto tokens = iota_tokens(40);
  compute(*make_cache({0}, 100), tokens);
  for (const uint64_t slice : {uint64_t{1}, uint64_t{9000}, uint64_t{1} << 30}) {
    const auto cache = make_cache({0}, 100);
    restore_all(*cache, tokens, slice);
    SequenceKv kv;
    ASSERT_EQ(cache->resume({}, tokens, 39, 0, kv), 39u);
    for (size_t i = 0; i < 10; ++i) {
      EXPECT_EQ(kv.pointers[0][i][0], pattern(0, i));
      EXPECT_EQ(kv.pointers[0][i][4095], pattern(0, i));
    }
    cache->release(kv);
    EXPECT_EQ(cache->memory().pinned_bytes(), 0u);
    EXPECT_EQ(cache->store()->stats().n_read, 10u);
  }
}

TEST_F(KvStoreTest, OfAWindowOnlyWhatTheNextTokenSeesIsRead) {
  const auto tokens = iota_tokens(40);
  compute(*make_cache({0, 6}, 100), tokens);
  const auto cache = make_cache({0, 6}, 100);
  restore_all(*cache, tokens, uint64_t{1} << 30);
  // 40 sees from 35 on: pages 8 and 9.
  EXPECT_EQ(cache->store()->stats().n_read, 12u);
  SequenceKv kv;
  ASSERT_EQ(cache->resume({}, tokens, 40, 0, kv), 40u);
  EXPECT_EQ(kv.pages[1][7], kNoPage);
  EXPECT_EQ(kv.pointers[1][8][0], pattern(1, 8));
  cache->release(kv);
}

TEST_F(KvStoreTest, WhatIsInMemoryIsNotReadAgain) {
  const auto tokens = iota_tokens(40);
  const auto cache = make_cache({0}, 100);
  compute(*cache, tokens);
  EXPECT_EQ(cache->restore({}, tokens, 40, 0, uint64_t{1} << 30), 0u);
  EXPECT_EQ(cache->store()->stats().n_read, 0u);
}

TEST_F(KvStoreTest, WhatMemoryGaveUpComesBackFromTheDisk) {
  const auto tokens = iota_tokens(24), others = iota_tokens(24, 100);
  const auto cache = make_cache({0}, 8);  // room for one of the two
  compute(*cache, tokens);
  compute(*cache, others);
  EXPECT_LT(cache->tree().match({}, tokens, 24).n_tokens, 24u);
  restore_all(*cache, tokens, uint64_t{1} << 30);
  EXPECT_EQ(cache->tree().match({}, tokens, 24).n_tokens, 24u);
}

TEST_F(KvStoreTest, ADamagedPageEndsThePrefixBeforeIt) {
  const auto tokens = iota_tokens(40);
  compute(*make_cache({0}, 100), tokens);
  auto bytes = read_bytes(only_file(".pages"));
  bytes[size_t{4} * 4096 + 17] ^= 0x10;
  write_bytes(only_file(".pages"), bytes);
  const auto cache = make_cache({0}, 100);
  restore_all(*cache, tokens, uint64_t{1} << 30);
  EXPECT_EQ(cache->tree().match({}, tokens, 40).n_tokens, 16u);
  EXPECT_EQ(cache->memory().pinned_bytes(), 0u);
}

TEST_F(KvStoreTest, NothingCrossesFromOneSaltToAnother) {
  const auto tokens = iota_tokens(16);
  const PrefixKey a{1, 2, "", "a"}, b{1, 2, "", "b"};
  compute(*make_cache({0}, 100), tokens, a);
  const auto cache = make_cache({0}, 100);
  EXPECT_EQ(cache->restore(b, tokens, 16, 0, uint64_t{1} << 30), 0u);
  EXPECT_GT(cache->restore(a, tokens, 16, 0, uint64_t{1} << 30), 0u);
  EXPECT_EQ(cache->tree().match(b, tokens, 16).n_tokens, 0u);
}

TEST_F(KvStoreTest, PagesThatAreGivenUpBeforeTheyAreSavedAreCounted) {
  const auto cache = make_cache({0}, 4);
  SequenceKv kv;
  const auto tokens = iota_tokens(16);
  ASSERT_EQ(cache->grow(kv, 16), 16u);
  cache->publish({}, tokens, kv);
  cache->release(kv);
  while (cache->tree().evict_one()) {
  }
  EXPECT_EQ(cache->tree().n_new_pages_lost(), 4u);
  EXPECT_FALSE(cache->save());
}

}  // namespace
}  // namespace maru::engine
