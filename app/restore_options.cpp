#include "app/restore_options.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "kernels/isa.h"

namespace gpen::app {

void RestoreArguments::add_to(CLI::App* sub) {
  const char *files = "Files", *networks = "Networks", *results = "Results";
  sub->add_option("-i,--input,inputs", inputs, "Files, folders, patterns, or - for stdin; none: the bundled example")
      ->group(files);
  sub->add_option("-o,--output", output,
                  "A file for one input, - for stdout, a folder for several\n"
                  "(default: output_<stem>.<ext> in the current folder)")
      ->group(files);
  sub->add_flag("--recursive", recursive, "Also the subfolders of folders; the outputs keep them")->group(files);
  sub->add_option("--list", list, "Also the files and folders that this file names, one to a line (- for stdin)")
      ->group(files);
  sub->add_flag("-0,--null", null, "The names of --list end with a NUL byte (find -print0)")->group(files);
  sub->add_flag(
         "--skip-existing", skip_existing,
         "Go on where a run ended: leave inputs alone whose output exists,\nor in which its --jsonl found no face")
      ->group(files);
  sub->add_option("--shard", shard,
                  "Only part K of N of the inputs, K from 0; auto: this task's of a Slurm array;\n"
                  "auto/N: K from SLURM_ARRAY_TASK_ID or JOB_COMPLETION_INDEX")
      ->check([](const std::string& text) { return text.empty() ? "is empty: expected K/N, auto or auto/N" : ""; })
      ->group(files);
  sub->add_option("-f,--format", format, "Write png, jpg or bmp (default: as -o or the input is named)")
      ->check(CLI::IsMember({"png", "jpg", "jpeg", "bmp"}, CLI::ignore_case))
      ->group(files);
  sub->add_option("--quality", quality, "JPEG quality, 1 to 100 (default 95)")->check(CLI::Range(1, 100))->group(files);

  sub->add_option("-m,--model", model,
                  "A GPEN: name, .safetensors or .pth; or sharpen, identity, negative (analytic)\n"
                  "(default: the largest installed GPEN-BFR up to 1024)")
      ->group(networks);
  sub->add_option("--size", size, "Side of the restored faces: 256, 512, 1024 or 2048")
      ->check(CLI::IsMember({256, 512, 1024, 2048}))
      ->group(networks);
  sub->add_option("--task", task, "restore, colorize, inpaint or seg2face")
      ->check(CLI::IsMember({"restore", "colorize", "inpaint", "seg2face"}))
      ->group(networks);
  sub->add_option("--batch", restore.batch,
                  "Most faces at once, of one or several photos\n(default: 2 to 4 on the CPU, what fits in half of its "
                  "memory on a device)")
      ->check(CLI::Range(1, 256))
      ->group(networks);
  CLI::Option* parser_option = sub->add_option(
      "--parser", parser, "A ParseNet for the shape of the pasted face, or none (default: if installed)");
  CLI::Option* sr_option = sub->add_option("--sr", sr, "A RealESRNet that enlarges the background, or none (default)");
  CLI::Option* scale_option =
      sub->add_option("--sr-scale", sr_scale, "Enlarge the background 1, 2 or 4 times with RealESRNet");
  scale_option->check(CLI::IsMember({1, 2, 4}));
  CLI::Option* tile_option =
      sub->add_option("--tile-size", restore.tile_size, "Background in tiles of this many pixels (default: one piece)");
  tile_option->check(CLI::Range(16, 32768));
  for (CLI::Option* option : {parser_option, sr_option, scale_option, tile_option}) option->group(networks);

  CLI::Option* faces_option =
      sub->add_option("--faces", faces, "Landmarks in the JSON of `gpen detect`, instead of a detector");
  faces_option->group("Detection");
  CLI::Option* aligned_option = sub->add_flag("--aligned", restore.aligned, "Every input is one aligned face");
  aligned_option->group("Detection");
  detection.add_to(sub, true);

  sub->add_option("--lambda-id", restore.lambda_id, "Consistency with the input, 0 to 1 (default 0.1)")
      ->check(CLI::Range(0.0, 1.0))
      ->group(results);
  sub->add_option("--alpha", restore.alpha, "Weight of the restored face against the original, 0 to 1 (default 1)")
      ->check(CLI::Range(0.0, 1.0))
      ->group(results);
  sub->add_option("--seed", restore.seed, "Seed of the noise of a GPEN that enlarges")
      ->check(CLI::Range(0.0, 9e18))  // the parser itself would wrap a negative one
      ->group(results);
  sub->add_flag("--compare", restore.compare, "Also write before | after, as <output>_compare")->group(results);
  sub->add_option("--save-faces", save_faces, "Also write every face, before and after, to this folder")
      ->group(results);
  CLI::Option* boxes_option =
      sub->add_flag("--draw-boxes", restore.draw_boxes, "Draw boxes and landmarks on the result");
  boxes_option->group(results);
  sub->add_option("--json", json, "Write a report to this file at the end (- for stdout)")->group(results);
  sub->add_option("--jsonl", jsonl, "Write a report line by line, as each photo is done (- for stdout)")
      ->group(results);
  sub->add_flag("--timings", timings, "Print the time of every stage")->group(results);
  photo.add_to(sub);
  video.add_to(sub);
  compute.add_to(sub);
  for (const char* name : {"--format", "--quality", "--faces", "--aligned", "--compare", "--save-faces", "--jsonl",
                           "--list", "--shard", "--gray", "--preset", "--strip-metadata", "--angles", "--timings"})
    photos_only.push_back(sub->get_option(name));
  whole_photo = {sr_option, scale_option, tile_option, parser_option, faces_option, boxes_option};
}

Status RestoreArguments::complete() {
  if (std::filesystem::path(json).extension() == ".jsonl") {
    if (!jsonl.empty()) return fail(Code::usage, "--json ", json, " and --jsonl ", jsonl, " both ask for lines");
    jsonl = std::exchange(json, "");
  }
  GPEN_ASSIGN(restore.task, parse_task(task));
  if (restore.task != Task::restore && faces.empty() && (detection.detector.empty() || detection.detector == "none"))
    restore.aligned = true;
  GPEN_ASSIGN(restore.detection, detection.resolved());
  if (photo.id_photo()) restore.detection.largest_only = true;
  restore.keep_crops = !save_faces.empty();
  return {};
}

Status RestoreArguments::check() const {
  GPEN_RETURN_IF_ERROR(compute.check());
  GPEN_RETURN_IF_ERROR(check_isa());
  const bool detector_named = !detection.detector.empty() && detection.detector != "none";
  GPEN_RETURN_IF_ERROR(photo.check(restore, parser));
  if (restore.aligned) {
    for (const CLI::Option* option : whole_photo) {
      if (option->count() > 0 && option->results().front() != "none")
        return fail(Code::usage, "--aligned and ", option->get_name(), " exclude each other");
    }
    if (detector_named) return fail(Code::usage, "--aligned and --detector exclude each other");
    if (const std::string filter = detection.given_filter(); !filter.empty())
      return fail(Code::usage, "--aligned and ", filter, " exclude each other");
  }
  if (detector_named && !faces.empty()) return fail(Code::usage, "--detector and --faces exclude each other");
  for (const CLI::Option* filter : detection.filters) {  // the others choose among given faces as well
    const std::string name = filter->get_name();
    if (!faces.empty() && filter->count() > 0 &&
        (name == "--threshold" || name == "--detect-size" || name == "--angles"))
      return fail(Code::usage, name, " is for detection, and --faces ", faces, " replaces it");
  }
  if (detection.detector == "none" && faces.empty() && !restore.aligned)
    return fail(Code::usage, "--detector none needs --faces FILE or --aligned");
  if (sr == "none" && sr_scale > 0) return fail(Code::usage, "--sr none and --sr-scale exclude each other");
  if (restore.tile_size > 0 && (sr.empty() || sr == "none") && sr_scale == 0)
    return fail(Code::usage, "--tile-size needs --sr or --sr-scale");
  GPEN_RETURN_IF_ERROR(check_streams());
  for (const std::string& report : {json, jsonl})
    if (!report.empty() && report != "-") GPEN_RETURN_IF_ERROR(folder_is_writable(report));
  return gpen::check(restore);
}

// stdin and stdout have one use each.
Status RestoreArguments::check_streams() const {
  const bool pictures_from_stdin = std::count(inputs.begin(), inputs.end(), "-") > 0;
  if (null && list.empty()) return fail(Code::usage, "--null is for --list");
  if (list == "-" && pictures_from_stdin) return fail(Code::usage, "-i - and --list - would both read standard input");
  if (json == "-" && jsonl == "-")
    return fail(Code::usage, "--json - and --jsonl - would both write to standard output");
  if (output != kStdout) return {};
  if (json == "-" || jsonl == "-")
    return fail(Code::usage, "-o - and a report on - would both write to standard output");
  if (restore.compare) return fail(Code::usage, "-o - and --compare exclude each other: it is a second picture");
  if (skip_existing) return fail(Code::usage, "-o - and --skip-existing exclude each other");
  if (isatty(STDOUT_FILENO) == 1)
    return fail(Code::usage, "-o -: standard output is a terminal, and a picture is no text");
  return {};
}

ModelChoice RestoreArguments::models() const {
  ModelChoice choice;
  choice.gpen = model;
  choice.detector = detection.detector;
  choice.parser = parser;
  choice.upscaler = sr.empty() && sr_scale == 0 ? "none" : sr;
  choice.task = restore.task;
  choice.size = size;
  choice.upscale = sr_scale;
  choice.aligned = restore.aligned;
  choice.faces_given = !faces.empty();
  choice.untrained_fallback = demo();
  return choice;
}

}  // namespace gpen::app
