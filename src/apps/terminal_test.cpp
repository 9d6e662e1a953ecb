#include "apps/terminal.h"

#include <gtest/gtest.h>

namespace maru::apps {
namespace {

TEST(Printable, RemovesWhatCouldDriveATerminal) {
  EXPECT_EQ(printable("a\x1b[2Jb\x07"), "a[2Jb");
  EXPECT_EQ(printable("a\r\x08\x7f"
                      "b"),
            "ab");
  EXPECT_EQ(printable("a\xC2\x9B"
                      "31mb"),
            "a31mb");  // CSI as one C1 character
  EXPECT_EQ(printable("line\n\ttab"), "line\n\ttab");
  EXPECT_EQ(printable("마루 👩‍👩‍👧 é"), "마루 👩‍👩‍👧 é");
  EXPECT_EQ(printable("\xFF"), "\xEF\xBF\xBD");
}

}  // namespace
}  // namespace maru::apps
