// Faces at several angles: turning the picture, and the faces back.
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "pipeline/turned_detection.h"
#include "support/pictures.h"
#include "support/pipeline_networks.h"

namespace gpen {
namespace {

ThreadPool& pool() { return *test::shared_pool(); }

TEST(TurnedPicture, QuarterTurnsMovePixelsExactly) {
  const Image photo = test::test_picture(7, 4);
  for (const double degrees : {0.0, 90.0, 180.0, 270.0, -90.0, 360.0}) {
    SCOPED_TRACE(degrees);
    const TurnedPicture turned = turn_picture(photo, degrees, pool());
    const bool on_its_side = std::fmod(std::abs(degrees), 180) == 90;
    ASSERT_EQ(turned.picture.width, on_its_side ? 4 : 7);
    ASSERT_EQ(turned.picture.height, on_its_side ? 7 : 4);
    for (int y = 0; y < turned.picture.height; ++y)
      for (int x = 0; x < turned.picture.width; ++x) {
        const Point p = turned.to_photo({double(x), double(y)});
        ASSERT_EQ(p.x, std::round(p.x));
        ASSERT_EQ(p.y, std::round(p.y));
        for (int c = 0; c < 3; ++c)
          ASSERT_EQ(turned.picture.row(y)[3 * x + c], photo.row(int(p.y))[3 * int(p.x) + c]) << x << ' ' << y;
      }
  }
  // Clockwise: what was on the left is at the top.
  const Point top = turn_picture(photo, 90, pool()).to_photo({0, 0});
  EXPECT_EQ(top.x, 0);
  EXPECT_EQ(top.y, 3);
}

TEST(TurnedPicture, AnyAngleShowsTheWholePhoto) {
  const Image photo = test::test_picture(60, 40);
  for (const double degrees : {30.0, -45.0, 137.0}) {
    const TurnedPicture turned = turn_picture(photo, degrees, pool());
    const Affine there = inverse(turned.to_photo);
    for (const Point corner : {Point{0, 0}, Point{59, 0}, Point{0, 39}, Point{59, 39}}) {
      const Point p = there(corner);
      EXPECT_GE(p.x, -1);
      EXPECT_GE(p.y, -1);
      EXPECT_LE(p.x, turned.picture.width);
      EXPECT_LE(p.y, turned.picture.height);
    }
    // A photo pixel, looked up in the turned picture.
    const Point p = there({20, 10});
    float rgb[3];
    sample_bilinear<3>(view(turned.picture), p, rgb);
    for (int c = 0; c < 3; ++c) EXPECT_NEAR(rgb[c], photo.row(10)[60 + c], 12) << degrees;
  }
}

TEST(TurnedDetection, FacesComeBackToThePhoto) {
  const Image photo = test::test_picture(300, 200);
  Face upright;
  upright.landmarks = reference_landmarks(80);
  upright.box = {10, 20, 70, 90};
  for (const double degrees : {0.0, 90.0, 180.0, 270.0, 30.0}) {
    const TurnedPicture turned = turn_picture(photo, degrees, pool());
    const Face face = turned_back(upright, turned.to_photo, degrees);
    const bool on_its_side = degrees == 90 || degrees == 270;
    EXPECT_NEAR(face.box.width(), on_its_side ? 70 : 60, 1e-9);
    EXPECT_NEAR(face.box.height(), on_its_side ? 60 : 70, 1e-9);
    // The crop that alignment takes from the photo is the one it would take from the turned picture.
    const Affine in_photo = align_face(face.landmarks, 64)->inverse,
                 in_turned = align_face(upright.landmarks, 64)->inverse;
    for (const Point q : {Point{0, 0}, Point{63, 10}, Point{20, 50}}) {
      const Point a = in_photo(q), b = turned.to_photo(in_turned(q));
      EXPECT_NEAR(a.x, b.x, 1e-6);
      EXPECT_NEAR(a.y, b.y, 1e-6);
    }
  }
  DetectionOptions none;
  none.angles = {};
  EXPECT_EQ(check(none).code(), Code::usage);
  none.angles = {400};
  EXPECT_EQ(check(none).code(), Code::usage);
}

// The real detector on the Solvay photo, laid on its side and on its head: the same faces at the same places.
TEST(TurnedDetection, FindsTheFacesOfATurnedPhoto) {
  GPEN_NEEDS_SHARED("images/Solvay_conference_1927.png");
  GPEN_NEEDS_SHARED("weights/retinaface_mobilenet0.25_zip.pth");
  const auto net = test::network<RetinaFaceNet>("weights/retinaface_mobilenet0.25_zip.pth");
  ASSERT_NE(net, nullptr);
  const auto photo = load_image(test::shared_file("images/Solvay_conference_1927.png"));
  ASSERT_TRUE(photo.ok());
  const auto expected = detect_faces(*net, *photo, {}, pool());
  ASSERT_TRUE(expected.ok());
  ASSERT_GE(expected->faces.size(), 25u);
  for (const double lain : {90.0, 180.0, 270.0}) {
    SCOPED_TRACE(lain);
    const TurnedPicture turned = turn_picture(*photo, lain, pool());
    DetectionOptions options;
    const size_t as_it_stands = detect_faces(*net, turned.picture, options, pool())->faces.size();
    options.angles = {0, 90, 180, 270};
    const auto found = detect_faces(*net, turned.picture, options, pool());
    ASSERT_TRUE(found.ok());
    EXPECT_GE(found->faces.size(), expected->faces.size());
    EXPECT_LE(found->faces.size(), expected->faces.size() + 1);
    EXPECT_GT(found->faces.size(), as_it_stands);
    for (const Face& want : expected->faces) {
      double nearest = 1e9;
      for (const Face& face : found->faces) {
        double worst = 0;
        for (size_t k = 0; k < 5; ++k) {
          const Point p = turned.to_photo(face.landmarks[k]);
          worst = std::max(worst, std::hypot(p.x - want.landmarks[k].x, p.y - want.landmarks[k].y));
        }
        nearest = std::min(nearest, worst);
      }
      EXPECT_LT(nearest, 0.1 * want.box.smaller_side()) << want.box.x0 << ' ' << want.box.y0;
    }
    options.largest_only = true;
    EXPECT_EQ(detect_faces(*net, turned.picture, options, pool())->faces.size(), 1u);
  }
}

}  // namespace
}  // namespace gpen
