#include "service/chats.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/json.h"
#include "base/log.h"
#include "base/random.h"
#include "base/utf8.h"
#include "service/in_database.h"
#include "store/files.h"
#include "store/message_index.h"
#include "store/person_data.h"
#include "text/search_words.h"

namespace maru::service {
namespace {

constexpr int64_t kTemporaryMilliseconds = int64_t{24} * 60 * 60 * 1000;

size_t count_characters(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

Error bad_cursor() {
  return {ErrorCode::kInvalidArgument, "the cursor is none of this list",
          "send what the field next of the page before says", "cursor", Reason{"list_changed"}};
}

// A place in a list as text: "<milliseconds>.<id>".
std::string cursor_of(const Chat& chat) { return fmt::format("{}.{}", chat.updated_at, chat.id); }

Result<int64_t> parse_number(std::string_view text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 0) return bad_cursor();
  return number;
}

Result<std::optional<store::Place>> parse_cursor(const std::string& cursor) {
  if (cursor.empty()) return std::optional<store::Place>();
  const size_t dot = cursor.find('.');
  if (dot == std::string::npos || !utf8_is_valid(cursor)) return bad_cursor();
  MARU_ASSIGN_OR_RETURN(const int64_t at, parse_number(std::string_view(cursor).substr(0, dot)));
  return std::optional(store::Place{at, cursor.substr(dot + 1)});
}

Status check_tags(const std::vector<std::string>& tags) {
  if (tags.size() > kMaxTags) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("{} tags are more than {}", tags.size(), kMaxTags), "take some away",
                 "tags", Reason{"too_many", {{"what", "tags"}, {"max", kMaxTags}}}};
  }
  for (const std::string& tag : tags) {
    MARU_RETURN_IF_ERROR(check_length(tag, 1, kMaxTagCharacters, "tags"));
  }
  return {};
}

Result<Chat> find_or_fail(store::Transaction& t, const std::string& owner, const std::string& id) {
  MARU_ASSIGN_OR_RETURN(auto chat, store::find_chat(t, owner, id));
  if (!chat) return no_such("chat", id);
  return std::move(*chat);
}

Result<Message> message_or_fail(store::Transaction& t, const std::string& owner,
                                const std::string& id) {
  MARU_ASSIGN_OR_RETURN(auto found, store::find_message(t, owner, id));
  if (!found) return no_such("message", id);
  return std::move(*found);
}

Status update_or_fail(store::Transaction& t, const Chat& chat) {
  MARU_ASSIGN_OR_RETURN(const bool done, store::update_chat(t, chat));
  if (!done) return no_such("folder", chat.folder_id);
  return {};
}

Status apply_change(store::Transaction& t, Chat& chat, const ChatChange& change, int64_t now) {
  if (change.title) chat.title = *change.title;
  if (change.folder_id) chat.folder_id = *change.folder_id;
  if (change.settings) chat.settings = dump_json(settings_json(*change.settings));
  if (change.tags) chat.tags = *change.tags;
  if (change.pinned) chat.pinned_at = *change.pinned ? std::optional(now) : std::nullopt;
  if (change.archived) chat.archived_at = *change.archived ? std::optional(now) : std::nullopt;
  if (change.leaf_id) {
    MARU_ASSIGN_OR_RETURN(const Message leaf, message_or_fail(t, chat.user_id, *change.leaf_id));
    if (leaf.chat_id != chat.id) return no_such("message", *change.leaf_id);
    chat.leaf_id = leaf.id;
  }
  return {};
}

// The files that go with a message: {"files": [...]}.
Result<std::string> describe_files(store::Transaction& t, const std::string& owner,
                                   const std::vector<std::string>& ids) {
  Json extra = Json::object();
  for (const std::string& id : ids) {
    MARU_ASSIGN_OR_RETURN(const auto file, store::find_file(t, owner, id));
    if (!file) return no_such("file", id);
    extra["files"].push_back(Json{{"id", file->id}, {"name", file->name}});
  }
  return dump_json(extra);
}

}  // namespace

std::string owner_of(const Identity& identity) {
  if (!identity.user_id.empty()) return identity.user_id;
  return identity.key_id.empty() ? "local" : identity.key_id;
}

Error no_such(const char* what, const std::string& id) {
  return {ErrorCode::kNotFound, fmt::format("there is no {} '{}'", what, id),
          "it may have been deleted", what, Reason{"gone", {{"what", what}}}};
}

Status check_length(const std::string& text, size_t min, size_t max, const char* param) {
  const size_t n = count_characters(text);
  if (n >= min && n <= max && text.find('\0') == std::string::npos) return {};
  return Error{
      ErrorCode::kInvalidArgument,
      fmt::format("'{}' must have {} to {} characters and no zero, not {}", param, min, max, n),
      "change it", param,
      Reason{"text_length", {{"field", param}, {"min", min}, {"max", max}, {"n", n}}}};
}

std::string title_of(const std::string& content) {
  constexpr size_t kCharacters = 60;
  const size_t begin = content.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) return "";
  const size_t end = content.find_first_of("\r\n", begin);
  const auto snippet = text::search_snippet(
      std::string_view(content).substr(begin, end == std::string::npos ? end : end - begin), {},
      kCharacters);
  return snippet.after + (snippet.is_cut_after ? "…" : "");
}

Status index_content(store::Transaction& transaction, const std::string& owner, const Chat& chat,
                     int64_t seq, const std::string& content) {
  constexpr size_t kMostWords = 50'000;  // an index entry of PostgreSQL ends at 1 MB
  if (chat.is_temporary) return {};
  std::vector<std::string> words = text::search_words(content);
  if (words.size() > kMostWords) words.resize(kMostWords);
  return store::index_message(transaction, owner, seq, words);
}

Chats::Chats(std::shared_ptr<store::Database> database, std::shared_ptr<Changes> changes,
             Clock clock)
    : database_(std::move(database)), changes_(std::move(changes)), clock_(std::move(clock)) {}

void Chats::announce(const std::string& owner, const char* what, const std::string& id,
                     const std::string& chat) const {
  changes_->announce(owner, {what, id, chat});
}

Result<Chat> Chats::add(const std::string& owner, const NewChat& wish) {
  MARU_RETURN_IF_ERROR(check_length(wish.title, 0, kMaxTitleCharacters, "title"));
  MARU_RETURN_IF_ERROR(check_tags(wish.tags));
  Chat chat;
  chat.id = random_id("chat_");
  chat.user_id = owner;
  chat.title = wish.title;
  chat.folder_id = wish.folder_id;
  chat.settings = dump_json(settings_json(wish.settings));
  chat.created_at = chat.updated_at = clock_();
  chat.is_temporary = wish.is_temporary;
  chat.tags = wish.tags;
  MARU_ASSIGN_OR_RETURN(chat, writing<Chat>(*database_, [&](store::Transaction& t) -> Result<Chat> {
                          if (chat.is_temporary) {
                            MARU_RETURN_IF_ERROR(store::remove_temporary_chats(
                                t, chat.created_at - kTemporaryMilliseconds));
                          }
                          MARU_RETURN_IF_ERROR(store::add_chat(t, chat));
                          return find_or_fail(t, owner, chat.id);
                        }));
  announce(owner, "chat", chat.id);
  return chat;
}

Result<Chat> Chats::find(const std::string& owner, const std::string& id) const {
  return reading<Chat>(*database_,
                       [&](store::Transaction& t) { return find_or_fail(t, owner, id); });
}

Result<ChatPage> Chats::list(const std::string& owner, const ChatQuery& query) const {
  store::ChatFilter filter{query.folder_id, query.tag, query.archived, {}, 0};
  MARU_ASSIGN_OR_RETURN(filter.after, parse_cursor(query.cursor));
  const size_t limit = std::clamp<size_t>(query.limit, 1, kMaxPage);
  filter.limit = limit + 1;
  ChatPage page;
  MARU_ASSIGN_OR_RETURN(page.chats,
                        reading<std::vector<Chat>>(*database_, [&](store::Transaction& t) {
                          return store::list_chats(t, owner, filter);
                        }));
  if (page.chats.size() > limit) {
    page.chats.resize(limit);
    page.next = cursor_of(page.chats.back());
  }
  return page;
}

Result<Chat> Chats::change(const std::string& owner, const std::string& id,
                           const ChatChange& change) {
  if (change.title) {
    MARU_RETURN_IF_ERROR(check_length(*change.title, 0, kMaxTitleCharacters, "title"));
  }
  if (change.tags) MARU_RETURN_IF_ERROR(check_tags(*change.tags));
  MARU_ASSIGN_OR_RETURN(const Chat chat,
                        writing<Chat>(*database_, [&](store::Transaction& t) -> Result<Chat> {
                          MARU_ASSIGN_OR_RETURN(Chat found, find_or_fail(t, owner, id));
                          MARU_RETURN_IF_ERROR(apply_change(t, found, change, clock_()));
                          MARU_RETURN_IF_ERROR(update_or_fail(t, found));
                          return find_or_fail(t, owner, id);
                        }));
  announce(owner, "chat", id);
  return chat;
}

Status Chats::remove(const std::string& owner, const std::string& id) {
  MARU_RETURN_IF_ERROR(database_->write([&](store::Transaction& t) -> Status {
    MARU_ASSIGN_OR_RETURN(const bool done, store::remove_chat(t, owner, id));
    if (!done) return no_such("chat", id);
    return {};
  }));
  announce(owner, "chat", id);
  return {};
}

Result<Folder> Chats::add_folder(const std::string& owner, const std::string& name) {
  MARU_RETURN_IF_ERROR(check_length(name, 1, kMaxTitleCharacters, "name"));
  const Folder folder{random_id("folder_"), owner, name, clock_()};
  MARU_RETURN_IF_ERROR(database_->write([&](store::Transaction& t) -> Status {
    MARU_ASSIGN_OR_RETURN(const auto all, store::list_folders(t, owner));
    if (all.size() >= kMaxFolders) {
      return Error{ErrorCode::kConflict, fmt::format("there are {} folders", all.size()),
                   "remove some first", "",
                   Reason{"too_many", {{"what", "folders"}, {"max", all.size()}}}};
    }
    return store::add_folder(t, folder);
  }));
  announce(owner, "folder", folder.id);
  return folder;
}

Result<std::vector<Folder>> Chats::list_folders(const std::string& owner) const {
  return reading<std::vector<Folder>>(
      *database_, [&](store::Transaction& t) { return store::list_folders(t, owner); });
}

Status Chats::rename_folder(const std::string& owner, const std::string& id,
                            const std::string& name) {
  MARU_RETURN_IF_ERROR(check_length(name, 1, kMaxTitleCharacters, "name"));
  MARU_RETURN_IF_ERROR(database_->write([&](store::Transaction& t) -> Status {
    MARU_ASSIGN_OR_RETURN(const bool done, store::rename_folder(t, owner, id, name));
    if (!done) return no_such("folder", id);
    return {};
  }));
  announce(owner, "folder", id);
  return {};
}

Status Chats::remove_folder(const std::string& owner, const std::string& id) {
  MARU_RETURN_IF_ERROR(database_->write([&](store::Transaction& t) -> Status {
    MARU_ASSIGN_OR_RETURN(const bool done, store::remove_folder(t, owner, id));
    if (!done) return no_such("folder", id);
    return {};
  }));
  announce(owner, "folder", id);
  return {};
}

Result<std::vector<TagCount>> Chats::list_tags(const std::string& owner) const {
  return reading<std::vector<TagCount>>(
      *database_, [&](store::Transaction& t) { return store::list_tags(t, owner); });
}

Result<Message> Chats::insert(const std::string& owner, Message message) {
  message.id = random_id("msg_");
  message.created_at = clock_();
  MARU_ASSIGN_OR_RETURN(
      message, writing<Message>(*database_, [&](store::Transaction& t) -> Result<Message> {
        MARU_ASSIGN_OR_RETURN(Chat chat, find_or_fail(t, owner, message.chat_id));
        MARU_ASSIGN_OR_RETURN(const size_t n, store::count_messages(t, owner, chat.id));
        if (n >= kMaxMessagesOfChat) {
          return Error{
              ErrorCode::kConflict, fmt::format("the chat has {} messages", kMaxMessagesOfChat),
              "go on in a new one", "", Reason{"chat_full", {{"max", kMaxMessagesOfChat}}}};
        }
        Message added = message;
        MARU_ASSIGN_OR_RETURN(added.seq, store::add_message(t, owner, added));
        MARU_RETURN_IF_ERROR(index_content(t, owner, chat, added.seq, added.content));
        if (chat.title.empty() && added.role == "user") chat.title = title_of(added.content);
        chat.leaf_id = added.id;
        chat.updated_at = added.created_at;
        MARU_RETURN_IF_ERROR(update_or_fail(t, chat));
        return added;
      }));
  announce(owner, "message", message.id, message.chat_id);
  return message;
}

Result<Message> Chats::add_message(const std::string& owner, const std::string& chat_id,
                                   const NewMessage& wish) {
  MARU_RETURN_IF_ERROR(check_length(wish.content, 0, kMaxMessageCharacters, "content"));
  Message message;
  message.chat_id = chat_id;
  message.role = wish.role;
  message.content = wish.content;
  MARU_RETURN_IF_ERROR(database_->read([&](store::Transaction& t) -> Status {
    MARU_ASSIGN_OR_RETURN(const Chat chat, find_or_fail(t, owner, chat_id));
    message.parent_id = wish.parent_id.value_or(chat.leaf_id);
    MARU_ASSIGN_OR_RETURN(message.extra, describe_files(t, owner, wish.file_ids));
    return {};
  }));
  return insert(owner, std::move(message));
}

Result<Message> Chats::edit_message(const std::string& owner, const std::string& id,
                                    const std::string& content) {
  MARU_RETURN_IF_ERROR(check_length(content, 0, kMaxMessageCharacters, "content"));
  MARU_ASSIGN_OR_RETURN(Message message, find_message(owner, id));
  if (message.state == "running") {
    return Error{ErrorCode::kConflict, "the answer is still being written", "stop it first", "",
                 Reason{"chat_being_written"}};
  }
  message.content = content;
  message.state = "complete";
  return insert(owner, std::move(message));
}

Result<Message> Chats::find_message(const std::string& owner, const std::string& id) const {
  return reading<Message>(*database_,
                          [&](store::Transaction& t) { return message_or_fail(t, owner, id); });
}

Result<std::vector<Message>> Chats::list_messages(const std::string& owner,
                                                  const std::string& chat_id) const {
  return reading<std::vector<Message>>(*database_,
                                       [&](store::Transaction& t) -> Result<std::vector<Message>> {
                                         MARU_RETURN_IF_ERROR(find_or_fail(t, owner, chat_id));
                                         return store::list_messages(t, owner, chat_id);
                                       });
}

Result<std::vector<Message>> Chats::branch(const std::string& owner, const std::string& id) const {
  MARU_ASSIGN_OR_RETURN(auto messages,
                        reading<std::vector<Message>>(*database_, [&](store::Transaction& t) {
                          return store::branch_of(t, owner, id);
                        }));
  if (messages.empty()) return no_such("message", id);
  return messages;
}

Status Chats::remove_message(const std::string& owner, const std::string& id) {
  std::string chat_id;
  const Status removed = database_->write([&](store::Transaction& t) -> Status {
    MARU_ASSIGN_OR_RETURN(const Message message, message_or_fail(t, owner, id));
    MARU_ASSIGN_OR_RETURN(Chat chat, find_or_fail(t, owner, message.chat_id));
    chat_id = chat.id;
    MARU_RETURN_IF_ERROR(store::remove_message(t, owner, id));
    MARU_ASSIGN_OR_RETURN(const auto leaf, store::find_message(t, owner, chat.leaf_id));
    if (leaf) return {};
    chat.leaf_id = message.parent_id;
    return update_or_fail(t, chat);
  });
  if (removed) announce(owner, "message", id, chat_id);
  return removed;
}

Result<SearchPage> Chats::search(const std::string& owner, const std::string& query,
                                 const std::string& cursor, size_t limit) const {
  constexpr size_t kMaxQuery = 1'000, kAround = 60;
  MARU_RETURN_IF_ERROR(check_length(query, 1, kMaxQuery, "query"));
  const auto terms = text::search_terms(query);
  std::vector<store::SearchedWords> words;
  for (const text::SearchTerm& term : terms) words.push_back({term.words, term.is_prefix});
  int64_t before = 0;
  if (!cursor.empty()) {
    MARU_ASSIGN_OR_RETURN(before, parse_number(cursor));
  }
  limit = std::clamp<size_t>(limit, 1, kMaxPage);
  MARU_ASSIGN_OR_RETURN(
      auto hits, reading<std::vector<store::SearchHit>>(*database_, [&](store::Transaction& t) {
        return store::search_messages(t, owner, words, before, limit + 1);
      }));
  SearchPage page;
  if (hits.size() > limit) {
    hits.resize(limit);
    page.next = std::to_string(hits.back().seq);
  }
  for (const store::SearchHit& hit : hits) {
    page.found.push_back({hit.message_id, hit.chat_id, hit.chat_title, hit.created_at,
                          text::search_snippet(hit.content, terms, kAround)});
  }
  return page;
}

Status Chats::recover() {
  return database_->write([&](store::Transaction& t) -> Status {
    MARU_ASSIGN_OR_RETURN(const auto stopped, store::stop_running_messages(t));
    for (const store::StoppedMessage& one : stopped) {
      MARU_ASSIGN_OR_RETURN(const auto chat, store::find_chat(t, one.user_id, one.message.chat_id));
      if (!chat) continue;
      MARU_RETURN_IF_ERROR(
          index_content(t, one.user_id, *chat, one.message.seq, one.message.content));
    }
    if (!stopped.empty()) log_info("{} answers were cut short by the last stop", stopped.size());
    MARU_RETURN_IF_ERROR(store::remove_temporary_chats(t, clock_() - kTemporaryMilliseconds));
    return {};
  });
}

}  // namespace maru::service
