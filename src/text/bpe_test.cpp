#include "text/bpe.h"

#include <gtest/gtest.h>

#include <chrono>
#include <random>

namespace maru::text {
namespace {

// The definition, word for word: the lowest rank anywhere, leftmost first.
std::vector<TokenId> join_naively(std::vector<TokenId> ids, const std::vector<BpeMerge>& merges) {
  for (;;) {
    const BpeMerge* best = nullptr;
    size_t where = 0;
    for (size_t i = 0; i + 1 < ids.size(); ++i) {
      for (const BpeMerge& merge : merges) {
        if (merge.left != ids[i] || merge.right != ids[i + 1]) continue;
        if (best == nullptr || merge.rank < best->rank) {
          best = &merge;
          where = i;
        }
      }
    }
    if (best == nullptr) return ids;
    ids[where] = best->joined;
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(where) + 1);
  }
}

struct RandomBpe {
  std::vector<std::string> units{"a", "b", "c"};
  std::vector<BpeMerge> merges;

  RandomBpe(uint32_t seed, uint32_t n_merges, bool equal_ranks) {
    std::mt19937 random(seed);
    for (uint32_t rank = 0; rank < n_merges; ++rank) {
      const size_t left = random() % units.size(), right = random() % units.size();
      const std::string joined = units[left] + units[right];
      bool known = false;
      for (const std::string& unit : units) known = known || unit == joined;
      if (known) continue;
      merges.push_back({static_cast<TokenId>(left), static_cast<TokenId>(right),
                        static_cast<TokenId>(units.size()), equal_ranks ? rank / 3 : rank});
      units.push_back(joined);
    }
  }
};

TEST(Bpe, EqualsItsDefinitionForShortAndLongWords) {
  for (uint32_t seed = 0; seed < 60; ++seed) {
    const RandomBpe random_bpe(seed, 14, seed % 2 == 1);
    const Bpe bpe(random_bpe.units, random_bpe.merges, {});
    std::mt19937 random(seed);
    Bpe::Scratch cached(1 << 20), uncached(0);
    for (int round = 0; round < 40; ++round) {
      std::string word;
      std::vector<TokenId> symbols;
      for (size_t n = 1 + random() % 120; n > 0; --n) {
        symbols.push_back(static_cast<TokenId>(random() % 3));
        word += static_cast<char>('a' + symbols.back());
      }
      const auto expected = join_naively(symbols, random_bpe.merges);
      std::vector<TokenId> ids;
      bpe.encode(word, uncached, ids);
      ASSERT_EQ(ids, expected) << word;
      for (int again = 0; again < 2; ++again) {
        ids.clear();
        bpe.encode(word.substr(0, 20), cached, ids);
        symbols.resize(std::min<size_t>(symbols.size(), 20));
        ASSERT_EQ(ids, join_naively(symbols, random_bpe.merges));
      }
    }
  }
}

TEST(Bpe, CutsBeforeSpacesOnlyWhereNothingIsJoinedAcross) {
  // 0 ▁, 1 a, 2 ▁a, 3 a▁: with the last one a cut before ▁ would change the result.
  const std::vector<std::string> units{"▁", "a", "▁a", "a▁"};
  BpeOptions options;
  options.byte_level = false;
  Bpe::Scratch scratch(0);
  std::vector<TokenId> ids;
  Bpe(units, {{0, 1, 2, 0}}, options).encode("▁a▁a", scratch, ids);
  EXPECT_EQ(ids, (std::vector<TokenId>{2, 2}));
  ids.clear();
  Bpe(units, {{1, 0, 3, 0}, {0, 1, 2, 1}}, options).encode("▁a▁a", scratch, ids);
  EXPECT_EQ(ids, (std::vector<TokenId>{0, 3, 1}));
}

TEST(Bpe, LongRunsTakeNoQuadraticTime) {
  std::vector<std::string> units{"a"};
  std::vector<BpeMerge> merges;
  for (TokenId i = 0; i < 5; ++i) {
    merges.push_back({i, i, i + 1, static_cast<uint32_t>(i)});
    units.push_back(units.back() + units.back());
  }
  const Bpe bpe(units, merges, {});
  Bpe::Scratch scratch(1 << 20);
  std::vector<TokenId> ids;
  const auto start = std::chrono::steady_clock::now();
  bpe.encode(std::string(1 << 20, 'a'), scratch, ids);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
  EXPECT_EQ(ids, std::vector<TokenId>((1 << 20) / 32, 5));
}

}  // namespace
}  // namespace maru::text
