#include "service/server_settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "base/json.h"
#include "base/testing/test_folder.h"
#include "service/accounts.h"
#include "store/testing/fresh_store.h"

namespace maru::service {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kAdmin = "user_kim";

class ServerSettingsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = open_database(store_.location());
    ASSERT_TRUE(opened) << opened.error().to_string();
    log_ = std::make_shared<AuditLog>(*opened);
    start();
  }
  Config config(std::vector<std::pair<std::string, std::string>> flags = {},
                const std::string& file = "") {
    ConfigSources sources;
    sources.file = folder_.write("maru.toml", file);
    sources.flags = std::move(flags);
    sources.environment = [this](const std::string& name) -> std::optional<std::string> {
      if (!environment_.contains(name)) return std::nullopt;
      return environment_.at(name);
    };
    auto loaded = Config::load(sources);
    EXPECT_TRUE(loaded) << loaded.error().to_string();
    return *std::move(loaded);
  }
  void start(std::vector<std::pair<std::string, std::string>> flags = {},
             const std::string& file = "") {
    settings_ = std::make_unique<ServerSettings>(log_, config(std::move(flags), file),
                                                 [this](const std::string&) { return models_; });
    ASSERT_TRUE(settings_->load());
  }
  // As a newer Maru, or a hand, may have left it.
  void write_row(const std::string& name, const std::string& value) {
    ASSERT_TRUE(log_->database()->write([&](store::Transaction& transaction) {
      return store::set_setting(transaction, {name, value, 1, "local"});
    }));
  }
  void change(const SettingChanges& changes) {
    const Status status = settings_->change(kAdmin, changes);
    EXPECT_TRUE(status) << status.error().to_string();
  }
  Error refused(const SettingChanges& changes) {
    const Status status = settings_->change(kAdmin, changes);
    EXPECT_FALSE(status);
    return status ? Error{} : status.error();
  }
  SettingView view(const std::string& name) {
    const auto all = settings_->list();
    EXPECT_TRUE(all);
    for (const SettingView& row : all->settings) {
      if (row.key->name == name) return row;
    }
    ADD_FAILURE() << "no " << name;
    return {};
  }
  std::vector<std::string> ignored() {
    const auto all = settings_->list();
    std::vector<std::string> names;
    for (const IgnoredSetting& one : all->ignored) names.push_back(one.name);
    return names;
  }
  static SettingValue number(int64_t n) { return n; }
  static SettingValue text(const std::string& words) { return words; }

  store::testing::FreshDatabase store_;
  TestFolder folder_;
  std::map<std::string, std::string> environment_;
  std::vector<std::string> models_{"big", "small"};
  std::shared_ptr<AuditLog> log_;
  std::unique_ptr<ServerSettings> settings_;
};

TEST_F(ServerSettingsTest, AChangeWaitsForTheNextStartAndHoldsThen) {
  change({{"max_running", number(4)}, {"model", text("small")}});
  SettingView row = view("max_running");
  EXPECT_EQ(row.value, number(16));
  EXPECT_EQ(row.default_value, number(16));
  EXPECT_EQ(row.origin, "default");
  EXPECT_EQ(row.next, number(4));
  EXPECT_EQ(row.stored, number(4));
  EXPECT_EQ(settings_->in_force().settings().max_running, 16U);
  start();
  row = view("max_running");
  EXPECT_EQ(row.value, number(4));
  EXPECT_EQ(row.origin, "database");
  EXPECT_EQ(row.next, std::nullopt);
  EXPECT_EQ(settings_->in_force().settings().max_running, 4U);
  EXPECT_EQ(settings_->in_force().settings().model, "small");
  change({{"max_running", std::nullopt}});
  row = view("max_running");
  EXPECT_EQ(row.value, number(4));
  EXPECT_EQ(row.next, number(16));
  start();
  EXPECT_EQ(view("max_running").origin, "default");
  EXPECT_EQ(view("model").origin, "database");
}

TEST_F(ServerSettingsTest, SomeAreTakenAtOnce) {
  Settings taken;
  settings_->on_change([&](const Settings& now) { taken = now; });
  change({{"currency", text("krw")}, {"idle_minutes", number(5)}, {"max_waiting", number(9)}});
  EXPECT_EQ(taken.currency, "krw");
  EXPECT_EQ(taken.idle_minutes, 5U);
  EXPECT_EQ(taken.max_waiting, 64U);  // at the next start
  EXPECT_EQ(view("currency").value, text("krw"));
  EXPECT_EQ(view("currency").origin, "database");
  EXPECT_EQ(view("currency").next, std::nullopt);
  change({{"currency", std::nullopt}});
  EXPECT_EQ(taken.currency, "usd");
  EXPECT_EQ(taken.idle_minutes, 5U);
}

TEST_F(ServerSettingsTest, FlagsBeatEnvironmentBeatsFileBeatsDatabaseBeatsDefaults) {
  for (const auto* name : {"max_running", "max_waiting", "idle_minutes", "context"}) {
    write_row(name, "7");
  }
  environment_ = {{"MARU_MAX_WAITING", "8"}, {"MARU_MAX_RUNNING", "8"}};
  start({{"max_running", "9"}}, "max_waiting = 6\nidle_minutes = 6\n");
  const Settings now = settings_->in_force().settings();
  EXPECT_EQ(now.max_running, 9U);
  EXPECT_EQ(now.max_waiting, 8U);
  EXPECT_EQ(now.idle_minutes, 6U);
  EXPECT_EQ(now.context, 7U);
  EXPECT_EQ(now.port, 8080U);
  EXPECT_THAT(view("idle_minutes").origin, HasSubstr("maru.toml:2"));
  EXPECT_TRUE(view("context").is_editable);
  for (const auto& [name, origin] :
       std::map<std::string, std::string>{{"max_running", "flag --max-running"},
                                          {"max_waiting", "environment MARU_MAX_WAITING"},
                                          {"idle_minutes", "maru.toml:2"}}) {
    EXPECT_FALSE(view(name).is_editable);
    const Error error = refused({{name, number(3)}});
    EXPECT_EQ(error.code, ErrorCode::kConflict);
    EXPECT_EQ(error.param, name);
    EXPECT_THAT(error.message, HasSubstr(origin));
    EXPECT_EQ(view(name).next, std::nullopt);
  }
  change({{"max_running", std::nullopt}});  // to clear up is not to decide
  EXPECT_EQ(view("max_running").stored, std::nullopt);
}

TEST_F(ServerSettingsTest, ChangesAreAllOrNothingAndErrorsNameTheKey) {
  const std::pair<const char*, SettingValue> cases[] = {
      {"max_running", number(0)},
      {"max_running", number(1025)},
      {"max_running", text("4")},
      {"max_running", {}},
      {"threads", number(int64_t{std::thread::hardware_concurrency()} + 1)},
      {"kv_type", text("q4")},
      {"kv_type", true},
      {"currency", text("")},
      {"currency", text("a\nb")},
      {"currency", text(std::string(300, 'a'))},
      {"model", text("absent")},
      {"model", text("")},
      {"draft_model", text("/etc/passwd")},
      {"embedding_model", text("../small")},
      {"port", number(80)},
      {"host", text("0.0.0.0")},
      {"keys", std::vector<std::string>{"k"}},
      {"database_url", text("postgresql://h/d")},
      {"egress_hosts", std::vector<std::string>{"*"}},
      {"allowed_hosts", std::vector<std::string>{"h"}},
      {"allowed_origins", std::vector<std::string>{"https://h"}},
      {"trusted_keys", std::vector<std::string>{"k"}},
      {"default_chat_template", text("plain")},
      {"lang", text("ko")},
      {"no_such", number(1)},
  };
  for (const auto& [name, value] : cases) {
    const Error error = refused({{name, value}, {"max_waiting", number(5)}});
    EXPECT_EQ(error.code, ErrorCode::kInvalidArgument) << name << ": " << error.message;
    EXPECT_EQ(error.param, name) << error.message;
    EXPECT_EQ(view("max_waiting").stored, std::nullopt) << name;
  }
  EXPECT_EQ(refused({{"no_such", std::nullopt}}).param, "no_such");
  EXPECT_TRUE(log_->list_before(0, 10)->empty());
}

TEST_F(ServerSettingsTest, WhatIsNotValidAnyMoreIsIgnoredAndCanBeRemoved) {
  write_row("of_a_newer_maru", "true");
  write_row("max_running", "100000");
  write_row("context", "no json");
  write_row("kv_type", "7");
  write_row("model", "\"gone\"");
  write_row("port", "1");
  write_row("idle_minutes", "18446744073709551616");
  write_row("max_waiting", "12");
  start();
  const Settings now = settings_->in_force().settings();
  EXPECT_EQ(now.max_running, 16U);
  EXPECT_EQ(now.context, 0U);
  EXPECT_EQ(now.model, "");
  EXPECT_EQ(now.port, 8080U);
  EXPECT_EQ(now.max_waiting, 12U);
  EXPECT_THAT(ignored(), ElementsAre("context", "idle_minutes", "kv_type", "max_running", "model",
                                     "of_a_newer_maru", "port"));
  EXPECT_EQ(view("max_running").next, std::nullopt);
  EXPECT_EQ(view("context").stored, text("no json"));
  change({{"of_a_newer_maru", std::nullopt},
          {"context", std::nullopt},
          {"port", std::nullopt},
          {"max_running", number(3)}});
  EXPECT_THAT(ignored(), ElementsAre("idle_minutes", "kv_type", "model"));
  models_.push_back("gone");  // there again
  EXPECT_THAT(ignored(), ElementsAre("idle_minutes", "kv_type"));
}

TEST_F(ServerSettingsTest, WhatTheServerDidNotStartWithIsPutAside) {
  EXPECT_FALSE(settings_->put_engine_aside({ErrorCode::kTooLarge, "too large"}));
  change({{"context", number(1 << 20)}, {"prefix_sharing", text("organisation")}});
  start();
  EXPECT_TRUE(settings_->put_engine_aside({ErrorCode::kTooLarge, "too large"}));
  EXPECT_EQ(settings_->in_force().settings().context, 0U);
  EXPECT_EQ(settings_->in_force().settings().prefix_sharing, "organisation");
  EXPECT_THAT(ignored(), ElementsAre("context"));
  EXPECT_THAT(settings_->list()->ignored.front().reason, HasSubstr("too large"));
  EXPECT_EQ(view("context").next, number(1 << 20));
  change({{"context", std::nullopt}});
  EXPECT_THAT(ignored(), ElementsAre());
}

TEST_F(ServerSettingsTest, EveryChangeIsRecordedWithOldAndNewValues) {
  change({{"currency", text("eur")}, {"max_running", number(4)}});
  change({{"currency", text("krw")}, {"max_running", number(4)}});
  change({{"currency", text("krw")}});  // as it was
  const auto rows = log_->list_before(0, 10);
  ASSERT_TRUE(rows);
  ASSERT_EQ(rows->size(), 2U);
  EXPECT_EQ((*rows)[0].entry.actor, kAdmin);
  EXPECT_EQ((*rows)[0].entry.action, "setting.change");
  EXPECT_EQ((*rows)[0].entry.subject, "currency");
  EXPECT_EQ((*rows)[0].entry.detail, R"({"currency":{"old":"eur","new":"krw"}})");
  EXPECT_EQ((*rows)[1].entry.detail,
            R"({"currency":{"old":null,"new":"eur"},"max_running":{"old":null,"new":4}})");
}

TEST_F(ServerSettingsTest, SecretsAreMasked) {
  start({}, "keys = [\"sk-0123456789abcdef\"]\ndatabase_url = \"postgresql://u:p@h/d\"\n");
  EXPECT_EQ(view("keys").value, SettingValue(std::vector<std::string>{"sk-..."}));
  EXPECT_EQ(view("database_url").value, text("pos..."));
  write_row("database_url", "\"postgresql://u:p@h/d\"");
  EXPECT_EQ(view("database_url").stored, std::nullopt);
}

TEST_F(ServerSettingsTest, WhatThePageMayChangeIsWhatDoesNotOpenTheHouse) {
  std::vector<std::string> names;
  for (const SettingKey& key : setting_keys()) {
    if (key.on_page != OnPage::kShown) names.push_back(key.name);
    EXPECT_FALSE(key.is_secret && key.on_page != OnPage::kShown) << key.name;
  }
  EXPECT_THAT(names,
              ElementsAre("model", "threads", "context", "kv_type", "precision", "kv_memory_mib",
                          "packed_cache", "prefix_cache_disk_mib", "max_running", "speculation",
                          "draft_model", "embedding_model", "rerank_model", "idle_minutes",
                          "max_waiting", "prefix_sharing", "currency", "log_level"));
}

}  // namespace
}  // namespace maru::service
