// Several photos through the pipeline at once: what each gets alone.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "pipeline/faces_json.h"
#include "pipeline/restore.h"
#include "support/pictures.h"
#include "support/pipeline_networks.h"

namespace gpen::test {
namespace {

constexpr const char* kNet = "gpen:size=64,cm=1,narrow=0.125,style=32,mlp=2";

// Photos of different sizes with 0 to 4 faces.
class Together : public testing::Test {
 protected:
  void SetUp() override {
    models_.gpen = analytic(SynthKind::negative, kNet);
    ASSERT_NE(models_.gpen, nullptr);
    for (const int count : {2, 0, 4, 1, 3}) {
      const int n = static_cast<int>(photos_.size());
      photos_.push_back(test_picture(120 + 70 * count, 110 + 13 * n, 7 * n));
      if (n == 2) photos_.back().alpha.assign(static_cast<size_t>(photos_.back().pixels()), 100);
      std::vector<Face>& faces = faces_.emplace_back();
      for (int i = 0; i < count; ++i) {
        Affine place;  // template -> photo
        place.m[0] = {0.8 + 0.1 * i, 0.1 * n, 8.0 + 70 * i};
        place.m[1] = {-0.1 * n, 0.8 + 0.1 * i, 25.0 + 5 * i};
        Face f;
        f.landmarks = reference_landmarks(64);
        for (Point& p : f.landmarks) p = place(p);
        f.box = *box_from_landmarks(f.landmarks);
        f.score = 1 - 0.01 * i;
        faces.push_back(f);
      }
    }
  }
  std::vector<PhotoTask> tasks() const {
    std::vector<PhotoTask> tasks;
    for (size_t i = 0; i < photos_.size(); ++i) tasks.push_back({&photos_[i], &faces_[i]});
    return tasks;
  }
  // Every photo's result is what restore() gives for it alone; the number of those that failed.
  int compare_with_single(const std::vector<PhotoTask>& tasks, const RestoreOptions& options) {
    Restorer restorer(models_, shared_pool());
    const auto together = restorer.restore_together(tasks, options);
    EXPECT_EQ(together.size(), tasks.size());
    int failed = 0;
    for (size_t i = 0; i < together.size(); ++i) {
      const auto alone = tasks[i].photo == nullptr ? restorer.restore(Image(), options)
                                                   : restorer.restore(*tasks[i].photo, options, tasks[i].given);
      EXPECT_EQ(together[i].status().code(), alone.status().code()) << i << " " << together[i].status().message();
      EXPECT_EQ(together[i].status().message(), alone.status().message());
      if (!together[i].ok() || !alone.ok()) {
        ++failed;
        continue;
      }
      EXPECT_EQ(together[i]->image.rgb, alone->image.rgb) << i;
      EXPECT_EQ(together[i]->image.alpha, alone->image.alpha) << i;
      EXPECT_EQ(together[i]->comparison.rgb, alone->comparison.rgb) << i;
      EXPECT_EQ(together[i]->notes, alone->notes) << i;
      EXPECT_EQ(together[i]->faces.size(), alone->faces.size()) << i;
      EXPECT_EQ(together[i]->crops.size(), alone->crops.size()) << i;
      for (size_t k = 0; k < std::min(together[i]->restored.size(), alone->restored.size()); ++k) {
        EXPECT_EQ(together[i]->crops[k].rgb, alone->crops[k].rgb) << i << " face " << k;
        EXPECT_EQ(together[i]->restored[k].rgb, alone->restored[k].rgb) << i << " face " << k;
      }
      for (size_t k = 0; k < std::min(together[i]->faces.size(), alone->faces.size()); ++k) {
        EXPECT_EQ(together[i]->faces[k].degradation.blur_sigma, alone->faces[k].degradation.blur_sigma) << i;
        EXPECT_EQ(together[i]->faces[k].smoothed, alone->faces[k].smoothed) << i;
      }
    }
    return failed;
  }
  Models models_;
  std::vector<Image> photos_;
  std::vector<std::vector<Face>> faces_;
};

TEST_F(Together, EveryPhotoIsWhatItIsAlone) {
  RestoreOptions options;  // with consistency
  options.keep_crops = options.compare = options.draw_boxes = true;
  for (const int batch : {0, 1, 3, 4}) {  // batches of 3 and 4 cross the photos
    options.batch = batch;
    EXPECT_EQ(compare_with_single(tasks(), options), 0) << batch;
  }
  EXPECT_TRUE(Restorer(models_, shared_pool()).restore_together({}, options).empty());
}

TEST_F(Together, AlignedPicturesShareBatchesToo) {
  RestoreOptions options;
  options.aligned = true;
  EXPECT_EQ(compare_with_single(tasks(), options), 0);
}

TEST_F(Together, ANetworkThatEnlargesAndAnUpscaler) {
  models_.gpen = analytic(SynthKind::formula, "gpen:size=64,in=32,cm=1,narrow=0.125,style=32,mlp=2");
  ASSERT_NE(models_.gpen, nullptr);
  const auto store = synthesize(*parse_architecture("realesrnet-x2"), SynthKind::formula);
  ASSERT_TRUE(store.ok());
  auto upscaler = RrdbNet::load(*store, shared_pool());
  ASSERT_TRUE(upscaler.ok()) << upscaler.status().message();
  models_.upscaler = std::make_shared<RrdbNet>(std::move(upscaler).value());
  photos_.resize(2);
  photos_[0] = test_picture(40, 30);
  photos_[1] = test_picture(31, 40);
  faces_ = {faces_[3], faces_[0]};
  EXPECT_EQ(compare_with_single(tasks(), {}), 0);
}

TEST_F(Together, OnesFailureLeavesTheOthersAlone) {
  std::vector<PhotoTask> some = tasks();
  some[0].given = nullptr;  // and there is no detector
  some[3].photo = nullptr;
  const Image none;
  some.push_back({&none, &faces_[0]});
  EXPECT_EQ(compare_with_single(some, {}), 3);
  RestoreOptions wrong;
  wrong.alpha = 2;
  EXPECT_EQ(compare_with_single(some, wrong), 6);
}

// The network's answer to some photos' faces is not finite: these photos fail, the others in their batches do not.
TEST_F(Together, ABatchThatFailsIsTriedPhotoByPhoto) {
  const auto store = synthesize(*parse_architecture(kNet), SynthKind::formula);
  ASSERT_TRUE(store.ok());
  const char* const last = "generator.to_rgbs.3.conv.weight";
  const std::vector<float> weights = store->floats(last).value();
  const std::vector<int64_t> shape = store->find(last)->shape;
  // So large that the larger answers overflow, and the smaller ones do not yet: between 10^30 and 10^40.
  double low = 30, high = 40;
  int failed = 0;
  for (int tries = 0; (failed == 0 || failed == 4) && tries < 30; ++tries) {
    const double exponent = (low + high) / 2;
    WeightStore scaled = *store;
    std::vector<float> values(weights);
    for (float& v : values) v = static_cast<float>(std::clamp(v * std::pow(10.0, exponent), -3e38, 3e38));
    scaled.add(last, shape, std::move(values));
    auto net = GpenNet::load(scaled, shared_pool());
    ASSERT_TRUE(net.ok()) << net.status().message();
    models_.gpen = std::make_shared<GpenNet>(std::move(net).value());
    failed = 0;
    for (const PhotoTask& task : tasks()) {
      const auto alone = Restorer(models_, shared_pool()).restore(*task.photo, published(), task.given);
      failed += alone.status().code() == Code::model;
    }
    (failed == 0 ? low : high) = exponent;
  }
  ASSERT_GE(failed, 1);
  ASSERT_LE(failed, 3);  // one photo has no face, and one at least is left
  RestoreOptions options = published();
  options.keep_crops = true;
  EXPECT_EQ(compare_with_single(tasks(), options), failed);
}

TEST_F(Together, CancellingKeepsWhatIsDone) {
  RestoreOptions options;
  int calls = 0;
  options.progress = [&](const char* stage, double) { return std::string(stage) != "paste" || ++calls < 4; };
  const auto results = Restorer(models_, shared_pool()).restore_together(tasks(), options);
  ASSERT_EQ(results.size(), 5u);
  int done = 0;
  for (const auto& r : results) {
    done += r.ok();
    if (!r.ok()) {
      EXPECT_EQ(r.status().code(), Code::cancelled);
    }
  }
  EXPECT_TRUE(results[0].ok());   // both its faces were pasted
  EXPECT_TRUE(results[1].ok());   // it has none
  EXPECT_FALSE(results[2].ok());  // cancelled at its second face
  EXPECT_EQ(done, 2);
}

}  // namespace
}  // namespace gpen::test
