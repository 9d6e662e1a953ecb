// Messages of chats, the answers to them, and the answers' events as they come.
#include "api/chat_wire.h"
#include "api/wire/query.h"
#include "api/with_model.h"
#include "service/sign_in.h"

namespace maru::api {
namespace {

constexpr Access kAccess{Who::kCaller, Scope::kChats, Feature::kChats};

constexpr FieldSpec kNewMessage[] = {{"role", Support::kSupported},
                                     {"content", Support::kSupported},
                                     {"parent", Support::kSupported},
                                     {"files", Support::kSupported}};
constexpr FieldSpec kEdit[] = {{"content", Support::kSupported}};
constexpr size_t kMaxFilesOfMessage = 32;

std::string owner(const Call& call) { return service::owner_of(call.identity); }

void list_messages(const Call& call) {
  const auto leaf = read_parameter(call, "leaf");
  if (!leaf) return fail(call, leaf.error());
  const service::Chats& chats = *call.context->chats->chats;
  const auto messages = leaf->empty() ? chats.list_messages(owner(call), call.path_arguments[0])
                                      : chats.branch(owner(call), *leaf);
  if (!messages) return fail(call, messages.error());
  if (!leaf->empty() && messages->front().chat_id != call.path_arguments[0]) {
    return fail(call, service::no_such("message", *leaf));
  }
  answer(call, list_json(*messages, message_json));
}

void add_message(const Call& call) {
  const auto body = read_body(call, kNewMessage);
  if (!body) return;
  Problems problems;
  ObjectReader reader(*body, "", problems);
  service::NewMessage wish;
  wish.role = reader.string("role").value_or("user");
  if (wish.role != "user" && wish.role != "system" && wish.role != "assistant") {
    reader.wrong_value("role", "must be user, system or assistant");
  }
  reader.require("content");
  wish.content = reader.string("content").value_or("");
  wish.parent_id = reader.string("parent");
  wish.file_ids = parse_strings(reader, "files", kMaxFilesOfMessage).value_or(wish.file_ids);
  if (problems.any()) return call.fail(problems.first());
  const auto message =
      call.context->chats->chats->add_message(owner(call), call.path_arguments[0], wish);
  if (!message) return fail(call, message.error());
  answer(call, message_json(*message), 201);
}

void find_message(const Call& call) {
  const auto message =
      call.context->chats->chats->find_message(owner(call), call.path_arguments[0]);
  if (!message) return fail(call, message.error());
  answer(call, message_json(*message));
}

void edit_message(const Call& call) {
  const auto body = read_body(call, kEdit);
  if (!body) return;
  Problems problems;
  ObjectReader reader(*body, "", problems);
  reader.require("content");
  const std::string content = reader.string("content").value_or("");
  if (problems.any()) return call.fail(problems.first());
  const auto message =
      call.context->chats->chats->edit_message(owner(call), call.path_arguments[0], content);
  if (!message) return fail(call, message.error());
  answer(call, message_json(*message), 201);
}

void remove_message(const Call& call) {
  const std::string& id = call.path_arguments[0];
  if (const Status status = call.context->chats->runs->stop(owner(call), id); !status) {
    return fail(call, status.error());
  }
  answer_deleted(call, call.context->chats->chats->remove_message(owner(call), id));
}

// `begin` is what Runs does with a message and settings.
template <auto begin>
void run_answer(const Call& call, int status) {
  const auto body = read_body(call, settings_fields());
  if (!body) return;
  Problems problems;
  ObjectReader reader(*body, "", problems);
  const service::ChatSettings settings = parse_settings(reader);
  if (problems.any()) return call.fail(problems.first());
  const auto name =
      call.context->chats->runs->model_of(call.identity, call.path_arguments[0], settings);
  if (!name) return fail(call, name.error());
  with_model(call, *name, false, [settings, status](const Call& ready, const service::ModelUse&) {
    service::Refusal refusal;
    const auto message = (*ready.context->chats->runs.*begin)(
        ready.identity, ready.request.id, ready.path_arguments[0], settings, refusal);
    if (message) return answer(ready, message_json(*message), status);
    if (!refusal.error.message.empty()) return ready.fail(to_api_error(refusal));
    fail(ready, message.error());
  });
}

void start_answer(const Call& call) { run_answer<&service::Runs::start>(call, 201); }
void continue_answer(const Call& call) { run_answer<&service::Runs::go_on>(call, 200); }

void stop_answer(const Call& call) {
  const Status status = call.context->chats->runs->stop(owner(call), call.path_arguments[0]);
  if (!status) return fail(call, status.error());
  answer(call, Json{{"stopped", true}});
}

std::string sse(const Json& json) { return "data: " + dump_json(json) + "\n\n"; }

// Ends the stream when what the caller was let in by counts no longer; while the result is kept.
std::shared_ptr<void> watch_caller(const Call& call) {
  if (!call.context->sign_in) return nullptr;
  return call.context->sign_in->watches().watch(
      call.identity, [writer = call.writer](const Error& reason) {
        writer.write("data: " + error_json(to_api_error(reason), Shape::kWithReason) + "\n\n");
        writer.end();
      });
}

Result<size_t> read_place(const Call& call) {
  MARU_ASSIGN_OR_RETURN(const std::string from, read_parameter(call, "from"));
  if (from.empty()) return size_t{0};
  MARU_ASSIGN_OR_RETURN(const int64_t place, parse_whole_number(from, "from", 0, INT32_MAX));
  return static_cast<size_t>(place);
}

// A reader that is too slow is cut off by the writer and may come again with its place.
void follow_answer(const Call& call) {
  const auto from = read_place(call);
  if (!from) return fail(call, from.error());
  const service::Chats& chats = *call.context->chats->chats;
  if (const auto there = chats.find_message(owner(call), call.path_arguments[0]); !there) {
    return fail(call, there.error());
  }
  begin_events(*call.context, call.writer);
  const auto handle = call.context->chats->runs->subscribe(
      owner(call), call.path_arguments[0], *from,
      [writer = call.writer](const service::RunEvent& event) {
        const bool goes_on = writer.write(sse(run_event_json(event)));
        if (event.kind == service::RunEvent::Kind::kEnded) writer.end();
        return goes_on;
      });
  if (!handle) {  // deleted in between
    call.writer.write("data: " + error_json(to_api_error(handle.error()), Shape::kWithReason) +
                      "\n\n");
    return call.writer.end();
  }
  call.writer.on_closed([kept = *handle, watch = watch_caller(call)]() mutable {
    kept.reset();
    watch.reset();
  });
}

// What of the person has changed, for open pages; without end.
void follow_changes(const Call& call) {
  begin_events(*call.context, call.writer);
  auto handle = call.context->chats->changes->listen(
      owner(call), [writer = call.writer](const service::Change& change) {
        writer.write(sse(change_json(change)));
      });
  call.writer.write(sse(Json{{"type", "listening"}}));
  call.writer.on_closed([kept = std::move(handle), watch = watch_caller(call)]() mutable {
    kept.reset();
    watch.reset();
  });
}

constexpr Endpoint kEndpoints[] = {
    {"list_messages", "GET", "/api/chats/{chat}/messages", Run::kWorker, kAccess,
     with_chats<list_messages>},
    {"add_message", "POST", "/api/chats/{chat}/messages", Run::kWorker, kAccess,
     with_chats<add_message>},
    {"find_message", "GET", "/api/messages/{message}", Run::kWorker, kAccess,
     with_chats<find_message>},
    {"edit_message", "PATCH", "/api/messages/{message}", Run::kWorker, kAccess,
     with_chats<edit_message>},
    {"remove_message", "DELETE", "/api/messages/{message}", Run::kWorker, kAccess,
     with_chats<remove_message>},
    {"start_answer", "POST", "/api/messages/{message}/answer", Run::kWorker, kAccess,
     with_chats<start_answer>},
    {"continue_answer", "POST", "/api/messages/{message}/continue", Run::kWorker, kAccess,
     with_chats<continue_answer>},
    {"stop_answer", "POST", "/api/messages/{message}/stop", Run::kWorker, kAccess,
     with_chats<stop_answer>},
    {"follow_answer", "GET", "/api/messages/{message}/events", Run::kWorker, kAccess,
     with_chats<follow_answer>},
    {"follow_changes", "GET", "/api/changes", Run::kWorker, kAccess, with_chats<follow_changes>},
};

}  // namespace

extern const Resource resource_messages;
const Resource resource_messages{kEndpoints};

}  // namespace maru::api
