// Small networks of every family as safetensors in memory, a photo and its faces: what the C API is tested with.
#pragma once
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "gpen/gpen.h"
#include "support/shared_data.h"

namespace gpen::test {

// 64-pixel GPEN, RetinaFace-MobileNet, ParseNet and a RealESRNet that doubles.
struct SmallNetworks {
  std::string gpen, detector, parser, upscaler;  // safetensors files
  SmallNetworks();
  // Two threads on the processor.
  gpen_model_params params() const {
    gpen_model_params p = gpen_model_default_params();
    p.gpen = {nullptr, gpen.data(), gpen.size()};
    p.detector = {nullptr, detector.data(), detector.size()};
    p.parser = {nullptr, parser.data(), parser.size()};
    p.upscaler = {nullptr, upscaler.data(), upscaler.size()};
    p.device = "cpu";
    p.threads = 2;
    return p;
  }
};

// Smooth colours with a pattern; `seed` makes different ones.
struct SmallPhoto {
  int width, height;
  std::vector<uint8_t> rgb;
  explicit SmallPhoto(int seed = 0, int w = 72, int h = 56) : width(w), height(h) {
    for (int y = 0; y < h; ++y)
      for (int x = 0; x < w; ++x)
        for (int c = 0; c < 3; ++c)
          rgb.push_back(static_cast<uint8_t>(40 + 2 * x + y * (c + 1) + ((x * 7 + y * 13 + seed * 31) % 23)));
  }
  gpen_image image() const { return {rgb.data(), width, height, 0, GPEN_FORMAT_RGB}; }
};

// A face of `side` pixels with its left upper corner at (x, y), the box left to be derived.
inline gpen_face face_at(double x, double y, double side) {
  constexpr double kTemplate[5][2] = {{0.377, 0.470}, {0.626, 0.469}, {0.502, 0.611}, {0.397, 0.717}, {0.609, 0.716}};
  gpen_face face = {};
  face.score = 1;
  for (int i = 0; i < 5; ++i) face.landmarks[i] = {x + side * kTemplate[i][0], y + side * kTemplate[i][1]};
  return face;
}

struct OwnedModel {
  gpen_model* handle = nullptr;
  explicit OwnedModel(const gpen_model_params& params) {
    EXPECT_EQ(gpen_model_open(&params, &handle), GPEN_OK) << gpen_last_error();
  }
  OwnedModel(const OwnedModel&) = delete;
  OwnedModel& operator=(const OwnedModel&) = delete;
  ~OwnedModel() { gpen_model_free(handle); }
};

inline std::vector<uint8_t> pixels_of_view(const gpen_image& image) {
  const size_t bytes = static_cast<size_t>(image.width) * static_cast<size_t>(image.height) *
                       static_cast<size_t>(gpen_format_channels(image.format));
  return {image.data, image.data + bytes};
}
// A copy of a picture of a result.
inline std::vector<uint8_t> pixels_of(const gpen_result* result, gpen_result_picture which = GPEN_PICTURE_RESULT,
                                      size_t index = 0) {
  gpen_image image = {};
  EXPECT_EQ(gpen_result_image(result, which, index, &image), GPEN_OK) << gpen_last_error();
  return pixels_of_view(image);
}

}  // namespace gpen::test
