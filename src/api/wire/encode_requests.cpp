#include "api/wire/encode_requests.h"

#include <fmt/format.h>

#include "api/wire/requests.h"
#include "base/json.h"

namespace maru::api {
namespace {

constexpr FieldSpec kEmbeddingFields[] = {
    {"input", Support::kSupported},           {"model", Support::kSupported},
    {"encoding_format", Support::kSupported}, {"dimensions", Support::kSupported},
    {"truncate", Support::kSupported},        {"user", Support::kSupported},
};

constexpr FieldSpec kRerankFields[] = {
    {"query", Support::kSupported},    {"documents", Support::kSupported},
    {"model", Support::kSupported},    {"top_n", Support::kSupported},
    {"truncate", Support::kSupported}, {"return_documents", Support::kSupported},
    {"user", Support::kSupported},
};

void parse_inputs(ObjectReader& body, EmbeddingCall& call) {
  body.require("input");
  const Json* input = body.find("input");
  if (input == nullptr) return;
  if (input->is_string()) {
    call.input.emplace_back(input->get<std::string>());
    return;
  }
  if (!input->is_array()) {
    return body.wrong_type("input", "a string, token ids, or an array of either");
  }
  if (input->empty()) return body.wrong_value("input", "is an empty array");
  if (input->front().is_number()) {
    call.input.emplace_back(parse_token_ids(*input, "input", body.problems()));
    return;
  }
  if (input->size() > kMaxEmbeddingInputs) {
    return body.wrong_value(
        "input", fmt::format("may hold {} texts, not {}", kMaxEmbeddingInputs, input->size()));
  }
  for (size_t i = 0; i < input->size(); ++i) {
    const Json& item = (*input)[i];
    const std::string path = fmt::format("input[{}]", i);
    if (item.is_string() && input->front().is_string()) {
      call.input.emplace_back(item.get<std::string>());
    } else if (item.is_array() && input->front().is_array()) {
      call.input.emplace_back(parse_token_ids(item, path, body.problems()));
    } else {
      const char* wanted = input->front().is_array() ? "an array of token ids" : "a string";
      return body.problems().add(
          path, "invalid_type",
          fmt::format("'{}' must be {}, not {}", path, wanted, json_type_name(item)));
    }
  }
}

void refuse_empty(ObjectReader& body, const EmbeddingCall& call) {
  for (size_t i = 0; i < call.input.size(); ++i) {
    const bool is_empty =
        std::visit([](const auto& content) { return content.empty(); }, call.input[i]);
    if (!is_empty) continue;
    const std::string path = call.input.size() == 1 ? "input" : fmt::format("input[{}]", i);
    return body.problems().add(path, "invalid_value", "'" + path + "' is empty");
  }
}

void parse_documents(ObjectReader& body, RerankCall& call) {
  body.require("documents");
  const Json* documents = body.array("documents");
  if (documents == nullptr) return;
  if (documents->empty()) return body.wrong_value("documents", "is an empty array");
  if (documents->size() > kMaxDocuments) {
    return body.wrong_value("documents", fmt::format("may hold {} documents, not {}", kMaxDocuments,
                                                     documents->size()));
  }
  for (size_t i = 0; i < documents->size(); ++i) {
    const Json& item = (*documents)[i];
    const Json* text = &item;
    if (item.is_object()) {
      const auto member = item.find("text");
      text = member == item.end() ? nullptr : &*member;
    }
    if (text == nullptr || !text->is_string()) {
      const std::string path = fmt::format("documents[{}]", i);
      return body.problems().add(path, "invalid_type",
                                 "'" + path + "' must be a string or an object with 'text'");
    }
    call.documents.push_back(text->get<std::string>());
  }
}

}  // namespace

std::span<const FieldSpec> embedding_fields() { return kEmbeddingFields; }
std::span<const FieldSpec> rerank_fields() { return kRerankFields; }

EmbeddingCall parse_embedding(const Json& json, Problems& problems) {
  EmbeddingCall call;
  ObjectReader body(json, "", problems);
  body.check_fields(kEmbeddingFields);
  parse_inputs(body, call);
  refuse_empty(body, call);
  call.model = body.string("model").value_or("");
  const std::string format = body.string("encoding_format").value_or("float");
  if (format != "float" && format != "base64") {
    body.wrong_value("encoding_format", "must be \"float\" or \"base64\"");
  }
  call.base64 = format == "base64";
  if (const auto n = body.integer("dimensions", 1, 1 << 16)) {
    call.dimensions = static_cast<uint32_t>(*n);
  }
  call.truncates = body.boolean("truncate").value_or(false);
  body.string("user");
  return call;
}

RerankCall parse_rerank(const Json& json, Problems& problems) {
  RerankCall call;
  ObjectReader body(json, "", problems);
  body.check_fields(kRerankFields);
  body.require("query");
  call.query = body.string("query").value_or("");
  parse_documents(body, call);
  call.model = body.string("model").value_or("");
  if (const auto n = body.integer("top_n", 1, 1 << 20)) call.top_n = static_cast<size_t>(*n);
  call.returns_documents = body.boolean("return_documents").value_or(false);
  call.truncates = body.boolean("truncate").value_or(true);
  body.string("user");
  return call;
}

}  // namespace maru::api
