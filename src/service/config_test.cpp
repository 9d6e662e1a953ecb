#include "service/config.h"

#include <gtest/gtest.h>

#include <map>

#include "base/testing/test_folder.h"

namespace maru::service {
namespace {

class ConfigTest : public testing::Test {
 protected:
  Result<Config> load(const std::string& text, std::map<std::string, std::string> variables = {},
                      std::vector<std::pair<std::string, std::string>> flags = {}) {
    ConfigSources sources;
    sources.file = folder_.write("maru.toml", text);
    sources.flags = std::move(flags);
    sources.environment = [variables](const std::string& name) -> std::optional<std::string> {
      const auto found = variables.find(name);
      if (found == variables.end()) return std::nullopt;
      return found->second;
    };
    return Config::load(sources);
  }

  static SettingRow row(const Config& config, const std::string& name) {
    for (const SettingRow& row : config.rows()) {
      if (row.name == name) return row;
    }
    ADD_FAILURE() << "no row " << name;
    return {};
  }

  TestFolder folder_;
};

TEST_F(ConfigTest, ReadsEveryTypeFromTheFile) {
  const auto config = load("model = \"m.gguf\"\nport = 9000\nkeys = [\"a\", \"b\"]\n");
  ASSERT_TRUE(config) << config.error().to_string();
  EXPECT_EQ(config->settings().model, "m.gguf");
  EXPECT_EQ(config->settings().port, 9000U);
  EXPECT_EQ(config->settings().keys, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(config->settings().host, "127.0.0.1");
  EXPECT_EQ(row(*config, "port").origin, "file " + config->file() + ":2");
  EXPECT_EQ(row(*config, "host").origin, "default");
}

TEST_F(ConfigTest, FlagsBeatEnvironmentBeatsFile) {
  const auto config = load("port = 1\nthreads = 1\ncontext = 1\n",
                           {{"MARU_PORT", "2"}, {"MARU_THREADS", "2"}}, {{"port", "3"}});
  ASSERT_TRUE(config) << config.error().to_string();
  EXPECT_EQ(config->settings().port, 3U);
  EXPECT_EQ(config->settings().threads, 2U);
  EXPECT_EQ(config->settings().context, 1U);
  EXPECT_EQ(row(*config, "port").origin, "flag --port");
  EXPECT_EQ(row(*config, "threads").origin, "environment MARU_THREADS");
}

TEST_F(ConfigTest, ReadsTablesOfModels) {
  const auto config = load(
      "port = 1\n[models.small]\nalias = \"gpt-4o-mini\"\npinned = true\nidle_minutes = 0\n"
      "[models.\"big-2.5\"]\nalias = [\"a\", \"b\"]\npath = \"/m/big.gguf\"\ncontext = 4096\n");
  ASSERT_TRUE(config) << config.error().to_string();
  const auto& models = config->settings().models;
  ASSERT_EQ(models.size(), 2U);
  EXPECT_EQ(models[0].name, "small");
  EXPECT_EQ(models[0].aliases, std::vector<std::string>{"gpt-4o-mini"});
  EXPECT_TRUE(models[0].is_pinned);
  EXPECT_EQ(models[0].idle_minutes, 0U);
  EXPECT_EQ(models[1].name, "big-2.5");
  EXPECT_EQ(models[1].aliases, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(models[1].path, "/m/big.gguf");
  EXPECT_EQ(models[1].context, 4096U);
  EXPECT_EQ(models[1].idle_minutes, std::nullopt);
  EXPECT_EQ(row(*config, "models.\"big-2.5\".alias").value, "[\"a\", \"b\"]");
}

TEST_F(ConfigTest, RefusesWrongTablesOfModelsByPlace) {
  const std::pair<const char*, const char*> cases[] = {
      {"[models.a]\npined = true\n", "models.a.pined is unknown"},
      {"[models.a]\npinned = 1\n", "models.a.pinned must be true or false"},
      {"[models.a]\ncontext = -1\n", "models.a.context must be 0 to"},
      {"[models.a]\nidle_minutes = \"5\"\n", "models.a.idle_minutes must be a whole number"},
      {"[models.a]\nalias = 1\n", "models.a.alias must be a text or a list of texts"},
      {"[models.a]\nalias = [\"\"]\n", "models.a.alias holds an empty text"},
      {"[models.Qwen2.5]\npinned = true\n", "models.Qwen2.5 is unknown"},
      {"[models.a]\nalias = \"x\"\n[models.b]\nalias = \"x\"\n", "means the model \"a\" already"},
      {"[models.a]\nalias = \"b\"\n[models.b]\npinned = true\n", "means the model \"b\" already"},
      {"[server]\nport = 1\n", "unknown key \"server\""},
  };
  for (const auto& [text, expected] : cases) {
    const auto config = load(text);
    ASSERT_FALSE(config) << text;
    EXPECT_NE(config.error().message.find(expected), std::string::npos) << config.error().message;
    EXPECT_FALSE(config.error().hint.empty());
  }
}

TEST_F(ConfigTest, RefusesUnknownKeysByNameAndLine) {
  const auto config = load("port = 1\nprot = 2\n");
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(config.error().message.find("maru.toml:2"), std::string::npos);
  EXPECT_NE(config.error().message.find("\"prot\""), std::string::npos);
  EXPECT_NE(config.error().hint.find("port"), std::string::npos);
}

TEST_F(ConfigTest, RefusesWrongTypesAndRanges) {
  for (const char* text :
       {"port = \"80\"", "port = 65536", "port = -1", "port = 1.5", "port = true", "model = 3",
        "keys = \"a\"", "keys = [1]", "keys = [\"\"]", "kv_type = \"q4\"", "precision = \"low\"",
        "log_level = \"loud\"", "[port]\na = 1", "port = 1979-05-27", "max_running = 0"}) {
    const auto config = load(text);
    ASSERT_FALSE(config) << text;
    EXPECT_EQ(config.error().code, ErrorCode::kInvalidArgument) << text;
    EXPECT_NE(config.error().message.find("maru.toml:1"), std::string::npos)
        << text << ": " << config.error().message;
  }
}

TEST_F(ConfigTest, RefusesTextThatIsNotToml) {
  const auto config = load("port = 1\nthis is not toml\n");
  ASSERT_FALSE(config);
  EXPECT_NE(config.error().message.find("maru.toml:2:"), std::string::npos);
}

TEST_F(ConfigTest, RefusesBadEnvironmentByName) {
  for (const char* value : {"", "x", "12x", " 1", "99999999999999999999"}) {
    const auto config = load("", {{"MARU_PORT", value}});
    ASSERT_FALSE(config) << value;
    EXPECT_NE(config.error().message.find("MARU_PORT"), std::string::npos);
  }
}

TEST_F(ConfigTest, SplitsListsOfTheEnvironmentAtCommas) {
  const auto config = load("", {{"MARU_ALLOWED_HOSTS", "a.example,b.example"}});
  ASSERT_TRUE(config);
  EXPECT_EQ(config->settings().allowed_hosts, (std::vector<std::string>{"a.example", "b.example"}));
}

TEST_F(ConfigTest, MasksKeys) {
  const auto config = load("keys = [\"sk-0123456789abcdef\", \"short\"]\n");
  ASSERT_TRUE(config);
  const std::string shown = row(*config, "keys").value;
  EXPECT_EQ(shown, "[\"sk-...\", \"...\"]");
}

TEST_F(ConfigTest, ANamedFileMustExist) {
  ConfigSources sources;
  sources.file = folder_.path("absent.toml");
  const auto config = Config::load(sources);
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().code, ErrorCode::kNotFound);
}

TEST(SettingKeys, HaveUniqueNamesHelpAndDerivedSpellings) {
  EXPECT_EQ(setting_flag("kv_type"), "--kv-type");
  EXPECT_EQ(setting_environment("kv_type"), "MARU_KV_TYPE");
  std::map<std::string, int> seen;
  for (const SettingKey& key : setting_keys()) {
    EXPECT_EQ(++seen[key.name], 1);
    EXPECT_NE(std::string(key.help), "");
  }
}

}  // namespace
}  // namespace maru::service
