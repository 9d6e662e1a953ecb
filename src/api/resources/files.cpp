// Files of people, and all that they keep at once.
#include "api/chat_wire.h"

namespace maru::api {
namespace {

constexpr Access kAccess{Who::kCaller, Scope::kChats, Feature::kFiles};
// One's own data may be taken along and removed, whatever rules say.
constexpr Access kOwnData{Who::kCaller, Scope::kChats};

std::string owner(const Call& call) { return service::owner_of(call.identity); }
service::Personal& personal(const Call& call) { return *call.context->chats->personal; }

void list_files(const Call& call) {
  const auto files = personal(call).list_files(owner(call));
  if (!files) return fail(call, files.error());
  answer(call, list_json(*files, file_json));
}

// The body is the file's content, its type the file's.
void add_file(const Call& call) {
  const auto name = read_parameter(call, "name");
  if (!name) return fail(call, name.error());
  std::string type(call.request.header("content-type"));
  if (type.empty()) type = "application/octet-stream";
  const auto file = personal(call).add_file(owner(call), *name, type, call.request.body);
  if (!file) return fail(call, file.error());
  answer(call, file_json(*file), 201);
}

void find_file(const Call& call) {
  const auto file = personal(call).find_file(owner(call), call.path_arguments[0]);
  if (!file) return fail(call, file.error());
  answer(call, file_json(*file));
}

// As bytes to be saved, never as a page of this site.
void read_file(const Call& call) {
  auto content = personal(call).read_file(owner(call), call.path_arguments[0]);
  if (!content) return fail(call, content.error());
  call.writer.send(
      {200,
       std::move(*content),
       "application/octet-stream",
       {{"Content-Disposition", "attachment"}, {"X-Content-Type-Options", "nosniff"}}});
}

void remove_file(const Call& call) {
  answer_deleted(call, personal(call).remove_file(owner(call), call.path_arguments[0]));
}

template <class List, class ToJson>
Json array_of(const List& list, const ToJson& to_json) {
  return list_json(list, to_json)["data"];
}

void export_data(const Call& call) {
  const auto all = personal(call).everything(owner(call));
  if (!all) return fail(call, all.error());
  const auto assistant = [self = owner(call)](const service::Assistant& one) {
    return assistant_json(one, self);
  };
  answer(call, Json{{"settings", service::settings_json(all->settings)},
                    {"folders", array_of(all->folders, folder_json)},
                    {"chats", array_of(all->chats, chat_json)},
                    {"messages", array_of(all->messages, message_json)},
                    {"files", array_of(all->files, file_json)},
                    {"feedback", array_of(all->feedback, feedback_json)},
                    {"assistants", array_of(all->assistants, assistant)},
                    {"memories", array_of(all->memories, memory_json)},
                    {"shares", array_of(all->shares, share_json)},
                    {"prompts", array_of(all->prompts, prompt_json)}});
}

void remove_data(const Call& call) {
  call.context->chats->runs->stop_all(owner(call));
  answer_deleted(call, personal(call).remove_all(owner(call)));
}

constexpr Endpoint kEndpoints[] = {
    {"list_files", "GET", "/api/files", Run::kWorker, kAccess, with_chats<list_files>},
    {"add_file", "POST", "/api/files", Run::kWorker, kAccess, with_chats<add_file>, Body::kAny},
    {"find_file", "GET", "/api/files/{file}", Run::kWorker, kAccess, with_chats<find_file>},
    {"read_file", "GET", "/api/files/{file}/content", Run::kWorker, kAccess, with_chats<read_file>},
    {"remove_file", "DELETE", "/api/files/{file}", Run::kWorker, kAccess, with_chats<remove_file>},
    {"export_data", "GET", "/api/me/data", Run::kWorker, kOwnData, with_chats<export_data>},
    {"remove_data", "DELETE", "/api/me/data", Run::kWorker, kOwnData, with_chats<remove_data>},
};

}  // namespace

extern const Resource resource_files;
const Resource resource_files{kEndpoints};

}  // namespace maru::api
