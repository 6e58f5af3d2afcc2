// Memory of a whole run, as the system counts it.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/command.h"

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

}  // namespace
}  // namespace gpen::test
