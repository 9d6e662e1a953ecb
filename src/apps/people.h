// What the commands about people share: the accounts of the data folder, and their terminal side.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/command.h"
#include "service/accounts.h"

namespace maru::apps {

// Of the settings' database, which is made on first need. Acts are recorded as the terminal's.
Result<std::shared_ptr<service::Accounts>> open_accounts(const service::Settings& settings);

// By name, or by id where the text is one.
Result<service::User> find_user(const service::Accounts& accounts, const std::string& who);
Result<service::GroupView> find_group(const service::Accounts& accounts, const std::string& which);

// Asks twice at a terminal, without showing what is typed; otherwise one line of standard input.
Result<std::string> ask_password(const Phrases& say);

// "2026-01-31 09:05", local time; "-" for none.
std::string format_time(const std::optional<int64_t>& unix_milliseconds);

// Columns under each other, by their widths on a terminal.
std::string format_table(const std::vector<std::vector<std::string>>& rows);

}  // namespace maru::apps
