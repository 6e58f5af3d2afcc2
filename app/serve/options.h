// The options of `gpen serve`.
#pragma once
#include <CLI/CLI.hpp>
#include <string>

#include "app/compute_options.h"
#include "app/serve/http_server.h"

namespace gpen::serve {

struct ServeOptions {
  std::string host = "127.0.0.1";
  int port = 7860;
  // Models that requests use, as of `gpen restore`; empty: what is installed.
  std::string model, detector, parser, sr;
  int size = 0, sr_scale = 0;
  app::ComputeOptions compute;
  int queue = 16;                      // jobs that wait, besides those that run
  size_t max_body = size_t{64} << 20;  // bytes of a request
  int64_t max_pixels = 50'000'000;     // of a picture, and of its enlargement
  double timeout = 300;                // seconds from the request to its result, the waiting included
  double grace = 20;                   // seconds that a running job may take to end when the server is stopped
  int max_connections = 256;
  size_t model_memory = size_t{4} << 30;  // bytes of networks kept on each device
  int keep_results = 64;                  // finished jobs
  double keep_seconds = 15 * 60;
  size_t keep_bytes = size_t{512} << 20;  // of their pictures
  std::string api_key;                    // empty: none is asked for
  std::string cors;                       // origin that browsers may call from, or *; empty: none

  void add_to(CLI::App* app);
  // Code::usage, Code::device and Code::model as `gpen restore`; opens nothing.
  Status check() const;
  HttpLimits http_limits() const;
};

}  // namespace gpen::serve
