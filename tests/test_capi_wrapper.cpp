// include/gpen/gpen.hpp, used as an embedder does: none of the library's own headers is in sight.
#include <gtest/gtest.h>

#include <stdexcept>

// Programs that include it may be compiled with more warnings than this one.
#pragma GCC diagnostic push
#pragma GCC diagnostic error "-Weffc++"
#include "gpen/gpen.hpp"
#pragma GCC diagnostic pop
#include "support/capi_fixture.h"

namespace gpen::test {
namespace {

// The wrapper: values, exceptions, and what callbacks throw.
TEST(CppWrapper, RestoresThrowsAndCarriesExceptions) {
  const SmallNetworks small;
  std::vector<std::string> log;
  ModelParams open;
  static_cast<gpen_model_params&>(open) = small.params();
  Model model(open, [&](gpen_log_level, const char* text) { log.push_back(text); });
  EXPECT_FALSE(log.empty());
  EXPECT_EQ(model.info().face_size, 64);
  const SmallPhoto photo;
  const gpen_face face = face_at(4, 4, 40);
  RestoreParams params;
  params.faces = &face;
  params.face_count = 1;
  const auto result = model.restore(photo.image(), params);
  EXPECT_EQ(result.faces().size(), 1u);
  EXPECT_EQ(result.image().width, 2 * photo.width);
  const Model moved = std::move(model);
  EXPECT_EQ(pixels_of_view(moved.restore(photo.image(), params).image()), pixels_of_view(result.image()));

  EXPECT_THROW(
      moved.restore(photo.image(), params, [](const char*, double) -> bool { throw std::out_of_range("mine"); }),
      std::out_of_range);
  try {
    moved.restore(photo.image(), params, [](const char*, double) { return false; });
    FAIL() << "not cancelled";
  } catch (const Error& e) {
    EXPECT_EQ(e.status(), GPEN_ERROR_CANCELLED);
  }
  EXPECT_THROW(Picture::load("missing.png"), Error);
  const Picture back = [&] {
    const std::vector<uint8_t> file = encode(photo.image(), GPEN_FILE_BMP);
    return Picture::decode(file.data(), file.size());
  }();
  EXPECT_EQ(pixels_of_view(back.image()), photo.rgb);
  EXPECT_EQ(std::string(devices().front().name), "cpu");
}

}  // namespace
}  // namespace gpen::test
