// examples/embed, as a person runs it.
#include <gtest/gtest.h>

#include "support/command.h"

namespace gpen::test {
namespace {

class Embed : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Languages, Embed, testing::Values(EMBED_C, EMBED_CPP));

TEST_P(Embed, RestoresFromFileToFile) {
  const CommandLine embed(GetParam());
  const CommandResult done = embed({GPEN_SOURCE_DIR "/examples/astronaut.jpg", "out.png", "sharpen", "none"});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_NE(done.err.find("restore"), std::string::npos) << "progress";
  EXPECT_EQ(embed.listing(), std::vector<std::string>{"out.png"});
}

TEST_P(Embed, SaysWhatIsWrong) {
  const CommandLine embed(GetParam());
  EXPECT_EQ(embed({}).code, 2);
  EXPECT_NE(embed({}).err.find("usage: "), std::string::npos);
  const CommandResult missing = embed({"missing.jpg", "out.png", "sharpen", "none"});
  EXPECT_EQ(missing.code, 4);
  EXPECT_NE(missing.err.find("missing.jpg"), std::string::npos) << missing.err;
  const CommandResult no_detector = embed({GPEN_SOURCE_DIR "/examples/astronaut.jpg", "out.png", "sharpen"});
  EXPECT_EQ(no_detector.code, 3);
  EXPECT_NE(no_detector.err.find("gpen fetch retinaface-r50"), std::string::npos) << no_detector.err;
  EXPECT_TRUE(embed.listing().empty());
}

}  // namespace
}  // namespace gpen::test
