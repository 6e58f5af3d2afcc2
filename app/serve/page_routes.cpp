// The page, the description of the API, and the state of the server.
#include "app/picture_input.h"
#include "app/serve/api.h"
#include "app/serve/embedded.h"
#include "app/serve/page_policy.h"
#include "pipeline/file_io.h"

namespace gpen::serve {
namespace {

void page(Api&, Api::Call& call) {
  call.response.set_content(kPage.data(), kPage.size(), "text/html; charset=utf-8");
  call.response.set_header("Content-Security-Policy", page_policy());
  call.response.set_header("X-Frame-Options", "DENY");
  call.response.set_header("Referrer-Policy", "no-referrer");
  call.response.set_header("Cache-Control", "no-cache");
}

// The bundled photo with its faces, so that the page can be tried without a photo and without a detector.
void example(Api::Call& call, std::filesystem::path app::Example::*file, const char* type) {
  const Result<app::Example> found = app::bundled_example();
  if (!found.ok()) return answer(call.response, ApiError::not_found(found.status().message()));
  Result<std::vector<uint8_t>> bytes = read_file(*found.*file, size_t{4} << 20);
  if (!bytes.ok()) return answer(call.response, ApiError::of(bytes.status()));
  call.response.set_content(reinterpret_cast<const char*>(bytes->data()), bytes->size(), type);
}
void example_photo(Api&, Api::Call& call) { example(call, &app::Example::picture, "image/jpeg"); }
void example_faces(Api&, Api::Call& call) { example(call, &app::Example::faces, "application/json"); }

void openapi(Api&, Api::Call& call) { call.response.set_content(kOpenApi.data(), kOpenApi.size(), "application/json"); }

void health(Api& api, Api::Call& call) { answer(call.response, api.health_status(), api.health()); }
void models(Api& api, Api::Call& call) { answer(call.response, 200, api.models()); }
void metrics(Api& api, Api::Call& call) {
  call.response.set_content(api.metrics_text(), "text/plain; version=0.0.4; charset=utf-8");
}

}  // namespace

void page_routes(std::vector<Api::Route>* routes) {
  routes->push_back({"GET", "/", Api::open, false, page});
  routes->push_back({"GET", "/example.jpg", Api::open, false, example_photo});
  routes->push_back({"GET", "/example.faces.json", Api::open, false, example_faces});
  routes->push_back({"GET", "/openapi.json", Api::open, false, openapi});
  routes->push_back({"GET", "/health", Api::open, false, health});
  routes->push_back({"GET", "/metrics", Api::keyed, false, metrics});
  routes->push_back({"GET", "/api/v1/models", Api::keyed, false, models});
}

}  // namespace gpen::serve
