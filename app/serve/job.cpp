#include "app/serve/job.h"

namespace gpen::serve {
namespace {

Json to_json(const JobFace& f) {
  Json landmarks = Json::array();
  for (const Point& p : f.face.landmarks) landmarks.push_back({p.x, p.y});
  const Box& b = f.face.box;
  return {{"index", f.index},
          {"box", {b.x0, b.y0, b.x1, b.y1}},
          {"score", f.face.score},
          {"landmarks", landmarks},
          {"smoothed", f.smoothed}};
}

const char* kind_name(JobRequest::Kind kind) {
  switch (kind) {
    case JobRequest::Kind::restore:
      return "restore";
    case JobRequest::Kind::detect:
      return "detect";
    case JobRequest::Kind::benchmark:
      return "benchmark";
  }
  return "?";
}

}  // namespace

const char* name_of(JobState state) {
  switch (state) {
    case JobState::queued:
      return "queued";
    case JobState::running:
      return "running";
    case JobState::done:
      return "done";
    case JobState::failed:
      return "failed";
    case JobState::cancelled:
      return "cancelled";
  }
  return "?";
}

Json to_json(const Job& job, int position) {
  Json json = {{"id", job.id}, {"kind", kind_name(job.request.kind)}, {"state", name_of(job.state)}};
  if (job.state == JobState::queued) json["position"] = position;
  json["stage"] = job.stage;
  json["percent"] = job.percent;
  json["elapsed_ms"] = 1000 * seconds_between(job.submitted, job.ended() ? job.finished : Clock::now());
  json["name"] = job.request.name;
  if (job.width > 0) {
    json["width"] = job.width;
    json["height"] = job.height;
  }
  Json faces = Json::array(), times = Json::array();
  for (const JobFace& face : job.result.faces) faces.push_back(to_json(face));
  for (const StageTime& t : job.result.times) times.push_back({{"stage", t.stage}, {"ms", t.ms}});
  if (job.request.kind != JobRequest::Kind::benchmark) json["faces"] = faces;
  json["notes"] = job.result.notes;
  json["times"] = times;
  if (job.state == JobState::done && !job.result.image.empty()) json["result"] = "/api/v1/jobs/" + job.id + "/result";
  if (job.state == JobState::done && !job.result.data.is_null()) json[kind_name(job.request.kind)] = job.result.data;
  if (job.error) json["error"] = serve::to_json(job.error);
  return json;
}

}  // namespace gpen::serve
