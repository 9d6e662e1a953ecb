// Three small migrations: every type, a unique column and a foreign key; a rebuilt table; rows that
// the third one changes.
#pragma once

#include "store/migrations.h"

namespace maru::store::testing {

inline constexpr const char* kThingsUp[] = {
    "CREATE TABLE things (id {integer} PRIMARY KEY, n {integer}, r {real}, t TEXT UNIQUE, b "
    "{blob}) "
    "{strict}",
    "CREATE TABLE parts (thing {integer} NOT NULL REFERENCES things(id) ON DELETE CASCADE, "
    "place {integer} NOT NULL CHECK (place >= 0), PRIMARY KEY (thing, place)) {strict}",
    "CREATE TABLE notes (seq {autoincrement}, body TEXT NOT NULL) {strict}",
};
inline constexpr const char* kThingsDown[] = {"DROP TABLE notes", "DROP TABLE parts",
                                              "DROP TABLE things"};
inline constexpr Migration kThings{1, "things", kThingsUp, kThingsDown};

// The parent of a foreign key, rebuilt the way SQLite wants it; its parts must stay.
inline constexpr const char* kColourUp[] = {
    "{sqlite}CREATE TABLE things_new (id INTEGER PRIMARY KEY, n INTEGER, r REAL, t TEXT UNIQUE, "
    "b BLOB, colour TEXT NOT NULL DEFAULT 'red') STRICT",
    "{sqlite}INSERT INTO things_new (id, n, r, t, b) SELECT id, n, r, t, b FROM things",
    "{sqlite}DROP TABLE things",
    "{sqlite}ALTER TABLE things_new RENAME TO things",
    "{postgresql}ALTER TABLE things ADD COLUMN colour TEXT NOT NULL DEFAULT 'red'",
};
inline constexpr const char* kColourDown[] = {"ALTER TABLE things DROP COLUMN colour"};
inline constexpr Migration kColour{2, "colour", kColourUp, kColourDown};

inline constexpr const char* kDoubleUp[] = {"UPDATE things SET n = n * 2"};
inline constexpr const char* kDoubleDown[] = {"UPDATE things SET n = n / 2"};
inline constexpr Migration kDouble{3, "double", kDoubleUp, kDoubleDown};

inline constexpr const Migration* kSampleMigrations[] = {&kThings, &kColour, &kDouble};
inline constexpr std::span<const Migration* const> kFirstOnly{kSampleMigrations, 1};

}  // namespace maru::store::testing
