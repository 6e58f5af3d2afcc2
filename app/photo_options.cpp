#include "app/photo_options.h"

#include <algorithm>

namespace gpen::app {

void PhotoArguments::add_to(CLI::App* sub) {
  const char* group = "Photo";
  sub->add_option("--gray", gray, "keep: a gray photo gives a gray file; rgb (default): a colour file")
      ->check(CLI::IsMember({"keep", "rgb"}))
      ->group(group);
  sub->add_flag("--strip-metadata", strip_metadata,
                "Leave out EXIF (place, camera, time), XMP, IPTC and texts; colour profiles stay")
      ->group(group);
  sub->add_option("--preset", preset, "id-photo: a document photo of the largest face, 300 dpi")
      ->check(CLI::IsMember({"id-photo"}))
      ->group(group);
  of_preset = {
      sub->add_option("--id-size", id_size, "1inch (25x35 mm, 295x413, default) or 2inch (35x49 mm, 413x579)")
          ->check(CLI::IsMember({"1inch", "2inch"})),
      sub->add_option("--background", background,
                      "white, blue or red behind the person, by the face parser; none (default): as it is")
          ->check(CLI::IsMember({"white", "blue", "red", "none"})),
  };
  for (CLI::Option* option : of_preset) option->group(group);
}

Status PhotoArguments::check(const RestoreOptions& options, const std::string& parser) const {
  if (keep_gray() && options.task == Task::colorize)
    return fail(Code::usage, "--gray keep and --task colorize exclude each other");
  for (const CLI::Option* option : of_preset)
    if (!id_photo() && option->count() > 0) return fail(Code::usage, option->get_name(), " needs --preset id-photo");
  if (!id_photo()) return {};
  if (options.aligned) return fail(Code::usage, "--preset id-photo and --aligned exclude each other");
  if (options.draw_boxes) return fail(Code::usage, "--preset id-photo and --draw-boxes exclude each other");
  if (needs_parser() && parser == "none")
    return fail(Code::usage, "--background ", background, " needs a face parser, and --parser is none");
  return {};
}

Status PhotoArguments::check(const Models& models) const {
  if (!needs_parser() || models.parser != nullptr) return {};
  return fail(Code::model, "--background ", background,
              " needs a face parser, and none is installed; `gpen fetch parsenet`, or name one: --parser MODEL");
}

Status PhotoArguments::apply(Restorer& restorer, int photo_width, RestoreResult* result) const {
  if (!id_photo()) return {};
  const auto area = [](const FaceReport& f) { return f.face.box.width() * f.face.box.height(); };
  const auto largest = std::max_element(result->faces.begin(), result->faces.end(),
                                        [&](const FaceReport& a, const FaceReport& b) { return area(a) < area(b); });
  if (largest == result->faces.end()) return fail(Code::io, "no face found, nothing written");
  // Landmarks are in pixels of the photo, which the result may be an enlargement of.
  const double scale = static_cast<double>(result->image.width) / photo_width;
  const Landmarks landmarks = enlarged(largest->face, scale).landmarks;
  IdPhotoOptions options;
  options.size = id_size == traits(IdSize::two_inch).name ? IdSize::two_inch : IdSize::one_inch;
  GPEN_ASSIGN(options.background, parse_background(background));
  GPEN_ASSIGN(IdPhoto photo,
              make_id_photo(result->image, landmarks, options, restorer.models().parser.get(), restorer.pool()));
  result->image = std::move(photo.image);
  result->notes.insert(result->notes.end(), photo.notes.begin(), photo.notes.end());
  return {};
}

}  // namespace gpen::app
