#include "app/restore_video.h"

#include <chrono>
#include <cstdio>

#include "app/command.h"
#include "app/interrupt.h"
#include "app/output_folder.h"
#include "app/output_names.h"
#include "app/progress.h"
#include "app/restore_one_video.h"
#include "app/video_parts.h"
#include "kernels/isa.h"

namespace gpen::app {
namespace {

namespace fs = std::filesystem;

bool is_video(const Input& input) {
  if (input.from_stdin() || is_picture_name(input.path)) return false;
  return sniff_video(input.path) || is_video_name(input.path);
}

// `name` with an ending that a restored video can have: its own, else .mkv.
fs::path with_video_ending(const fs::path& name) {
  return video_container(name).ok() ? name : fs::path(name).replace_extension(".mkv");
}

Result<std::vector<VideoJob>> plan_jobs(const RestoreArguments& a, const InputSet& inputs) {
  std::error_code ignored;
  const bool to_folder = !a.output.empty() && (a.output.back() == '/' || fs::is_directory(a.output, ignored));
  if (!to_folder && !a.output.empty() && inputs.several) GPEN_RETURN_IF_ERROR(make_folder(a.output));
  const auto output_of = [&](size_t i, const std::string& suffix) -> fs::path {
    const Input& input = inputs.items[i];
    const std::string name = input.stem() + suffix + input.path.extension().string();
    if (a.output.empty()) return input.folder / with_video_ending("output_" + name);
    if (to_folder || inputs.several) return a.output / input.folder / with_video_ending(name);
    return a.output;
  };
  const std::vector<std::string> suffixes = distinct_suffixes(
      inputs.items, [&](size_t i, const std::string& suffix) { return std::vector{output_of(i, suffix)}; });
  std::vector<VideoJob> jobs;
  const ProtectedInputs kept(inputs.items);
  for (size_t i = 0; i < inputs.items.size(); ++i) {
    const Input& input = inputs.items[i];
    const fs::path output = output_of(i, suffixes[i]);
    if (output != a.output) GPEN_RETURN_IF_ERROR(make_folder(output.parent_path()));
    GPEN_RETURN_IF_ERROR(video_container(output).status());
    GPEN_RETURN_IF_ERROR(folder_is_writable(output));
    GPEN_RETURN_IF_ERROR(kept.check(output));
    if (fs::is_directory(output, ignored)) return fail(Code::io, output.string(), ": is a folder, not a file");
    jobs.push_back({input.path, output, {}});
  }
  if (!a.json.empty() && a.json != "-") GPEN_RETURN_IF_ERROR(kept.check(a.json));
  return jobs;
}

// What the restored frames depend on. A model that is a file is told by its content's fingerprint.
Result<Json> settings_of(const RestoreArguments& a, const LoadedModels& models) {
  const auto model = [](const std::string& name) -> Result<Json> {
    std::error_code ignored;
    if (!fs::is_regular_file(name, ignored)) return Json(name);
    return fingerprint(name);
  };
  Json json = {{"version", GPEN_VERSION}, {"size", models.size}, {"task", a.task}};
  for (const auto& [key, name] : {std::pair("gpen", models.gpen), std::pair("detector", models.detector),
                                  std::pair("parser", models.parser), std::pair("upscaler", models.upscaler)}) {
    GPEN_ASSIGN(json[key], model(name));
  }
  const DetectionOptions& d = a.restore.detection;
  json["detection"] = {d.threshold, d.shrink_above, d.shrink_to, d.min_face, d.largest_only, d.max_faces};
  json["restore"] = {a.restore.lambda_id, a.restore.alpha,      a.restore.tile_size,
                     a.restore.seed,      a.restore.draw_boxes, a.compute.precision};
  json["video"] = {a.video.encoding.codec, a.video.encoding.crf, a.video.encoding.preset, a.video.tracking.sigma,
                   a.video.tracking.detect_every};
  return json;
}

Json to_json(const VideoReport& r) {
  Json json = {{"input", r.input},
               {"status", r.skipped       ? "skipped"
                          : r.status.ok() ? "done"
                                          : "failed"},
               {"output", r.output}};
  if (!r.status.ok()) json["error"] = r.status.message();
  const VideoStatistics& s = r.statistics;
  json.update({{"width", r.width},
               {"height", r.height},
               {"frames", r.frames},
               {"duration", r.duration},
               {"frames_of_earlier_runs", r.resumed},
               {"frames_with_faces", s.frames_with_faces},
               {"faces", s.faces},
               {"tracks", s.tracks},
               {"cuts", s.cuts},
               {"landmark_jitter", {{"detected", s.jitter_detected}, {"smoothed", s.jitter_smoothed}}},
               {"notes", r.notes},
               {"seconds", r.seconds}});
  return json;
}

void print(const VideoReport& r, bool names_on_stdout) {
  for (const std::string& note : r.notes) std::fprintf(stderr, "    %s\n", note.c_str());
  if (r.skipped) {
    std::fprintf(stderr, "%s: skipped, %s exists\n", r.input.c_str(), r.output.c_str());
  } else if (!r.status.ok()) {
    (void)report(r.status);
  } else {
    if (names_on_stdout) std::printf("%s\n", r.output.c_str());
    std::fflush(stdout);
    const VideoStatistics& s = r.statistics;
    std::fprintf(stderr, "%s: %lld frames, faces on %lld of %lld, %s\n", r.input.c_str(),
                 static_cast<long long>(r.frames), static_cast<long long>(s.frames_with_faces),
                 static_cast<long long>(s.frames), duration_text(r.seconds).c_str());
    if (s.jitter_detected > 0)
      std::fprintf(stderr, "    landmarks tremble by %.2f pixels of the crop as detected, %.2f smoothed\n",
                   s.jitter_detected, s.jitter_smoothed);
  }
}

// Options that a video has no use for are errors, not ignored.
Status check_for_videos(const RestoreArguments& a) {
  for (const CLI::Option* option : a.photos_only)
    if (option->count() > 0)
      return fail(Code::usage, option->get_name(), " is for photos",
                  option->get_name() == "--quality" ? "; videos have --crf" : "");
  if (!a.jsonl.empty()) return fail(Code::usage, "--json ", a.jsonl, ": a report line by line is for photos");
  if (a.restore.aligned) return fail(Code::usage, "--task ", a.task, " on a video needs --detector");
  if (a.detection.detector == "none") return fail(Code::usage, "--detector none is for photos: a video's faces move");
  GPEN_RETURN_IF_ERROR(check(a.video.encoding));
  return check(a.video.tracking);
}

}  // namespace

Result<bool> are_videos(const RestoreArguments& arguments) {
  const std::string option = arguments.video.given();
  if (arguments.demo()) {
    if (!option.empty()) return fail(Code::usage, option, " is for videos, and none is given");
    return false;
  }
  GPEN_ASSIGN(const InputSet inputs, collect_inputs(arguments.inputs, arguments.recursive));
  const Input *video = nullptr, *photo = nullptr;
  for (const Input& input : inputs.items) (is_video(input) ? video : photo) = &input;
  if (video != nullptr && photo != nullptr)
    return fail(Code::usage, video->name, " is a video and ", photo->name,
                " is not: give photos and videos in runs of their own");
  if (video == nullptr && !option.empty()) return fail(Code::usage, option, " is for videos, and none is given");
  return video != nullptr;
}

Result<ExitCode> restore_videos(const RestoreArguments& given) {
#if !GPEN_VIDEO
  return fail(Code::usage, given.inputs.front(), ": this build restores no videos (it was configured with ",
              "-DGPEN_VIDEO=OFF)");
#endif
  RestoreArguments a = given;
  GPEN_RETURN_IF_ERROR(a.complete());
  GPEN_RETURN_IF_ERROR(check_for_videos(a));
  GPEN_RETURN_IF_ERROR(a.check());
  GPEN_ASSIGN(InputSet inputs, collect_inputs(a.inputs, a.recursive));
  if (a.recursive) GPEN_RETURN_IF_ERROR(leave_out_outputs(a.output, &inputs));
  GPEN_ASSIGN(std::vector<VideoJob> jobs, plan_jobs(a, inputs));
  GPEN_ASSIGN(const VideoTools tools, find_video_tools());
  GPEN_ASSIGN(const Processor where, a.compute.processor());
  GPEN_ASSIGN(const LoadedModels models, load_models(a.models(), where));
  for (const std::string& note : models.notes) std::fprintf(stderr, "%s\n", note.c_str());
  GPEN_ASSIGN(const Json settings, settings_of(a, models));
  Restorer restorer(models.networks, where.pool);

  catch_interrupts();
  std::vector<VideoReport> reports;
  for (VideoJob& job : jobs) {
    if (interrupted()) break;
    VideoReport r;
    r.input = job.input.string();
    r.output = job.output.string();
    std::error_code ignored;
    r.skipped = a.skip_existing && fs::exists(job.output, ignored);
    if (!r.skipped) {
      job.settings = settings;
      const auto start = std::chrono::steady_clock::now();
      r.status = restore_one_video(tools, job, a, &restorer, &r);
      r.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    }
    print(r, a.json != "-");
    reports.push_back(std::move(r));
  }

  ExitCode code = reports.size() == jobs.size() ? kDone : kSomeFailed;
  Json videos = Json::array();
  for (const VideoReport& r : reports) {
    if (!r.status.ok() && code == kDone) code = jobs.size() == 1 ? exit_code(r.status.code()) : kSomeFailed;
    videos.push_back(to_json(r));
  }
  if (a.json.empty()) return code;
  const Json json = {{"model", models.gpen},
                     {"size", models.size},
                     {"detector", models.detector},
                     {"device", where.device != nullptr ? where.device->info().name : "cpu"},
                     {"precision", a.compute.precision},
                     {"isa", isa_name()},
                     {"videos", videos}};
  const Status written = write_json(json, a.json);
  return written.ok() || code != kDone ? (report(written), Result<ExitCode>(code)) : Result<ExitCode>(written);
}

}  // namespace gpen::app
