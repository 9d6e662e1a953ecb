#include "formats/safetensors.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <utility>

#include "base/files.h"
#include "base/json.h"
#include "formats/byte_reader.h"
#include "formats/ggml_types.h"

namespace maru::formats {
namespace {

constexpr uint64_t kMaxHeaderBytes = uint64_t{64} << 20;
constexpr size_t kMaxIndexBytes = size_t{64} << 20;
constexpr size_t kMaxHeaderDepth = 4;  // header, tensor, shape; metadata holds strings only
constexpr size_t kMaxDims = 8;
constexpr size_t kMaxShards = 10000;

struct Dtype {
  const char* name;
  uint32_t gguf_type;
  uint32_t bytes;
};
constexpr Dtype kDtypes[] = {{"F32", kGgmlF32, 4}, {"F16", kGgmlF16, 2}, {"BF16", kGgmlBf16, 2}};

const Dtype* find_dtype(std::string_view name) {
  for (const Dtype& dtype : kDtypes) {
    if (name == dtype.name) return &dtype;
  }
  return nullptr;
}

Error corrupt(std::string message) {
  return {ErrorCode::kCorrupt, std::move(message), "the file is damaged; fetch it again"};
}

Error corrupt_entry(std::string_view name, const std::string& what) {
  return corrupt("tensor " + quote_name(name) + ": " + what);
}

// The JSON header without its length field; moves `reader` to the first data byte.
Result<std::string_view> read_header(ByteReader& reader) {
  MARU_ASSIGN_OR_RETURN(const uint64_t length, reader.read<uint64_t>("the header's length"));
  if (length <= reader.remaining() && length > kMaxHeaderBytes) {
    return Error{ErrorCode::kTooLarge,
                 "the header has " + std::to_string(length) + " bytes, the limit is " +
                     std::to_string(kMaxHeaderBytes),
                 "check that this is a safetensors file"};
  }
  MARU_ASSIGN_OR_RETURN(const std::span<const uint8_t> raw,
                        reader.read_bytes(length, "the header"));
  if (raw.empty() || raw.front() != '{') {
    return Error{ErrorCode::kCorrupt, "the header does not begin with '{'",
                 "check that this is a safetensors file"};
  }
  return std::string_view(reinterpret_cast<const char*>(raw.data()), raw.size());
}

Result<std::vector<uint64_t>> read_unsigned_array(std::string_view name, const SortedJson& entry,
                                                  const char* field, size_t max_size) {
  const auto it = entry.find(field);
  if (it == entry.end() || !it->is_array() || it->size() > max_size) {
    return corrupt_entry(name, std::string("'") + field + "' is not an array of at most " +
                                   std::to_string(max_size) + " integers");
  }
  std::vector<uint64_t> values;
  for (const SortedJson& value : *it) {
    if (!value.is_number_unsigned()) {
      return corrupt_entry(
          name, std::string("'") + field + "' holds a value that is not an " + "unsigned integer");
    }
    values.push_back(value.get<uint64_t>());
  }
  return values;
}

// Fills shape, type and data. `dtype_name` gets the spelling; an unknown one leaves the size alone.
Result<TensorInfo> read_entry(const std::string& name, const SortedJson& entry,
                              std::span<const uint8_t> buffer, std::string& dtype_name) {
  if (!entry.is_object()) return corrupt_entry(name, "its entry is not an object");
  const auto dtype_field = entry.find("dtype");
  if (dtype_field == entry.end() || !dtype_field->is_string()) {
    return corrupt_entry(name, "'dtype' is not a string");
  }
  dtype_name = dtype_field->get_ref<const std::string&>();

  TensorInfo tensor;
  tensor.name = name;
  MARU_ASSIGN_OR_RETURN(tensor.shape, read_unsigned_array(name, entry, "shape", kMaxDims));
  MARU_ASSIGN_OR_RETURN(const std::vector<uint64_t> range,
                        read_unsigned_array(name, entry, "data_offsets", 2));
  if (range.size() != 2 || range[0] > range[1] || range[1] > buffer.size()) {
    return corrupt_entry(name, "'data_offsets' is not a range within the file's " +
                                   std::to_string(buffer.size()) + " data bytes");
  }
  const uint64_t n_bytes = range[1] - range[0];
  if (const Dtype* dtype = find_dtype(dtype_name)) {
    tensor.gguf_type = dtype->gguf_type;
    uint64_t expected = dtype->bytes;
    bool fits = true;
    for (const uint64_t extent : tensor.shape) fits = fits && multiply(expected, extent, expected);
    if (!fits || expected != n_bytes) {
      return corrupt_entry(name, "'data_offsets' gives " + std::to_string(n_bytes) +
                                     " bytes, shape and dtype " + dtype_name + " ask for " +
                                     (fits ? std::to_string(expected) : "more than 2^64"));
    }
  }
  if (n_bytes > 0) tensor.data = buffer.subspan(range[0], n_bytes);
  return tensor;
}

// A shard is a plain file name inside the folder, so that an index can't reach other files.
bool is_plain_file_name(std::string_view name) {
  return !name.empty() && name != "." && name.find("..") == std::string_view::npos &&
         name.find('/') == std::string_view::npos && name.find('\\') == std::string_view::npos &&
         name.find('\0') == std::string_view::npos;
}

// tensor name -> shard file name.
Result<std::map<std::string, std::string>> read_index(const std::string& path) {
  MARU_ASSIGN_OR_RETURN(const std::string text, read_file(path, kMaxIndexBytes));
  MARU_ASSIGN_OR_RETURN(const SortedJson index, parse_sorted_json(text));
  const auto weight_map = index.find("weight_map");
  if (!index.is_object() || weight_map == index.end() || !weight_map->is_object()) {
    return corrupt("'" + path + "' has no object 'weight_map'");
  }
  std::map<std::string, std::string> shards;
  for (const auto& [name, shard] : weight_map->items()) {
    if (!shard.is_string() || !is_plain_file_name(shard.get_ref<const std::string&>())) {
      return corrupt("'" + path + "': the shard of tensor " + quote_name(name) +
                     " is not a plain file name");
    }
    shards.emplace(name, shard.get_ref<const std::string&>());
  }
  return shards;
}

}  // namespace

Status SafetensorsSet::add_file(std::span<const uint8_t> bytes) {
  ByteReader reader(bytes);
  MARU_ASSIGN_OR_RETURN(const std::string_view header_text, read_header(reader));
  JsonLimits limits;
  limits.max_bytes = kMaxHeaderBytes;
  limits.max_depth = kMaxHeaderDepth;
  Result<SortedJson> header = parse_sorted_json(header_text, limits);
  if (!header) return corrupt("the header: " + header.error().message);
  if (!header->is_object()) return corrupt("the header is not a JSON object");
  const std::span<const uint8_t> buffer = bytes.subspan(reader.offset());
  for (const auto& [name, entry] : header->items()) {
    if (name == "__metadata__") continue;
    std::string dtype_name;
    MARU_ASSIGN_OR_RETURN(TensorInfo tensor, read_entry(name, entry, buffer, dtype_name));
    const bool known = find_dtype(dtype_name) != nullptr;
    if (index_.contains(name) || unsupported_.contains(name)) {
      return corrupt_entry(name, "appears twice");
    }
    if (known) {
      index_.emplace(name, tensors_.size());
      tensors_.push_back(std::move(tensor));
    } else {
      unsupported_.emplace(name, dtype_name);
    }
  }
  return {};
}

Result<SafetensorsSet> SafetensorsSet::parse(std::span<const uint8_t> bytes) {
  SafetensorsSet set;
  MARU_RETURN_IF_ERROR(set.add_file(bytes));
  MARU_RETURN_IF_ERROR(check_no_overlap(set.tensors_));
  return set;
}

Result<SafetensorsSet> SafetensorsSet::open_files(const std::vector<std::string>& paths) {
  SafetensorsSet set;
  for (const std::string& path : paths) {
    MARU_ASSIGN_OR_RETURN(MappedFile file, MappedFile::open(path));
    if (Status status = set.add_file(file.bytes()); !status) {
      status.error().message = "'" + path + "': " + status.error().message;
      return std::move(status).error();
    }
    set.files_.push_back(std::move(file));
  }
  MARU_RETURN_IF_ERROR(check_no_overlap(set.tensors_));
  return set;
}

Result<SafetensorsSet> SafetensorsSet::open_folder(const std::string& folder) {
  const std::string single = folder + "/model.safetensors";
  std::error_code ignored;
  if (std::filesystem::exists(single, ignored)) return open_files({single});

  const std::string index_path = folder + "/model.safetensors.index.json";
  MARU_ASSIGN_OR_RETURN(const auto shard_of, read_index(index_path));
  std::vector<std::string> paths;
  for (const auto& [name, shard] : shard_of) paths.push_back(folder + "/" + shard);
  std::sort(paths.begin(), paths.end());
  paths.erase(std::unique(paths.begin(), paths.end()), paths.end());
  if (paths.size() > kMaxShards) {
    return Error{ErrorCode::kTooLarge,
                 "'" + index_path + "' names " + std::to_string(paths.size()) +
                     " shards, the limit is " + std::to_string(kMaxShards),
                 "check that this is an undamaged model folder"};
  }
  MARU_ASSIGN_OR_RETURN(SafetensorsSet set, open_files(paths));
  for (const auto& [name, shard] : shard_of) {
    if (!set.index_.contains(name) && !set.unsupported_.contains(name)) {
      return corrupt("'" + index_path + "' promises tensor " + quote_name(name) +
                     ", which no shard holds");
    }
  }
  return set;
}

const TensorInfo* SafetensorsSet::find_tensor(std::string_view name) const {
  const auto it = index_.find(std::string(name));
  return it == index_.end() ? nullptr : &tensors_[it->second];
}

}  // namespace maru::formats
