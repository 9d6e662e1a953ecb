#include "formats/gguf.h"

#include <algorithm>

#include "formats/byte_reader.h"
#include "formats/ggml_types.h"

namespace maru::formats {
namespace {

constexpr uint32_t kMagic = 0x46554747;  // "GGUF"
constexpr uint64_t kDefaultAlignment = 32;

// Limits far above real files. Together with the rule that a count never exceeds what the remaining
// bytes can hold, they bound memory before anything is allocated.
constexpr uint64_t kMaxKeys = uint64_t{1} << 16;
constexpr uint64_t kMaxTensors = uint64_t{1} << 20;
constexpr uint64_t kMaxNameBytes = (uint64_t{1} << 16) - 1;
constexpr uint64_t kMaxStringBytes = uint64_t{1} << 26;
constexpr uint64_t kMaxArrayValues = uint64_t{1} << 24;  // of all arrays together
constexpr uint32_t kMaxDims = 4;
constexpr uint64_t kMaxAlignment = uint64_t{1} << 24;

// The smallest encodings: key length + type + 1 byte; name length + dims + type + offset.
constexpr uint64_t kMinKeyBytes = 8 + 4 + 1;
constexpr uint64_t kMinTensorBytes = 8 + 4 + 4 + 8;

enum class ValueType : uint32_t {
  kUint8 = 0,
  kInt8 = 1,
  kUint16 = 2,
  kInt16 = 3,
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kUint64 = 10,
  kInt64 = 11,
  kFloat64 = 12,
};

Error corrupt(std::string message) {
  return {ErrorCode::kCorrupt, std::move(message), "the file is damaged; fetch it again"};
}

Error too_large(const std::string& what, uint64_t count, uint64_t limit) {
  return {ErrorCode::kTooLarge,
          what + " is " + std::to_string(count) + ", the limit is " + std::to_string(limit),
          "check that this is an undamaged model file"};
}

// Refuses a count past its limit, or one that the remaining bytes can't hold.
Status check_count(const ByteReader& reader, const std::string& what, uint64_t count,
                   uint64_t limit, uint64_t min_bytes_each) {
  if (count > reader.remaining() / min_bytes_each) {
    return corrupt(what + " before byte " + std::to_string(reader.offset()) + " is " +
                   std::to_string(count) + ", more than the " + std::to_string(reader.remaining()) +
                   " bytes left can hold");
  }
  if (count > limit) return too_large(what, count, limit);
  return {};
}

Result<std::string_view> read_string(ByteReader& reader, const char* what, uint64_t limit) {
  MARU_ASSIGN_OR_RETURN(const uint64_t length, reader.read<uint64_t>(what));
  if (length <= reader.remaining() && length > limit) {
    return too_large(std::string("the length of ") + what, length, limit);
  }
  MARU_ASSIGN_OR_RETURN(const std::span<const uint8_t> raw, reader.read_bytes(length, what));
  return std::string_view(reinterpret_cast<const char*>(raw.data()), raw.size());
}

Result<bool> read_bool(ByteReader& reader) {
  const uint64_t at = reader.offset();
  MARU_ASSIGN_OR_RETURN(const uint8_t byte, reader.read<uint8_t>("a boolean"));
  if (byte > 1) {
    return corrupt("a boolean at byte " + std::to_string(at) + " is " + std::to_string(byte));
  }
  return byte == 1;
}

template <class Stored, class Wide>
Result<GgufValue> read_number(ByteReader& reader) {
  MARU_ASSIGN_OR_RETURN(const Stored value, reader.read<Stored>("a value"));
  return GgufValue(static_cast<Wide>(value));
}

template <class Stored, class Wide>
Result<GgufArray> read_numbers(ByteReader& reader, uint64_t count) {
  uint64_t n_bytes = 0;
  if (!multiply(count, sizeof(Stored), n_bytes)) return corrupt("an array's size overflows");
  MARU_ASSIGN_OR_RETURN(const std::span<const uint8_t> raw, reader.read_bytes(n_bytes, "an array"));
  std::vector<Wide> values(count);
  for (size_t i = 0; i < values.size(); ++i) {
    Stored value;
    std::memcpy(&value, raw.data() + i * sizeof(Stored), sizeof(Stored));
    values[i] = static_cast<Wide>(value);
  }
  return GgufArray{std::move(values)};
}

Result<GgufArray> read_bools(ByteReader& reader, uint64_t count) {
  std::vector<bool> values(count);
  for (size_t i = 0; i < values.size(); ++i) {
    MARU_ASSIGN_OR_RETURN(const bool value, read_bool(reader));
    values[i] = value;
  }
  return GgufArray{std::move(values)};
}

Result<GgufArray> read_strings(ByteReader& reader, uint64_t count) {
  std::vector<std::string_view> values;
  values.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    std::string_view value;
    if (!reader.try_read_string(value)) {
      MARU_ASSIGN_OR_RETURN(value, read_string(reader, "a string", kMaxStringBytes));
    }
    if (value.size() > kMaxStringBytes) {
      return too_large("the length of a string", value.size(), kMaxStringBytes);
    }
    values.push_back(value);
  }
  return GgufArray{std::move(values)};
}

uint64_t min_encoded_bytes(ValueType type) {
  switch (type) {
    case ValueType::kUint8:
    case ValueType::kInt8:
    case ValueType::kBool: return 1;
    case ValueType::kUint16:
    case ValueType::kInt16: return 2;
    case ValueType::kUint32:
    case ValueType::kInt32:
    case ValueType::kFloat32: return 4;
    default: return 8;
  }
}

Result<GgufArray> read_array(ByteReader& reader, uint64_t& n_array_values) {
  const uint64_t at = reader.offset();
  MARU_ASSIGN_OR_RETURN(const uint32_t id, reader.read<uint32_t>("an array's type"));
  MARU_ASSIGN_OR_RETURN(const uint64_t count, reader.read<uint64_t>("an array's length"));
  const auto type = static_cast<ValueType>(id);
  MARU_RETURN_IF_ERROR(check_count(reader, "an array's length", count,
                                   kMaxArrayValues - n_array_values, min_encoded_bytes(type)));
  n_array_values += count;
  switch (type) {
    case ValueType::kUint8: return read_numbers<uint8_t, uint64_t>(reader, count);
    case ValueType::kInt8: return read_numbers<int8_t, int64_t>(reader, count);
    case ValueType::kUint16: return read_numbers<uint16_t, uint64_t>(reader, count);
    case ValueType::kInt16: return read_numbers<int16_t, int64_t>(reader, count);
    case ValueType::kUint32: return read_numbers<uint32_t, uint64_t>(reader, count);
    case ValueType::kInt32: return read_numbers<int32_t, int64_t>(reader, count);
    case ValueType::kUint64: return read_numbers<uint64_t, uint64_t>(reader, count);
    case ValueType::kInt64: return read_numbers<int64_t, int64_t>(reader, count);
    case ValueType::kFloat32: return read_numbers<float, double>(reader, count);
    case ValueType::kFloat64: return read_numbers<double, double>(reader, count);
    case ValueType::kBool: return read_bools(reader, count);
    case ValueType::kString: return read_strings(reader, count);
    case ValueType::kArray:
      return Error{ErrorCode::kInvalidArgument,
                   "an array of arrays at byte " + std::to_string(at) + " is not supported",
                   "no model format of today uses one; check the file"};
  }
  return corrupt("an array at byte " + std::to_string(at) + " has the unknown type " +
                 std::to_string(id));
}

Result<GgufValue> read_value(ByteReader& reader, uint64_t& n_array_values) {
  MARU_ASSIGN_OR_RETURN(const uint32_t id, reader.read<uint32_t>("a value's type"));
  switch (static_cast<ValueType>(id)) {
    case ValueType::kUint8: return read_number<uint8_t, uint64_t>(reader);
    case ValueType::kInt8: return read_number<int8_t, int64_t>(reader);
    case ValueType::kUint16: return read_number<uint16_t, uint64_t>(reader);
    case ValueType::kInt16: return read_number<int16_t, int64_t>(reader);
    case ValueType::kUint32: return read_number<uint32_t, uint64_t>(reader);
    case ValueType::kInt32: return read_number<int32_t, int64_t>(reader);
    case ValueType::kUint64: return read_number<uint64_t, uint64_t>(reader);
    case ValueType::kInt64: return read_number<int64_t, int64_t>(reader);
    case ValueType::kFloat32: return read_number<float, double>(reader);
    case ValueType::kFloat64: return read_number<double, double>(reader);
    case ValueType::kBool: {
      MARU_ASSIGN_OR_RETURN(const bool value, read_bool(reader));
      return GgufValue(value);
    }
    case ValueType::kString: {
      MARU_ASSIGN_OR_RETURN(const std::string_view value,
                            read_string(reader, "a string", kMaxStringBytes));
      return GgufValue(value);
    }
    case ValueType::kArray: {
      MARU_ASSIGN_OR_RETURN(GgufArray array, read_array(reader, n_array_values));
      return GgufValue(std::move(array));
    }
  }
  return corrupt("a value at byte " + std::to_string(reader.offset() - sizeof id) +
                 " has the unknown type " + std::to_string(id));
}

}  // namespace

// Reads one file from front to back: header, metadata, tensor directory, then places the data.
class GgufFile::Parser {
 public:
  Parser(std::span<const uint8_t> bytes, GgufFile& file)
      : bytes_(bytes), reader_(bytes), file_(file) {}

  Status parse() {
    MARU_RETURN_IF_ERROR(read_header());
    MARU_RETURN_IF_ERROR(read_metadata());
    MARU_RETURN_IF_ERROR(read_directory());
    return place_tensors();
  }

 private:
  Status read_header() {
    MARU_ASSIGN_OR_RETURN(const uint32_t magic, reader_.read<uint32_t>("the magic number"));
    if (magic != kMagic) {
      return Error{ErrorCode::kCorrupt, "the file does not begin with 'GGUF'",
                   "check that this is a GGUF file"};
    }
    MARU_ASSIGN_OR_RETURN(const uint32_t version, reader_.read<uint32_t>("the version"));
    if (version != 2 && version != 3) {
      const bool big_endian = (version & 0xFFFF) == 0 && version != 0;
      return Error{ErrorCode::kInvalidArgument,
                   big_endian ? std::string("the file is a big-endian GGUF")
                              : "GGUF version " + std::to_string(version) + " is not supported",
                   "convert the model to GGUF version 3, little-endian"};
    }
    file_.version_ = version;
    MARU_ASSIGN_OR_RETURN(n_tensors_, reader_.read<uint64_t>("the number of tensors"));
    MARU_ASSIGN_OR_RETURN(n_keys_, reader_.read<uint64_t>("the number of keys"));
    MARU_RETURN_IF_ERROR(
        check_count(reader_, "the number of tensors", n_tensors_, kMaxTensors, kMinTensorBytes));
    return check_count(reader_, "the number of keys", n_keys_, kMaxKeys, kMinKeyBytes);
  }

  Status read_metadata() {
    uint64_t n_array_values = 0;
    file_.metadata_.reserve(n_keys_);
    for (uint64_t i = 0; i < n_keys_; ++i) {
      MARU_ASSIGN_OR_RETURN(const std::string_view key,
                            read_string(reader_, "a key", kMaxNameBytes));
      if (!file_.metadata_index_.emplace(key, i).second) {
        return corrupt("key " + quote_name(key) + " appears twice");
      }
      Result<GgufValue> value = read_value(reader_, n_array_values);
      if (!value) {
        value.error().message = "key " + quote_name(key) + ": " + value.error().message;
        return std::move(value).error();
      }
      file_.metadata_.emplace_back(key, std::move(value).value());
    }
    if (file_.find("general.alignment") == nullptr) return {};
    const std::optional<uint64_t> alignment = file_.get_uint("general.alignment");
    if (!alignment || *alignment > kMaxAlignment || std::popcount(*alignment) != 1) {
      return corrupt("general.alignment is not a power of two up to " +
                     std::to_string(kMaxAlignment));
    }
    alignment_ = *alignment;
    return {};
  }

  Status read_directory() {
    file_.tensors_.reserve(n_tensors_);  // never grows later: the index views its names
    offsets_.reserve(n_tensors_);
    for (uint64_t i = 0; i < n_tensors_; ++i) {
      MARU_ASSIGN_OR_RETURN(const std::string_view name,
                            read_string(reader_, "a tensor's name", kMaxNameBytes));
      TensorInfo& tensor = file_.tensors_.emplace_back();
      tensor.name = name;
      if (!file_.tensor_index_.emplace(tensor.name, i).second) {
        return corrupt("tensor " + quote_name(name) + " appears twice");
      }
      MARU_ASSIGN_OR_RETURN(const uint32_t n_dims, reader_.read<uint32_t>("a tensor's rank"));
      if (n_dims > kMaxDims) {
        return corrupt("tensor " + quote_name(name) + " has " + std::to_string(n_dims) +
                       " dimensions, at most " + std::to_string(kMaxDims) + " are possible");
      }
      for (uint32_t d = 0; d < n_dims; ++d) {
        MARU_ASSIGN_OR_RETURN(const uint64_t extent, reader_.read<uint64_t>("a tensor's shape"));
        tensor.shape.push_back(extent);
      }
      std::reverse(tensor.shape.begin(), tensor.shape.end());
      MARU_ASSIGN_OR_RETURN(tensor.gguf_type, reader_.read<uint32_t>("a tensor's type"));
      MARU_ASSIGN_OR_RETURN(const uint64_t offset, reader_.read<uint64_t>("a tensor's offset"));
      offsets_.push_back(offset);
    }
    return {};
  }

  static Result<uint64_t> tensor_bytes(const TensorInfo& tensor) {
    const GgmlType* type = find_ggml_type(tensor.gguf_type);
    if (type == nullptr) {
      return Error{ErrorCode::kInvalidArgument,
                   "tensor " + quote_name(tensor.name) + " has the ggml type " +
                       std::to_string(tensor.gguf_type) + ", which is not known",
                   "use a file with F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1 or Q2_K to Q6_K"};
    }
    const uint64_t row = tensor.shape.empty() ? 1 : tensor.shape.back();
    if (row % type->block_values != 0) {
      return corrupt("tensor " + quote_name(tensor.name) + " of type " + type->name +
                     " has rows of " + std::to_string(row) + " values, not a multiple of " +
                     std::to_string(type->block_values));
    }
    uint64_t n_bytes = row / type->block_values;
    bool fits = multiply(n_bytes, type->block_bytes, n_bytes);
    for (size_t d = 0; d + 1 < tensor.shape.size(); ++d) {
      fits = fits && multiply(n_bytes, tensor.shape[d], n_bytes);
    }
    if (!fits) return corrupt("the size of tensor " + quote_name(tensor.name) + " overflows");
    return n_bytes;
  }

  Status place_tensors() {
    const uint64_t header_end = reader_.offset();
    const uint64_t padding = (alignment_ - header_end % alignment_) % alignment_;
    const uint64_t available =
        padding <= reader_.remaining() ? reader_.remaining() - padding : uint64_t{0};
    for (size_t i = 0; i < file_.tensors_.size(); ++i) {
      TensorInfo& tensor = file_.tensors_[i];
      MARU_ASSIGN_OR_RETURN(const uint64_t n_bytes, tensor_bytes(tensor));
      if (offsets_[i] % alignment_ != 0) {
        return corrupt("tensor " + quote_name(tensor.name) + " starts at data byte " +
                       std::to_string(offsets_[i]) + ", not a multiple of the alignment " +
                       std::to_string(alignment_));
      }
      uint64_t end = 0;
      if (!add(offsets_[i], n_bytes, end) || end > available) {
        return corrupt("tensor " + quote_name(tensor.name) + " needs " + std::to_string(n_bytes) +
                       " bytes from data byte " + std::to_string(offsets_[i]) + ", the file has " +
                       std::to_string(available) + " data bytes");
      }
      if (n_bytes > 0) tensor.data = bytes_.subspan(header_end + padding + offsets_[i], n_bytes);
    }
    return check_no_overlap(file_.tensors_);
  }

  std::span<const uint8_t> bytes_;
  ByteReader reader_;
  GgufFile& file_;
  uint64_t n_tensors_ = 0;
  uint64_t n_keys_ = 0;
  uint64_t alignment_ = kDefaultAlignment;
  std::vector<uint64_t> offsets_;  // of each tensor, from the start of the data
};

Result<GgufFile> GgufFile::open(const std::string& path) {
  MARU_ASSIGN_OR_RETURN(MappedFile mapped, MappedFile::open(path));
  Result<GgufFile> file = parse(mapped.bytes());
  if (file) {
    file->file_ = std::move(mapped);
  } else {
    file.error().message = "'" + path + "': " + file.error().message;
  }
  return file;
}

Result<GgufFile> GgufFile::parse(std::span<const uint8_t> bytes) {
  GgufFile file;
  MARU_RETURN_IF_ERROR(Parser(bytes, file).parse());
  return file;
}

const GgufValue* GgufFile::find(std::string_view key) const {
  const auto it = metadata_index_.find(key);
  return it == metadata_index_.end() ? nullptr : &metadata_[it->second].second;
}

std::optional<uint64_t> GgufFile::get_uint(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* number = std::get_if<uint64_t>(value)) return *number;
  if (const auto* number = std::get_if<int64_t>(value); number != nullptr && *number >= 0) {
    return static_cast<uint64_t>(*number);
  }
  return std::nullopt;
}

std::optional<double> GgufFile::get_float(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* number = std::get_if<double>(value)) return *number;
  if (const auto* number = std::get_if<uint64_t>(value)) return static_cast<double>(*number);
  if (const auto* number = std::get_if<int64_t>(value)) return static_cast<double>(*number);
  return std::nullopt;
}

std::optional<bool> GgufFile::get_bool(std::string_view key) const {
  const auto* value = std::get_if<bool>(find(key));
  return value == nullptr ? std::nullopt : std::optional<bool>(*value);
}

std::optional<std::string_view> GgufFile::get_string(std::string_view key) const {
  const auto* value = std::get_if<std::string_view>(find(key));
  return value == nullptr ? std::nullopt : std::optional<std::string_view>(*value);
}

const std::vector<std::string_view>* GgufFile::get_strings(std::string_view key) const {
  const auto* array = std::get_if<GgufArray>(find(key));
  return array == nullptr ? nullptr : std::get_if<std::vector<std::string_view>>(&array->values);
}

const TensorInfo* GgufFile::find_tensor(std::string_view name) const {
  const auto it = tensor_index_.find(name);
  return it == tensor_index_.end() ? nullptr : &tensors_[it->second];
}

}  // namespace maru::formats
