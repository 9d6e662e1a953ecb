#include "store/chats.h"

#include "store/columns.h"
#include "store/message_index.h"

namespace maru::store {
namespace {

constexpr const char* kSelect =
    "SELECT id, user_id, title, folder_id, settings, created_at, updated_at, pinned_at, "
    "archived_at, temporary, leaf_id FROM chats ";

Result<Chat> read_chat(Transaction& transaction, const Row& row) {
  Chat chat{.id = row.text(0),
            .user_id = row.text(1),
            .title = row.text(2),
            .folder_id = row.text_or_empty(3),
            .settings = row.text(4),
            .created_at = row.integer(5),
            .updated_at = row.integer(6),
            .pinned_at = optional_integer(row, 7),
            .archived_at = optional_integer(row, 8),
            .is_temporary = row.integer(9) != 0,
            .leaf_id = row.text_or_empty(10),
            .tags = {}};
  MARU_ASSIGN_OR_RETURN(
      const auto tags,
      transaction.query("SELECT tag FROM chat_tags WHERE chat_id = ? ORDER BY tag", {chat.id}));
  for (const Row& tag : tags) chat.tags.push_back(tag.text(0));
  return chat;
}

Status write_tags(Transaction& transaction, const Chat& chat) {
  MARU_RETURN_IF_ERROR(transaction.execute("DELETE FROM chat_tags WHERE chat_id = ?", {chat.id}));
  for (const std::string& tag : chat.tags) {
    MARU_RETURN_IF_ERROR(transaction.execute(
        "INSERT INTO chat_tags (chat_id, tag) VALUES (?, ?) ON CONFLICT DO NOTHING",
        {chat.id, tag}));
  }
  return {};
}

// Of the person, or empty.
Result<bool> has_folder(Transaction& transaction, const Chat& chat) {
  if (chat.folder_id.empty()) return true;
  MARU_ASSIGN_OR_RETURN(const auto rows,
                        transaction.query("SELECT 1 FROM folders WHERE id = ? AND user_id = ?",
                                          {chat.folder_id, chat.user_id}));
  return !rows.empty();
}

}  // namespace

Status add_folder(Transaction& transaction, const Folder& folder) {
  MARU_RETURN_IF_ERROR(
      transaction.execute("INSERT INTO folders (id, user_id, name, created_at) VALUES (?, ?, ?, ?)",
                          {folder.id, folder.user_id, folder.name, folder.created_at}));
  return {};
}

Result<std::vector<Folder>> list_folders(Transaction& transaction, std::string_view user_id) {
  MARU_ASSIGN_OR_RETURN(
      const auto rows,
      transaction.query("SELECT id, user_id, name, created_at FROM folders WHERE user_id = ? "
                        "ORDER BY name, id",
                        {std::string(user_id)}));
  std::vector<Folder> folders;
  for (const Row& row : rows)
    folders.push_back({row.text(0), row.text(1), row.text(2), row.integer(3)});
  return folders;
}

Result<bool> rename_folder(Transaction& transaction, std::string_view user_id, std::string_view id,
                           std::string_view name) {
  MARU_ASSIGN_OR_RETURN(
      const int64_t n,
      transaction.execute("UPDATE folders SET name = ? WHERE id = ? AND user_id = ?",
                          {std::string(name), std::string(id), std::string(user_id)}));
  return n == 1;
}

Result<bool> remove_folder(Transaction& transaction, std::string_view user_id,
                           std::string_view id) {
  MARU_ASSIGN_OR_RETURN(const int64_t n,
                        transaction.execute("DELETE FROM folders WHERE id = ? AND user_id = ?",
                                            {std::string(id), std::string(user_id)}));
  return n == 1;
}

Status add_chat(Transaction& transaction, const Chat& chat) {
  MARU_ASSIGN_OR_RETURN(const bool may, has_folder(transaction, chat));
  if (!may)
    return Error{ErrorCode::kNotFound, "no such folder", "list the folders", "folder_id",
                 Reason{"gone", {{"what", "folder"}}}};
  MARU_RETURN_IF_ERROR(transaction.execute(
      "INSERT INTO chats (id, user_id, title, folder_id, settings, created_at, updated_at, "
      "pinned_at, archived_at, temporary, leaf_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      {chat.id, chat.user_id, chat.title, text_or_null(chat.folder_id), chat.settings,
       chat.created_at, chat.updated_at, integer_or_null(chat.pinned_at),
       integer_or_null(chat.archived_at), int64_t{chat.is_temporary}, text_or_null(chat.leaf_id)}));
  return write_tags(transaction, chat);
}

Result<std::optional<Chat>> find_chat(Transaction& transaction, std::string_view user_id,
                                      std::string_view id) {
  MARU_ASSIGN_OR_RETURN(const auto rows,
                        transaction.query(std::string(kSelect) + "WHERE id = ? AND user_id = ?",
                                          {std::string(id), std::string(user_id)}));
  if (rows.empty()) return std::optional<Chat>();
  MARU_ASSIGN_OR_RETURN(Chat chat, read_chat(transaction, rows[0]));
  return std::optional(std::move(chat));
}

Result<bool> update_chat(Transaction& transaction, const Chat& chat) {
  MARU_ASSIGN_OR_RETURN(const bool may, has_folder(transaction, chat));
  if (!may) return false;
  MARU_ASSIGN_OR_RETURN(
      const int64_t n,
      transaction.execute(
          "UPDATE chats SET title = ?, folder_id = ?, settings = ?, updated_at = "
          "?, pinned_at = ?, archived_at = ?, temporary = ?, leaf_id = ? "
          "WHERE id = ? AND user_id = ?",
          {chat.title, text_or_null(chat.folder_id), chat.settings, chat.updated_at,
           integer_or_null(chat.pinned_at), integer_or_null(chat.archived_at),
           int64_t{chat.is_temporary}, text_or_null(chat.leaf_id), chat.id, chat.user_id}));
  if (n != 1) return false;
  MARU_RETURN_IF_ERROR(write_tags(transaction, chat));
  return true;
}

Result<bool> remove_chat(Transaction& transaction, std::string_view user_id, std::string_view id) {
  MARU_RETURN_IF_ERROR(forget_words_of_chat(transaction, user_id, id));
  MARU_ASSIGN_OR_RETURN(const int64_t n,
                        transaction.execute("DELETE FROM chats WHERE id = ? AND user_id = ?",
                                            {std::string(id), std::string(user_id)}));
  return n == 1;
}

Result<std::vector<Chat>> list_chats(Transaction& transaction, std::string_view user_id,
                                     const ChatFilter& filter) {
  std::string sql = std::string(kSelect) + "WHERE user_id = ? AND temporary = 0 AND archived_at " +
                    (filter.archived ? "IS NOT NULL" : "IS NULL");
  std::vector<Value> parameters{std::string(user_id)};
  if (!filter.folder_id.empty()) {
    sql += " AND folder_id = ?";
    parameters.emplace_back(filter.folder_id);
  }
  if (!filter.tag.empty()) {
    sql += " AND id IN (SELECT chat_id FROM chat_tags WHERE tag = ?)";
    parameters.emplace_back(filter.tag);
  }
  if (filter.after) {
    sql += " AND (updated_at, id) < (?, ?)";
    parameters.emplace_back(filter.after->at);
    parameters.emplace_back(filter.after->id);
  }
  sql += " ORDER BY updated_at DESC, id DESC LIMIT ?";
  parameters.emplace_back(static_cast<int64_t>(filter.limit));
  MARU_ASSIGN_OR_RETURN(const auto rows,
                        transaction.query(sql, std::span<const Value>(parameters)));
  std::vector<Chat> chats;
  for (const Row& row : rows) {
    MARU_ASSIGN_OR_RETURN(Chat chat, read_chat(transaction, row));
    chats.push_back(std::move(chat));
  }
  return chats;
}

Result<std::vector<TagCount>> list_tags(Transaction& transaction, std::string_view user_id) {
  MARU_ASSIGN_OR_RETURN(
      const auto rows,
      transaction.query("SELECT t.tag, count(*) FROM chat_tags t JOIN chats c ON c.id = t.chat_id "
                        "WHERE c.user_id = ? AND c.temporary = 0 GROUP BY t.tag ORDER BY t.tag",
                        {std::string(user_id)}));
  std::vector<TagCount> tags;
  for (const Row& row : rows) tags.push_back({row.text(0), row.integer(1)});
  return tags;
}

}  // namespace maru::store
