#include "formats/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "formats/ggml_types.h"
#include "formats/testing/gguf_writer.h"

namespace maru::formats {
namespace {

using formats::testing::bytes_of;
using formats::testing::GgufType;
using formats::testing::GgufWriter;

// The error of parsing what `writer` wrote; a success fails the test.
Error parse_error(const GgufWriter& writer) {
  const std::vector<uint8_t> bytes = writer.finish();
  Result<GgufFile> file = GgufFile::parse(bytes);
  EXPECT_FALSE(file.has_value());
  return file ? Error{} : file.error();
}

void add_every_type(GgufWriter& writer) {
  writer.add("u8", GgufType::kUint8, uint8_t{200});
  writer.add("i8", GgufType::kInt8, int8_t{-100});
  writer.add("u16", GgufType::kUint16, uint16_t{60000});
  writer.add("i16", GgufType::kInt16, int16_t{-30000});
  writer.add("u32", GgufType::kUint32, uint32_t{4000000000});
  writer.add("i32", GgufType::kInt32, int32_t{-2000000000});
  writer.add("u64", GgufType::kUint64, std::numeric_limits<uint64_t>::max());
  writer.add("i64", GgufType::kInt64, std::numeric_limits<int64_t>::min());
  writer.add("f32", GgufType::kFloat32, 1.5F);
  writer.add("f64", GgufType::kFloat64, -2.25);
  writer.add_bool("yes", true);
  writer.add_bool("no", false);
  writer.add_string("text", "마루");
  writer.add_strings("tokens", {"a", "", "bc"});
  writer.add_array("scores", GgufType::kFloat32, std::vector<float>{0.5F, -1.0F});
  writer.add_array("types", GgufType::kInt32, std::vector<int32_t>{-1, 7});
  writer.add_array("pattern", GgufType::kBool, std::vector<uint8_t>{1, 0, 1});
  writer.add_array("empty", GgufType::kUint64, std::vector<uint64_t>{});
}

TEST(Gguf, ReadsEveryValueType) {
  for (const uint32_t version : {2U, 3U}) {
    GgufWriter writer;
    writer.version = version;
    add_every_type(writer);
    const std::vector<uint8_t> bytes = writer.finish();
    const Result<GgufFile> file = GgufFile::parse(bytes);
    ASSERT_TRUE(file) << file.error().to_string();
    EXPECT_EQ(file->version(), version);
    EXPECT_EQ(file->get_uint("u8"), 200U);
    EXPECT_EQ(std::get<int64_t>(*file->find("i8")), -100);
    EXPECT_EQ(file->get_uint("u16"), 60000U);
    EXPECT_EQ(std::get<int64_t>(*file->find("i16")), -30000);
    EXPECT_EQ(file->get_uint("u32"), 4000000000U);
    EXPECT_EQ(std::get<int64_t>(*file->find("i32")), -2000000000);
    EXPECT_EQ(file->get_uint("u64"), std::numeric_limits<uint64_t>::max());
    EXPECT_EQ(std::get<int64_t>(*file->find("i64")), std::numeric_limits<int64_t>::min());
    EXPECT_EQ(file->get_float("f32"), 1.5);
    EXPECT_EQ(file->get_float("f64"), -2.25);
    EXPECT_EQ(file->get_bool("yes"), true);
    EXPECT_EQ(file->get_bool("no"), false);
    EXPECT_EQ(file->get_string("text"), "마루");
    ASSERT_NE(file->get_strings("tokens"), nullptr);
    EXPECT_EQ(*file->get_strings("tokens"), (std::vector<std::string_view>{"a", "", "bc"}));
    const auto array = [&](const char* key) {
      return std::get<GgufArray>(*file->find(key)).values;
    };
    EXPECT_EQ(std::get<std::vector<double>>(array("scores")), (std::vector<double>{0.5, -1.0}));
    EXPECT_EQ(std::get<std::vector<int64_t>>(array("types")), (std::vector<int64_t>{-1, 7}));
    EXPECT_EQ(std::get<std::vector<bool>>(array("pattern")),
              (std::vector<bool>{true, false, true}));
    EXPECT_TRUE(std::get<std::vector<uint64_t>>(array("empty")).empty());
    EXPECT_EQ(file->metadata().size(), 18U);
    EXPECT_EQ(file->metadata().front().first, "u8");
  }
}

TEST(Gguf, TypedAccessRefusesOtherTypes) {
  GgufWriter writer;
  add_every_type(writer);
  const std::vector<uint8_t> bytes = writer.finish();
  const Result<GgufFile> file = GgufFile::parse(bytes);
  ASSERT_TRUE(file);
  EXPECT_EQ(file->get_uint("i8"), std::nullopt);
  EXPECT_EQ(file->get_uint("f32"), std::nullopt);
  EXPECT_EQ(file->get_uint("absent"), std::nullopt);
  EXPECT_EQ(file->get_float("u8"), 200.0);
  EXPECT_EQ(file->get_float("text"), std::nullopt);
  EXPECT_EQ(file->get_bool("u8"), std::nullopt);
  EXPECT_EQ(file->get_string("tokens"), std::nullopt);
  EXPECT_EQ(file->get_strings("scores"), nullptr);
  EXPECT_EQ(file->get_strings("text"), nullptr);
  EXPECT_EQ(file->find("absent"), nullptr);
}

TEST(Gguf, PlacesTensors) {
  for (const uint32_t alignment : {32U, 64U, 8U}) {
    GgufWriter writer;
    writer.alignment = alignment;
    if (alignment != 32) writer.add_uint("general.alignment", alignment);
    writer.add_tensor("a", {2, 3}, std::vector<float>{1, 2, 3, 4, 5, 6});
    writer.add_tensor("scalar", {}, std::vector<float>{7});
    writer.add_tensor("none", {0, 4}, std::vector<float>{});
    writer.add_tensor("q", {3, 64}, 2, std::vector<uint8_t>(size_t{3} * 2 * 18, 9));
    const std::vector<uint8_t> bytes = writer.finish();
    const Result<GgufFile> file = GgufFile::parse(bytes);
    ASSERT_TRUE(file) << file.error().to_string();
    ASSERT_EQ(file->tensors().size(), 4U);
    const TensorInfo* a = file->find_tensor("a");
    ASSERT_NE(a, nullptr);
    EXPECT_EQ(a->shape, (std::vector<uint64_t>{2, 3}));
    EXPECT_EQ(std::vector<uint8_t>(a->data.begin(), a->data.end()),
              bytes_of(std::vector<float>{1, 2, 3, 4, 5, 6}));
    EXPECT_EQ(file->find_tensor("scalar")->data.size(), 4U);
    EXPECT_TRUE(file->find_tensor("none")->data.empty());
    EXPECT_EQ(file->find_tensor("q")->data.size(), 108U);
    EXPECT_EQ(file->find_tensor("q")->data.front(), 9);
    EXPECT_EQ(file->find_tensor("absent"), nullptr);
  }
}

TEST(Gguf, SurvivesAMove) {
  GgufWriter writer;
  writer.add_tensor("t", {1}, std::vector<float>{7});
  const std::vector<uint8_t> bytes = writer.finish();
  Result<GgufFile> file = GgufFile::parse(bytes);
  ASSERT_TRUE(file);
  const GgufFile moved = std::move(file).value();
  EXPECT_NE(moved.find_tensor("t"), nullptr);
}

TEST(Gguf, RefusesOtherFilesAndVersions) {
  EXPECT_EQ(GgufFile::parse({}).error().code, ErrorCode::kCorrupt);
  const std::string text = "{\"this\": \"is JSON, not GGUF\"}";
  const std::vector<uint8_t> other(text.begin(), text.end());
  EXPECT_THAT(GgufFile::parse(other).error().message, ::testing::HasSubstr("begin with 'GGUF'"));
  GgufWriter writer;
  writer.version = 1;
  EXPECT_THAT(parse_error(writer).message, ::testing::HasSubstr("version 1 "));
  writer.version = 4;
  EXPECT_THAT(parse_error(writer).message, ::testing::HasSubstr("version 4 "));
  writer.version = 3U << 24;
  EXPECT_THAT(parse_error(writer).message, ::testing::HasSubstr("big-endian"));
  EXPECT_EQ(GgufFile::open("/nonexistent/model.gguf").error().code, ErrorCode::kNotFound);
}

TEST(Gguf, RefusesCountsThatCannotFit) {
  for (const size_t field : {8U, 16U}) {  // the numbers of tensors and of keys
    for (const uint64_t count : {uint64_t{2}, uint64_t{1} << 32, ~uint64_t{0}}) {
      std::vector<uint8_t> bytes = GgufWriter().finish();
      std::memcpy(bytes.data() + field, &count, sizeof(count));
      EXPECT_EQ(GgufFile::parse(bytes).error().code, ErrorCode::kCorrupt);
    }
  }
  for (const GgufType type : {GgufType::kUint8, GgufType::kFloat64, GgufType::kString}) {
    for (const uint64_t count : {uint64_t{1}, uint64_t{1} << 61, ~uint64_t{0}}) {
      GgufWriter writer;
      writer.begin_array("long", type, count);
      const Error error = parse_error(writer);
      EXPECT_EQ(error.code, ErrorCode::kCorrupt);
      EXPECT_THAT(error.message, ::testing::HasSubstr("'long'"));
    }
  }
}

TEST(Gguf, RefusesArraysPastTheLimit) {
  GgufWriter writer;
  const std::vector<uint8_t> zeros(size_t{9} << 20);
  writer.add_array("a", GgufType::kUint8, zeros);
  writer.add_array("b", GgufType::kUint8, zeros);  // 18 Mi values in all, the limit is 16 Mi
  EXPECT_EQ(parse_error(writer).code, ErrorCode::kTooLarge);
}

TEST(Gguf, RefusesBadValues) {
  GgufWriter nested;
  nested.begin_array("n", GgufType::kArray, 1);
  nested.add_uint("filler", 1);
  EXPECT_THAT(parse_error(nested).message, ::testing::HasSubstr("array of arrays"));

  GgufWriter unknown;
  unknown.begin_key("u", static_cast<GgufType>(13));
  EXPECT_THAT(parse_error(unknown).message, ::testing::HasSubstr("unknown type 13"));

  GgufWriter unknown_array;
  unknown_array.begin_array("u", static_cast<GgufType>(99), 0);
  EXPECT_THAT(parse_error(unknown_array).message, ::testing::HasSubstr("unknown type 99"));

  GgufWriter boolean;
  boolean.add("b", GgufType::kBool, uint8_t{2});
  EXPECT_THAT(parse_error(boolean).message, ::testing::HasSubstr("boolean"));

  GgufWriter twice;
  twice.add_uint("k", 1);
  twice.add_uint("k", 1);
  EXPECT_THAT(parse_error(twice).message, ::testing::HasSubstr("'k' appears twice"));

  GgufWriter long_key;
  long_key.add_uint(std::string(70000, 'k'), 1);
  EXPECT_EQ(parse_error(long_key).code, ErrorCode::kTooLarge);
}

TEST(Gguf, RefusesBadAlignment) {
  for (const uint32_t alignment : {0U, 3U, 48U, 1U << 30}) {
    GgufWriter writer;
    writer.add_uint("general.alignment", alignment);
    EXPECT_EQ(parse_error(writer).code, ErrorCode::kCorrupt);
  }
  GgufWriter text;
  text.add_string("general.alignment", "32");
  EXPECT_EQ(parse_error(text).code, ErrorCode::kCorrupt);
}

TEST(Gguf, RefusesTensorsOutsideTheFile) {
  const uint64_t huge = uint64_t{1} << 62;
  const std::vector<std::vector<uint64_t>> shapes = {
      {5}, {huge}, {huge, 4}, {huge, huge, huge, huge}, {~uint64_t{0}}};
  for (const auto& shape : shapes) {
    GgufWriter writer;
    writer.add_tensor("data", {4}, std::vector<float>(4));
    writer.add_tensor_at("w", shape, kGgmlF32, 0);
    const Error error = parse_error(writer);
    EXPECT_EQ(error.code, ErrorCode::kCorrupt);
    EXPECT_THAT(error.message, ::testing::HasSubstr("'w'"));
  }
  for (const uint64_t offset : {uint64_t{32}, ~uint64_t{0} - 31, uint64_t{1} << 63}) {
    GgufWriter writer;
    writer.add_tensor("data", {4}, std::vector<float>(4));
    writer.add_tensor_at("w", {1}, kGgmlF32, offset);
    EXPECT_EQ(parse_error(writer).code, ErrorCode::kCorrupt);
  }
}

TEST(Gguf, RefusesBadDirectoryEntries) {
  GgufWriter unaligned;
  unaligned.add_tensor("data", {64}, std::vector<float>(64));
  unaligned.add_tensor_at("w", {1}, kGgmlF32, 4);
  EXPECT_THAT(parse_error(unaligned).message, ::testing::HasSubstr("alignment"));

  GgufWriter overlap;
  overlap.add_tensor("first", {64}, std::vector<float>(64));
  overlap.add_tensor_at("w", {1}, kGgmlF32, 32);
  EXPECT_THAT(parse_error(overlap).message, ::testing::HasSubstr("share bytes"));

  GgufWriter twice;
  twice.add_tensor("w", {1}, std::vector<float>(1));
  twice.add_tensor("w", {1}, std::vector<float>(1));
  EXPECT_THAT(parse_error(twice).message, ::testing::HasSubstr("'w' appears twice"));

  GgufWriter rank;
  rank.add_tensor("w", {1, 1, 1, 1, 1}, std::vector<float>(1));
  EXPECT_THAT(parse_error(rank).message, ::testing::HasSubstr("5 dimensions"));

  GgufWriter type;
  type.add_tensor("w", {256}, 99, std::vector<uint8_t>(66));
  EXPECT_THAT(parse_error(type).message, ::testing::HasSubstr("'w' has the ggml type 99"));

  GgufWriter row;
  row.add_tensor("w", {4, 33}, 8, std::vector<uint8_t>(4096));
  EXPECT_THAT(parse_error(row).message, ::testing::HasSubstr("multiple of 32"));
}

TEST(Gguf, NamesInErrorsArePrintable) {
  GgufWriter writer;
  writer.add_tensor("evil\x1b[2J\n", {1}, 999, std::vector<uint8_t>(4));
  EXPECT_THAT(parse_error(writer).message, ::testing::HasSubstr("'evil\\x1b[2J\\x0a'"));
}

// Every prefix of a small file is an error; the whole file is not.
TEST(Gguf, EveryPrefixIsAnError) {
  GgufWriter writer;
  add_every_type(writer);
  writer.add_tensor("a", {2, 3}, std::vector<float>{1, 2, 3, 4, 5, 6});
  writer.add_tensor("b", {1, 32}, 8, std::vector<uint8_t>(34, 1));
  const std::vector<uint8_t> bytes = writer.finish();
  ASSERT_TRUE(GgufFile::parse(bytes));
  for (size_t n = 0; n < bytes.size(); ++n) {
    const std::vector<uint8_t> prefix(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(n));
    EXPECT_FALSE(GgufFile::parse(prefix)) << n;
  }
}

TEST(GgmlTypes, SizesOfTheReference) {
  // ggml's static_asserts on its block structs.
  const std::vector<std::pair<uint32_t, uint32_t>> sizes = {
      {0, 4},   {1, 2},    {2, 18},   {3, 20},   {6, 22},   {7, 24}, {8, 34},
      {10, 84}, {11, 110}, {12, 144}, {13, 176}, {14, 210}, {30, 2}};
  for (const auto& [id, block_bytes] : sizes) {
    ASSERT_NE(find_ggml_type(id), nullptr) << id;
    EXPECT_EQ(find_ggml_type(id)->block_bytes, block_bytes) << id;
  }
  EXPECT_EQ(find_ggml_type(4), nullptr);
  EXPECT_EQ(find_ggml_type(99), nullptr);
}

}  // namespace
}  // namespace maru::formats
