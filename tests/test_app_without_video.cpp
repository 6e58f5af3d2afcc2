// A build without videos (GPEN_VIDEO=OFF) says so.
#include <gtest/gtest.h>

#include "support/command.h"

namespace gpen::test {

TEST(WithoutVideo, RestoreSaysWhyAndLeavesNothing) {
  const CommandLine gpen{GPEN_BINARY};
  const std::string clip(
      "\0\0\0\x20"
      "ftypisom\0\0\0\0isomiso2",
      24);
  write_text(gpen / "clip.mp4", clip);
  write_text(gpen / "unnamed", clip);  // told by its content
  std::filesystem::create_directory(gpen / "folder");
  write_text(gpen / "folder/a.mkv", "anything");
  const std::vector<std::string> before = gpen.listing();
  for (const char* input : {"clip.mp4", "unnamed", "folder"}) {
    const CommandResult r = gpen({"restore", "-i", input, "-o", "out.mp4", "-m", "identity", "--size", "256"});
    EXPECT_EQ(r.code, 2) << input << r.err;
    EXPECT_EQ(r.out, "");
    EXPECT_NE(r.err.find(std::string("gpen: ") + input + ": this build restores no videos"), std::string::npos)
        << r.err;
    EXPECT_NE(r.err.find("GPEN_VIDEO"), std::string::npos) << r.err;
    EXPECT_EQ(gpen.listing(), before);
  }
}

}  // namespace gpen::test
