// HTTP requests to jobs: strict. A name that is not known, or a value out of range, is an error that names it.
#pragma once
#include "app/serve/form.h"
#include "app/serve/http_server.h"
#include "app/serve/job.h"
#include "app/serve/models.h"

namespace gpen::serve {

// What a request may ask for.
struct RequestRules {
  const Menu& menu;
  const ServeOptions& options;
};

// A picture with its options: multipart with the file `image`, or a raw body with the options in the query. Takes the
// body out of the request.
ApiError read_photo_request(const RequestRules& rules, JobRequest::Kind kind, httplib::Request& http,
                            JobRequest* request, bool* wait);
// Of POST /api/v1/benchmark: JSON, or nothing, and the query.
ApiError read_benchmark_request(const RequestRules& rules, const httplib::Request& http, JobRequest* request);

// Whether the bytes begin like a picture of an allowed size: unsupported or too large if not.
ApiError check_picture(const RequestRules& rules, std::span<const uint8_t> bytes, int upscale);
// Device, precision, and what the models can do.
ApiError check_models(const RequestRules& rules, const JobRequest& request);

// ?format= and &quality= of a result.
ApiError read_format(const httplib::Request& http, ImageFormat* format, int* quality, bool* download);

}  // namespace gpen::serve
