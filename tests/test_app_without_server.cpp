// A build without the server (GPEN_SERVER=OFF) says so.
#include <gtest/gtest.h>

#include "support/command.h"

namespace gpen::test {

TEST(WithoutServer, ServeSaysWhyAndWhatElseWorks) {
  const CommandLine gpen{GPEN_BINARY};
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"serve"}, {"serve", "--port", "0"}, {"serve", "--help"}}) {
    const CommandResult r = gpen(words);
    EXPECT_EQ(r.code, 2) << r.err;
    EXPECT_EQ(r.out, "");
    EXPECT_NE(r.err.find("gpen: serve: this build has no HTTP server"), std::string::npos) << r.err;
    EXPECT_NE(r.err.find("GPEN_SERVER"), std::string::npos) << r.err;
  }
  EXPECT_EQ(gpen({"--help"}).code, 0);
}

}  // namespace gpen::test
