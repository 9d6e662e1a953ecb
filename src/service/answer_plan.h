// Inside service only: what an answer to a branch of a chat is made from, and the order for it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "service/chat_settings.h"
#include "service/generation.h"
#include "service/identity.h"
#include "service/metering.h"
#include "store/chats.h"
#include "store/messages.h"

namespace maru::service {

// What is to be heeded, of person, assistant, chat and this answer.
struct AnswerSettings {
  ChatSettings settings;
  std::string assistant_instructions;
};
// Errors: kNotFound (the assistant).
Result<AnswerSettings> read_answer_settings(store::Transaction& t, const Identity& identity,
                                            const std::string& owner, const store::Chat& chat,
                                            const ChatSettings& over);

struct AnswerPlan {
  store::Chat chat;
  std::vector<store::Message> branch;  // with the text of its files
  ChatSettings settings;
  std::string instructions;  // of assistant, chat and memories
};

// Of the branch that ends with the message. Errors: kNotFound, kConflict (it is being written).
Result<AnswerPlan> make_plan(store::Transaction& t, const Identity& identity,
                             const std::string& owner, const std::string& message_id,
                             const ChatSettings& over);

// The model's own name, of a name or an alias; the first that the caller may use if none is wanted.
// Errors: kNotFound.
Result<std::string> choose_model(const GenerationService& generation, const Identity& identity,
                                 const std::string& wanted);

// The plan as a request, for the model of its settings or the first that the caller may use.
// Errors: kNotFound.
Result<GenerationRequest> make_request(const GenerationService& generation, const AnswerPlan& plan,
                                       const Identity& identity);

// What the engine is given, and what metering is told of it.
struct Order {
  PreparedRequest prepared;
  Admission admission;
};
// `metering` may be null: the context is the model's own then. Errors: kUnavailable (the model is
// not loaded: ModelPool::open() it first), those of GenerationService::prepare().
Result<Order> make_order(const GenerationService& generation, Metering* metering,
                         const Identity& identity, const std::string& request_id,
                         GenerationRequest request);
// Of a plan; `begun` is what of the answer is there already.
Result<Order> make_order(const GenerationService& generation, Metering* metering,
                         const Identity& identity, const std::string& request_id,
                         const AnswerPlan& plan, const std::string& begun);

// Waits until the usage row is on the disk. `refusal` says more if a limit forbids it.
Result<std::unique_ptr<Meter>> open_meter(Metering& metering, const Admission& admission,
                                          std::function<void()> on_ready, Refusal& refusal);

}  // namespace maru::service
