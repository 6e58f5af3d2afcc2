// Metadata, 16 bits and gray, from file to file.
#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string_view>

#include "pipeline/deflate.h"
#include "pipeline/exif.h"
#include "pipeline/image.h"
#include "pipeline/jpeg_markers.h"
#include "pipeline/jpeg_metadata.h"
#include "pipeline/png_chunks.h"
#include "support/picture_files.h"
#include "support/pictures.h"

namespace gpen {
namespace {

using namespace std::string_view_literals;
using test::Bytes;

Bytes bytes_of(std::string_view text) { return Bytes(text.begin(), text.end()); }
Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

Bytes noise(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  Bytes bytes(count);
  for (uint8_t& b : bytes) b = static_cast<uint8_t>(random());
  return bytes;
}

// A TIFF structure with an orientation and a maker's note of noise behind it.
Bytes exif_block(int orientation, bool big_endian, size_t more = 500) {
  const Bytes jpeg = test::with_exif_orientation(Bytes{0xFF, 0xD8, 0xFF, 0xD9}, orientation, big_endian);
  const size_t begin = 2 + 4 + 6;
  return Bytes(jpeg.begin() + begin, jpeg.end() - 2) + noise(more, 5);
}

Bytes icc_profile(size_t size, const char* space = "RGB ") {
  Bytes icc = noise(size, 11);
  std::memcpy(icc.data() + 16, space, 4);
  std::memcpy(icc.data() + 36, "acsp", 4);
  return icc;
}

Bytes segment(uint8_t marker, const Bytes& body) {
  const size_t length = body.size() + 2;
  return Bytes{0xFF, marker, static_cast<uint8_t>(length >> 8), static_cast<uint8_t>(length)} + body;
}

Bytes icc_piece(int number, int count, const Bytes& icc, size_t begin, size_t end) {
  return segment(0xE2,
                 bytes_of("ICC_PROFILE\0"sv) + Bytes{uint8_t(number), uint8_t(count)} +
                     Bytes(icc.begin() + static_cast<ptrdiff_t>(begin), icc.begin() + static_cast<ptrdiff_t>(end)));
}

const std::string_view kXmp = R"(<x:xmpmeta><rdf:Description tiff:Orientation="6" xmp:Rating="5"/></x:xmpmeta>)"sv;

struct Whole {
  Bytes exif, icc, iptc, comment;
  Bytes jpeg;
};

// A JPEG as cameras and editors leave it: everything, the profile in three pieces that are not in order.
Whole full_jpeg(int orientation, bool big_endian = false, size_t icc_size = 150'000, size_t exif_size = 500) {
  Whole w;
  w.exif = exif_block(orientation, big_endian, exif_size);
  w.icc = icc_profile(icc_size);
  w.iptc = bytes_of("Photoshop 3.0\0"sv) + noise(300, 3);
  w.comment = bytes_of("made by hand");
  const Bytes plain = *encode_image(test::test_picture(24, 16), ImageFormat::jpg);
  const size_t third = icc_size / 3;
  w.jpeg = Bytes(plain.begin(), plain.begin() + 2) + segment(0xE1, bytes_of("Exif\0\0"sv) + w.exif) +
           icc_piece(2, 3, w.icc, third, 2 * third) + segment(0xED, w.iptc) + icc_piece(1, 3, w.icc, 0, third) +
           segment(0xE1, bytes_of("http://ns.adobe.com/xap/1.0/\0"sv) + bytes_of(kXmp)) +
           icc_piece(3, 3, w.icc, 2 * third, icc_size) + segment(0xFE, w.comment) +
           Bytes(plain.begin() + 2, plain.end());
  return w;
}

Image loaded(const Bytes& file) {
  auto image = load_image(file, "memory");
  EXPECT_TRUE(image.ok()) << (image.ok() ? "" : image.status().message());
  return image.ok() ? *std::move(image) : Image(1, 1);
}

// How many bytes differ; -1 when the sizes do.
int differing(const Bytes& a, const Bytes& b) {
  if (a.size() != b.size()) return -1;
  int count = 0;
  for (size_t i = 0; i < a.size(); ++i) count += a[i] != b[i];
  return count;
}

TEST(Metadata, GoesFromJpegToJpegAndPngAndBack) {
  for (const bool big_endian : {false, true})
    for (const int orientation : {1, 6}) {
      SCOPED_TRACE(concat("orientation ", orientation, big_endian ? ", MM" : ", II"));
      const Whole w = full_jpeg(orientation, big_endian);
      const Image image = loaded(w.jpeg);
      EXPECT_EQ(image.width, orientation == 6 ? 16 : 24);
      const int turned = orientation == 6;  // the one byte of the orientation
      const auto check = [&](const Image& i, bool with_segments) {
        const Metadata& m = *i.metadata;
        EXPECT_EQ(differing(m.exif, w.exif), turned);
        EXPECT_EQ(exif_orientation(m.exif), 1);
        EXPECT_EQ(m.icc, w.icc);
        EXPECT_EQ(differing(m.xmp, bytes_of(kXmp)), turned);
        if (!with_segments) return;
        ASSERT_EQ(m.jpeg_segments.size(), 2u);
        EXPECT_EQ(m.jpeg_segments[0].data, w.iptc);
        EXPECT_EQ(m.jpeg_segments[1].data, w.comment);
      };
      check(image, true);
      EXPECT_TRUE(lost_on_saving(image, ImageFormat::jpg).empty());
      const Image again = loaded(*encode_image(image, ImageFormat::jpg));
      check(again, true);
      EXPECT_EQ(again.orientation, 1);
      EXPECT_EQ(again.width, image.width);

      const Image png = loaded(*encode_image(image, ImageFormat::png));
      check(png, false);
      EXPECT_EQ(png.rgb, image.rgb);
      EXPECT_EQ(lost_on_saving(image, ImageFormat::png).size(), 1u);  // IPTC
      const Image back = loaded(*encode_image(png, ImageFormat::jpg));
      check(back, false);
      ASSERT_EQ(back.metadata->jpeg_segments.size(), 1u);  // the comment, by way of a tEXt chunk
      EXPECT_EQ(back.metadata->jpeg_segments[0].data, w.comment);
    }
}

TEST(Metadata, CommentsInUtf8AndOthers) {
  for (const auto& [text, type] : {std::pair("made by hand"sv, "tEXt"sv),
                                   std::pair("h\xC3\xB6i \xE4\xBD\xA0"sv, "iTXt"sv), std::pair("h\xF6i"sv, "tEXt"sv)}) {
    const Bytes plain = *encode_image(test::test_picture(24, 16), ImageFormat::jpg);
    const Bytes jpeg =
        Bytes(plain.begin(), plain.begin() + 2) + segment(0xFE, bytes_of(text)) + Bytes(plain.begin() + 2, plain.end());
    const Image png = loaded(*encode_image(loaded(jpeg), ImageFormat::png));
    ASSERT_EQ(png.metadata->png_chunks.size(), 1u);
    EXPECT_EQ(png.metadata->png_chunks[0].type, type);
    EXPECT_TRUE(lost_on_saving(png, ImageFormat::jpg).empty());
    const Image back = loaded(*encode_image(png, ImageFormat::jpg));
    ASSERT_EQ(back.metadata->jpeg_segments.size(), 1u);
    EXPECT_EQ(back.metadata->jpeg_segments[0].data, bytes_of(text));
  }
}

TEST(Metadata, PngChunksStayAsTheyAre) {
  const Bytes plain = *encode_image(test::test_picture(9, 7), ImageFormat::png);
  const auto chunk = [](std::string_view type, const Bytes& body) {
    Bytes out;
    append_png_chunk(&out, type, body);
    return out;
  };
  const Bytes gamma{0, 0, 0xB1, 0x8F}, cicp{9, 16, 0, 1}, text = bytes_of("Author\0Jemand"sv);
  const Bytes density{0, 0, 0x2E, 0x23, 0, 0, 0x2E, 0x23, 1};
  const Bytes file = Bytes(plain.begin(), plain.begin() + 33) + chunk("cICP", cicp) + chunk("gAMA", gamma) +
                     chunk("pHYs", density) + chunk("eXIf", exif_block(8, true)) + chunk("tEXt", text) +
                     chunk("zTXt", noise(40, 1)) + chunk("bKGD", {0, 1, 0, 1, 0, 1}) +
                     Bytes(plain.begin() + 33, plain.end());
  const Image image = loaded(file);
  EXPECT_EQ(image.width, 7) << "the orientation of a PNG counts too";
  EXPECT_EQ(image.orientation, 8);
  const Metadata m = read_png_metadata(*encode_image(image, ImageFormat::png));
  ASSERT_EQ(m.png_chunks.size(), 4u);
  EXPECT_EQ(m.png_chunks[0].data, cicp);
  EXPECT_EQ(m.png_chunks[1].data, gamma);
  EXPECT_EQ(m.png_chunks[2].data, text);
  EXPECT_EQ(m.png_chunks[3].data, noise(40, 1));
  EXPECT_EQ(differing(m.exif, exif_block(8, true)), 1);
  EXPECT_EQ(m.density.x, 11811u);
  const Metadata jpeg = read_jpeg_metadata(*encode_image(image, ImageFormat::jpg));
  EXPECT_EQ(jpeg.density.x, 300u);
  EXPECT_EQ(jpeg.density.unit, Density::Unit::inch);
  EXPECT_EQ(lost_on_saving(image, ImageFormat::jpg).size(), 2u);  // the texts, the colours

  // A chunk with a wrong checksum is not believed.
  Bytes damaged = file;
  damaged[33 + 8] ^= 1;  // in cICP
  EXPECT_EQ(read_png_metadata(damaged).png_chunks.size(), 3u);
}

TEST(Metadata, CompressedXmpIsRead) {
  const Bytes plain = *encode_image(test::test_picture(4, 4), ImageFormat::png);
  Bytes chunk;
  append_png_chunk(&chunk, "iTXt", bytes_of("XML:com.adobe.xmp\0\1\0en\0\0"sv) + zlib_deflate(bytes_of(kXmp)));
  const Bytes file = Bytes(plain.begin(), plain.begin() + 33) + chunk + Bytes(plain.begin() + 33, plain.end());
  EXPECT_EQ(loaded(file).metadata->xmp, bytes_of(kXmp));
}

TEST(Metadata, OrientationOfXmpIsSetOnlyWhereItIsOne) {
  const auto upright = [](std::string_view text) {
    Bytes xmp = bytes_of(text);
    set_upright_xmp(&xmp);
    return std::string(xmp.begin(), xmp.end());
  };
  EXPECT_EQ(upright("<tiff:Orientation>8</tiff:Orientation>"), "<tiff:Orientation>1</tiff:Orientation>");
  EXPECT_EQ(upright("tiff:Orientation = '3'"), "tiff:Orientation = '1'");
  for (const char* kept : {"tiff:Orientation=\"63\"", "tiff:Orientation=\"9\"", "tiff:Orientation", "Orientation=\"6\"",
                           "tiff:OrientationX=\"6\""})
    EXPECT_EQ(upright(kept), kept);
}

TEST(Metadata, WhatDoesNotFitIsLeftOutAndSaid) {
  Image image = test::test_picture(8, 8);
  Metadata m;
  m.exif = exif_block(1, false, 70'000);
  m.xmp = noise(70'000, 2);
  m.icc = icc_profile(400, "CMYK");
  image.metadata = std::make_shared<const Metadata>(m);
  EXPECT_EQ(lost_on_saving(image, ImageFormat::jpg).size(), 3u);
  EXPECT_EQ(lost_on_saving(image, ImageFormat::png).size(), 1u);
  EXPECT_EQ(lost_on_saving(image, ImageFormat::bmp).size(), 1u);
  const Metadata jpeg = *loaded(*encode_image(image, ImageFormat::jpg)).metadata;
  EXPECT_TRUE(jpeg.exif.empty() && jpeg.xmp.empty() && jpeg.icc.empty());
  const Metadata png = *loaded(*encode_image(image, ImageFormat::png)).metadata;
  EXPECT_EQ(png.exif, m.exif);
  EXPECT_EQ(png.xmp, m.xmp);
  EXPECT_TRUE(png.icc.empty());
  // The largest EXIF block that a segment holds.
  m.exif.resize(kMaxJpegExif);
  image.metadata = std::make_shared<const Metadata>(m);
  EXPECT_EQ(loaded(*encode_image(image, ImageFormat::jpg)).metadata->exif, m.exif);
}

TEST(Metadata, DamagedProfilesAreLeftOut) {
  const Bytes plain = *encode_image(test::test_picture(8, 8), ImageFormat::jpg), icc = icc_profile(900);
  const Bytes begin(plain.begin(), plain.begin() + 2), rest(plain.begin() + 2, plain.end());
  const Bytes cases[] = {
      icc_piece(1, 2, icc, 0, 500),                                 // a piece is missing
      icc_piece(1, 2, icc, 0, 500) + icc_piece(1, 2, icc, 0, 500),  // twice the same
      icc_piece(1, 2, icc, 0, 500) + icc_piece(2, 3, icc, 500, 900),
      icc_piece(0, 0, icc, 0, 900),
      icc_piece(1, 1, icc, 0, 100),  // no header
  };
  for (const Bytes& pieces : cases) {
    const Image image = loaded(begin + pieces + rest);
    EXPECT_TRUE(image.metadata->icc.empty());
    ASSERT_EQ(lost_on_saving(image, ImageFormat::jpg).size(), 1u);
    EXPECT_NE(lost_on_saving(image, ImageFormat::jpg)[0].find("damaged"), std::string::npos);
  }
  // A profile that inflates to more than a profile may have.
  const Bytes png = *encode_image(test::test_picture(8, 8), ImageFormat::png);
  for (const size_t size : {size_t{5000}, kMaxProfileBytes + 1}) {
    Bytes chunk, body = icc_profile(500) + Bytes(size - 500, 7);
    append_png_chunk(&chunk, "iCCP", bytes_of("name\0\0"sv) + zlib_deflate(body));
    const Bytes file = Bytes(png.begin(), png.begin() + 33) + chunk + Bytes(png.begin() + 33, png.end());
    EXPECT_EQ(loaded(file).metadata->icc.size(), size == 5000 ? size : 0);
  }
}

TEST(Metadata, StrippedFilesKeepOnlyTheColours) {
  const Whole w = full_jpeg(6);
  const Image image = loaded(w.jpeg);
  for (const ImageFormat format : {ImageFormat::jpg, ImageFormat::png}) {
    const Bytes file = *encode_image(image, format, {.strip_metadata = true});
    const Metadata m = *loaded(file).metadata;
    EXPECT_TRUE(m.exif.empty() && m.xmp.empty() && m.jpeg_segments.empty() && m.png_chunks.empty());
    EXPECT_EQ(m.icc, w.icc);
    EXPECT_TRUE(lost_on_saving(image, format, {.strip_metadata = true}).empty());
  }
}

TEST(Metadata, DensityIsConverted) {
  const Density dpi{300, 600, Density::Unit::inch};
  EXPECT_EQ(converted(dpi, Density::Unit::metre).x, 11811u);
  EXPECT_EQ(converted(converted(dpi, Density::Unit::metre), Density::Unit::inch).y, 600u);
  Image image = test::test_picture(8, 4);
  Metadata m;
  m.density = dpi;
  image.metadata = std::make_shared<const Metadata>(m);
  const Bytes bmp = *encode_image(image, ImageFormat::bmp);
  EXPECT_EQ(bmp[38] | bmp[39] << 8, 11811);
  EXPECT_EQ(bmp[42] | bmp[43] << 8, 23622);
}

// Every cut and many damages of files full of metadata: a picture or an error; metadata never outgrow the file by more
// than deflate can pack (the sanitizers watch the rest).
TEST(Metadata, CutAndDamagedFilesAreSafe) {
  const Whole w = full_jpeg(6, true, 600, 40);
  const Image image = loaded(w.jpeg);
  for (const Bytes& sound : {w.jpeg, *encode_image(image, ImageFormat::png)}) {
    for (size_t keep = 0; keep < sound.size(); ++keep) {
      const Bytes cut(sound.begin(), sound.begin() + static_cast<ptrdiff_t>(keep));
      (void)read_jpeg_metadata(cut);
      (void)read_png_metadata(cut);
      if (keep + 5 < sound.size()) {  // IEND's checksum alone, or half of EOI, may be missing
        EXPECT_FALSE(load_image(cut, "cut").ok()) << keep;
      }
    }
    std::mt19937 random(7);
    for (int round = 0; round < 3000; ++round) {
      Bytes damaged = sound;
      for (int k = 0; k < 1 + round % 4; ++k) damaged[random() % damaged.size()] = static_cast<uint8_t>(random());
      (void)read_png_metadata(damaged);
      const auto r = load_image(damaged, "damaged", {.max_pixels = 1 << 16});
      if (!r.ok() || r->metadata == nullptr) continue;
      EXPECT_LE(r->metadata->exif.size() + r->metadata->icc.size() + r->metadata->xmp.size(), sound.size() * 1100);
      EXPECT_TRUE(encode_image(*r, ImageFormat::jpg).ok());
      EXPECT_TRUE(encode_image(*r, ImageFormat::png).ok());
    }
  }
  // Every byte of the EXIF block changed, with its checksum right.
  const Bytes exif = exif_block(6, false, 0);
  for (size_t at = 0; at < exif.size(); ++at)
    for (const int v : {0, 1, 127, 128, 255}) {
      Bytes changed = exif;
      changed[at] = static_cast<uint8_t>(v);
      const int orientation = exif_orientation(changed);
      EXPECT_TRUE(orientation >= 1 && orientation <= 8);
      set_upright_exif(&changed);
      EXPECT_EQ(exif_orientation(changed), 1);
    }
}

}  // namespace
}  // namespace gpen
