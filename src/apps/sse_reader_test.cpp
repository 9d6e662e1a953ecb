#include "apps/sse_reader.h"

#include <gtest/gtest.h>

#include <vector>

namespace maru::apps {
namespace {

TEST(SseReader, SplitsEventsHoweverTheBytesCome) {
  const std::string stream =
      ": heartbeat\n\ndata: {\"a\": 1}\n\nevent: x\r\ndata:two\r\ndata: lines\r\n\r\ndata: cut off";
  for (size_t size = 1; size <= stream.size(); ++size) {
    std::vector<std::string> events;
    SseReader reader([&](std::string_view data) { events.emplace_back(data); });
    for (size_t at = 0; at < stream.size(); at += size) {
      reader.push(std::string_view(stream).substr(at, size));
    }
    EXPECT_EQ(events, (std::vector<std::string>{"{\"a\": 1}", "two\nlines"})) << size;
  }
}

}  // namespace
}  // namespace maru::apps
