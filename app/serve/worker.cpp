#include "app/serve/worker.h"

#include <malloc.h>

#include <algorithm>
#include <cmath>

#include "app/stage_shares.h"
#include "pipeline/faces_json.h"
#include "pipeline/geometry.h"
#include "pipeline/lost_device.h"
#include "weights/synth.h"

namespace gpen::serve {
namespace {

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

bool same(const Landmarks& a, const Landmarks& b) {
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::abs(a[i].x - b[i].x) > 1e-6 || std::abs(a[i].y - b[i].y) > 1e-6) return false;
  }
  return true;
}

}  // namespace

DeviceWorker::DeviceWorker(const Menu& menu, const ServeOptions& options, const MenuDevice& device, JobQueue* queue)
    : menu_(menu), options_(options), device_(device), queue_(queue), cache_(menu, options.model_memory) {}

Status DeviceWorker::prepare(bool load_defaults) {
  app::ComputeOptions compute = options_.compute;
  compute.device = device_.name;
  compute.precision = name_of(Precision::fp32);
  GPEN_ASSIGN(const Processor opened, compute.processor());
  processor_ = opened;
  if (!load_defaults) return {};
  const ModelCache::Wanted wanted{menu_.default_size, menu_.default_upscale, !menu_.detector.empty(), true};
  return models(wanted, menu_.default_precision).status();
}

Processor DeviceWorker::where(Precision precision) const { return {processor_->pool, precision, processor_->device}; }

Result<Models> DeviceWorker::models(const ModelCache::Wanted& wanted, Precision precision) {
  Result<Models> models = cache_.get(wanted, where(precision));
  loaded_models_ = cache_.count();
  loaded_bytes_ = cache_.bytes();
  return models;
}

Result<JobResult> DeviceWorker::run(Job& job) {
  Result<JobResult> result = job.request.kind == JobRequest::Kind::restore  ? restore(job)
                             : job.request.kind == JobRequest::Kind::detect ? detect(job)
                                                                            : benchmark(job);
  malloc_trim(size_t{8} << 20);  // pictures of many sizes leave holes in the heap
  if (!result.ok() && result.status().code() == Code::device && is_lost(processor_->device.get()))
    queue_->lose_device(device_.name, result.status());
  return result;
}

Result<Image> DeviceWorker::read_photo(Job& job) const {
  LoadOptions load;
  load.max_pixels = options_.max_pixels;
  Result<Image> photo = load_image(job.request.photo.bytes(), job.request.name, load);
  job.request.photo = Upload();
  job.unreadable = !photo.ok() && photo.status().code() == Code::io;
  return photo;
}

Result<std::optional<std::vector<JobFace>>> DeviceWorker::choose_faces(Job& job, const Models& models,
                                                                       const Image& photo) {
  const JobRequest& r = job.request;
  std::vector<Face> found;
  if (r.given) {
    found = *r.given;
  } else if (r.upscale > 0 && r.exclude.empty()) {
    return std::optional<std::vector<JobFace>>();  // on the enlargement
  } else {
    DetectionOptions options = r.options.detection;
    options.largest_only = false;  // of the faces that are left, later
    GPEN_ASSIGN(Detections detections, detect_faces(*models.detector, photo, options, *processor_->pool));
    found = std::move(detections.faces);
  }
  for (const int index : r.exclude) {
    if (index >= static_cast<int>(found.size()))
      return fail(Code::usage, "exclude: there is no face ", index, ", ", found.size(), " were found");
  }
  std::vector<JobFace> chosen;
  for (size_t i = 0; i < found.size(); ++i) {
    if (std::count(r.exclude.begin(), r.exclude.end(), static_cast<int>(i)) == 0)
      chosen.push_back({static_cast<int>(i), found[i], false});
  }
  return std::optional(std::move(chosen));
}

Result<JobResult> DeviceWorker::restore(Job& job) {
  const JobRequest& r = job.request;
  const auto report = [&](const char* stage, double fraction) {
    queue_->progress(job, stage, 100 * app::photo_progress(stage, fraction, r.upscale > 0));
    return !job.stop;
  };
  report("load", 0);
  JobResult out;
  Clock::time_point start = Clock::now();
  GPEN_ASSIGN(const Image photo, read_photo(job));
  StageTime read{"read", ms_since(start)};
  if (r.final_size.wanted()) GPEN_RETURN_IF_ERROR(r.final_size.check(photo.width, photo.height, options_.max_pixels));
  GPEN_ASSIGN(const Models networks, models({r.size, r.upscale, !r.given, true}, r.precision));

  report("detect", 0);
  start = Clock::now();
  GPEN_ASSIGN(const std::optional<std::vector<JobFace>> chosen, choose_faces(job, networks, photo));
  const double detect_ms = ms_since(start);
  std::vector<Face> given;
  if (chosen) {
    queue_->set_faces(job, photo.width, photo.height, *chosen);
    for (const JobFace& face : *chosen) given.push_back(face.face);
  }

  RestoreOptions options = r.options;
  options.progress = report;
  Restorer restorer(networks, processor_->pool);
  GPEN_ASSIGN(RestoreResult restored, restorer.restore(photo, options, chosen ? &given : nullptr));

  out.times = {read};
  for (StageTime& t : restored.times) {
    if (t.stage == "detect") t.ms += detect_ms;
    out.times.push_back(t);
  }
  out.notes = std::move(restored.notes);
  if (!menu_.not_trained.empty()) out.notes.push_back(menu_.not_trained);
  size_t next = 0;
  for (const FaceReport& face : restored.faces) {  // in the order of `chosen`, perhaps fewer
    while (chosen && next < chosen->size() && !same((*chosen)[next].face.landmarks, face.face.landmarks)) ++next;
    const int index = chosen && next < chosen->size() ? (*chosen)[next].index : static_cast<int>(out.faces.size());
    out.faces.push_back({index, face.face, face.smoothed});
    ++next;
  }
  out.image = std::move(restored.image);
  if (r.final_size.wanted()) out.image = r.final_size.apply(out.image, photo.width, photo.height, *processor_->pool);
  out.width = out.image.width;
  out.height = out.image.height;
  if (!r.encode) return out;
  if (!report("encode", 0)) return fail(Code::cancelled, "cancelled");
  start = Clock::now();
  GPEN_ASSIGN(out.encoded, encode_image(out.image, r.format, {r.quality}));
  out.times.push_back({"encode", ms_since(start)});
  out.image = Image();
  return out;
}

Result<JobResult> DeviceWorker::detect(Job& job) {
  const JobRequest& r = job.request;
  queue_->progress(job, "detect", 0);
  JobResult out;
  GPEN_ASSIGN(const Image photo, read_photo(job));
  GPEN_ASSIGN(const Models networks, models({0, 0, true, false}, Precision::fp32));
  const Clock::time_point start = Clock::now();
  GPEN_ASSIGN(const Detections found, detect_faces(*networks.detector, photo, r.options.detection, *processor_->pool));
  out.times.push_back({"detect", ms_since(start)});
  out.width = photo.width;
  out.height = photo.height;
  for (size_t i = 0; i < found.faces.size(); ++i) out.faces.push_back({static_cast<int>(i), found.faces[i], false});
  out.data = Json::parse(faces_to_json(found.faces, r.name, photo.width, photo.height, r.size));
  return out;
}

// The network's part of a restoration: formula values in, output dropped.
Result<JobResult> DeviceWorker::benchmark(Job& job) {
  const JobRequest& r = job.request;
  queue_->progress(job, "load", 0);
  GPEN_ASSIGN(const Models networks, models({r.size, 0, false, false}, r.precision));
  GpenNet& net = *networks.gpen;
  const int64_t in = net.arch().in_size, side = net.arch().out_size;
  std::vector<float> input = formula_tensor("bench.input", r.batch * 3 * in * in, 1);
  std::vector<float> output(static_cast<size_t>(r.batch * 3 * side * side));
  std::vector<double> ms;
  constexpr int kWarmUp = 2;  // plans the memory; on a device records the work
  for (int i = 0; i < kWarmUp + r.reps; ++i) {
    if (job.stop) return fail(Code::cancelled, "cancelled");
    queue_->progress(job, "benchmark", 100.0 * i / (kWarmUp + r.reps));
    const Clock::time_point start = Clock::now();
    GPEN_RETURN_IF_ERROR(net.forward(make_view(input.data(), r.batch, 3, in, in),
                                     make_view(output.data(), r.batch, 3, side, side), 0, nullptr));
    if (i >= kWarmUp) ms.push_back(ms_since(start));
  }
  std::sort(ms.begin(), ms.end());
  const size_t n = ms.size();
  const double median = n % 2 == 1 ? ms[n / 2] : (ms[n / 2 - 1] + ms[n / 2]) / 2;
  JobResult out;
  out.data = {{"network", concat("gpen ", r.size)},
              {"device", device_.name},
              {"precision", name_of(r.precision)},
              {"batch", r.batch},
              {"reps", r.reps},
              {"threads", processor_->pool->size()},
              {"min_ms", ms.front()},
              {"median_ms", median},
              {"per_face_ms", median / r.batch}};
  return out;
}

}  // namespace gpen::serve
