// What makes jobs: restore, detect, benchmark.
#include "app/serve/api.h"

namespace gpen::serve {

const char* media_type(ImageFormat format) {
  switch (format) {
    case ImageFormat::png:
      return "image/png";
    case ImageFormat::jpg:
      return "image/jpeg";
    case ImageFormat::bmp:
      return "image/bmp";
  }
  return "application/octet-stream";
}

namespace {

void accept(Api& api, Api::Call& call, JobRequest request) {
  JobQueue::JobPtr job;
  if (const ApiError e = api.queue().submit(std::move(request), &job)) return answer(call.response, e);
  answer(call.response, 202, api.queue().describe(job));
  call.response.set_header("Location", "/api/v1/jobs/" + job->id);
}

void restore(Api& api, Api::Call& call) {
  JobRequest request;
  bool wait = true;
  if (const ApiError e = read_photo_request(api.rules(), JobRequest::Kind::restore, call.request, &request, &wait))
    return answer(call.response, e);
  if (!wait) return accept(api, call, std::move(request));
  request.encode = true;
  const ImageFormat format = request.format;
  JobQueue::JobPtr job;
  if (const ApiError e = api.run(std::move(request), &job)) return answer(call.response, e);
  const JobResult result = api.queue().take_result(job);
  call.response.set_content(reinterpret_cast<const char*>(result.encoded.data()), result.encoded.size(),
                            media_type(format));
  call.response.set_header("X-Gpen-Job", job->id);
  call.response.set_header("X-Gpen-Faces", std::to_string(result.faces.size()));
}

void detect(Api& api, Api::Call& call) {
  JobRequest request;
  bool wait = true;
  if (const ApiError e = read_photo_request(api.rules(), JobRequest::Kind::detect, call.request, &request, &wait))
    return answer(call.response, e);
  JobQueue::JobPtr job;
  if (const ApiError e = api.run(std::move(request), &job)) return answer(call.response, e);
  answer(call.response, 200, api.queue().take_result(job).data);
}

void benchmark(Api& api, Api::Call& call) {
  JobRequest request;
  if (const ApiError e = read_benchmark_request(api.rules(), call.request, &request)) return answer(call.response, e);
  accept(api, call, std::move(request));
}

}  // namespace

void restore_routes(std::vector<Api::Route>* routes) {
  routes->push_back({"POST", "/api/v1/restore", Api::keyed, true, restore});
  routes->push_back({"POST", "/api/v1/detect", Api::keyed, true, detect});
  routes->push_back({"POST", "/api/v1/benchmark", Api::keyed, true, benchmark, true});
}

}  // namespace gpen::serve
