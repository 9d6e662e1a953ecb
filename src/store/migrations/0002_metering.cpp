// What was used, what it costs, what is allowed.
#include "store/migrations.h"

namespace maru::store {
namespace {

// Names of people, keys and projects are no foreign keys: a row outlives those whose it was.
constexpr const char* kUp[] = {
    "CREATE TABLE usage ("
    "id TEXT PRIMARY KEY, request_id TEXT NOT NULL, "
    "user_id TEXT NOT NULL, key_id TEXT NOT NULL, project_id TEXT NOT NULL, model TEXT NOT NULL, "
    "opened_at {integer} NOT NULL, updated_at {integer} NOT NULL, closed_at {integer}, "
    "outcome TEXT CHECK (outcome IN ('stop', 'length', 'cancelled', 'client_left', 'limit', "
    "'failed', 'interrupted')), "
    "tokens_in {integer} NOT NULL, tokens_cached {integer} NOT NULL, "
    "tokens_out {integer} NOT NULL, tokens_reasoning {integer} NOT NULL, "
    "first_token_ms {integer}, total_ms {integer}, "
    "price_in {integer} NOT NULL, price_cached {integer} NOT NULL, price_out {integer} NOT NULL, "
    "cost_micros {integer} NOT NULL) {strict}",
    "CREATE INDEX usage_by_time ON usage (opened_at)",
    "CREATE INDEX usage_by_user ON usage (user_id, opened_at)",
    "CREATE INDEX usage_open ON usage (id) WHERE closed_at IS NULL",
    "CREATE TABLE prices ("
    "id TEXT PRIMARY KEY, model TEXT NOT NULL, in_micros {integer} NOT NULL, "
    "cached_micros {integer} NOT NULL, out_micros {integer} NOT NULL, "
    "valid_from {integer} NOT NULL, source TEXT NOT NULL CHECK (source IN ('manual', 'formula')), "
    "UNIQUE (model, valid_from)) {strict}",
    "CREATE TABLE limits ("
    "subject_kind TEXT NOT NULL CHECK (subject_kind IN ('user', 'group', 'project', 'key')), "
    "subject_id TEXT NOT NULL, name TEXT NOT NULL, value {integer} NOT NULL, "
    "PRIMARY KEY (subject_kind, subject_id, name)) {strict}",
};

constexpr const char* kDown[] = {
    "DROP TABLE limits",
    "DROP TABLE prices",
    "DROP TABLE usage",
};

}  // namespace

extern const Migration migration_0002_metering;
const Migration migration_0002_metering{2, "metering", kUp, kDown};

}  // namespace maru::store
