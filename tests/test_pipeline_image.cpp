#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstring>
#include <fstream>
#include <random>

#include "pipeline/exif.h"
#include "pipeline/file_io.h"
#include "pipeline/image.h"
#include "pipeline/jpeg_markers.h"
#include "pipeline/jpeg_metadata.h"
#include "support/picture_files.h"
#include "support/shared_data.h"

namespace gpen {
namespace {

using test::Bytes;
using test::TemporaryFolder;

Image noise_image(int width, int height, bool with_alpha, uint32_t seed) {
  std::mt19937 random(seed);
  Image image(width, height);
  for (uint8_t& v : image.rgb) v = static_cast<uint8_t>(random());
  if (with_alpha) {
    image.alpha.resize(static_cast<size_t>(image.pixels()));
    for (uint8_t& v : image.alpha) v = static_cast<uint8_t>(random());
  }
  return image;
}

Image smooth_image(int width, int height) {
  Image image(width, height);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < 3; ++c)
        image.row(y)[3 * x + c] = static_cast<uint8_t>(40 + 120 * x / width + 60 * y / height + 10 * c);
  return image;
}

std::string message(const Result<Image>& r) { return r.ok() ? "" : r.status().message(); }

TEST(ImageFile, PngAndBmpAreLossless) {
  for (const ImageFormat format : {ImageFormat::png, ImageFormat::bmp})
    for (const bool alpha : {false, true})
      for (const auto& [w, h] : {std::pair{1, 1}, {2, 3}, {17, 5}, {64, 33}}) {
        const Image image = noise_image(w, h, alpha, 7);
        auto bytes = encode_image(image, format);
        ASSERT_TRUE(bytes.ok());
        auto back = load_image(*bytes, "memory");
        ASSERT_TRUE(back.ok()) << message(back);
        EXPECT_EQ(back->width, w);
        EXPECT_EQ(back->height, h);
        EXPECT_EQ(back->rgb, image.rgb) << name_of(format) << ' ' << w << 'x' << h;
        EXPECT_EQ(back->alpha, image.alpha);
        EXPECT_EQ(back->format, format);
      }
}

TEST(ImageFile, JpegIsCloseAndDropsAlpha) {
  Image image = smooth_image(80, 50);
  image.alpha.assign(static_cast<size_t>(image.pixels()), 100);
  EXPECT_TRUE(drops_alpha(image, ImageFormat::jpg));
  EXPECT_FALSE(drops_alpha(image, ImageFormat::png));
  auto bytes = encode_image(image, ImageFormat::jpg, {.quality = 95});
  ASSERT_TRUE(bytes.ok());
  auto back = load_image(*bytes, "memory");
  ASSERT_TRUE(back.ok()) << message(back);
  EXPECT_TRUE(back->alpha.empty());
  for (size_t i = 0; i < image.rgb.size(); ++i) ASSERT_NEAR(back->rgb[i], image.rgb[i], 6) << i;
  auto coarse = encode_image(image, ImageFormat::jpg, {.quality = 5});
  EXPECT_LT(coarse->size(), bytes->size());
  EXPECT_EQ(encode_image(image, ImageFormat::jpg, {.quality = 0}).status().code(), Code::usage);
  EXPECT_EQ(encode_image(image, ImageFormat::jpg, {.quality = 101}).status().code(), Code::usage);
}

TEST(ImageFile, ReadsGrayGrayAlphaAnd16Bits) {
  // color type, channels, bits
  const struct {
    int type, channels, bits;
  } kinds[] = {{0, 1, 8}, {4, 2, 8}, {2, 3, 8}, {6, 4, 8}, {0, 1, 16}, {4, 2, 16}, {2, 3, 16}, {6, 4, 16}};
  for (const auto& k : kinds) {
    SCOPED_TRACE(concat("color type ", k.type, ", ", k.bits, " bits"));
    constexpr int kWidth = 5, kHeight = 4;
    Bytes samples;
    std::vector<int> expected;  // of each sample, in 8 bits
    std::mt19937 random(3);
    for (int i = 0; i < kWidth * kHeight * k.channels; ++i) {
      const uint32_t v = k.bits == 16 ? random() & 0xFFFF : random() & 0xFF;
      if (k.bits == 16) samples.push_back(static_cast<uint8_t>(v >> 8));
      samples.push_back(static_cast<uint8_t>(v));
      expected.push_back(k.bits == 16 ? static_cast<int>(std::lround(v / 257.0)) : static_cast<int>(v));
    }
    auto image = load_image(test::png_file(kWidth, kHeight, k.type, k.bits, samples), "memory");
    ASSERT_TRUE(image.ok()) << message(image);
    EXPECT_EQ(image->was_gray, k.channels <= 2);
    EXPECT_EQ(image->was_16_bit, k.bits == 16);
    ASSERT_EQ(image->alpha.empty(), k.channels % 2 == 1);
    for (int i = 0; i < kWidth * kHeight; ++i) {
      const int* e = expected.data() + i * k.channels;
      for (int c = 0; c < 3; ++c) ASSERT_EQ(image->rgb[static_cast<size_t>(3 * i + c)], e[k.channels > 2 ? c : 0]);
      if (k.channels % 2 == 0) {
        ASSERT_EQ(image->alpha[static_cast<size_t>(i)], e[k.channels - 1]);
      }
    }
  }
}

TEST(ImageFile, NamesFileAndReason) {
  TemporaryFolder folder;
  const auto expect = [&](const char* name, const Bytes& content, const char* reason) {
    const auto path = folder / name;
    std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(content.data()), std::ssize(content));
    const auto r = load_image(path);
    ASSERT_FALSE(r.ok()) << name;
    EXPECT_EQ(r.status().code(), Code::io) << name;
    EXPECT_EQ(r.status().message().find(path.string()), 0u) << r.status().message();
    EXPECT_NE(r.status().message().find(reason), std::string::npos) << r.status().message();
  };
  expect("empty.png", {}, "0 bytes");
  expect("text.jpg", {'h', 'e', 'l', 'l', 'o'}, "not a picture");
  expect("short.png", {0x89, 'P', 'N', 'G', 0x0D, 0x0A, 0x1A, 0x0A}, "not a readable png");
  expect("huge.png", test::png_header(30000, 30000), "900 megapixels");
  expect("over.png", test::png_header(16384, 6144), "101 megapixels, the limit is 100");  // 100.66
  expect("wide.png", test::png_header(40000, 2), "limit is 32767");
  expect("nothing.png", test::png_header(0, 5), "has no pixels");
  EXPECT_NE(message(load_image(folder.path())).find("is a folder"), std::string::npos);
  EXPECT_NE(message(load_image(folder / "missing.png")).find("No such file"), std::string::npos);
  const Image two = noise_image(200, 100, false, 1);
  const auto bytes = encode_image(two, ImageFormat::png);
  EXPECT_NE(message(load_image(*bytes, "x.png", {.max_pixels = 19999})).find("x.png: the picture is 200x100"),
            std::string::npos);
  EXPECT_TRUE(load_image(*bytes, "x.png", {.max_pixels = 20000}).ok());
}

TEST(ImageFile, CutOffFilesAreErrors) {
  for (const ImageFormat format : {ImageFormat::png, ImageFormat::jpg, ImageFormat::bmp}) {
    const auto bytes = encode_image(noise_image(61, 47, format == ImageFormat::png, 5), format);
    ASSERT_TRUE(bytes.ok());
    for (size_t keep = 0; keep < bytes->size() - 2; keep += 1 + keep / 9)
      EXPECT_FALSE(load_image(Bytes(bytes->begin(), bytes->begin() + static_cast<ptrdiff_t>(keep)), "cut").ok())
          << name_of(format) << ": " << keep << " of " << bytes->size() << " bytes";
  }
}

// Any bytes may come: the answer is a picture or an error, never a crash (run under the sanitizers in CI).
TEST(ImageFile, DamagedFilesAreSafe) {
  constexpr uint32_t kSeed = 20240611;
  std::mt19937 random(kSeed);
  for (const ImageFormat format : {ImageFormat::png, ImageFormat::jpg, ImageFormat::bmp}) {
    const auto sound = encode_image(noise_image(24, 18, format == ImageFormat::png, 5), format);
    for (int round = 0; round < 300; ++round) {
      Bytes damaged = *sound;
      for (int k = 0; k < 1 + round % 5; ++k) damaged[random() % damaged.size()] = static_cast<uint8_t>(random());
      const auto r = load_image(damaged, "damaged", {.max_pixels = 1 << 20});
      if (r.ok()) {
        EXPECT_EQ(r->rgb.size(), static_cast<size_t>(r->pixels()) * 3) << "seed " << kSeed;
      }
    }
  }
}

// A Huffman table of more than 256 codes would be written behind its end by the decoder.
TEST(ImageFile, OversizedHuffmanTableIsRefused) {
  const Bytes sound = *encode_image(smooth_image(32, 32), ImageFormat::jpg);
  for (const uint8_t codes : {16, 17, 255}) {  // of each of 16 lengths
    Bytes jpeg(sound.begin(), sound.begin() + 2);
    const size_t length = 2 + 17 + size_t{16} * codes;
    for (const size_t v : {size_t{0xFF}, size_t{0xC4}, length >> 8, length & 0xFF, size_t{0}})
      jpeg.push_back(static_cast<uint8_t>(v));
    jpeg.insert(jpeg.end(), 16, codes);
    jpeg.insert(jpeg.end(), size_t{16} * codes, 0);
    jpeg.insert(jpeg.end(), sound.begin() + 2, sound.end());
    const auto r = load_image(jpeg, "table.jpg");
    ASSERT_FALSE(r.ok());
    EXPECT_EQ(message(r).find("Huffman table is damaged") != std::string::npos, codes > 16) << message(r);
  }
  EXPECT_TRUE(check_jpeg_tables(sound).ok());
}

TEST(ImageFile, SmallFileCannotAskForMuchMemory) {
  // 64x64 pixels whose compressed data inflates to 300 MB.
  const auto r = load_image(test::png_bomb(64, 64, size_t{300} << 20), "bomb.png");
  ASSERT_FALSE(r.ok());
  EXPECT_NE(r.status().message().find("bomb.png"), std::string::npos);
}

TEST(ImageFile, SavesCompletelyOrNotAtAll) {
  TemporaryFolder folder;
  const Image image = noise_image(40, 30, true, 2);
  ASSERT_TRUE(save_image(image, folder / "a.png", ImageFormat::png).ok());
  EXPECT_EQ(load_image(folder / "a.png")->rgb, image.rgb);
  // Another picture over it, through a link.
  std::filesystem::create_symlink("a.png", folder / "link.png");
  const Image other = noise_image(8, 8, false, 3);
  ASSERT_TRUE(save_image(other, folder / "link.png", ImageFormat::png).ok());
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "link.png"));
  EXPECT_EQ(load_image(folder / "a.png")->rgb, other.rgb);

  const Status missing = save_image(image, folder / "no" / "a.png", ImageFormat::png);
  EXPECT_EQ(missing.code(), Code::io);
  EXPECT_NE(missing.message().find("a.png"), std::string::npos);
  std::filesystem::create_directory(folder / "dir.png");
  EXPECT_EQ(save_image(image, folder / "dir.png", ImageFormat::png).code(), Code::io);
  if (std::filesystem::exists("/dev/full")) {
    const Status full = save_image(image, "/dev/full", ImageFormat::png);
    EXPECT_EQ(full.code(), Code::io);
    EXPECT_NE(full.message().find("No space left"), std::string::npos) << full.message();
  }
  size_t files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder.path())) ++files;
  EXPECT_EQ(files, 3u) << "no temporary file is left behind";
}

TEST(ImageFile, FormatNames) {
  EXPECT_EQ(*parse_image_format(".PNG"), ImageFormat::png);
  EXPECT_EQ(*parse_image_format("jpeg"), ImageFormat::jpg);
  EXPECT_EQ(*parse_image_format("bmp"), ImageFormat::bmp);
  EXPECT_EQ(parse_image_format("gif").status().code(), Code::usage);
}

// The four corners of a 3x2 picture, a b c / d e f, after each orientation.
TEST(Exif, AllOrientations) {
  const struct {
    int value;
    int width, height;
    const char* upright;
  } cases[] = {{1, 3, 2, "abcdef"}, {2, 3, 2, "cbafed"}, {3, 3, 2, "fedcba"}, {4, 3, 2, "defabc"},
               {5, 2, 3, "adbecf"}, {6, 2, 3, "daebfc"}, {7, 2, 3, "fcebda"}, {8, 2, 3, "cfbead"}};
  for (const auto& c : cases) {
    Image image(3, 2);
    image.alpha.resize(6);
    for (size_t i = 0; i < 6; ++i) {
      image.alpha[i] = static_cast<uint8_t>('a' + i);
      for (size_t k = 0; k < 3; ++k) image.rgb[3 * i + k] = static_cast<uint8_t>('a' + i + 30 * k);
    }
    apply_orientation(&image, c.value);
    EXPECT_EQ(image.width, c.width) << c.value;
    EXPECT_EQ(image.height, c.height) << c.value;
    EXPECT_EQ(std::string(image.alpha.begin(), image.alpha.end()), c.upright) << c.value;
    for (size_t i = 0; i < 6; ++i)
      for (size_t k = 0; k < 3; ++k) EXPECT_EQ(image.rgb[3 * i + k], image.alpha[i] + 30 * k) << c.value;
  }
}

TEST(Exif, JpegIsTurnedUpright) {
  const Image stored = smooth_image(48, 16);
  const Bytes jpeg = *encode_image(stored, ImageFormat::jpg, {.quality = 100});
  for (int orientation = 1; orientation <= 8; ++orientation)
    for (const bool big_endian : {false, true}) {
      auto image = load_image(test::with_exif_orientation(jpeg, orientation, big_endian), "photo.jpg");
      ASSERT_TRUE(image.ok()) << message(image);
      EXPECT_EQ(image->orientation, orientation);
      Image expected = *load_image(jpeg, "stored.jpg");
      apply_orientation(&expected, orientation);
      EXPECT_EQ(image->width, expected.width);
      EXPECT_EQ(image->rgb, expected.rgb) << orientation;
    }
}

int orientation_of(std::span<const uint8_t> jpeg) { return exif_orientation(read_jpeg_metadata(jpeg).exif); }

TEST(Exif, NonsenseMeansUpright) {
  const Bytes jpeg = *encode_image(smooth_image(16, 16), ImageFormat::jpg);
  EXPECT_EQ(orientation_of(jpeg), 1);
  EXPECT_EQ(orientation_of({}), 1);
  for (const int orientation : {0, 9, 65535})
    EXPECT_EQ(orientation_of(test::with_exif_orientation(jpeg, orientation, true)), 1);
  // Cut anywhere and with any byte changed: nothing outside is read (the sanitizers watch), the value stays 1 to 8.
  const Bytes sound = test::with_exif_orientation(jpeg, 6, false);
  ASSERT_EQ(orientation_of(sound), 6);
  for (size_t n = 0; n < 60; ++n) {
    const Bytes cut(sound.begin(), sound.begin() + static_cast<ptrdiff_t>(n));
    EXPECT_TRUE(orientation_of(cut) == 1 || orientation_of(cut) == 6);
    for (int v : {0, 1, 127, 255}) {
      Bytes changed = sound;
      changed[n] = static_cast<uint8_t>(v);
      const int o = orientation_of(changed);
      EXPECT_TRUE(o >= 1 && o <= 8);
    }
  }
}

TEST(ImageFile, SolvayPhoto) {
  GPEN_NEEDS_SHARED("images/Solvay_conference_1927.png");
  const auto image = load_image(test::shared_file("images/Solvay_conference_1927.png"));
  ASSERT_TRUE(image.ok()) << message(image);
  EXPECT_EQ(image->width, 1328);
  EXPECT_EQ(image->height, 568);
  ASSERT_EQ(image->alpha.size(), size_t{1328} * 568);
  EXPECT_EQ(image->alpha.front(), 255);
}

}  // namespace
}  // namespace gpen
