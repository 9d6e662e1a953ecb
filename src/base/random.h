// Random bytes of the operating system (getrandom(2)), and names made of them. Thread-safe.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace maru {

void fill_random(std::span<uint8_t> bytes);

// `prefix` and 128 random bits in base32 (26 characters of a-z, 2-7): "user_..." for instance.
std::string random_id(std::string_view prefix);

// 256 random bits in base64url (43 characters, RFC 4648 section 5 without padding).
std::string random_secret();

// 64 hexadecimal digits: what is kept of a secret that has 256 random bits itself.
std::string sha256_hex(std::string_view text);

}  // namespace maru
