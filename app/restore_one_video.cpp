#include "app/restore_one_video.h"

#include <cmath>
#include <mutex>
#include <system_error>
#include <thread>

#include "app/interrupt.h"
#include "app/progress.h"
#include "app/video_parts.h"
#include "pipeline/bounded_queue.h"
#include "pipeline/video_codecs.h"

namespace gpen::app {
namespace {

namespace fs = std::filesystem;

// Everything that is known before the first frame is read.
struct Plan {
  const VideoTools& tools;
  const VideoJob& job;
  const RestoreArguments& arguments;
  VideoInfo info;
  VideoTimes times;
  VideoTarget target;
  std::string container;
  int64_t segment_frames = 1;
};

struct Restored {
  VideoFrame frame;
  FrameObservation seen;
};

// Threads of one run, and the first error of any of them.
class Shared {
 public:
  void fail(Status status) {
    const std::lock_guard lock(mutex_);
    if (status_.ok()) status_ = std::move(status);
  }
  Status status() {
    const std::lock_guard lock(mutex_);
    return status_;
  }

 private:
  std::mutex mutex_;
  Status status_;
};

// Runs `work` and turns a lack of memory into an error in words.
template <class Work>
void guarded(Shared* shared, const std::string& name, Work work) {
  try {
    Status status = work();
    if (!status.ok()) shared->fail(std::move(status));
  } catch (const std::bad_alloc&) {
    shared->fail(fail(Code::memory, name, ": out of memory"));
  }
}

// Encodes what comes, in segments, and makes each one part of what is safe. When the frames end early (an interrupt, an
// error elsewhere), the segment that is being written becomes a shorter one: it is complete in itself.
Status write_segments(const Plan& plan, VideoParts* parts, BoundedQueue<Restored>* frames, ProgressBar* bar) {
  const std::string extension = SegmentWriter::extension(plan.arguments.video.encoding);
  std::optional<Restored> next = frames->pop();
  while (next) {
    const fs::path file = parts->next_segment(extension);
    GPEN_ASSIGN(const auto writer, SegmentWriter::open(plan.tools, plan.info, plan.times, plan.target,
                                                       plan.arguments.video.encoding, file, next->frame.number));
    std::vector<FrameObservation> seen;
    // Boundaries lie at the same frames whatever was interrupted where.
    do {
      GPEN_RETURN_IF_ERROR(writer->add(next->frame));
      bar->at(static_cast<double>(next->frame.number + 1), true);
      seen.push_back(std::move(next->seen));
      next = frames->pop();
    } while (next && next->frame.number % plan.segment_frames != 0);
    GPEN_RETURN_IF_ERROR(writer->finish());
    GPEN_RETURN_IF_ERROR(parts->add_segment(file, seen));
  }
  return {};
}

// The frames from `first` on, for the restorer; before them the one in front of them, which is not restored again.
Status read_frames(VideoReader* reader, BoundedQueue<VideoFrame>* frames) {
  for (;;) {
    GPEN_ASSIGN(std::optional<VideoFrame> frame, reader->next());
    if (!frame) return {};
    if (!frames->push(*std::move(frame))) return {};
  }
}

Status restore_frames(const Plan& plan, VideoParts* parts, Restorer* restorer, VideoReport* report) {
  constexpr size_t kReadAhead = 4, kWriteBehind = 8;
  const std::string name = plan.job.input.string();
  const int64_t total = static_cast<int64_t>(plan.times.times.size()), first = parts->frames();
  if (first >= total) return {};
  GPEN_ASSIGN(const auto reader,
              VideoReader::open(plan.tools, plan.info, plan.times, plan.job.input, std::max<int64_t>(first - 1, 0)));
  BoundedQueue<VideoFrame> decoded(kReadAhead);
  BoundedQueue<Restored> restored(kWriteBehind);
  Shared shared;
  ProgressBar bar("frames", total, first);

  VideoRestoreOptions options{plan.arguments.restore, plan.arguments.video.tracking};
  options.restore.progress = [&](const char*, double) { return !interrupted() && shared.status().ok(); };
  VideoRestorer video(restorer, options, [&](VideoFrame&& frame, FrameObservation&& seen) -> Status {
    if (restored.push({std::move(frame), std::move(seen)})) return {};
    return fail(Code::cancelled, "cancelled");
  });

  std::thread read, write;
  try {
    read = std::thread([&] {
      guarded(&shared, name, [&] { return read_frames(reader.get(), &decoded); });
      decoded.close();
    });
    write = std::thread([&] {
      guarded(&shared, plan.job.output.string(),
              [&] { return write_segments(plan, parts, &restored, &bar).in(plan.job.output.string()); });
      restored.close();
    });
  } catch (const std::system_error& error) {  // the system starts no more
    decoded.close();
    reader->stop();
    if (read.joinable()) read.join();
    return fail(Code::memory, name, ": cannot start a thread: ", error.what());
  }
  Status status;
  Shared own;
  guarded(&own, name, [&]() -> Status {
    const std::vector<FrameObservation> seen = parts->seen();
    while (std::optional<VideoFrame> frame = decoded.pop()) {
      if (frame->number < first)
        video.go_on_behind(seen, frame->picture);
      else
        GPEN_RETURN_IF_ERROR(video.add(*std::move(frame)));
    }
    GPEN_RETURN_IF_ERROR(shared.status());  // the frames did not end where the video does
    return video.end();
  });
  status = own.status();
  decoded.close();
  if (!status.ok()) reader->stop();
  read.join();
  restored.close();
  write.join();
  report->statistics = video.statistics();
  // A cancelled restoration is but the echo of what happened elsewhere.
  const Status elsewhere = shared.status();
  if (interrupted()) return fail(Code::cancelled, name, ": interrupted");
  if (!elsewhere.ok() && (status.ok() || status.code() == Code::cancelled)) return elsewhere;
  return status;
}

Status make_plan(Plan* plan, const Restorer& restorer, VideoParts* parts, VideoReport* report) {
  const fs::path& input = plan->job.input;
  GPEN_ASSIGN(plan->info, probe_video(plan->tools, input));
  GPEN_ASSIGN(plan->container, video_container(plan->job.output));
  GPEN_ASSIGN(const Json source, fingerprint(input));
  GPEN_RETURN_IF_ERROR(parts->open({{"source", source}, {"settings", plan->job.settings}}));
  const SideStreams sides = plan_side_streams(plan->info, plan->container, 1, true);
  GPEN_RETURN_IF_ERROR(try_side_streams(plan->tools, plan->info, input, plan->container, parts->folder() / "trial"));
  if (!parts->load_times(&plan->times)) {
    GPEN_ASSIGN(plan->times, read_times(plan->tools, plan->info, input, interrupted));
    GPEN_RETURN_IF_ERROR(parts->store_times(plan->times));
  }
  const auto& upscaler = restorer.models().upscaler;
  GPEN_ASSIGN(plan->target, plan_target(plan->info, plan->times, plan->arguments.video.encoding,
                                        upscaler != nullptr ? upscaler->arch().scale : 1));
  const double length = static_cast<double>(plan->times.nanoseconds(0, plan->times.times.size())) / 1e9;
  const double rate = static_cast<double>(plan->times.times.size()) / std::max(length, 1e-3);
  plan->segment_frames = std::max<int64_t>(1, std::llround(plan->arguments.video.segment_seconds * rate));
  report->notes = plan->target.notes;
  report->notes.insert(report->notes.end(), sides.notes.begin(), sides.notes.end());
  report->width = plan->target.width;
  report->height = plan->target.height;
  report->frames = static_cast<int64_t>(plan->times.times.size());
  report->duration = length;
  return {};
}

}  // namespace

Status restore_one_video(const VideoTools& tools, const VideoJob& job, const RestoreArguments& arguments,
                         Restorer* restorer, VideoReport* report) {
  Plan plan{tools, job, arguments, {}, {}, {}, {}, 1};
  VideoParts parts(job.output);
  Status planned = make_plan(&plan, *restorer, &parts, report);
  if (!planned.ok()) {
    if (parts.frames() == 0) parts.remove();  // nothing in it is worth keeping
    return planned;
  }
  report->resumed = parts.frames();
  if (report->resumed > 0)
    std::fprintf(stderr, "%s: goes on behind frame %lld of %lld, where an earlier run ended\n", job.input.c_str(),
                 static_cast<long long>(report->resumed), static_cast<long long>(report->frames));
  const Status restored = restore_frames(plan, &parts, restorer, report);
  if (restored.ok()) {
    const fs::path result = parts.folder() / ("result" + job.output.extension().string());
    std::error_code ignored;
    fs::remove(result, ignored);  // of a run that ended in the middle of joining
    GPEN_RETURN_IF_ERROR(join_segments(tools, plan.info, plan.times, job.input, parts.folder(), parts.segments(),
                                       plan.container, result, interrupted));
    GPEN_RETURN_IF_ERROR(move_when_synced(result, job.output));
    parts.remove();
    return {};
  }
  if (parts.frames() == 0) {
    parts.remove();
    return restored;
  }
  const std::string kept = concat(parts.frames(), " of ", report->frames, " frames are done and kept in ",
                                  parts.folder().string(), "; the same command goes on behind them");
  return fail(restored.code(), restored.message(), "\n    ", kept);
}

}  // namespace gpen::app
