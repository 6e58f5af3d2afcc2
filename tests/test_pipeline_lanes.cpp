// Restorers side by side on a part of the threads each.
#include <gtest/gtest.h>

#include <optional>
#include <thread>

#include "pipeline/face_batch.h"
#include "pipeline/lanes.h"
#include "support/pictures.h"
#include "support/pipeline_networks.h"

namespace gpen::test {
namespace {

constexpr const char* kNet = "gpen:size=64,cm=1,narrow=0.125,style=32,mlp=2";

std::vector<int> threads_of(const std::vector<Restorer>& lanes) {
  std::vector<int> threads;
  for (const Restorer& lane : lanes) threads.push_back(lane.pool().size());
  return threads;
}

class Lanes : public testing::Test {
 protected:
  void SetUp() override {
    models_.gpen = analytic(SynthKind::negative, kNet);
    ASSERT_NE(models_.gpen, nullptr);
  }
  std::vector<int> threads(int all, size_t photos, const RestoreOptions& options = {}) {
    return threads_of(make_lanes(models_, std::make_shared<ThreadPool>(all), photos, options));
  }
  void add_detector() {
    const auto store = synthesize(*parse_architecture("retinaface-mobilenet0.25"), SynthKind::formula);
    ASSERT_TRUE(store.ok());
    auto detector = RetinaFaceNet::load(*store, shared_pool());
    ASSERT_TRUE(detector.ok()) << detector.status().message();
    models_.detector = std::make_shared<RetinaFaceNet>(std::move(detector).value());
  }
  Models models_;
};

TEST_F(Lanes, ShareTheThreads) {
  EXPECT_EQ(threads(4, 100), (std::vector<int>{1, 1, 1, 1}));
  EXPECT_EQ(threads(5, 2), (std::vector<int>{3, 2}));
  EXPECT_EQ(threads(3, 1), (std::vector<int>{3}));
  EXPECT_EQ(threads(1, 100), (std::vector<int>{1}));
  EXPECT_EQ(threads(7, 100), (std::vector<int>{2, 2, 2, 1})) << "kMostLanes";
}

TEST_F(Lanes, AreAsManyAsHaveMemory) {
  const size_t face = bytes_of_forward(*models_.gpen, 1), three = bytes_of_forward(*models_.gpen, 3);
  RestoreOptions options;
  const auto limited = [&](size_t bytes) {
    options.memory_limit = bytes;
    return threads(4, 100, options);
  };
  EXPECT_EQ(limited(2 * face), (std::vector<int>{2, 2}));
  EXPECT_EQ(limited(2 * face - 1), (std::vector<int>{4}));
  EXPECT_EQ(limited(1), (std::vector<int>{4})) << "one face is always tried";
  options.batch = 3;
  EXPECT_EQ(limited(2 * three), (std::vector<int>{2, 2})) << "each as many faces as are asked for";
  EXPECT_EQ(limited(2 * three - 1), (std::vector<int>{4}));
}

TEST_F(Lanes, CountTheActivationsOfEveryNetwork) {
  add_detector();
  RestoreOptions options;
  EXPECT_EQ(threads(4, 100, options).size(), 4u);
  int& side = options.detection.shrink_above;
  while (models_.detector->arena_bytes_for(1, side, side) < lane_memory() * 3 / 8) side += 100;
  EXPECT_EQ(threads(4, 100, options), (std::vector<int>{2, 2})) << side;
  side = 0;  // a photo of any size
  EXPECT_EQ(threads(4, 100, options), (std::vector<int>{4}));
}

TEST_F(Lanes, AnUpscalerIsNotMultiplied) {
  models_.upscaler = small_upscaler(2, shared_pool());
  const auto pool = std::make_shared<ThreadPool>(3);
  const std::vector<Restorer> lanes = make_lanes(models_, pool, 100, {});
  ASSERT_EQ(lanes.size(), 1u);
  EXPECT_EQ(lanes.front().shared_pool(), pool);
  EXPECT_EQ(lanes.front().models().upscaler, models_.upscaler);
}

// All networks, at the same time, after those that they came from are gone.
TEST_F(Lanes, GiveTheBytesOfOneRestorer) {
  add_detector();
  models_.parser = small_parser(32, shared_pool());
  ASSERT_NE(models_.parser, nullptr);

  RestoreOptions options;
  options.detection.threshold = 0;  // these weights find nothing: what they answer is taken for faces
  options.detection.max_faces = 3;
  options.compare = true;
  std::vector<Image> photos;
  for (int i = 0; i < 4; ++i) photos.push_back(test_picture(90 + 11 * i, 100, i));
  std::vector<RestoreResult> expected;
  Restorer alone(models_, shared_pool());
  size_t faces = 0;
  for (const Image& photo : photos) {
    auto result = alone.restore(photo, options);
    ASSERT_TRUE(result.ok()) << result.status().message();
    faces += result->faces.size();
    expected.push_back(std::move(result).value());
  }
  EXPECT_GT(faces, 0u);

  std::vector<Restorer> lanes = make_lanes(models_, std::make_shared<ThreadPool>(4), photos.size(), options);
  ASSERT_EQ(lanes.size(), photos.size());
  models_ = Models();
  std::vector<std::optional<Result<RestoreResult>>> results(photos.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < lanes.size(); ++i)
    threads.emplace_back([&, i] {
      for (int run = 0; run < 2; ++run) results[i].emplace(lanes[i].restore(photos[i], options));
    });
  for (std::thread& t : threads) t.join();
  for (size_t i = 0; i < photos.size(); ++i) {
    ASSERT_TRUE(results[i]->ok()) << (*results[i]).status().message();
    EXPECT_EQ((*results[i])->image.rgb, expected[i].image.rgb) << i;
    EXPECT_EQ((*results[i])->comparison.rgb, expected[i].comparison.rgb) << i;
    EXPECT_EQ((*results[i])->faces.size(), expected[i].faces.size()) << i;
  }
}

}  // namespace
}  // namespace gpen::test
