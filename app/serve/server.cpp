#include "app/serve/server.h"

#include <malloc.h>

#include <algorithm>
#include <cstring>
#include <deque>

#include "app/interrupt.h"
#include "app/serve/api.h"

namespace gpen::serve {
namespace {

// All uploads together, relative to the largest single one.
constexpr size_t kUploadsAtOnce = 4;

// All answers that are not sent yet: twice the largest one, which is a picture's (with its transparency, without any
// compression, in base64) or the list of them that a request may ask for.
size_t answers_at_once(const ServeOptions& options) {
  return 2 * std::max(4 * options.max_body, 6 * static_cast<size_t>(options.max_pixels) + (size_t{1} << 20));
}

// Pictures come and go on many threads. Few arenas and large blocks straight from the system keep what is resident near
// what is used.
void tame_allocator() {
  mallopt(M_ARENA_MAX, 2);
  mallopt(M_MMAP_THRESHOLD, 1 << 20);
  mallopt(M_TRIM_THRESHOLD, 16 << 20);
}

std::string url_of(const std::string& host, int port) {
  return host.find(':') != std::string::npos ? concat("http://[", host, "]:", port)
                                             : concat("http://", host, ":", port);
}

}  // namespace

Status run_server(const ServeOptions& options) {
  tame_allocator();
  GPEN_RETURN_IF_ERROR(options.check());
  GPEN_ASSIGN(const Menu menu, find_menu(options));

  ByteBudget uploads(kUploadsAtOnce * options.max_body);
  ByteBudget answers_budget(answers_at_once(options));
  HttpServer http(options.http_limits(), &uploads, &answers_budget);
  const int port = http.bind(options.host, options.port);
  if (port < 0)
    return fail(Code::io, options.host, ":", options.port,
                ": cannot listen: ", errno != 0 ? std::strerror(errno) : "no such address");

  Metrics metrics;
  JobQueue queue({options.queue, options.timeout, options.keep_results, options.keep_seconds, options.keep_bytes},
                 [&](const Job& job, bool) { metrics.count_job(job); });
  Api api(menu, options, &queue, &metrics, &http, &uploads);
  api.install();
  std::deque<DeviceWorker> workers;
  std::vector<const DeviceWorker*> seen;
  for (const MenuDevice& device : menu.devices) {
    DeviceWorker& worker = workers.emplace_back(menu, options, device, &queue);
    seen.push_back(&worker);
  }
  api.set_workers(seen);

  app::catch_interrupts();
  std::thread answers([&] { http.run(); });
  for (DeviceWorker& worker : workers) {
    const bool is_default = menu.find_device(worker.device())->is_default;
    const auto prepare = [&worker, is_default] {
      Status prepared = worker.prepare(is_default);
      if (!prepared.ok() && !is_default)
        std::fprintf(stderr, "gpen serve: note: jobs for %s will fail: %s\n", worker.device().c_str(),
                     prepared.message().c_str());
      return prepared;
    };
    queue.add_worker(worker.device(), is_default, prepare, [&worker](Job& job) { return worker.run(job); });
  }
  queue.all_workers_added();
  std::printf("%s\n", url_of(options.host, port).c_str());
  std::fflush(stdout);
  for (const std::string& note : menu.notes) std::fprintf(stderr, "gpen serve: note: %s\n", note.c_str());
  if (!http.on_loopback() && options.api_key.empty())
    std::fprintf(stderr, "gpen serve: warning: %s can be reached from other machines, and no --api-key is set\n",
                 options.host.c_str());

  Status failed;
  bool said_ready = false;
  while (!app::interrupted() && failed.ok()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    queue.tidy();
    failed = queue.failure();
    if (!said_ready && queue.ready()) {
      std::fprintf(stderr, "gpen serve: ready\n");
      said_ready = true;
    }
  }

  // New work is refused while what runs ends and its clients fetch it.
  api.set_stopping();
  if (failed.ok()) std::fprintf(stderr, "gpen serve: stopping\n");
  const JobQueue::Left left = queue.shut_down(failed.ok() ? options.grace : 0);
  http.close_connections();
  http.stop();
  answers.join();
  if (failed.ok())
    std::fprintf(stderr, "gpen serve: stopped; running jobs: %d finished, %d given up; waiting jobs given up: %d\n",
                 left.finished, left.stopped, left.never_begun);
  return failed;
}

}  // namespace gpen::serve
