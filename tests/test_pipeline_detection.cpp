#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "pipeline/detection.h"

namespace gpen {
namespace {

TEST(DetectionScale, ShrinksLargePhotosOnly) {
  const DetectionOptions o;
  EXPECT_EQ(detection_scale(1500, 1000, o), 1);
  EXPECT_DOUBLE_EQ(detection_scale(1501, 1000, o), 1000.0 / 1501);
  EXPECT_DOUBLE_EQ(detection_scale(720, 1620, o), 1000.0 / 1620);
  EXPECT_EQ(detection_scale(9000, 9000, {.shrink_above = 0}), 1);
  EXPECT_DOUBLE_EQ(detection_scale(4000, 3000, {.shrink_above = 2000, .shrink_to = 2000}), 0.5);
}

TEST(DetectionOptions, RefusesNonsense) {
  EXPECT_TRUE(check(DetectionOptions()).ok());
  EXPECT_EQ(check(DetectionOptions{.threshold = 1}).code(), Code::usage);
  EXPECT_EQ(check(DetectionOptions{.threshold = std::nan("")}).code(), Code::usage);
  EXPECT_EQ(check(DetectionOptions{.shrink_above = 1500, .shrink_to = 1501}).code(), Code::usage);
  EXPECT_NE(check(DetectionOptions{.shrink_above = 1, .shrink_to = 1}).message().find("16 pixels or more, not 1"),
            std::string::npos);
  EXPECT_EQ(check(DetectionOptions{.min_face = -1}).code(), Code::usage);
  EXPECT_EQ(check(DetectionOptions{.max_faces = -1}).code(), Code::usage);
}

TEST(DetectorInput, IsBgrMinusMean) {
  ThreadPool pool(2);
  Image photo(3, 2);
  for (size_t i = 0; i < photo.rgb.size(); ++i) photo.rgb[i] = static_cast<uint8_t>(7 * i);
  const DetectorInput in = prepare_detector_input(photo, 1, pool);
  ASSERT_EQ(in.width, 3);
  ASSERT_EQ(in.height, 2);
  const float mean[] = {104, 117, 123};
  for (size_t c = 0; c < 3; ++c)
    for (size_t i = 0; i < 6; ++i)
      EXPECT_EQ(in.data[c * 6 + i], static_cast<float>(photo.rgb[3 * i + 2 - c]) - mean[c]);
}

TEST(DetectorInput, ShrinksAtTheExactScale) {
  ThreadPool pool(2);
  Image photo(162, 72);  // a ramp: a sample tells where it was taken
  for (int y = 0; y < 72; ++y)
    for (int x = 0; x < 162; ++x)
      for (int c = 0; c < 3; ++c) photo.row(y)[3 * x + c] = static_cast<uint8_t>(c == 0 ? x : y);
  const double scale = 100.0 / 162;
  const DetectorInput in = prepare_detector_input(photo, scale, pool);
  ASSERT_EQ(in.width, 100);
  ASSERT_EQ(in.height, 44);  // 44.44
  for (int i = 0; i < 100; ++i)
    EXPECT_NEAR(in.data[2 * 4400 + static_cast<size_t>(i)] + 123, (i + 0.5) / scale - 0.5, 2e-5);
  for (int i = 0; i < 44; ++i) EXPECT_NEAR(in.data[static_cast<size_t>(100 * i)] + 104, (i + 0.5) / scale - 0.5, 2e-5);
}

TEST(Anchors, OrderAndPlace) {
  const auto anchors = make_anchors(33, 17);  // 5x3, 3x2 and 2x1 cells
  ASSERT_EQ(anchors.size(), 2u * (15 + 6 + 2));
  const auto expect = [&](size_t i, double x, double y, double size) {
    EXPECT_FLOAT_EQ(anchors[i].cx, static_cast<float>(x / 33)) << i;
    EXPECT_FLOAT_EQ(anchors[i].cy, static_cast<float>(y / 17)) << i;
    EXPECT_FLOAT_EQ(anchors[i].w, static_cast<float>(size / 33)) << i;
    EXPECT_FLOAT_EQ(anchors[i].h, static_cast<float>(size / 17)) << i;
  };
  expect(0, 4, 4, 16);
  expect(1, 4, 4, 32);
  expect(2, 12, 4, 16);
  expect(10, 4, 12, 16);  // second row
  expect(30, 8, 8, 64);
  expect(31, 8, 8, 128);
  expect(42, 16, 16, 256);
  expect(45, 48, 16, 512);
}

struct Answer {
  explicit Answer(size_t anchors) : loc(anchors * 4), conf(anchors * 2), landms(anchors * 10) {}
  void score(size_t i, float s) {
    conf[2 * i] = 1 - s;
    conf[2 * i + 1] = s;
  }
  std::vector<float> loc, conf, landms;
};

TEST(DecodeFaces, FollowsTheFormula) {
  const auto anchors = make_anchors(64, 32);
  Answer a(anchors.size());
  const size_t i = 5;
  a.score(i, 0.95f);
  const float loc[] = {1, -2, 0.5f, -0.25f};
  std::copy(loc, loc + 4, a.loc.begin() + 4 * i);
  for (size_t k = 0; k < 10; ++k) a.landms[10 * i + k] = static_cast<float>(k) - 3;
  const auto faces = decode_faces(anchors, a.loc.data(), a.conf.data(), a.landms.data(), 64, 32, {});
  ASSERT_EQ(faces.size(), 1u);
  // Anchor 5: third cell of the first row, 32 pixels.
  const double cx = 20 + 0.1 * 1 * 32, cy = 4 + 0.1 * -2 * 32, w = 32 * std::exp(0.1), h = 32 * std::exp(-0.05);
  EXPECT_NEAR(faces[0].box.x0, cx - w / 2, 1e-4);
  EXPECT_NEAR(faces[0].box.y0, cy - h / 2, 1e-4);
  EXPECT_NEAR(faces[0].box.x1, cx + w / 2, 1e-4);
  EXPECT_NEAR(faces[0].box.y1, cy + h / 2, 1e-4);
  EXPECT_FLOAT_EQ(static_cast<float>(faces[0].score), 0.95f);
  for (size_t k = 0; k < 5; ++k) {
    EXPECT_NEAR(faces[0].landmarks[k].x, 20 + 3.2 * (2.0 * static_cast<double>(k) - 3), 1e-4);
    EXPECT_NEAR(faces[0].landmarks[k].y, 4 + 3.2 * (2.0 * static_cast<double>(k) - 2), 1e-4);
  }
}

TEST(DecodeFaces, ThresholdOrderAndLimit) {
  const auto anchors = make_anchors(64, 64);
  Answer a(anchors.size());
  DetectionOptions o;
  o.threshold = 0.5;
  a.score(3, 0.5f);  // not above
  a.score(4, 0.6f);
  a.score(9, 0.9f);
  a.score(11, 0.6f);  // equal scores: the network's order
  a.score(2, 0.6f);
  a.score(20, NAN);
  a.score(21, 0.99f);
  a.loc[4 * 21] = INFINITY;                    // left out
  const auto anchor_of = [&](const Face& f) {  // landmarks 0: the anchor's own centre
    for (size_t i = 0; i < anchors.size(); ++i)
      if (std::abs(f.box.x1 - f.box.x0 - anchors[i].w * 64) < 1e-3 &&
          std::abs(f.landmarks[0].x - anchors[i].cx * 64) < 1e-3 &&
          std::abs(f.landmarks[0].y - anchors[i].cy * 64) < 1e-3)
        return i;
    return anchors.size();
  };
  auto faces = decode_faces(anchors, a.loc.data(), a.conf.data(), a.landms.data(), 64, 64, o);
  ASSERT_EQ(faces.size(), 4u);
  EXPECT_EQ(anchor_of(faces[0]), 9u);
  EXPECT_EQ(anchor_of(faces[1]), 2u);
  EXPECT_EQ(anchor_of(faces[2]), 4u);
  EXPECT_EQ(anchor_of(faces[3]), 11u);
  o.before_nms = 2;
  faces = decode_faces(anchors, a.loc.data(), a.conf.data(), a.landms.data(), 64, 64, o);
  EXPECT_EQ(faces.size(), 2u);
}

Face box_face(double x0, double y0, double x1, double y1, double score = 1) {
  Face f;
  f.box = {x0, y0, x1, y1};
  f.score = score;
  return f;
}

TEST(SuppressOverlaps, CountsSidesPlusOne) {
  // 10x10 (as 0..9) against the same shifted by 4: 60 / 140 = 0.43 > 0.4; by 5: 50 / 150 = 0.33.
  const DetectionOptions o;
  EXPECT_EQ(suppress_overlaps({box_face(0, 0, 9, 9), box_face(4, 0, 13, 9)}, o).size(), 1u);
  EXPECT_EQ(suppress_overlaps({box_face(0, 0, 9, 9), box_face(5, 0, 14, 9)}, o).size(), 2u);
  // Without the + 1 this pair would overlap by 4.1 / 10 sides: 0.26; with it 2 / 6 = 0.33 and 0.5.
  EXPECT_EQ(suppress_overlaps({box_face(0, 0, 1, 1), box_face(1, 0, 2, 1)}, o).size(), 2u);
  EXPECT_EQ(suppress_overlaps({box_face(0, 0, 2, 2), box_face(1, 0, 3, 2)}, o).size(), 1u);
}

TEST(SuppressOverlaps, OnlyKeptFacesSuppress) {
  // b overlaps a and c, a and c do not touch: b goes, c stays.
  const auto kept =
      suppress_overlaps({box_face(0, 0, 9, 9, 0.99), box_face(4, 0, 13, 9, 0.98), box_face(8, 0, 17, 9, 0.97)}, {});
  ASSERT_EQ(kept.size(), 2u);
  EXPECT_EQ(kept[1].score, 0.97);
  std::vector<Face> many;
  for (int i = 0; i < 10; ++i) many.push_back(box_face(100 * i, 0, 100 * i + 9, 9));
  DetectionOptions o;
  o.after_nms = 3;
  EXPECT_EQ(suppress_overlaps(many, o).size(), 3u);
}

TEST(FilterFaces, KeepsWhatIsAskedFor) {
  const std::vector<Face> all = {box_face(0, 0, 20, 30, 0.99), box_face(0, 0, 50, 60, 0.98),
                                 box_face(0, 0, 9, 90, 0.97)};
  const auto scores = [&](DetectionOptions o) {
    auto f = all;
    filter_faces(&f, o);
    std::vector<double> s;
    for (const Face& face : f) s.push_back(face.score);
    return s;
  };
  EXPECT_EQ(scores({}), (std::vector<double>{0.99, 0.98, 0.97}));
  EXPECT_EQ(scores({.min_face = 10}), (std::vector<double>{0.99, 0.98}));
  EXPECT_EQ(scores({.largest_only = true}), (std::vector<double>{0.98}));
  EXPECT_EQ(scores({.max_faces = 1}), (std::vector<double>{0.99}));
  EXPECT_EQ(scores({.min_face = 1000}), (std::vector<double>{}));
  EXPECT_EQ(scores({.min_face = 1000, .largest_only = true}), (std::vector<double>{}));
}

}  // namespace
}  // namespace gpen
