#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <string>
#include <vector>

#include "base/bounded_queue.h"
#include "base/files.h"
#include "base/json.h"
#include "base/mapped_file.h"
#include "base/memory_limits.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "base/utf8.h"

namespace maru {
namespace {

std::string temporary_folder() {
  static int counter = 0;
  const std::string path = testing::TempDir() + "maru_base_" + std::to_string(::getpid()) + "_" +
                           std::to_string(counter++);
  std::filesystem::create_directories(path);
  return path;
}

Result<int> half(int n) {
  if (n % 2 != 0) return Error{ErrorCode::kInvalidArgument, "odd"};
  return n / 2;
}

Result<int> quarter(int n) {
  MARU_ASSIGN_OR_RETURN(const int h, half(n));
  MARU_ASSIGN_OR_RETURN(const int q, half(h));
  return q;
}

TEST(Result, PassesValuesAndErrorsOn) {
  EXPECT_EQ(quarter(8).value(), 2);
  ASSERT_FALSE(quarter(6));
  EXPECT_EQ(quarter(6).error().message, "odd");
}

TEST(Utf8, DecodesEveryCodePointItEncodes) {
  for (uint32_t c = 0; c <= 0x10FFFF; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    std::string text;
    utf8_append(text, c);
    const Utf8Char decoded = utf8_decode(text);
    ASSERT_TRUE(decoded.valid) << c;
    ASSERT_EQ(decoded.code_point, c);
    ASSERT_EQ(decoded.length, text.size());
    for (size_t cut = 1; cut < text.size(); ++cut) {
      ASSERT_EQ(utf8_incomplete_suffix(text.substr(0, cut)), cut) << c;
    }
    ASSERT_EQ(utf8_incomplete_suffix(text), 0u);
  }
}

TEST(Utf8, RefusesOverlongSurrogatesAndTooLarge) {
  for (const char* bad : {"\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xFF",
                          "\x80", "\xC3", "\xF0\x80\x80\x80"}) {
    EXPECT_FALSE(utf8_is_valid(bad));
    EXPECT_TRUE(utf8_is_valid(utf8_sanitise(bad)));
  }
}

TEST(Utf8, InvalidBytesAreNotAwaited) {
  EXPECT_EQ(utf8_incomplete_suffix("\xE0\x80"), 0u);
  EXPECT_EQ(utf8_incomplete_suffix("a\xFF"), 0u);
  EXPECT_EQ(utf8_incomplete_suffix("\xF0\x9F\x98"), 3u);
}

// The cases of Unicode 15, table 3-8 and of Python's errors="replace".
TEST(Utf8, InvalidSequencesAreMaximalSubparts) {
  EXPECT_EQ(utf8_invalid_length("\xFF\x80"), 1u);
  EXPECT_EQ(utf8_invalid_length("\xC0\xAF"), 1u);
  EXPECT_EQ(utf8_invalid_length("\xE0\x80\x80"), 1u);
  EXPECT_EQ(utf8_invalid_length("\xED\xA0\x80"), 1u);
  EXPECT_EQ(utf8_invalid_length("\xE1\x80\xE2"), 2u);
  EXPECT_EQ(utf8_invalid_length("\xF0\x91\x92"), 3u);
  EXPECT_EQ(utf8_invalid_length("\xF1\xBF"), 2u);
  EXPECT_EQ(utf8_invalid_length("\xF4\x90\x80\x80"), 1u);
  EXPECT_EQ(utf8_invalid_length("\x80"), 1u);
}

TEST(Json, SortedValuesReadLargeObjectsInTime) {
  std::string text = "{";
  for (int i = 0; i < 200'000; ++i) text += "\"" + std::to_string(i) + "\":1,";
  const auto value = parse_sorted_json(text + "\"x\":[2]}");
  ASSERT_TRUE(value.has_value());
  EXPECT_EQ(value->size(), 200'001u);
  EXPECT_FALSE(parse_sorted_json(text).has_value());
}

TEST(Json, RefusesDepthBombsWithoutRecursion) {
  const auto result = parse_json(std::string(100000, '['));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(result.error().message.find("nested"), std::string::npos);
}

TEST(Json, RefusesObjectsOfManyKeysBeforeTheyCostTime) {
  std::string text = "{";
  for (int i = 0; i < 50; ++i) text += "\"" + std::to_string(i) + ":,\":[1,2,{\"a\":1}],";
  text.back() = '}';
  EXPECT_TRUE(parse_json(text, {.max_keys = 50}));
  const auto refused = parse_json(text, {.max_keys = 49});
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("49 keys"), std::string::npos);
  EXPECT_TRUE(parse_sorted_json(text, {.max_keys = 1}));
}

TEST(Json, RefusesNanTrailingTextAndBadUtf8) {
  for (const char* bad : {"NaN", "{\"a\":NaN}", "[1] x", "\"\xFF\"", "{", "", "[1,]"}) {
    EXPECT_FALSE(parse_json(bad)) << bad;
  }
  EXPECT_EQ(parse_json("{\"b\":1,\"a\":[2]}")->dump(), "{\"b\":1,\"a\":[2]}");
}

TEST(Files, AtomicWriteReplacesWholeContent) {
  const std::string path = temporary_folder() + "/f";
  ASSERT_TRUE(write_file_atomically(path, "one"));
  ASSERT_TRUE(write_file_atomically(path, "two"));
  EXPECT_EQ(*read_file(path, 10), "two");
  EXPECT_EQ(read_file(path, 2).error().code, ErrorCode::kTooLarge);
  EXPECT_EQ(read_file(path + "x", 2).error().code, ErrorCode::kNotFound);
  EXPECT_FALSE(write_file_atomically(path + "/no/such", "x"));
}

TEST(MappedFile, MapsContentAndNamesMissingFiles) {
  const std::string path = temporary_folder() + "/m";
  ASSERT_TRUE(write_file_atomically(path, "abc"));
  auto file = MappedFile::open(path);
  ASSERT_TRUE(file);
  EXPECT_EQ(std::string(file->bytes().begin(), file->bytes().end()), "abc");
  EXPECT_EQ(MappedFile::open(path + ".gone").error().code, ErrorCode::kNotFound);
  EXPECT_FALSE(MappedFile::open(temporary_folder()));
}

TEST(BoundedQueue, RefusesWhenFullAndDrainsAfterClose) {
  BoundedQueue<int> queue(2);
  EXPECT_TRUE(queue.try_push(1));
  EXPECT_TRUE(queue.try_push(2));
  EXPECT_FALSE(queue.try_push(3));
  queue.close();
  EXPECT_EQ(queue.pop(), 1);
  EXPECT_EQ(queue.pop(), 2);
  EXPECT_EQ(queue.pop(), std::nullopt);
}

TEST(ThreadPool, RunsEveryItemExactlyOnceOverManyJobs) {
  for (const size_t n_threads : {1u, 2u, 3u}) {
    ThreadPool pool(n_threads);
    std::vector<int> hits(1000);
    for (int round = 0; round < 500; ++round) {
      pool.parallel_for(hits.size(), 7, [&](size_t begin, size_t end) {
        for (size_t i = begin; i < end; ++i) ++hits[i];
      });
    }
    EXPECT_EQ(std::accumulate(hits.begin(), hits.end(), 0), 500 * 1000);
    for (const int h : hits) ASSERT_EQ(h, 500);
  }
}

TEST(ThreadPool, GivesEachThreadItsOwnNumber) {
  ThreadPool pool(3);
  std::vector<std::vector<size_t>> seen(pool.size());  // written without locks, by thread
  for (int round = 0; round < 500; ++round)
    pool.share(50, 1,
               [&](size_t thread, size_t begin, size_t) { seen.at(thread).push_back(begin); });
  size_t total = 0;
  for (const auto& items : seen) total += items.size();
  EXPECT_EQ(total, 500u * 50u);
}

TEST(ThreadPool, RunsOnePieceOnTheCaller) {
  ThreadPool pool(2);
  const auto caller = std::this_thread::get_id();
  pool.share(8, 8, [&](size_t thread, size_t begin, size_t end) {
    EXPECT_EQ(std::this_thread::get_id(), caller);
    EXPECT_EQ(thread, 0u);
    EXPECT_EQ(end - begin, 8u);
  });
}

TEST(ThreadPool, ReadsAheadOfMemoryThatIsGone) {
  ThreadPool pool(3);
  std::atomic<int> n_items{0};
  for (int round = 0; round < 300; ++round) {
    {
      const std::vector<char> weights(1 << 16);
      pool.read_ahead(weights.data(), weights.size() / pool.size());
    }
    pool.parallel_for(8, 1,
                      [&](size_t begin, size_t end) { n_items += static_cast<int>(end - begin); });
  }
  EXPECT_EQ(n_items, 300 * 8);
}

TEST(MemoryLimits, TakesTheSmallestEnclosingCgroup) {
  const std::string root = temporary_folder();
  const auto put = [&](const std::string& path, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(root + path).parent_path());
    std::ofstream(root + path) << text;
  };
  put("/proc/meminfo", "MemTotal: 8000 kB\nMemFree: 1 kB\nMemAvailable: 6000 kB\n");
  put("/proc/self/status", "VmRSS: 90 kB\nRssAnon: 50 kB\nRssFile: 30 kB\n");
  EXPECT_EQ(read_memory_limits(root).room_bytes, 6050u * 1024);
  put("/proc/self/cgroup", "0::/a/b\n");
  put("/sys/fs/cgroup/a/b/memory.max", "max\n");
  put("/sys/fs/cgroup/a/memory.max", "1024000\n");
  put("/sys/fs/cgroup/a/memory.current", "524000\n");
  put("/sys/fs/cgroup/a/memory.stat", "anon 500000\ninactive_file 24000\n");
  const MemoryLimits limits = read_memory_limits(root);
  EXPECT_EQ(limits.total_bytes, 1024000u);
  EXPECT_EQ(limits.available_bytes, 524000u);
  EXPECT_EQ(limits.room_bytes, 524000u + 80 * 1024);
  EXPECT_EQ(set_aside(limits, 80 * 1024).room_bytes, 524000u);
  EXPECT_EQ(set_aside(limits, 80 * 1024).available_bytes, limits.available_bytes);
  EXPECT_EQ(set_aside(limits, uint64_t{1} << 40).room_bytes, 0u);
  EXPECT_NE(limits.source.find("/a/memory.max"), std::string::npos);
  EXPECT_GT(read_memory_limits().total_bytes, 0u);
  put("/proc/self/status", "Name:\tmaru\nVmRSS:\t    2048 kB\n");
  EXPECT_EQ(read_resident_bytes(root), 2048u * 1024);
  EXPECT_EQ(read_resident_bytes(root + "/nothing"), 0u);
  EXPECT_GT(read_resident_bytes(), 0u);
}

}  // namespace
}  // namespace maru
