// The record of acts: rows are added, never changed.
#include "store/migrations.h"

namespace maru::store {
namespace {

constexpr const char* kUp[] = {
    "CREATE TABLE audit ("
    "seq {integer} PRIMARY KEY, at {integer} NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL, "
    "subject TEXT NOT NULL, detail TEXT NOT NULL, previous_hash TEXT NOT NULL, "
    "hash TEXT NOT NULL) {strict}",
    // One row: where the chain ends. Without it a cut of the last rows would leave a sound chain.
    "CREATE TABLE audit_head ("
    "id {integer} PRIMARY KEY CHECK (id = 1), seq {integer} NOT NULL, hash TEXT NOT NULL) {strict}",
    "{sqlite}CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit "
    "BEGIN SELECT RAISE(ABORT, 'audit rows are never changed'); END",
    "{sqlite}CREATE TRIGGER audit_is_not_removed BEFORE DELETE ON audit "
    "BEGIN SELECT RAISE(ABORT, 'audit rows are never removed'); END",
    "{postgresql}CREATE FUNCTION refuse_audit_change() RETURNS trigger AS $$ "
    "BEGIN RAISE EXCEPTION 'audit rows are never changed or removed'; END $$ LANGUAGE plpgsql",
    "{postgresql}CREATE TRIGGER audit_is_not_changed BEFORE UPDATE OR DELETE ON audit "
    "FOR EACH ROW EXECUTE FUNCTION refuse_audit_change()",
};

constexpr const char* kDown[] = {
    "DROP TABLE audit",
    "{postgresql}DROP FUNCTION refuse_audit_change()",
    "DROP TABLE audit_head",
};

}  // namespace

extern const Migration migration_0003_audit;
const Migration migration_0003_audit{3, "audit", kUp, kDown};

}  // namespace maru::store
