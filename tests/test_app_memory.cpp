// Memory of a whole run, as the system counts it.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/command.h"
#include "support/pictures.h"

namespace gpen::test {
namespace {

double peak_mb(const CommandLine& gpen, const std::string& model, const std::string& reps,
               const std::string& precision = "fp32") {
  const CommandResult r =
      gpen({"bench", "-m", model, "--reps", reps, "-j", "2", "--device", "cpu", "--precision", precision, "--json"});
  EXPECT_EQ(r.code, 0) << r.err;
  return r.code == 0 ? nlohmann::json::parse(r.out)["results"][0]["peak_rss_mb"].get<double>() : 0;
}

TEST(Memory, Gpen512StaysBelow700Megabytes) {
  if (kSanitized) GTEST_SKIP() << "would measure the sanitizer";
  const CommandLine gpen(GPEN_BINARY);
  const double peak = peak_mb(gpen, "gpen-bfr-512", "1");
  RecordProperty("peak_mb", static_cast<int>(peak));
  EXPECT_GT(peak, 284);  // the weights alone
  EXPECT_LE(peak, 700);
}

TEST(Memory, Gpen512InBf16StaysBelow450Megabytes) {
  if (kSanitized) GTEST_SKIP() << "would measure the sanitizer";
  const CommandLine gpen(GPEN_BINARY);
  const double peak = peak_mb(gpen, "gpen-bfr-512", "1", "bf16");
  RecordProperty("peak_mb", static_cast<int>(peak));
  EXPECT_GT(peak, 142);  // half of the weights
  EXPECT_LE(peak, 450);
}

TEST(Memory, DoesNotGrowOverFiftyRuns) {
  if (kSanitized) GTEST_SKIP() << "would measure the sanitizer";
  const CommandLine gpen(GPEN_BINARY);
  const std::string model = "gpen:size=128,cm=2,narrow=0.125,style=32,mlp=2";
  EXPECT_LE(peak_mb(gpen, model, "51"), peak_mb(gpen, model, "1") + 1.5);
}

// Eight faces at once need more than 400 MB of address space, one less than 120.
TEST(Memory, FewerFacesAtOnceWhereItIsShort) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "AddressSanitizer needs all of the address space";
#endif
  CommandLine gpen(GPEN_BINARY);
  ASSERT_EQ(gpen({"synth", "gpen:size=512,narrow=0.0625,style=16,mlp=1", "-o", "net.safetensors"}).code, 0);
  ASSERT_TRUE(save_image(test_picture(300, 260), gpen / "in.png", ImageFormat::png).ok());
  nlohmann::json faces = nlohmann::json::array();
  for (int i = 0; i < 8; ++i) {
    nlohmann::json landmarks = nlohmann::json::array();
    for (const auto& [x, y] : {std::pair{125, 110}, {175, 110}, {150, 138}, {130, 165}, {170, 165}})
      landmarks.push_back({x + 3 * i, y});
    faces.push_back({{"landmarks", landmarks}, {"score", 0.9 - 0.01 * i}});
  }
  write_text(gpen / "faces.json", faces.dump());
  const auto restore = [&](const char* output) {
    return gpen({"restore", "-m", "net.safetensors", "--faces", "faces.json", "-i", "in.png", "-o", output, "--batch",
                 "8", "-j", "1", "--device", "cpu", "--lambda-id", "0"});
  };
  const CommandResult plenty = restore("plenty.png");
  ASSERT_EQ(plenty.code, 0) << plenty.err;
  EXPECT_EQ(plenty.err.find("no memory"), std::string::npos) << plenty.err;
  gpen.limit_memory(size_t{200} << 20);
  const CommandResult scarce = restore("scarce.png");
  ASSERT_EQ(scarce.code, 0) << scarce.err;
  EXPECT_NE(scarce.err.find("there was no memory for "), std::string::npos) << scarce.err;
  EXPECT_EQ(read_text(gpen / "scarce.png"), read_text(gpen / "plenty.png"));
}

}  // namespace
}  // namespace gpen::test
