#include "service/passwords.h"

#include <fmt/format.h>
#include <sodium.h>

#include <array>
#include <mutex>

#include "base/check.h"

namespace maru::service {
namespace {

constexpr unsigned long long kPasses = 4;

// Of a password that nobody knows, with the parameters above.
constexpr const char* kNobodysHash =
    "$argon2id$v=19$m=65536,t=4,p=1$8i9dsb9k5XwkSTC21AH1dw$jYHqlKUGQbSZqVAEO7+"
    "sLHqqKpLe9N7aRhI2RU7z6vA";

// So that logins of many people at once take the memory of one (service/memory_plan.h).
std::mutex one_at_a_time;

void start_sodium() {
  static const bool started = sodium_init() >= 0;
  MARU_CHECK(started);
}

}  // namespace

Result<std::string> hash_password(std::string_view password) {
  start_sodium();
  if (password.size() < kMinPasswordBytes || password.size() > kMaxPasswordBytes) {
    return Error{
        ErrorCode::kInvalidArgument,
        fmt::format("a password has {} to {} bytes", kMinPasswordBytes, kMaxPasswordBytes),
        "several words are easy to remember", "password",
        Reason{"password_length", {{"min", kMinPasswordBytes}, {"max", kMaxPasswordBytes}}}};
  }
  std::array<char, crypto_pwhash_argon2id_STRBYTES> hash{};
  const std::lock_guard lock(one_at_a_time);
  if (crypto_pwhash_argon2id_str(hash.data(), password.data(), password.size(), kPasses,
                                 kPasswordMemory) != 0) {
    return Error{ErrorCode::kUnavailable, "there is no memory to hash a password", "try again"};
  }
  return std::string(hash.data());
}

bool is_password_right(const std::string& hash, std::string_view password) {
  start_sodium();
  if (password.size() > kMaxPasswordBytes) password = {};
  const char* const known = hash.empty() ? kNobodysHash : hash.c_str();
  const std::lock_guard lock(one_at_a_time);
  const bool matches =
      crypto_pwhash_argon2id_str_verify(known, password.data(), password.size()) == 0;
  return matches && !hash.empty();
}

}  // namespace maru::service
