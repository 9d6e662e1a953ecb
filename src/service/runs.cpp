#include "service/runs.h"

#include <thread>
#include <unordered_map>

#include "base/json.h"
#include "base/log.h"
#include "service/answer_plan.h"
#include "service/chats.h"
#include "service/run.h"

namespace maru::service {
namespace {

Message new_answer(const std::string& id, const std::string& chat_id, const std::string& parent_id,
                   const std::string& model) {
  Message message;
  message.id = id;
  message.chat_id = chat_id;
  message.parent_id = parent_id;
  message.role = "assistant";
  message.model = model;
  message.state = "running";
  return message;
}

Error is_being_written() {
  return {ErrorCode::kConflict, "the branch is still being written",
          "wait for the answer, or stop it", "", Reason{"chat_being_written"}};
}

Error is_an_answer() {
  return {ErrorCode::kInvalidArgument, "the message is an answer itself",
          "ask for another answer at the message before it", "message", Reason{"not_a_question"}};
}

// Only what was cut goes on: by a limit of tokens, by its reader or by a failure.
Status check_goes_on(const Message& message) {
  if (message.state == "running") return is_being_written();
  const auto extra = parse_json(message.extra);
  const bool is_cut = message.state != "complete" ||
                      (extra && extra->is_object() && extra->value("finish", Json()) == "length");
  if (message.role == "assistant" && is_cut && !message.content.empty() &&
      !message.parent_id.empty()) {
    return {};
  }
  return Error{ErrorCode::kInvalidArgument, "the message is no answer that was cut",
               "ask for another answer at the message before it", "message", Reason{"not_cut"}};
}

}  // namespace

struct Runs::Impl {
  std::shared_ptr<store::Database> database;
  std::shared_ptr<GenerationService> generation;
  std::shared_ptr<Metering> metering;
  std::shared_ptr<Changes> changes;
  Clock clock;
  std::shared_ptr<RunBell> bell = std::make_shared<RunBell>();
  std::mutex mutex;
  OnUsage on_usage;
  std::shared_ptr<SignIn> sign_in;
  std::unordered_map<std::string, std::shared_ptr<Run>> running;  // by message
  std::thread saver;

  std::vector<std::shared_ptr<Run>> all() {
    const std::lock_guard lock(mutex);
    std::vector<std::shared_ptr<Run>> runs;
    for (const auto& [id, run] : running) runs.push_back(run);
    return runs;
  }
  std::shared_ptr<Run> find(const std::string& owner, const std::string& id) {
    const std::lock_guard lock(mutex);
    const auto found = running.find(id);
    return found == running.end() || found->second->owner() != owner ? nullptr : found->second;
  }
  // False if this message is being written already.
  bool add(const std::shared_ptr<Run>& run) {
    const std::lock_guard lock(mutex);
    return running.try_emplace(run->id(), run).second;
  }
  void remove(const std::string& id) {
    const std::lock_guard lock(mutex);
    running.erase(id);
  }

  Status admit(Run& run, const Admission& admission, Refusal& refusal);
  Status store_message(const std::string& owner, Message& message);
  void watch(const Identity& identity, const std::shared_ptr<Run>& run);
  Status launch(const std::shared_ptr<Run>& run, PreparedRequest prepared, int64_t seq);
  Result<Message> begin(const std::shared_ptr<Run>& run, PreparedRequest prepared, Message message);
  Result<Message> go_on(const std::shared_ptr<Run>& run, PreparedRequest prepared,
                        const Message& before, Message message);
  Status update_message(const std::string& owner, const Message& message);
  Status write(store::Transaction& t, const Run& run, const Run::Taken& taken);
  void report(const Run::Taken& taken);
  void save_all();
};

Status Runs::Impl::admit(Run& run, const Admission& admission, Refusal& refusal) {
  if (!metering) return {};
  MARU_ASSIGN_OR_RETURN(auto meter,
                        open_meter(*metering, admission, [ring = bell] { ring->ring(); }, refusal));
  run.set_meter(std::move(meter), admission.tokens_in);
  return {};
}

// An answer ends with what its asker was let in by.
void Runs::Impl::watch(const Identity& identity, const std::shared_ptr<Run>& run) {
  std::shared_ptr<SignIn> asked;
  {
    const std::lock_guard lock(mutex);
    asked = sign_in;
  }
  if (!asked) return;
  run->set_watch(asked->watches().watch(identity, [weak = std::weak_ptr(run)](const Error& reason) {
    if (const auto held = weak.lock()) held->revoke(reason);
  }));
}

Status Runs::Impl::store_message(const std::string& owner, Message& message) {
  return database->write([&](store::Transaction& t) -> Status {
    MARU_ASSIGN_OR_RETURN(auto chat, store::find_chat(t, owner, message.chat_id));
    if (!chat) return no_such("chat", message.chat_id);
    MARU_ASSIGN_OR_RETURN(message.seq, store::add_message(t, owner, message));
    chat->leaf_id = message.id;
    chat->updated_at = message.created_at;
    MARU_RETURN_IF_ERROR(store::update_chat(t, *chat));
    return {};
  });
}

// The run has its place; its message says "running".
Status Runs::Impl::launch(const std::shared_ptr<Run>& run, PreparedRequest prepared, int64_t seq) {
  run->set_stored(seq);
  // The engine's thread must not be the last to hold what holds the meter.
  const auto id = generation->submit(std::move(prepared),
                                     [weak = std::weak_ptr(run)](const GenerationEvent& event) {
                                       if (const auto held = weak.lock()) held->on_event(event);
                                     });
  if (!id) {
    remove(run->id());
    run->refuse();
    return id.error();
  }
  run->set_generation(*id);
  // A limit may have ended it before its id was known to who cancels.
  if (run->take_needs_cancel()) generation->cancel(*id);
  changes->announce(run->owner(), {"message", run->id(), run->chat_id()});
  return {};
}

Result<Message> Runs::Impl::begin(const std::shared_ptr<Run>& run, PreparedRequest prepared,
                                  Message message) {
  MARU_RETURN_IF_ERROR(store_message(run->owner(), message));
  add(run);
  const Status launched = launch(run, std::move(prepared), message.seq);
  if (launched) return message;
  const Status removed = database->write([&](store::Transaction& t) -> Status {
    MARU_RETURN_IF_ERROR(store::remove_message(t, run->owner(), message.id));
    return {};
  });
  if (!removed) log_error("a refused answer could not be removed: {}", removed.error().message);
  return launched.error();
}

Status Runs::Impl::update_message(const std::string& owner, const Message& message) {
  return database->write([&](store::Transaction& t) -> Status {
    MARU_ASSIGN_OR_RETURN(const bool is_there, store::update_message(t, owner, message));
    if (!is_there) return no_such("message", message.id);
    return {};
  });
}

Result<Message> Runs::Impl::go_on(const std::shared_ptr<Run>& run, PreparedRequest prepared,
                                  const Message& before, Message message) {
  if (!add(run)) return is_being_written();
  if (const Status status = update_message(run->owner(), message); !status) {
    remove(run->id());
    return status.error();
  }
  const Status launched = launch(run, std::move(prepared), message.seq);
  if (launched) return message;
  if (const Status status = update_message(run->owner(), before); !status) {
    log_error("a refused continuation could not be undone: {}", status.error().message);
  }
  return launched.error();
}

// A message that was deleted meanwhile is no failure.
Status Runs::Impl::write(store::Transaction& t, const Run& run, const Run::Taken& taken) {
  MARU_ASSIGN_OR_RETURN(const bool is_there, store::update_message(t, run.owner(), taken.message));
  if (!is_there || !taken.has_ended) return {};
  MARU_ASSIGN_OR_RETURN(const auto chat, store::find_chat(t, run.owner(), run.chat_id()));
  if (!chat) return {};
  return index_content(t, run.owner(), *chat, taken.message.seq, taken.message.content);
}

void Runs::Impl::report(const Run::Taken& taken) {
  OnUsage callback;
  {
    const std::lock_guard lock(mutex);
    callback = on_usage;
  }
  if (callback) callback(taken.message.model, taken.usage);
}

void Runs::Impl::save_all() {
  std::vector<std::pair<std::shared_ptr<Run>, Run::Taken>> taken;
  for (const auto& run : all()) {
    run->go_on();
    if (const auto id = run->generation(); id && run->take_needs_cancel()) generation->cancel(*id);
    if (auto one = run->take()) taken.emplace_back(run, std::move(*one));
  }
  if (taken.empty()) return;
  const Status status = database->write([&](store::Transaction& t) -> Status {
    for (const auto& [run, one] : taken) MARU_RETURN_IF_ERROR(write(t, *run, one));
    return {};
  });
  if (!status) log_error("answers could not be saved: {}", status.error().to_string());
  for (const auto& [run, one] : taken) {
    // What could not be saved stays in memory and is tried again; its readers need not wait.
    if (!status) run->mark_unsaved();
    if (!one.has_ended) continue;
    if (status) remove(run->id());  // before its readers hear of the end: they may let it go on
    run->announce_end();
    if (!status) continue;
    changes->announce(run->owner(), {"message", run->id(), run->chat_id()});
    report(one);
  }
}

Runs::Runs(std::shared_ptr<store::Database> database, std::shared_ptr<GenerationService> generation,
           std::shared_ptr<Metering> metering, std::shared_ptr<Changes> changes, Clock clock)
    : impl_(std::make_shared<Impl>()) {
  impl_->database = std::move(database);
  impl_->generation = std::move(generation);
  impl_->metering = std::move(metering);
  impl_->changes = std::move(changes);
  impl_->clock = std::move(clock);
  impl_->saver = std::thread([impl = impl_.get()] {
    while (impl->bell->wait()) impl->save_all();
  });
}

Runs::~Runs() {
  impl_->bell->close();
  impl_->saver.join();
  for (const auto& run : impl_->all()) {
    if (const auto id = run->generation()) impl_->generation->cancel(*id);
    run->cut();
  }
  impl_->save_all();
}

void Runs::on_usage(OnUsage callback) {
  const std::lock_guard lock(impl_->mutex);
  impl_->on_usage = std::move(callback);
}

void Runs::end_with_credentials_of(std::shared_ptr<SignIn> sign_in) {
  const std::lock_guard lock(impl_->mutex);
  impl_->sign_in = std::move(sign_in);
}

Result<std::string> Runs::model_of(const Identity& identity, const std::string& message_id,
                                   const ChatSettings& over) {
  const std::string owner = owner_of(identity);
  std::string wanted;
  MARU_RETURN_IF_ERROR(impl_->database->read([&](store::Transaction& t) -> Status {
    MARU_ASSIGN_OR_RETURN(const auto message, store::find_message(t, owner, message_id));
    if (!message) return no_such("message", message_id);
    MARU_ASSIGN_OR_RETURN(const auto chat, store::find_chat(t, owner, message->chat_id));
    if (!chat) return no_such("message", message_id);
    MARU_ASSIGN_OR_RETURN(const AnswerSettings all,
                          read_answer_settings(t, identity, owner, *chat, over));
    const bool goes_on = message->role == "assistant" && !over.model && !message->model.empty();
    wanted = goes_on ? message->model : all.settings.model.value_or("");
    return {};
  }));
  return choose_model(*impl_->generation, identity, wanted);
}

Result<store::Message> Runs::start(const Identity& identity, const std::string& request_id,
                                   const std::string& message_id, const ChatSettings& over,
                                   Refusal& refusal) {
  const std::string owner = owner_of(identity);
  AnswerPlan plan;
  MARU_RETURN_IF_ERROR(impl_->database->read([&](store::Transaction& t) -> Status {
    MARU_ASSIGN_OR_RETURN(plan, make_plan(t, identity, owner, message_id, over));
    return {};
  }));
  if (plan.branch.back().role == "assistant") return is_an_answer();
  MARU_ASSIGN_OR_RETURN(Order order, make_order(*impl_->generation, impl_->metering.get(), identity,
                                                request_id, plan, {}));
  Message message = new_answer(order.admission.id, plan.chat.id, message_id, order.admission.model);
  message.created_at = impl_->clock();
  const auto run = std::make_shared<Run>(owner, message, impl_->bell);
  MARU_RETURN_IF_ERROR(impl_->admit(*run, order.admission, refusal));
  impl_->watch(identity, run);
  return impl_->begin(run, std::move(order.prepared), std::move(message));
}

Result<store::Message> Runs::go_on(const Identity& identity, const std::string& request_id,
                                   const std::string& message_id, const ChatSettings& over,
                                   Refusal& refusal) {
  const std::string owner = owner_of(identity);
  AnswerPlan plan;
  Message before;
  const Status planned = impl_->database->read([&](store::Transaction& t) -> Status {
    MARU_ASSIGN_OR_RETURN(auto found, store::find_message(t, owner, message_id));
    if (!found) return no_such("message", message_id);
    MARU_RETURN_IF_ERROR(check_goes_on(*found));
    before = std::move(*found);
    ChatSettings settings = over;
    if (!settings.model && !before.model.empty()) settings.model = before.model;
    MARU_ASSIGN_OR_RETURN(plan, make_plan(t, identity, owner, before.parent_id, settings));
    return {};
  });
  MARU_RETURN_IF_ERROR(planned);
  MARU_ASSIGN_OR_RETURN(Order order, make_order(*impl_->generation, impl_->metering.get(), identity,
                                                request_id, plan, before.content));
  Message message = before;
  message.state = "running";
  message.model = order.admission.model;
  const auto run = std::make_shared<Run>(owner, message, impl_->bell);
  MARU_RETURN_IF_ERROR(impl_->admit(*run, order.admission, refusal));
  impl_->watch(identity, run);
  return impl_->go_on(run, std::move(order.prepared), before, std::move(message));
}

Status Runs::stop(const std::string& owner, const std::string& message_id) {
  if (const auto run = impl_->find(owner, message_id)) {
    if (const auto id = run->generation()) impl_->generation->cancel(*id);
    return {};
  }
  return impl_->database->read([&](store::Transaction& t) -> Status {
    MARU_ASSIGN_OR_RETURN(const auto message, store::find_message(t, owner, message_id));
    if (!message) return no_such("message", message_id);
    return {};
  });
}

void Runs::stop_all(const std::string& owner, const std::string& chat_id) {
  for (const auto& run : impl_->all()) {
    if (run->owner() != owner || (!chat_id.empty() && run->chat_id() != chat_id)) continue;
    if (const auto id = run->generation()) impl_->generation->cancel(*id);
  }
}

Result<std::shared_ptr<void>> Runs::subscribe(const std::string& owner,
                                              const std::string& message_id, size_t from,
                                              RunListener listener) {
  if (const auto run = impl_->find(owner, message_id)) {
    const uint64_t id = run->subscribe(from, std::move(listener));
    return std::shared_ptr<void>(nullptr, [run, id](void*) { run->unsubscribe(id); });
  }
  std::optional<Message> message;
  MARU_RETURN_IF_ERROR(impl_->database->read([&](store::Transaction& t) -> Status {
    MARU_ASSIGN_OR_RETURN(message, store::find_message(t, owner, message_id));
    return {};
  }));
  if (!message) return no_such("message", message_id);
  replay(*message, from, listener);
  return std::shared_ptr<void>();
}

}  // namespace maru::service
