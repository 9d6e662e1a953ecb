// Chats, the folders and tags they are kept in, and the search in them.
#include "api/chat_wire.h"
#include "api/wire/query.h"

namespace maru::api {
namespace {

constexpr Access kAccess{Who::kCaller, Scope::kChats, Feature::kChats};
constexpr int64_t kPage = 50, kFound = 20, kMaxPage = static_cast<int64_t>(service::kMaxPage);

constexpr FieldSpec kNewChat[] = {{"title", Support::kSupported},
                                  {"folder", Support::kSupported},
                                  {"tags", Support::kSupported},
                                  {"settings", Support::kSupported},
                                  {"temporary", Support::kSupported}};
constexpr FieldSpec kChange[] = {{"title", Support::kSupported},  {"folder", Support::kSupported},
                                 {"tags", Support::kSupported},   {"settings", Support::kSupported},
                                 {"pinned", Support::kSupported}, {"archived", Support::kSupported},
                                 {"leaf", Support::kSupported}};
constexpr FieldSpec kFolder[] = {{"name", Support::kSupported}};

std::string owner(const Call& call) { return service::owner_of(call.identity); }

Result<service::ChatQuery> read_list_query(const std::string& text) {
  MARU_ASSIGN_OR_RETURN(const Query query, Query::parse(text));
  MARU_RETURN_IF_ERROR(query.only({"folder", "tag", "archived", "cursor", "limit"}));
  service::ChatQuery wanted;
  MARU_ASSIGN_OR_RETURN(const auto folder, query.text("folder"));
  MARU_ASSIGN_OR_RETURN(const auto tag, query.text("tag"));
  MARU_ASSIGN_OR_RETURN(const auto cursor, query.text("cursor"));
  MARU_ASSIGN_OR_RETURN(const auto archived, query.boolean("archived"));
  MARU_ASSIGN_OR_RETURN(const auto limit, query.number("limit", 1, kMaxPage));
  wanted.folder_id = folder.value_or("");
  wanted.tag = tag.value_or("");
  wanted.cursor = cursor.value_or("");
  wanted.archived = archived.value_or(false);
  wanted.limit = static_cast<size_t>(limit.value_or(kPage));
  return wanted;
}

void list_chats(const Call& call) {
  const auto wanted = read_list_query(call.request.query);
  if (!wanted) return fail(call, wanted.error());
  const auto page = call.context->chats->chats->list(owner(call), *wanted);
  if (!page) return fail(call, page.error());
  answer(call, list_json(page->chats, chat_json, page->next));
}

void add_chat(const Call& call) {
  const auto body = read_body(call, kNewChat);
  if (!body) return;
  Problems problems;
  ObjectReader reader(*body, "", problems);
  service::NewChat wish;
  wish.title = reader.string("title").value_or("");
  wish.folder_id = reader.string("folder").value_or("");
  wish.tags = parse_strings(reader, "tags", service::kMaxTags).value_or(wish.tags);
  wish.settings = parse_settings_field(reader).value_or(wish.settings);
  wish.is_temporary = reader.boolean("temporary").value_or(false);
  if (problems.any()) return call.fail(problems.first());
  const auto chat = call.context->chats->chats->add(owner(call), wish);
  if (!chat) return fail(call, chat.error());
  answer(call, chat_json(*chat), 201);
}

void find_chat(const Call& call) {
  const auto chat = call.context->chats->chats->find(owner(call), call.path_arguments[0]);
  if (!chat) return fail(call, chat.error());
  answer(call, chat_json(*chat));
}

void change_chat(const Call& call) {
  const auto body = read_body(call, kChange);
  if (!body) return;
  Problems problems;
  ObjectReader reader(*body, "", problems);
  service::ChatChange change;
  change.title = reader.string("title");
  change.folder_id = reader.string("folder");
  // Null takes the chat out of its folder; elsewhere it counts as absent.
  if (const auto folder = body->find("folder"); folder != body->end() && folder->is_null()) {
    change.folder_id = "";
  }
  change.leaf_id = reader.string("leaf");
  change.tags = parse_strings(reader, "tags", service::kMaxTags);
  change.settings = parse_settings_field(reader);
  change.pinned = reader.boolean("pinned");
  change.archived = reader.boolean("archived");
  if (problems.any()) return call.fail(problems.first());
  const auto chat = call.context->chats->chats->change(owner(call), call.path_arguments[0], change);
  if (!chat) return fail(call, chat.error());
  answer(call, chat_json(*chat));
}

void remove_chat(const Call& call) {
  const std::string& id = call.path_arguments[0];
  call.context->chats->runs->stop_all(owner(call), id);
  answer_deleted(call, call.context->chats->chats->remove(owner(call), id));
}

// The chat changes when the title is there.
void make_title(const Call& call) {
  if (!read_body(call, {})) return;
  service::Refusal refusal;
  const auto started = call.context->chats->titles->start(call.identity, call.request.id,
                                                          call.path_arguments[0], refusal);
  if (started) return answer(call, Json{{"started", *started}}, 202);
  if (!refusal.error.message.empty()) return call.fail(to_api_error(refusal));
  fail(call, started.error());
}

void list_folders(const Call& call) {
  const auto folders = call.context->chats->chats->list_folders(owner(call));
  if (!folders) return fail(call, folders.error());
  answer(call, list_json(*folders, folder_json));
}

// The name in the body; none if it was answered already.
std::optional<std::string> read_name(const Call& call) {
  const auto body = read_body(call, kFolder);
  if (!body) return std::nullopt;
  Problems problems;
  ObjectReader reader(*body, "", problems);
  reader.require("name");
  auto name = reader.string("name");
  if (!problems.any()) return name;
  call.fail(problems.first());
  return std::nullopt;
}

void add_folder(const Call& call) {
  const auto name = read_name(call);
  if (!name) return;
  const auto folder = call.context->chats->chats->add_folder(owner(call), *name);
  if (!folder) return fail(call, folder.error());
  answer(call, folder_json(*folder), 201);
}

void rename_folder(const Call& call) {
  const auto name = read_name(call);
  if (!name) return;
  const std::string& id = call.path_arguments[0];
  const Status status = call.context->chats->chats->rename_folder(owner(call), id, *name);
  if (!status) return fail(call, status.error());
  answer(call, Json{{"id", id}, {"name", *name}});
}

void remove_folder(const Call& call) {
  answer_deleted(call,
                 call.context->chats->chats->remove_folder(owner(call), call.path_arguments[0]));
}

void list_tags(const Call& call) {
  const auto tags = call.context->chats->chats->list_tags(owner(call));
  if (!tags) return fail(call, tags.error());
  answer(call, list_json(*tags, [](const service::TagCount& count) {
           return Json{{"tag", count.tag}, {"chats", count.n_chats}};
         }));
}

Result<service::SearchPage> find_pages(const Call& call) {
  MARU_ASSIGN_OR_RETURN(const Query query, Query::parse(call.request.query));
  MARU_RETURN_IF_ERROR(query.only({"query", "cursor", "limit"}));
  MARU_ASSIGN_OR_RETURN(const auto words, query.text("query"));
  MARU_ASSIGN_OR_RETURN(const auto cursor, query.text("cursor"));
  MARU_ASSIGN_OR_RETURN(const auto limit, query.number("limit", 1, kMaxPage));
  return call.context->chats->chats->search(owner(call), words.value_or(""), cursor.value_or(""),
                                            static_cast<size_t>(limit.value_or(kFound)));
}

void search(const Call& call) {
  const auto page = find_pages(call);
  if (!page) return fail(call, page.error());
  answer(call, list_json(
                   page->found,
                   [](const service::FoundMessage& found) {
                     return Json{{"message", found.message_id},
                                 {"chat", found.chat_id},
                                 {"title", found.chat_title},
                                 {"created_at", found.created_at},
                                 {"snippet", snippet_json(found.snippet)}};
                   },
                   page->next));
}

constexpr Endpoint kEndpoints[] = {
    {"list_chats", "GET", "/api/chats", Run::kWorker, kAccess, with_chats<list_chats>},
    {"add_chat", "POST", "/api/chats", Run::kWorker, kAccess, with_chats<add_chat>},
    {"find_chat", "GET", "/api/chats/{chat}", Run::kWorker, kAccess, with_chats<find_chat>},
    {"change_chat", "PATCH", "/api/chats/{chat}", Run::kWorker, kAccess, with_chats<change_chat>},
    {"remove_chat", "DELETE", "/api/chats/{chat}", Run::kWorker, kAccess, with_chats<remove_chat>},
    {"make_title", "POST", "/api/chats/{chat}/title", Run::kWorker, kAccess,
     with_chats<make_title>},
    {"list_folders", "GET", "/api/folders", Run::kWorker, kAccess, with_chats<list_folders>},
    {"add_folder", "POST", "/api/folders", Run::kWorker, kAccess, with_chats<add_folder>},
    {"rename_folder", "PATCH", "/api/folders/{folder}", Run::kWorker, kAccess,
     with_chats<rename_folder>},
    {"remove_folder", "DELETE", "/api/folders/{folder}", Run::kWorker, kAccess,
     with_chats<remove_folder>},
    {"list_tags", "GET", "/api/tags", Run::kWorker, kAccess, with_chats<list_tags>},
    {"search", "GET", "/api/search", Run::kWorker, kAccess, with_chats<search>},
};

}  // namespace

extern const Resource resource_chats;
const Resource resource_chats{kEndpoints};

}  // namespace maru::api
