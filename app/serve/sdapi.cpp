// The de-facto format of image clients: base64 in JSON, in and out (docs/server.md has the table of its fields).
//
// Fields of that format which have no meaning here are ignored, as its other servers do; a value that is out of range
// or an upscaler that is not there is an error.
#include <algorithm>

#include "app/serve/api.h"
#include "app/serve/base64.h"
#include "app/serve/json_input.h"

namespace gpen::serve {
namespace {

constexpr size_t kMostPictures = 64;
constexpr size_t kMostValues = 4096;  // of a request's JSON: clients send some fifty, and a few for each picture

// A number of a field, within limits; `value` stays where the field is missing.
ApiError number(const JsonInput& json, const char* name, double low, double high, double* value) {
  const auto field = json.find(name);
  if (field == json.end() || field->is_null()) return {};
  if (!field->is_number()) return ApiError::usage(concat(name, ": a number is wanted"));
  const double v = field->get<double>();
  if (!(v >= low && v <= high)) return ApiError::usage(concat(name, ": ", v, " is not between ", low, " and ", high));
  *value = v;
  return {};
}

bool has(const JsonInput& json, const char* name) { return json.contains(name) && !json[name].is_null(); }

std::string upscaler_name(int scale) { return concat("RealESRNet x", scale); }

// What clients know on every installation: a resize without a network.
constexpr const char *kLanczos = "Lanczos", *kNearest = "Nearest";

struct Upscaler {
  bool resizes = false, nearest = false;
  int scale = 0;  // of a network; 0: without any
};

// "None", one of the names of /sdapi/v1/upscalers; others are refused, whatever they end in.
ApiError find_upscaler(const Menu& menu, const JsonInput& json, const char* name, Upscaler* upscaler) {
  const auto field = json.find(name);
  if (field == json.end() || field->is_null() || *field == "None" || *field == "") return {};
  upscaler->resizes = true;
  upscaler->nearest = *field == kNearest;
  if (*field == kLanczos || *field == kNearest) return {};
  for (const auto& [factor, model] : menu.upscalers) {
    if (*field == upscaler_name(factor)) {
      upscaler->scale = factor;
      return {};
    }
  }
  return ApiError::usage(concat(name, ": there is no such upscaler here; GET /sdapi/v1/upscalers lists them"));
}

// A second upscaler is mixed in by its visibility, which is none where it is not sent.
ApiError check_second_upscaler(const Menu& menu, const JsonInput& json) {
  Upscaler second;
  double visibility = 0;
  if (ApiError e = find_upscaler(menu, json, "upscaler_2", &second)) return e;
  if (ApiError e = number(json, "extras_upscaler_2_visibility", 0, 1, &visibility)) return e;
  if (!second.resizes || visibility == 0) return {};
  return ApiError::usage("upscaler_2: a second upscaler is not possible here; send None");
}

// What is asked for beside the pictures.
ApiError read_settings(const RequestRules& rules, const JsonInput& json, JobRequest* r) {
  r->kind = JobRequest::Kind::restore;
  r->size = rules.menu.default_size;
  r->precision = rules.menu.default_precision;
  r->encode = true;
  double gfpgan = 0, codeformer = 0, weight = 0;
  if (ApiError e = number(json, "gfpgan_visibility", 0, 1, &gfpgan)) return e;
  if (ApiError e = number(json, "codeformer_visibility", 0, 1, &codeformer)) return e;
  if (ApiError e = number(json, "codeformer_weight", 0, 1, &weight)) return e;
  const bool asked = has(json, "gfpgan_visibility") || has(json, "codeformer_visibility");
  r->options.alpha = asked ? std::max(gfpgan, codeformer) : 1;
  if (codeformer > 0) r->options.lambda_id = weight;
  if (r->options.alpha == 0) r->given.emplace();  // faces are to stay as they are: none is looked for

  Upscaler upscaler;
  if (ApiError e = find_upscaler(rules.menu, json, "upscaler_1", &upscaler)) return e;
  if (ApiError e = check_second_upscaler(rules.menu, json)) return e;
  r->upscale = upscaler.scale;
  r->final_size.nearest = upscaler.nearest;
  double mode = 0;
  if (ApiError e = number(json, "resize_mode", 0, 1, &mode)) return e;
  if (mode >= 0.5) {
    double width = 512, height = 512;
    if (ApiError e = number(json, "upscaling_resize_w", 1, 8192, &width)) return e;
    if (ApiError e = number(json, "upscaling_resize_h", 1, 8192, &height)) return e;
    r->final_size.width = static_cast<int>(width);
    r->final_size.height = static_cast<int>(height);
    r->final_size.crop = !has(json, "upscaling_crop") || json["upscaling_crop"] != false;
  } else if (upscaler.resizes) {
    double factor = 2;
    if (ApiError e = number(json, "upscaling_resize", 0.1, 8, &factor)) return e;
    if (factor != std::max(1, r->upscale)) r->final_size.factor = factor;
  }
  return check_models(rules, *r);
}

// base64, perhaps as a data: URL.
ApiError decode(const std::string& text, std::string* bytes) {
  std::string_view base64 = text;
  if (base64.rfind("data:", 0) == 0) base64.remove_prefix(std::min(base64.size(), base64.find(',') + 1));
  if (base64.rfind("http", 0) == 0 && base64.find("://") != std::string_view::npos)
    return ApiError::usage("image: addresses are not fetched; send the picture in base64");
  if (!from_base64(base64, bytes)) return ApiError::usage("image: not base64");
  if (bytes->empty()) return ApiError::usage("image: the picture is empty; send it in base64");
  return {};
}

// The pixels that the answer will have are limited as those of the picture are. A photo that its EXIF turns is checked
// again when it has been (worker.cpp).
ApiError check_final_size(const RequestRules& rules, const JobRequest& r, std::span<const uint8_t> bytes) {
  if (ApiError e = check_picture(rules, bytes, r.upscale)) return e;
  const Result<ImageSize> photo = image_size(bytes);
  if (!photo.ok() || !r.final_size.wanted()) return {};
  const Status fits = r.final_size.check(photo->width, photo->height, rules.options.max_pixels);
  return fits.ok() ? ApiError() : ApiError::too_large(fits.message());
}

ApiError parse_body(Api& api, Api::Call& call, JsonInput* json) {
  const Api::HeavyWork one_of_few(api);
  const std::string body = std::move(call.request.body);
  return parse_object(body, kMostValues, json);
}

// One picture through the queue; `answer_text` gets it in base64.
ApiError restore_one(Api& api, const JobRequest& settings, std::string bytes, const std::string& name,
                     std::string* answer_text, size_t* faces) {
  JobRequest request;
  request.kind = settings.kind;
  request.name = name;
  request.size = settings.size;
  request.upscale = settings.upscale;
  request.precision = settings.precision;
  request.options = settings.options;
  request.given = settings.given;
  request.final_size = settings.final_size;
  request.encode = true;
  request.photo.body = std::move(bytes);
  request.photo.length = request.photo.body.size();
  if (ApiError e = check_final_size(api.rules(), request, request.photo.bytes())) return e;
  JobQueue::JobPtr job;
  if (ApiError e = api.run(std::move(request), &job)) return e;
  const JobResult result = api.queue().take_result(job);
  *faces += result.faces.size();
  const Api::HeavyWork one_of_few(api);
  *answer_text = to_base64({reinterpret_cast<const char*>(result.encoded.data()), result.encoded.size()});
  return {};
}

// {"error": ...} as everywhere, and "detail", where clients of this format look.
void refuse(httplib::Response& response, const ApiError& error) {
  answer(response, error);
  Json json = {{"error", to_json(error)}, {"detail", error.message}};
  response.body = text_of(json);
}

std::string html_info(size_t pictures, size_t faces) {
  return concat("<p>", pictures, pictures == 1 ? " picture, " : " pictures, ", faces, faces == 1 ? " face" : " faces",
                " restored by gpen ", GPEN_VERSION "</p>");
}

void single(Api& api, Api::Call& call) {
  JsonInput json;
  if (const ApiError e = parse_body(api, call, &json)) return refuse(call.response, e);
  JobRequest settings;
  if (const ApiError e = read_settings(api.rules(), json, &settings)) return refuse(call.response, e);
  if (!json.contains("image") || !json["image"].is_string())
    return refuse(call.response, ApiError::usage("image: the picture in base64 is missing"));
  std::string bytes, text;
  size_t faces = 0;
  if (const ApiError e = decode(json["image"].get_ref<const std::string&>(), &bytes)) return refuse(call.response, e);
  if (const ApiError e = restore_one(api, settings, std::move(bytes), "image", &text, &faces))
    return refuse(call.response, e);
  answer(call.response, 200, {{"html_info", html_info(1, faces)}, {"image", std::move(text)}});
}

void batch(Api& api, Api::Call& call) {
  JsonInput json;
  if (const ApiError e = parse_body(api, call, &json)) return refuse(call.response, e);
  JobRequest settings;
  if (const ApiError e = read_settings(api.rules(), json, &settings)) return refuse(call.response, e);
  const auto list = json.find("imageList");
  if (list == json.end() || !list->is_array() || list->empty() || list->size() > kMostPictures)
    return refuse(call.response,
                  ApiError::usage(concat("imageList: a list of 1 to ", kMostPictures, " pictures is wanted")));
  Json images = Json::array();
  size_t faces = 0, answer_bytes = 0;
  for (const JsonInput& entry : *list) {
    const std::string name = entry.is_object() && entry.contains("name") && entry["name"].is_string()
                                 ? entry["name"].get<std::string>()
                                 : "";
    if (!entry.is_object() || !entry.contains("data") || !entry["data"].is_string())
      return refuse(call.response, ApiError::usage("imageList: an entry has no data"));
    std::string bytes, text;
    ApiError e = decode(entry["data"].get_ref<const std::string&>(), &bytes);
    if (!e) e = restore_one(api, settings, std::move(bytes), display_name(name), &text, &faces);
    if (e) {
      e.message = display_name(name) + ": " + e.message;
      return refuse(call.response, e);
    }
    answer_bytes += text.size();
    if (answer_bytes > 4 * api.options().max_body)
      return refuse(call.response, ApiError::too_large("the answer would be too large; send fewer pictures at once"));
    if (const ApiError full = api.hold_answer(answer_bytes)) return refuse(call.response, full);
    images.push_back(std::move(text));
  }
  answer(call.response, 200, {{"html_info", html_info(images.size(), faces)}, {"images", std::move(images)}});
}

void upscalers(Api& api, Api::Call& call) {
  Json list = Json::array();
  for (const char* name : {"None", kLanczos, kNearest})
    list.push_back(
        {{"name", name}, {"model_name", nullptr}, {"model_path", nullptr}, {"model_url", nullptr}, {"scale", 1}});
  for (const auto& [scale, model] : api.menu().upscalers)
    list.push_back({{"name", upscaler_name(scale)},
                    {"model_name", concat("realesrnet-x", scale)},
                    {"model_path", nullptr},
                    {"model_url", nullptr},
                    {"scale", scale}});
  answer(call.response, 200, list);
}

void face_restorers(Api&, Api::Call& call) {
  answer(call.response, 200, Json::array({{{"name", "GPEN"}, {"cmd_dir", nullptr}}}));
}

}  // namespace

void sdapi_routes(std::vector<Api::Route>* routes) {
  routes->push_back({"POST", "/sdapi/v1/extra-single-image", Api::keyed, true, single});
  routes->push_back({"POST", "/sdapi/v1/extra-batch-images", Api::keyed, true, batch});
  routes->push_back({"GET", "/sdapi/v1/upscalers", Api::keyed, false, upscalers});
  routes->push_back({"GET", "/sdapi/v1/face-restorers", Api::keyed, false, face_restorers});
}

}  // namespace gpen::serve
