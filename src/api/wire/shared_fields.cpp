#include <charconv>
#include <limits>

#include "api/wire/requests.h"
#include "base/json.h"
#include "base/log.h"

namespace maru::api {
namespace {

constexpr int64_t kMaxToken = std::numeric_limits<text::TokenId>::max();

void parse_stop(ObjectReader& body, std::vector<std::string>& stop) {
  const Json* value = body.find("stop");
  if (!value) return;
  if (!value->is_string() && !value->is_array()) {
    return body.wrong_type("stop", "a string or an array of strings");
  }
  const Json list = value->is_string() ? Json::array({*value}) : *value;
  if (list.size() > kMaxStops) {
    return body.wrong_value("stop",
                            fmt::format("may hold {} strings, not {}", kMaxStops, list.size()));
  }
  for (const Json& item : list) {
    if (!item.is_string()) return body.wrong_type("stop", "a string or an array of strings");
    const std::string text = item.get<std::string>();
    if (text.empty() || text.size() > kMaxStopBytes) {
      return body.wrong_value("stop", fmt::format("needs strings of 1 to {} bytes", kMaxStopBytes));
    }
    stop.push_back(text);
  }
}

void parse_logit_bias(ObjectReader& body, engine::SamplingParams& sampling) {
  const Json* biases = body.object("logit_bias");
  if (!biases) return;
  if (biases->size() > kMaxLogitBiases) {
    return body.wrong_value(
        "logit_bias", fmt::format("may hold {} tokens, not {}", kMaxLogitBiases, biases->size()));
  }
  for (const auto& [key, value] : biases->items()) {
    int64_t token = -1;
    const auto parsed = std::from_chars(key.data(), key.data() + key.size(), token);
    if (parsed.ec != std::errc() || parsed.ptr != key.data() + key.size() || token < 0 ||
        token > kMaxToken) {
      return body.wrong_value("logit_bias", "needs token ids as keys, not '" + key + "'");
    }
    if (!value.is_number()) {
      return body.problems().add("logit_bias", "invalid_type",
                                 fmt::format("'logit_bias' of token {} must be a number, not {}",
                                             token, json_type_name(value)));
    }
    const double bias = value.get<double>();
    if (!(bias >= -100.0 && bias <= 100.0)) {
      return body.wrong_value("logit_bias",
                              fmt::format("of token {} must be from -100 to 100", token));
    }
    sampling.logit_bias.emplace_back(static_cast<text::TokenId>(token), static_cast<float>(bias));
  }
}

void set(float& target, std::optional<double> value) {
  if (value) target = static_cast<float>(*value);
}

void parse_sampling(ObjectReader& body, GenerationCall& call) {
  engine::SamplingParams& sampling = call.base.sampling;
  set(sampling.temperature, body.number("temperature", 0.0, 2.0));
  set(sampling.top_p, body.number("top_p", 0.0, 1.0));
  set(sampling.min_p, body.number("min_p", 0.0, 1.0));
  set(sampling.typical_p, body.number("typical_p", 0.0, 1.0));
  set(sampling.presence_penalty, body.number("presence_penalty", -2.0, 2.0));
  set(sampling.frequency_penalty, body.number("frequency_penalty", -2.0, 2.0));
  set(sampling.repetition_penalty, body.number("repetition_penalty", 0.01, 10.0));
  // -1 is how other servers spell "off".
  if (const auto top_k = body.integer("top_k", -1, std::numeric_limits<int32_t>::max())) {
    sampling.top_k = *top_k < 0 ? 0 : static_cast<int32_t>(*top_k);
  }
  if (const auto seed = body.integer("seed", std::numeric_limits<int64_t>::min(),
                                     std::numeric_limits<int64_t>::max())) {
    sampling.seed = static_cast<uint64_t>(*seed);
    call.has_seed = true;
  }
  parse_logit_bias(body, sampling);
}

}  // namespace

void parse_shared(ObjectReader& body, GenerationCall& call) {
  body.require("model");
  call.base.model = body.string("model").value_or("");
  body.string("user");
  parse_sampling(body, call);
  parse_stop(body, call.base.stop);
  call.base.ignore_eos = body.boolean("ignore_eos").value_or(false);
  call.n = static_cast<uint32_t>(body.integer("n", 1, kMaxChoices).value_or(1));
  call.stream = body.boolean("stream").value_or(false);
  if (const Json* options = body.object("stream_options")) {
    static constexpr FieldSpec kFields[] = {
        {"include_usage", Support::kSupported},
        {"include_obfuscation", Support::kNeutral, [](const Json& v) { return v == false; }}};
    ObjectReader reader(*options, "stream_options", body.problems());
    reader.check_fields(kFields);
    call.include_usage = reader.boolean("include_usage").value_or(false);
    if (!call.stream) {
      body.wrong_value("stream_options", "is allowed only with \"stream\": true");
    }
  }
}

std::vector<text::TokenId> parse_token_ids(const Json& array, const std::string& path,
                                           Problems& problems) {
  std::vector<text::TokenId> ids;
  ids.reserve(array.size());
  for (size_t i = 0; i < array.size(); ++i) {
    const std::optional<int64_t> id = as_int64(array[i]);
    if (!id || *id < 0 || *id > kMaxToken) {
      const std::string where = fmt::format("{}[{}]", path, i);
      problems.add(where, array[i].is_number() ? "invalid_value" : "invalid_type",
                   fmt::format("'{}' must be a token id", where));
      return {};
    }
    ids.push_back(static_cast<text::TokenId>(*id));
  }
  return ids;
}

}  // namespace maru::api
