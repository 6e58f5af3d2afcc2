// The C API's answers: against the pipeline that it wraps, and to wrong arguments.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <functional>
#include <limits>

#include "support/capi_fixture.h"

extern "C" gpen_status capi_header_restore(gpen_model* model, const gpen_image* image, const gpen_image_buffer* to);

namespace gpen::test {
namespace {

constexpr gpen_weights kNone = {"none", nullptr, 0};

const SmallNetworks& networks() {
  static const SmallNetworks small;
  return small;
}

// The GPEN "negative", made in memory: 255 - v, and one less where it truncates.
gpen_model_params negative() {
  gpen_model_params p = gpen_model_default_params();
  p.gpen.name = "negative";
  p.detector = p.parser = kNone;
  p.face_size = 256;
  p.device = "cpu";
  p.threads = 2;
  return p;
}

std::string error() { return gpen_last_error(); }
bool says(const std::string& words) { return error().find(words) != std::string::npos; }

TEST(CApi, VersionsOfHeaderAndLibraryAgree) {
  EXPECT_EQ(gpen_version_number(), GPEN_VERSION_NUMBER);
  EXPECT_EQ(std::to_string(GPEN_VERSION_MAJOR) + "." + std::to_string(GPEN_VERSION_MINOR) + "." +
                std::to_string(GPEN_VERSION_PATCH),
            gpen_version());
  EXPECT_STREQ(gpen_status_text(GPEN_ERROR_MEMORY), "out of memory");
  EXPECT_STREQ(gpen_status_text(static_cast<gpen_status>(99)), "unknown status");
}

TEST(CApi, AnAlignedFaceThroughAKnownNetworkInC) {
  const OwnedModel model(negative());
  const SmallPhoto face(3, 256, 256);
  const gpen_image image = face.image();
  std::vector<uint8_t> bgra(256 * 256 * 4);
  const gpen_image_buffer to = {bgra.data(), 256, 256, 0, GPEN_FORMAT_BGRA};
  ASSERT_EQ(capi_header_restore(model.handle, &image, &to), GPEN_OK) << error();
  int off = 0;  // lambda_id works on it too: the face contradicts its negative, so only most of it is exact without
  gpen_restore_params params = gpen_restore_default_params();
  params.aligned = true;
  params.lambda_id = 0;
  gpen_result* result = nullptr;
  ASSERT_EQ(gpen_restore(model.handle, &params, &image, &result), GPEN_OK) << error();
  const std::vector<uint8_t> plain = pixels_of(result);
  gpen_result_free(result);
  for (size_t i = 0; i < plain.size(); ++i) off += 255 - face.rgb[i] - plain[i] > 1 || 255 - face.rgb[i] < plain[i];
  EXPECT_EQ(off, 0);
  for (size_t i = 3; i < bgra.size(); i += 4) ASSERT_EQ(bgra[i], 255) << "alpha that the photo does not have";
}

TEST(CApi, FacesPicturesAndNotesOfAResult) {
  const OwnedModel model(networks().params());
  const SmallPhoto photo;
  const gpen_image image = photo.image();
  const gpen_face given[] = {face_at(4, 4, 40), face_at(500, 500, 40)};
  gpen_restore_params params = gpen_restore_default_params();
  params.faces = given;
  params.face_count = 2;
  params.keep_faces = params.compare = true;
  std::vector<std::string> stages;
  params.progress = [](const char* stage, double, void* data) {
    static_cast<std::vector<std::string>*>(data)->push_back(stage);
  };
  params.progress_user_data = &stages;
  gpen_result* result = nullptr;
  ASSERT_EQ(gpen_restore(model.handle, &params, &image, &result), GPEN_OK) << error();

  EXPECT_EQ(gpen_result_face_count(result), 1u);
  gpen_face face = {};
  ASSERT_EQ(gpen_result_face(result, 0, &face), GPEN_OK);
  EXPECT_NEAR(face.landmarks[2].x, given[0].landmarks[2].x, 1e-9);
  EXPECT_GT(face.x1, face.x0) << "the box is derived";
  gpen_alignment alignment = {};
  ASSERT_EQ(gpen_result_alignment(result, 0, &alignment), GPEN_OK);
  EXPECT_EQ(alignment.crop_size, 64);
  // there and back, on the photo that the upscaler has doubled
  const auto map = [](const double(&m)[2][3], double x, double y) {
    return std::pair(m[0][0] * x + m[0][1] * y + m[0][2], m[1][0] * x + m[1][1] * y + m[1][2]);
  };
  const auto crop = map(alignment.to_crop, 20, 30);
  EXPECT_NEAR(map(alignment.to_photo, crop.first, crop.second).first, 20, 1e-9);
  EXPECT_EQ(gpen_result_note_count(result), 1u);
  EXPECT_NE(std::string(gpen_result_note(result, 0)).find("outside of the picture"), std::string::npos);
  EXPECT_EQ(gpen_result_note(result, 1), nullptr);

  gpen_image picture = {};
  ASSERT_EQ(gpen_result_image(result, GPEN_PICTURE_RESULT, 0, &picture), GPEN_OK);
  EXPECT_EQ(picture.width, 2 * photo.width) << "the upscaler doubles";
  ASSERT_EQ(gpen_result_image(result, GPEN_PICTURE_FACE_AFTER, 0, &picture), GPEN_OK);
  EXPECT_EQ(picture.width, 64);
  EXPECT_EQ(gpen_result_image(result, GPEN_PICTURE_COMPARISON, 0, &picture), GPEN_OK);
  EXPECT_EQ(gpen_result_image(result, GPEN_PICTURE_FACE_AFTER, 1, &picture), GPEN_ERROR_USAGE);
  EXPECT_EQ(gpen_result_image(result, GPEN_PICTURE_ALPHA, 0, &picture), GPEN_ERROR_USAGE);
  EXPECT_EQ(gpen_result_image(result, static_cast<gpen_result_picture>(77), 0, &picture), GPEN_ERROR_USAGE);
  EXPECT_EQ(gpen_result_face(result, 1, &face), GPEN_ERROR_USAGE);
  for (const char* stage : {"upscale", "detect", "restore", "paste"})
    EXPECT_NE(std::count(stages.begin(), stages.end(), stage), 0) << stage;
  gpen_result_free(result);
}

TEST(CApi, TransparencyIsKept) {
  const OwnedModel model(negative());
  std::vector<uint8_t> rgba(20 * 10 * 4);
  for (size_t i = 0; i < rgba.size(); ++i) rgba[i] = static_cast<uint8_t>(i * 7);
  const gpen_image image = {rgba.data(), 20, 10, 0, GPEN_FORMAT_RGBA};
  gpen_restore_params params = gpen_restore_default_params();
  const gpen_face outside = face_at(900, 900, 40);
  params.faces = &outside;  // nothing is restored: the picture comes back
  params.face_count = 1;
  gpen_result* result = nullptr;
  ASSERT_EQ(gpen_restore(model.handle, &params, &image, &result), GPEN_OK) << error();
  std::vector<uint8_t> out(rgba.size());
  const gpen_image_buffer to = {out.data(), 20, 10, 0, GPEN_FORMAT_RGBA};
  ASSERT_EQ(gpen_result_copy(result, &to), GPEN_OK);
  EXPECT_EQ(out, rgba);
  EXPECT_EQ(pixels_of(result, GPEN_PICTURE_ALPHA).size(), 200u);
  gpen_result_free(result);
}

// Pixel (x, y) of every format and stride holds what it should, and nothing beside the rows is touched.
TEST(CApi, FormatsAndStrides) {
  constexpr int kWidth = 5, kHeight = 3;
  const uint8_t rgb[] = {10, 20, 30};
  struct Case {
    gpen_format format;
    std::vector<uint8_t> pixel;
  };
  const Case cases[] = {{GPEN_FORMAT_RGB, {10, 20, 30}},
                        {GPEN_FORMAT_BGR, {30, 20, 10}},
                        {GPEN_FORMAT_RGBA, {10, 20, 30, 255}},
                        {GPEN_FORMAT_BGRA, {30, 20, 10, 255}},
                        {GPEN_FORMAT_GRAY, {18}}};  // 0.299 * 10 + 0.587 * 20 + 0.114 * 30 = 18.15
  for (const Case& c : cases) {
    const int channels = gpen_format_channels(c.format);
    ASSERT_EQ(static_cast<size_t>(channels), c.pixel.size());
    for (const int padding : {0, 3}) {
      for (const bool bottom_up : {false, true}) {
        std::vector<uint8_t> source;
        for (int i = 0; i < kWidth * kHeight; ++i)
          for (const uint8_t v : rgb) source.push_back(static_cast<uint8_t>(v + 4 * i));
        const gpen_image from = {source.data(), kWidth, kHeight, 0, GPEN_FORMAT_RGB};
        const ptrdiff_t stride = kWidth * channels + padding;
        std::vector<uint8_t> memory(static_cast<size_t>(stride * kHeight), 0xEE);
        uint8_t* top = bottom_up ? memory.data() + stride * (kHeight - 1) : memory.data();
        const gpen_image_buffer to = {top, kWidth, kHeight, bottom_up ? -stride : stride, c.format};
        ASSERT_EQ(gpen_image_convert(&from, &to), GPEN_OK) << error();
        for (int y = 0; y < kHeight; ++y) {
          const uint8_t* row = top + y * to.stride;
          for (int x = 0; x < kWidth; ++x) {
            for (int k = 0; k < channels; ++k) {
              const int grown = c.pixel[static_cast<size_t>(k)] + (k == 3 ? 0 : 4 * (y * kWidth + x));
              ASSERT_EQ(row[x * channels + k], grown) << c.format << " " << x << "," << y;
            }
          }
          for (int k = 0; k < padding; ++k) ASSERT_EQ(row[kWidth * channels + k], 0xEE);
        }
        // And back: gray has lost its colour, everything else nothing.
        const gpen_image there = {top, kWidth, kHeight, to.stride, c.format};
        std::vector<uint8_t> back(source.size());
        const gpen_image_buffer again = {back.data(), kWidth, kHeight, 0, GPEN_FORMAT_RGB};
        ASSERT_EQ(gpen_image_convert(&there, &again), GPEN_OK);
        if (c.format != GPEN_FORMAT_GRAY) {
          EXPECT_EQ(back, source);
        } else {
          EXPECT_EQ(back[0], 18);
          EXPECT_EQ(back[0], back[2]);
        }
      }
    }
  }
}

TEST(CApi, WrongPicturesAreRefusedInWords) {
  uint8_t pixels[64] = {};
  const gpen_image good = {pixels, 4, 4, 0, GPEN_FORMAT_RGB};
  const gpen_image_buffer to = {pixels, 4, 4, 0, GPEN_FORMAT_RGB};
  struct Case {
    std::function<void(gpen_image*)> spoil;
    const char* words;
  };
  constexpr ptrdiff_t kMost = std::numeric_limits<ptrdiff_t>::max(), kLeast = std::numeric_limits<ptrdiff_t>::min();
  const Case cases[] = {{[](gpen_image* i) { i->data = nullptr; }, "from->data is NULL"},
                        {[](gpen_image* i) { i->width = 0; }, "0x4 pixels"},
                        {[](gpen_image* i) { i->height = -1; }, "4x-1 pixels"},
                        {[](gpen_image* i) { i->stride = 11; }, "stride is 11 bytes"},
                        {[](gpen_image* i) { i->stride = -11; }, "stride is -11 bytes"},
                        {[](gpen_image* i) { i->stride = kMost; }, "larger than the memory"},
                        {[](gpen_image* i) { i->stride = kLeast; }, "larger than the memory"},
                        {[](gpen_image* i) { i->format = static_cast<gpen_format>(9); }, "format is 9"},
                        {[](gpen_image* i) { i->height = 5; }, "the picture is 4x5"}};
  for (const Case& c : cases) {
    gpen_image image = good;
    c.spoil(&image);
    EXPECT_EQ(gpen_image_convert(&image, &to), GPEN_ERROR_USAGE) << c.words;
    EXPECT_TRUE(says(c.words)) << error();
  }
  EXPECT_EQ(gpen_image_convert(&good, &to), GPEN_OK);
  EXPECT_EQ(error(), "") << "a success clears it";
  const OwnedModel model(negative());
  gpen_image wide = {pixels, 40000, 1, 0, GPEN_FORMAT_RGB};
  gpen_result* result = nullptr;
  EXPECT_EQ(gpen_restore(model.handle, nullptr, &wide, &result), GPEN_ERROR_USAGE);
  EXPECT_TRUE(says("32767")) << error();
}

TEST(CApi, NullsAreRefused) {
  gpen_model* model = nullptr;
  gpen_result* result = reinterpret_cast<gpen_result*>(1);
  gpen_image image = {};
  EXPECT_EQ(gpen_model_open(nullptr, nullptr), GPEN_ERROR_USAGE);
  EXPECT_EQ(gpen_restore(nullptr, nullptr, nullptr, &result), GPEN_ERROR_USAGE);
  EXPECT_EQ(result, nullptr) << "outputs are NULL after an error";
  EXPECT_EQ(gpen_detect(nullptr, nullptr, nullptr, nullptr), GPEN_ERROR_USAGE);
  EXPECT_EQ(gpen_model_get_info(nullptr, nullptr), GPEN_ERROR_USAGE);
  EXPECT_EQ(gpen_result_image(nullptr, GPEN_PICTURE_RESULT, 0, &image), GPEN_ERROR_USAGE);
  EXPECT_EQ(gpen_result_copy(nullptr, nullptr), GPEN_ERROR_USAGE);
  EXPECT_EQ(gpen_result_face(nullptr, 0, nullptr), GPEN_ERROR_USAGE);
  EXPECT_EQ(gpen_result_alignment(nullptr, 0, nullptr), GPEN_ERROR_USAGE);
  EXPECT_EQ(gpen_picture_load(nullptr, nullptr), GPEN_ERROR_USAGE);
  EXPECT_EQ(gpen_picture_decode(nullptr, 5, nullptr, nullptr), GPEN_ERROR_USAGE);
  EXPECT_EQ(gpen_picture_image(nullptr, nullptr), GPEN_ERROR_USAGE);
  EXPECT_EQ(gpen_image_save(nullptr, "a.png", 0), GPEN_ERROR_USAGE);
  EXPECT_EQ(gpen_image_encode(nullptr, GPEN_FILE_PNG, 0, nullptr, nullptr), GPEN_ERROR_USAGE);
  EXPECT_EQ(gpen_device_get(0, nullptr), GPEN_ERROR_USAGE);
  EXPECT_EQ(gpen_result_face_count(nullptr), 0u);
  EXPECT_EQ(gpen_result_note(nullptr, 0), nullptr);
  gpen_model_params_init(nullptr, 0);
  gpen_restore_params_init(nullptr, 0);
  gpen_model_free(model);
  gpen_result_free(nullptr);
  gpen_picture_free(nullptr);
  gpen_free(nullptr);
}

TEST(CApi, WrongParametersAreRefusedInWords) {
  struct Case {
    std::function<void(gpen_model_params*)> spoil;
    gpen_status status;
    const char* words;
  };
  const Case opens[] = {
      {[](auto* p) { p->size = 8; }, GPEN_ERROR_USAGE, "params->size is 8"},
      {[](auto* p) { p->threads = -1; }, GPEN_ERROR_USAGE, "threads is -1"},
      {[](auto* p) { p->task = static_cast<gpen_task>(7); }, GPEN_ERROR_USAGE, "task is 7"},
      {[](auto* p) { p->face_size = 300; }, GPEN_ERROR_USAGE, "face_size is 300"},
      {[](auto* p) { p->device = "tpu"; }, GPEN_ERROR_USAGE, "device tpu"},
      {[](auto* p) { p->device = "cuda:0,cuda:1"; }, GPEN_ERROR_USAGE, "computes on one device"},
      {[](auto* p) { p->device = "cuda:9999"; }, GPEN_ERROR_DEVICE, "device cuda:9999"},
      {[](auto* p) { p->precision = "fp16"; }, GPEN_ERROR_DEVICE, "the CPU computes in fp32 or bf16"},
      {[](auto* p) { p->gpen.name = "no/such/file.pth"; }, GPEN_ERROR_MODEL, "no/such/file.pth"},
      {[](auto* p) { p->gpen.name = "/tmp"; }, GPEN_ERROR_MODEL, "/tmp: is a folder"},
      {[](auto* p) {
         p->gpen = {"x", "junk", 4};
       },
       GPEN_ERROR_MODEL, "x: too short"},
      {[](auto* p) {
         p->gpen = {"x", nullptr, 4};
       },
       GPEN_ERROR_USAGE, "gpen.data is NULL"},
      {[](auto* p) {
         p->gpen = {"x", networks().detector.data(), networks().detector.size()};
       },
       GPEN_ERROR_MODEL, "x"},
      {[](auto* p) { p->gpen = kNone; }, GPEN_ERROR_USAGE, "neither a GPEN nor a detector"},
  };
  for (const Case& c : opens) {
    gpen_model_params p = negative();
    c.spoil(&p);
    gpen_model* model = reinterpret_cast<gpen_model*>(1);
    EXPECT_EQ(gpen_model_open(&p, &model), c.status) << c.words;
    EXPECT_TRUE(says(c.words)) << c.words << " / " << error();
    EXPECT_EQ(model, nullptr);
  }

  const OwnedModel model(negative());
  const SmallPhoto photo;
  const gpen_image image = photo.image();
  struct Restore {
    std::function<void(gpen_restore_params*)> spoil;
    const char* words;
  };
  const gpen_face face = face_at(4, 4, 40);
  const Restore restores[] = {{[](auto*) {}, "without a detector"},
                              {[](auto* p) { p->size = 0; }, "params->size is 0"},
                              {[](auto* p) { p->lambda_id = 2; }, "lambda-id"},
                              {[](auto* p) { p->alpha = std::numeric_limits<double>::quiet_NaN(); }, "alpha"},
                              {[](auto* p) { p->threshold = -1; }, "threshold"},
                              {[](auto* p) { p->threshold = 1; }, "threshold"},
                              {[](auto* p) { p->max_faces = -1; }, "number of faces"},
                              {[](auto* p) { p->batch = -1; }, "batch"},
                              {[](auto* p) { p->tile = -1; }, "tile"},
                              {[](auto* p) { p->tile = 64; }, "tile is for an upscaler"},
                              {[](auto* p) { p->aligned = p->draw_boxes = true; }, "draw_boxes exclude"},
                              {[](auto* p) { p->detect_size = 3; }, "16 pixels or more"},
                              {[](auto* p) { p->face_count = 1; }, "faces is NULL"},
                              {[&](auto* p) { p->faces = &face, p->aligned = true; }, "exclude each other"}};
  for (const Restore& c : restores) {
    gpen_restore_params p = gpen_restore_default_params();
    c.spoil(&p);
    gpen_result* result = nullptr;
    EXPECT_EQ(gpen_restore(model.handle, &p, &image, &result), GPEN_ERROR_USAGE) << c.words;
    EXPECT_TRUE(says(c.words)) << c.words << " / " << error();
    EXPECT_EQ(result, nullptr);
  }
  gpen_result* result = nullptr;
  EXPECT_EQ(gpen_detect(model.handle, nullptr, &image, &result), GPEN_ERROR_USAGE);
  EXPECT_TRUE(says("no detector")) << error();
}

// A header of tomorrow has longer structs: taken as long as what is not known here is zero.
TEST(CApi, StructsMayGrow) {
  struct Longer {
    gpen_model_params known;
    uint64_t unknown;
  } later;
  gpen_model_params_init(&later.known, sizeof(later));
  EXPECT_EQ(later.known.size, sizeof(later));
  EXPECT_EQ(later.unknown, 0u);
  const gpen_model_params plain = negative();
  std::memcpy(&later.known, &plain, sizeof(plain));
  later.known.size = sizeof(later);
  gpen_model* model = nullptr;
  EXPECT_EQ(gpen_model_open(&later.known, &model), GPEN_OK) << error();
  gpen_model_free(model);
  later.unknown = 1;
  EXPECT_EQ(gpen_model_open(&later.known, &model), GPEN_ERROR_USAGE);
  EXPECT_TRUE(says("lacks")) << error();
  // A shorter one is filled no further than it is long.
  gpen_restore_params shorter;
  std::memset(static_cast<void*>(&shorter), 0xEE, sizeof(shorter));
  gpen_restore_params_init(&shorter, offsetof(gpen_restore_params, aligned));
  EXPECT_EQ(shorter.threshold, 0.9);
  EXPECT_EQ(reinterpret_cast<const unsigned char*>(&shorter)[offsetof(gpen_restore_params, aligned)], 0xEE);
}

TEST(CApi, AModelThatOnlyDetects) {
  gpen_model_params params = networks().params();
  params.gpen = kNone;
  params.parser = params.upscaler = {};
  const OwnedModel model(params);
  const SmallPhoto photo;
  const gpen_image image = photo.image();
  gpen_restore_params how = gpen_restore_default_params();
  how.threshold = 0;
  how.max_faces = 3;
  gpen_result* result = nullptr;
  ASSERT_EQ(gpen_detect(model.handle, &how, &image, &result), GPEN_OK) << error();
  ASSERT_EQ(gpen_result_face_count(result), 3u) << "random weights see faces everywhere";
  gpen_face first = {}, second = {};
  EXPECT_EQ(gpen_result_face(result, 0, &first), GPEN_OK);
  EXPECT_EQ(gpen_result_face(result, 1, &second), GPEN_OK);
  EXPECT_GE(first.score, second.score);
  gpen_image none = {};
  EXPECT_EQ(gpen_result_image(result, GPEN_PICTURE_RESULT, 0, &none), GPEN_ERROR_USAGE);
  gpen_result_free(result);
  EXPECT_EQ(gpen_restore(model.handle, &how, &image, &result), GPEN_ERROR_USAGE);
  EXPECT_TRUE(says("only detects")) << error();
}

TEST(CApi, DevicesAreListedAndChecked) {
  ASSERT_GE(gpen_device_count(), 1u);
  gpen_device_info info = {};
  info.size = sizeof(info);
  ASSERT_EQ(gpen_device_get(0, &info), GPEN_OK);
  EXPECT_STREQ(info.name, "cpu");
  EXPECT_GT(info.memory_bytes, uint64_t{1} << 20);
  EXPECT_EQ(gpen_device_get(gpen_device_count(), &info), GPEN_ERROR_USAGE);
  EXPECT_EQ(gpen_device_check(info.name, "bf16"), GPEN_OK);
  EXPECT_EQ(gpen_device_check("cpu", "tf32"), GPEN_ERROR_DEVICE);
  EXPECT_EQ(gpen_device_check("cpu", "fp8"), GPEN_ERROR_USAGE);
}

TEST(CApi, PictureFilesGoOutAndIn) {
  const TemporaryFolder folder;
  const SmallPhoto photo;
  const gpen_image image = photo.image();
  const std::string path = folder / "photo.png";
  ASSERT_EQ(gpen_image_save(&image, path.c_str(), 0), GPEN_OK) << error();
  gpen_picture* picture = nullptr;
  ASSERT_EQ(gpen_picture_load(path.c_str(), &picture), GPEN_OK) << error();
  gpen_image read = {};
  ASSERT_EQ(gpen_picture_image(picture, &read), GPEN_OK);
  ASSERT_EQ(read.format, GPEN_FORMAT_RGB);
  EXPECT_EQ(std::memcmp(read.data, photo.rgb.data(), photo.rgb.size()), 0);
  gpen_picture_free(picture);
  EXPECT_EQ(gpen_image_save(&image, (folder / "photo.gif").c_str(), 0), GPEN_ERROR_USAGE);
  EXPECT_EQ(gpen_image_save(&image, (folder / "a.jpg").c_str(), 101), GPEN_ERROR_USAGE);
  EXPECT_EQ(gpen_image_save(&image, (folder / "no/such/folder.png").c_str(), 0), GPEN_ERROR_IO);
  EXPECT_EQ(gpen_picture_load((folder / "missing.png").c_str(), &picture), GPEN_ERROR_IO);
  EXPECT_TRUE(says("missing.png")) << error();
  EXPECT_EQ(gpen_picture_decode("not a picture", 13, "letter", &picture), GPEN_ERROR_IO);
  EXPECT_TRUE(says("letter: ")) << error();
}

}  // namespace
}  // namespace gpen::test
