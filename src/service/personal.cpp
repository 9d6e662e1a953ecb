#include "service/personal.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <string_view>

#include "base/json.h"
#include "base/random.h"
#include "service/chats.h"
#include "service/in_database.h"
#include "store/person_data.h"

namespace maru::service {
namespace {

Error too_many(const char* what, size_t limit) {
  return {ErrorCode::kConflict, fmt::format("there may be {} {} at most", limit, what),
          "remove some first", "", Reason{"too_many", {{"what", what}, {"max", limit}}}};
}

// Of `remove` and the like: whether there was such a thing.
Status found_or(const Result<bool>& result, const char* what, const std::string& id) {
  MARU_RETURN_IF_ERROR(result);
  if (!*result) return no_such(what, id);
  return {};
}

// A few letters (an emoji), or an image that a page may show as it is.
Status check_picture(const std::string& picture) {
  constexpr size_t kLetters = 16;
  if (!picture.starts_with("data:")) return check_length(picture, 0, kLetters, "picture");
  for (const std::string_view kind : {"png", "jpeg", "webp"}) {
    const std::string begin = fmt::format("data:image/{};base64,", kind);
    if (!picture.starts_with(begin) || picture.size() > kMaxPictureBytes) continue;
    constexpr std::string_view kBase64 =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
    if (picture.find_first_not_of(kBase64, begin.size()) == std::string::npos) return {};
  }
  return Error{ErrorCode::kInvalidArgument,
               fmt::format("the picture is no PNG, JPEG or WebP of at most {} bytes as a data URL",
                           kMaxPictureBytes),
               "send a smaller one", "picture", Reason{"picture_bad", {{"max", kMaxPictureBytes}}}};
}

// A vote names two answers to one question, and keeps whose they were.
Status complete_vote(store::Transaction& t, const std::string& owner, const store::Message& answer,
                     std::string& detail) {
  MARU_ASSIGN_OR_RETURN(Json json, parse_json(detail));
  const std::string over = json.value("over", "");
  MARU_ASSIGN_OR_RETURN(const auto other, store::find_message(t, owner, over));
  if (!other) return no_such("message", over);
  if (other->parent_id != answer.parent_id || other->id == answer.id ||
      answer.role != "assistant" || other->role != "assistant") {
    return Error{ErrorCode::kInvalidArgument, "the two are no answers to one question",
                 "vote between answers to the same message", "over", Reason{"vote_bad"}};
  }
  json["model"] = answer.model;
  json["over_model"] = other->model;
  detail = dump_json(json);
  return {};
}

// The vote's part of the counts, if it can be read.
void count_vote(const std::string& detail, const Identity& identity,
                std::map<std::array<std::string, 3>, VoteCount>& counts) {
  const auto json = parse_json(detail);
  if (!json || !json->is_object()) return;
  std::string model = json->value("model", ""), over = json->value("over_model", "");
  const std::string topic = json->value("topic", "other");
  const bool is_tie = json->value("tie", false);
  if (model.empty() || over.empty() || model == over) return;
  if (!identity.may_use_model(model) || !identity.may_use_model(over)) return;
  if (is_tie && over < model) std::swap(model, over);
  VoteCount& count = counts[{topic, model, over}];
  count.topic = topic;
  count.model = model;
  count.over = over;
  (is_tie ? count.ties : count.wins) += 1;
}

Status check_assistant(const Identity& identity, const AssistantWish& wish) {
  MARU_RETURN_IF_ERROR(check_length(wish.name, 1, kMaxNameCharacters, "name"));
  MARU_RETURN_IF_ERROR(
      check_length(wish.instructions, 0, kMaxInstructionCharacters, "instructions"));
  MARU_RETURN_IF_ERROR(check_picture(wish.picture));
  if (wish.starters.size() > kMaxStarters) return too_many("starters", kMaxStarters);
  for (const std::string& starter : wish.starters) {
    MARU_RETURN_IF_ERROR(check_length(starter, 1, kMaxStarterCharacters, "starters"));
  }
  const auto& groups = identity.group_ids;
  if (wish.group_id.empty() ||
      std::find(groups.begin(), groups.end(), wish.group_id) != groups.end())
    return {};
  return Error{ErrorCode::kForbidden, "the group is none of yours", "share with a group you are in",
               "group", Reason{"group_not_yours"}};
}

void take_wish(Assistant& assistant, const AssistantWish& wish) {
  assistant.group_id = wish.group_id;
  assistant.name = wish.name;
  assistant.instructions = wish.instructions;
  assistant.settings = dump_json(settings_json(wish.settings));
  assistant.picture = wish.picture;
  assistant.starters = dump_json(Json(wish.starters));
}

}  // namespace

Personal::Personal(std::shared_ptr<store::Database> database, std::shared_ptr<Changes> changes,
                   Clock clock)
    : database_(std::move(database)), changes_(std::move(changes)), clock_(std::move(clock)) {}

Result<File> Personal::add_file(const std::string& owner, const std::string& name,
                                const std::string& media_type, std::string content) {
  MARU_RETURN_IF_ERROR(check_length(name, 1, kMaxNameCharacters, "name"));
  MARU_RETURN_IF_ERROR(check_length(media_type, 1, kMaxNameCharacters, "content-type"));
  if (content.size() > kMaxFileBytes) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("the file has {} bytes, more than {}", content.size(), kMaxFileBytes),
                 "send a smaller one", "",
                 Reason{"file_too_big", {{"size", content.size()}, {"max", kMaxFileBytes}}}};
  }
  File file;
  file.id = random_id("file_");
  file.user_id = owner;
  file.name = name;
  file.media_type = media_type;
  file.size = static_cast<int64_t>(content.size());
  file.sha256 = sha256_hex(content);
  file.created_at = clock_();
  MARU_RETURN_IF_ERROR(database_->write([&](store::Transaction& t) -> Status {
    MARU_ASSIGN_OR_RETURN(const int64_t n_bytes, store::bytes_of_files(t, owner));
    if (n_bytes + file.size > static_cast<int64_t>(kMaxBytesOfFiles)) {
      return Error{ErrorCode::kConflict,
                   fmt::format("there may be {} bytes of files at most", kMaxBytesOfFiles),
                   "remove some first", "", Reason{"files_full", {{"max", kMaxBytesOfFiles}}}};
    }
    return store::add_file(t, file, std::move(content));
  }));
  changes_->announce(owner, {"file", file.id, {}});
  return file;
}

Result<File> Personal::find_file(const std::string& owner, const std::string& id) const {
  return reading<File>(*database_, [&](store::Transaction& t) -> Result<File> {
    MARU_ASSIGN_OR_RETURN(auto file, store::find_file(t, owner, id));
    if (!file) return no_such("file", id);
    return std::move(*file);
  });
}

Result<std::string> Personal::read_file(const std::string& owner, const std::string& id) const {
  return reading<std::string>(*database_, [&](store::Transaction& t) -> Result<std::string> {
    MARU_ASSIGN_OR_RETURN(auto content, store::read_file(t, owner, id));
    if (!content) return no_such("file", id);
    return std::move(*content);
  });
}

Result<std::vector<File>> Personal::list_files(const std::string& owner) const {
  return reading<std::vector<File>>(
      *database_, [&](store::Transaction& t) { return store::list_files(t, owner); });
}

Status Personal::remove_file(const std::string& owner, const std::string& id) {
  MARU_RETURN_IF_ERROR(database_->write([&](store::Transaction& t) {
    return found_or(store::remove_file(t, owner, id), "file", id);
  }));
  changes_->announce(owner, {"file", id, {}});
  return {};
}

Result<Feedback> Personal::add_feedback(const std::string& owner, const FeedbackWish& wish) {
  Feedback feedback;
  feedback.id = random_id("fb_");
  feedback.user_id = owner;
  feedback.message_id = wish.message_id;
  feedback.kind = wish.kind;
  feedback.detail = wish.detail;
  feedback.created_at = clock_();
  const Status written = database_->write([&](store::Transaction& t) -> Status {
    MARU_ASSIGN_OR_RETURN(const auto branch, store::branch_of(t, owner, wish.message_id));
    Json context = Json::array();
    for (const store::Message& message : branch) {
      if (message.id != wish.message_id) context.push_back(message.id);
    }
    feedback.context = dump_json(context);
    if (wish.kind == "vote" && !branch.empty()) {
      MARU_RETURN_IF_ERROR(complete_vote(t, owner, branch.back(), feedback.detail));
    }
    return store::add_feedback(t, feedback);
  });
  MARU_RETURN_IF_ERROR(written);
  changes_->announce(owner, {"feedback", feedback.id, {}});
  return feedback;
}

Result<std::vector<Feedback>> Personal::list_feedback(const std::string& owner,
                                                      const std::string& message_id) const {
  return reading<std::vector<Feedback>>(*database_, [&](store::Transaction& t) {
    return store::list_feedback(t, owner, message_id);
  });
}

Result<std::vector<Feedback>> Personal::list_feedback_of_chat(const std::string& owner,
                                                              const std::string& chat_id) const {
  return reading<std::vector<Feedback>>(*database_, [&](store::Transaction& t) {
    return store::list_feedback_of_chat(t, owner, chat_id);
  });
}

Result<std::vector<VoteCount>> Personal::count_votes(const Identity& identity) const {
  MARU_ASSIGN_OR_RETURN(const auto details,
                        reading<std::vector<std::string>>(*database_, store::list_votes));
  std::map<std::array<std::string, 3>, VoteCount> counts;
  for (const std::string& detail : details) count_vote(detail, identity, counts);
  std::vector<VoteCount> list;
  for (auto& [key, count] : counts) list.push_back(std::move(count));
  return list;
}

Status Personal::remove_feedback(const std::string& owner, const std::string& id) {
  MARU_RETURN_IF_ERROR(database_->write([&](store::Transaction& t) {
    return found_or(store::remove_feedback(t, owner, id), "feedback", id);
  }));
  changes_->announce(owner, {"feedback", id, {}});
  return {};
}

Result<Assistant> Personal::add_assistant(const Identity& identity, const AssistantWish& wish) {
  MARU_RETURN_IF_ERROR(check_assistant(identity, wish));
  Assistant assistant;
  assistant.id = random_id("asst_");
  assistant.user_id = owner_of(identity);
  take_wish(assistant, wish);
  assistant.created_at = assistant.updated_at = clock_();
  MARU_RETURN_IF_ERROR(database_->write([&](store::Transaction& t) -> Status {
    MARU_ASSIGN_OR_RETURN(const auto own, store::list_assistants(t, assistant.user_id, {}));
    if (own.size() >= kMaxAssistants) return too_many("assistants", kMaxAssistants);
    return store::add_assistant(t, assistant);
  }));
  changes_->announce(assistant.user_id, {"assistant", assistant.id, {}});
  return assistant;
}

Result<Assistant> Personal::find_assistant(const Identity& identity, const std::string& id) const {
  return reading<Assistant>(*database_, [&](store::Transaction& t) -> Result<Assistant> {
    MARU_ASSIGN_OR_RETURN(auto found,
                          store::find_assistant(t, owner_of(identity), identity.group_ids, id));
    if (!found) return no_such("assistant", id);
    return std::move(*found);
  });
}

Result<std::vector<Assistant>> Personal::list_assistants(const Identity& identity) const {
  return reading<std::vector<Assistant>>(*database_, [&](store::Transaction& t) {
    return store::list_assistants(t, owner_of(identity), identity.group_ids);
  });
}

Result<Assistant> Personal::change_assistant(const Identity& identity, const std::string& id,
                                             const AssistantWish& wish) {
  MARU_RETURN_IF_ERROR(check_assistant(identity, wish));
  const std::string owner = owner_of(identity);
  MARU_ASSIGN_OR_RETURN(
      const Assistant changed,
      writing<Assistant>(*database_, [&](store::Transaction& t) -> Result<Assistant> {
        MARU_ASSIGN_OR_RETURN(auto found, store::find_assistant(t, owner, {}, id));
        if (!found) return no_such("assistant", id);
        take_wish(*found, wish);
        found->updated_at = clock_();
        MARU_RETURN_IF_ERROR(found_or(store::update_assistant(t, *found), "assistant", id));
        return std::move(*found);
      }));
  changes_->announce(owner, {"assistant", id, {}});
  return changed;
}

Status Personal::remove_assistant(const std::string& owner, const std::string& id) {
  MARU_RETURN_IF_ERROR(database_->write([&](store::Transaction& t) {
    return found_or(store::remove_assistant(t, owner, id), "assistant", id);
  }));
  changes_->announce(owner, {"assistant", id, {}});
  return {};
}

Result<Memory> Personal::add_memory(const std::string& owner, const std::string& content) {
  MARU_RETURN_IF_ERROR(check_length(content, 1, kMaxMemoryCharacters, "content"));
  const int64_t now = clock_();
  const Memory memory{random_id("mem_"), owner, content, now, now};
  MARU_RETURN_IF_ERROR(database_->write([&](store::Transaction& t) -> Status {
    MARU_ASSIGN_OR_RETURN(const auto all, store::list_memories(t, owner));
    if (all.size() >= kMaxMemories) return too_many("memories", kMaxMemories);
    return store::add_memory(t, memory);
  }));
  changes_->announce(owner, {"memory", memory.id, {}});
  return memory;
}

Result<std::vector<Memory>> Personal::list_memories(const std::string& owner) const {
  return reading<std::vector<Memory>>(
      *database_, [&](store::Transaction& t) { return store::list_memories(t, owner); });
}

Status Personal::change_memory(const std::string& owner, const std::string& id,
                               const std::string& content) {
  MARU_RETURN_IF_ERROR(check_length(content, 1, kMaxMemoryCharacters, "content"));
  const Memory memory{id, owner, content, 0, clock_()};
  MARU_RETURN_IF_ERROR(database_->write([&](store::Transaction& t) {
    return found_or(store::update_memory(t, memory), "memory", id);
  }));
  changes_->announce(owner, {"memory", id, {}});
  return {};
}

Status Personal::remove_memory(const std::string& owner, const std::string& id) {
  MARU_RETURN_IF_ERROR(database_->write([&](store::Transaction& t) {
    return found_or(store::remove_memory(t, owner, id), "memory", id);
  }));
  changes_->announce(owner, {"memory", id, {}});
  return {};
}

Result<SavedPrompt> Personal::add_prompt(const std::string& owner, const std::string& name,
                                         const std::string& content) {
  MARU_RETURN_IF_ERROR(check_length(name, 1, kMaxNameCharacters, "name"));
  MARU_RETURN_IF_ERROR(check_length(content, 1, kMaxPromptCharacters, "content"));
  const int64_t now = clock_();
  const SavedPrompt prompt{random_id("prompt_"), owner, name, content, now, now};
  MARU_RETURN_IF_ERROR(database_->write([&](store::Transaction& t) -> Status {
    MARU_ASSIGN_OR_RETURN(const auto all, store::list_prompts(t, owner));
    if (all.size() >= kMaxPrompts) return too_many("prompts", kMaxPrompts);
    return store::add_prompt(t, prompt);
  }));
  changes_->announce(owner, {"prompt", prompt.id, {}});
  return prompt;
}

Result<std::vector<SavedPrompt>> Personal::list_prompts(const std::string& owner) const {
  return reading<std::vector<SavedPrompt>>(
      *database_, [&](store::Transaction& t) { return store::list_prompts(t, owner); });
}

Status Personal::change_prompt(const std::string& owner, const std::string& id,
                               const std::string& name, const std::string& content) {
  MARU_RETURN_IF_ERROR(check_length(name, 1, kMaxNameCharacters, "name"));
  MARU_RETURN_IF_ERROR(check_length(content, 1, kMaxPromptCharacters, "content"));
  const SavedPrompt prompt{id, owner, name, content, 0, clock_()};
  MARU_RETURN_IF_ERROR(database_->write([&](store::Transaction& t) {
    return found_or(store::update_prompt(t, prompt), "prompt", id);
  }));
  changes_->announce(owner, {"prompt", id, {}});
  return {};
}

Status Personal::remove_prompt(const std::string& owner, const std::string& id) {
  MARU_RETURN_IF_ERROR(database_->write([&](store::Transaction& t) {
    return found_or(store::remove_prompt(t, owner, id), "prompt", id);
  }));
  changes_->announce(owner, {"prompt", id, {}});
  return {};
}

Result<ChatSettings> Personal::settings(const std::string& owner) const {
  MARU_ASSIGN_OR_RETURN(const std::string json,
                        reading<std::string>(*database_, [&](store::Transaction& t) {
                          return store::read_preferences(t, owner);
                        }));
  return read_settings(json);
}

Status Personal::change_settings(const std::string& owner, const ChatSettings& settings) {
  MARU_RETURN_IF_ERROR(database_->write([&](store::Transaction& t) {
    return store::write_preferences(t, owner, dump_json(settings_json(settings)));
  }));
  changes_->announce(owner, {"settings", {}, {}});
  return {};
}

Result<Share> Personal::add_share(const std::string& owner, const std::string& message_id) {
  const Share share{random_id("share_"), owner, message_id, random_secret(), clock_()};
  MARU_RETURN_IF_ERROR(
      database_->write([&](store::Transaction& t) { return store::add_share(t, share); }));
  changes_->announce(owner, {"share", share.id, {}});
  return share;
}

Result<std::vector<Share>> Personal::list_shares(const std::string& owner) const {
  return reading<std::vector<Share>>(
      *database_, [&](store::Transaction& t) { return store::list_shares(t, owner); });
}

Status Personal::remove_share(const std::string& owner, const std::string& id) {
  MARU_RETURN_IF_ERROR(database_->write([&](store::Transaction& t) {
    return found_or(store::remove_share(t, owner, id), "share", id);
  }));
  changes_->announce(owner, {"share", id, {}});
  return {};
}

Result<SharedBranch> Personal::read_share(const std::string& token) const {
  return reading<SharedBranch>(*database_, [&](store::Transaction& t) -> Result<SharedBranch> {
    MARU_ASSIGN_OR_RETURN(const auto share, store::read_share(t, token));
    if (!share) return no_such("share", token);
    SharedBranch shared{*share, {}, {}};
    MARU_ASSIGN_OR_RETURN(shared.messages, store::branch_of(t, share->user_id, share->message_id));
    if (shared.messages.empty()) return no_such("share", token);
    MARU_ASSIGN_OR_RETURN(const auto chat,
                          store::find_chat(t, share->user_id, shared.messages.front().chat_id));
    if (chat) shared.title = chat->title;
    return shared;
  });
}

Result<Personal::Everything> Personal::everything(const std::string& owner) const {
  return reading<Everything>(*database_, [&](store::Transaction& t) -> Result<Everything> {
    Everything all;
    MARU_ASSIGN_OR_RETURN(all.folders, store::list_folders(t, owner));
    MARU_ASSIGN_OR_RETURN(all.chats, store::list_every_chat(t, owner));
    for (const store::Chat& chat : all.chats) {
      MARU_ASSIGN_OR_RETURN(auto messages, store::list_messages(t, owner, chat.id));
      std::move(messages.begin(), messages.end(), std::back_inserter(all.messages));
    }
    MARU_ASSIGN_OR_RETURN(all.files, store::list_files(t, owner));
    MARU_ASSIGN_OR_RETURN(all.feedback, store::list_feedback(t, owner, ""));
    MARU_ASSIGN_OR_RETURN(all.assistants, store::list_assistants(t, owner, {}));
    MARU_ASSIGN_OR_RETURN(all.memories, store::list_memories(t, owner));
    MARU_ASSIGN_OR_RETURN(all.shares, store::list_shares(t, owner));
    MARU_ASSIGN_OR_RETURN(all.prompts, store::list_prompts(t, owner));
    MARU_ASSIGN_OR_RETURN(const std::string settings, store::read_preferences(t, owner));
    all.settings = read_settings(settings);
    return all;
  });
}

Status Personal::remove_all(const std::string& owner) {
  MARU_RETURN_IF_ERROR(
      database_->write([&](store::Transaction& t) { return store::remove_person_data(t, owner); }));
  changes_->announce(owner, {"everything", {}, {}});
  return {};
}

}  // namespace maru::service
