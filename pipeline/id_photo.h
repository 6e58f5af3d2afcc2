// A photo for a document from a restored picture: cropped by the face, upright, at the size and resolution that is
// printed, with one colour behind the person. docs/photos.md has the measures and where they come from.
#pragma once
#include <array>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "layers/parsenet.h"
#include "pipeline/alignment.h"
#include "pipeline/geometry.h"
#include "pipeline/image.h"

namespace gpen {

enum class IdSize { one_inch, two_inch };
struct IdSizeTraits {
  const char* name;   // "1inch", "2inch"
  int width, height;  // pixels at kIdDensity
};
inline constexpr int kIdDensity = 300;  // pixels per inch
const IdSizeTraits& traits(IdSize size);

using Colour = std::array<uint8_t, 3>;
// "white" (255,255,255), "blue" (67,142,219), "red" (216,40,40); nothing for "none". Code::usage with the known names.
Result<std::optional<Colour>> parse_background(const std::string& name);

// Where the document photo lies in the picture.
struct IdFrame {
  int width = 0, height = 0;             // of the document photo
  Affine to_picture;                     // a similarity: its pixels -> the picture's
  double crown = 0, eyes = 0, chin = 0;  // rows of it, as measured from the landmarks
};
// The head (crown to chin) takes 0.62 of the height with 0.10 above it, the eyes are level and the face is in the
// middle. Code::usage for landmarks that show no face.
Result<IdFrame> frame_id_photo(const Landmarks& landmarks, int width, int height);

// What a parser says about a square picture: scores of 19 classes, class after class, each side * side (the network's
// logits, or any numbers that are large where a class is likely).
struct ClassScores {
  int classes = 0, side = 0;
  std::vector<float> scores;
};
using Parse = std::function<Result<ClassScores>(const Image& square)>;
// The network, with pictures of its side.
Parse parse_with(ParseNet& net, ThreadPool& pool);

// How much of every pixel of the document photo is the person, 0 to 1. The parser sees two squares: one that holds the
// whole frame, for the shoulders, and the aligned crop that it was trained on, which decides where it reaches. Only
// what hangs together with the face stays; small holes are closed.
Result<Plane> person_matte(const Image& picture, const Landmarks& landmarks, const IdFrame& frame, int parser_side,
                           const Parse& parse, ThreadPool& pool);

// person * matte + colour * (1 - matte). Half-transparent edge pixels get the colour of the person beside them first,
// so that no rim of the old background is left.
void replace_background(Image* photo, const Plane& matte, const Colour& colour, ThreadPool& pool);

struct IdPhotoOptions {
  IdSize size = IdSize::one_inch;
  std::optional<Colour> background;  // nothing: as it is
};

struct IdPhoto {
  Image image;                     // 8 bits, opaque, 300 dpi; of the picture's metadata only the colour profile
  std::vector<std::string> notes;  // "the photo ends above the crop's lower edge", ...
};
// landmarks: of the person, in pixels of `picture`. parser: may be null when there is no background to replace.
// Code::usage without a parser or a face.
Result<IdPhoto> make_id_photo(const Image& picture, const Landmarks& landmarks, const IdPhotoOptions& options,
                              ParseNet* parser, ThreadPool& pool);
// The same with any parser; parse is null when there is none.
Result<IdPhoto> make_id_photo(const Image& picture, const Landmarks& landmarks, const IdPhotoOptions& options,
                              int parser_side, const Parse& parse, ThreadPool& pool);

}  // namespace gpen
