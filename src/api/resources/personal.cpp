// What people keep beside their chats: feedback, assistants, memories, shares and settings.
#include <algorithm>

#include "api/chat_wire.h"
#include "api/wire/query.h"

namespace maru::api {
namespace {

constexpr Access kAccess{Who::kCaller, Scope::kChats};
constexpr Access kChats{Who::kCaller, Scope::kChats, Feature::kChats};
constexpr Access kAssistants{Who::kCaller, Scope::kChats, Feature::kAssistants};
constexpr Access kMemories{Who::kCaller, Scope::kChats, Feature::kMemories};
constexpr Access kShares{Who::kCaller, Scope::kChats, Feature::kShares};

constexpr FieldSpec kFeedback[] = {
    {"message", Support::kSupported}, {"kind", Support::kSupported},
    {"thumb", Support::kSupported},   {"reasons", Support::kSupported},
    {"comment", Support::kSupported}, {"text", Support::kSupported},
    {"over", Support::kSupported},    {"topic", Support::kSupported},
    {"tie", Support::kSupported}};
constexpr FieldSpec kAssistant[] = {
    {"name", Support::kSupported},     {"instructions", Support::kSupported},
    {"group", Support::kSupported},    {"picture", Support::kSupported},
    {"starters", Support::kSupported}, {"settings", Support::kSupported}};
constexpr FieldSpec kMemory[] = {{"content", Support::kSupported}};
constexpr FieldSpec kShare[] = {{"message", Support::kSupported}};
constexpr std::string_view kTopics[] = {"code",      "writing", "translation",
                                        "reasoning", "facts",   "other"};
constexpr size_t kMaxReasons = 16, kMaxTextBytes = size_t{1} << 20;

std::string owner(const Call& call) { return service::owner_of(call.identity); }
service::Personal& personal(const Call& call) { return *call.context->chats->personal; }
const std::string& id_of(const Call& call) { return call.path_arguments[0]; }

// One text that must be there; none if it was answered already.
std::optional<std::string> read_text(const Call& call, std::span<const FieldSpec> fields) {
  const auto body = read_body(call, fields);
  if (!body) return std::nullopt;
  Problems problems;
  ObjectReader reader(*body, "", problems);
  reader.require(fields[0].name);
  auto text = reader.string(fields[0].name);
  if (!problems.any()) return text;
  call.fail(problems.first());
  return std::nullopt;
}

// What each kind of feedback must say.
Json read_detail(ObjectReader& reader, const std::string& kind) {
  Json detail = Json::object();
  const auto take = [&](const char* name) {
    if (const auto text = reader.string(name)) {
      if (text->size() > kMaxTextBytes) reader.wrong_value(name, "is too long");
      detail[name] = *text;
    }
  };
  for (const char* name : {"thumb", "comment", "text", "over"}) take(name);
  if (const auto reasons = parse_strings(reader, "reasons", kMaxReasons)) {
    detail["reasons"] = *reasons;
  }
  if (kind == "thumb") {
    reader.require("thumb");
    const std::string thumb = reader.string("thumb").value_or("up");
    if (thumb != "up" && thumb != "down") reader.wrong_value("thumb", "must be up or down");
  } else if (kind == "edit") {
    reader.require("text");
  } else if (kind == "vote") {
    reader.require("over");
    const std::string topic = reader.string("topic").value_or("other");
    if (std::find(std::begin(kTopics), std::end(kTopics), topic) == std::end(kTopics)) {
      reader.wrong_value("topic", "must be code, writing, translation, reasoning, facts or other");
    }
    detail["topic"] = topic;
    detail["tie"] = reader.boolean("tie").value_or(false);
  } else if (kind != "regeneration") {
    reader.wrong_value("kind", "must be thumb, edit, regeneration or vote");
  }
  return detail;
}

void add_feedback(const Call& call) {
  const auto body = read_body(call, kFeedback);
  if (!body) return;
  Problems problems;
  ObjectReader reader(*body, "", problems);
  service::FeedbackWish wish;
  for (const char* name : {"message", "kind"}) reader.require(name);
  wish.message_id = reader.string("message").value_or("");
  wish.kind = reader.string("kind").value_or("");
  if (!problems.any()) wish.detail = dump_json(read_detail(reader, wish.kind));
  if (problems.any()) return call.fail(problems.first());
  const auto feedback = personal(call).add_feedback(owner(call), wish);
  if (!feedback) return fail(call, feedback.error());
  answer(call, feedback_json(*feedback), 201);
}

Result<std::vector<service::Feedback>> find_feedback(const Call& call) {
  MARU_ASSIGN_OR_RETURN(const Query query, Query::parse(call.request.query));
  MARU_RETURN_IF_ERROR(query.only({"message", "chat"}));
  MARU_ASSIGN_OR_RETURN(const auto message, query.text("message"));
  MARU_ASSIGN_OR_RETURN(const auto chat, query.text("chat"));
  if (chat) return personal(call).list_feedback_of_chat(owner(call), *chat);
  return personal(call).list_feedback(owner(call), message.value_or(""));
}

void list_feedback(const Call& call) {
  const auto list = find_feedback(call);
  if (!list) return fail(call, list.error());
  answer(call, list_json(*list, feedback_json));
}

// By topic and pair of models, over all people here: how often one was preferred.
void count_votes(const Call& call) {
  const auto counts = personal(call).count_votes(call.identity);
  if (!counts) return fail(call, counts.error());
  answer(call, list_json(*counts, [](const service::VoteCount& count) {
           return Json{{"topic", count.topic},
                       {"model", count.model},
                       {"over", count.over},
                       {"wins", count.wins},
                       {"ties", count.ties}};
         }));
}

void remove_feedback(const Call& call) {
  answer_deleted(call, personal(call).remove_feedback(owner(call), id_of(call)));
}

std::optional<service::AssistantWish> read_assistant(const Call& call) {
  const auto body = read_body(call, kAssistant);
  if (!body) return std::nullopt;
  Problems problems;
  ObjectReader reader(*body, "", problems);
  service::AssistantWish wish;
  reader.require("name");
  wish.name = reader.string("name").value_or("");
  wish.instructions = reader.string("instructions").value_or("");
  wish.group_id = reader.string("group").value_or("");
  wish.picture = reader.string("picture").value_or("");
  wish.starters = parse_strings(reader, "starters", service::kMaxStarters).value_or(wish.starters);
  wish.settings = parse_settings_field(reader).value_or(wish.settings);
  if (!problems.any()) return wish;
  call.fail(problems.first());
  return std::nullopt;
}

void answer_assistant(const Call& call, const Result<service::Assistant>& assistant, int status) {
  if (!assistant) return fail(call, assistant.error());
  answer(call, assistant_json(*assistant, owner(call)), status);
}

void list_assistants(const Call& call) {
  const auto list = personal(call).list_assistants(call.identity);
  if (!list) return fail(call, list.error());
  answer(call, list_json(*list, [self = owner(call)](const service::Assistant& assistant) {
           return assistant_json(assistant, self);
         }));
}

void add_assistant(const Call& call) {
  const auto wish = read_assistant(call);
  if (wish) answer_assistant(call, personal(call).add_assistant(call.identity, *wish), 201);
}

void find_assistant(const Call& call) {
  answer_assistant(call, personal(call).find_assistant(call.identity, id_of(call)), 200);
}

void change_assistant(const Call& call) {
  const auto wish = read_assistant(call);
  if (!wish) return;
  answer_assistant(call, personal(call).change_assistant(call.identity, id_of(call), *wish), 200);
}

void remove_assistant(const Call& call) {
  answer_deleted(call, personal(call).remove_assistant(owner(call), id_of(call)));
}

void list_memories(const Call& call) {
  const auto list = personal(call).list_memories(owner(call));
  if (!list) return fail(call, list.error());
  answer(call, list_json(*list, memory_json));
}

void add_memory(const Call& call) {
  const auto content = read_text(call, kMemory);
  if (!content) return;
  const auto memory = personal(call).add_memory(owner(call), *content);
  if (!memory) return fail(call, memory.error());
  answer(call, memory_json(*memory), 201);
}

void change_memory(const Call& call) {
  const auto content = read_text(call, kMemory);
  if (!content) return;
  const Status status = personal(call).change_memory(owner(call), id_of(call), *content);
  if (!status) return fail(call, status.error());
  answer(call, Json{{"id", id_of(call)}, {"content", *content}});
}

void remove_memory(const Call& call) {
  answer_deleted(call, personal(call).remove_memory(owner(call), id_of(call)));
}

void list_shares(const Call& call) {
  const auto list = personal(call).list_shares(owner(call));
  if (!list) return fail(call, list.error());
  answer(call, list_json(*list, share_json));
}

void add_share(const Call& call) {
  const auto message = read_text(call, kShare);
  if (!message) return;
  const auto share = personal(call).add_share(owner(call), *message);
  if (!share) return fail(call, share.error());
  answer(call, share_json(*share), 201);
}

void remove_share(const Call& call) {
  answer_deleted(call, personal(call).remove_share(owner(call), id_of(call)));
}

// Anybody who is let in here and knows the token; whose it is stays unsaid.
void read_share(const Call& call) {
  const auto shared = personal(call).read_share(id_of(call));
  if (!shared) return fail(call, shared.error());
  Json json = list_json(shared->messages, message_json);
  json["title"] = shared->title;
  answer(call, json);
}

void read_settings(const Call& call) {
  const auto settings = personal(call).settings(owner(call));
  if (!settings) return fail(call, settings.error());
  answer(call, service::settings_json(*settings));
}

void write_settings(const Call& call) {
  const auto body = read_body(call, settings_fields());
  if (!body) return;
  Problems problems;
  ObjectReader reader(*body, "", problems);
  const service::ChatSettings settings = parse_settings(reader);
  if (problems.any()) return call.fail(problems.first());
  const Status status = personal(call).change_settings(owner(call), settings);
  if (!status) return fail(call, status.error());
  answer(call, service::settings_json(settings));
}

constexpr Endpoint kEndpoints[] = {
    {"list_feedback", "GET", "/api/feedback", Run::kWorker, kChats, with_chats<list_feedback>},
    {"add_feedback", "POST", "/api/feedback", Run::kWorker, kChats, with_chats<add_feedback>},
    {"remove_feedback", "DELETE", "/api/feedback/{feedback}", Run::kWorker, kChats,
     with_chats<remove_feedback>},
    {"count_votes", "GET", "/api/votes", Run::kWorker, kChats, with_chats<count_votes>},
    {"list_assistants", "GET", "/api/assistants", Run::kWorker, kAssistants,
     with_chats<list_assistants>},
    {"add_assistant", "POST", "/api/assistants", Run::kWorker, kAssistants,
     with_chats<add_assistant>},
    {"find_assistant", "GET", "/api/assistants/{assistant}", Run::kWorker, kAssistants,
     with_chats<find_assistant>},
    {"change_assistant", "PUT", "/api/assistants/{assistant}", Run::kWorker, kAssistants,
     with_chats<change_assistant>},
    {"remove_assistant", "DELETE", "/api/assistants/{assistant}", Run::kWorker, kAssistants,
     with_chats<remove_assistant>},
    {"list_memories", "GET", "/api/memories", Run::kWorker, kMemories, with_chats<list_memories>},
    {"add_memory", "POST", "/api/memories", Run::kWorker, kMemories, with_chats<add_memory>},
    {"change_memory", "PATCH", "/api/memories/{memory}", Run::kWorker, kMemories,
     with_chats<change_memory>},
    {"remove_memory", "DELETE", "/api/memories/{memory}", Run::kWorker, kMemories,
     with_chats<remove_memory>},
    {"list_shares", "GET", "/api/shares", Run::kWorker, kShares, with_chats<list_shares>},
    {"add_share", "POST", "/api/shares", Run::kWorker, kShares, with_chats<add_share>},
    {"remove_share", "DELETE", "/api/shares/{share}", Run::kWorker, kShares,
     with_chats<remove_share>},
    {"read_share", "GET", "/api/shared/{token}", Run::kWorker, kShares, with_chats<read_share>},
    {"read_settings", "GET", "/api/me/settings", Run::kWorker, kAccess, with_chats<read_settings>},
    {"write_settings", "PUT", "/api/me/settings", Run::kWorker, kAccess,
     with_chats<write_settings>},
};

}  // namespace

extern const Resource resource_personal;
const Resource resource_personal{kEndpoints};

}  // namespace maru::api
