// Faces followed from frame to frame, and their landmarks smoothed over time, so that the restored face neither
// trembles nor pops in and out. Nothing in here knows about files or networks: detections in, faces out.
//
// Following: a detection continues the track whose predicted landmarks (constant velocity) are nearest, measured in
// sizes of the face; pairs are made from the nearest on. A track lives through `bridge` frames without a detection. A
// cut ends every track.
//
// Smoothing: at frame t each coordinate is the value at 0 of the parabola that fits the track's detections of the
// frames t - half_window ... t + half_window best, with Gaussian weights: no delay (zero phase), no bias for motion
// with constant acceleration, and frames without a detection are interpolated. The price is that the frames behind t
// must be known: lookahead() of them.
#pragma once
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "pipeline/detection.h"

namespace gpen {

struct TrackingOptions {
  double sigma = 3;          // frames; of the Gaussian weights; 0: every frame by itself, as detected
  double start_score = 0.9;  // a face below this score only continues a track, it begins none
  int detect_every = 1;      // the frames between are interpolated
  int bridge = 6;            // frames without a detection that a track lives through
  int fade = 4;              // frames over which a face that comes or goes in the middle of a shot is faded in or out
  int shortest = 3;          // frames; what lives shorter within a shot is a false alarm

  int half_window() const;  // frames on either side that the smoothing looks at
  int lookahead() const;    // frames behind t that must be known for faces_at(t)
};
// Code::usage for a value out of range.
Status check(const TrackingOptions& options);

struct TrackedFace {
  Face face;          // smoothed: box, score, landmarks
  double weight = 1;  // of the restored face against the original, below 1 while it is faded
  int track = 0;      // the same person's, as far as it could be followed
};

class FaceTracks {
 public:
  explicit FaceTracks(const TrackingOptions& options) : options_(options) {}

  // The next frame: 0, 1, 2, ... cut: it begins a new shot. faces: what was detected; nullopt: nobody looked.
  void add(bool cut, const std::optional<std::vector<Face>>& faces);
  void end();  // there are no more frames

  // Whether faces_at(frame) can be asked: lookahead() frames behind it have been added, or all there are.
  bool ready(int64_t frame) const { return ended_ ? frame < frames_ : frame + options_.lookahead() < frames_; }
  // In the order of the tracks. What it gives depends on the frames up to frame + lookahead() alone, however many
  // have been added: a run that was interrupted and goes on gives the same.
  std::vector<TrackedFace> faces_at(int64_t frame) const;
  // What was detected at that frame, unsmoothed, for the tracks of faces_at(); nullopt where a track has none.
  std::optional<Face> detected(int track, int64_t frame) const;
  // Frames before this one will not be asked for any more.
  void forget_before(int64_t frame);

  int64_t frames() const { return frames_; }
  int tracks() const { return born_; }  // that were ever begun

 private:
  struct Observation {
    int64_t frame;
    Face face;
  };
  struct Track {
    int id = 0;
    int64_t shot = 0;              // first frame of its shot
    int64_t first = 0;             // frame it was first seen at
    int64_t shot_end = INT64_MAX;  // first frame behind its shot, once known
    std::deque<Observation> seen;
  };
  void associate(const std::vector<Face>& faces);
  std::optional<TrackedFace> at(const Track& track, int64_t frame) const;

  const TrackingOptions options_;
  std::vector<Track> tracks_;
  int64_t frames_ = 0, shot_ = 0;
  int born_ = 0;
  bool ended_ = false;
};

// The trembling of landmarks: the root mean square of their second differences over time, in pixels of the crop that
// the network sees. What is measured twice, before and after smoothing, over the same frames.
class JitterMeter {
 public:
  explicit JitterMeter(int crop_side) : side_(crop_side) {}
  // One face at one frame, frames in rising order for every track.
  void add(int track, int64_t frame, const Landmarks& landmarks);
  double rms() const;  // 0 when no track had three frames running
  int64_t samples() const { return samples_; }

 private:
  struct Recent {
    int track;
    int64_t frame;
    Landmarks before, last;
    int running;  // frames without a gap, up to 2
  };
  const int side_;
  std::vector<Recent> recent_;
  double sum_ = 0;
  int64_t samples_ = 0;
};

}  // namespace gpen
