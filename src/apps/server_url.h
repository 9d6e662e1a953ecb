// The address under which a server that listens on host and port is reached from this machine.
#pragma once

#include <cstdint>
#include <string>

namespace maru::apps {

inline std::string server_url(const std::string& host, uint16_t port) {
  std::string name = host;
  if (host == "0.0.0.0" || host == "127.0.0.1" || host == "::" || host == "::1") name = "localhost";
  if (name.find(':') != std::string::npos) name = "[" + name + "]";
  return "http://" + name + ":" + std::to_string(port);
}

}  // namespace maru::apps
