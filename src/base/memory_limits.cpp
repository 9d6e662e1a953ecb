#include "base/memory_limits.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <string_view>
#include <vector>

#include "base/files.h"

namespace maru {
namespace {

constexpr size_t kMaxProcFile = size_t{1} << 20;
constexpr uint64_t kNoLimit = std::numeric_limits<uint64_t>::max();

std::optional<uint64_t> parse_number(std::string_view text) {
  const size_t first = text.find_first_of("0123456789");
  if (first == std::string_view::npos) return std::nullopt;
  uint64_t value = 0;
  const auto [end, code] = std::from_chars(text.data() + first, text.data() + text.size(), value);
  if (code != std::errc{}) return std::nullopt;
  return value;
}

std::optional<uint64_t> read_number(const std::string& path) {
  const auto text = read_file(path, kMaxProcFile);
  if (!text) return std::nullopt;
  return parse_number(*text);
}

// The value of "Name:   123 kB" in /proc/meminfo or /proc/self/status, in bytes.
uint64_t meminfo_bytes(std::string_view text, std::string_view name) {
  const size_t at = text.find(name);
  if (at == std::string_view::npos) return 0;
  const std::string_view line = text.substr(at, text.find('\n', at) - at);
  return parse_number(line).value_or(0) * 1024;
}

// A line "name 123" of memory.stat.
uint64_t stat_value(std::string_view text, std::string_view name) {
  size_t at = 0;
  while (at < text.size()) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    if (line.starts_with(name) && line.size() > name.size() && line[name.size()] == ' ') {
      return parse_number(line.substr(name.size())).value_or(0);
    }
    at = end + 1;
  }
  return 0;
}

struct CgroupFiles {
  std::string folder;
  const char* limit;
  const char* usage;
};

// This process's cgroup and all its parents, most specific first, v2 and v1.
std::vector<CgroupFiles> cgroup_chain(const std::string& root) {
  std::vector<CgroupFiles> chain;
  const auto text = read_file(root + "/proc/self/cgroup", kMaxProcFile);
  std::string_view rest = text ? std::string_view(*text) : std::string_view();
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (first == std::string_view::npos || second == std::string_view::npos) continue;
    const std::string_view controllers = line.substr(first + 1, second - first - 1);
    const bool is_v2 = controllers.empty();
    if (!is_v2 && controllers.find("memory") == std::string_view::npos) continue;
    const std::string base = root + (is_v2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory");
    std::string path(line.substr(second + 1));
    while (true) {
      if (path == "/") path.clear();
      chain.push_back(
          is_v2 ? CgroupFiles{base + path, "/memory.max", "/memory.current"}
                : CgroupFiles{base + path, "/memory.limit_in_bytes", "/memory.usage_in_bytes"});
      if (path.empty()) break;
      path.resize(path.find_last_of('/'));
    }
  }
  return chain;
}

}  // namespace

MemoryLimits read_memory_limits(const std::string& root) {
  MemoryLimits limits;
  limits.source = "machine";
  const auto meminfo = read_file(root + "/proc/meminfo", kMaxProcFile);
  if (meminfo) {
    limits.total_bytes = meminfo_bytes(*meminfo, "MemTotal:");
    limits.available_bytes = meminfo_bytes(*meminfo, "MemAvailable:");
  }
  const auto status = read_file(root + "/proc/self/status", kMaxProcFile);
  const uint64_t own = status ? meminfo_bytes(*status, "RssAnon:") : 0;
  // A cgroup counts mapped pages that are in use; the machine's figure leaves them out already.
  const uint64_t own_mapped = status ? meminfo_bytes(*status, "RssFile:") : 0;
  limits.room_bytes = std::min(limits.available_bytes + own, limits.total_bytes);
  for (const CgroupFiles& files : cgroup_chain(root)) {
    const uint64_t limit = read_number(files.folder + files.limit).value_or(kNoLimit);
    if (limit >= limits.total_bytes) continue;
    const uint64_t usage = read_number(files.folder + files.usage).value_or(0);
    const auto stat = read_file(files.folder + "/memory.stat", kMaxProcFile);
    // Clean file pages are given back under pressure, so they do not count as used.
    const uint64_t cache = stat ? stat_value(*stat, "inactive_file") : 0;
    const uint64_t used = usage > cache ? usage - cache : 0;
    const uint64_t available = limit > used ? limit - used : 0;
    limits.total_bytes = limit;
    limits.available_bytes = std::min(limits.available_bytes, available);
    limits.room_bytes = std::min({limits.room_bytes, available + own + own_mapped, limit});
    limits.source = files.folder + files.limit;
  }
  return limits;
}

MemoryLimits set_aside(MemoryLimits limits, uint64_t bytes) {
  limits.room_bytes -= std::min(limits.room_bytes, bytes);
  return limits;
}

uint64_t read_resident_bytes(const std::string& root) {
  const auto status = read_file(root + "/proc/self/status", kMaxProcFile);
  return status ? meminfo_bytes(*status, "VmRSS:") : 0;
}

}  // namespace maru
