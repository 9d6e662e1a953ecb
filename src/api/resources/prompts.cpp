// Prompts that a person keeps to use them again.
#include "api/chat_wire.h"

namespace maru::api {
namespace {

constexpr Access kAccess{Who::kCaller, Scope::kChats, Feature::kChats};

constexpr FieldSpec kPrompt[] = {{"name", Support::kSupported}, {"content", Support::kSupported}};

std::string owner(const Call& call) { return service::owner_of(call.identity); }
service::Personal& personal(const Call& call) { return *call.context->chats->personal; }

struct Wish {
  std::string name, content;
};
// None if it was answered already.
std::optional<Wish> read_prompt(const Call& call) {
  const auto body = read_body(call, kPrompt);
  if (!body) return std::nullopt;
  Problems problems;
  ObjectReader reader(*body, "", problems);
  for (const char* name : {"name", "content"}) reader.require(name);
  Wish wish{reader.string("name").value_or(""), reader.string("content").value_or("")};
  if (!problems.any()) return wish;
  call.fail(problems.first());
  return std::nullopt;
}

void list_prompts(const Call& call) {
  const auto list = personal(call).list_prompts(owner(call));
  if (!list) return fail(call, list.error());
  answer(call, list_json(*list, prompt_json));
}

void add_prompt(const Call& call) {
  const auto wish = read_prompt(call);
  if (!wish) return;
  const auto prompt = personal(call).add_prompt(owner(call), wish->name, wish->content);
  if (!prompt) return fail(call, prompt.error());
  answer(call, prompt_json(*prompt), 201);
}

void change_prompt(const Call& call) {
  const auto wish = read_prompt(call);
  if (!wish) return;
  const std::string& id = call.path_arguments[0];
  const Status status = personal(call).change_prompt(owner(call), id, wish->name, wish->content);
  if (!status) return fail(call, status.error());
  answer(call, Json{{"id", id}, {"name", wish->name}, {"content", wish->content}});
}

void remove_prompt(const Call& call) {
  answer_deleted(call, personal(call).remove_prompt(owner(call), call.path_arguments[0]));
}

constexpr Endpoint kEndpoints[] = {
    {"list_prompts", "GET", "/api/prompts", Run::kWorker, kAccess, with_chats<list_prompts>},
    {"add_prompt", "POST", "/api/prompts", Run::kWorker, kAccess, with_chats<add_prompt>},
    {"change_prompt", "PUT", "/api/prompts/{prompt}", Run::kWorker, kAccess,
     with_chats<change_prompt>},
    {"remove_prompt", "DELETE", "/api/prompts/{prompt}", Run::kWorker, kAccess,
     with_chats<remove_prompt>},
};

}  // namespace

extern const Resource resource_prompts;
const Resource resource_prompts{kEndpoints};

}  // namespace maru::api
