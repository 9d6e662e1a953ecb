// The readers on the two real GGUF files, whole, cut short and damaged. MARU_TEST_MODELS names the
// folder that holds them.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "formats/ggml_types.h"
#include "formats/gguf.h"

namespace maru::formats {
namespace {

constexpr size_t kCuts = 2000;
constexpr size_t kMutations = 2000;

// A private copy-on-write mapping: changes stay in this process.
class PrivateCopy {
 public:
  explicit PrivateCopy(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    const off_t end = ::lseek(fd, 0, SEEK_END);
    void* address =
        ::mmap(nullptr, static_cast<size_t>(end), PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    ::close(fd);
    if (address == MAP_FAILED) return;
    bytes_ = {static_cast<uint8_t*>(address), static_cast<size_t>(end)};
  }
  PrivateCopy(const PrivateCopy&) = delete;
  PrivateCopy& operator=(const PrivateCopy&) = delete;
  ~PrivateCopy() {
    if (!bytes_.empty()) ::munmap(bytes_.data(), bytes_.size());
  }
  std::span<uint8_t> bytes() const { return bytes_; }

 private:
  std::span<uint8_t> bytes_;
};

class RealFile : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const char* folder = std::getenv("MARU_TEST_MODELS");
    ASSERT_NE(folder, nullptr) << "set MARU_TEST_MODELS to the folder of the test models; "
                                  "script/test does it";
    path_ = std::string(folder) + "/" + GetParam();
  }
  std::string path_;
};

// Offsets where something begins or ends: fields of the header, keys, strings, tensors.
std::set<size_t> structural_borders(const GgufFile& file, std::span<const uint8_t> bytes) {
  std::set<size_t> borders = {0, 4, 8, 16, 24};
  const auto add_view = [&](const void* begin, size_t size) {
    const size_t at = static_cast<size_t>(static_cast<const uint8_t*>(begin) - bytes.data());
    borders.insert({at, at + size});
    if (at >= 8) borders.insert(at - 8);
  };
  for (const auto& [key, value] : file.metadata()) {
    add_view(key.data(), key.size());
    if (const auto* text = std::get_if<std::string_view>(&value))
      add_view(text->data(), text->size());
    if (const auto* list = file.get_strings(key); list != nullptr && !list->empty()) {
      add_view(list->front().data(), list->front().size());
      add_view(list->back().data(), list->back().size());
    }
  }
  for (const TensorInfo& tensor : file.tensors()) add_view(tensor.data.data(), tensor.data.size());
  return borders;
}

size_t data_begin(const GgufFile& file, std::span<const uint8_t> bytes) {
  const uint8_t* first = bytes.data() + bytes.size();
  for (const TensorInfo& tensor : file.tensors()) first = std::min(first, tensor.data.data());
  return static_cast<size_t>(first - bytes.data());
}

TEST_P(RealFile, OpensWhole) {
  const Result<GgufFile> file = GgufFile::open(path_);
  ASSERT_TRUE(file) << file.error().to_string();
  EXPECT_EQ(file->version(), 3U);
  EXPECT_TRUE(file->get_string("general.architecture"));
  EXPECT_NE(file->find_tensor("token_embd.weight"), nullptr);
  const auto* tokens = file->get_strings("tokenizer.ggml.tokens");
  ASSERT_NE(tokens, nullptr);
  EXPECT_EQ(file->find_tensor("token_embd.weight")->shape.front(), tokens->size());
}

TEST_P(RealFile, EveryCutIsAnError) {
  const Result<GgufFile> file = GgufFile::open(path_);
  ASSERT_TRUE(file) << file.error().to_string();
  const std::span<const uint8_t> bytes = file->file().bytes();
  std::set<size_t> cuts;
  for (const size_t border : structural_borders(*file, bytes)) {
    for (const size_t cut : {border - 1, border, border + 1}) {
      if (cut < bytes.size()) cuts.insert(cut);
    }
  }
  cuts.insert(bytes.size() - 1);
  std::mt19937_64 random(7);
  const size_t header = data_begin(*file, bytes);
  while (cuts.size() < kCuts)
    cuts.insert(random() % (cuts.size() % 2 == 0 ? header : bytes.size()));
  for (const size_t cut : cuts) {
    const Result<GgufFile> part = GgufFile::parse(bytes.first(cut));
    ASSERT_FALSE(part) << "cut at byte " << cut << " of " << bytes.size();
    ASSERT_FALSE(part.error().message.empty());
  }
}

TEST_P(RealFile, DamagedHeadersNeverCrash) {
  const PrivateCopy copy(path_);
  const std::span<uint8_t> bytes = copy.bytes();
  ASSERT_FALSE(bytes.empty());
  std::vector<size_t> borders;
  size_t header = 0;
  size_t directory = 0;
  {
    const Result<GgufFile> file = GgufFile::parse(bytes);
    ASSERT_TRUE(file) << file.error().to_string();
    header = data_begin(*file, bytes);
    const std::set<size_t> all = structural_borders(*file, bytes);
    std::copy_if(all.begin(), all.end(), std::back_inserter(borders),
                 [&](size_t border) { return border < header; });
    directory = borders.back();  // the end of the last key's value
  }
  std::mt19937_64 random(11);
  size_t n_refused = 0;
  for (size_t i = 0; i < kMutations; ++i) {
    size_t at = 0;
    switch (random() % 3) {
      case 0: at = random() % header; break;
      case 1: at = directory + random() % (header - directory); break;
      default: at = std::min(borders[random() % borders.size()] + random() % 12, header - 1);
    }
    const uint8_t before = bytes[at];
    bytes[at] = random() % 4 == 0 ? uint8_t{0xFF} : static_cast<uint8_t>(random());
    const Result<GgufFile> file = GgufFile::parse(bytes);
    n_refused += file ? 0 : 1;
    if (file) {
      for (const TensorInfo& tensor : file->tensors()) {
        ASSERT_TRUE(tensor.data.empty() ||
                    (tensor.data.data() >= bytes.data() + 24 &&
                     tensor.data.data() + tensor.data.size() <= bytes.data() + bytes.size()));
      }
    }
    bytes[at] = before;
  }
  EXPECT_GT(n_refused, kMutations / 20);
  EXPECT_TRUE(GgufFile::parse(bytes));
}

INSTANTIATE_TEST_SUITE_P(Gguf, RealFile,
                         ::testing::Values("SmolLM2-135M-Instruct.Q4_1.gguf",
                                           "gemma-3-270m-q4_k_m.gguf"),
                         [](const auto& param) { return param.index == 0 ? "SmolLM2" : "Gemma3"; });

}  // namespace
}  // namespace maru::formats
