// Document photos: where the crop lies, and the background behind a person that a given parser describes.
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "pipeline/id_photo.h"
#include "support/pictures.h"
#include "support/pipeline_networks.h"

namespace gpen {
namespace {

constexpr int kSide = 256;  // of the parser

ThreadPool& pool() { return *test::shared_pool(); }

// A person drawn by formulas in a scene of 600 x 800: head, hair and shoulders; another head far to the left.
struct Scene {
  double turn = 0, scale = 1;  // radians, and size of the picture
  int width() const { return static_cast<int>(600 * scale); }
  int height() const { return static_cast<int>(800 * scale); }
  Point to_picture(Point p) const {  // of the scene, about its middle
    const double c = std::cos(turn), s = std::sin(turn), x = p.x - 300, y = p.y - 400;
    return {(300 + c * x - s * y) * scale, (400 + s * x + c * y) * scale};
  }
  Point to_scene(Point p) const {
    const double c = std::cos(turn), s = std::sin(turn), x = p.x / scale - 300, y = p.y / scale - 400;
    return {300 + c * x + s * y, 400 - s * x + c * y};
  }
  static bool ellipse(Point p, double cx, double cy, double rx, double ry) {
    return std::pow((p.x - cx) / rx, 2) + std::pow((p.y - cy) / ry, 2) < 1;
  }
  // 0 background, 1 skin, 13 hair, 18 cloth, as ParseNet counts.
  static int class_at(Point p) {
    if (ellipse(p, 300, 330, 75, 100)) return 1;
    if (ellipse(p, 300, 310, 90, 112)) return 13;
    if (p.y > 400 && p.y < 470 && std::abs(p.x - 300) < 40) return 1;
    if (ellipse(p, 300, 640, 200, 190)) return 18;
    if (ellipse(p, 60, 250, 50, 60)) return 1;  // somebody else
    return 0;
  }
  static Colour colour_at(Point p) {
    switch (class_at(p)) {
      case 1:
        return {220, 180, 150};
      case 13:
        return {40, 30, 20};
      case 18:
        return {60, 60, 120};
      default:
        return {20, 160, 40};
    }
  }
  Landmarks landmarks() const {  // eyes 60 apart
    Landmarks points = reference_landmarks(286);
    for (Point& p : points) p = to_picture({p.x + 300 - 0.4995 * 286, p.y + 320 - 0.4738 * 286});
    return points;
  }
  Image draw() const {
    Image image(width(), height());
    for (int y = 0; y < height(); ++y)
      for (int x = 0; x < width(); ++x) {
        const Colour c = colour_at(to_scene({double(x), double(y)}));
        std::copy(c.begin(), c.end(), image.row(y) + 3 * x);
      }
    return image;
  }
};

// Knows the classes by their colours: hard edges, as an argmax would give.
Result<ClassScores> parse_colours(const Image& square) {
  ClassScores answer{19, square.width, {}};
  const size_t plane = static_cast<size_t>(square.pixels());
  answer.scores.assign(19 * plane, 0);
  for (size_t i = 0; i < plane; ++i) {
    const uint8_t* p = square.rgb.data() + 3 * i;
    const int is = p[1] > p[0] + 40 ? 0 : p[0] > 150 ? 1 : p[2] > p[0] + 25 ? 18 : 13;
    answer.scores[static_cast<size_t>(is) * plane + i] = 12;
  }
  return answer;
}

TEST(IdPhoto, SizesAndBackgroundsHaveNames) {
  EXPECT_EQ(traits(IdSize::one_inch).width, 295);
  EXPECT_EQ(traits(IdSize::one_inch).height, 413);
  EXPECT_EQ(traits(IdSize::two_inch).width, 413);
  EXPECT_EQ(traits(IdSize::two_inch).height, 579);
  EXPECT_EQ(**parse_background("white"), (Colour{255, 255, 255}));
  EXPECT_FALSE(parse_background("none")->has_value());
  EXPECT_EQ(parse_background("green").status().code(), Code::usage);
}

// Whatever way the head is turned in the picture and however large it is, it stands upright at the same place.
TEST(IdPhoto, TheFrameIsUprightAndMeasured) {
  for (const double turn : {0.0, 0.3, -1.5, std::numbers::pi})
    for (const double scale : {0.5, 1.0, 3.0}) {
      const Scene scene{turn, scale};
      const auto frame = frame_id_photo(scene.landmarks(), 295, 413);
      ASSERT_TRUE(frame.ok());
      const Affine to_frame = inverse(frame->to_picture);
      const Landmarks marks = scene.landmarks();
      const Point left = to_frame(marks[0]), right = to_frame(marks[1]);
      EXPECT_NEAR(left.y, right.y, 1e-6);
      EXPECT_LT(left.x, right.x);
      EXPECT_NEAR((left.x + right.x) / 2, 147, 1.5);
      EXPECT_NEAR(left.y, frame->eyes, 1);
      EXPECT_NEAR((frame->chin - frame->crown) / 413, 0.62, 0.01);
      EXPECT_GT(frame->eyes / 413, 0.30);  // ICAO 9303: the eyes are 30 to 50 % below the upper edge
      EXPECT_LT(frame->eyes / 413, 0.50);
      EXPECT_NEAR(frame->to_picture.scale(), scale * frame_id_photo(Scene{}.landmarks(), 295, 413)->to_picture.scale(),
                  1e-6);
    }
  Landmarks profile = Scene{}.landmarks();
  profile[1] = {profile[0].x + 2, profile[0].y};
  EXPECT_EQ(frame_id_photo(profile, 295, 413).status().code(), Code::usage);
  EXPECT_EQ(frame_id_photo({}, 295, 413).status().code(), Code::usage);
}

// Against the scene itself: far from the edge of the person everything is as it should be, and the matte has a soft
// edge.
TEST(IdPhoto, TheMatteIsThePerson) {
  for (const double turn : {0.0, 0.4}) {
    const Scene scene{turn, 1};
    const Image picture = scene.draw();
    const auto frame = frame_id_photo(scene.landmarks(), 295, 413);
    const auto matte = person_matte(picture, scene.landmarks(), *frame, kSide, parse_colours, pool());
    ASSERT_TRUE(matte.ok()) << matte.status().message();
    int inside = 0, outside = 0, soft = 0;
    for (int y = 0; y < 413; ++y)
      for (int x = 0; x < 295; ++x) {
        const float m = matte->data[static_cast<size_t>(y * 295 + x)];
        bool all = true, none = true;
        for (const int dy : {-4, 0, 4})
          for (const int dx : {-4, 0, 4}) {
            const Point p = scene.to_scene(frame->to_picture({double(x + dx), double(y + dy)}));
            (Scene::class_at(p) != 0 ? none : all) = false;
          }
        if (all) {
          ASSERT_GT(m, 0.99f) << x << ' ' << y;
          ++inside;
        } else if (none) {
          ASSERT_LT(m, 0.01f) << x << ' ' << y;
          ++outside;
        } else if (m > 0.05f && m < 0.95f) {
          ++soft;
        }
      }
    EXPECT_GT(inside, 30000);
    EXPECT_GT(outside, 20000);
    EXPECT_GT(soft, 800);
  }
}

// A hole in the face is closed, a large gap is not; what does not hang together with the face goes.
TEST(IdPhoto, OnePersonWithoutHoles) {
  const Scene scene;
  const Image picture = scene.draw();
  const auto frame = frame_id_photo(scene.landmarks(), 295, 413);
  const Affine to_frame = inverse(frame->to_picture);
  const auto parse = [&](const Image& square) {
    auto answer = parse_colours(square);
    // Around the middle of either square: the face. A hole of some pixels, and a blob in the upper left corner.
    for (int y = 0; y < kSide; ++y)
      for (int x = 0; x < kSide; ++x) {
        const bool hole = std::abs(x - 128) < 3 && std::abs(y - 128)<3, blob = x> 44 && x < 60 && y < 14;
        const size_t plane = size_t{kSide} * kSide, at = static_cast<size_t>(y * kSide + x);
        if (!hole && !blob) continue;
        for (size_t c = 0; c < 19; ++c) answer->scores[c * plane + at] = c == (hole ? 0u : 13u) ? 12.0f : 0.0f;
      }
    return answer;
  };
  const auto matte = person_matte(picture, scene.landmarks(), *frame, kSide, parse, pool());
  ASSERT_TRUE(matte.ok());
  const auto at = [&](Point p) {
    const Point q = to_frame(p);
    return matte->data[static_cast<size_t>(std::lround(q.y) * 295 + std::lround(q.x))];
  };
  for (int y = 280; y < 400; ++y) ASSERT_GT(at({300, double(y)}), 0.99f) << y;
  for (int y = 0; y < 30; ++y)
    for (int x = 0; x < 90; ++x) ASSERT_LT(matte->data[static_cast<size_t>(y * 295 + x)], 0.01f) << x << ' ' << y;
}

TEST(IdPhoto, TheBackgroundIsReplacedWithoutARim) {
  const Scene scene;
  Image picture = scene.draw();
  Metadata metadata;
  metadata.exif = {1, 2, 3};
  metadata.icc.assign(200, 0);
  picture.metadata = std::make_shared<const Metadata>(metadata);
  for (const IdSize size : {IdSize::one_inch, IdSize::two_inch})
    for (const char* name : {"white", "blue", "red"}) {
      IdPhotoOptions options{size, *parse_background(name)};
      const auto photo = make_id_photo(picture, scene.landmarks(), options, kSide, parse_colours, pool());
      ASSERT_TRUE(photo.ok()) << photo.status().message();
      const Image& image = photo->image;
      EXPECT_EQ(image.width, traits(size).width);
      EXPECT_EQ(image.height, traits(size).height);
      EXPECT_TRUE(image.metadata->exif.empty()) << "the place a photo was taken at is nobody's business";
      EXPECT_EQ(image.metadata->icc.size(), 200u);
      EXPECT_EQ(image.metadata->density.x, 300u);
      const Colour background = **parse_background(name);  // a copy: the result ends here
      for (const int x : {0, image.width - 1})
        for (int c = 0; c < 3; ++c) EXPECT_EQ(image.row(0)[3 * x + c], background[static_cast<size_t>(c)]);
      // The old background is greener than anything else by 120 levels; neither the person nor a mixture with the new
      // one is green, and no more than a trace is left.
      for (size_t i = 0; i < image.rgb.size(); i += 3)
        ASSERT_LT(image.rgb[i + 1] - std::max(image.rgb[i], image.rgb[i + 2]), 40) << name << " " << i / 3;
    }
}

TEST(IdPhoto, ErrorsAreNamed) {
  const Scene scene;
  const Image picture = scene.draw();
  const IdPhotoOptions white{IdSize::one_inch, Colour{255, 255, 255}};
  EXPECT_EQ(make_id_photo(picture, scene.landmarks(), white, nullptr, pool()).status().code(), Code::usage);
  EXPECT_TRUE(make_id_photo(picture, scene.landmarks(), IdPhotoOptions(), nullptr, pool()).ok());
  const auto nobody = [](const Image& square) -> Result<ClassScores> {
    return ClassScores{19, square.width, std::vector<float>(19 * static_cast<size_t>(square.pixels()), 0)};
  };
  const auto r = make_id_photo(
      picture, scene.landmarks(), white, kSide,
      [&](const Image& s) {
        auto answer = nobody(s);
        std::fill_n(answer->scores.begin(), s.pixels(), 9.0f);
        return answer;
      },
      pool());
  ASSERT_FALSE(r.ok());
  EXPECT_NE(r.status().message().find("no person"), std::string::npos);
  const auto broken = [](const Image&) -> Result<ClassScores> { return fail(Code::memory, "no memory"); };
  EXPECT_EQ(make_id_photo(picture, scene.landmarks(), white, kSide, broken, pool()).status().code(), Code::memory);
  const auto short_answer = [](const Image& s) -> Result<ClassScores> { return ClassScores{19, s.width, {1, 2}}; };
  EXPECT_EQ(make_id_photo(picture, scene.landmarks(), white, kSide, short_answer, pool()).status().code(),
            Code::internal);
}

// The photo ends just above the head and below the chin: that is said, and above the head is background.
TEST(IdPhoto, WhatThePhotoDoesNotShowIsSaid) {
  const Scene scene;
  const Image whole = scene.draw();
  Image cut(600, 280);
  for (int y = 0; y < 280; ++y) std::copy_n(whole.row(y + 190), 1800, cut.row(y));
  Landmarks marks = scene.landmarks();
  for (Point& p : marks) p.y -= 190;
  const IdPhotoOptions white{IdSize::one_inch, Colour{255, 255, 255}};
  const auto photo = make_id_photo(cut, marks, white, kSide, parse_colours, pool());
  ASSERT_TRUE(photo.ok());
  ASSERT_EQ(photo->notes.size(), 1u);
  EXPECT_NE(photo->notes[0].find("lower edge"), std::string::npos);
  for (int x = 0; x < 295; ++x) EXPECT_EQ(photo->image.row(2)[3 * x], 255) << x;
  EXPECT_EQ(make_id_photo(cut, marks, IdPhotoOptions(), nullptr, pool())->notes.size(), 2u);
}

}  // namespace
}  // namespace gpen
