#include <gtest/gtest.h>

#include <set>

#include "api/endpoint.h"
#include "api/errors.h"
#include "api/wire/encode_requests.h"
#include "api/wire/requests.h"
#include "base/files.h"
#include "base/json.h"

namespace maru::api {
namespace {

TEST(Dispatch, FindsEndpointsByMethodAndPath) {
  EXPECT_STREQ(find_endpoint("GET", "/v1/models").endpoint->name, "models");
  EXPECT_STREQ(find_endpoint("HEAD", "/health").endpoint->name, "health");
  EXPECT_STREQ(find_endpoint("POST", "/v1/chat/completions").endpoint->name, "chat_completions");
  const Match model = find_endpoint("GET", "/v1/models/org/name");
  ASSERT_TRUE(model.endpoint);
  EXPECT_STREQ(model.endpoint->name, "model");
  EXPECT_EQ(model.path_arguments, std::vector<std::string>{"org/name"});
  const Match load = find_endpoint("POST", "/api/admin/models/org/name/load");
  ASSERT_TRUE(load.endpoint);
  EXPECT_STREQ(load.endpoint->name, "admin_model_load");
  EXPECT_EQ(load.path_arguments, std::vector<std::string>{"org/name"});
}

TEST(Dispatch, TellsAWrongMethodFromAnUnknownPath) {
  const Match wrong = find_endpoint("GET", "/v1/chat/completions");
  EXPECT_EQ(wrong.endpoint, nullptr);
  EXPECT_EQ(wrong.allowed_methods, "POST");
  for (const char* path :
       {"/chat", "/v1/models/", "/v1", "/health/", "/healthy", "*", "/V1/models"}) {
    const Match unknown = find_endpoint("GET", path);
    EXPECT_EQ(unknown.endpoint, nullptr) << path;
    EXPECT_EQ(unknown.allowed_methods, "") << path;
  }
}

TEST(Dispatch, OnlyProbesAndLoginsArePublic) {
  for (const Endpoint* endpoint : all_endpoints()) {
    const std::string_view name = endpoint->name;
    const std::set<std::string_view> open = {"health", "ready", "login", "first_admin",
                                             "first_admin_page"};
    const bool is_page = name.starts_with("page");  // the web app: it holds nothing of anybody
    EXPECT_EQ(endpoint->access.who == Who::kAll, is_page || open.contains(name)) << name;
    EXPECT_TRUE(endpoint->run != Run::kInline || endpoint->access.who == Who::kAll) << name;
  }
}

TEST(Access, LetsThoseWithoutAnAccountSetUpAndNothingElse) {
  service::Identity anybody;
  anybody.scopes = service::Scopes::all();
  service::Identity member = anybody;
  member.user_id = "user_1";
  service::Identity of_settings = anybody;
  of_settings.key_id = "static_1";
  for (const Endpoint* endpoint : all_endpoints()) {
    const std::string_view name = endpoint->name;
    const bool sets_up = name.starts_with("admin_pull") || name == "admin_recommendations";
    EXPECT_EQ(endpoint->access.before_accounts, sets_up) << name;
    if (endpoint->access.who < Who::kPerson) continue;
    EXPECT_EQ(bool(check_access(endpoint->access, anybody)), sets_up) << name;
    EXPECT_FALSE(check_access(endpoint->access, of_settings)) << name;
    EXPECT_TRUE(!sets_up || !check_access(endpoint->access, member)) << name;
  }
}

TEST(Errors, HaveOpenAisShape) {
  const auto response = error_response(
      to_api_error(Error{ErrorCode::kRateLimited, "the queue is full", "try again", ""}),
      Shape::kOpenAi);
  EXPECT_EQ(response.status, 429);
  ASSERT_EQ(response.headers.size(), 1u);
  EXPECT_EQ(response.headers[0].name, "Retry-After");
  EXPECT_EQ(Json::parse(response.body),
            Json::parse(R"({"error":{"message":"the queue is full: try again",
              "type":"rate_limit_error","param":null,"code":"rate_limit_exceeded"}})"));
  const ApiError context = to_api_error(Error{ErrorCode::kTooLarge, "x", "", "messages"});
  EXPECT_EQ(context.status, 400);
  EXPECT_EQ(context.code, "context_length_exceeded");
  EXPECT_EQ(context.param, "messages");
}

TEST(Errors, EveryCodeHasARow) {
  const std::pair<ErrorCode, int> statuses[] = {
      {ErrorCode::kInvalidArgument, 400}, {ErrorCode::kUnauthenticated, 401},
      {ErrorCode::kForbidden, 403},       {ErrorCode::kNotFound, 404},
      {ErrorCode::kConflict, 409},        {ErrorCode::kTooLarge, 400},
      {ErrorCode::kRateLimited, 429},     {ErrorCode::kUnavailable, 503},
      {ErrorCode::kCorrupt, 500},         {ErrorCode::kInternal, 500}};
  for (const auto& [code, status] : statuses) {
    EXPECT_EQ(to_api_error(Error{code, "x"}).status, status) << error_code_name(code);
  }
}

Json openapi() {
  const auto page = read_file(MARU_SOURCE_DIR "/docs/api/openapi.json", size_t{1} << 20);
  EXPECT_TRUE(page) << page.error().message;
  auto json = parse_json(*page);
  EXPECT_TRUE(json) << json.error().message;
  return std::move(json).value();
}

TEST(OpenApi, ListsEveryEndpointAndNoOther) {
  std::set<std::string> described, served;
  const Json paths = openapi()["paths"];
  for (const auto& [path, methods] : paths.items()) {
    for (const auto& [method, operation] : methods.items()) {
      described.insert(method + " " + path + " " + operation["operationId"].get<std::string>());
    }
  }
  for (const Endpoint* endpoint : all_endpoints()) {
    std::string operation = endpoint->method;
    for (char& c : operation) c = static_cast<char>(std::tolower(c));
    operation += std::string(" ") + endpoint->pattern + " " + endpoint->name;
    const size_t dots = operation.find("...}");
    if (dots != std::string::npos) operation.erase(dots, 3);
    served.insert(operation);
  }
  EXPECT_EQ(described, served);
}

TEST(OpenApi, HasEveryFieldThatIsNotRefused) {
  const Json schemas = openapi()["components"]["schemas"];
  const auto described = [&](const char* schema) {
    std::set<std::string> names;
    for (const auto& [name, value] : schemas[schema]["properties"].items()) names.insert(name);
    return names;
  };
  const auto taken = [](std::span<const FieldSpec> specs) {
    std::set<std::string> names;
    for (const FieldSpec& spec : specs) {
      if (spec.support != Support::kRefused) names.insert(spec.name);
    }
    return names;
  };
  EXPECT_EQ(described("ChatRequest"), taken(chat_fields()));
  EXPECT_EQ(described("CompletionRequest"), taken(completion_fields()));
  EXPECT_EQ(described("EmbeddingRequest"), taken(embedding_fields()));
  EXPECT_EQ(described("RerankRequest"), taken(rerank_fields()));
}

}  // namespace
}  // namespace maru::api
