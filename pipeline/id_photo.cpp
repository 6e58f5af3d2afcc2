#include "pipeline/id_photo.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "pipeline/parser_input.h"

namespace gpen {

namespace {

// Shares of the document photo's height: between what ICAO 9303 and the Chinese rules for 1- and 2-inch photos allow.
constexpr double kHead = 0.62, kAbove = 0.10;
// The head in units of the face: the aligned crop of side 1 has the eyes 0.2097 apart at a height of 0.4738 and the
// mouth 0.2422 below; pupils are about 63 mm apart and 1.83 of that above the chin, 1.75 below the crown (hair
// included).
constexpr double kEyesApart = 0.20975, kEyesHeight = 0.47380;
constexpr double kCrown = kEyesHeight - 1.75 * kEyesApart, kChin = kEyesHeight + 1.83 * kEyesApart;

// A pixel of the document photo as a mean over the picture's pixels that it covers; the picture's edge goes on beyond
// it.
void sample_frame(const Image& picture, const IdFrame& frame, Image* out, ThreadPool& pool) {
  const double step = frame.to_picture.scale();
  const int n = std::clamp(static_cast<int>(std::ceil(step)), 1, 32);
  pool.parallel_for(frame.height, [&](int64_t y, int) {
    for (int x = 0; x < frame.width; ++x) {
      float sum[3] = {0, 0, 0};
      for (int j = 0; j < n; ++j)
        for (int i = 0; i < n; ++i) {
          Point p = frame.to_picture({x + (i + 0.5) / n - 0.5, static_cast<double>(y) + (j + 0.5) / n - 0.5});
          p.x = std::clamp(p.x, 0.0, picture.width - 1.0);
          p.y = std::clamp(p.y, 0.0, picture.height - 1.0);
          float rgb[3];
          sample_bilinear<3>(view(picture), p, rgb);
          for (int c = 0; c < 3; ++c) sum[c] += rgb[c];
        }
      for (int c = 0; c < 3; ++c)
        out->row(static_cast<int>(y))[3 * x + c] = to_byte(sum[c] / static_cast<float>(n * n));
    }
  });
}

bool shows(const Image& picture, Point p) {
  return p.x >= -0.5 && p.y >= -0.5 && p.x <= picture.width - 0.5 && p.y <= picture.height - 0.5;
}

// What lies beyond the picture is background above and beside the head; below it the person must be cut off somewhere.
void clear_beyond(const Image& picture, const IdFrame& frame, Plane* matte) {
  const int shoulders = static_cast<int>(frame.chin);
  for (int y = 0; y < std::min(shoulders, frame.height); ++y)
    for (int x = 0; x < frame.width; ++x)
      if (!shows(picture, frame.to_picture({static_cast<double>(x), static_cast<double>(y)})))
        matte->data[static_cast<size_t>(y) * static_cast<size_t>(frame.width) + static_cast<size_t>(x)] = 0;
}

void note_missing(const Image& picture, const IdFrame& frame, bool replaced, std::vector<std::string>* notes) {
  int head = 0, body = 0;
  for (int y = 0; y < frame.height; ++y)
    for (int x = 0; x < frame.width; ++x) {
      const bool there = shows(picture, frame.to_picture({static_cast<double>(x), static_cast<double>(y)}));
      if (!there) ++(y < frame.chin ? head : body);
    }
  const int pixels = frame.width * frame.height;
  if (head * 200 > pixels && !replaced)
    notes->push_back("the photo ends beside or above the head: its edge is repeated there");
  if (body * 200 > pixels)
    notes->push_back("the photo ends above the crop's lower edge or beside the shoulders: its edge is repeated there");
}

}  // namespace

const IdSizeTraits& traits(IdSize size) {
  // 25 x 35 mm and 35 x 49 mm.
  static constexpr IdSizeTraits kSizes[] = {{"1inch", 295, 413}, {"2inch", 413, 579}};
  return kSizes[size == IdSize::one_inch ? 0 : 1];
}

Result<std::optional<Colour>> parse_background(const std::string& name) {
  if (name == "none") return std::optional<Colour>();
  if (name == "white") return std::optional<Colour>(Colour{255, 255, 255});
  if (name == "blue") return std::optional<Colour>(Colour{67, 142, 219});
  if (name == "red") return std::optional<Colour>(Colour{216, 40, 40});
  return fail(Code::usage, "'", name, "' is no background: white, blue, red or none");
}

Result<IdFrame> frame_id_photo(const Landmarks& landmarks, int width, int height) {
  GPEN_ASSIGN(const Alignment unit, align_face(landmarks, 1));
  // The aligned crop levels the whole face; the eyes decide what looks level on a document.
  const Point left = landmarks[0], right = landmarks[1];
  const double apart = std::hypot(right.x - left.x, right.y - left.y);
  const double size = unit.inverse.scale();  // of the aligned crop, in pixels of the picture
  if (!(apart > 0.25 * kEyesApart * size))
    return fail(Code::usage, "the face is seen from the side: no document photo");
  const double cosine = (right.x - left.x) / apart, sine = (right.y - left.y) / apart;
  const double pixel = (kChin - kCrown) * size / (kHead * height);  // of the document photo, in pixels of the picture
  IdFrame frame;
  frame.width = width;
  frame.height = height;
  frame.crown = kAbove * height;
  frame.chin = frame.crown + kHead * height;
  frame.eyes = frame.crown + (kEyesHeight - kCrown) / (kChin - kCrown) * kHead * height;
  // The middle between eyes and mouth's corners: steadier than the eyes alone when the head is turned a little.
  const Point eyes{(left.x + right.x) / 2, (left.y + right.y) / 2};
  const Point mouth{(landmarks[3].x + landmarks[4].x) / 2, (landmarks[3].y + landmarks[4].y) / 2};
  const double sideways = ((mouth.x - eyes.x) * cosine + (mouth.y - eyes.y) * sine) / 2;
  const Point middle{eyes.x + sideways * cosine, eyes.y + sideways * sine};
  const double cx = (width - 1) / 2.0, cy = frame.eyes - 0.5;
  frame.to_picture.m[0] = {pixel * cosine, -pixel * sine, middle.x - pixel * (cosine * cx - sine * cy)};
  frame.to_picture.m[1] = {pixel * sine, pixel * cosine, middle.y - pixel * (sine * cx + cosine * cy)};
  return frame;
}

Parse parse_with(ParseNet& net, ThreadPool& pool) {
  return [&net, &pool](const Image& square) -> Result<ClassScores> {
    ClassScores answer{net.arch().classes, net.arch().size, {}};
    if (square.width != answer.side || square.height != answer.side)
      return fail(Code::internal, "the parser takes pictures of side ", answer.side);
    const int64_t plane = int64_t{answer.side} * answer.side;
    std::vector<float> input = parser_planes(view(square), pool);
    answer.scores.resize(static_cast<size_t>(answer.classes * plane));
    GPEN_RETURN_IF_ERROR(net.forward(make_view(input.data(), 1, 3, answer.side, answer.side),
                                     make_view(answer.scores.data(), 1, answer.classes, answer.side, answer.side),
                                     TensorView())
                             .in("face parser"));
    return answer;
  };
}

Result<IdPhoto> make_id_photo(const Image& picture, const Landmarks& landmarks, const IdPhotoOptions& options,
                              ParseNet* parser, ThreadPool& pool) {
  return make_id_photo(picture, landmarks, options, parser == nullptr ? 0 : parser->arch().size,
                       parser == nullptr ? Parse() : parse_with(*parser, pool), pool);
}

Result<IdPhoto> make_id_photo(const Image& picture, const Landmarks& landmarks, const IdPhotoOptions& options,
                              int parser_side, const Parse& parse, ThreadPool& pool) {
  if (options.background && parse == nullptr)
    return fail(Code::usage, "a document photo's background is replaced by a face parser, and there is none");
  const IdSizeTraits& size = traits(options.size);
  GPEN_ASSIGN(const IdFrame frame, frame_id_photo(landmarks, size.width, size.height));
  IdPhoto result;
  result.image = Image(size.width, size.height);
  result.image.was_gray = picture.was_gray && !options.background;
  sample_frame(picture, frame, &result.image, pool);
  if (options.background) {
    GPEN_ASSIGN(Plane matte, person_matte(picture, landmarks, frame, parser_side, parse, pool));
    clear_beyond(picture, frame, &matte);
    if (std::none_of(matte.data.begin(), matte.data.end(), [](float v) { return v > 0.5f; }))
      return fail(Code::io, "the face parser sees no person where the face is: no background was replaced");
    replace_background(&result.image, matte, *options.background, pool);
  }
  if (!picture.alpha.empty()) result.notes.push_back("a document photo has no transparency: it is dropped");
  note_missing(picture, frame, options.background.has_value(), &result.notes);
  if (frame.to_picture.scale() < 0.75)
    result.notes.push_back(concat("the face is small: it was enlarged ", std::round(10 / frame.to_picture.scale()) / 10,
                                  " times for the document photo"));
  Metadata metadata = picture.metadata == nullptr ? Metadata() : colours_of(*picture.metadata);
  metadata.density = {kIdDensity, kIdDensity, Density::Unit::inch};
  result.image.metadata = std::make_shared<const Metadata>(std::move(metadata));
  return result;
}

}  // namespace gpen
