#include "app/restore_report.h"

#include <cstdio>

#include "app/progress.h"
#include "kernels/isa.h"

namespace gpen::app {
namespace {

Json to_json(const Affine& a) { return Json::array({a.m[0], a.m[1]}); }

Json to_json(const FaceReport& report) {
  const Box& box = report.face.box;
  Json landmarks = Json::array();
  for (const Point& p : report.face.landmarks) landmarks.push_back({p.x, p.y});
  Json json = {{"box", {box.x0, box.y0, box.x1, box.y1}},
               {"score", report.face.score},
               {"landmarks", landmarks},
               {"forward", to_json(report.alignment.forward)},
               {"inverse", to_json(report.alignment.inverse)},
               {"smoothed", report.smoothed},
               {"parsed", report.parsed}};
  if (report.has_degradation) {
    const Degradation& d = report.degradation;
    json["degradation"] = {{"blur_sigma", d.blur_sigma},
                           {"noise_sigma", d.noise_sigma},
                           {"cutoff", d.cutoff},
                           {"face_scale", d.face_scale}};
  }
  return json;
}

}  // namespace

const char* name_of(PhotoReport::State state) {
  switch (state) {
    case PhotoReport::State::done:
      return "done";
    case PhotoReport::State::failed:
      return "failed";
    case PhotoReport::State::no_face:
      return "no_face";
    case PhotoReport::State::skipped:
      return "skipped";
  }
  return "failed";
}

Json to_json(const PhotoReport& report) {
  Json faces = Json::array(), times = Json::object();
  for (const FaceReport& face : report.faces) faces.push_back(to_json(face));
  for (const StageTime& stage : report.times) times[stage.stage] = stage.ms;
  Json json = {{"input", report.input},
               {"output", report.output},
               {"status", name_of(report.state)},
               {"outputs", report.outputs}};
  if (!report.error.empty()) json["error"] = report.error;
  if (!report.reason.empty()) json["reason"] = report.reason;
  if (report.width > 0) {
    json["width"] = report.width;
    json["height"] = report.height;
  }
  json["faces"] = faces;
  json["notes"] = report.notes;
  json["seconds"] = report.seconds;
  json["times_ms"] = times;
  return json;
}

std::string summary(const PhotoReport& report) {
  switch (report.state) {
    case PhotoReport::State::failed:
      return "gpen: " + report.error;
    case PhotoReport::State::no_face:
      return "gpen: " + report.error;
    case PhotoReport::State::skipped:
      return report.input + ": skipped, " + report.reason;
    case PhotoReport::State::done:
      break;
  }
  const size_t n = report.faces.size();
  return concat(report.input, ": ", n, n == 1 ? " face, " : " faces, ", duration_text(report.seconds));
}

std::string batch_summary(const std::vector<PhotoReport>& reports, size_t left, double seconds) {
  size_t done = 0, failed = 0, no_face = 0, skipped = 0;
  for (const PhotoReport& report : reports) {
    done += report.state == PhotoReport::State::done;
    failed += report.state == PhotoReport::State::failed;
    no_face += report.state == PhotoReport::State::no_face;
    skipped += report.state == PhotoReport::State::skipped;
  }
  std::string text = concat(reports.size() + left, " photos: ", done, " done, ", failed, " failed");
  if (no_face > 0) text += concat(", ", no_face, " without a face");
  if (skipped > 0) text += concat(", ", skipped, " skipped");
  if (left > 0) text += concat(", ", left, " left");
  char rate[48] = "";
  if (done > 0 && seconds > 0)
    std::snprintf(rate, sizeof(rate), ", %.3g photos/s", static_cast<double>(done) / seconds);
  return text + "; " + duration_text(seconds) + rate;
}

std::string timing_lines(const PhotoReport& report) {
  std::string lines;
  for (const StageTime& stage : report.times) {
    char line[96];
    std::snprintf(line, sizeof(line), "%s    %-12s %9.1f ms", lines.empty() ? "" : "\n", stage.stage.c_str(), stage.ms);
    lines += line;
  }
  return lines;
}

Json to_json(const LoadedModels& models, const RestoreArguments& arguments, const std::string& device,
             const std::vector<PhotoReport>& reports) {
  Json photos = Json::array();
  int done = 0, failed = 0, skipped = 0;
  for (const PhotoReport& report : reports) {
    photos.push_back(to_json(report));
    done += report.state == PhotoReport::State::done;
    skipped += report.state == PhotoReport::State::skipped;
    failed += report.state == PhotoReport::State::failed || report.state == PhotoReport::State::no_face;
  }
  const auto name = [](const std::string& text) { return text.empty() ? Json() : Json(text); };
  return {{"model", name(models.gpen)},
          {"size", models.size > 0 ? Json(models.size) : Json()},
          {"detector", name(models.detector)},
          {"parser", name(models.parser)},
          {"sr", name(models.upscaler)},
          {"device", name(device)},
          {"precision", arguments.compute.precision},
          {"isa", isa_name()},
          {"task", arguments.task},
          {"lambda_id", arguments.restore.lambda_id},
          {"alpha", arguments.restore.alpha},
          {"done", done},
          {"failed", failed},
          {"skipped", skipped},
          {"photos", photos}};
}

}  // namespace gpen::app
