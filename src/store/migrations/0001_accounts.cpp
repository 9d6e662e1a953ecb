// People, their groups and projects, and what they prove themselves with. Secrets are kept as
// hashes only. Times are Unix milliseconds.
#include "store/migrations.h"

namespace maru::store {
namespace {

constexpr const char* kUp[] = {
    R"(CREATE TABLE users (
  id TEXT PRIMARY KEY NOT NULL,
  name TEXT NOT NULL UNIQUE,
  display_name TEXT NOT NULL,
  role TEXT NOT NULL CHECK (role IN ('member', 'auditor', 'admin')),
  password_hash TEXT,
  language TEXT NOT NULL,
  created_at {integer} NOT NULL,
  disabled_at {integer}
) {strict})",
    R"(CREATE TABLE groups (
  id TEXT PRIMARY KEY NOT NULL,
  name TEXT NOT NULL UNIQUE,
  created_at {integer} NOT NULL
) {strict})",
    R"(CREATE TABLE group_members (
  group_id TEXT NOT NULL REFERENCES groups(id) ON DELETE CASCADE,
  user_id TEXT NOT NULL REFERENCES users(id) ON DELETE CASCADE,
  PRIMARY KEY (group_id, user_id)
) {strict})", "CREATE INDEX group_members_by_user ON group_members(user_id)",
    R"(CREATE TABLE group_rules (
  group_id TEXT NOT NULL REFERENCES groups(id) ON DELETE CASCADE,
  kind TEXT NOT NULL CHECK (kind IN ('model', 'feature', 'egress')),
  name TEXT NOT NULL,
  PRIMARY KEY (group_id, kind, name)
) {strict})",
    R"(CREATE TABLE projects (
  id TEXT PRIMARY KEY NOT NULL,
  name TEXT NOT NULL UNIQUE,
  owner_group_id TEXT REFERENCES groups(id) ON DELETE SET NULL,
  created_at {integer} NOT NULL,
  archived_at {integer}
) {strict})",
    R"(CREATE TABLE api_keys (
  id TEXT PRIMARY KEY NOT NULL,
  user_id TEXT NOT NULL REFERENCES users(id) ON DELETE CASCADE,
  project_id TEXT REFERENCES projects(id),
  name TEXT NOT NULL,
  prefix TEXT NOT NULL,
  hash TEXT NOT NULL UNIQUE,
  scopes TEXT NOT NULL,
  created_at {integer} NOT NULL,
  expires_at {integer},
  last_used_at {integer},
  revoked_at {integer}
) {strict})",      "CREATE INDEX api_keys_by_user ON api_keys(user_id)",
    R"(CREATE TABLE sessions (
  id TEXT PRIMARY KEY NOT NULL,
  user_id TEXT NOT NULL REFERENCES users(id) ON DELETE CASCADE,
  token_hash TEXT NOT NULL UNIQUE,
  created_at {integer} NOT NULL,
  last_seen_at {integer} NOT NULL,
  expires_at {integer} NOT NULL,
  remote TEXT NOT NULL,
  user_agent TEXT NOT NULL
) {strict})",      "CREATE INDEX sessions_by_user ON sessions(user_id)",
    R"(CREATE TABLE login_links (
  token_hash TEXT PRIMARY KEY NOT NULL,
  user_id TEXT REFERENCES users(id) ON DELETE CASCADE,
  purpose TEXT NOT NULL,
  expires_at {integer} NOT NULL,
  used_at {integer}
) {strict})",
};

constexpr const char* kDown[] = {
    "DROP TABLE login_links", "DROP TABLE sessions",    "DROP TABLE api_keys",
    "DROP TABLE projects",    "DROP TABLE group_rules", "DROP TABLE group_members",
    "DROP TABLE groups",      "DROP TABLE users",
};

}  // namespace

extern const Migration migration_0001_accounts;
constinit const Migration migration_0001_accounts{1, "accounts", kUp, kDown};

}  // namespace maru::store
