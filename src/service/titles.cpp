#include "service/titles.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <mutex>
#include <string_view>
#include <thread>
#include <vector>

#include "base/json.h"
#include "base/log.h"
#include "service/answer_plan.h"
#include "service/chats.h"
#include "service/run.h"

namespace maru::service {
namespace {

constexpr uint32_t kMaxTokens = 64;  // Korean takes two or three a letter with some tokenizers
constexpr const char* kQuestion =
    "Write a title for this conversation: at most six words, in the language of the conversation. "
    "Answer with the title only.";

// One title that is being made.
struct Draft {
  std::string owner, chat_id, model;
  std::string first_words;  // the title that it takes the place of
  int64_t tokens_in = 0;
  std::unique_ptr<Meter> meter;  // null: not metered
  uint64_t generation = 0;

  std::mutex mutex;  // of what follows
  std::string text;
  engine::Usage usage;
  bool has_ended = false, has_failed = false;

  void on_event(const GenerationEvent& event, RunBell& bell) {
    const std::lock_guard lock(mutex);
    if (event.kind == GenerationEvent::Kind::kText) text += event.text;
    if (event.kind == GenerationEvent::Kind::kFinished) usage = event.usage;
    has_failed = event.kind == GenerationEvent::Kind::kFailed;
    has_ended = has_failed || event.kind == GenerationEvent::Kind::kFinished;
    if (has_ended) bell.ring();
  }
};

void cut_front(std::string_view& text, std::string_view what) {
  if (text.starts_with(what)) text.remove_prefix(what.size());
}

// What models put around a title.
std::string_view without_marks(std::string_view text) {
  constexpr std::array<std::string_view, 17> kMarks{
      " ", "\t", "\"", "'", "*", "#", "`", "_", ".", "“", "”", "‘", "’", "「", "」", "『", "』"};
  const auto cut = [&text](std::string_view mark) {
    const size_t before = text.size();
    cut_front(text, mark);
    if (text.ends_with(mark)) text.remove_suffix(mark.size());
    return text.size() != before;
  };
  while (std::any_of(kMarks.begin(), kMarks.end(), cut)) {
  }
  return text;
}

// Takes the first line that is not blank off the text; empty if there is none.
std::string_view first_line(std::string_view& text) {
  constexpr std::string_view kBlank = " \t\r\n";
  text.remove_prefix(std::min(text.find_first_not_of(kBlank), text.size()));
  std::string_view line = text.substr(0, text.find_first_of("\r\n"));
  text.remove_prefix(line.size());
  line.remove_suffix(line.size() - (line.find_last_not_of(kBlank) + 1));
  return line;
}

// Small models answer with the words of the question.
bool repeats_question(std::string_view text) {
  constexpr size_t kEnough = 16;
  const auto lower = [](char c) { return std::tolower(static_cast<unsigned char>(c)); };
  const auto is_same = [&](char a, char b) { return lower(a) == lower(b); };
  const std::string_view question = kQuestion;
  const std::string_view begin = text.substr(0, kEnough);
  return begin.size() == kEnough && std::search(question.begin(), question.end(), begin.begin(),
                                                begin.end(), is_same) != question.end();
}

}  // namespace

std::string title_in(const std::string& answer) {
  std::string_view text = answer;
  constexpr std::string_view kThought = "</think>";
  if (const size_t at = text.rfind(kThought); at != std::string_view::npos) {
    text.remove_prefix(at + kThought.size());
  } else if (text.find("<think>") != std::string_view::npos) {
    return "";
  }
  std::string_view line = first_line(text);
  // "Here is a title:" says that it comes.
  if (line.ends_with(":")) line = first_line(text);
  text = without_marks(line);
  for (const std::string_view label : {"Title:", "title:", "제목:"}) cut_front(text, label);
  text = without_marks(text);
  return repeats_question(text) ? "" : title_of(std::string(text));
}

struct Titles::Impl {
  std::shared_ptr<store::Database> database;
  std::shared_ptr<GenerationService> generation;
  std::shared_ptr<Metering> metering;
  std::shared_ptr<Changes> changes;
  std::shared_ptr<RunBell> bell = std::make_shared<RunBell>();
  std::mutex mutex;
  Runs::OnUsage on_usage;
  std::vector<std::shared_ptr<Draft>> drafts;
  std::thread writer;

  // What the title is made from; nothing if the chat keeps what it has.
  struct Beginning {
    AnswerPlan plan;
    std::string first_words;
  };
  Result<std::optional<Beginning>> begin(store::Transaction& t, const Identity& identity,
                                         const std::string& owner,
                                         const std::string& chat_id) const;
  Status submit(const std::shared_ptr<Draft>& draft, PreparedRequest prepared);
  bool finish(Draft& draft);
  Status write(const Draft& draft, const std::string& title);
  void remove(const std::shared_ptr<Draft>& draft);
  void finish_all();
};

Result<std::optional<Titles::Impl::Beginning>> Titles::Impl::begin(
    store::Transaction& t, const Identity& identity, const std::string& owner,
    const std::string& chat_id) const {
  MARU_ASSIGN_OR_RETURN(const auto chat, store::find_chat(t, owner, chat_id));
  if (!chat) return no_such("chat", chat_id);
  MARU_ASSIGN_OR_RETURN(const auto branch, store::branch_of(t, owner, chat->leaf_id));
  const auto first = std::find_if(branch.begin(), branch.end(),
                                  [](const Message& message) { return message.role == "user"; });
  if (first == branch.end() || branch.back().role != "assistant" || branch.back().content.empty()) {
    return Error{ErrorCode::kConflict, "the chat has no answer yet", "ask something first", "",
                 Reason{"no_answer_yet"}};
  }
  Beginning beginning;
  beginning.first_words = title_of(first->content);
  if (chat->is_temporary || chat->title != beginning.first_words) {
    return std::optional<Beginning>();
  }
  ChatSettings over;
  if (!branch.back().model.empty()) over.model = branch.back().model;
  MARU_ASSIGN_OR_RETURN(beginning.plan, make_plan(t, identity, owner, chat->leaf_id, over));
  Message question;
  question.role = "user";
  question.content = kQuestion;
  beginning.plan.branch.push_back(std::move(question));
  return std::optional(std::move(beginning));
}

Status Titles::Impl::submit(const std::shared_ptr<Draft>& draft, PreparedRequest prepared) {
  {
    const std::lock_guard lock(mutex);
    drafts.push_back(draft);
  }
  // The engine's thread must not be the last to hold what holds the meter.
  const auto id =
      generation->submit(std::move(prepared),
                         [weak = std::weak_ptr(draft), ring = bell](const GenerationEvent& event) {
                           if (const auto held = weak.lock()) held->on_event(event, *ring);
                         });
  if (!id) {
    if (draft->meter) draft->meter->discard();
    remove(draft);
    return id.error();
  }
  const std::lock_guard lock(mutex);
  draft->generation = *id;
  return {};
}

void Titles::Impl::remove(const std::shared_ptr<Draft>& draft) {
  const std::lock_guard lock(mutex);
  std::erase(drafts, draft);
}

// False: it has to wait, for the model or for its usage row.
bool Titles::Impl::finish(Draft& draft) {
  std::string text;
  engine::Usage usage;
  bool has_failed = false;
  {
    const std::lock_guard lock(draft.mutex);
    if (!draft.has_ended) return false;
    text = draft.text;
    usage = draft.usage;
    has_failed = draft.has_failed;
  }
  Outcome outcome = has_failed ? Outcome::kFailed : Outcome::kStop;
  if (draft.meter) {
    const auto verdict = draft.meter->pass(usage.new_tokens);
    if (verdict == Meter::Verdict::kHold) return false;
    if (verdict == Meter::Verdict::kOver) outcome = Outcome::kLimit;
    draft.meter->close(outcome, {draft.tokens_in, usage.cached_tokens, usage.new_tokens, 0});
  }
  if (!has_failed) {
    Runs::OnUsage callback;
    {
      const std::lock_guard lock(mutex);
      callback = on_usage;
    }
    if (callback) callback(draft.model, usage);
  }
  const std::string title = outcome == Outcome::kStop ? title_in(text) : "";
  if (title.empty()) return true;
  if (const Status status = write(draft, title); !status) {
    log_warning("a title could not be saved: {}", status.error().to_string());
  }
  return true;
}

// A title that a person has given meanwhile stays, and a chat that was deleted is no failure.
Status Titles::Impl::write(const Draft& draft, const std::string& title) {
  bool is_written = false;
  const Status status = database->write([&](store::Transaction& t) -> Status {
    is_written = false;
    MARU_ASSIGN_OR_RETURN(auto chat, store::find_chat(t, draft.owner, draft.chat_id));
    if (!chat || chat->title != draft.first_words) return {};
    chat->title = title;
    MARU_ASSIGN_OR_RETURN(is_written, store::update_chat(t, *chat));
    return {};
  });
  if (is_written) changes->announce(draft.owner, {"chat", draft.chat_id, {}});
  return status;
}

void Titles::Impl::finish_all() {
  std::vector<std::shared_ptr<Draft>> all;
  {
    const std::lock_guard lock(mutex);
    all = drafts;
  }
  for (const auto& draft : all) {
    if (finish(*draft)) remove(draft);
  }
}

Titles::Titles(std::shared_ptr<store::Database> database,
               std::shared_ptr<GenerationService> generation, std::shared_ptr<Metering> metering,
               std::shared_ptr<Changes> changes)
    : impl_(std::make_unique<Impl>()) {
  impl_->database = std::move(database);
  impl_->generation = std::move(generation);
  impl_->metering = std::move(metering);
  impl_->changes = std::move(changes);
  impl_->writer = std::thread([impl = impl_.get()] {
    while (impl->bell->wait()) impl->finish_all();
  });
}

Titles::~Titles() {
  impl_->bell->close();
  impl_->writer.join();
  for (const auto& draft : impl_->drafts) impl_->generation->cancel(draft->generation);
}

void Titles::on_usage(Runs::OnUsage callback) {
  const std::lock_guard lock(impl_->mutex);
  impl_->on_usage = std::move(callback);
}

Result<bool> Titles::start(const Identity& identity, const std::string& request_id,
                           const std::string& chat_id, Refusal& refusal) {
  const auto draft = std::make_shared<Draft>();
  draft->owner = owner_of(identity);
  draft->chat_id = chat_id;
  {
    const std::lock_guard lock(impl_->mutex);
    for (const auto& other : impl_->drafts) {
      if (other->chat_id == chat_id && other->owner == draft->owner) return true;
    }
  }
  std::optional<Impl::Beginning> beginning;
  MARU_RETURN_IF_ERROR(impl_->database->read([&](store::Transaction& t) -> Status {
    MARU_ASSIGN_OR_RETURN(beginning, impl_->begin(t, identity, draft->owner, chat_id));
    return {};
  }));
  if (!beginning) return false;
  draft->first_words = beginning->first_words;
  MARU_ASSIGN_OR_RETURN(GenerationRequest request,
                        make_request(*impl_->generation, beginning->plan, identity));
  std::get<ChatPrompt>(request.prompt).extra =
      std::make_shared<const Json>(Json{{"enable_thinking", false}});
  request.max_tokens = kMaxTokens;
  request.stop.clear();
  request.sampling = {};
  request.sampling.temperature = 0.0f;
  MARU_ASSIGN_OR_RETURN(Order order, make_order(*impl_->generation, impl_->metering.get(), identity,
                                                request_id, std::move(request)));
  draft->model = order.admission.model;
  draft->tokens_in = order.admission.tokens_in;
  if (impl_->metering) {
    MARU_ASSIGN_OR_RETURN(draft->meter, open_meter(
                                            *impl_->metering, order.admission,
                                            [ring = impl_->bell] { ring->ring(); }, refusal));
  }
  MARU_RETURN_IF_ERROR(impl_->submit(draft, std::move(order.prepared)));
  return true;
}

}  // namespace maru::service
