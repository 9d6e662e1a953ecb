// What people write and are answered: chats as trees of messages, and what they keep beside them.
// `user_id` has no foreign key, because a server without accounts has chats too. Times are Unix
// milliseconds.
#include "store/migrations.h"

namespace maru::store {
namespace {

constexpr const char* kUp[] = {
    R"(CREATE TABLE folders (
  id TEXT PRIMARY KEY NOT NULL,
  user_id TEXT NOT NULL,
  name TEXT NOT NULL,
  created_at {integer} NOT NULL
) {strict})",
    "CREATE INDEX folders_by_user ON folders(user_id)",
    R"(CREATE TABLE chats (
  id TEXT PRIMARY KEY NOT NULL,
  user_id TEXT NOT NULL,
  title TEXT NOT NULL,
  folder_id TEXT REFERENCES folders(id) ON DELETE SET NULL,
  settings TEXT NOT NULL,
  created_at {integer} NOT NULL,
  updated_at {integer} NOT NULL,
  pinned_at {integer},
  archived_at {integer},
  temporary {integer} NOT NULL,
  leaf_id TEXT
) {strict})",
    "CREATE INDEX chats_by_user ON chats(user_id, updated_at, id)",
    R"(CREATE TABLE chat_tags (
  chat_id TEXT NOT NULL REFERENCES chats(id) ON DELETE CASCADE,
  tag TEXT NOT NULL,
  PRIMARY KEY (chat_id, tag)
) {strict})",
    R"(CREATE TABLE messages (
  seq {autoincrement},
  id TEXT NOT NULL UNIQUE,
  chat_id TEXT NOT NULL REFERENCES chats(id) ON DELETE CASCADE,
  parent_id TEXT REFERENCES messages(id),
  role TEXT NOT NULL CHECK (role IN ('system', 'user', 'assistant', 'tool')),
  content TEXT NOT NULL,
  extra TEXT NOT NULL,
  model TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('running', 'complete', 'stopped', 'failed')),
  created_at {integer} NOT NULL
) {strict})",
    "CREATE INDEX messages_by_chat ON messages(chat_id, seq)",
    "CREATE INDEX messages_by_parent ON messages(parent_id)",
    "CREATE INDEX messages_running ON messages(state) WHERE state = 'running'",
    R"(CREATE TABLE files (
  id TEXT PRIMARY KEY NOT NULL,
  user_id TEXT NOT NULL,
  name TEXT NOT NULL,
  media_type TEXT NOT NULL,
  size {integer} NOT NULL,
  sha256 TEXT NOT NULL,
  content {blob} NOT NULL,
  created_at {integer} NOT NULL
) {strict})",
    "CREATE INDEX files_by_user ON files(user_id, created_at, id)",
    R"(CREATE TABLE feedback (
  id TEXT PRIMARY KEY NOT NULL,
  user_id TEXT NOT NULL,
  message_id TEXT NOT NULL REFERENCES messages(id) ON DELETE CASCADE,
  kind TEXT NOT NULL CHECK (kind IN ('thumb', 'edit', 'regeneration', 'vote')),
  detail TEXT NOT NULL,
  context TEXT NOT NULL,
  created_at {integer} NOT NULL
) {strict})",
    "CREATE INDEX feedback_by_user ON feedback(user_id, created_at, id)",
    "CREATE INDEX feedback_by_message ON feedback(message_id)",
    R"(CREATE TABLE assistants (
  id TEXT PRIMARY KEY NOT NULL,
  user_id TEXT NOT NULL,
  group_id TEXT,
  name TEXT NOT NULL,
  instructions TEXT NOT NULL,
  settings TEXT NOT NULL,
  created_at {integer} NOT NULL,
  updated_at {integer} NOT NULL
) {strict})",
    "CREATE INDEX assistants_by_user ON assistants(user_id)",
    "CREATE INDEX assistants_by_group ON assistants(group_id)",
    R"(CREATE TABLE memories (
  id TEXT PRIMARY KEY NOT NULL,
  user_id TEXT NOT NULL,
  content TEXT NOT NULL,
  created_at {integer} NOT NULL,
  updated_at {integer} NOT NULL
) {strict})",
    "CREATE INDEX memories_by_user ON memories(user_id, created_at, id)",
    R"(CREATE TABLE shares (
  id TEXT PRIMARY KEY NOT NULL,
  user_id TEXT NOT NULL,
  message_id TEXT NOT NULL REFERENCES messages(id) ON DELETE CASCADE,
  token TEXT NOT NULL UNIQUE,
  created_at {integer} NOT NULL
) {strict})",
    "CREATE INDEX shares_by_user ON shares(user_id)",
    "CREATE INDEX shares_by_message ON shares(message_id)",
    R"(CREATE TABLE preferences (
  user_id TEXT PRIMARY KEY NOT NULL,
  content TEXT NOT NULL
) {strict})",
    // Full text. The rows' numbers are messages.seq, so that the newest come first without sorting;
    // the owner is a word of each, so that one person's search reads nothing of another's.
    "{sqlite}CREATE VIRTUAL TABLE message_words USING fts5(owner, words, "
    "tokenize = \"unicode61 remove_diacritics 0 categories 'L* N* M* Co'\")",
    "{postgresql}CREATE TABLE message_words (seq BIGINT PRIMARY KEY REFERENCES messages(seq) "
    "ON DELETE CASCADE, owner TEXT NOT NULL, words TSVECTOR NOT NULL)",
    "{postgresql}CREATE INDEX message_words_by_word ON message_words USING GIN (words)",
    "{postgresql}CREATE INDEX message_words_by_owner ON message_words(owner, seq)",
};

constexpr const char* kDown[] = {
    "DROP TABLE message_words", "DROP TABLE preferences", "DROP TABLE shares",
    "DROP TABLE memories",      "DROP TABLE assistants",  "DROP TABLE feedback",
    "DROP TABLE files",         "DROP TABLE messages",    "DROP TABLE chat_tags",
    "DROP TABLE chats",         "DROP TABLE folders",
};

}  // namespace

extern const Migration migration_0004_chats;
constinit const Migration migration_0004_chats{4, "chats", kUp, kDown};

}  // namespace maru::store
