// The page, the description of the API, and the state of the server.
#include "app/serve/api.h"
#include "app/serve/embedded.h"

namespace gpen::serve {
namespace {

// One file without anything from elsewhere: the browser is told to load nothing else.
const char* const kPolicy =
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src blob: data: 'self'; "
    "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

void page(Api&, Api::Call& call) {
  call.response.set_content(kPage.data(), kPage.size(), "text/html; charset=utf-8");
  call.response.set_header("Content-Security-Policy", kPolicy);
  call.response.set_header("X-Frame-Options", "DENY");
  call.response.set_header("Referrer-Policy", "no-referrer");
  call.response.set_header("Cache-Control", "no-cache");
}

void openapi(Api&, Api::Call& call) {
  call.response.set_content(kOpenApi.data(), kOpenApi.size(), "application/json");
}

void health(Api& api, Api::Call& call) { answer(call.response, api.health_status(), api.health()); }
void models(Api& api, Api::Call& call) { answer(call.response, 200, api.models()); }
void metrics(Api& api, Api::Call& call) {
  call.response.set_content(api.metrics_text(), "text/plain; version=0.0.4; charset=utf-8");
}

}  // namespace

void page_routes(std::vector<Api::Route>* routes) {
  routes->push_back({"GET", "/", Api::open, false, page});
  routes->push_back({"GET", "/openapi.json", Api::open, false, openapi});
  routes->push_back({"GET", "/health", Api::open, false, health});
  routes->push_back({"GET", "/metrics", Api::keyed, false, metrics});
  routes->push_back({"GET", "/api/v1/models", Api::keyed, false, models});
}

}  // namespace gpen::serve
