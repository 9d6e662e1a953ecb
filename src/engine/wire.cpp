#include "engine/wire.h"

#include <fmt/format.h>

#include <bit>
#include <string>
#include <type_traits>

namespace maru::engine {
namespace {

constexpr uint8_t kVersion = 1;
enum class Kind : uint8_t { kRequest = 'R', kEvent = 'E' };

// Little-endian integers, floats by their bits, lengths as uint32.
class Writer {
 public:
  template <class T>
    requires std::is_integral_v<T>
  void field(T value) {
    auto bits = static_cast<std::make_unsigned_t<T>>(value);
    for (size_t i = 0; i < sizeof(T); ++i) {
      bytes_.push_back(static_cast<uint8_t>(static_cast<uint64_t>(bits) >> (8 * i)));
    }
  }
  void field(bool value) { field(static_cast<uint8_t>(value)); }
  void field(float value) { field(std::bit_cast<uint32_t>(value)); }
  void field(const std::string& text) {
    field(static_cast<uint32_t>(text.size()));
    bytes_.insert(bytes_.end(), text.begin(), text.end());
  }
  void field(const std::pair<TokenId, float>& pair) {
    field(pair.first);
    field(pair.second);
  }
  template <class T>
    requires std::is_enum_v<T>
  void choice(T value, T) {
    field(static_cast<uint8_t>(value));
  }
  void field(const TokenLogprob& value) {
    field(value.token);
    field(value.logprob);
    field(value.top);
  }
  template <class T>
  void field(const std::vector<T>& list) {
    field(static_cast<uint32_t>(list.size()));
    for (const T& item : list) field(item);
  }
  std::vector<uint8_t> take() { return std::move(bytes_); }

 private:
  std::vector<uint8_t> bytes_;
};

// After the first error every read gives a neutral value; the caller asks once, at the end.
class Reader {
 public:
  explicit Reader(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  template <class T>
    requires std::is_integral_v<T>
  void field(T& value) {
    value = 0;
    if (!has(sizeof(T))) return;
    uint64_t bits = 0;
    for (size_t i = 0; i < sizeof(T); ++i) bits |= uint64_t{bytes_[at_ + i]} << (8 * i);
    at_ += sizeof(T);
    value = static_cast<T>(bits);
  }
  void field(bool& value) {
    uint8_t byte = 0;
    field(byte);
    if (byte > 1) fail("a truth value is neither 0 nor 1");
    value = byte == 1;
  }
  void field(float& value) {
    uint32_t bits = 0;
    field(bits);
    value = std::bit_cast<float>(bits);
  }
  void field(std::string& text) {
    const size_t n = length(1);
    if (n > kMaxWireString) return fail("a text is too long");
    text.assign(reinterpret_cast<const char*>(bytes_.data()) + at_, n);
    at_ += n;
  }
  void field(std::pair<TokenId, float>& pair) {
    field(pair.first);
    field(pair.second);
  }
  template <class T>
    requires std::is_enum_v<T>
  void choice(T& value, T last) {
    uint8_t byte = 0;
    field(byte);
    if (byte > static_cast<uint8_t>(last)) return fail("an enumerator is unknown");
    value = static_cast<T>(byte);
  }
  void field(TokenLogprob& value) {
    field(value.token);
    field(value.logprob);
    field(value.top);
  }
  template <class T>
  void field(std::vector<T>& list) {
    // The smallest wire size of an item bounds the count before anything is allocated.
    constexpr size_t kItemBytes = std::is_same_v<T, TokenId>        ? 4
                                  : std::is_same_v<T, TokenLogprob> ? 12
                                                                    : 8;
    const size_t n = length(kItemBytes);
    list.resize(n);
    for (T& item : list) field(item);
  }
  void header(Kind kind) {
    uint8_t found_kind = 0, version = 0;
    field(found_kind);
    field(version);
    if (found_kind != static_cast<uint8_t>(kind)) fail("this is another kind of message");
    if (version != kVersion) fail("the version is unknown");
  }
  Status finish() {
    if (at_ != bytes_.size()) fail("bytes follow the end");
    if (error_ == nullptr) return {};
    return Error{
        ErrorCode::kCorrupt,
        fmt::format("engine message of {} bytes, offset {}: {}", bytes_.size(), error_at_, error_),
        "both ends must run the same version of Maru"};
  }

 private:
  void fail(const char* error) {
    if (error_ == nullptr) {
      error_ = error;
      error_at_ = at_;
    }
    at_ = bytes_.size();
  }
  bool has(size_t n) {
    if (bytes_.size() - at_ >= n) return true;
    fail("the data end too early");
    return false;
  }
  size_t length(size_t item_bytes) {
    uint32_t n = 0;
    field(n);
    if (n > (bytes_.size() - at_) / item_bytes) {
      fail("a length exceeds the data");
      return 0;
    }
    return n;
  }

  std::span<const uint8_t> bytes_;
  size_t at_ = 0;
  const char* error_ = nullptr;
  size_t error_at_ = 0;
};

// One list of fields serves both directions.
template <class Coder, class RequestT>
void code_request(Coder& c, RequestT& r) {
  c.field(r.id);
  c.field(r.model);
  c.field(r.adapter);
  c.field(r.caller);
  c.field(r.tenant_salt);
  c.field(r.prompt);
  c.field(r.max_new_tokens);
  c.field(r.end_tokens);
  auto& s = r.sampling;
  c.field(s.temperature);
  c.field(s.top_k);
  c.field(s.top_p);
  c.field(s.min_p);
  c.field(s.typical_p);
  c.field(s.presence_penalty);
  c.field(s.frequency_penalty);
  c.field(s.repetition_penalty);
  c.field(s.logit_bias);
  c.field(s.seed);
  c.field(r.want_logprobs);
  c.field(r.want_prompt_logprobs);
  c.field(r.n_top_logprobs);
}

template <class Coder, class EventT>
void code_event(Coder& c, EventT& e) {
  c.field(e.id);
  c.choice(e.kind, EventKind::kFailed);
  c.field(e.n_prompt_done);
  c.field(e.prompt_logprobs);
  c.field(e.token);
  c.field(e.logprob);
  c.choice(e.reason, FinishReason::kCancelled);
  c.field(e.usage.prompt_tokens);
  c.field(e.usage.cached_tokens);
  c.field(e.usage.new_tokens);
  c.choice(e.error.code, ErrorCode::kInternal);
  c.field(e.error.message);
  c.field(e.error.hint);
  c.field(e.error.param);
}

Writer writer_of(Kind kind) {
  Writer writer;
  writer.field(static_cast<uint8_t>(kind));
  writer.field(kVersion);
  return writer;
}

Status check_size(std::span<const uint8_t> bytes) {
  if (bytes.size() <= kMaxWireBytes) return {};
  return Error{ErrorCode::kCorrupt,
               fmt::format("engine message of {} bytes; at most {}", bytes.size(), kMaxWireBytes)};
}

}  // namespace

std::vector<uint8_t> encode_request(const Request& request) {
  Writer writer = writer_of(Kind::kRequest);
  code_request(writer, request);
  return writer.take();
}

std::vector<uint8_t> encode_event(const Event& event) {
  Writer writer = writer_of(Kind::kEvent);
  code_event(writer, event);
  return writer.take();
}

Result<Request> decode_request(std::span<const uint8_t> bytes) {
  MARU_RETURN_IF_ERROR(check_size(bytes));
  Reader reader(bytes);
  reader.header(Kind::kRequest);
  Request request;
  code_request(reader, request);
  MARU_RETURN_IF_ERROR(reader.finish());
  return request;
}

Result<Event> decode_event(std::span<const uint8_t> bytes) {
  MARU_RETURN_IF_ERROR(check_size(bytes));
  Reader reader(bytes);
  reader.header(Kind::kEvent);
  Event event;
  code_event(reader, event);
  MARU_RETURN_IF_ERROR(reader.finish());
  return event;
}

}  // namespace maru::engine
