// Photos as people have them, through the program: metadata, 16 bits, gray, document photos, angles.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "pipeline/exif.h"
#include "pipeline/image.h"
#include "pipeline/samples.h"
#include "pipeline/turned_detection.h"
#include "support/command.h"
#include "support/picture_files.h"
#include "support/pictures.h"

namespace gpen::test {
namespace {

const std::string kExamples = std::string(GPEN_SOURCE_DIR) + "/examples/";

class Photo : public testing::Test {
 protected:
  Photo() : gpen_(GPEN_BINARY) {}

  CommandResult restore(const std::string& input, const std::string& output, std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"restore", "-i", input, "-o", output, "-m", "sharpen", "--size", "256"});
    return gpen_(more);
  }
  // The landmarks of the bundled example.
  std::vector<std::string> faces(std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"--faces", kExamples + "astronaut.faces.json"});
    return more;
  }
  void write(const std::string& name, const Bytes& bytes) {
    write_text(gpen_ / name, std::string(bytes.begin(), bytes.end()));
  }
  Image read(const std::string& name) {
    auto image = load_image(gpen_ / name);
    EXPECT_TRUE(image.ok()) << (image.ok() ? "" : image.status().message());
    return image.ok() ? *std::move(image) : Image(1, 1);
  }
  static Image astronaut() { return *load_image(kExamples + "astronaut.jpg"); }

  CommandLine gpen_;
};

TEST_F(Photo, MetadataComesOutAndIsStrippedWhenAsked) {
  Image photo = astronaut();
  Metadata metadata;
  metadata.xmp = {'<', 'x', '/', '>'};
  metadata.icc.assign(300, 9);
  std::copy_n("RGB ", 4, metadata.icc.begin() + 16);
  std::copy_n("acsp", 4, metadata.icc.begin() + 36);
  photo.metadata = std::make_shared<const Metadata>(metadata);
  write("in.jpg", with_exif_orientation(*encode_image(photo, ImageFormat::jpg), 1, false));
  const Image in = read("in.jpg");
  ASSERT_FALSE(in.metadata->exif.empty());
  for (const char* out : {"out.jpg", "out.png"}) {
    const CommandResult r = restore("in.jpg", out, faces());
    ASSERT_EQ(r.code, 0) << r.err;
    EXPECT_EQ(read(out).metadata->exif, in.metadata->exif);
    EXPECT_EQ(read(out).metadata->icc, metadata.icc);
    EXPECT_EQ(read(out).metadata->xmp, metadata.xmp);
  }
  ASSERT_EQ(restore("in.jpg", "bare.jpg", faces({"--strip-metadata"})).code, 0);
  EXPECT_TRUE(read("bare.jpg").metadata->exif.empty());
  EXPECT_TRUE(read("bare.jpg").metadata->xmp.empty());
  EXPECT_EQ(read("bare.jpg").metadata->icc, metadata.icc);
  const CommandResult bmp = restore("in.jpg", "out.bmp", faces());
  EXPECT_NE(bmp.err.find("BMP has no place"), std::string::npos) << bmp.err;
}

TEST_F(Photo, SixteenBitsAndAlphaStayWhereNoFaceIs) {
  const Image photo = astronaut();
  Bytes samples;
  for (size_t i = 0; i < static_cast<size_t>(photo.pixels()); ++i)
    for (size_t c = 0; c < 4; ++c) {
      const auto v = static_cast<uint8_t>(c < 3 ? photo.rgb[3 * i + c] : i % 251);
      samples.push_back(v);
      samples.push_back(static_cast<uint8_t>(c < 3 ? v : i % 7));
    }
  write("deep.png", png_file(512, 512, 6, 16, samples));
  const Image in = read("deep.png");
  const CommandResult r = restore("deep.png", "out.png", faces());
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_EQ(r.err.find("16 bits"), std::string::npos) << r.err;
  const Image out = read("out.png");
  ASSERT_TRUE(sixteen_bits(out));
  EXPECT_EQ(out.deep->alpha, in.deep->alpha);
  int changed = 0;
  for (int y = 0; y < 512; ++y)
    for (int x = 0; x < 512; ++x) {
      const size_t i = 3 * static_cast<size_t>(512 * y + x);
      const bool same = std::equal(&in.deep->rgb[i], &in.deep->rgb[i] + 3, &out.deep->rgb[i]);
      // The astronaut's head is above and to the right of the middle.
      if (y > 300 || x < 90) {
        ASSERT_TRUE(same) << x << ' ' << y;
      }
      changed += !same;
    }
  EXPECT_GT(changed, 2000);
  const CommandResult jpeg = restore("deep.png", "out.jpg", faces());
  EXPECT_NE(jpeg.err.find("16 bits per channel were reduced"), std::string::npos) << jpeg.err;
  EXPECT_NE(jpeg.err.find("transparency"), std::string::npos) << jpeg.err;
}

TEST_F(Photo, GrayStaysGrayIfAsked) {
  const std::vector<uint8_t> luma = luma_plane(astronaut());
  write("gray.png", png_file(512, 512, 0, 8, luma));
  ASSERT_EQ(restore("gray.png", "colour.png", faces()).code, 0);
  EXPECT_FALSE(read("colour.png").was_gray);
  for (const char* out : {"gray_out.png", "gray_out.jpg"}) {
    ASSERT_EQ(restore("gray.png", out, faces({"--gray", "keep"})).code, 0);
    EXPECT_TRUE(read(out).was_gray);
  }
  const Image out = read("gray_out.png");
  for (size_t i = 320 * 512; i < luma.size(); ++i) ASSERT_EQ(out.rgb[3 * i], luma[i]);
  EXPECT_EQ(gpen_({"restore", "-i", "gray.png", "--gray", "keep", "--task", "colorize"}).code, 2);
  EXPECT_EQ(gpen_({"restore", "-i", "gray.png", "--gray", "blue"}).code, 2);
}

TEST_F(Photo, DocumentPhotosHaveSizeAndResolution) {
  const std::string in = kExamples + "astronaut.jpg";
  for (const auto& [size, width, height] : {std::tuple{"1inch", 295, 413}, {"2inch", 413, 579}}) {
    const CommandResult r = restore(in, "id.png", faces({"--preset", "id-photo", "--id-size", size}));
    ASSERT_EQ(r.code, 0) << r.err;
    const Image id = read("id.png");
    EXPECT_EQ(id.width, width);
    EXPECT_EQ(id.height, height);
    EXPECT_EQ(id.metadata->density.x, 11811u);
  }
  // Options that do not go together, and a background without a parser.
  const auto code = [&](std::vector<std::string> more) { return restore(in, "no.png", std::move(more)).code; };
  EXPECT_EQ(code(faces({"--id-size", "1inch"})), 2);
  EXPECT_EQ(code(faces({"--background", "red"})), 2);
  EXPECT_EQ(code(faces({"--preset", "id-photo", "--draw-boxes"})), 2);
  EXPECT_EQ(code({"--preset", "id-photo", "--aligned"}), 2);
  EXPECT_EQ(code(faces({"--preset", "id-photo", "--background", "red", "--parser", "none"})), 2);
  const CommandResult none = restore(in, "no.png", faces({"--preset", "id-photo", "--background", "red"}));
  EXPECT_EQ(none.code, 3);
  EXPECT_NE(none.err.find("gpen fetch parsenet"), std::string::npos) << none.err;
  EXPECT_FALSE(std::filesystem::exists(gpen_ / "no.png"));
}

TEST_F(Photo, AnglesAreReadAndUsed) {
  GPEN_NEEDS_SHARED("weights/retinaface_mobilenet0.25_zip.pth");
  const std::string detector = shared_file("weights/retinaface_mobilenet0.25_zip.pth");
  ThreadPool pool(1);
  const Image upright = astronaut();
  const TurnedPicture turned = turn_picture(upright, 180, pool);
  ASSERT_TRUE(save_image(turned.picture, gpen_ / "turned.png", ImageFormat::png).ok());
  const auto detect = [&](const std::string& file, const std::string& angles) {
    const CommandResult r = gpen_({"detect", "-i", file, "--detector", detector, "--angles", angles});
    EXPECT_EQ(r.code, 0) << r.err;
    return nlohmann::json::parse(r.out)["faces"].at(0);
  };
  const auto want = detect(kExamples + "astronaut.jpg", "0"), found = detect("turned.png", "all");
  for (size_t k = 0; k < 5; ++k) {
    const Point p = turned.to_photo({found["landmarks"][k][0], found["landmarks"][k][1]});
    EXPECT_NEAR(p.x, want["landmarks"][k][0], 0.01);
    EXPECT_NEAR(p.y, want["landmarks"][k][1], 0.01);
  }
  const CommandResult r = restore("turned.png", "out.png", {"--angles", "0,180", "--detector", detector});
  EXPECT_EQ(r.code, 0) << r.err;
  for (const char* angles : {"0,,90", "upright", "0,900", "", "nan"})
    EXPECT_EQ(gpen_({"detect", "-i", "turned.png", "--detector", detector, "--angles", angles}).code, 2) << angles;
  EXPECT_EQ(restore("turned.png", "out.png", faces({"--angles", "90"})).code, 2);
}

}  // namespace
}  // namespace gpen::test
