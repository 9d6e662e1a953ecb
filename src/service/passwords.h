// Passwords, kept as Argon2id hashes (RFC 9106: 64 MiB, four passes). Both functions take about a
// tenth of a second and 64 MiB on purpose, one after the other: to be called on a thread that may
// wait. Thread-safe.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

namespace maru::service {

inline constexpr size_t kPasswordMemory = size_t{64} << 20;  // bytes, of all callers together
inline constexpr size_t kMinPasswordBytes = 10, kMaxPasswordBytes = 1024;

// Errors: kInvalidArgument, param "password" (too short or too long), kUnavailable (no memory).
Result<std::string> hash_password(std::string_view password);

// The same work whether it is right or wrong; with an empty hash (no such account, or one without
// a password) too.
bool is_password_right(const std::string& hash, std::string_view password);

}  // namespace maru::service
