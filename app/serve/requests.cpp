#include "app/serve/requests.h"

#include <algorithm>
#include <charconv>

#include "app/serve/json_input.h"
#include "pipeline/faces_json.h"

namespace gpen::serve {
namespace {

constexpr int kLargestDetection = 2000;  // the detector's memory grows with this side squared
constexpr int kMaxBatch = 16, kMaxReps = 100;

std::string names_of(const Menu& menu) {
  std::string names;
  for (const MenuDevice& d : menu.devices) names += (names.empty() ? "" : ", ") + d.name;
  return names;
}

template <class Map>
std::string keys_of(const Map& map) {
  std::string keys;
  for (const auto& [key, value] : map) keys += (keys.empty() ? "" : ", ") + std::to_string(key);
  return keys.empty() ? "none" : keys;
}

void read_precision(Fields* fields, Precision* precision) {
  std::string name;
  if (fields->has("precision")) fields->text("precision", &name);
  if (name.empty()) return;
  for (const Precision p : {Precision::fp32, Precision::tf32, Precision::bf16, Precision::fp16, Precision::fp16_fast}) {
    if (name == name_of(p)) {
      *precision = p;
      return;
    }
  }
  fields->fail("option precision: '" + name.substr(0, 40) + "' is none of fp32, tf32, bf16, fp16, fp16-fast");
}

void read_device(Fields* fields, std::string* device) {
  fields->text("device", device);
  if (*device == "auto") device->clear();
  if (*device == "cuda") *device = "cuda:0";
}

void read_exclude(Fields* fields, std::vector<int>* exclude) {
  std::string text;
  fields->text("exclude", &text);
  const char *at = text.data(), *last = at + text.size();
  while (at < last) {
    int index = -1;
    const auto [end, error] = std::from_chars(at, last, index);
    if (error != std::errc() || index < 0 || (end != last && *end != ',') || exclude->size() >= 10000)
      return fields->fail("option exclude: expected indices of faces like 0,2,5");
    exclude->push_back(index);
    at = end == last ? last : end + 1;
  }
}

void read_detection(Fields* fields, DetectionOptions* o) {
  fields->number("threshold", 0, 0.999, &o->threshold);
  fields->number("min_face", 0, 32767, &o->min_face);
  fields->integer("max_faces", 0, 100000, &o->max_faces);
  fields->flag("largest_face", &o->largest_only);
  if (fields->has("detect_size")) {
    int side = 0;
    fields->integer("detect_size", 64, kLargestDetection, &side);
    o->shrink_above = o->shrink_to = std::max(side, 64);
  }
}

void read_options(Fields* fields, JobRequest* r, bool* wait) {
  fields->integer("size", 1, 4096, &r->size);
  read_device(fields, &r->device);
  read_detection(fields, &r->options.detection);
  if (r->kind == JobRequest::Kind::detect) return;
  read_precision(fields, &r->precision);
  fields->number("lambda_id", 0, 1, &r->options.lambda_id);
  fields->number("alpha", 0, 1, &r->options.alpha);
  fields->integer("upscale", 0, 4, &r->upscale);
  if (fields->has("tile_size")) fields->integer("tile_size", 0, 32768, &r->options.tile_size);
  if (r->options.tile_size > 0 && r->options.tile_size < 16) fields->fail("option tile_size: 0, or 16 and more");
  if (r->options.tile_size > 0 && r->upscale == 0) fields->fail("option tile_size needs upscale");
  fields->flag("draw_boxes", &r->options.draw_boxes);
  read_exclude(fields, &r->exclude);
  std::string format;
  fields->text("format", &format);
  if (!format.empty()) {
    const Result<ImageFormat> parsed = parse_image_format(format);
    if (!parsed.ok())
      fields->fail("option format: " + parsed.status().message());
    else
      r->format = *parsed;
  }
  fields->integer("quality", 1, 100, &r->quality);
  fields->flag("wait", wait);
  std::string faces;
  if (!fields->has("faces")) return;
  fields->text("faces", &faces);
  Result<std::vector<Face>> given = faces_from_json(faces, "option faces");
  if (!given.ok()) return fields->fail(given.status().message());
  constexpr size_t kMostGiven = 1000;
  if (given->size() > kMostGiven) return fields->fail(concat("option faces: more than ", kMostGiven, " faces"));
  for (const int index : r->exclude) {
    if (index >= static_cast<int>(given->size())) fields->fail(concat("option exclude: there is no face ", index));
  }
  r->given = *std::move(given);
}

ApiError collect_fields(const httplib::Request& http, const std::vector<Part>& parts, Fields* fields) {
  for (const auto& [name, value] : http.params) {
    if (name == "key") continue;
    if (ApiError e = fields->add(name, value)) return e;
  }
  for (const Part& part : parts) {
    if (part.name == "image") continue;
    if (!part.filename.empty() && part.name != "faces")
      return ApiError::usage("the only file is `image`; `" + part.name.substr(0, 100) + "` is another one");
    if (part.content.size() > size_t{4} << 20) return ApiError::usage("option " + part.name + " is too long");
    if (ApiError e = fields->add(part.name, std::string(part.content))) return e;
  }
  return {};
}

}  // namespace

ApiError check_picture(const RequestRules& rules, std::span<const uint8_t> bytes, int upscale) {
  if (bytes.empty()) return ApiError::usage("the picture is missing: send it as the file `image`, or as the body");
  const Result<ImageSize> size = image_size(bytes);
  if (!size.ok()) return ApiError::unsupported(size.status().message());
  const int64_t factor = std::max(1, upscale), limit = rules.options.max_pixels;
  const int64_t pixels = int64_t{size->width} * size->height;
  const auto mega = [](int64_t n) { return static_cast<double>(n) / 1e6; };
  if (size->width > LoadOptions().max_side || size->height > LoadOptions().max_side)
    return ApiError::too_large(concat("the picture is ", size->width, "x", size->height, " pixels, the limit is ",
                                      LoadOptions().max_side, " on each side"));
  if (pixels * factor * factor > limit)
    return ApiError::too_large(concat("the picture is ", size->width, "x", size->height, " = ", mega(pixels),
                                      " megapixels", factor > 1 ? concat(", ", factor, " times enlarged") : "",
                                      "; the limit is ", mega(limit), " megapixels"));
  return {};
}

ApiError check_models(const RequestRules& rules, const JobRequest& r) {
  const Menu& menu = rules.menu;
  const MenuDevice* device = menu.find_device(r.device);
  if (device == nullptr)
    return ApiError::usage("option device: '" + r.device.substr(0, 40) + "' is none of " + names_of(menu));
  if (std::count(device->precisions.begin(), device->precisions.end(), r.precision) == 0)
    return ApiError::usage(concat("option precision: ", device->name, " computes in ",
                                  list_text(device->precisions, "or"), ", not ", name_of(r.precision)));
  if (r.kind != JobRequest::Kind::detect && menu.gpens.count(r.size) == 0)
    return ApiError::usage(concat("option size: ", r.size, " is none of ", keys_of(menu.gpens), " (the installed)"));
  if (r.upscale > 0 && menu.upscalers.count(r.upscale) == 0)
    return ApiError::usage(
        concat("option upscale: ", r.upscale, " is none of 0, ", keys_of(menu.upscalers), " (the installed)"));
  const bool detects = r.kind == JobRequest::Kind::detect || (r.kind == JobRequest::Kind::restore && !r.given);
  if (detects && menu.detector.empty()) {
    ApiError error = ApiError::of(no_detector());
    error.http = 400;
    if (r.kind == JobRequest::Kind::restore) error.message += "; or send the faces (option faces)";
    return error;
  }
  return {};
}

ApiError read_photo_request(const RequestRules& rules, JobRequest::Kind kind, httplib::Request& http, JobRequest* r,
                            bool* wait) {
  RequestContext& context = request_context();
  r->kind = kind;
  r->size = rules.menu.default_size;
  r->upscale = kind == JobRequest::Kind::restore ? rules.menu.default_upscale : 0;
  if (kind == JobRequest::Kind::restore) r->precision = rules.menu.default_precision;
  r->name = "image";
  r->photo.body = std::move(http.body);
  r->photo.lease = std::move(context.body);
  const std::string& body = r->photo.body;
  r->photo.length = body.size();

  std::vector<Part> parts;
  if (!context.multipart_type.empty()) {
    if (ApiError e = parse_multipart(context.multipart_type, body, &parts)) return e;
    r->photo.length = 0;
    for (const Part& part : parts) {
      if (part.name != "image") continue;
      if (r->photo.length > 0) return ApiError::usage("there are two files `image`: one picture a request");
      r->photo.begin = static_cast<size_t>(part.content.data() - body.data());
      r->photo.length = part.content.size();
      if (!part.filename.empty()) r->name = display_name(part.filename);
    }
  } else if (context.urlencoded && !body.empty() && !image_size(r->photo.bytes()).ok()) {
    return ApiError::unsupported(
        "Content-Type application/x-www-form-urlencoded, and the body is no picture: send options as "
        "multipart/form-data (curl -F) or in the query");
  } else if (const std::string type = http.get_header_value("Content-Type");
             !type.empty() && type.rfind("image/", 0) != 0 && type.rfind("application/octet-stream", 0) != 0) {
    return ApiError::unsupported("Content-Type " + type.substr(0, 100) +
                                 ": send multipart/form-data, image/png, image/jpeg, image/bmp or "
                                 "application/octet-stream");
  }
  Fields fields;
  if (ApiError e = collect_fields(http, parts, &fields)) return e;
  read_options(&fields, r, wait);
  if (ApiError e = fields.finish()) return e;
  if (ApiError e = check_models(rules, *r)) return e;
  return check_picture(rules, r->photo.bytes(), r->upscale);
}

ApiError read_benchmark_request(const RequestRules& rules, const httplib::Request& http, JobRequest* r) {
  const std::string& body = http.body;
  r->kind = JobRequest::Kind::benchmark;
  r->name = "benchmark";
  r->size = rules.menu.default_size;
  r->precision = rules.menu.default_precision;
  Fields fields;
  if (ApiError e = collect_fields(http, {}, &fields)) return e;
  if (!body.empty()) {
    constexpr size_t kMostBytes = 4096;
    if (body.size() > kMostBytes)
      return ApiError::too_large(concat("the body has ", body.size(), " bytes, the limit here is ", kMostBytes));
    JsonInput json;
    if (ApiError e = parse_object(body, kMostBytes, &json)) return e;
    for (const auto& [name, value] : json.items()) {
      if (!value.is_number() && !value.is_string())
        return ApiError::usage("option " + name.substr(0, 100) + ": a number or a text is wanted");
      if (ApiError e = fields.add(name, value.is_string() ? value.get<std::string>() : value.dump())) return e;
    }
  }
  fields.integer("size", 1, 4096, &r->size);
  fields.integer("batch", 1, kMaxBatch, &r->batch);
  fields.integer("reps", 1, kMaxReps, &r->reps);
  read_device(&fields, &r->device);
  read_precision(&fields, &r->precision);
  if (ApiError e = fields.finish()) return e;
  return check_models(rules, *r);
}

ApiError read_format(const httplib::Request& http, ImageFormat* format, int* quality, bool* download) {
  Fields fields;
  if (ApiError e = collect_fields(http, {}, &fields)) return e;
  std::string name;
  fields.text("format", &name);
  if (!name.empty()) {
    const Result<ImageFormat> parsed = parse_image_format(name);
    if (!parsed.ok()) return ApiError::usage("option format: " + parsed.status().message());
    *format = *parsed;
  }
  fields.integer("quality", 1, 100, quality);
  fields.flag("download", download);
  return fields.finish();
}

}  // namespace gpen::serve
