// Prompts that people keep for again, and how assistants look and begin.
#include "store/migrations.h"

namespace maru::store {
namespace {

constexpr const char* kUp[] = {
    R"(CREATE TABLE prompts (
  id TEXT PRIMARY KEY NOT NULL,
  user_id TEXT NOT NULL,
  name TEXT NOT NULL,
  content TEXT NOT NULL,
  created_at {integer} NOT NULL,
  updated_at {integer} NOT NULL
) {strict})",
    "CREATE INDEX prompts_by_user ON prompts(user_id, name, id)",
    "ALTER TABLE assistants ADD COLUMN picture TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE assistants ADD COLUMN starters TEXT NOT NULL DEFAULT '[]'",
    "CREATE INDEX feedback_votes ON feedback(kind) WHERE kind = 'vote'",
};

constexpr const char* kDown[] = {
    "DROP INDEX feedback_votes",
    "ALTER TABLE assistants DROP COLUMN starters",
    "ALTER TABLE assistants DROP COLUMN picture",
    "DROP TABLE prompts",
};

}  // namespace

extern const Migration migration_0005_prompts;
constinit const Migration migration_0005_prompts{5, "prompts", kUp, kDown};

}  // namespace maru::store
