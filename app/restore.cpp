// gpen restore: photos in, restored photos out.
#include "pipeline/restore.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>

#include "app/command.h"
#include "app/input_list.h"
#include "app/interrupt.h"
#include "app/output_folder.h"
#include "app/picture_input.h"
#include "app/restore_batch.h"
#include "app/restore_outputs.h"
#include "app/restore_video.h"
#include "app/shard.h"
#include "pipeline/distribute.h"
#include "pipeline/faces_json.h"
#include "weights/atomic_file.h"

namespace gpen::app {
namespace {

namespace fs = std::filesystem;
std::vector<Input> files_read(const RestoreArguments& a, const InputSet& inputs) {
  std::vector<Input> files = inputs.items;
  for (const std::string& name : {a.faces, a.list, a.model, a.parser, a.sr, a.detection.detector}) {
    std::error_code ignored;
    if (fs::is_regular_file(name, ignored)) files.push_back({name, {}, name});
  }
  return files;
}

// Every name that this run writes to is written once, and none of them is a file that it reads.
Status check_outputs(const RestoreRun& run) {
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
    if (files.picture != kStdout) GPEN_RETURN_IF_ERROR(add(files.picture));
    if (!files.comparison.empty()) GPEN_RETURN_IF_ERROR(add(files.comparison));
    if (!files.faces.empty()) GPEN_RETURN_IF_ERROR(add(files.faces));  // the stem of all its faces
  }
  for (const std::string& report : {a.json, a.jsonl})
    if (!report.empty() && report != "-") GPEN_RETURN_IF_ERROR(add(report));
  return {};
}

// The temporary files of this run's outputs that an earlier one has left when it was killed.
void remove_leftovers(const RestoreRun& run) {
  const RestoreArguments& a = run.arguments;
  std::map<fs::path, std::set<std::string>> targets, faces;  // by folder; of faces the stem
  for (size_t i = 0; i < run.inputs.items.size(); ++i) {
    const OutputFiles files =
        output_files(run.inputs.items[i], run.plan.paths[i], run.plan.formats[i], a.restore.compare, a.save_faces);
    if (files.picture == kStdout) continue;
    targets[files.picture.parent_path()].insert(files.picture.filename().string());
    if (!files.comparison.empty()) targets[files.comparison.parent_path()].insert(files.comparison.filename().string());
    if (!files.faces.empty()) faces[files.faces.parent_path()].insert(files.faces.filename().string());
  }
  for (const auto& [folder, names] : targets)
    remove_unfinished(folder, [&names = names](const std::string& name) { return names.count(name) > 0; });
  for (const auto& [folder, stems] : faces) {
    remove_unfinished(folder, [&stems = stems](const std::string& name) {
      for (const char* const what : {"_before.png", "_after.png"}) {  // STEM_00_before.png
        const size_t end = name.rfind(what), number = end == std::string::npos ? end : name.rfind('_', end - 1);
        if (number != std::string::npos && stems.count(name.substr(0, number)) > 0) return true;
      }
      return false;
    });
  }
}

// Keeps this shard's photos, with the outputs that they have in the whole run.
void keep_shard(const Shard& shard, RestoreRun* run) {
  InputSet own;
  OutputPlan plan;
  for (size_t i = 0; i < run->inputs.items.size(); ++i) {
    if (!belongs_to(run->inputs.items[i], shard)) continue;
    own.items.push_back(run->inputs.items[i]);
    plan.paths.push_back(run->plan.paths[i]);
    plan.formats.push_back(run->plan.formats[i]);
  }
  own.several = run->inputs.several;
  std::fprintf(stderr, "gpen: shard %llu of %llu: %zu of %zu photos\n", static_cast<unsigned long long>(shard.index),
               static_cast<unsigned long long>(shard.count), own.items.size(), run->inputs.items.size());
  run->inputs = std::move(own);
  run->plan = std::move(plan);
}

Result<RestoreRun> prepare(const RestoreArguments& arguments) {
  RestoreRun run{arguments, {}, {}, {}, {}, false, nullptr};
  RestoreArguments& a = run.arguments;
  GPEN_RETURN_IF_ERROR(a.complete());
  GPEN_RETURN_IF_ERROR(a.check());
  Shard shard;
  if (!a.shard.empty()) {
    GPEN_ASSIGN(shard, parse_shard(a.shard, std::getenv));
  }
  std::vector<std::string> names = a.inputs;
  if (a.demo()) {
    GPEN_ASSIGN(const Example example, bundled_example());
    names = {example.picture.string()};
    const bool unnamed_detector = a.detection.detector.empty() && installed_detector().empty();
    if (a.faces.empty() && !a.restore.aligned && unnamed_detector) a.faces = example.faces.string();
  }
  GPEN_ASSIGN(run.inputs, collect_inputs(names, a.recursive));
  if (!a.list.empty()) {
    GPEN_RETURN_IF_ERROR(add_list(a.list, a.null, a.recursive, &run.inputs));
    drop_repeated(&run.inputs);
  }
  if (a.recursive) GPEN_RETURN_IF_ERROR(leave_out_outputs(a.output, &run.inputs));
  if (!a.faces.empty()) {
    if (run.inputs.items.size() > 1)
      return fail(Code::usage, "--faces ", a.faces, ": landmarks belong to one photo, these are ",
                  run.inputs.items.size());
    GPEN_ASSIGN(run.given, load_faces(a.faces));
    run.has_given = true;
  }
  const auto beside = [&a](const Input& input, const fs::path& picture) {
    const OutputFiles files = output_files(input, picture, ImageFormat::png, a.restore.compare, a.save_faces);
    std::vector<fs::path> names;
    for (const fs::path& name : {files.comparison, files.faces})
      if (!name.empty()) names.push_back(name);
    return names;
  };
  GPEN_ASSIGN(run.plan, plan_outputs(run.inputs, a.output, a.format, beside));
  if (!run.inputs.videos_left_out.empty())
    std::fprintf(stderr, "gpen: videos are left out beside photos: %zu; give them in a run of their own\n",
                 run.inputs.videos_left_out.size());
  if (!a.save_faces.empty()) GPEN_RETURN_IF_ERROR(make_folder(a.save_faces));
  run.read = files_read(a, run.inputs);
  GPEN_RETURN_IF_ERROR(check_outputs(run));
  // Of the whole run: a shard may happen to have none.
  if (a.quality > 0 && std::count(run.plan.formats.begin(), run.plan.formats.end(), ImageFormat::jpg) == 0)
    return fail(Code::usage, "--quality ", a.quality, " is for JPEG, and no output is one");
  if (!a.shard.empty()) keep_shard(shard, &run);
  remove_leftovers(run);
  return run;
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

Result<ExitCode> restore(const RestoreArguments& arguments) {
  GPEN_ASSIGN(const bool videos, are_videos(arguments));
  if (videos) return restore_videos(arguments);
  GPEN_ASSIGN(RestoreRun run, prepare(arguments));
  const RestoreArguments& a = run.arguments;
  const auto open_lines = [&]() -> Status {
    if (a.jsonl.empty()) return {};
    GPEN_ASSIGN(run.lines, ReportLines::open(a.jsonl, a.skip_existing));
    return {};
  };
  const size_t photos = run.inputs.items.size();
  if (photos == 0) {  // a shard without photos: its reports say so, and no network is needed for it
    GPEN_RETURN_IF_ERROR(open_lines());
    if (!a.json.empty()) GPEN_RETURN_IF_ERROR(write_json(to_json(LoadedModels(), a, "", {}), a.json));
    return kDone;
  }
  GPEN_ASSIGN(const std::vector<Processor> places, a.compute.processors(photos));
  GPEN_ASSIGN(const std::vector<LoadedModels> models, load_for(a, places));
  GPEN_RETURN_IF_ERROR(a.photo.check(models.front().networks));
  for (const std::string& note : models.front().notes) std::fprintf(stderr, "%s\n", note.c_str());

  catch_interrupts();
  GPEN_RETURN_IF_ERROR(open_lines());  // only now: a start that failed leaves an earlier report as it is
  GPEN_ASSIGN(const BatchResult batch, restore_batch(run, places, models));
  const std::vector<PhotoReport>& reports = batch.reports;
  if (interrupted()) std::fprintf(stderr, "gpen: interrupted\n");
  if (run.inputs.several)
    std::fprintf(stderr, "gpen: %s\n", batch_summary(reports, photos - reports.size(), batch.seconds).c_str());
  const ExitCode code = exit_code_of(reports, photos);
  Status written = run.lines != nullptr ? run.lines->status() : Status();
  if (!run.arguments.json.empty()) {
    const Status whole =
        write_json(to_json(models.front(), run.arguments, names_of(places), reports), run.arguments.json);
    if (written.ok()) written = whole;
  }
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
