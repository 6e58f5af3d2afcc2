#include "app/restore_batch.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <iterator>
#include <memory>
#include <mutex>
#include <numeric>
#include <optional>

#include "app/interrupt.h"
#include "app/picture_input.h"
#include "app/progress.h"
#include "app/read_ahead.h"
#include "app/restore_outputs.h"
#include "app/stage_shares.h"
#include "pipeline/distribute.h"
#include "pipeline/lanes.h"
#include "pipeline/lost_device.h"
#include "runtime/limits.h"

namespace gpen::app {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

// What pictures that are read and wait, and results that wait and are written, may take: enough for each thread to have
// a photo of some 7 megapixels in its hands. A picture larger than all of it goes alone.
constexpr int64_t kBytes = int64_t{128} << 20, kBytesOfThread = int64_t{64} << 20;
// Of pictures that are restored at the same time, on a device or on the processor: some five times as much while they
// are.
constexpr int64_t kBytesTogether = int64_t{48} << 20;
// Photos whose faces share batches: on the processor enough to fill some, on a device more. What is restored
// is written when the group is done, so a larger one would wait longer, and lose more when the program is killed.
constexpr size_t kPhotosTogether = 8, kPhotosTogetherOnDevice = 16;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

// What a result takes until it is written: its pictures, and beside them one of them encoded and what the encoder makes
// of it on its way.
int64_t writing_bytes(const RestoreResult& result) {
  int64_t bytes = held_bytes(result.image) + held_bytes(result.comparison);
  const int64_t largest = std::max(held_bytes(result.image), held_bytes(result.comparison));
  for (const auto* pictures : {&result.crops, &result.restored})
    for (const Image& picture : *pictures) bytes += held_bytes(picture);
  return bytes + 2 * largest;
}

// Threads that read, and as many that write, beside those that compute. As many as there are cores, so that none is
// idle while a core of the network waits for the other's.
size_t helpers(const std::vector<Processor>& places, size_t photos) {
  if (photos < 2) return 0;
  size_t cores = 0;
  for (const Processor& place : places) cores += static_cast<size_t>(place.pool->size());
  return std::min(std::clamp<size_t>(cores, 1, 16), photos);
}

class Batch {
 public:
  Batch(const RestoreRun& run, const std::vector<Processor>& places, const std::vector<LoadedModels>& models)
      : run_(run),
        arguments_(run.arguments),
        kept_(run.read),
        reports_(run.inputs.items.size()),
        settled_(reports_.size(), false),
        bar_("photos", static_cast<int64_t>(reports_.size())) {
    const size_t photos = photos_to_restore(kMostLanes);
    for (size_t i = 0; i < places.size(); ++i) {
      std::vector<Restorer> lanes = make_lanes(models[i].networks, places[i].pool, photos, arguments_.restore);
      on_processor_ = places[i].device == nullptr;
      memory_limit_ = arguments_.restore.memory_limit / lanes.size();
      std::move(lanes.begin(), lanes.end(), std::back_inserter(restorers_));
    }
    workers_left_ = restorers_.size();
    in_work_.assign(restorers_.size(), 0);
    threads_ = helpers(places, reports_.size());
  }

  Result<BatchResult> all() {
    const Clock::time_point start = Clock::now();
    {
      const auto usual = static_cast<size_t>(kBytes + kBytesOfThread * static_cast<int64_t>(threads_));
      const auto most_bytes = static_cast<int64_t>(std::min(usual, available_memory() / 8));
      WriteBehind writer(threads_, most_bytes);
      ReadAhead reader({reports_.size(), threads_, most_bytes, [this](size_t photo) { return weigh(photo); },
                        [this](size_t photo) { return read(photo); }, interrupted});
      const auto work = [&](size_t place, size_t) {
        serve(place, reader, writer);
        return true;
      };
      GPEN_RETURN_IF_ERROR(distribute({restorers_.size(), restorers_.size(), work, nullptr, nullptr}).status());
      writer.finish();
    }
    BatchResult result;
    for (size_t i = 0; i < reports_.size(); ++i)
      if (settled_[i]) result.reports.push_back(std::move(reports_[i]));
    result.seconds = ms_since(start) / 1000;
    return result;
  }

 private:
  // Why the photo needs nothing; empty: it does.
  std::string why_skip(const PhotoReport& report) const;
  size_t photos_to_restore(size_t most) const;
  int64_t weigh(size_t photo) const;
  std::optional<ReadPhoto> read(size_t photo);
  size_t group_size() const;
  void serve(size_t place, ReadAhead& reader, WriteBehind& writer);
  std::vector<Result<RestoreResult>> restore(size_t place, const std::vector<ReadPhoto>& group);
  void show(size_t place, double photos, const char* stage);
  // Fills the rest of the photo's report.
  Status write(size_t photo, const RestoreResult& result, PhotoReport* report) const;
  void settle(size_t photo, PhotoReport report);
  void print(const PhotoReport& report);

  bool nothing_to_write(const RestoreResult& result) const {
    const bool upscaled = restorers_.front().models().upscaler != nullptr;
    return result.faces.empty() && !upscaled && !arguments_.restore.aligned;
  }
  PhotoReport begin_report(size_t photo) const {
    PhotoReport report;
    report.input = run_.inputs.items[photo].name;
    report.output = run_.plan.paths[photo].string();
    return report;
  }
  // Throws nothing: threads of its own call it.
  void settle(size_t photo, PhotoReport report, const Status& status) {
    if (status.code() == Code::cancelled && interrupted()) return;  // left for another run
    try {
      report.code = status.code();
      report.error = status.message();
      for (const StageTime& stage : report.times) report.seconds += stage.ms / 1000;
      settle(photo, std::move(report));
    } catch (const std::bad_alloc&) {
      const std::lock_guard lock(mutex_);
      reports_[photo].code = Code::memory;
      reports_[photo].state = PhotoReport::State::failed;
      settled_[photo] = true;
    }
  }

  const RestoreRun& run_;
  const RestoreArguments& arguments_;
  const ProtectedInputs kept_;
  std::vector<Restorer> restorers_;  // by place: a device, or a part of the processor's threads
  bool on_processor_ = true;
  size_t memory_limit_ = 0;  // of each restorer
  size_t threads_ = 0;       // that read, and as many that write

  std::mutex mutex_;  // of these five
  std::vector<PhotoReport> reports_;
  std::vector<bool> settled_;
  size_t printed_ = 0;           // the first so many photos
  std::vector<double> in_work_;  // by place: so many photos' worth is done of those that it has
  ProgressBar bar_;
  std::atomic<size_t> settled_count_{0}, restored_{0};
  std::atomic<size_t> taken_{0};  // by a restorer, or by none: skipped or not to be read
  std::atomic<size_t> workers_left_{0};
};

std::string Batch::why_skip(const PhotoReport& report) const {
  std::error_code ignored;
  if (!arguments_.skip_existing) return {};
  if (fs::exists(report.output, ignored)) return report.output + " exists";
  const bool faceless = run_.lines != nullptr && run_.lines->earlier_status(report.input, report.output) == "no_face";
  return faceless ? "an earlier run found no face in it" : "";
}

// Any thread. What read() leaves alone needs no room; when the two see different files, the picture counts as it is.
int64_t Batch::weigh(size_t photo) const {
  try {
    return why_skip(begin_report(photo)).empty() ? picture_weight(run_.inputs.items[photo]) : 0;
  } catch (const std::bad_alloc&) {
    return 0;  // read() will say so
  }
}

// Any thread.
std::optional<ReadPhoto> Batch::read(size_t photo) {
  PhotoReport report = begin_report(photo);
  Status status;
  try {
    report.reason = why_skip(report);
    if (!report.reason.empty()) {
      ++taken_;
      report.state = PhotoReport::State::skipped;
      std::error_code ignored;
      if (fs::exists(report.output, ignored)) report.outputs = {report.output};
      settle(photo, std::move(report), Status());
      return std::nullopt;
    }
    const Clock::time_point start = Clock::now();
    Result<Image> picture = read_picture(run_.inputs.items[photo]);
    if (picture.ok()) return ReadPhoto{photo, std::move(picture).value(), ms_since(start)};
    status = picture.status();
  } catch (const std::bad_alloc&) {
    status = fail(Code::memory, report.input, ": out of memory");
  }
  ++taken_;
  settle(photo, std::move(report), status);
  return std::nullopt;
}

// How much of a place's photos is done. What has been restored but not been printed yet counts as well.
void Batch::show(size_t place, double photos, const char* stage) {
  double ahead = static_cast<double>(restored_.load()) - static_cast<double>(settled_count_.load());
  {
    const std::lock_guard lock(mutex_);
    in_work_[place] = photos;
    ahead = std::accumulate(in_work_.begin(), in_work_.end(), std::max(0.0, ahead));
  }
  bar_.within(ahead, stage);
}

std::vector<Result<RestoreResult>> Batch::restore(size_t place, const std::vector<ReadPhoto>& group) {
  Restorer& restorer = restorers_[place];
  RestoreOptions options = arguments_.restore;
  options.memory_limit = memory_limit_;
  const bool upscales = restorer.models().upscaler != nullptr;
  options.progress = [&](const char* stage, double fraction) {
    show(place, photo_progress(stage, fraction, upscales) * static_cast<double>(group.size()), stage);
    return !interrupted();
  };
  std::vector<PhotoTask> tasks;
  for (const ReadPhoto& photo : group) tasks.push_back({&photo.picture, run_.has_given ? &run_.given : nullptr});
  return restorer.restore_together(tasks, options);
}

// How many photos need work; not counted beyond `most`.
size_t Batch::photos_to_restore(size_t most) const {
  size_t count = 0;
  for (size_t i = 0; i < reports_.size() && count < most; ++i) count += why_skip(begin_report(i)).empty() ? 1 : 0;
  return count;
}

// How many photos a restorer should take next. Lanes take fewer towards the end, so that they end together.
size_t Batch::group_size() const {
  // An upscaled background takes far longer than a face: nothing is gained by waiting for others.
  if (restorers_.front().models().upscaler != nullptr) return 1;
  const size_t most = std::max(on_processor_ ? kPhotosTogether : kPhotosTogetherOnDevice,
                               static_cast<size_t>(arguments_.restore.batch));
  if (!on_processor_ || restorers_.size() == 1) return most;
  const size_t left = reports_.size() - std::min(reports_.size(), taken_.load());
  return std::clamp<size_t>(left / (2 * restorers_.size()), 1, most);
}

// One restorer: groups of photos, as they come.
void Batch::serve(size_t place, ReadAhead& reader, WriteBehind& writer) {
  Restorer& restorer = restorers_[place];
  const int64_t bytes = on_processor_ ? kBytesTogether / static_cast<int64_t>(restorers_.size()) : kBytesTogether;
  for (;;) {
    std::vector<ReadPhoto> group = reader.next(group_size(), bytes);
    if (group.empty() || interrupted()) return;
    taken_ += group.size();
    std::vector<Result<RestoreResult>> results = restore(place, group);
    {
      const std::lock_guard lock(mutex_);
      in_work_[place] = 0;
    }
    restored_ += group.size();
    bool fit = true;
    for (size_t i = 0; i < group.size(); ++i) {
      const size_t photo = group[i].index;
      auto report = std::make_shared<PhotoReport>(begin_report(photo));
      report->times.push_back({"read", group[i].ms});
      // While the networks are this thread's: the preset may parse the picture.
      if (results[i].ok() && !nothing_to_write(*results[i])) {
        Status status = arguments_.photo.apply(restorer, group[i].picture.width, &*results[i]);
        if (!status.ok()) results[i] = std::move(status);
      }
      if (!results[i].ok()) {
        fit = fit && (results[i].status().code() != Code::device || !is_lost(restorer.models().gpen->device().get()));
        settle(photo, *report, results[i].status().in(report->input));
        continue;
      }
      const int64_t bytes = writing_bytes(*results[i]);
      auto result = std::make_shared<RestoreResult>(std::move(results[i]).value());
      group[i].picture = Image();
      writer.put(bytes, [this, photo, report, result] {
        Status status;
        try {
          status = write(photo, *result, report.get());
        } catch (const std::bad_alloc&) {
          status = fail(Code::memory, report->input, ": out of memory");
        }
        settle(photo, *report, status);
      });
    }
    // A device that is lost gets no more photos, as long as there is another one.
    if (!fit && workers_left_.fetch_sub(1) > 1) return;
    if (!fit) ++workers_left_;
  }
}

Status Batch::write(size_t photo, const RestoreResult& result, PhotoReport* report) const {
  const Input& input = run_.inputs.items[photo];
  report->times.insert(report->times.end(), result.times.begin(), result.times.end());
  report->faces = result.faces;
  report->notes = result.notes;
  if (nothing_to_write(result)) {
    report->state = PhotoReport::State::no_face;
    return fail(Code::io, input.name, ": no face found, nothing written");
  }
  const ImageFormat format = run_.plan.formats[photo];
  OutputFiles files =
      output_files(input, run_.plan.paths[photo], format, arguments_.restore.compare, arguments_.save_faces);
  if (arguments_.quality > 0) files.options.quality = arguments_.quality;
  files.options.keep_gray = arguments_.photo.keep_gray();
  files.options.strip_metadata = arguments_.photo.strip_metadata;
  for (std::string& note : lost_on_saving(result.image, format, files.options))
    report->notes.push_back(std::move(note));
  const Clock::time_point start = Clock::now();
  GPEN_RETURN_IF_ERROR(write_outputs(result, files, kept_, &report->outputs));
  report->times.push_back({"write", ms_since(start)});
  report->width = result.image.width;
  report->height = result.image.height;
  report->state = PhotoReport::State::done;
  return {};
}

// Any thread: the line of the report at once, the lines for people in the order of the photos.
void Batch::settle(size_t photo, PhotoReport report) {
  // Of what is there already, an earlier run has said more.
  const bool known = report.state == PhotoReport::State::skipped && run_.lines != nullptr &&
                     !run_.lines->earlier_status(report.input, report.output).empty();
  if (run_.lines != nullptr && !known) run_.lines->add(report);
  if (report.state == PhotoReport::State::skipped) ++restored_;
  ++settled_count_;
  const std::lock_guard lock(mutex_);
  reports_[photo] = std::move(report);
  settled_[photo] = true;
  for (; printed_ < reports_.size() && settled_[printed_]; ++printed_) print(reports_[printed_]);
}

void Batch::print(const PhotoReport& report) {
  if (!arguments_.writes_to_stdout() && report.state == PhotoReport::State::done) {
    bar_.hide();
    for (const std::string& name : report.outputs) std::printf("%s\n", name.c_str());
    std::fflush(stdout);
  }
  bar_.step(summary(report));
  for (const std::string& note : report.notes) bar_.message("    " + note);
  if (arguments_.timings && !report.times.empty()) bar_.message(timing_lines(report));
}

}  // namespace

Result<BatchResult> restore_batch(const RestoreRun& run, const std::vector<Processor>& places,
                                  const std::vector<LoadedModels>& models) {
  return Batch(run, places, models).all();
}

}  // namespace gpen::app
