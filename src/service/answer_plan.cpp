#include "service/answer_plan.h"

#include <future>
#include <random>

#include "base/json.h"
#include "base/random.h"
#include "service/attached_files.h"
#include "service/chats.h"
#include "service/reasoning.h"
#include "store/assistants.h"
#include "store/memories.h"

namespace maru::service {
namespace {

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
    if (message.state != "running") continue;
    return Error{ErrorCode::kConflict, "the branch is still being written",
                 "wait for the answer, or stop it", "", Reason{"chat_being_written"}};
  }
  return {};
}

Json template_messages(const AnswerPlan& plan) {
  Json messages = Json::array();
  std::string system = plan.instructions;
  size_t begin = 0;
  for (; begin < plan.branch.size() && plan.branch[begin].role == "system"; ++begin) {
    add_paragraph(system, plan.branch[begin].content);
  }
  if (!system.empty()) messages.push_back(Json{{"role", "system"}, {"content", system}});
  for (size_t i = begin; i < plan.branch.size(); ++i) {
    const Message& message = plan.branch[i];
    const bool is_answer = message.role == "assistant";
    messages.push_back(
        Json{{"role", message.role},
             {"content", is_answer ? without_later_thinking(message.content) : message.content}});
  }
  return messages;
}

}  // namespace

Result<std::string> choose_model(const GenerationService& generation, const Identity& identity,
                                 const std::string& wanted) {
  if (!wanted.empty()) {
    const auto name = generation.models().resolve(wanted);
    if (name && identity.may_use_model(*name)) return *name;
  } else {
    for (const ModelStatus& model : generation.models().list()) {
      if (identity.may_use_model(model.name)) return model.name;
    }
  }
  return Error{ErrorCode::kNotFound, "the model '" + wanted + "' is not served here",
               "GET /v1/models lists what is", "model",
               wanted.empty() ? Reason{"no_model"} : Reason{"model_unknown", {{"model", wanted}}}};
}

Result<AnswerSettings> read_answer_settings(store::Transaction& t, const Identity& identity,
                                            const std::string& owner, const store::Chat& chat,
                                            const ChatSettings& over) {
  AnswerSettings all;
  MARU_ASSIGN_OR_RETURN(const std::string preferences, store::read_preferences(t, owner));
  const ChatSettings of_chat = merge(read_settings(chat.settings), over);
  ChatSettings of_assistant;
  if (const auto& id = of_chat.assistant_id; id && !id->empty()) {
    MARU_ASSIGN_OR_RETURN(auto assistant, store::find_assistant(t, owner, identity.group_ids, *id));
    if (!assistant) return no_such("assistant", *id);
    of_assistant = read_settings(assistant->settings);
    all.assistant_instructions = std::move(assistant->instructions);
  }
  all.settings = merge(merge(read_settings(preferences), of_assistant), of_chat);
  return all;
}

Result<AnswerPlan> make_plan(store::Transaction& t, const Identity& identity,
                             const std::string& owner, const std::string& message_id,
                             const ChatSettings& over) {
  AnswerPlan plan;
  MARU_ASSIGN_OR_RETURN(plan.branch, store::branch_of(t, owner, message_id));
  if (plan.branch.empty()) return no_such("message", message_id);
  MARU_RETURN_IF_ERROR(check_branch(plan.branch));
  MARU_ASSIGN_OR_RETURN(auto chat, store::find_chat(t, owner, plan.branch.back().chat_id));
  if (!chat) return no_such("message", message_id);
  plan.chat = std::move(*chat);
  MARU_RETURN_IF_ERROR(put_files_first(t, owner, plan.branch));
  MARU_ASSIGN_OR_RETURN(AnswerSettings all,
                        read_answer_settings(t, identity, owner, plan.chat, over));
  plan.settings = std::move(all.settings);
  plan.instructions = std::move(all.assistant_instructions);
  add_paragraph(plan.instructions, plan.settings.system.value_or(""));
  if (plan.settings.use_memories.value_or(true)) {
    MARU_ASSIGN_OR_RETURN(const auto memories, store::list_memories(t, owner));
    std::string known;
    for (const store::Memory& memory : memories) known += "- " + memory.content + "\n";
    if (!known.empty()) add_paragraph(plan.instructions, "About the person:\n" + known);
  }
  return plan;
}

Result<GenerationRequest> make_request(const GenerationService& generation, const AnswerPlan& plan,
                                       const Identity& identity) {
  const ChatSettings& settings = plan.settings;
  GenerationRequest request;
  MARU_ASSIGN_OR_RETURN(request.model,
                        choose_model(generation, identity, settings.model.value_or("")));
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

Result<Order> make_order(const GenerationService& generation, Metering* metering,
                         const Identity& identity, const std::string& request_id,
                         GenerationRequest request) {
  Admission admission{random_id("msg_"), request_id, request.model, 0, spender_of(identity), {}};
  const ModelUse model = generation.models().use(request.model);
  if (model == nullptr) {
    return Error{ErrorCode::kUnavailable, "the model '" + request.model + "' is not loaded",
                 "try again in a moment", "model",
                 Reason{"model_not_loaded", {{"model", request.model}}}};
  }
  if (metering != nullptr) {
    Limits& limits = metering->limits();
    admission.pass = limits.pass_of(admission.spender);
    request.context_limit = limits.context_of(admission.pass, model->context_length);
  }
  MARU_ASSIGN_OR_RETURN(PreparedRequest prepared, generation.prepare(std::move(request)));
  admission.tokens_in = prepared.n_prompt;
  return Order{std::move(prepared), std::move(admission)};
}

Result<Order> make_order(const GenerationService& generation, Metering* metering,
                         const Identity& identity, const std::string& request_id,
                         const AnswerPlan& plan, const std::string& begun) {
  MARU_ASSIGN_OR_RETURN(GenerationRequest request, make_request(generation, plan, identity));
  request.begun = begun;
  return make_order(generation, metering, identity, request_id, std::move(request));
}

Result<std::unique_ptr<Meter>> open_meter(Metering& metering, const Admission& admission,
                                          std::function<void()> on_ready, Refusal& refusal) {
  const auto opened = std::make_shared<std::promise<Status>>();
  std::future<Status> result = opened->get_future();
  MeterHandlers handlers;
  handlers.on_opened = [opened](const Status& status) { opened->set_value(status); };
  handlers.on_ready = std::move(on_ready);
  auto meter = metering.admit(admission, std::move(handlers), refusal);
  if (!meter) return refusal.error;
  if (const Status status = result.get(); !status) {
    refusal = meter->refusal();
    return status.error();
  }
  return meter;
}

}  // namespace maru::service
