// Runs a fuzz target over the files of its corpus, for builds without libFuzzer. A finding that
// libFuzzer saved is replayed in the same way: replay_gguf FILE.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

bool replay(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return false;
  const std::vector<char> bytes((std::istreambuf_iterator<char>(in)), {});
  // A buffer of the exact size, so that a sanitizer sees one byte too far.
  const std::vector<uint8_t> exact(bytes.begin(), bytes.end());
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  size_t n_inputs = 0;
  for (int i = 1; i < argc; ++i) {
    std::error_code error;
    if (std::filesystem::is_directory(argv[i], error)) {
      for (const auto& entry : std::filesystem::directory_iterator(argv[i], error)) {
        n_inputs += entry.is_regular_file() && replay(entry.path()) ? 1 : 0;
      }
    } else {
      n_inputs += replay(argv[i]) ? 1 : 0;
    }
  }
  std::printf("replayed %zu inputs\n", n_inputs);
  return n_inputs > 0 ? 0 : 1;
}
