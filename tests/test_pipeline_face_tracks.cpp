// Faces followed and smoothed over time: synthetic tracks whose truth is known.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <random>

#include "pipeline/face_tracks.h"
#include "pipeline/scene_cut.h"
#include "support/pictures.h"

namespace gpen::test {
namespace {

// A face of `side` pixels (of its crop) whose crop has its corner at (x, y).
Face face_at(double x, double y, double side = 200, double score = 0.99) {
  Face face;
  face.landmarks = reference_landmarks(512);
  for (Point& p : face.landmarks) p = {x + p.x * side / 512, y + p.y * side / 512};
  face.box = {x + 0.25 * side, y + 0.25 * side, x + 0.75 * side, y + 0.87 * side};
  face.score = score;
  return face;
}

Face with_noise(Face face, double sigma, std::mt19937* random) {
  std::normal_distribution<double> noise(0, sigma);
  for (Point& p : face.landmarks) {
    p.x += noise(*random);
    p.y += noise(*random);
  }
  return face;
}

// A head that moves as heads do: a sway of `amplitude` pixels with a period of two seconds at 25 frames a second.
Face swaying(int64_t frame, double amplitude = 40) {
  const double t = 2 * M_PI * static_cast<double>(frame) / 50;
  return face_at(200 + amplitude * std::sin(t), 100 + 0.3 * amplitude * std::cos(1.3 * t));
}

using Detector = std::function<std::vector<Face>(int64_t frame)>;

std::vector<std::vector<TrackedFace>> follow(const TrackingOptions& options, int64_t frames, const Detector& detector,
                                             const std::vector<int64_t>& cuts = {0}) {
  FaceTracks tracks(options);
  std::vector<std::vector<TrackedFace>> out;
  const auto emit = [&] {
    while (tracks.ready(static_cast<int64_t>(out.size()))) {
      const int64_t frame = static_cast<int64_t>(out.size());
      out.push_back(tracks.faces_at(frame));
      tracks.forget_before(frame + 1);
    }
  };
  for (int64_t f = 0; f < frames; ++f) {
    const bool cut = std::count(cuts.begin(), cuts.end(), f) > 0;
    const bool looked = cut || f % options.detect_every == 0 || f == frames - 1;
    tracks.add(cut, looked ? std::optional(detector(f)) : std::nullopt);
    emit();
  }
  tracks.end();
  emit();
  return out;
}

double error_of(const Landmarks& a, const Landmarks& b) {
  double worst = 0;
  for (size_t i = 0; i < 5; ++i) worst = std::max(worst, std::hypot(a[i].x - b[i].x, a[i].y - b[i].y));
  return worst;
}

TEST(FaceTracks, JitterIsAtMostHalfAndTheMotionIsKept) {
  for (const double noise : {0.3, 1.0, 3.0}) {
    std::mt19937 random(7);
    std::vector<Landmarks> raw;
    const auto faces = follow({}, 250, [&](int64_t f) {
      const Face face = with_noise(swaying(f), noise, &random);
      raw.push_back(face.landmarks);
      return std::vector<Face>{face};
    });
    ASSERT_EQ(faces.size(), 250u);
    JitterMeter before(512), after(512), truth(512);
    double raw_error = 0, error = 0;
    for (int64_t f = 0; f < 250; ++f) {
      const auto i = static_cast<size_t>(f);
      ASSERT_EQ(faces[i].size(), 1u) << f;
      EXPECT_EQ(faces[i][0].weight, 1) << f;  // there from the first frame to the last: never faded
      before.add(0, f, raw[i]);
      after.add(0, f, faces[i][0].face.landmarks);
      truth.add(0, f, swaying(f).landmarks);
      for (size_t k = 0; k < 5; ++k) {
        raw_error += std::pow(raw[i][k].x - swaying(f).landmarks[k].x, 2);
        error += std::pow(faces[i][0].face.landmarks[k].x - swaying(f).landmarks[k].x, 2);
      }
    }
    printf("noise %.1f px: jitter %.3f -> %.3f crop pixels (the motion itself: %.3f), error %.3f -> %.3f px\n", noise,
           before.rms(), after.rms(), truth.rms(), std::sqrt(raw_error / 1250), std::sqrt(error / 1250));
    EXPECT_LE(after.rms(), 0.5 * before.rms());
    EXPECT_LT(error, 0.5 * raw_error);  // nearer to the truth as well, not only smoother
  }
}

TEST(FaceTracks, NoDelayAndLittleBias) {
  // Without noise what is left is the smoothing's own error: far below a pixel for a sway of 40, none for a parabola.
  const auto sway = follow({}, 150, [](int64_t f) { return std::vector<Face>{swaying(f)}; });
  for (int64_t f = 0; f < 150; ++f)
    EXPECT_LT(error_of(sway[static_cast<size_t>(f)].at(0).face.landmarks, swaying(f).landmarks), 0.8) << f;
  const auto thrown = [](int64_t f) {
    const double t = static_cast<double>(f);
    return face_at(10 + 3 * t, 20 + 0.05 * t * t);
  };
  const auto parabola = follow({}, 80, [&](int64_t f) { return std::vector<Face>{thrown(f)}; });
  for (int64_t f = 0; f < 80; ++f)
    EXPECT_LT(error_of(parabola[static_cast<size_t>(f)].at(0).face.landmarks, thrown(f).landmarks), 1e-6) << f;
}

TEST(FaceTracks, CrossingFacesKeepTheirIdentity) {
  // Two faces pass each other, a third of a face apart at the nearest; the detector's order changes all the time.
  std::mt19937 random(3);
  const auto left = [](int64_t f) { return face_at(50 + 5.0 * static_cast<double>(f), 100); };
  const auto right = [](int64_t f) { return face_at(550 - 5.0 * static_cast<double>(f), 130); };
  const auto faces = follow({}, 100, [&](int64_t f) {
    std::vector<Face> both = {with_noise(left(f), 1, &random), with_noise(right(f), 1, &random)};
    if (f % 3 == 0) std::swap(both[0], both[1]);
    return both;
  });
  int first = -1, second = -1;
  for (int64_t f = 0; f < 100; ++f) {
    ASSERT_EQ(faces[static_cast<size_t>(f)].size(), 2u) << f;
    for (const TrackedFace& face : faces[static_cast<size_t>(f)]) {
      const bool is_left = error_of(face.face.landmarks, left(f).landmarks) < 6;
      ASSERT_TRUE(is_left || error_of(face.face.landmarks, right(f).landmarks) < 6) << f;
      int& track = is_left ? first : second;
      if (std::abs(f - 50) < 2) continue;  // on top of each other: either is right
      if (track < 0) track = face.track;
      EXPECT_EQ(track, face.track) << "frame " << f;
    }
  }
  EXPECT_NE(first, second);
}

TEST(FaceTracks, GapsAreBridged) {
  // Missing for six frames, twice, and faint in others: one track, interpolated.
  const auto missing = [](int64_t f) { return (f >= 30 && f < 36) || (f >= 60 && f < 66); };
  const auto faces = follow({}, 100, [&](int64_t f) {
    if (missing(f)) return std::vector<Face>();
    Face face = swaying(f, 20);
    face.score = f % 4 == 1 ? 0.7 : 0.99;
    return std::vector<Face>{face};
  });
  for (int64_t f = 0; f < 100; ++f) {
    ASSERT_EQ(faces[static_cast<size_t>(f)].size(), 1u) << f;
    EXPECT_EQ(faces[static_cast<size_t>(f)][0].track, 0) << f;
    EXPECT_EQ(faces[static_cast<size_t>(f)][0].weight, 1) << f;
    EXPECT_LT(error_of(faces[static_cast<size_t>(f)][0].face.landmarks, swaying(f, 20).landmarks), 1.5) << f;
  }
}

TEST(FaceTracks, WhatComesAndGoesIsFadedAndFalseAlarmsAreLeftOut) {
  TrackingOptions options;
  options.fade = 4;
  const auto faces = follow(options, 100, [](int64_t f) {
    std::vector<Face> found;
    if (f >= 20 && f < 60) found.push_back(face_at(100, 100));
    if (f == 40 || f == 41) found.push_back(face_at(500, 100));  // two frames long
    if (f > 70) found.push_back(face_at(100, 300, 200, 0.7));    // never above the score that begins a track
    return found;
  });
  for (size_t f = 0; f < 100; ++f) {
    const bool there = f >= 20 && f < 60;
    ASSERT_EQ(faces[f].size(), there ? 1u : 0u) << f;
    if (!there) continue;
    const double wanted = std::min({1.0, static_cast<double>(f - 19) / 5, static_cast<double>(60 - f) / 5});
    EXPECT_NEAR(faces[f][0].weight, wanted, 1e-12) << f;
  }
}

TEST(FaceTracks, ACutResetsTheTracks) {
  // The same place before and after the cut, another person 8 pixels aside: nothing is mixed across it, nothing faded.
  const auto faces =
      follow({}, 60, [](int64_t f) { return std::vector<Face>{face_at(f < 30 ? 100 : 108, 100)}; }, {0, 30});
  for (int64_t f = 0; f < 60; ++f) {
    ASSERT_EQ(faces[static_cast<size_t>(f)].size(), 1u) << f;
    const TrackedFace& face = faces[static_cast<size_t>(f)][0];
    EXPECT_EQ(face.track, f < 30 ? 0 : 1);
    EXPECT_EQ(face.weight, 1) << f;
    EXPECT_LT(error_of(face.face.landmarks, face_at(f < 30 ? 100 : 108, 100).landmarks), 1e-6) << f;
  }
}

TEST(FaceTracks, FramesBetweenDetectionsAreInterpolated) {
  TrackingOptions options;
  options.detect_every = 5;
  const auto faces = follow(options, 150, [](int64_t f) { return std::vector<Face>{swaying(f, 20)}; });
  for (int64_t f = 0; f < 150; ++f) {
    ASSERT_EQ(faces[static_cast<size_t>(f)].size(), 1u) << f;
    EXPECT_EQ(faces[static_cast<size_t>(f)][0].weight, 1) << f;
    EXPECT_LT(error_of(faces[static_cast<size_t>(f)][0].face.landmarks, swaying(f, 20).landmarks), 2.5) << f;
  }
}

TEST(FaceTracks, WithoutSmoothingTheDetectionsStay) {
  std::mt19937 random(5);
  TrackingOptions options;
  options.sigma = 0;
  std::vector<Face> raw;
  const auto faces = follow(options, 40, [&](int64_t f) {
    raw.push_back(with_noise(swaying(f), 2, &random));
    return std::vector<Face>{raw.back()};
  });
  for (size_t f = 0; f < 40; ++f) EXPECT_EQ(error_of(faces[f].at(0).face.landmarks, raw[f].landmarks), 0);
}

// A run that goes on where another was stopped knows more frames when it asks: the answer must not depend on that.
TEST(FaceTracks, TheAnswerDependsOnTheLookaheadAlone) {
  std::mt19937 random(11);
  std::vector<std::vector<Face>> detections;
  for (int64_t f = 0; f < 120; ++f) {
    std::vector<Face> found;
    if (f % 40 < 27) found.push_back(with_noise(swaying(f), 1, &random));
    if (f > 50 && f < 95 && f % 7 != 0) found.push_back(with_noise(face_at(500, 60), 1, &random));
    detections.push_back(found);
  }
  const auto streamed = follow({}, 120, [&](int64_t f) { return detections[static_cast<size_t>(f)]; }, {0, 33, 77});
  FaceTracks all({});
  for (int64_t f = 0; f < 120; ++f) all.add(f == 0 || f == 33 || f == 77, detections[static_cast<size_t>(f)]);
  all.end();
  for (int64_t f = 0; f < 120; ++f) {
    const auto whole = all.faces_at(f);
    const auto& part = streamed[static_cast<size_t>(f)];
    ASSERT_EQ(part.size(), whole.size()) << f;
    for (size_t i = 0; i < whole.size(); ++i) {
      EXPECT_EQ(part[i].weight, whole[i].weight) << f;
      EXPECT_EQ(error_of(part[i].face.landmarks, whole[i].face.landmarks), 0) << f;
    }
  }
}

TEST(FaceTracks, OptionsOutOfRangeAreRefused) {
  TrackingOptions options;
  EXPECT_TRUE(check(options).ok());
  options.sigma = -1;
  EXPECT_EQ(check(options).code(), Code::usage);
  options.sigma = 0;
  options.detect_every = 2;
  EXPECT_EQ(check(options).code(), Code::usage);
}

TEST(CutDetector, TellsCutsFromMotion) {
  CutDetector cuts;
  EXPECT_TRUE(cuts.add(test_picture(320, 180)));
  for (int shift = 1; shift < 10; ++shift) EXPECT_FALSE(cuts.add(test_picture(320, 180, 4 * shift))) << shift;
  Image other(320, 180);
  for (size_t i = 0; i < other.rgb.size(); ++i) other.rgb[i] = static_cast<uint8_t>(i % 3 == 0 ? 240 : i / 3 % 60);
  EXPECT_TRUE(cuts.add(other));
  EXPECT_FALSE(cuts.add(other));
  for (uint8_t& v : other.rgb) v = static_cast<uint8_t>(v > 245 ? 255 : v + 10);  // a little brighter: no cut
  EXPECT_FALSE(cuts.add(other));
  EXPECT_TRUE(cuts.add(test_picture(320, 180)));
}

}  // namespace
}  // namespace gpen::test
