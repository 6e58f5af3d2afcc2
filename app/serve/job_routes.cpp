// Jobs: their state, their result, their progress as server-sent events.
#include <algorithm>

#include "app/serve/api.h"

namespace gpen::serve {

const char* media_type(ImageFormat format);

namespace {

constexpr double kHeartbeatSeconds = 10;  // proxies close a stream that says nothing for long

JobQueue::JobPtr find(Api& api, Api::Call& call) {
  JobQueue::JobPtr job = api.queue().find(call.arguments[0]);
  if (job == nullptr) answer(call.response, ApiError::not_found("there is no such job, or it was forgotten"));
  return job;
}

void state(Api& api, Api::Call& call) {
  if (const JobQueue::JobPtr job = find(api, call)) answer(call.response, 200, api.queue().describe(job));
}

void cancel(Api& api, Api::Call& call) {
  if (const JobQueue::JobPtr job = find(api, call)) answer(call.response, 200, api.queue().cancel(job));
}

// "photo.jpg" -> "photo_restored.png", in characters that a header can hold.
std::string download_name(const std::string& name, ImageFormat format) {
  std::string stem = name.substr(0, name.rfind('.'));
  std::replace_if(
      stem.begin(), stem.end(), [](unsigned char c) { return !std::isalnum(c) && c != '-' && c != '_' && c != ' '; },
      '_');
  return (stem.empty() ? "image" : stem) + "_restored." + name_of(format);
}

void result(Api& api, Api::Call& call) {
  ImageFormat format = ImageFormat::png;
  int quality = 95;
  bool download = false;
  if (const ApiError e = read_format(call.request, &format, &quality, &download)) return answer(call.response, e);
  const JobQueue::JobPtr job = find(api, call);
  if (job == nullptr) return;
  const std::shared_ptr<const Image> image = api.queue().picture(job);
  if (image == nullptr) return answer(call.response, {409, "usage", "this job has no picture (yet): look at its state"});
  std::string bytes;
  if (const ApiError e = api.encode(*image, format, quality, &bytes)) return answer(call.response, e);
  call.response.body = std::move(bytes);
  call.response.set_header("Content-Type", media_type(format));
  call.response.set_header("Content-Disposition", std::string(download ? "attachment" : "inline") + "; filename=\"" +
                                                      download_name(job->request.name, format) + "\"");
}

void events(Api& api, Api::Call& call) {
  const JobQueue::JobPtr job = find(api, call);
  if (job == nullptr) return;
  if (call.request.method == "HEAD") return call.response.set_header("Content-Type", "text/event-stream");
  call.response.set_header("X-Accel-Buffering", "no");
  auto seen = std::make_shared<uint64_t>(UINT64_MAX);
  call.response.set_chunked_content_provider(
      "text/event-stream", [&api, job, seen](size_t, httplib::DataSink& sink) {
        const uint64_t now = api.queue().wait_for_change(job, *seen, kHeartbeatSeconds);
        if (!sink.is_writable()) return false;
        const bool ended = api.queue().ended(job);
        std::string text = ": still here\n\n";
        if (now != *seen || ended)
          text = concat("event: ", ended ? "end" : "progress", "\ndata: ", text_of(api.queue().describe(job)), "\n\n");
        *seen = now;
        if (!sink.write(text.data(), text.size())) return false;
        if (ended) sink.done();
        return true;
      });
}

}  // namespace

void job_routes(std::vector<Api::Route>* routes) {
  routes->push_back({"GET", "/api/v1/jobs/{id}", Api::keyed, false, state});
  routes->push_back({"DELETE", "/api/v1/jobs/{id}", Api::keyed, false, cancel});
  routes->push_back({"GET", "/api/v1/jobs/{id}/result", Api::keyed, false, result});
  routes->push_back({"GET", "/api/v1/jobs/{id}/events", Api::keyed, false, events});
}

}  // namespace gpen::serve
