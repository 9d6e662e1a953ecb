#include "tensor/packed_cache.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/checksum.h"
#include "base/files.h"
#include "tensor/packed_cache_form.h"
#include "tensor/test_blocks.h"

namespace maru::tensor {
namespace {

namespace fs = std::filesystem;

// A cache with a matrix of each kind of format and one vector, its bytes at a multiple of 64.
class PackedCacheTest : public ::testing::Test {
 protected:
  PackedCacheTest()
      : folder_(fs::temp_directory_path() / ("maru_packed_" + std::to_string(::getpid()))) {
    fs::create_directories(folder_);
    path_ = folder_ / "model.packed";
    ThreadPool pool(2);
    Random random(7);
    for (const char* name : {"q4_1", "q6_k", "f16"}) {
      const BlockFormat& format = *find_format(name);
      rows_.push_back(random_blocks(format, kRows * kColumns, random));
      weights_.push_back(PackedWeight::pack(format, rows_.back().data(), kRows, kColumns, pool));
      const PackedWeight& w = weights_.back();
      parts_.push_back({name, &format, kRows, kColumns, {w.panels(), w.bytes()}});
    }
    norm_ = random_floats(kNorm, random);
    parts_.push_back({.name = "norm",
                      .n_out = kNorm,
                      .bytes = {reinterpret_cast<const uint8_t*>(norm_.data()), kNorm * 4}});
    EXPECT_TRUE(write_packed_cache(path_, kOrigin, kFingerprint, parts_, never_).has_value());
    const std::string content = read_file(path_, size_t{1} << 26).value();
    storage_.resize(content.size() + 64);
    const auto address = reinterpret_cast<uintptr_t>(storage_.data());
    bytes_ = std::span(storage_).subspan((64 - address % 64) % 64, content.size());
    std::memcpy(bytes_.data(), content.data(), content.size());
  }
  ~PackedCacheTest() override { fs::remove_all(folder_); }

  packed_form::Foot foot() const {
    packed_form::Foot foot;
    std::memcpy(&foot, bytes_.data() + bytes_.size() - sizeof(foot), sizeof(foot));
    return foot;
  }
  // Writes a changed foot, or a foot for a changed directory, with checksums that fit.
  void put_foot(packed_form::Foot foot) {
    foot.directory_checksum =
        checksum64(bytes_.subspan(foot.directory_begin, foot.directory_bytes));
    foot.foot_checksum = checksum64({reinterpret_cast<const uint8_t*>(&foot), sizeof(foot) - 8});
    std::memcpy(bytes_.data() + bytes_.size() - sizeof(foot), &foot, sizeof(foot));
  }
  // The place of `value` in the directory.
  uint8_t* find_in_directory(const void* value, size_t size) {
    const auto at = foot().directory_begin;
    const auto directory = bytes_.subspan(at, foot().directory_bytes);
    const auto* raw = static_cast<const uint8_t*>(value);
    return &*std::search(directory.begin(), directory.end(), raw, raw + size);
  }

  static constexpr size_t kRows = 37, kColumns = 512, kNorm = 300'001;
  static constexpr uint64_t kFingerprint = 0x1122334455667788;
  const PackedOrigin kOrigin{"/models/a.gguf", {{1234, 5, 6}}, 99};
  const std::atomic<bool> never_{false};
  const fs::path folder_;
  std::string path_;
  std::vector<std::vector<uint8_t>> rows_;
  std::vector<PackedWeight> weights_;
  std::vector<float> norm_;
  std::vector<PackedPart> parts_;
  std::vector<uint8_t> storage_;
  std::span<uint8_t> bytes_;
};

TEST_F(PackedCacheTest, GivesBackWhatWasWritten) {
  const auto cache = PackedCache::open(path_).value();
  EXPECT_EQ(cache.origin(), kOrigin);
  EXPECT_EQ(cache.fingerprint(), kFingerprint);
  for (size_t i = 0; i < weights_.size(); ++i) {
    const auto w = cache.matrix(parts_[i].name, *parts_[i].format, kRows, kColumns).value();
    EXPECT_EQ(reinterpret_cast<uintptr_t>(w.panels()) % 64, 0u);
    EXPECT_EQ(std::memcmp(w.panels(), weights_[i].panels(), w.bytes()), 0);
    std::vector<float> is(kColumns), was(kColumns);
    w.read_row(kRows - 1, is.data());
    weights_[i].read_row(kRows - 1, was.data());
    EXPECT_EQ(is, was);
  }
  const auto norm = cache.floats("norm", kNorm).value();
  EXPECT_TRUE(std::equal(norm.begin(), norm.end(), norm_.begin(), norm_.end()));
  ThreadPool pool(2);
  EXPECT_TRUE(cache.verify(pool).has_value());
  EXPECT_TRUE(cache.verify(never_).has_value());
}

TEST_F(PackedCacheTest, IsReadableForItsOwnerAlone) {
  struct stat info{};
  ASSERT_EQ(::stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(PackedCacheTest, HoldsLittleBesideTheWeights) {
  uint64_t n = 0;
  for (const PackedPart& part : parts_) n += part.bytes.size();
  EXPECT_LT(bytes_.size(), n + 1024);
}

TEST_F(PackedCacheTest, RefusesOtherNamesFormatsAndShapes) {
  const auto cache = PackedCache::parse(bytes_).value();
  const BlockFormat& q4_1 = *find_format("q4_1");
  EXPECT_EQ(cache.matrix("other", q4_1, kRows, kColumns).error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(cache.matrix("q4_1", *find_format("q4_0"), kRows, kColumns).error().code,
            ErrorCode::kCorrupt);
  EXPECT_EQ(cache.matrix("q4_1", q4_1, kRows + 1, kColumns).error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(cache.matrix("norm", q4_1, kRows, kColumns).error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(cache.floats("norm", kNorm - 1).error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(cache.floats("q4_1", kNorm).error().code, ErrorCode::kCorrupt);
}

TEST_F(PackedCacheTest, RefusesEveryTruncation) {
  for (size_t size = 0; size < bytes_.size(); size += size < 200 ? 1 : 4099)
    EXPECT_FALSE(PackedCache::parse(bytes_.first(size)).has_value()) << size;
  for (size_t cut = 1; cut < 400; ++cut)
    EXPECT_FALSE(PackedCache::parse(bytes_.first(bytes_.size() - cut)).has_value()) << cut;
}

TEST_F(PackedCacheTest, NoticesEveryFlippedBitOfHeadDirectoryAndFoot) {
  const size_t begin = foot().directory_begin;
  std::vector<size_t> places;
  for (size_t at = 0; at < 12; ++at) places.push_back(at);
  for (size_t at = begin; at < bytes_.size(); ++at) places.push_back(at);
  for (const size_t at : places) {
    for (int bit = 0; bit < 8; ++bit) {
      bytes_[at] ^= static_cast<uint8_t>(1 << bit);
      EXPECT_FALSE(PackedCache::parse(bytes_).has_value()) << at << " bit " << bit;
      bytes_[at] ^= static_cast<uint8_t>(1 << bit);
    }
  }
}

TEST_F(PackedCacheTest, VerifyNoticesFlippedBitsOfTheContent) {
  ThreadPool pool(2);
  const auto cache = PackedCache::parse(bytes_).value();
  for (size_t at = 0; at < foot().directory_begin; at += 40'009) {
    bytes_[at] ^= 1;
    EXPECT_EQ(cache.verify(pool).error().code, ErrorCode::kCorrupt) << at;
    EXPECT_EQ(cache.verify(never_).error().code, ErrorCode::kCorrupt) << at;
    bytes_[at] ^= 1;
  }
  EXPECT_TRUE(cache.verify(pool).has_value());
}

TEST_F(PackedCacheTest, RefusesAnotherVersionOrLayout) {
  const uint64_t layout = layout_hash(*find_format("q4_1")), other = layout + 1;
  std::memcpy(find_in_directory(&layout, 8), &other, 8);
  put_foot(foot());
  EXPECT_NE(PackedCache::parse(bytes_).error().message.find("layout"), std::string::npos);
  bytes_[8] ^= 2;
  EXPECT_NE(PackedCache::parse(bytes_).error().message.find("version"), std::string::npos);
}

TEST_F(PackedCacheTest, RefusesPlacesOutsideOfTheFile) {
  // The shape and place of the vector, as the directory has them.
  const std::array<uint64_t, 2> shape = {kNorm, 1};
  uint8_t* place = find_in_directory(shape.data(), sizeof(shape)) + sizeof(shape);
  uint64_t begin = 0;
  std::memcpy(&begin, place, 8);
  for (const uint64_t wrong : {uint64_t{0}, begin + 1, begin + 64, foot().directory_begin + 64,
                               uint64_t{1} << 40, ~uint64_t{63}}) {
    std::memcpy(place, &wrong, 8);
    put_foot(foot());
    EXPECT_FALSE(PackedCache::parse(bytes_).has_value()) << wrong;
  }
  std::memcpy(place, &begin, 8);
  put_foot(foot());
  EXPECT_TRUE(PackedCache::parse(bytes_).has_value());
}

TEST_F(PackedCacheTest, StoppedWritingLeavesTheOldFile) {
  const std::atomic<bool> now{true};
  const Status stopped = write_packed_cache(path_, kOrigin, 1, parts_, now);
  EXPECT_EQ(stopped.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(PackedCache::open(path_)->fingerprint(), kFingerprint);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 1);
}

TEST_F(PackedCacheTest, SaysWhereItCannotWrite) {
  const Status status =
      write_packed_cache(folder_ / "none" / "x.packed", kOrigin, 1, parts_, never_);
  EXPECT_EQ(status.error().code, ErrorCode::kNotFound);
}

TEST(LayoutHash, DiffersBetweenFormats) {
  std::vector<uint64_t> hashes;
  for (const BlockFormat* format : all_formats()) {
    EXPECT_EQ(layout_hash(*format), layout_hash(*format));
    hashes.push_back(layout_hash(*format));
  }
  std::sort(hashes.begin(), hashes.end());
  EXPECT_EQ(std::unique(hashes.begin(), hashes.end()), hashes.end());
}

}  // namespace
}  // namespace maru::tensor
