#include "pipeline/face_tracks.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace gpen {
namespace {

constexpr size_t kValues = 15;  // of a face: ten of landmarks, four of the box, the score
using Values = std::array<double, kValues>;

Values values_of(const Face& face) {
  Values v{};
  for (size_t i = 0; i < 5; ++i) {
    v[2 * i] = face.landmarks[i].x;
    v[2 * i + 1] = face.landmarks[i].y;
  }
  v[10] = face.box.x0;
  v[11] = face.box.y0;
  v[12] = face.box.x1;
  v[13] = face.box.y1;
  v[14] = face.score;
  return v;
}

Face face_of(const Values& v) {
  Face face;
  for (size_t i = 0; i < 5; ++i) face.landmarks[i] = {v[2 * i], v[2 * i + 1]};
  face.box = {v[10], v[11], v[12], v[13]};
  face.score = v[14];
  return face;
}

Point centre(const Landmarks& points) {
  Point c;
  for (const Point& p : points) {
    c.x += p.x / 5;
    c.y += p.y / 5;
  }
  return c;
}

// Root mean square distance of the landmarks from their centre: about a third of the box's width.
double size_of(const Landmarks& points) {
  const Point c = centre(points);
  double sum = 0;
  for (const Point& p : points) sum += (p.x - c.x) * (p.x - c.x) + (p.y - c.y) * (p.y - c.y);
  return std::sqrt(sum / 5);
}

// How far two faces are apart, in sizes of the face; infinite when they cannot be the same one.
double distance(const Landmarks& predicted, const Landmarks& found) {
  constexpr double kMostGrowth = 1.6, kFarthest = 2;
  const double a = size_of(predicted), b = size_of(found);
  if (!(a > 0 && b > 0) || a > kMostGrowth * b || b > kMostGrowth * a) return INFINITY;
  double sum = 0;
  for (size_t i = 0; i < 5; ++i) sum += std::hypot(predicted[i].x - found[i].x, predicted[i].y - found[i].y) / 5;
  const double d = sum / (0.5 * (a + b));
  return d <= kFarthest ? d : INFINITY;
}

// Weighted least squares of value = c0 + c1 x + c2 x^2 at x = 0, for all values at once. With fewer than `order` + 1
// different x the order is lowered.
class LocalFit {
 public:
  void add(double x, double weight, const Values& values) {
    double power = weight;
    for (size_t k = 0; k < 5; ++k, power *= x) moments_[k] += power;
    for (size_t i = 0; i < kValues; ++i) {
      sums_[0][i] += weight * values[i];
      sums_[1][i] += weight * x * values[i];
      sums_[2][i] += weight * x * x * values[i];
    }
    ++points_;
  }
  Values at_zero() const {
    const double m0 = moments_[0], m1 = moments_[1], m2 = moments_[2], m3 = moments_[3], m4 = moments_[4];
    Values out{};
    // The weights of the three sums by Cramer's rule; x is measured in sigmas, so that the moments are comparable.
    const double c0 = m2 * m4 - m3 * m3, c1 = m2 * m3 - m1 * m4, c2 = m1 * m3 - m2 * m2;
    const double cubic = m0 * c0 + m1 * c1 + m2 * c2, linear = m0 * m2 - m1 * m1;
    for (size_t i = 0; i < kValues; ++i) {
      if (points_ >= 3 && cubic > 1e-9 * m0 * m0 * m0)
        out[i] = (c0 * sums_[0][i] + c1 * sums_[1][i] + c2 * sums_[2][i]) / cubic;
      else if (points_ >= 2 && linear > 1e-9 * m0 * m0)
        out[i] = (m2 * sums_[0][i] - m1 * sums_[1][i]) / linear;
      else
        out[i] = sums_[0][i] / m0;
    }
    return out;
  }

 private:
  std::array<double, 5> moments_{};
  std::array<Values, 3> sums_{};
  int points_ = 0;
};

}  // namespace

int TrackingOptions::half_window() const {
  return sigma > 0 ? std::max(static_cast<int>(std::ceil(2.7 * sigma)), 3 * detect_every) : 0;
}

int TrackingOptions::lookahead() const {
  return std::max(half_window(), std::max(bridge, 2 * detect_every) + fade + 1) + 1;
}

Status check(const TrackingOptions& o) {
  if (!(o.sigma >= 0 && o.sigma <= 25)) return fail(Code::usage, "smoothing must be between 0 and 25 frames");
  if (o.detect_every < 1 || o.detect_every > 30)
    return fail(Code::usage, "detection must be every 1 to 30 frames, not ", o.detect_every);
  if (o.sigma == 0 && o.detect_every > 1)
    return fail(Code::usage, "detection of every ", o.detect_every, "th frame needs smoothing for those between");
  if (o.bridge < 0 || o.fade < 0 || o.shortest < 1) return fail(Code::usage, "tracking: a negative number of frames");
  return {};
}

void FaceTracks::add(bool cut, const std::optional<std::vector<Face>>& faces) {
  if (cut) {
    for (Track& track : tracks_) track.shot_end = std::min(track.shot_end, frames_);
    shot_ = frames_;
  }
  if (faces) associate(*faces);
  ++frames_;
}

void FaceTracks::end() {
  for (Track& track : tracks_) track.shot_end = std::min(track.shot_end, frames_);
  ended_ = true;
}

// Where a track's face is expected at `frame`: it moves on as it did over the last few frames.
static Landmarks predict(const Landmarks& last, int64_t last_frame, const Landmarks& earlier, int64_t earlier_frame,
                         int64_t frame) {
  if (earlier_frame == last_frame) return last;
  const double ahead = static_cast<double>(frame - last_frame) / static_cast<double>(last_frame - earlier_frame);
  Landmarks out = last;
  const Point from = centre(earlier), to = centre(last);
  for (Point& p : out) {
    p.x += ahead * (to.x - from.x);
    p.y += ahead * (to.y - from.y);
  }
  return out;
}

void FaceTracks::associate(const std::vector<Face>& faces) {
  constexpr size_t kVelocityOver = 3;  // detections: noise of the landmarks must not become velocity
  const int64_t bridge = std::max(options_.bridge, 2 * options_.detect_every);
  struct Pair {
    double distance;
    size_t track, face;
  };
  std::vector<Pair> pairs;
  for (size_t t = 0; t < tracks_.size(); ++t) {
    const Track& track = tracks_[t];
    const Observation& last = track.seen.back();
    if (track.shot_end <= frames_ || frames_ - last.frame > bridge + 1) continue;
    const Observation& earlier = track.seen[track.seen.size() - std::min(track.seen.size(), kVelocityOver + 1)];
    const Landmarks expected = predict(last.face.landmarks, last.frame, earlier.face.landmarks, earlier.frame, frames_);
    for (size_t f = 0; f < faces.size(); ++f) {
      const double d = distance(expected, faces[f].landmarks);
      if (std::isfinite(d)) pairs.push_back({d, t, f});
    }
  }
  std::stable_sort(pairs.begin(), pairs.end(), [](const Pair& a, const Pair& b) { return a.distance < b.distance; });
  std::vector<char> taken(faces.size()), continued(tracks_.size());
  for (const Pair& pair : pairs) {
    if (taken[pair.face] || continued[pair.track]) continue;
    taken[pair.face] = continued[pair.track] = 1;
    tracks_[pair.track].seen.push_back({frames_, faces[pair.face]});
  }
  for (size_t f = 0; f < faces.size(); ++f) {
    if (taken[f] || faces[f].score < options_.start_score) continue;
    tracks_.push_back({born_++, shot_, frames_, INT64_MAX, {{frames_, faces[f]}}});
  }
}

std::optional<TrackedFace> FaceTracks::at(const Track& track, int64_t frame) const {
  const int64_t bridge = std::max(options_.bridge, 2 * options_.detect_every);
  // One frame less than is known: whether the frame behind it begins a new shot is known as well, then.
  const int64_t horizon = std::min(frame + options_.lookahead() - 1, frames_ - 1);
  if (track.first > frame || track.shot_end <= frame) return std::nullopt;
  int64_t last = track.first;
  for (const Observation& o : track.seen)
    if (o.frame <= horizon) last = o.frame;
  if (last < frame) return std::nullopt;
  const bool shot_ends = track.shot_end <= horizon + 1;
  const bool whole_shot = track.first == track.shot && shot_ends && last == track.shot_end - 1;
  if (last - track.first + 1 < options_.shortest && !whole_shot) return std::nullopt;

  TrackedFace out;
  out.track = track.id;
  // Comes and goes within the shot: faded. With the shot: the cut hides it.
  const double full = options_.fade + 1;
  if (track.first > track.shot) out.weight = std::min(1.0, static_cast<double>(frame - track.first + 1) / full);
  const bool gone = shot_ends ? last < track.shot_end - 1 : last + bridge < horizon;
  if (gone) out.weight = std::min(out.weight, static_cast<double>(last - frame + 1) / full);

  LocalFit fit;
  const double sigma = std::max(options_.sigma, static_cast<double>(options_.detect_every));
  for (const Observation& o : track.seen) {
    if (o.frame == frame && options_.sigma == 0) {
      out.face = o.face;
      return out;
    }
    const double x = static_cast<double>(o.frame - frame) / sigma;
    if (std::abs(o.frame - frame) <= std::max(options_.half_window(), static_cast<int>(bridge)) && o.frame <= horizon)
      fit.add(x, std::exp(-0.5 * x * x), values_of(o.face));
  }
  if (options_.sigma == 0) return std::nullopt;  // not detected here, and nothing is interpolated
  out.face = face_of(fit.at_zero());
  out.face.score = std::clamp(out.face.score, 0.0, 1.0);
  return out;
}

std::vector<TrackedFace> FaceTracks::faces_at(int64_t frame) const {
  std::vector<TrackedFace> faces;
  for (const Track& track : tracks_) {
    const std::optional<TrackedFace> face = at(track, frame);
    if (face) faces.push_back(*face);
  }
  return faces;
}

std::optional<Face> FaceTracks::detected(int track, int64_t frame) const {
  for (const Track& t : tracks_) {
    if (t.id != track) continue;
    for (const Observation& o : t.seen)
      if (o.frame == frame) return o.face;
  }
  return std::nullopt;
}

void FaceTracks::forget_before(int64_t frame) {
  const int64_t bridge = std::max(options_.bridge, 2 * options_.detect_every);
  const int64_t oldest = frame - std::max<int64_t>(options_.half_window(), bridge);
  for (Track& track : tracks_)
    while (track.seen.size() > 4 && track.seen.front().frame < oldest) track.seen.pop_front();
  std::erase_if(tracks_, [&](const Track& track) {
    return track.seen.back().frame < frame && track.seen.back().frame + bridge + 1 < frames_;
  });
}

void JitterMeter::add(int track, int64_t frame, const Landmarks& landmarks) {
  auto recent = std::find_if(recent_.begin(), recent_.end(), [&](const Recent& r) { return r.track == track; });
  if (recent == recent_.end()) {
    std::erase_if(recent_, [&](const Recent& r) { return r.frame + 1000 < frame; });
    recent_.push_back({track, frame, landmarks, landmarks, 1});
    return;
  }
  if (frame != recent->frame + 1) recent->running = 0;
  if (recent->running >= 2) {
    const Result<Alignment> alignment = align_face(landmarks, side_);
    const double scale = alignment.ok() ? alignment->forward.scale() : 0;
    for (size_t i = 0; i < 5; ++i) {
      const double x = landmarks[i].x - 2 * recent->last[i].x + recent->before[i].x;
      const double y = landmarks[i].y - 2 * recent->last[i].y + recent->before[i].y;
      sum_ += scale * scale * (x * x + y * y);
      samples_ += 2;
    }
  }
  recent->running = std::min(recent->running + 1, 2);
  recent->before = recent->last;
  recent->last = landmarks;
  recent->frame = frame;
}

double JitterMeter::rms() const { return samples_ > 0 ? std::sqrt(sum_ / static_cast<double>(samples_)) : 0; }

}  // namespace gpen
