// Copies of golden models with one thing changed, in a temporary folder. For tests only.
#pragma once

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/files.h"
#include "base/json.h"
#include "base/testing/test_folder.h"
#include "formats/gguf.h"
#include "formats/testing/gguf_writer.h"

namespace maru::models::testing {

inline std::string golden_path(const std::string& form) {
  return std::string(MARU_SOURCE_DIR) + "/tests/oracle/" + form;
}

inline Json read_hf_config(const std::string& form) {
  return parse_json(read_file(golden_path(form) + "/config.json", 1 << 20).value()).value();
}

// `form`'s folder with this config.json; the weights are linked.
inline void write_hf_model(const std::string& form, const Json& config, const std::string& folder) {
  namespace fs = std::filesystem;
  for (const auto& entry : fs::directory_iterator(golden_path(form))) {
    const fs::path to = fs::path(folder) / entry.path().filename();
    if (fs::exists(fs::symlink_status(to))) continue;
    if (entry.path().filename() != "config.json")
      fs::create_symlink(fs::canonical(entry.path()), to);
  }
  std::ofstream(folder + "/config.json") << dump_json(config);
}

// What to write instead of a key's or tensor's own content; the default keeps everything.
struct GgufChange {
  std::string key = {};  // left out, and `write` called if there is one
  std::function<void(formats::testing::GgufWriter&)> write = {};
  std::string drop_tensor = {};
  std::string reshape_tensor = {};  // [a, b] becomes [b, a]
  std::string extra_tensor = {};    // one float
};

inline void write_gguf_model(const std::string& form, const GgufChange& change,
                             const std::string& path) {
  using formats::testing::GgufType;
  const auto file = formats::GgufFile::open(golden_path(form)).value();
  formats::testing::GgufWriter out;
  for (const auto& [key, value] : file.metadata()) {
    if (key == change.key || key.starts_with("tokenizer.")) continue;
    if (const auto* v = std::get_if<uint64_t>(&value)) {
      out.add(key, GgufType::kUint64, *v);
    } else if (const auto* i = std::get_if<int64_t>(&value)) {
      out.add(key, GgufType::kInt64, *i);
    } else if (const auto* d = std::get_if<double>(&value)) {
      out.add(key, GgufType::kFloat64, *d);
    } else if (const auto* b = std::get_if<bool>(&value)) {
      out.add_bool(key, *b);
    } else if (const auto* s = std::get_if<std::string_view>(&value)) {
      out.add_string(key, *s);
    }
  }
  if (change.write) change.write(out);
  for (const formats::TensorInfo& tensor : file.tensors()) {
    if (tensor.name == change.drop_tensor) continue;
    std::vector<uint64_t> shape = tensor.shape;
    if (tensor.name == change.reshape_tensor) std::reverse(shape.begin(), shape.end());
    out.add_tensor(tensor.name, shape, tensor.gguf_type,
                   std::vector<uint8_t>(tensor.data.begin(), tensor.data.end()));
  }
  if (!change.extra_tensor.empty()) out.add_tensor(change.extra_tensor, {1}, {1.0f});
  const std::vector<uint8_t> bytes = out.finish();
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
}

}  // namespace maru::models::testing
