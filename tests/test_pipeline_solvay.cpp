// The published pipeline's answers on the Solvay photo: real detectors, y = -x as restorer, a parser with formula
// weights.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "pipeline/faces_json.h"
#include "pipeline/restore.h"
#include "support/picture_compare.h"
#include "support/pipeline_networks.h"
#include "support/shared_data.h"

namespace gpen {
namespace {

using test::network;
using test::published;
using test::shared_pool;

Image picture(const std::string& file) { return *load_image(test::shared_file(file)); }

nlohmann::json golden_alignment() {
  std::ifstream file(test::shared_file("golden/solvay_alignment.json"));
  return nlohmann::json::parse(file);
}

std::vector<Face> golden_faces(const char* set) {
  return *faces_from_json(golden_alignment()["sets"][set].dump(), "golden");
}

class SolvayDetection : public testing::TestWithParam<const char*> {};

TEST_P(SolvayDetection, FindsAllFacesWhereTheReferenceDoes) {
  const std::string set = GetParam();
  const std::string weights = "weights/retinaface_mobilenet0.25_" + set + ".pth";
  GPEN_NEEDS_SHARED(weights);
  GPEN_NEEDS_SHARED("images/Solvay_conference_1927.png");
  const auto net = network<RetinaFaceNet>(weights);
  ASSERT_NE(net, nullptr);
  const auto found = detect_faces(*net, picture("images/Solvay_conference_1927.png"), {}, *shared_pool());
  ASSERT_TRUE(found.ok()) << found.status().message();
  const auto expected = golden_faces(set.c_str());
  ASSERT_EQ(found->faces.size(), expected.size());
  const auto transforms = golden_alignment()["sets"][set];
  double landmarks = 0, boxes = 0, scores = 0, crops = 0, forward = 0, inverse = 0;
  const auto raise = [](double* worst, double difference) { *worst = std::max(*worst, std::abs(difference)); };
  for (size_t i = 0; i < expected.size(); ++i) {
    const Face &a = found->faces[i], &b = expected[i];
    const auto aligned = align_face(a.landmarks, 256);
    const auto& reference = transforms[i]["align_256"];
    for (size_t k = 0; k < 5; ++k) {
      raise(&landmarks, std::hypot(a.landmarks[k].x - b.landmarks[k].x, a.landmarks[k].y - b.landmarks[k].y));
      // Where the transforms put this landmark in the crop.
      const Point p = aligned->forward(b.landmarks[k]);
      const auto& f = reference["forward"];
      const auto at = [&](size_t r) {
        return f[r][0].get<double>() * b.landmarks[k].x + f[r][1].get<double>() * b.landmarks[k].y +
               f[r][2].get<double>();
      };
      raise(&crops, std::hypot(p.x - at(0), p.y - at(1)));
    }
    raise(&boxes, a.box.x0 - b.box.x0);
    raise(&boxes, a.box.y0 - b.box.y0);
    raise(&boxes, a.box.x1 - b.box.x1);
    raise(&boxes, a.box.y1 - b.box.y1);
    raise(&scores, a.score - b.score);
    for (size_t r = 0; r < 2; ++r)
      for (size_t c = 0; c < 3; ++c) {
        if (c < 2) raise(&forward, aligned->forward.m[r][c] - reference["forward"][r][c].get<double>());
        raise(&inverse, aligned->inverse.m[r][c] - reference["inverse"][r][c].get<double>());
      }
  }
  std::cout << set << ": landmarks " << landmarks << " px, boxes " << boxes << " px, scores " << scores
            << "; transforms: linear part " << forward << ", at the landmarks " << crops << " px, inverse " << inverse
            << '\n';
  // The bar for landmarks is half a pixel; what single precision leaves is far less.
  EXPECT_LE(landmarks, 2e-3);
  EXPECT_LE(boxes, 2e-3);
  EXPECT_LE(scores, 1e-5);
  EXPECT_LE(forward, 1e-3);
  EXPECT_LE(crops, 1e-3);
  EXPECT_LE(inverse, 1e-3);
}
INSTANTIATE_TEST_SUITE_P(RealWeights, SolvayDetection, testing::Values("legacy", "zip"));

struct PasteCase {
  const char *name, *photo, *gpen, *expected;
  double alpha;
  bool parsed;
};
class SolvayPaste : public testing::TestWithParam<PasteCase> {};

TEST_P(SolvayPaste, EqualsTheReference) {
  const PasteCase& c = GetParam();
#ifdef __SANITIZE_ADDRESS__
  if (c.parsed)
    GTEST_SKIP() << "ten ParseNet-512 runs take minutes under the sanitizers; test_layers covers the network";
#endif
  GPEN_NEEDS_SHARED(c.expected);
  GPEN_NEEDS_SHARED("weights/retinaface_mobilenet0.25_legacy.pth");
  Models models;
  models.gpen = network<GpenNet>(c.gpen);
  models.detector = network<RetinaFaceNet>("weights/retinaface_mobilenet0.25_legacy.pth");
  if (c.parsed) {
    const auto store = synthesize(*parse_architecture("parsenet"), SynthKind::formula, "parse2.");
    ASSERT_TRUE(store.ok()) << store.status().message();
    auto parser = ParseNet::load(*store, shared_pool());
    ASSERT_TRUE(parser.ok()) << parser.status().message();
    models.parser = std::make_shared<ParseNet>(std::move(parser).value());
  }
  ASSERT_TRUE(models.gpen != nullptr && models.detector != nullptr);
  Restorer restorer(models, shared_pool());
  RestoreOptions options = published();
  options.alpha = c.alpha;
  const auto result = restorer.restore(picture(c.photo), options);
  ASSERT_TRUE(result.ok()) << result.status().message();
  const auto d = test::compare(result->image, picture(c.expected));
  std::cout << c.name << ": " << result->faces.size() << " faces, mean " << d.mean << ", largest " << d.largest
            << ", over 8: " << 100 * d.share_over_8 << " %;";
  for (const StageTime& t : result->times) std::cout << ' ' << t.stage << ' ' << std::lround(t.ms) << " ms";
  std::cout << '\n';
  if (c.parsed) {
    EXPECT_LE(d.mean, 0.3);
    EXPECT_LE(d.share_over_8, 0.005);
  } else {
    EXPECT_LE(d.mean, 0.1);
    EXPECT_LE(d.largest, 8);
  }
}
INSTANTIATE_TEST_SUITE_P(
    Golden, SolvayPaste,
    testing::Values(PasteCase{"512", "images/Solvay_conference_1927.png", "golden/gpen_negative_512.pth",
                              "golden/solvay_paste_negative_512_alpha1.0.png", 1, false},
                    PasteCase{"256 alpha 0.8", "images/Solvay_conference_1927.png", "golden/gpen_negative_256.pth",
                              "golden/solvay_paste_negative_256_alpha0.8.png", 0.8, false},
                    PasteCase{"large", "golden/solvay_large.png", "golden/gpen_negative_512.pth",
                              "golden/solvay_large_paste_negative_512.png", 1, false},
                    PasteCase{"parsed", "golden/solvay_part.png", "golden/gpen_negative_512.pth",
                              "golden/solvay_part_paste_negative_512_parsed.png", 1, true}),
    [](const auto& info) { return std::string("Case") + std::to_string(info.index); });

}  // namespace
}  // namespace gpen
