#include "pipeline/video_restore.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace gpen {
namespace {

constexpr size_t kFramesTogether = 8;
constexpr size_t kMostBytesTogether = size_t{256} << 20;

Models without_upscaler(Models models) {
  models.upscaler = nullptr;
  return models;
}

TrackingOptions tracking_of(const VideoRestoreOptions& options) {
  TrackingOptions tracking = options.tracking;
  tracking.start_score = options.restore.detection.threshold;
  if (tracking.sigma == 0) {  // every frame by itself: exactly what is detected on it
    tracking.fade = 0;
    tracking.shortest = 1;
  }
  return tracking;
}

// The detector is asked for fainter faces as well: they continue a track that a clear one began. The choice among the
// faces is made after smoothing.
DetectionOptions detection_of(const VideoRestoreOptions& options) {
  DetectionOptions detection = options.restore.detection;
  if (options.tracking.sigma > 0) detection.threshold *= 2.0 / 3;
  detection.min_face = 0;
  detection.largest_only = false;
  detection.max_faces = 0;
  return detection;
}

// The 16-bit picture takes what has changed in its 8-bit copy: what was not touched keeps all its bits.
void apply_changes(const Image& before, const Image& after, std::vector<uint16_t>* deep) {
  for (size_t i = 0; i < deep->size(); ++i) {
    const int change = 257 * (after.rgb[i] - before.rgb[i]);
    if (change != 0) (*deep)[i] = static_cast<uint16_t>(std::clamp((*deep)[i] + change, 0, 65535));
  }
}

}  // namespace

VideoRestorer::VideoRestorer(Restorer* restorer, const VideoRestoreOptions& options, Sink sink)
    : restorer_(restorer),
      in_place_(without_upscaler(restorer->models()), restorer->shared_pool()),
      options_(options),
      sink_(std::move(sink)),
      detection_(detection_of(options)),
      tracks_(tracking_of(options)),
      detected_(restorer->models().gpen->arch().in_size),
      smoothed_(restorer->models().gpen->arch().in_size) {
  // The faces that are restored have been chosen already.
  options_.restore.detection.min_face = 0;
  options_.restore.detection.largest_only = false;
  options_.restore.detection.max_faces = 0;
  filter_ = options.restore.detection;
}

void VideoRestorer::go_on_behind(const std::vector<FrameObservation>& seen, const Image& last) {
  for (const FrameObservation& o : seen) {
    if (o.looked) last_look_ = tracks_.frames();
    tracks_.add(o.cut, o.looked ? std::optional(o.faces) : std::nullopt);
  }
  first_ = tracks_.frames();
  (void)cuts_.add(last);
}

Status VideoRestorer::look(Waiting* waiting) {
  GPEN_ASSIGN(Detections found,
              detect_faces(*restorer_->models().detector, waiting->frame.picture, detection_, restorer_->pool()));
  waiting->seen.faces = std::move(found.faces);
  waiting->seen.looked = true;
  last_look_ = std::max(last_look_, waiting->frame.number);
  return {};
}

// The tracks learn of the last frame.
void VideoRestorer::observe() {
  const FrameObservation& seen = waiting_.back().seen;
  tracks_.add(seen.cut, seen.looked ? std::optional(seen.faces) : std::nullopt);
}

Status VideoRestorer::add(VideoFrame frame) {
  const auto& progress = options_.restore.progress;
  if (progress != nullptr && !progress("detect", 0)) return fail(Code::cancelled, "cancelled");
  const bool cut = cuts_.add(frame.picture);
  if (!waiting_.empty()) {
    // The last frame of a shot is looked at: nothing behind it could tell where its faces are.
    if (cut && !waiting_.back().seen.looked) GPEN_RETURN_IF_ERROR(look(&waiting_.back()));
    observe();
  }
  waiting_.push_back({std::move(frame), {cut, false, {}}});
  statistics_.cuts += cut && waiting_.back().frame.number > 0;
  if (cut || waiting_.back().frame.number - last_look_ >= options_.tracking.detect_every)
    GPEN_RETURN_IF_ERROR(look(&waiting_.back()));
  return restore_ready(false);
}

Status VideoRestorer::end() {
  if (!waiting_.empty()) {
    if (!waiting_.back().seen.looked) GPEN_RETURN_IF_ERROR(look(&waiting_.back()));
    observe();
  }
  tracks_.end();
  return restore_ready(true);
}

Status VideoRestorer::restore_ready(bool all) {
  for (;;) {
    size_t ready = 0;
    while (ready < waiting_.size() && tracks_.ready(first_ + static_cast<int64_t>(ready))) ++ready;
    if (ready == 0) return {};
    const size_t bytes = waiting_.front().frame.picture.rgb.size();
    const size_t together = std::clamp(kMostBytesTogether / bytes, size_t{1}, kFramesTogether);
    if (ready < together && !all) return {};
    GPEN_RETURN_IF_ERROR(restore_together(std::min(ready, together)));
  }
}

// The smoothed faces that the filters leave.
std::vector<TrackedFace> VideoRestorer::faces_of(int64_t frame) {
  std::vector<TrackedFace> faces = tracks_.faces_at(frame);
  std::vector<Face> chosen;
  for (const TrackedFace& f : faces) chosen.push_back(f.face);
  filter_faces(&chosen, filter_);
  std::erase_if(faces, [&](const TrackedFace& f) {
    return std::none_of(chosen.begin(), chosen.end(), [&](const Face& c) {
      return c.landmarks[0].x == f.face.landmarks[0].x && c.landmarks[0].y == f.face.landmarks[0].y;
    });
  });
  for (const TrackedFace& f : faces) {
    const std::optional<Face> raw = tracks_.detected(f.track, frame);
    if (!raw) continue;
    detected_.add(f.track, frame, raw->landmarks);
    smoothed_.add(f.track, frame, f.face.landmarks);
  }
  return faces;
}

Status VideoRestorer::restore_together(size_t count) {
  std::vector<std::vector<TrackedFace>> fading(count);
  std::vector<std::vector<Face>> full(count);
  for (size_t i = 0; i < count; ++i) {
    const std::vector<TrackedFace> faces = faces_of(first_ + static_cast<int64_t>(i));
    for (const TrackedFace& f : faces) {
      if (f.weight < 1)
        fading[i].push_back(f);
      else
        full[i].push_back(f.face);
    }
    ++statistics_.frames;
    statistics_.frames_with_faces += !faces.empty();
    statistics_.faces += static_cast<int64_t>(faces.size());
  }
  // All frames' faces go through the network together.
  std::vector<PhotoTask> tasks;
  for (size_t i = 0; i < count; ++i)
    if (!full[i].empty() || restorer_->models().upscaler != nullptr)
      tasks.push_back({&waiting_[i].frame.picture, &full[i]});
  std::vector<Result<RestoreResult>> results = restorer_->restore_together(tasks, options_.restore);
  size_t next = 0;
  for (size_t i = 0; i < count; ++i) {
    Waiting& waiting = waiting_.front();
    Image restored = waiting.frame.picture;
    if (next < tasks.size() && tasks[next].given == &full[i]) {
      GPEN_RETURN_IF_ERROR(results[next].status());
      restored = std::move(results[next++]->image);
    }
    GPEN_RETURN_IF_ERROR(restore_fading(&restored, fading[i]));
    if (restored.width == waiting.frame.picture.width)
      apply_changes(waiting.frame.picture, restored, &waiting.frame.deep);
    else
      waiting.frame.deep.clear();
    waiting.frame.picture = std::move(restored);
    GPEN_RETURN_IF_ERROR(sink_(std::move(waiting.frame), std::move(waiting.seen)));
    waiting_.pop_front();
    ++first_;
  }
  tracks_.forget_before(first_);
  return {};
}

// Faces that come or go have weights of their own: one after the other, on the picture with the others.
Status VideoRestorer::restore_fading(Image* picture, const std::vector<TrackedFace>& faces) {
  const auto& upscaler = restorer_->models().upscaler;
  const double scale = upscaler != nullptr ? upscaler->arch().scale : 1;
  for (const TrackedFace& f : faces) {
    RestoreOptions options = options_.restore;
    options.alpha *= f.weight;
    const std::vector<Face> one = {enlarged(f.face, scale)};
    GPEN_ASSIGN(RestoreResult result, in_place_.restore(*picture, options, &one));
    *picture = std::move(result.image);
  }
  return {};
}

VideoStatistics VideoRestorer::statistics() const {
  VideoStatistics s = statistics_;
  s.tracks = tracks_.tracks();
  s.jitter_detected = detected_.rms();
  s.jitter_smoothed = smoothed_.rms();
  return s;
}

}  // namespace gpen
