#include "app/serve/options.h"

#include <cstdlib>

#include "kernels/isa.h"

namespace gpen::serve {

void ServeOptions::add_to(CLI::App* app) {
  const char *address = "Address", *networks = "Networks", *limits = "Limits";
  app->add_option("--host", host, "Address to listen on (default 127.0.0.1: this machine only)")->group(address);
  app->add_option("--port", port, "Port (default 7860; 0: any, it is printed)")
      ->check(CLI::Range(0, 65535))
      ->group(address);
  app->add_option("--api-key", api_key, "Key that requests must carry (default: $GPEN_API_KEY, else none)")
      ->group(address);
  app->add_option("--cors", cors, "Origin whose pages may call this server, or * (default: none)")->group(address);

  app->add_option("-m,--model", model,
                  "A GPEN: name, .safetensors or .pth; or sharpen, identity, negative (analytic)\n"
                  "(default: the installed GPEN-BFR; without any, sharpen)")
      ->group(networks);
  app->add_option("--size", size, "Side of the restored faces when a request names none")
      ->check(CLI::IsMember({256, 512, 1024, 2048}))
      ->group(networks);
  app->add_option("--detector", detector, "A RetinaFace model, or none (default: the best installed)")->group(networks);
  app->add_option("--parser", parser, "A ParseNet, or none (default: if installed)")->group(networks);
  app->add_option("--sr", sr, "A RealESRNet that enlarges the background, or none (default)")->group(networks);
  app->add_option("--sr-scale", sr_scale, "Enlarge the background 1, 2 or 4 times when a request does not say")
      ->check(CLI::IsMember({1, 2, 4}))
      ->group(networks);
  app->add_option_function<double>(
         "--model-memory", [this](double mb) { model_memory = static_cast<size_t>(mb * (1 << 20)); },
         "MB of networks kept loaded on a device (default 4096)")
      ->check(CLI::Range(1.0, 1e6))
      ->group(networks);

  app->add_option("--queue", queue, "Jobs that may wait; more are refused with 503 (default 16)")
      ->check(CLI::Range(1, 10000))
      ->group(limits);
  app->add_option_function<double>(
         "--max-body", [this](double mb) { max_body = static_cast<size_t>(mb * (1 << 20)); },
         "MB of a request (default 64)")
      ->check(CLI::Range(0.01, 1024.0))
      ->group(limits);
  app->add_option_function<double>(
         "--max-pixels", [this](double mp) { max_pixels = static_cast<int64_t>(mp * 1e6); },
         "Megapixels of a picture and of its enlargement (default 50)")
      ->check(CLI::Range(0.01, 100.0))
      ->group(limits);
  app->add_option("--timeout", timeout, "Seconds from a request to its result, waiting included (default 300)")
      ->check(CLI::Range(0.1, 86400.0))
      ->group(limits);
  app->add_option("--grace", grace, "Seconds a running job may take to end when the server is stopped (default 20)")
      ->check(CLI::Range(0.0, 3600.0))
      ->group(limits);
  app->add_option("--max-connections", max_connections, "Connections at once; more are refused (default 256)")
      ->check(CLI::Range(8, 900))
      ->group(limits);
  app->add_option("--keep-results", keep_results, "Finished jobs that are kept for their clients (default 64)")
      ->check(CLI::Range(1, 10000))
      ->group(limits);
  app->add_option_function<double>(
         "--keep-minutes", [this](double minutes) { keep_seconds = minutes * 60; },
         "Minutes that they are kept (default 15)")
      ->check(CLI::Range(0.01, 10000.0))
      ->group(limits);
  app->add_option_function<double>(
         "--keep-memory", [this](double mb) { keep_bytes = static_cast<size_t>(mb * (1 << 20)); },
         "MB of their pictures (default 512)")
      ->check(CLI::Range(1.0, 1e6))
      ->group(limits);
  compute.add_to(app);
}

Status ServeOptions::check() const {
  GPEN_RETURN_IF_ERROR(compute.check());
  GPEN_RETURN_IF_ERROR(check_isa());
  if (sr == "none" && sr_scale > 0) return fail(Code::usage, "--sr none and --sr-scale exclude each other");
  // As browsers write it: anything else would allow nobody.
  const size_t host_at = cors.rfind("http://", 0) == 0 ? 7 : cors.rfind("https://", 0) == 0 ? 8 : 0;
  if (!cors.empty() && cors != "*" && (host_at == 0 || host_at == cors.size() || cors.find('/', host_at) != cors.npos))
    return fail(Code::usage, "--cors ", cors,
                ": expected an origin, as https://example.org or http://10.0.0.1:8080, or *");
  for (const char c : api_key) {
    if (c <= ' ' || c > '~') return fail(Code::usage, "the API key may have visible ASCII characters only");
  }
  return {};
}

HttpLimits ServeOptions::http_limits() const {
  HttpLimits limits;
  limits.connections = max_connections;
  limits.body_bytes = max_body;
  return limits;
}

}  // namespace gpen::serve
