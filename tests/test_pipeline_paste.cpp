#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <random>

#include "pipeline/faces_json.h"
#include "pipeline/paste.h"
#include "support/picture_compare.h"
#include "support/shared_data.h"

namespace gpen {
namespace {

TEST(FaceMask, DefaultIsSoftSquare) {
  ThreadPool pool(2);
  const Plane m = default_mask(512, pool);
  EXPECT_NEAR(m.data[256 * 512 + 256], 1, 1e-6);
  EXPECT_NEAR(m.data[0], 0, 1e-9);
  // Two blurs of sigma 4 are one of 5.66: the edge lies between pixels 25 and 26.
  const auto expected = [](double x) { return 0.5 * (1 + std::erf((x - 25.5) / (std::sqrt(2.0) * std::sqrt(32.0)))); };
  for (int x = 0; x < 60; ++x) {
    EXPECT_NEAR(m.data[static_cast<size_t>(256 * 512 + x)], expected(x), 2e-3) << x;
    EXPECT_NEAR(m.data[static_cast<size_t>(256 * 512 + x)], m.data[static_cast<size_t>(256 * 512 + 511 - x)], 1e-6);
    EXPECT_NEAR(m.data[static_cast<size_t>(256 * 512 + x)], m.data[static_cast<size_t>(512 * x + 256)], 1e-6);
  }
}

TEST(FaceMask, OtherSizesAreResized) {
  ThreadPool pool(2);
  const Plane m = default_mask(512, pool), half = default_mask(256, pool);
  ASSERT_EQ(half.width, 256);
  for (int y = 0; y < 256; y += 7)
    for (int x = 0; x < 256; x += 3) {
      const float* p = m.data.data() + 2 * y * 512 + 2 * x;
      EXPECT_NEAR(half.data[static_cast<size_t>(y * 256 + x)], (p[0] + p[1] + p[512] + p[513]) / 4, 1e-6);
    }
}

TEST(FaceMask, ParsedKeepsFaceClasses) {
  ThreadPool pool(2);
  constexpr int kSide = 512, kClasses = 19;
  // Every class in turn over the whole face.
  for (int c = 0; c < kClasses; ++c) {
    std::vector<float> logits(size_t{kClasses} * kSide * kSide, -1);
    std::fill_n(logits.begin() + int64_t{c} * kSide * kSide, kSide * kSide, 2.0f);
    const Plane m = parsed_mask(logits.data(), kClasses, kSide, 512, pool);
    const bool dropped = c == 0 || c == 14 || c == 18;
    EXPECT_NEAR(m.data[256 * 512 + 256], dropped ? 0 : 1, 1e-6) << "class " << c;
    if (c == 1) {
      EXPECT_EQ(m.data, default_mask(512, pool).data);
    }
  }
  // Equal logits: the lower class (background).
  const std::vector<float> equal(size_t{kClasses} * kSide * kSide, 0.5f);
  EXPECT_EQ(parsed_mask(equal.data(), kClasses, kSide, 512, pool).data[256 * 512 + 256], 0);
}

TEST(Blend, RoundsToNearest) {
  const std::vector<uint8_t> a{255, 10, 0}, b{0, 13, 255};
  std::vector<uint8_t> out(3);
  blend(a, b, 1, out);
  EXPECT_EQ(out, a);
  blend(a, b, 0, out);
  EXPECT_EQ(out, b);
  blend(a, b, 0.8, out);
  EXPECT_EQ(out, (std::vector<uint8_t>{204, 11, 51}));
}

TEST(ReachOfCrop, CoversEverySampleThatIsNotZero) {
  std::mt19937 random(31);
  std::uniform_real_distribution<double> u(-1, 1);
  for (int round = 0; round < 50; ++round) {
    const double angle = 3.2 * u(random), scale = std::exp(2 * u(random));
    Affine to_crop;
    to_crop.m[0] = {scale * std::cos(angle), -scale * std::sin(angle), 20 * u(random)};
    to_crop.m[1] = {scale * std::sin(angle), scale * std::cos(angle), 20 * u(random)};
    const Rect r = reach_of_crop(to_crop, 16, 60, 40);
    EXPECT_GE(r.x0, 0);
    EXPECT_LE(r.x1, 60);
    for (int y = 0; y < 40; ++y)
      for (int x = 0; x < 60; ++x) {
        const Point p = to_crop({static_cast<double>(x), static_cast<double>(y)});
        if (p.x > -1 && p.y > -1 && p.x < 16 && p.y < 16) {
          ASSERT_TRUE(x >= r.x0 && x < r.x1 && y >= r.y0 && y < r.y1) << x << ' ' << y;
        }
      }
  }
  Affine away;
  away.m[0][2] = 1e7;
  EXPECT_TRUE(reach_of_crop(away, 16, 60, 40).empty());
}

TEST(PasteCanvas, LargerMaskTakesThePixel) {
  ThreadPool pool(2);
  PasteCanvas canvas(4, 1);
  const Image red = [] {
    Image i(4, 4);
    i.rgb.assign(48, 200);
    return i;
  }();
  const Image dark = [] {
    Image i(4, 4);
    i.rgb.assign(48, 100);
    return i;
  }();
  Plane first(4, 4), second(4, 4);
  const float m1[] = {0, 0.5f, 1, 0.25f}, m2[] = {0, 0.5f, 0.5f, 0.5f};
  std::copy(m1, m1 + 4, first.data.begin());
  std::copy(m2, m2 + 4, second.data.begin());
  canvas.add(view(red), first, Affine(), pool);
  canvas.add(view(dark), second, Affine(), pool);
  Image picture(4, 1);
  picture.rgb.assign(12, 10);
  canvas.blend_into(&picture, pool);
  EXPECT_EQ(picture.rgb[0], 10);
  EXPECT_EQ(picture.rgb[3], 105);  // equal masks: the first face stays
  EXPECT_EQ(picture.rgb[6], 200);
  EXPECT_EQ(picture.rgb[9], 55);
}

TEST(PasteCanvas, FarAwayFaceChangesNothing) {
  ThreadPool pool(2);
  PasteCanvas canvas(20, 10);
  Image face(16, 16);
  Affine away;
  away.m[0][2] = -1e6;
  canvas.add(view(face), Plane(16, 16, 1), away, pool);
  Image picture(20, 10);
  picture.rgb.assign(600, 77);
  canvas.blend_into(&picture, pool);
  EXPECT_EQ(picture.rgb, std::vector<uint8_t>(600, 77));
}

// The published paste-back of the negative: restored = 255 - crop, no network needed.
struct Pasted {
  Image image;
  Image mask;  // round(255 * mask), gray
};

Pasted paste_negative(const Image& photo, const std::vector<Face>& faces, int size, double alpha, ThreadPool& pool) {
  PasteCanvas canvas(photo.width, photo.height);
  const Plane mask = default_mask(size, pool);
  Image crop(size, size), restored(size, size), smooth(size, size);
  for (const Face& f : faces) {
    const auto a = align_face(f.landmarks, size);
    warp_affine(view(photo), a->inverse, view(crop), pool);
    for (size_t i = 0; i < crop.rgb.size(); ++i) restored.rgb[i] = static_cast<uint8_t>(255 - crop.rgb[i]);
    if (f.box.smaller_side() < kSmallFace) {
      smooth_121(view(std::as_const(restored)), view(smooth), pool);
      std::swap(restored, smooth);
    }
    blend(restored.rgb, crop.rgb, alpha, restored.rgb);
    canvas.add(view(restored), mask, a->forward, pool);
  }
  Pasted result{photo, Image(photo.width, photo.height)};
  canvas.blend_into(&result.image, pool);
  for (size_t i = 0; i < canvas.mask().data.size(); ++i)
    std::fill_n(result.mask.rgb.begin() + static_cast<ptrdiff_t>(3 * i), 3, to_byte(255 * canvas.mask().data[i]));
  return result;
}

TEST(PasteBack, EqualsReferenceOnSolvay) {
  GPEN_NEEDS_SHARED("golden/solvay_paste_negative_512_alpha1.0.png");
  GPEN_NEEDS_SHARED("images/Solvay_conference_1927.png");
  ThreadPool pool(2);
  const Image photo = *load_image(test::shared_file("images/Solvay_conference_1927.png"));
  std::ifstream file(test::shared_file("golden/solvay_alignment.json"));
  const auto all = nlohmann::json::parse(file);
  const auto faces = faces_from_json(all["sets"]["legacy"].dump(), "golden");
  ASSERT_EQ(faces->size(), 29u);
  const struct {
    int size;
    double alpha;
    const char* name;
  } cases[] = {{512, 1.0, "512_alpha1.0"}, {256, 0.8, "256_alpha0.8"}};
  for (const auto& c : cases) {
    const auto start = std::chrono::steady_clock::now();
    const Pasted ours = paste_negative(photo, *faces, c.size, c.alpha, pool);
    const std::chrono::duration<double, std::milli> ms = std::chrono::steady_clock::now() - start;
    const auto picture = test::compare(
        ours.image, *load_image(test::shared_file(concat("golden/solvay_paste_negative_", c.name, ".png"))));
    const auto mask =
        test::compare(ours.mask, *load_image(test::shared_file(concat("golden/solvay_paste_mask_", c.size, ".png"))));
    std::cout << c.name << ": mean " << picture.mean << ", largest " << picture.largest << "; mask mean " << mask.mean
              << ", largest " << mask.largest << "; " << ms.count() << " ms\n";
    EXPECT_LE(picture.mean, 0.1);
    EXPECT_LE(picture.largest, 8);
    EXPECT_LE(mask.mean, 0.05);
    EXPECT_LE(mask.largest, 3);
  }
}

}  // namespace
}  // namespace gpen
