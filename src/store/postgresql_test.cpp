// What PostgreSQL needs beyond the common promises (database_test.cpp). Tests that need a server
// run when MARU_DATABASE_URL names one (tests/integration/test_postgresql.py starts it).
#include "store/postgresql.h"

#include <gtest/gtest.h>

#include <thread>

#include "store/parameters.h"
#include "store/postgresql_error.h"
#include "store/postgresql_target.h"
#include "store/testing/fresh_store.h"
#include "store/testing/sample_migrations.h"

namespace maru::store {
namespace {

TEST(NumberPlaceholders, OnlyThoseThatArePlaceholders) {
  const auto numbered = [](std::string_view sql) { return number_placeholders(sql).text; };
  EXPECT_EQ(numbered("a = ? AND b IN (?, ?)"), "a = $1 AND b IN ($2, $3)");
  EXPECT_EQ(numbered("'?' ? 'it''s ?' ?"), "'?' $1 'it''s ?' $2");
  EXPECT_EQ(numbered("'\\' ? E'\\'?' ? e'a''\\'?' ?"), "'\\' $1 E'\\'?' $2 e'a''\\'?' $3");
  EXPECT_EQ(numbered("SELECT \"a?\"\"?\" ?"), "SELECT \"a?\"\"?\" $1");
  EXPECT_EQ(numbered("? -- ?\n? /* ? /* ? */ ? */ ?"), "$1 -- ?\n$2 /* ? /* ? */ ? */ $3");
  EXPECT_EQ(numbered("$$ ? $$ ? $x$ ? $$ ? $x$ ?"), "$$ ? $$ $1 $x$ ? $$ ? $x$ $2");
  EXPECT_EQ(numbered("a$b$ ? c$b$ ?"), "a$b$ $1 c$b$ $2");
  EXPECT_EQ(numbered("'not closed ?"), "'not closed ?");
  EXPECT_EQ(numbered("/* not closed ?"), "/* not closed ?");
  EXPECT_EQ(numbered("$$ not closed ?"), "$$ not closed ?");
  EXPECT_EQ(number_placeholders("? '?' ?").n_parameters, 2u);
  EXPECT_EQ(numbered(""), "");
}

TEST(PostgresqlTarget, NamesThePlaceWithoutThePassword) {
  const auto target = parse_target("postgresql://ann:s3cret%40x@db.example:5433/books");
  ASSERT_TRUE(target);
  EXPECT_EQ(target->where, "PostgreSQL at 'db.example:5433/books'");
  EXPECT_EQ(target->clean("wrong: \"s3cret@x\"\nfor ann\n"), "wrong: \"***\" for ann");
  const auto own = parse_target("postgresql:///books?host=/run/pg&connect_timeout=9");
  ASSERT_TRUE(own);
  EXPECT_EQ(own->where, "PostgreSQL at '/run/pg/books'");
}

TEST(PostgresqlTarget, AUrlThatIsNotUnderstoodIsNotRepeated) {
  for (const char* url :
       {"postgresql://ann:s3cret@x@host/books", "postgresql://ann:s3cret/x@host/books",
        "postgresql://ann:1234/x@host/books", "postgresql://ann:s3cret%zz@host/books",
        "postgresql://host/books?s3cret", "postgresql://host/books?passwd=s3cret",
        "postgresql://host:s3cret/books"}) {
    const auto target = parse_target(url);
    ASSERT_FALSE(target) << url;
    EXPECT_EQ(target.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(target.error().to_string().find("s3cret"), std::string::npos) << url;
    EXPECT_EQ(target.error().to_string().find("1234"), std::string::npos) << url;
  }
}

TEST(PostgresqlError, KeysAreReadInAnyLanguage) {
  EXPECT_EQ(key_columns("parts", "Key (thing, place)=(1, 0) already exists."),
            "parts.thing, parts.place");
  EXPECT_EQ(key_columns("users", "(name)=(가)=(나) 키가 이미 있습니다."), "users.name");
  EXPECT_EQ(key_columns("users", ""), "users");
}

TEST(PostgresqlServer, ThatIsNotThereIsAnErrorWithAHint) {
  const auto database = open_postgresql("postgresql://ann:s3cret@127.0.0.1:1/books");
  ASSERT_FALSE(database);
  EXPECT_EQ(database.error().code, ErrorCode::kUnavailable);
  EXPECT_NE(database.error().message.find("'127.0.0.1:1/books'"), std::string::npos)
      << database.error().message;
  EXPECT_FALSE(database.error().hint.empty());
  EXPECT_EQ(database.error().to_string().find("s3cret"), std::string::npos);
}

// Each of these has a server; one value, or none if there is no server.
class PostgresqlTest : public ::testing::TestWithParam<std::string> {
 protected:
  std::unique_ptr<Database> open(std::span<const Migration* const> migrations) {
    auto opened = store_.open(migrations);
    EXPECT_TRUE(opened) << opened.error().to_string();
    return std::move(opened).value();
  }
  static Status run(Database& database, const std::string& sql,
                    std::initializer_list<Value> parameters = {}) {
    return database.write([&](Transaction& t) -> Status {
      MARU_RETURN_IF_ERROR(t.execute(sql, parameters));
      return {};
    });
  }
  // The first value of an answer, as text.
  static std::string ask(const Database& database, const std::string& sql) {
    std::string value;
    const Status status = database.read([&](Transaction& t) -> Status {
      MARU_ASSIGN_OR_RETURN(const auto rows, t.query(sql));
      value = rows.at(0).text(0);
      return {};
    });
    EXPECT_TRUE(status) << status.error().to_string();
    return value;
  }

  testing::FreshPostgresql store_{GetParam()};
};

std::vector<std::string> servers() {
  if (testing::test_database_url().empty()) return {};
  return {testing::test_database_url()};
}
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(PostgresqlTest);
INSTANTIATE_TEST_SUITE_P(Server, PostgresqlTest, ::testing::ValuesIn(servers()));

TEST_P(PostgresqlTest, CommitsAreSynchronous) {
  const auto database = open(testing::kSampleMigrations);
  EXPECT_EQ(ask(*database, "SELECT current_setting('synchronous_commit')"), "on");
  const std::string url = store_.location() + "%20-csynchronous_commit%3Doff";
  const auto lax = open_postgresql(url, {.migrations = testing::kSampleMigrations});
  ASSERT_TRUE(lax) << lax.error().to_string();
  EXPECT_EQ(ask(**lax, "SELECT current_setting('synchronous_commit')"), "on");
}

TEST_P(PostgresqlTest, ServersThatStartAtOnceMigrateOnce) {
  constexpr int kServers = 6;
  std::vector<std::thread> threads;
  std::atomic<int> n_open{0};
  for (int i = 0; i < kServers; ++i) {
    threads.emplace_back([&] {
      const auto opened = store_.open(all_migrations());
      EXPECT_TRUE(opened) << opened.error().to_string();
      if (opened) ++n_open;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(n_open, kServers);
  EXPECT_EQ(ask(*open(all_migrations()), "SELECT CAST(count(*) AS TEXT) FROM schema_version"),
            std::to_string(all_migrations().size()));
}

TEST_P(PostgresqlTest, TablesOfAnotherProgramAreLeftAlone) {
  {
    const auto database = open({});
    ASSERT_TRUE(run(*database, "CREATE TABLE theirs (id BIGINT)"));
  }
  const auto opened = store_.open(all_migrations());
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(opened.error().message.find("another program"), std::string::npos);
}

TEST_P(PostgresqlTest, AMigrationThatFailsLeavesNothing) {
  static constexpr const char* kUp[] = {"CREATE TABLE half (id {integer})", "SELEKT 1"};
  static constexpr const char* kDown[] = {"DROP TABLE half"};
  static constexpr Migration kBroken{2, "broken", kUp, kDown};
  const Migration* const with_broken[] = {testing::kSampleMigrations[0], &kBroken};
  const auto opened = store_.open(with_broken);
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().message.find("migration 2 (broken)"), std::string::npos)
      << opened.error().message;
  const auto database = open(testing::kFirstOnly);
  EXPECT_EQ(ask(*database, "SELECT COALESCE(CAST(to_regclass('half') AS TEXT), 'none')"), "none");
}

// As when the server restarts: the connections that were made are closed.
TEST_P(PostgresqlTest, ConnectionsThatWereCutAreMadeAnew) {
  const auto database = open(testing::kSampleMigrations);
  const auto other = open(testing::kSampleMigrations);
  const std::string schema = store_.schema();
  const auto cut = [&] {
    // Those of this schema only, and not one's own.
    return run(*other,
               "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
               "WHERE application_name = 'maru_cut' AND pid <> pg_backend_pid()");
  };
  const auto named = open_postgresql(store_.location() + "&application_name=maru_cut",
                                     {.migrations = testing::kSampleMigrations});
  ASSERT_TRUE(named) << named.error().to_string();
  for (int64_t i = 1; i <= 3; ++i) {
    const Status written = run(**named, "INSERT INTO things (id, n) VALUES (?, 1)", {i});
    ASSERT_TRUE(written) << written.error().to_string();
    EXPECT_EQ(ask(**named, "SELECT CAST(count(*) AS TEXT) FROM things"), std::to_string(i));
    ASSERT_TRUE(cut());
  }
  // In the middle of one: it fails, whole, and the next one works.
  const Status broken = (*named)->write([&](Transaction& t) -> Status {
    MARU_RETURN_IF_ERROR(t.execute("INSERT INTO things (id) VALUES (9)"));
    const Status reached = other->read([&](Transaction& o) -> Status {
      MARU_RETURN_IF_ERROR(
          o.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                  "WHERE application_name = 'maru_cut'"));
      return {};
    });
    EXPECT_TRUE(reached) << reached.error().to_string();
    MARU_RETURN_IF_ERROR(t.execute("INSERT INTO things (id) VALUES (10)"));
    return {};
  });
  ASSERT_FALSE(broken);
  EXPECT_EQ(broken.error().code, ErrorCode::kUnavailable) << broken.error().message;
  EXPECT_FALSE(broken.error().hint.empty());
  EXPECT_EQ(ask(**named, "SELECT CAST(count(*) AS TEXT) FROM things"), "3");
  EXPECT_TRUE(run(**named, "INSERT INTO things (id) VALUES (9)"));
}

TEST_P(PostgresqlTest, AWriteThatWasOutrunIsDoneAgain) {
  const auto database = open(testing::kSampleMigrations);
  int n_tries = 0;
  const Status status = database->write([&](Transaction& t) -> Status {
    ++n_tries;
    MARU_RETURN_IF_ERROR(t.execute("INSERT INTO things (id) VALUES (1)"));
    if (n_tries < 3) {
      MARU_RETURN_IF_ERROR(
          t.execute("DO $$ BEGIN RAISE EXCEPTION 'deadlock' USING ERRCODE = '40P01'; END $$"));
    }
    return {};
  });
  EXPECT_TRUE(status) << status.error().to_string();
  EXPECT_EQ(n_tries, 3);
  EXPECT_EQ(ask(*database, "SELECT CAST(count(*) AS TEXT) FROM things"), "1");
}

// RAISE stands for the server: the codes are what counts.
TEST_P(PostgresqlTest, StatesBecomeErrors) {
  const auto database = open(testing::kSampleMigrations);
  const std::pair<const char*, ErrorCode> cases[] = {
      {"53100", ErrorCode::kUnavailable}, {"53200", ErrorCode::kUnavailable},
      {"55P03", ErrorCode::kUnavailable}, {"57014", ErrorCode::kUnavailable},
      {"40001", ErrorCode::kUnavailable}, {"58030", ErrorCode::kUnavailable},
      {"42501", ErrorCode::kUnavailable}, {"54000", ErrorCode::kTooLarge},
      {"XX001", ErrorCode::kCorrupt},     {"22003", ErrorCode::kInternal},
      {"23514", ErrorCode::kInternal},    {"P0001", ErrorCode::kConflict},
  };
  for (const auto& [state, code] : cases) {
    const Status status = run(*database, std::string("DO $$ BEGIN RAISE EXCEPTION 'words' USING "
                                                     "ERRCODE = '") +
                                             state + "'; END $$");
    ASSERT_FALSE(status) << state;
    EXPECT_EQ(status.error().code, code) << state << ": " << status.error().message;
  }
  EXPECT_TRUE(run(*database, "INSERT INTO things (id) VALUES (1)"));
}

TEST_P(PostgresqlTest, DataIsNotRepeatedInErrors) {
  const auto database = open(testing::kSampleMigrations);
  for (const char* sql :
       {"INSERT INTO things (id, n) VALUES (1, CAST(? AS BIGINT))",
        "INSERT INTO things (id, n) VALUES (1, CAST(CAST(? AS TSQUERY) AS TEXT))"}) {
    const Status status = run(*database, sql, {"s3cret 'x"});
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().to_string().find("s3cret"), std::string::npos)
        << status.error().to_string();
  }
}

TEST_P(PostgresqlTest, CopiesAreMadeByPgDump) {
  const auto database = open(testing::kSampleMigrations);
  const Status status = database->backup("/nowhere/copy");
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().hint.find("pg_dump"), std::string::npos);
  EXPECT_TRUE(database->verify());
}

TEST_P(PostgresqlTest, AConstraintThatWasNotCheckedIsFound) {
  const auto database = open(testing::kSampleMigrations);
  ASSERT_TRUE(run(*database, "INSERT INTO things (id, n) VALUES (1, -1)"));
  ASSERT_TRUE(run(*database, "ALTER TABLE things ADD CONSTRAINT sound CHECK (n > 0) NOT VALID"));
  const Status status = database->verify();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kCorrupt);
  EXPECT_NE(status.error().message.find("'sound'"), std::string::npos);
}

}  // namespace
}  // namespace maru::store
