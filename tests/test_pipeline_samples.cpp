// 16-bit and gray pictures, CMYK, and the kinds of JPEG that are refused.
#include <gtest/gtest.h>

#include <random>

#include "pipeline/image.h"
#include "pipeline/jpeg_gray.h"
#include "pipeline/restore.h"
#include "pipeline/samples.h"
#include "support/cmyk_jpegs.h"
#include "support/picture_files.h"
#include "support/pictures.h"
#include "support/pipeline_networks.h"

namespace gpen {
namespace {

using test::Bytes;

Bytes samples_16(int count, uint32_t seed) {
  std::mt19937 random(seed);
  Bytes bytes;
  for (int i = 0; i < 2 * count; ++i) bytes.push_back(static_cast<uint8_t>(random()));
  return bytes;
}

Image loaded(const Bytes& file) {
  auto image = load_image(file, "memory");
  EXPECT_TRUE(image.ok()) << (image.ok() ? "" : image.status().message());
  return image.ok() ? *std::move(image) : Image(1, 1);
}

TEST(SixteenBits, MovedKeepsTheRoundedValueAndTheFile) {
  for (uint32_t v = 0; v < 65536; ++v) {
    ASSERT_EQ(moved(static_cast<uint16_t>(v), to_eight_bits(v)), v);
    for (const int now : {0, 1, 77, 128, 254, 255}) {
      const uint16_t out = moved(static_cast<uint16_t>(v), static_cast<uint8_t>(now));
      ASSERT_EQ(to_eight_bits(out), now) << v;
      ASSERT_LE(std::abs(out - now * 257), 128) << v;
    }
  }
}

TEST(SixteenBits, EveryKindOfPngComesOutAsItWentIn) {
  const struct { int type, channels; } kinds[] = {{0, 1}, {4, 2}, {2, 3}, {6, 4}};
  constexpr int kWidth = 13, kHeight = 9;
  for (const auto& k : kinds) {
    SCOPED_TRACE(k.type);
    const Bytes samples = samples_16(kWidth * kHeight * k.channels, 21);
    const Image image = loaded(test::png_file(kWidth, kHeight, k.type, 16, samples));
    ASSERT_TRUE(sixteen_bits(image));
    for (const bool keep_gray : {false, true}) {
      const Bytes file = *encode_image(image, ImageFormat::png, {.keep_gray = keep_gray});
      EXPECT_EQ(file[24], 16);
      EXPECT_EQ(file[25], (k.channels <= 2 && !keep_gray ? 2 : 0) + k.type) << "colour type";
      const Image again = loaded(file);
      EXPECT_EQ(again.deep->rgb, image.deep->rgb);
      EXPECT_EQ(again.deep->alpha, image.deep->alpha);
      EXPECT_EQ(again.was_gray, k.channels <= 2 && keep_gray);
    }
    const auto lost = lost_on_saving(image, ImageFormat::jpg);
    ASSERT_FALSE(lost.empty());
    EXPECT_NE(lost.back().find("16 bits"), std::string::npos);
  }
}

// A photo of 16 bits through the whole pipeline: untouched pixels are the file's, pasted ones are right to half a level
// of 8 bits, and the output has no step where they meet that the 8-bit output does not have.
TEST(SixteenBits, RestoreKeepsWhatNoFaceCovers) {
  constexpr int kSide = 160;
  const Image eight = test::test_picture(kSide, kSide);
  std::mt19937 random(4);
  Bytes samples;
  for (const uint8_t v : eight.rgb) {
    const uint16_t deep = static_cast<uint16_t>(v * 257 + (v < 255 ? static_cast<int>(random() % 100) : 0));
    samples.push_back(static_cast<uint8_t>(deep >> 8));
    samples.push_back(static_cast<uint8_t>(deep));
  }
  const Image photo = loaded(test::png_file(kSide, kSide, 2, 16, samples));
  ASSERT_EQ(photo.rgb, eight.rgb);
  Models models;
  models.gpen = test::analytic(SynthKind::negative, "gpen-bfr-256");
  Restorer restorer(models, test::shared_pool());
  Face face;
  face.landmarks = reference_landmarks(64);
  for (Point& p : face.landmarks) p = {p.x + 40, p.y + 50};
  face.box = {50, 60, 90, 110};
  const std::vector<Face> faces{face};
  auto result = restorer.restore(photo, test::published(), &faces);
  ASSERT_TRUE(result.ok()) << result.status().message();
  const Image out = loaded(*encode_image(result->image, ImageFormat::png));
  ASSERT_TRUE(sixteen_bits(out));
  EXPECT_EQ(out.rgb, result->image.rgb);
  int kept = 0, pasted = 0;
  for (size_t i = 0; i < out.rgb.size(); ++i) {
    if (result->image.rgb[i] == photo.rgb[i]) {
      ASSERT_EQ(out.deep->rgb[i], photo.deep->rgb[i]);
      ++kept;
    } else {
      ASSERT_LE(std::abs(out.deep->rgb[i] - result->image.rgb[i] * 257), 128);
      ++pasted;
    }
  }
  EXPECT_GT(kept, kSide * kSide);
  EXPECT_GT(pasted, 3000);
  // An aligned picture is computed anew: 8 bits, and that is said.
  RestoreOptions aligned = test::published();
  aligned.aligned = true;
  auto whole = restorer.restore(photo, aligned);
  ASSERT_TRUE(whole.ok());
  EXPECT_FALSE(sixteen_bits(whole->image));
  ASSERT_FALSE(whole->notes.empty());
  EXPECT_NE(whole->notes.back().find("16 bits"), std::string::npos);
}

TEST(Gray, StaysGrayWhenAsked) {
  const Image colour = test::test_picture(50, 33);
  Bytes samples(static_cast<size_t>(colour.pixels()));
  for (size_t i = 0; i < samples.size(); ++i) samples[i] = colour.rgb[3 * i];
  const Image gray = loaded(test::png_file(50, 33, 0, 8, samples));
  ASSERT_TRUE(gray.was_gray);
  for (const ImageFormat format : {ImageFormat::png, ImageFormat::jpg}) {
    EXPECT_FALSE(loaded(*encode_image(gray, format)).was_gray);
    const Image kept = loaded(*encode_image(gray, format, {.quality = 100, .keep_gray = true}));
    EXPECT_TRUE(kept.was_gray);
    EXPECT_LE(test::largest_difference(kept, gray), format == ImageFormat::png ? 0 : 2);
    EXPECT_FALSE(loaded(*encode_image(colour, format, {.keep_gray = true})).was_gray) << "a colour photo has colour";
  }
  EXPECT_EQ(lost_on_saving(gray, ImageFormat::bmp, {.keep_gray = true}).size(), 1u);
}

// Sizes around the blocks of eight, every quality, extremes of contrast: what another decoder reads is near.
TEST(Gray, JpegIsReadBack) {
  for (const auto& [w, h] : {std::pair{1, 1}, {7, 9}, {8, 8}, {17, 16}, {64, 3}})
    for (const int quality : {1, 30, 75, 95, 100}) {
      SCOPED_TRACE(concat(w, "x", h, " at ", quality));
      std::vector<uint8_t> smooth(static_cast<size_t>(w * h)), wild(smooth.size());
      std::mt19937 random(static_cast<uint32_t>(w * quality));
      for (int i = 0; i < w * h; ++i) {
        smooth[static_cast<size_t>(i)] = static_cast<uint8_t>(60 + i % w + 2 * (i / w));
        wild[static_cast<size_t>(i)] = random() % 2 ? 255 : 0;
      }
      const Image back = loaded(write_gray_jpeg(smooth, w, h, quality));
      ASSERT_EQ(back.width, w);
      EXPECT_TRUE(back.was_gray);
      const int limit = quality >= 95 ? 3 : quality >= 75 ? 8 : 90;
      for (size_t i = 0; i < smooth.size(); ++i) ASSERT_NEAR(back.rgb[3 * i], smooth[i], limit);
      const Image contrast = loaded(write_gray_jpeg(wild, w, h, quality));
      for (size_t i = 0; quality == 100 && i < wild.size(); ++i) ASSERT_NEAR(contrast.rgb[3 * i], wild[i], 3);
    }
}

TEST(JpegKinds, CmykBecomesRgbWithAndWithoutAdobesMarker) {
  const auto check = [](const Bytes& file) {
    const Image image = loaded(file);
    ASSERT_EQ(image.width, 8);
    EXPECT_FALSE(image.was_gray);
    EXPECT_TRUE(image.alpha.empty());
    const int left[3] = {200, 60, 20}, right[3] = {20, 90, 200};
    for (int y = 0; y < 8; ++y)
      for (int c = 0; c < 3; ++c) {
        for (const int x : {0, 1, 2}) EXPECT_NEAR(image.row(y)[3 * x + c], left[c], 16) << x << ' ' << y << ' ' << c;
        for (const int x : {5, 6, 7}) EXPECT_NEAR(image.row(y)[3 * x + c], right[c], 16) << x << ' ' << y << ' ' << c;
      }
  };
  const Bytes plain(std::begin(test::kPlainCmykJpeg), std::end(test::kPlainCmykJpeg));
  check(plain);
  check(Bytes(std::begin(test::kYcckJpeg), std::end(test::kYcckJpeg)));
  // The same inks said to be inverted: the picture of the opposite inks.
  Bytes inverted(plain.begin(), plain.begin() + 2);
  const Bytes adobe{0xFF, 0xEE, 0, 14, 'A', 'd', 'o', 'b', 'e', 0, 100, 0, 0, 0, 0, 0};
  inverted.insert(inverted.end(), adobe.begin(), adobe.end());
  inverted.insert(inverted.end(), plain.begin() + 2, plain.end());
  EXPECT_LT(loaded(inverted).rgb[0], 10);  // no cyan, a little black: inverted, all of one and most of the other
  // Cut and damaged files of four components.
  std::mt19937 random(6);
  for (int round = 0; round < 2000; ++round) {
    Bytes damaged = plain;
    for (int k = 0; k < 1 + round % 4; ++k) damaged[random() % damaged.size()] = static_cast<uint8_t>(random());
    (void)load_image(damaged, "damaged", {.max_pixels = 1 << 16});
  }
}

// The frame's marker and precision of a sound file changed: the reason is named.
TEST(JpegKinds, WhatIsNotDecodedIsNamed) {
  const Bytes sound = *encode_image(test::test_picture(16, 16), ImageFormat::jpg);
  size_t frame = 0;
  for (size_t i = 2; frame == 0; i += 2 + (size_t{sound[i + 2]} << 8 | sound[i + 3]))
    if (sound[i + 1] == 0xC0) frame = i;
  const struct {
    uint8_t marker, bits;
    const char* reason;
  } cases[] = {{0xC9, 8, "arithmetic-coded"}, {0xCA, 8, "arithmetic-coded"}, {0xC3, 8, "lossless"},
               {0xC5, 8, "hierarchical"},     {0xC1, 12, "12 bits"},         {0xC0, 16, "16 bits"}};
  for (const auto& c : cases) {
    Bytes file = sound;
    file[frame + 1] = c.marker;
    file[frame + 4] = c.bits;
    const auto r = load_image(file, "photo.jpg");
    ASSERT_FALSE(r.ok());
    EXPECT_EQ(r.status().code(), Code::io);
    EXPECT_NE(r.status().message().find(c.reason), std::string::npos) << r.status().message();
  }
}

}  // namespace
}  // namespace gpen
