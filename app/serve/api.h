// The routes of the server, and what stands before all of them: key, limits, and the state of the server.
#pragma once
#include <functional>
#include <semaphore>
#include <string>
#include <vector>

#include "app/serve/job_queue.h"
#include "app/serve/metrics.h"
#include "app/serve/models.h"
#include "app/serve/requests.h"
#include "app/serve/worker.h"

namespace gpen::serve {

class Api {
 public:
  // A request with the values of {...} in its route.
  struct Call {
    httplib::Request& request;
    httplib::Response& response;
    std::vector<std::string> arguments;
  };
  enum Access { open, keyed };  // keyed: needs the API key, if there is one, and is not for everybody's pages
  struct Route {
    std::string method, path;  // "/api/v1/jobs/{id}"
    Access access = keyed;
    bool queues = false;  // makes a job: refused before its body is read when the queue is full
    std::function<void(Api&, Call&)> handler;
    bool optional_body = false;  // of a POST: a request may have none, and state no length
  };
  static const std::vector<Route>& routes();

  // All of them must outlive the Api.
  Api(const Menu& menu, const ServeOptions& options, JobQueue* queue, Metrics* metrics, HttpServer* server,
      const ByteBudget* uploads);
  // Makes `server` answer with these routes.
  void install();
  void set_workers(std::vector<const DeviceWorker*> workers) { workers_ = std::move(workers); }
  void set_stopping() { stopping_ = true; }

  const Menu& menu() const { return menu_; }
  const ServeOptions& options() const { return options_; }
  RequestRules rules() const { return {menu_, options_}; }
  JobQueue& queue() { return *queue_; }
  const HttpServer& server() const { return *server_; }

  Json health() const;
  int health_status() const;  // 200 or 503
  std::string metrics_text() const;
  Json models() const;

  // Queues the job and waits for its end. An error: of the job, or that the client has gone.
  ApiError run(JobRequest request, JobQueue::JobPtr* job);
  // Encoding, decoding of text: few requests at a time, for they take memory and time.
  ApiError encode(const Image& image, ImageFormat format, int quality, std::string* bytes);
  // Takes room for an answer of so many bytes in all, until it is sent; small ones need none. Busy when others that
  // wait for their clients to read them have taken it.
  ApiError hold_answer(size_t bytes);
  class HeavyWork {
   public:
    explicit HeavyWork(Api& api) : api_(api) { api_.heavy_.acquire(); }
    ~HeavyWork() { api_.heavy_.release(); }
    HeavyWork(const HeavyWork&) = delete;
    HeavyWork& operator=(const HeavyWork&) = delete;

   private:
    Api& api_;
  };

 private:
  using Handled = httplib::Server::HandlerResponse;
  Handled before(const httplib::Request& request, httplib::Response& response);
  ApiError admit(const httplib::Request& request, const Route& route) const;
  void dispatch(httplib::Request& request, httplib::Response& response);
  void finish(const httplib::Request& request, httplib::Response& response);

  const Menu& menu_;
  const ServeOptions& options_;
  JobQueue* const queue_;
  Metrics* const metrics_;
  HttpServer* const server_;
  const ByteBudget* const uploads_;
  std::vector<const DeviceWorker*> workers_;
  std::atomic<bool> stopping_{false};
  std::counting_semaphore<> heavy_{2};
  const Clock::time_point started_ = Clock::now();
};

// The handlers, by file.
void page_routes(std::vector<Api::Route>* routes);     // the page, OpenAPI, health, metrics, models
void restore_routes(std::vector<Api::Route>* routes);  // restore, detect, benchmark
void job_routes(std::vector<Api::Route>* routes);      // jobs, results, events
void sdapi_routes(std::vector<Api::Route>* routes);    // the de-facto client format

}  // namespace gpen::serve
