// Masks, pasting and the tasks' last steps on a device: the processor's numbers, and near the formulas.
#include <gtest/gtest.h>

#include <algorithm>

#include "pipeline/paste.h"
#include "support/device_pictures.h"

namespace gpen {
namespace {

using namespace test;

class PicturePaste : public DevicePictures {};
INSTANTIATE_TEST_SUITE_P(Device, PicturePaste, testing::ValuesIn(picture_cases()), case_name);

TEST_P(PicturePaste, DefaultMaskIsTheProcessors) {
  DevicePlane mask(device_);
  ASSERT_TRUE(default_mask(64, pool_, &mask).ok());
  EXPECT_EQ(back(mask).data, default_mask(64, pool_).data);
}

TEST_P(PicturePaste, SoftMaskIsTheProcessors) {
  for (const Size size : {Size{60, 90}, Size{52, 53}, Size{20, 20}, Size{150, 64}}) {
    const Plane keep = random_plane(size.width, size.height, 19);
    DevicePlane d_keep = on_device(keep), scratch(device_);
    ASSERT_TRUE(soften_mask(&d_keep, &scratch).ok());
    EXPECT_EQ(back(d_keep).data, soften_mask(keep, pool_).data) << size.width << "x" << size.height;
  }
}

// Blobs of classes, with ties between neighbouring classes and some values that are not numbers.
std::vector<float> random_logits(int classes, int side, unsigned seed) {
  std::vector<float> logits(static_cast<size_t>(classes) * static_cast<size_t>(side * side));
  std::mt19937 random(seed);
  for (int c = 0; c < classes; ++c)
    for (int i = 0; i < side * side; ++i) {
      const double wave = std::sin(0.11 * (i % side) * (c % 5 + 1)) + std::cos(0.07 * (i / side) * (c % 7 + 1) + c);
      logits[static_cast<size_t>(c * side * side + i)] = static_cast<float>(std::round(2 * wave));
    }
  for (int k = 0; k < 20; ++k) logits[random() % logits.size()] = std::numeric_limits<float>::quiet_NaN();
  return logits;
}

TEST_P(PicturePaste, ClassesAreKeptByTheMostLikely) {
  for (const int classes : {1, 2, 19, 40}) {
    constexpr int kSide = 21;
    std::vector<float> logits = random_logits(classes, kSide, 20);
    // Every class somewhere: those from 32 on have no bit.
    for (size_t c = 0; c < static_cast<size_t>(classes); ++c) logits[c * kSide * kSide + 7 * c] = 100;
    DevicePlane keep = new_plane(kSide, kSide);
    constexpr uint32_t kDropped = 1u << 0 | 1u << 2 | 1u << 18 | 1u << 31;
    kernels().keep_classes(*device_, on_device(logits).floats(), classes, kSide, kDropped, keep.data());
    const Plane result = back(keep);
    for (size_t i = 0; i < result.data.size(); ++i) {
      size_t best = 0;
      for (size_t c = 1; c < static_cast<size_t>(classes); ++c)
        if (logits[c * kSide * kSide + i] > logits[best * kSide * kSide + i]) best = c;
      const bool dropped = best == 0 || best == 2 || best == 18 || best == 31;
      ASSERT_EQ(result.data[i], dropped ? 0.0f : 1.0f) << classes << " " << i << " class " << best;
    }
  }
}

TEST_P(PicturePaste, ParsedMaskIsTheProcessors) {
  DeviceMaskScratch scratch(device_);
  for (const auto& [side, size] : {std::pair{64, 96}, std::pair{512, 512}, std::pair{512, 128}, std::pair{96, 512}}) {
    if (GetParam().order != Order::forward && side == 512) continue;  // These take long.
    const std::vector<float> logits = random_logits(19, side, 21);
    DevicePlane mask(device_);
    ASSERT_TRUE(parsed_mask(on_device(logits).floats(), 19, side, size, &scratch, &mask).ok());
    const Plane result = back(mask), expected = parsed_mask(logits.data(), 19, side, size, pool_);
    ASSERT_EQ(result.width, size);
    EXPECT_EQ(result.data, expected.data) << side << " " << size;
    EXPECT_GT(*std::max_element(result.data.begin(), result.data.end()), 0.5f);
  }
}

TEST_P(PicturePaste, FacesArePastedAsByTheProcessor) {
  constexpr int kSide = 24;
  const Image face_a = random_image(kSide, kSide, 22), face_b = random_image(kSide, kSide, 23);
  const Plane mask_a = random_plane(kSide, kSide, 24), mask_b = random_plane(kSide, kSide, 25);
  // Overlapping, over each edge, tiny, larger than the picture, and outside.
  const Affine places[] = {similarity(1.1, 0.3, 2, -5),  similarity(0.9, -0.2, -3, 4), similarity(1.3, 1, 10, -8),
                           similarity(0.8, 0, -40, -30), similarity(9, 0.1, -20, -20), similarity(0.1, 2, 12, 12),
                           similarity(1, 0, 500, 500)};
  for (const Size size : kSizes) {
    SCOPED_TRACE(concat(size.width, "x", size.height));
    Image picture = random_image(size.width, size.height, 26);
    DeviceImage d_picture = on_device(picture);
    PasteCanvas canvas(size.width, size.height);
    Result<DevicePasteCanvas> d_canvas = DevicePasteCanvas::make(device_, size.width, size.height);
    ASSERT_TRUE(d_canvas.ok());
    bool first = true;
    for (const Affine& place : places) {
      canvas.add(view(first ? face_a : face_b), first ? mask_a : mask_b, place, pool_);
      d_canvas->add(on_device(first ? face_a : face_b), on_device(first ? mask_a : mask_b), place);
      first = !first;
      EXPECT_EQ(back(d_canvas->mask()).data, canvas.mask().data);
    }
    canvas.blend_into(&picture, pool_);
    d_canvas->blend_into(&d_picture);
    EXPECT_EQ(back(d_picture).rgb, picture.rgb);
  }
}

TEST_P(PicturePaste, OnePastedFaceFollowsTheFormula) {
  constexpr int kSide = 16, kWidth = 40, kHeight = 30;
  const Image face = random_image(kSide, kSide, 27), photo = random_image(kWidth, kHeight, 28);
  const Plane mask = random_plane(kSide, kSide, 29);
  const Affine to_crop = similarity(0.7, 0.5, -3, -9);
  DeviceImage picture = on_device(photo);
  Result<DevicePasteCanvas> canvas = DevicePasteCanvas::make(device_, kWidth, kHeight);
  ASSERT_TRUE(canvas.ok());
  canvas->add(on_device(face), on_device(mask), to_crop);
  canvas->blend_into(&picture);
  const Image result = back(picture);
  int changed = 0;
  for (int y = 0; y < kHeight; ++y)
    for (int x = 0; x < kWidth; ++x) {
      const Point at = to_crop({static_cast<double>(x), static_cast<double>(y)});
      const double m =
          tent_sum(kSide, kSide, at, [&](int u, int v) { return mask.data[static_cast<size_t>(v * kSide + u)]; });
      changed += m > 0;
      for (int c = 0; c < 3; ++c) {
        const double colour = tent_sum(kSide, kSide, at, [&](int u, int v) { return face.row(v)[3 * u + c]; });
        // Two roundings: of the sampled colour, and of the result.
        EXPECT_NEAR(result.row(y)[3 * x + c], photo.row(y)[3 * x + c] * (1 - m) + colour * m, 1.0001) << x << " " << y;
      }
    }
  EXPECT_GT(changed, 200);
}

// White rectangles on a random picture.
Image with_holes(int width, int height, unsigned seed) {
  Image image = random_image(width, height, seed);
  for (int y = height / 3; y < height / 3 + 3 && y < height; ++y)
    for (int x = width / 2; x < width / 2 + 5 && x < width; ++x) std::fill_n(image.row(y) + 3 * x, 3, uint8_t{255});
  return image;
}

TEST_P(PicturePaste, TasksAreFinishedAsByTheProcessor) {
  for (const Size size : kSizes) {
    const Image input = with_holes(size.width, size.height, 30), picture = random_image(size.width, size.height, 31);
    const DeviceImage d_input = on_device(input);
    for (const Task task : {Task::restore, Task::colorize, Task::inpaint, Task::seg2face})
      for (const double lambda : {0.0, 0.35, 1.0}) {
        SCOPED_TRACE(concat(size.width, "x", size.height, " ", traits(task).name, " ", lambda));
        Image expected = picture;
        finish_task(task, input, lambda, &expected);
        DeviceImage d_picture = on_device(picture);
        ASSERT_TRUE(finish_task(task, d_input, lambda, &d_picture).ok());
        EXPECT_EQ(back(d_picture).rgb, expected.rgb);
      }
  }
}

TEST_P(PicturePaste, HolesAreMarkedWhereAWhitePixelIsMixedIn) {
  const Image picture = with_holes(40, 30, 32);
  Plane holes(40, 30);
  for (size_t i = 0; i < holes.data.size(); ++i)
    holes.data[i] = picture.rgb[3 * i] == 255 && picture.rgb[3 * i + 1] == 255 && picture.rgb[3 * i + 2] == 255;
  for (const Affine& to_picture : affines()) {
    const Image crop = random_image(21, 21, 33);
    Plane mixed(21, 21);
    warp_affine<float, float>(view(std::as_const(holes)), to_picture, view(mixed), pool_);
    DeviceImage d_crop = on_device(crop);
    mark_holes(on_device(picture), to_picture, &d_crop);
    const Image result = back(d_crop);
    for (size_t i = 0; i < mixed.data.size(); ++i)
      for (size_t k = 3 * i; k < 3 * i + 3; ++k) ASSERT_EQ(result.rgb[k], mixed.data[i] > 0 ? 255 : crop.rgb[k]) << i;
  }
}

TEST_P(PicturePaste, SizesThatDoNotGoTogetherAreErrors) {
  DeviceImage small = on_device(random_image(3, 5, 34)), large = on_device(random_image(17, 33, 35));
  const auto noted = [&] { return device_->finish().code(); };
  smooth_121(small, &large);
  EXPECT_EQ(noted(), Code::internal);
  blend(small, small, 0.5, &large);
  EXPECT_EQ(noted(), Code::internal);
  ASSERT_TRUE(finish_task(Task::colorize, small, 0, &large).ok());
  EXPECT_EQ(noted(), Code::internal);
  DevicePasteCanvas::make(device_, 4, 4)->blend_into(&small);
  EXPECT_EQ(noted(), Code::internal);
  kernels().resize_bytes(*device_, small.pixels(), {large.data(), 17, 33, 1}, 0, 0);
  EXPECT_EQ(noted(), Code::internal);
  kernels().warp_bytes(*device_, {small.data(), 15, 1, 1}, DeviceAffine{}, large.pixels());
  EXPECT_EQ(noted(), Code::internal);
  DevicePlane mask = new_plane(4, 4);
  kernels().paste_face(*device_, small.pixels(), mask.pixels(), DeviceAffine{}, {0, 0, 5, 4}, mask.pixels(),
                       large.data());
  EXPECT_EQ(noted(), Code::internal);
  EXPECT_EQ(back(small).rgb, random_image(3, 5, 34).rgb);
}

TEST_P(PicturePaste, RecordedWorkReadsThePictureOfTheDay) {
  DeviceImage crop = on_device(random_image(20, 20, 36)), out = new_image(12, 12);
  Result<std::unique_ptr<RecordedWork>> work = device_->record([&] { resize_bilinear(crop, &out); });
  ASSERT_TRUE(work.ok());
  const Image other = random_image(20, 20, 37);
  ASSERT_TRUE(crop.upload(other).ok());
  device_->replay(**work);
  EXPECT_EQ(back(out).rgb, resize_bilinear(other, 12, 12, pool_).rgb);
}

}  // namespace
}  // namespace gpen
