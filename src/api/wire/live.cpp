#include "api/wire/live.h"

#include <algorithm>
#include <array>

#include "base/json.h"

namespace maru::api {
namespace {

constexpr JsonLimits kLimits{.max_bytes = size_t{64} << 10, .max_depth = 4, .max_keys = 16};
constexpr size_t kMaxIdBytes = 128;

constexpr FieldSpec kPing[] = {{"type", Support::kSupported}};
constexpr FieldSpec kMessage[] = {{"type", Support::kSupported}, {"message", Support::kSupported}};
constexpr FieldSpec kFollow[] = {
    {"type", Support::kSupported}, {"message", Support::kSupported}, {"from", Support::kSupported}};

struct Type {
  std::string_view name;
  LiveWish::Kind kind;
  std::span<const FieldSpec> fields;
};
constexpr std::array kTypes = {Type{"follow", LiveWish::Kind::kFollow, kFollow},
                               Type{"unfollow", LiveWish::Kind::kUnfollow, kMessage},
                               Type{"stop", LiveWish::Kind::kStop, kMessage},
                               Type{"ping", LiveWish::Kind::kPing, kPing}};

}  // namespace

LiveWish parse_live(std::string_view text, Problems& problems) {
  LiveWish wish;
  const auto json = parse_json(text, kLimits);
  if (!json || !json->is_object()) {
    problems.add("", "invalid_json", "a message must be one JSON object");
    return wish;
  }
  ObjectReader reader(*json, "", problems);
  reader.require("type");
  const std::string name = reader.string("type").value_or("");
  const auto type =
      std::find_if(kTypes.begin(), kTypes.end(), [&](const Type& one) { return one.name == name; });
  if (type == kTypes.end()) {
    reader.wrong_value("type", "must be follow, unfollow, stop or ping");
    return wish;
  }
  wish.kind = type->kind;
  reader.check_fields(type->fields);
  if (wish.kind == LiveWish::Kind::kPing) return wish;
  reader.require("message");
  wish.message = reader.string("message").value_or("");
  if (wish.message.empty() || wish.message.size() > kMaxIdBytes) {
    reader.wrong_value("message", "must be the id of a message");
  }
  wish.from = static_cast<size_t>(reader.integer("from", 0, INT32_MAX).value_or(0));
  return wish;
}

}  // namespace maru::api
