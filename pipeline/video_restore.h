// The way of a video's frames: watched (cuts, faces), kept until the tracks ahead of them are known, restored some
// frames at a time, handed on in order. Knows nothing of files: frames in, frames out.
#pragma once
#include <deque>
#include <functional>
#include <optional>
#include <vector>

#include "pipeline/face_tracks.h"
#include "pipeline/restore.h"
#include "pipeline/scene_cut.h"
#include "pipeline/video_io.h"

namespace gpen {

struct VideoRestoreOptions {
  RestoreOptions restore;  // detection's filters choose among the smoothed faces of every frame
  // sigma, detect_every; the score that begins a track is restore.detection.threshold.
  TrackingOptions tracking;
};

// What was seen on a frame before anything was smoothed: enough to go on behind it in another run.
struct FrameObservation {
  bool cut = false, looked = false;  // looked: the detector was asked
  std::vector<Face> faces;
};

struct VideoStatistics {
  int64_t frames = 0, frames_with_faces = 0, faces = 0, cuts = 0;
  int tracks = 0;
  double jitter_detected = 0, jitter_smoothed = 0;  // JitterMeter, of this run's frames
};

class VideoRestorer {
 public:
  // A restored frame, in order, with what was seen on it. An error ends the run.
  using Sink = std::function<Status(VideoFrame&& frame, FrameObservation&& seen)>;
  // The restorer must have a detector.
  VideoRestorer(Restorer* restorer, const VideoRestoreOptions& options, Sink sink);

  // Goes on behind these frames. `last` is the picture of the last of them, as it was before restoring.
  void go_on_behind(const std::vector<FrameObservation>& seen, const Image& last);
  // The next frame. Code::cancelled by options.restore.progress, and errors of the networks or the sink.
  Status add(VideoFrame frame);
  Status end();  // there are no more: restores those that wait
  VideoStatistics statistics() const;

 private:
  struct Waiting {
    VideoFrame frame;
    FrameObservation seen;
  };
  Status look(Waiting* waiting);
  void observe();
  Status restore_ready(bool all);
  Status restore_together(size_t count);
  Status restore_fading(Image* picture, const std::vector<TrackedFace>& faces);
  std::vector<TrackedFace> faces_of(int64_t frame);

  Restorer* const restorer_;
  Restorer in_place_;  // without an upscaler, for faces on pictures that are enlarged already
  VideoRestoreOptions options_;
  const Sink sink_;
  DetectionOptions detection_, filter_;  // for the detector; for the smoothed faces
  CutDetector cuts_;
  FaceTracks tracks_;
  std::deque<Waiting> waiting_;  // the last one is not known to the tracks yet: whether a cut follows is to be seen
  int64_t first_ = 0;            // the frame of waiting_.front()
  int64_t last_look_ = -1;
  VideoStatistics statistics_;
  JitterMeter detected_, smoothed_;
};

}  // namespace gpen
