#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "pipeline/alignment.h"
#include "pipeline/image.h"
#include "support/shared_data.h"

namespace gpen {
namespace {

using nlohmann::json;

json golden() { return json::parse(std::ifstream(test::shared_file("golden/solvay_alignment.json"))); }

Landmarks landmarks_of(const json& face) {
  Landmarks points;
  for (size_t i = 0; i < 5; ++i) points[i] = {face["landmarks"][i][0], face["landmarks"][i][1]};
  return points;
}

double largest_difference(const Affine& a, const json& expected) {
  double worst = 0;
  for (size_t i = 0; i < 2; ++i)
    for (size_t j = 0; j < 3; ++j) worst = std::max(worst, std::abs(a.m[i][j] - expected[i][j].get<double>()));
  return worst;
}

TEST(Alignment, TemplateEqualsReference) {
  GPEN_NEEDS_SHARED("golden/solvay_alignment.json");
  const json points = golden()["reference_points"];
  for (const int size : {256, 512, 1024}) {
    const Landmarks ours = reference_landmarks(size);
    for (size_t i = 0; i < 5; ++i) {
      EXPECT_NEAR(ours[i].x, points[std::to_string(size)][i][0], 1e-9);
      EXPECT_NEAR(ours[i].y, points[std::to_string(size)][i][1], 1e-9);
    }
  }
}

TEST(Alignment, TransformsEqualReference) {
  GPEN_NEEDS_SHARED("golden/solvay_alignment.json");
  const json all = golden();
  double worst_forward = 0, worst_inverse = 0;
  for (const char* set : {"legacy", "zip"}) {
    ASSERT_EQ(all["sets"][set].size(), 29u);
    for (const json& face : all["sets"][set])
      for (const int size : {256, 512, 1024}) {
        const auto a = align_face(landmarks_of(face), size);
        ASSERT_TRUE(a.ok());
        const json& expected = face["align_" + std::to_string(size)];
        const double forward = largest_difference(a->forward, expected["forward"]) * 256 / size;
        const double inverse = largest_difference(a->inverse, expected["inverse"]);
        worst_forward = std::max(worst_forward, forward);
        worst_inverse = std::max(worst_inverse, inverse);
      }
  }
  EXPECT_LE(worst_forward, 1e-3);
  EXPECT_LE(worst_inverse, 2e-4);
  RecordProperty("forward", std::to_string(worst_forward));
  RecordProperty("inverse", std::to_string(worst_inverse));
}

TEST(Alignment, RecoversASimilarityExactly) {
  for (const double angle : {0.0, 0.7, 3.0, -2.0})
    for (const double scale : {0.02, 1.0, 30.0}) {
      Affine truth;
      truth.m[0] = {scale * std::cos(angle), -scale * std::sin(angle), 12.5};
      truth.m[1] = {scale * std::sin(angle), scale * std::cos(angle), -300};
      const Landmarks from = reference_landmarks(512);
      Landmarks to;
      for (size_t i = 0; i < 5; ++i) to[i] = truth(from[i]);
      const auto a = estimate_similarity(from, to);
      ASSERT_TRUE(a.ok());
      for (size_t i = 0; i < 2; ++i)
        for (size_t j = 0; j < 3; ++j) EXPECT_NEAR(a->m[i][j], truth.m[i][j], 1e-9 * (1 + 512 * scale));
    }
}

TEST(Alignment, MirroredFaceIsNotMirroredBack) {
  Landmarks mirrored = reference_landmarks(256);
  for (Point& p : mirrored) p.x = 256 - p.x;
  const auto a = align_face(mirrored, 256);
  ASSERT_TRUE(a.ok());
  EXPECT_GT(a->forward.determinant(), 0);
}

TEST(Alignment, RefusesWhatIsNoFace) {
  Landmarks same;
  same.fill({100, 50});
  EXPECT_EQ(align_face(same, 512).status().code(), Code::usage);
  Landmarks broken = reference_landmarks(512);
  broken[2].y = std::nan("");
  EXPECT_EQ(align_face(broken, 512).status().code(), Code::usage);
  broken[2].y = INFINITY;
  EXPECT_EQ(align_face(broken, 512).status().code(), Code::usage);
}

// The reference warps with coordinates in 32nds of a pixel: up to 3 levels from exact bilinear.
TEST(Alignment, CropsEqualReference) {
  GPEN_NEEDS_SHARED("golden/solvay_crop256_00.png");
  GPEN_NEEDS_SHARED("images/Solvay_conference_1927.png");
  ThreadPool pool(2);
  const json all = golden();
  const Image photo = *load_image(test::shared_file("images/Solvay_conference_1927.png"));
  for (const auto& [face, name] : {std::pair{0, "00"}, {7, "07"}, {20, "20"}}) {
    const auto a = align_face(landmarks_of(all["sets"]["legacy"][static_cast<size_t>(face)]), 256);
    Image crop(256, 256);
    warp_affine(view(photo), a->inverse, view(crop), pool);
    const Image expected = *load_image(test::shared_file(concat("golden/solvay_crop256_", name, ".png")));
    int worst = 0;
    double sum = 0;
    for (size_t i = 0; i < crop.rgb.size(); ++i) {
      const int d = std::abs(crop.rgb[i] - expected.rgb[i]);
      worst = std::max(worst, d);
      sum += d;
    }
    EXPECT_LE(worst, 3) << name;
    EXPECT_LE(sum / static_cast<double>(crop.rgb.size()), 0.35) << name;
  }
}

}  // namespace
}  // namespace gpen
