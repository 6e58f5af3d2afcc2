// gpen restore: photos in, restored photos out.
#include "pipeline/restore.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <set>

#include "app/command.h"
#include "app/interrupt.h"
#include "app/picture_input.h"
#include "app/progress.h"
#include "app/restore_options.h"
#include "app/restore_outputs.h"
#include "app/restore_report.h"
#include "app/restore_video.h"
#include "pipeline/distribute.h"
#include "pipeline/faces_json.h"

namespace gpen::app {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

// Everything that stays the same from photo to photo.
struct Run {
  RestoreArguments arguments;
  InputSet inputs;
  OutputPlan plan;
  std::vector<Input> read;  // the photos, the landmarks and weights given as files: never written to
  std::vector<Face> given;  // --faces, or those of the bundled example
  bool has_given = false;
};

std::vector<Input> files_read(const RestoreArguments& a, const InputSet& inputs) {
  std::vector<Input> files = inputs.items;
  for (const std::string& name : {a.faces, a.model, a.parser, a.sr, a.detection.detector}) {
    std::error_code ignored;
    if (fs::is_regular_file(name, ignored)) files.push_back({name, {}, name});
  }
  return files;
}

// Every name that this run writes to is written once, and none of them is a file that it reads.
Status check_outputs(const Run& run) {
  const RestoreArguments& a = run.arguments;
  const ProtectedInputs kept(run.read);
  std::set<std::string> names;
  const auto add = [&](const fs::path& path) -> Status {
    GPEN_RETURN_IF_ERROR(kept.check(path));
    if (names.insert(fs::absolute(path).lexically_normal().string()).second) return {};
    return fail(Code::usage, path.string(), ": two results of this run would get this name; give them other folders");
  };
  for (size_t i = 0; i < run.inputs.items.size(); ++i) {
    const OutputFiles files =
        output_files(run.inputs.items[i], run.plan.paths[i], run.plan.formats[i], a.restore.compare, a.save_faces);
    GPEN_RETURN_IF_ERROR(add(files.picture));
    if (!files.comparison.empty()) GPEN_RETURN_IF_ERROR(add(files.comparison));
    if (!files.faces.empty()) GPEN_RETURN_IF_ERROR(add(files.faces));  // the stem of all its faces
  }
  return a.json.empty() || a.json == "-" ? Status() : add(a.json);
}

Result<Run> prepare(const RestoreArguments& arguments) {
  Run run{arguments, {}, {}, {}, {}, false};
  RestoreArguments& a = run.arguments;
  GPEN_RETURN_IF_ERROR(a.complete());
  GPEN_RETURN_IF_ERROR(a.check());
  std::vector<std::string> names = a.inputs;
  if (a.demo()) {
    GPEN_ASSIGN(const Example example, bundled_example());
    names = {example.picture.string()};
    const bool unnamed_detector = a.detection.detector.empty() && installed_detector().empty();
    if (a.faces.empty() && !a.restore.aligned && unnamed_detector) a.faces = example.faces.string();
  }
  GPEN_ASSIGN(run.inputs, collect_inputs(names, a.recursive));
  if (!a.faces.empty()) {
    if (run.inputs.items.size() > 1)
      return fail(Code::usage, "--faces ", a.faces, ": landmarks belong to one photo, these are ",
                  run.inputs.items.size());
    GPEN_ASSIGN(run.given, load_faces(a.faces));
    run.has_given = true;
  }
  GPEN_ASSIGN(run.plan, plan_outputs(run.inputs, a.output, a.format));
  if (!a.save_faces.empty()) GPEN_RETURN_IF_ERROR(make_folder(a.save_faces));
  run.read = files_read(a, run.inputs);
  GPEN_RETURN_IF_ERROR(check_outputs(run));
  if (a.quality > 0 && std::count(run.plan.formats.begin(), run.plan.formats.end(), ImageFormat::jpg) == 0)
    return fail(Code::usage, "--quality ", a.quality, " is for JPEG, and no output is one");
  return run;
}

// How far a photo has come, by the stages that report progress; their shares are rough.
double position(const std::string& stage, double fraction, bool upscales) {
  struct Share {
    const char* stage;
    double begin, length;
  };
  static constexpr Share kShares[] = {{"detect", 0, 0.2}, {"restore", 0.2, 0.7}, {"paste", 0.9, 0.1}};
  const double background = upscales ? 0.8 : 0;
  if (stage == "upscale") return fraction * background;
  for (const Share& share : kShares) {
    if (stage == share.stage) return background + (1 - background) * (share.begin + share.length * fraction);
  }
  return background;
}

// How far a photo has come: `done` (0..1) of it, with `stage`.
using PhotoProgress = std::function<void(double done, const char* stage)>;

// One photo through the whole pipeline; fills the report as far as it comes.
Status restore_photo(const Run& run, size_t index, Restorer& restorer, const PhotoProgress& progress,
                     PhotoReport* report) {
  const RestoreArguments& a = run.arguments;
  const Input& input = run.inputs.items[index];
  Clock::time_point start = Clock::now();
  GPEN_ASSIGN(const Image photo, read_picture(input));
  report->times.push_back({"read", ms_since(start)});

  RestoreOptions options = a.restore;
  const bool upscales = restorer.models().upscaler != nullptr;
  options.progress = [&](const char* stage, double fraction) {
    progress(position(stage, fraction, upscales), stage);
    return !interrupted();
  };
  Result<RestoreResult> restored = restorer.restore(photo, options, run.has_given ? &run.given : nullptr);
  if (!restored.ok()) return std::move(restored).status().in(input.name);
  const RestoreResult& result = *restored;
  report->times.insert(report->times.end(), result.times.begin(), result.times.end());
  report->faces = result.faces;
  report->notes = result.notes;
  if (result.faces.empty() && !upscales && !a.restore.aligned) {
    report->state = PhotoReport::State::no_face;
    return fail(Code::io, input.name, ": no face found, nothing written");
  }

  const ImageFormat format = run.plan.formats[index];
  if (drops_alpha(result.image, format)) report->notes.push_back("JPEG has no transparency: it is dropped");
  OutputFiles files = output_files(input, run.plan.paths[index], format, a.restore.compare, a.save_faces);
  if (a.quality > 0) files.options.quality = a.quality;
  start = Clock::now();
  GPEN_RETURN_IF_ERROR(write_outputs(result, files, ProtectedInputs(run.read), &report->outputs));
  report->times.push_back({"write", ms_since(start)});
  report->width = result.image.width;
  report->height = result.image.height;
  report->state = PhotoReport::State::done;
  return {};
}

PhotoReport process(const Run& run, size_t index, Restorer& restorer, const PhotoProgress& progress) {
  PhotoReport report;
  report.input = run.inputs.items[index].name;
  const fs::path& output = run.plan.paths[index];
  std::error_code ignored;
  if (run.arguments.skip_existing && fs::exists(output, ignored)) {
    report.state = PhotoReport::State::skipped;
    report.outputs = {output.string()};
    return report;
  }
  const Clock::time_point start = Clock::now();
  Status status;
  try {
    status = restore_photo(run, index, restorer, progress, &report);
  } catch (const std::bad_alloc&) {
    status = fail(Code::memory, report.input, ": out of memory");
  }
  report.seconds = ms_since(start) / 1000;
  report.code = status.code();
  report.error = status.message();
  return report;
}

void print(const PhotoReport& report, const RestoreArguments& a, ProgressBar& bar) {
  if (a.json != "-" && report.state == PhotoReport::State::done) {
    bar.hide();
    for (const std::string& name : report.outputs) std::printf("%s\n", name.c_str());
    std::fflush(stdout);
  }
  bar.step(summary(report));
  for (const std::string& note : report.notes) bar.message("    " + note);
  if (a.timings && !report.times.empty()) bar.message(timing_lines(report));
}

// All done: 0. The only input failed: its own code (a photo without a face counts as failed). Else some failed: 1.
ExitCode exit_code_of(const std::vector<PhotoReport>& reports, size_t inputs) {
  for (const PhotoReport& report : reports) {
    if (report.state == PhotoReport::State::failed) return inputs == 1 ? exit_code(report.code) : kSomeFailed;
    if (report.state == PhotoReport::State::no_face) return kSomeFailed;
  }
  return reports.size() == inputs ? kDone : kSomeFailed;
}

std::string names_of(const std::vector<Processor>& places) {
  std::string names;
  for (const Processor& place : places) {
    if (!names.empty()) names += ',';
    names += place.device != nullptr ? place.device->info().name : "cpu";
  }
  return names;
}

// The same networks for every device, loaded side by side.
Result<std::vector<LoadedModels>> load_for(const RestoreArguments& a, const std::vector<Processor>& places) {
  std::vector<LoadedModels> models(places.size());
  std::vector<Status> statuses(places.size());
  const auto load = [&](size_t item, size_t) {
    Result<LoadedModels> loaded = load_models(a.models(), places[item]);
    if (loaded.ok())
      models[item] = *std::move(loaded);
    else
      statuses[item] = loaded.status();
    return true;
  };
  GPEN_RETURN_IF_ERROR(distribute({places.size(), places.size(), load, nullptr, nullptr}).status());
  for (const Status& status : statuses) GPEN_RETURN_IF_ERROR(status);
  return models;
}

// Every photo by the next device that is free. The reports are printed and returned in the order of the photos.
Result<std::vector<PhotoReport>> restore_all(const Run& run, const std::vector<Processor>& places,
                                             const std::vector<LoadedModels>& models) {
  std::vector<Restorer> restorers;
  for (size_t i = 0; i < places.size(); ++i) restorers.emplace_back(models[i].networks, places[i].pool);
  std::vector<PhotoReport> reports(run.inputs.items.size());
  std::atomic<size_t> printed{0};
  ProgressBar bar("photos", static_cast<int64_t>(reports.size()));
  const auto work = [&](size_t photo, size_t place) {
    // The bar shows the photo whose report comes next.
    const PhotoProgress progress = [&](double done, const char* stage) {
      if (photo == printed) bar.within(done, stage);
    };
    reports[photo] = process(run, photo, restorers[place], progress);
    return reports[photo].code != Code::device;
  };
  const auto finished = [&](size_t photo) {
    print(reports[photo], run.arguments, bar);
    ++printed;
  };
  GPEN_ASSIGN(const size_t done, distribute({reports.size(), restorers.size(), work, finished, interrupted}));
  reports.resize(done);
  return reports;
}

Result<ExitCode> restore(const RestoreArguments& arguments) {
  GPEN_ASSIGN(const bool videos, are_videos(arguments));
  if (videos) return restore_videos(arguments);
  GPEN_ASSIGN(const Run run, prepare(arguments));
  GPEN_ASSIGN(const std::vector<Processor> places, run.arguments.compute.processors(run.inputs.items.size()));
  GPEN_ASSIGN(const std::vector<LoadedModels> models, load_for(run.arguments, places));
  for (const std::string& note : models.front().notes) std::fprintf(stderr, "%s\n", note.c_str());

  catch_interrupts();
  GPEN_ASSIGN(const std::vector<PhotoReport> reports, restore_all(run, places, models));
  if (interrupted()) std::fprintf(stderr, "gpen: interrupted\n");
  const ExitCode code = exit_code_of(reports, run.inputs.items.size());
  if (run.arguments.json.empty()) return code;
  const Json json = to_json(models.front(), run.arguments, names_of(places), reports);
  const Status written = write_json(json, run.arguments.json);
  return written.ok() || code != kDone ? (report(written), Result<ExitCode>(code)) : Result<ExitCode>(written);
}

}  // namespace

void add_restore(CLI::App& root, Action* action) {
  CLI::App* sub = root.add_subcommand("restore", "Restore the faces of photos and videos");
  auto arguments = std::make_shared<RestoreArguments>();
  arguments->add_to(sub);
  sub->callback([arguments, action] {
    *action = [arguments] {
      const Result<ExitCode> code = restore(*arguments);
      return code.ok() ? *code : report(code.status());
    };
  });
}

}  // namespace gpen::app
