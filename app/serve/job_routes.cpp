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

bool is_plain(unsigned char c) { return (c < 128 && std::isalnum(c)) || c == '-' || c == '_'; }

// "photo.jpg" -> `; filename="photo_restored.png"`. That holds plain characters alone; what has others follows whole,
// as RFC 5987 writes it, and who does not know that takes the first.
std::string download_name(const std::string& name, ImageFormat format) {
  std::string stem = name.substr(0, name.rfind('.'));
  if (stem.empty()) stem = "image";
  const std::string end = std::string("_restored.") + name_of(format);
  std::string plain, whole;
  for (const unsigned char c : stem) {
    constexpr const char* kDigits = "0123456789ABCDEF";
    plain += static_cast<char>(is_plain(c) || c == ' ' ? c : '_');
    whole += is_plain(c) ? std::string(1, static_cast<char>(c)) : std::string{'%', kDigits[c >> 4], kDigits[c & 15]};
  }
  const std::string names = "; filename=\"" + plain + end + "\"";
  return plain == stem ? names : names + "; filename*=UTF-8''" + whole + end;
}

void result(Api& api, Api::Call& call) {
  ImageFormat format = ImageFormat::png;
  int quality = 95;
  bool download = false;
  if (const ApiError e = read_format(call.request, &format, &quality, &download)) return answer(call.response, e);
  const JobQueue::JobPtr job = find(api, call);
  if (job == nullptr) return;
  const std::shared_ptr<const Image> image = api.queue().picture(job);
  if (image == nullptr)
    return answer(call.response, {409, "usage", "this job has no picture (yet): look at its state"});
  std::string bytes;
  if (const ApiError e = api.encode(*image, format, quality, &bytes)) return answer(call.response, e);
  call.response.body = std::move(bytes);
  call.response.set_header("Content-Type", media_type(format));
  call.response.set_header("Content-Disposition",
                           std::string(download ? "attachment" : "inline") + download_name(job->request.name, format));
}

void events(Api& api, Api::Call& call) {
  const JobQueue::JobPtr job = find(api, call);
  if (job == nullptr) return;
  if (call.request.method == "HEAD") return call.response.set_header("Content-Type", "text/event-stream");
  call.response.set_header("X-Accel-Buffering", "no");
  auto seen = std::make_shared<uint64_t>(UINT64_MAX);
  call.response.set_chunked_content_provider("text/event-stream", [&api, job, seen](size_t, httplib::DataSink& sink) {
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
