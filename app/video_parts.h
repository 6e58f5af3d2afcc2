// What a video's run has finished so far, in the hidden folder `.NAME.gpen-part` beside its output: the segments, what
// was seen on their frames, the times of all frames, and what the run was asked to do. A run that finds the folder of a
// run with the same source and the same options goes on behind its last complete segment.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "app/json_output.h"
#include "pipeline/video_restore.h"

namespace gpen::app {

class VideoParts {
 public:
  explicit VideoParts(const std::filesystem::path& output);
  ~VideoParts();
  VideoParts(const VideoParts&) = delete;
  VideoParts& operator=(const VideoParts&) = delete;

  // Makes the folder and takes it for this run alone. What another source or other options have left there is removed.
  // Code::io when another run is at work there, or nothing can be written.
  Status open(const Json& run);
  // What an earlier run has stored; its files are checked as hostile ones are.
  const std::vector<VideoSegment>& segments() const { return segments_; }
  const std::vector<FrameObservation>& seen() const { return seen_; }  // of the segments' frames
  int64_t frames() const { return static_cast<int64_t>(seen_.size()); }

  // The times of the frames; false: they are not stored yet.
  bool load_times(VideoTimes* times) const;
  Status store_times(const VideoTimes& times) const;

  // The file of the next segment, to be written, and then to be made part of it.
  std::filesystem::path next_segment(const std::string& extension) const;
  Status add_segment(const std::filesystem::path& file, const std::vector<FrameObservation>& seen);

  const std::filesystem::path& folder() const { return folder_; }
  void remove();  // the folder goes, if it is this run's

 private:
  void load_segments();

  const std::filesystem::path folder_;
  int lock_ = -1;
  bool owned_ = false;  // no other run may touch the folder
  std::vector<VideoSegment> segments_;
  std::vector<FrameObservation> seen_;
};

// What tells a file from another one under the same name: size, time of change, digest of its beginning and end.
Result<Json> fingerprint(const std::filesystem::path& path);

}  // namespace gpen::app
