#include "service/runs.h"

#include <future>
#include <random>
#include <thread>
#include <unordered_map>

#include "base/json.h"
#include "base/log.h"
#include "base/random.h"
#include "service/attached_files.h"
#include "service/chats.h"
#include "service/run.h"
#include "store/assistants.h"
#include "store/memories.h"

namespace maru::service {
namespace {

// What an answer is made from.
struct Plan {
  Chat chat;
  std::vector<Message> branch;
  ChatSettings settings;
  std::string instructions;  // of assistant, chat and memories
};

uint64_t random_seed() {
  thread_local std::mt19937_64 random{std::random_device{}()};
  return random();
}

void add_paragraph(std::string& text, const std::string& paragraph) {
  if (paragraph.empty()) return;
  if (!text.empty()) text += "\n\n";
  text += paragraph;
}

Status check_branch(const std::vector<Message>& branch) {
  for (const Message& message : branch) {
    if (message.state == "running") {
      return Error{ErrorCode::kConflict, "the branch is still being written",
                   "wait for the answer, or stop it"};
    }
  }
  if (branch.back().role == "assistant") {
    return Error{ErrorCode::kInvalidArgument, "the message is an answer itself",
                 "ask for another answer at the message before it", "message"};
  }
  return {};
}

Result<Plan> make_plan(store::Transaction& t, const Identity& identity, const std::string& owner,
                       const std::string& message_id, const ChatSettings& over) {
  Plan plan;
  MARU_ASSIGN_OR_RETURN(plan.branch, store::branch_of(t, owner, message_id));
  if (plan.branch.empty()) return no_such("message", message_id);
  MARU_RETURN_IF_ERROR(check_branch(plan.branch));
  MARU_ASSIGN_OR_RETURN(auto chat, store::find_chat(t, owner, plan.branch.back().chat_id));
  if (!chat) return no_such("message", message_id);
  plan.chat = std::move(*chat);
  MARU_RETURN_IF_ERROR(put_files_first(t, owner, plan.branch));
  MARU_ASSIGN_OR_RETURN(const std::string preferences, store::read_preferences(t, owner));
  const ChatSettings of_person = read_settings(preferences);
  const ChatSettings of_chat = merge(read_settings(plan.chat.settings), over);
  ChatSettings of_assistant;
  if (const auto& id = of_chat.assistant_id; id && !id->empty()) {
    MARU_ASSIGN_OR_RETURN(const auto assistant,
                          store::find_assistant(t, owner, identity.group_ids, *id));
    if (!assistant) return no_such("assistant", *id);
    of_assistant = read_settings(assistant->settings);
    plan.instructions = assistant->instructions;
  }
  plan.settings = merge(merge(of_person, of_assistant), of_chat);
  add_paragraph(plan.instructions, plan.settings.system.value_or(""));
  if (plan.settings.use_memories.value_or(true)) {
    MARU_ASSIGN_OR_RETURN(const auto memories, store::list_memories(t, owner));
    std::string known;
    for (const store::Memory& memory : memories) known += "- " + memory.content + "\n";
    if (!known.empty()) add_paragraph(plan.instructions, "About the person:\n" + known);
  }
  return plan;
}

Json template_messages(const Plan& plan) {
  Json messages = Json::array();
  std::string system = plan.instructions;
  size_t begin = 0;
  for (; begin < plan.branch.size() && plan.branch[begin].role == "system"; ++begin) {
    add_paragraph(system, plan.branch[begin].content);
  }
  if (!system.empty()) messages.push_back(Json{{"role", "system"}, {"content", system}});
  for (size_t i = begin; i < plan.branch.size(); ++i) {
    const Message& message = plan.branch[i];
    messages.push_back(Json{{"role", message.role}, {"content", message.content}});
  }
  return messages;
}

GenerationRequest make_request(const Plan& plan, const Identity& identity,
                               const std::string& model) {
  const ChatSettings& settings = plan.settings;
  GenerationRequest request;
  request.model = model;
  request.identity = identity;
  ChatPrompt prompt;
  prompt.messages = std::make_shared<const Json>(template_messages(plan));
  request.prompt = std::move(prompt);
  if (settings.max_tokens) request.max_tokens = static_cast<uint32_t>(*settings.max_tokens);
  request.stop = settings.stop.value_or(std::vector<std::string>());
  engine::SamplingParams& sampling = request.sampling;
  if (settings.temperature) sampling.temperature = static_cast<float>(*settings.temperature);
  if (settings.top_p) sampling.top_p = static_cast<float>(*settings.top_p);
  if (settings.min_p) sampling.min_p = static_cast<float>(*settings.min_p);
  if (settings.top_k) sampling.top_k = static_cast<decltype(sampling.top_k)>(*settings.top_k);
  sampling.seed = settings.seed ? static_cast<uint64_t>(*settings.seed) : random_seed();
  return request;
}

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
  void add(const std::shared_ptr<Run>& run) {
    const std::lock_guard lock(mutex);
    running[run->id()] = run;
  }
  void remove(const std::string& id) {
    const std::lock_guard lock(mutex);
    running.erase(id);
  }

  Result<const ServedModel*> choose_model(const Identity& identity,
                                          const ChatSettings& settings) const;
  Status admit(Run& run, Admission admission, Refusal& refusal);
  Status store_message(const std::string& owner, Message& message);
  void watch(const Identity& identity, const std::shared_ptr<Run>& run);
  Result<Message> launch(const std::shared_ptr<Run>& run, PreparedRequest prepared,
                         Message message);
  Status write(store::Transaction& t, const Run& run, const Run::Taken& taken);
  void report(const Run::Taken& taken);
  void save_all();
};

// The one that is set, or the first that the caller may use.
Result<const ServedModel*> Runs::Impl::choose_model(const Identity& identity,
                                                    const ChatSettings& settings) const {
  const std::string wanted = settings.model.value_or("");
  for (const ServedModel& model : generation->models()) {
    if ((wanted.empty() || model.name == wanted) && identity.may_use_model(model.name)) {
      return &model;
    }
  }
  return Error{ErrorCode::kNotFound, "the model '" + wanted + "' is not served here",
               "GET /v1/models lists what is", "model"};
}

// Waits until the usage row is on the disk.
Status Runs::Impl::admit(Run& run, Admission admission, Refusal& refusal) {
  const auto opened = std::make_shared<std::promise<Status>>();
  std::future<Status> result = opened->get_future();
  MeterHandlers handlers;
  handlers.on_opened = [opened](const Status& status) { opened->set_value(status); };
  handlers.on_ready = [ring = bell] { ring->ring(); };
  const int64_t tokens_in = admission.tokens_in;
  auto meter = metering->admit(admission, std::move(handlers), refusal);
  if (!meter) return refusal.error;
  if (const Status status = result.get(); !status) {
    refusal = meter->refusal();
    return status.error();
  }
  run.set_meter(std::move(meter), tokens_in);
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

Result<Message> Runs::Impl::launch(const std::shared_ptr<Run>& run, PreparedRequest prepared,
                                   Message message) {
  MARU_RETURN_IF_ERROR(store_message(run->owner(), message));
  add(run);
  run->set_stored(message.seq);
  // The engine's thread must not be the last to hold what holds the meter.
  const auto id = generation->submit(std::move(prepared),
                                     [weak = std::weak_ptr(run)](const GenerationEvent& event) {
                                       if (const auto held = weak.lock()) held->on_event(event);
                                     });
  if (id) {
    run->set_generation(*id);
    // A limit may have ended it before its id was known to who cancels.
    if (run->take_needs_cancel()) generation->cancel(*id);
    changes->announce(run->owner(), {"message", message.id, message.chat_id});
    return message;
  }
  remove(message.id);
  run->refuse();
  const Status removed = database->write([&](store::Transaction& t) -> Status {
    MARU_RETURN_IF_ERROR(store::remove_message(t, run->owner(), message.id));
    return {};
  });
  if (!removed) log_error("a refused answer could not be removed: {}", removed.error().message);
  return id.error();
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
    run->announce_end();
    if (!status) continue;
    remove(run->id());
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

Result<store::Message> Runs::start(const Identity& identity, const std::string& request_id,
                                   const std::string& message_id, const ChatSettings& over,
                                   Refusal& refusal) {
  const std::string owner = owner_of(identity);
  Plan plan;
  MARU_RETURN_IF_ERROR(impl_->database->read([&](store::Transaction& t) -> Status {
    MARU_ASSIGN_OR_RETURN(plan, make_plan(t, identity, owner, message_id, over));
    return {};
  }));
  MARU_ASSIGN_OR_RETURN(const ServedModel* const model,
                        impl_->choose_model(identity, plan.settings));
  GenerationRequest request = make_request(plan, identity, model->name);
  Admission admission{random_id("msg_"), request_id, model->name, 0, spender_of(identity), {}};
  if (impl_->metering) {
    Limits& limits = impl_->metering->limits();
    admission.pass = limits.pass_of(admission.spender);
    request.context_limit = limits.context_of(admission.pass, model->context_length);
  }
  MARU_ASSIGN_OR_RETURN(PreparedRequest prepared, impl_->generation->prepare(std::move(request)));
  admission.tokens_in = prepared.n_prompt;

  Message message = new_answer(admission.id, plan.chat.id, message_id, model->name);
  message.created_at = impl_->clock();
  const auto run = std::make_shared<Run>(owner, message, impl_->bell);
  if (impl_->metering) MARU_RETURN_IF_ERROR(impl_->admit(*run, std::move(admission), refusal));
  impl_->watch(identity, run);
  return impl_->launch(run, std::move(prepared), std::move(message));
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
