// Many small faces in one run of `gpen restore` against a run for each of them.
#include <algorithm>

#include "support/batch_run.h"

namespace gpen::test {
namespace {

// At least 1.3 times as fast on two cores, by the middle one of three rounds. bench/batches.py measures whole photos.
TEST_F(Batch, FasterThanARunForEachPhoto) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "would measure the sanitizer";
#endif
  if (std::thread::hardware_concurrency() < 2) GTEST_SKIP() << "needs two cores";
  constexpr int kPhotos = 24;
  for (int i = 0; i < kPhotos; ++i) save(concat("in/p", i, ".png"), test_picture(90 + i % 7, 96, 3 * i));
  const auto seconds = [&](const Words& more) {
    Words words = {"restore", "--aligned", "-m", "sharpen", "--size", "256", "-j", "2"};
    words.insert(words.end(), more.begin(), more.end());
    const auto start = std::chrono::steady_clock::now();
    EXPECT_EQ(gpen(words).code, 0);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  fs::create_directories(gpen / "alone");
  std::vector<double> ratios;
  for (int round = 0; round < 3; ++round) {
    const double together = seconds({"-i", "in", "-o", "together"});
    double each = 0;
    for (int i = 0; i < kPhotos; ++i)
      each += seconds({"-i", concat("in/p", i, ".png"), "-o", concat("alone/p", i, ".png")});
    ratios.push_back(each / together);
    std::printf("%d photos: %.2f s in one run, %.2f s in a run each\n", kPhotos, together, each);
  }
  EXPECT_EQ(tree("together"), tree("alone"));
  std::sort(ratios.begin(), ratios.end());
  EXPECT_GE(ratios[1], 1.3);
}

}  // namespace
}  // namespace gpen::test
