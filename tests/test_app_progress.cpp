// Progress without a terminal, and the text of the bar.
#include <gtest/gtest.h>

#include "support/command.h"
#include "support/pictures.h"

namespace gpen::test {
namespace {

// Off a terminal: one plain line for each photo, no control characters.
TEST(Progress, PlainLinesWithoutATerminal) {
  CommandLine gpen(GPEN_BINARY);
  std::filesystem::create_directory(gpen / "in");
  for (const char* name : {"in/a.png", "in/b.png", "in/c.png"})
    ASSERT_TRUE(save_image(test_picture(32, 32), gpen / name, ImageFormat::png).ok());
  const CommandResult r = gpen({"restore", "-m", "identity", "--size", "256", "--aligned", "-i", "in", "-o", "out"});
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_EQ(r.err.find('\r'), std::string::npos);
  EXPECT_EQ(r.err.find('\x1b'), std::string::npos);
  for (const char* line : {"[1/3] in/a.png: ", "[2/3] in/b.png: ", "[3/3] in/c.png: "})
    EXPECT_NE(r.err.find(line), std::string::npos) << r.err;
}

// On a terminal (script makes one): a bar with count, rate and remaining time.
TEST(Progress, BarOnATerminal) {
  if (!std::filesystem::exists("/usr/bin/script")) GTEST_SKIP() << "needs script (util-linux)";
  CommandLine script("/usr/bin/script");
  std::filesystem::create_directory(script / "in");
  for (const char* name : {"in/a.png", "in/b.png", "in/c.png"})
    ASSERT_TRUE(save_image(test_picture(32, 32), script / name, ImageFormat::png).ok());
  const std::string line =
      std::string(GPEN_BINARY) + " restore -m identity --size 256 --aligned -i in -o out > /dev/null";
  const CommandResult r = script({"-q", "-e", "-c", line, "/dev/null"});
  ASSERT_EQ(r.code, 0) << r.out;
  for (const char* part : {"\r\x1b[K[", "1/3 photos, ", "/s, ", " left"})
    EXPECT_NE(r.out.find(part), std::string::npos) << part << "\n" << r.out;
}

}  // namespace
}  // namespace gpen::test
