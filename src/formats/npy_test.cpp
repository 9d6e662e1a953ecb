#include "formats/npy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <vector>

namespace maru::formats {
namespace {

template <class T>
std::string npy_bytes(std::vector<uint64_t> shape, const std::vector<T>& values) {
  std::string bytes = npy_header<T>(shape);
  bytes.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
  return bytes;
}

TEST(Npy, HeaderIsNumpys) {
  const std::string header = npy_header<float>(std::vector<uint64_t>{2, 3});
  EXPECT_EQ(header.size() % 64, 0U);
  EXPECT_EQ(header.back(), '\n');
  // What numpy.save of numpy.zeros((2, 3), "float32") begins with.
  using namespace std::string_literals;
  EXPECT_TRUE(header.starts_with(
      "\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"s));
  EXPECT_THAT(npy_header<int32_t>(std::vector<uint64_t>{5}),
              ::testing::HasSubstr("'<i4', 'fortran_order': False, 'shape': (5,), }"));
  EXPECT_THAT(npy_header<float>({}), ::testing::HasSubstr("'shape': (), }"));
}

TEST(Npy, RoundTrips) {
  for (const std::vector<uint64_t>& shape :
       {std::vector<uint64_t>{6}, {2, 3}, {1, 6, 1}, {3, 1, 2}}) {
    const std::vector<float> values = {0.0F, -1.5F, 2.0F, 1e-30F, 3e30F, 7.0F};
    const std::string path = ::testing::TempDir() + "maru_npy_" + std::to_string(::getpid());
    ASSERT_TRUE(write_npy<float>(path, shape, values));
    const Result<NpyArray<float>> array = read_npy<float>(path);
    ::unlink(path.c_str());
    ASSERT_TRUE(array) << array.error().to_string();
    EXPECT_EQ(array->shape, shape);
    EXPECT_EQ(array->values, values);
  }
}

TEST(Npy, ReadsAGolden) {
  const std::string path = std::string(MARU_SOURCE_DIR) + "/tests/oracle/llama/logits.npy";
  const Result<NpyArray<float>> array = read_npy<float>(path);
  ASSERT_TRUE(array) << array.error().to_string();
  EXPECT_EQ(array->shape, (std::vector<uint64_t>{64, 96}));
  EXPECT_EQ(read_npy<int32_t>(path).error().code, ErrorCode::kInvalidArgument);
}

TEST(Npy, RefusesBadFiles) {
  const std::string good = npy_bytes<int32_t>({2, 2}, {1, 2, 3, 4});
  ASSERT_TRUE(parse_npy<int32_t>(good));
  for (size_t n = 0; n < good.size(); ++n) {
    EXPECT_FALSE(parse_npy<int32_t>(std::string_view(good).substr(0, n))) << n;
  }
  EXPECT_FALSE(parse_npy<int32_t>(good + "x"));
  EXPECT_FALSE(parse_npy<float>(good));
  const auto replaced = [&](const std::string& from, const std::string& to) {
    std::string bytes = good;
    bytes.replace(bytes.find(from), from.size(), to);
    return bytes;
  };
  EXPECT_FALSE(parse_npy<int32_t>(replaced("False", "True ")));
  EXPECT_FALSE(parse_npy<int32_t>(replaced("(2, 2)", "(2, 3)")));
  EXPECT_FALSE(parse_npy<int32_t>(replaced("(2, 2)", "(-2,2)")));
  EXPECT_FALSE(parse_npy<int32_t>(replaced("(2, 2)", "[2, 2]")));
  EXPECT_FALSE(parse_npy<int32_t>(replaced("shape", "shade")));
  EXPECT_FALSE(parse_npy<int32_t>(replaced("(2, 2), }      ", "(4294967296,4)}")));
  EXPECT_EQ(read_npy<float>("/nonexistent.npy").error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace maru::formats
