// The whole pipeline on small pictures and networks, with given faces.
#include "pipeline/restore.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "pipeline/drawing.h"
#include "pipeline/face_batch.h"
#include "pipeline/faces_json.h"
#include "pipeline/models.h"
#include "support/picture_compare.h"
#include "support/pipeline_networks.h"
#include "support/shared_data.h"

namespace gpen {
namespace {

using test::analytic;
using test::network;
using test::published;
using test::shared_pool;

Image random_picture(int width, int height, uint32_t seed) {
  std::mt19937 random(seed);
  Image image(width, height);
  for (uint8_t& v : image.rgb) v = static_cast<uint8_t>(random());
  return image;
}

TEST(Restorer, AlignedIdentityKeepsThePicture) {
  Models models;
  models.gpen = analytic(SynthKind::identity, "gpen-bfr-256");
  ASSERT_NE(models.gpen, nullptr);
  Restorer restorer(models, shared_pool());
  RestoreOptions options = published();
  options.aligned = true;
  options.keep_crops = true;
  for (const uint32_t seed : {1u, 2u}) {
    const Image in = random_picture(256, 256, seed);
    const auto out = restorer.restore(in, options);
    ASSERT_TRUE(out.ok()) << out.status().message();
    EXPECT_LE(test::compare(out->image, in).largest, 1);
    ASSERT_EQ(out->faces.size(), 1u);
    ASSERT_EQ(out->crops.size(), 1u);
  }
  // Not square: the aspect is kept, nothing is squashed.
  Image wide(300, 150);
  for (int y = 0; y < 150; ++y)
    for (int x = 0; x < 300; ++x)
      for (int c = 0; c < 3; ++c) wide.row(y)[3 * x + c] = static_cast<uint8_t>(50 + x / 2 + c);
  wide.alpha.assign(300 * 150, 200);
  const auto out = restorer.restore(wide, options);
  ASSERT_TRUE(out.ok()) << out.status().message();
  EXPECT_EQ(out->image.width, 256);
  EXPECT_EQ(out->image.height, 128);
  EXPECT_EQ(out->image.alpha, std::vector<uint8_t>(256 * 128, 200));
  const Image expected = resize_bilinear(wide, 256, 128, *shared_pool());
  EXPECT_LE(test::compare(out->image, expected).largest, 1);
  // One pixel is a picture too.
  Image one(1, 1);
  one.rgb = {10, 100, 200};
  const auto big = restorer.restore(one, options);
  ASSERT_TRUE(big.ok()) << big.status().message();
  EXPECT_EQ(big->image.width, 256);
  EXPECT_NEAR(big->image.rgb[1], 100, 1);
}

// The leftmost point of a 64 pixel crop in the picture.
double leftmost_of_crop(const Affine& to_picture) {
  double left = to_picture({0, 0}).x;
  for (const Point p : {Point{63, 0}, {0, 63}, {63, 63}}) left = std::min(left, to_picture(p).x);
  return left;
}

// Small networks and given faces for everything that does not depend on the weights.
class SmallRun : public testing::Test {
 protected:
  void SetUp() override {
    models_.gpen = analytic(SynthKind::negative, "gpen:size=64,cm=1,narrow=0.125,style=32,mlp=2");
    ASSERT_NE(models_.gpen, nullptr);
    photo_ = random_picture(200, 150, 9);
    for (int i = 0; i < 3; ++i) {
      Affine place;  // template -> photo
      place.m[0] = {0.8 + 0.3 * i, 0.2, 5.0 + 45 * i};
      place.m[1] = {-0.2, 0.8 + 0.3 * i, 25.0 + 5 * i};
      Face f;
      f.landmarks = reference_landmarks(64);
      for (Point& p : f.landmarks) p = place(p);
      f.box = *box_from_landmarks(f.landmarks);
      f.score = 1 - 0.01 * i;
      faces_.push_back(f);
    }
  }
  RestoreResult run(const RestoreOptions& options) {
    auto r = Restorer(models_, shared_pool()).restore(photo_, options, &faces_);
    if (!r.ok()) {
      ADD_FAILURE() << r.status().message();
      return {};
    }
    return std::move(r).value();
  }
  Models models_;
  Image photo_;
  std::vector<Face> faces_;
};

TEST_F(SmallRun, BatchesDoNotMatter) {
  RestoreOptions options;  // with consistency
  options.batch = 1;
  const RestoreResult singles = run(options);
  for (const int batch : {0, 2, 3, 7}) {
    options.batch = batch;
    EXPECT_EQ(run(options).image.rgb, singles.image.rgb) << batch;
  }
  options.batch = 0;
  options.memory_limit = 1;  // not even one fits: one by one
  EXPECT_EQ(run(options).image.rgb, singles.image.rgb);
  auto four = std::make_shared<ThreadPool>(4);
  auto r = Restorer(models_, four).restore(photo_, options, &faces_);
  EXPECT_EQ(r->image.rgb, singles.image.rgb) << "threads";
}

TEST_F(SmallRun, FacesPerForwardIsBoundedAndEven) {
  const GpenNet& net = *models_.gpen;
  const size_t one = net.arena_bytes_for(1);
  EXPECT_EQ(faces_per_forward(net, 29, 1, size_t{1} << 40), 1);
  EXPECT_EQ(faces_per_forward(net, 29, 0, size_t{1} << 40), 29);
  EXPECT_EQ(faces_per_forward(net, 29, 100, size_t{1} << 40), 29);
  EXPECT_EQ(faces_per_forward(net, 29, 10, size_t{1} << 40), 10);  // 10, 10, 9
  EXPECT_EQ(faces_per_forward(net, 12, 10, size_t{1} << 40), 6);   // 6, 6
  EXPECT_EQ(faces_per_forward(net, 29, 0, 0), 1);
  EXPECT_EQ(faces_per_forward(net, 0, 0, 0), 1);
  const auto n = faces_per_forward(net, 29, 0, 5 * one);
  EXPECT_GE(n, 1);
  EXPECT_LE(net.arena_bytes_for(n), 5 * one);
}

TEST_F(SmallRun, AlphaZeroLeavesThePhotoAlmostAlone) {
  RestoreOptions options = published();
  options.alpha = 0;
  faces_.resize(1);
  // What is pasted is the crop warped back: twice resampled, so compare where the photo is smooth.
  for (int y = 0; y < photo_.height; ++y)
    for (int x = 0; x < photo_.width; ++x)
      for (int c = 0; c < 3; ++c) photo_.row(y)[3 * x + c] = static_cast<uint8_t>(x + y / 2 + 10 * c);
  EXPECT_LE(test::compare(run(options).image, photo_).largest, 2);
  options.alpha = 1;
  EXPECT_GT(test::compare(run(options).image, photo_).largest, 50);
}

TEST_F(SmallRun, OnlyTheFacesChange) {
  const RestoreResult r = run(published());
  ASSERT_EQ(r.faces.size(), 3u);
  EXPECT_TRUE(r.faces[0].smoothed);
  EXPECT_EQ(r.image.width, photo_.width);
  int64_t changed = 0;
  for (int y = 0; y < photo_.height; ++y)
    for (int x = 0; x < photo_.width; ++x) {
      bool inside = false;
      for (const FaceReport& f : r.faces) {
        const Point p = f.alignment.forward({static_cast<double>(x), static_cast<double>(y)});
        inside = inside || (p.x > -1 && p.y > -1 && p.x < 64 && p.y < 64);
      }
      const bool same = std::equal(photo_.row(y) + 3 * x, photo_.row(y) + 3 * x + 3, r.image.row(y) + 3 * x);
      changed += !same;
      if (!inside) {
        ASSERT_TRUE(same) << x << ' ' << y;
      }
    }
  EXPECT_GT(changed, 1000);
}

TEST_F(SmallRun, AFaceOutsideOfThePictureIsLeftOut) {
  RestoreOptions options = published();
  const RestoreResult all = run(options);
  Face outside = faces_[0];
  outside.score = 2;  // the first, were it kept
  for (Point& p : outside.landmarks) p.x += 5000;
  faces_.insert(faces_.begin(), outside);
  const RestoreResult r = run(options);
  EXPECT_EQ(r.faces.size(), all.faces.size());
  EXPECT_EQ(r.image.rgb, all.image.rgb);
  ASSERT_EQ(r.notes.size(), 1u);
  EXPECT_NE(r.notes[0].find("outside of the picture"), std::string::npos) << r.notes[0];
  // One that reaches in by its corner stays.
  for (Point& p : outside.landmarks) p.x -= 5000;
  const double left = leftmost_of_crop(all.faces[0].alignment.inverse);
  for (Point& p : outside.landmarks) p.x += photo_.width - 2 - left;
  faces_ = {outside};
  EXPECT_EQ(run(options).faces.size(), 1u);
}

TEST_F(SmallRun, AnAnswerThatIsNotFiniteIsTheModelsFault) {
  auto store = synthesize(*parse_architecture("gpen:size=64,cm=1,narrow=0.125,style=32,mlp=2"), SynthKind::formula);
  ASSERT_TRUE(store.ok()) << store.status().message();
  for (const char* level : {"to_rgbs.2", "to_rgbs.3"})  // finite each, but not their sum
    store->add(concat("generator.", level, ".bias"), {1, 3, 1, 1}, std::vector<float>(3, 3e38f));
  auto net = GpenNet::load(*store, shared_pool());
  ASSERT_TRUE(net.ok()) << net.status().message();
  models_.gpen = std::make_shared<GpenNet>(std::move(net).value());
  RestoreOptions options;
  for (const double lambda : {0.0, 0.1}) {
    options.lambda_id = lambda;
    const auto r = Restorer(models_, shared_pool()).restore(photo_, options, &faces_);
    EXPECT_EQ(r.status().code(), Code::model) << lambda;
    EXPECT_NE(r.status().message().find("not finite"), std::string::npos) << r.status().message();
  }
}

TEST_F(SmallRun, AlphaChannelComesBack) {
  photo_.alpha.resize(static_cast<size_t>(photo_.pixels()));
  for (size_t i = 0; i < photo_.alpha.size(); ++i) photo_.alpha[i] = static_cast<uint8_t>(i);
  const RestoreResult r = run(published());
  EXPECT_EQ(r.image.alpha, photo_.alpha);
}

TEST_F(SmallRun, FiltersApplyToGivenFaces) {
  RestoreOptions options = published();
  options.detection.largest_only = true;
  const RestoreResult largest = run(options);
  ASSERT_EQ(largest.faces.size(), 1u);
  EXPECT_EQ(largest.faces[0].face.score, faces_[2].score);
  options.detection = {};
  options.detection.max_faces = 2;
  EXPECT_EQ(run(options).faces.size(), 2u);
  options.detection = {};
  options.detection.min_face = 1000;
  const RestoreResult none = run(options);
  EXPECT_TRUE(none.faces.empty());
  EXPECT_EQ(none.image.rgb, photo_.rgb);
  ASSERT_EQ(none.notes.size(), 1u);
  EXPECT_EQ(none.notes[0], "no face found");
}

TEST_F(SmallRun, CropsComparisonAndBoxes) {
  RestoreOptions options = published();
  options.keep_crops = options.compare = true;
  const RestoreResult r = run(options);
  ASSERT_EQ(r.crops.size(), 3u);
  ASSERT_EQ(r.restored.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(r.crops[i].width, 64);
    for (size_t k = 0; k < r.crops[i].rgb.size(); ++k) ASSERT_NEAR(r.restored[i].rgb[k], 255 - r.crops[i].rgb[k], 1);
  }
  ASSERT_EQ(r.comparison.width, 2 * photo_.width);
  for (int y = 0; y < photo_.height; y += 10) {
    EXPECT_TRUE(std::equal(photo_.row(y), photo_.row(y) + 3 * photo_.width, r.comparison.row(y)));
    EXPECT_TRUE(std::equal(r.image.row(y), r.image.row(y) + 3 * photo_.width, r.comparison.row(y) + 3 * photo_.width));
  }
  options.draw_boxes = true;
  const RestoreResult drawn = run(options);
  const Box& box = faces_[2].box;
  const uint8_t* corner = drawn.image.row(static_cast<int>(std::lround(box.y0))) + 3 * std::lround(box.x0);
  EXPECT_EQ(corner[1], 220);
}

TEST_F(SmallRun, ConsistencyZeroIsThePublishedOutput) {
  RestoreOptions options = published();
  const RestoreResult zero = run(options);
  EXPECT_FALSE(zero.faces[0].has_degradation);
  options.lambda_id = 0.5;
  const RestoreResult half = run(options);
  EXPECT_TRUE(half.faces[0].has_degradation);
  EXPECT_NE(half.image.rgb, zero.image.rgb);
}

double luma(const uint8_t* p) { return 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2]; }

TEST_F(SmallRun, ColorizeKeepsLuma) {
  RestoreOptions options = published();
  options.task = Task::colorize;
  options.keep_crops = true;
  const RestoreResult r = run(options);
  ASSERT_EQ(r.restored.size(), 3u);
  for (size_t i = 0; i < r.restored[0].rgb.size(); i += 3)
    ASSERT_NEAR(luma(&r.restored[0].rgb[i]), luma(&r.crops[0].rgb[i]), 0.51);
}

TEST_F(SmallRun, InpaintFillsHolesOnly) {
  for (uint8_t& v : photo_.rgb) v = std::min<uint8_t>(v, 240);
  const Point eye = faces_[2].landmarks[0];
  for (int y = -3; y <= 3; ++y)
    std::fill_n(photo_.row(static_cast<int>(eye.y) + y) + 3 * (static_cast<int>(eye.x) - 3), 21, uint8_t{255});
  RestoreOptions options;
  options.task = Task::inpaint;
  options.lambda_id = 1;
  options.keep_crops = true;
  const RestoreResult r = run(options);
  ASSERT_EQ(r.restored.size(), 3u);
  const Image &before = r.crops[2], &after = r.restored[2];
  const auto is_white = [&](int x, int y) {
    const uint8_t* p = before.row(y) + 3 * x;
    return p[0] == 255 && p[1] == 255 && p[2] == 255;
  };
  const Point hole = r.faces[2].alignment.forward(eye);
  const int hx = static_cast<int>(hole.x), hy = static_cast<int>(hole.y);
  ASSERT_TRUE(is_white(hx, hy));
  EXPECT_EQ(after.row(hy)[3 * hx], 0);  // the network's negative of white
  for (int x = 0; x < 64; ++x) {
    if (std::abs(x - hx) > 14) {
      EXPECT_EQ(after.row(hy)[3 * x], before.row(hy)[3 * x]) << x;
    }
  }
  // No pixel is a mixture with white: around the hole all is white or at most as bright as the rest.
  for (int y = 0; y < 64; ++y)
    for (int x = 0; x < 64; ++x) {
      EXPECT_TRUE(is_white(x, y) || before.row(y)[3 * x] <= 241) << x << ' ' << y;
    }
}

TEST_F(SmallRun, NetworkMayGiveMoreThanItTakes) {
  GPEN_NEEDS_SHARED("golden/gpen_sr_16_64.pth");
  models_.gpen = network<GpenNet>("golden/gpen_sr_16_64.pth");
  ASSERT_NE(models_.gpen, nullptr);
  ASSERT_EQ(models_.gpen->arch().in_size, 16);
  RestoreOptions options;
  options.keep_crops = true;
  options.seed = 5;
  const RestoreResult a = run(options);
  ASSERT_EQ(a.restored.size(), 3u);
  EXPECT_EQ(a.restored[0].width, 64);
  EXPECT_EQ(a.crops[0].width, 64);
  EXPECT_EQ(run(options).image.rgb, a.image.rgb);
  options.aligned = true;
  EXPECT_EQ(run(options).image.width, 64);
}

TEST_F(SmallRun, ProgressCancelsAndNamesStages) {
  RestoreOptions options;
  std::vector<std::string> stages;
  options.progress = [&](const char* stage, double fraction) {
    EXPECT_GE(fraction, 0);
    EXPECT_LE(fraction, 1);
    if (stages.empty() || stages.back() != stage) stages.push_back(stage);
    return true;
  };
  options.batch = 3;
  const RestoreResult r = run(options);
  EXPECT_EQ(stages, (std::vector<std::string>{"detect", "restore", "paste"}));
  std::vector<std::string> timed;
  for (const StageTime& t : r.times) timed.push_back(t.stage);
  EXPECT_EQ(timed, (std::vector<std::string>{"detect", "align", "restore", "consistency", "paste"}));
  options.progress = [](const char* stage, double) { return std::string(stage) != "paste"; };
  const auto cancelled = Restorer(models_, shared_pool()).restore(photo_, options, &faces_);
  EXPECT_EQ(cancelled.status().code(), Code::cancelled);
}

TEST_F(SmallRun, RefusesWhatCannotBe) {
  Restorer restorer(models_, shared_pool());
  const auto code = [&](const RestoreOptions& o, const std::vector<Face>* faces) {
    return restorer.restore(photo_, o, faces).status().code();
  };
  EXPECT_EQ(code({}, nullptr), Code::usage);  // neither detector nor faces
  RestoreOptions o;
  o.alpha = 1.5;
  EXPECT_EQ(code(o, &faces_), Code::usage);
  o = {};
  o.lambda_id = -0.1;
  EXPECT_EQ(code(o, &faces_), Code::usage);
  o.lambda_id = std::nan("");
  EXPECT_EQ(code(o, &faces_), Code::usage);
  o = {};
  o.task = Task::seg2face;
  EXPECT_EQ(code(o, &faces_), Code::usage);
  EXPECT_EQ(restorer.restore(Image(), {}, &faces_).status().code(), Code::usage);
  EXPECT_EQ(Restorer({}, shared_pool()).restore(photo_, {}, &faces_).status().code(), Code::usage);
  EXPECT_EQ(load_models(ModelChoice(), shared_pool()).status().code(), Code::model);
  ModelChoice nowhere;
  nowhere.gpen = "/nowhere/gpen.pth";
  nowhere.aligned = true;
  const auto missing = load_models(nowhere, shared_pool());
  EXPECT_NE(missing.status().message().find("/nowhere/gpen.pth"), std::string::npos);
}

TEST_F(SmallRun, FacesFarAwayOrDegenerateAreHarmless) {
  faces_[0].landmarks.fill({5, 5});
  for (Point& p : faces_[1].landmarks) p = {p.x + 1e5, p.y - 1e5};
  const RestoreResult r = run(published());
  ASSERT_EQ(r.faces.size(), 1u);
  ASSERT_EQ(r.notes.size(), 2u);
  for (const std::string& note : r.notes) EXPECT_NE(note.find("left out"), std::string::npos);
}

TEST_F(SmallRun, BackgroundIsUpscaledAndFacesFollow) {
  GPEN_NEEDS_SHARED("golden/rrdbnet_x2_tiny.pth");
  models_.upscaler = network<RrdbNet>("golden/rrdbnet_x2_tiny.pth");
  ASSERT_NE(models_.upscaler, nullptr);
  photo_.alpha.assign(static_cast<size_t>(photo_.pixels()), 128);
  const RestoreResult r = run(published());
  EXPECT_EQ(r.image.width, 2 * photo_.width);
  EXPECT_EQ(r.image.height, 2 * photo_.height);
  EXPECT_EQ(r.image.alpha, std::vector<uint8_t>(static_cast<size_t>(4 * photo_.pixels()), 128));
  ASSERT_EQ(r.faces.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_NEAR(r.faces[i].face.box.x0, faces_[i].box.x0, 1e-9);
    // The crop comes from the enlargement: a photo pixel centre p lies at 2 p + 1/2.
    const Point p = faces_[i].landmarks[2];
    const auto plain = align_face(faces_[i].landmarks, 64);
    const Point a = plain->forward(p), b = r.faces[i].alignment.forward({2 * p.x + 0.5, 2 * p.y + 0.5});
    EXPECT_NEAR(a.x, b.x, 1e-6);
    EXPECT_NEAR(a.y, b.y, 1e-6);
  }
}

TEST(Drawing, SideBySideEnlargesBefore) {
  ThreadPool pool(1);
  Image before(2, 1), after(4, 2);
  before.rgb.assign(6, 50);
  after.rgb.assign(24, 90);
  after.alpha.assign(8, 7);
  const Image both = side_by_side(before, after, pool);
  ASSERT_EQ(both.width, 8);
  ASSERT_EQ(both.height, 2);
  EXPECT_EQ(both.rgb[0], 50);
  EXPECT_EQ(both.rgb[3 * 4], 90);
  EXPECT_EQ(both.alpha[0], 255);
  EXPECT_EQ(both.alpha[4], 7);
}

}  // namespace
}  // namespace gpen
