#include "capi/result.h"

#include "capi/entry.h"
#include "capi/pixels.h"

using namespace gpen;
using namespace gpen::capi;

namespace {

Status check_face(const gpen_result* result, size_t index) {
  GPEN_RETURN_IF_ERROR(need(result, "result"));
  if (index < result->found.faces.size()) return {};
  return fail(Code::usage, "there is no face ", index, " among ", result->found.faces.size());
}

void copy(const Affine& from, double (*to)[3]) {
  for (size_t row = 0; row < 2; ++row) {
    for (size_t column = 0; column < 3; ++column) to[row][column] = from.m[row][column];
  }
}

// Null: the result has no such picture.
const Image* find(const RestoreResult& result, gpen_result_picture which, size_t index) {
  const auto at = [&](const std::vector<Image>& faces) { return index < faces.size() ? &faces[index] : nullptr; };
  switch (which) {
    case GPEN_PICTURE_RESULT:
    case GPEN_PICTURE_ALPHA:
      return index == 0 ? &result.image : nullptr;
    case GPEN_PICTURE_COMPARISON:
      return index == 0 ? &result.comparison : nullptr;
    case GPEN_PICTURE_FACE_BEFORE:
      return at(result.crops);
    case GPEN_PICTURE_FACE_AFTER:
      return at(result.restored);
  }
  return nullptr;
}

}  // namespace

void gpen_result_free(gpen_result* result) { delete result; }

gpen_status gpen_result_image(const gpen_result* result, gpen_result_picture which, size_t index, gpen_image* image) {
  return entry([&]() -> Status {
    GPEN_RETURN_IF_ERROR(need(result, "result"));
    GPEN_RETURN_IF_ERROR(need(image, "image"));
    const Image* found = find(result->found, which, index);
    const bool alpha = which == GPEN_PICTURE_ALPHA;
    if (found == nullptr || found->empty() || (alpha && found->alpha.empty()))
      return fail(Code::usage, "the result has no picture ", static_cast<int>(which), " with the index ", index);
    *image = {alpha ? found->alpha.data() : found->rgb.data(), found->width, found->height, 0,
              alpha ? GPEN_FORMAT_GRAY : GPEN_FORMAT_RGB};
    return {};
  });
}

gpen_status gpen_result_copy(const gpen_result* result, const gpen_image_buffer* to) {
  return entry([&]() -> Status {
    GPEN_RETURN_IF_ERROR(need(result, "result"));
    if (result->found.image.empty()) return fail(Code::usage, "the result has no picture");
    return copy_out(result->found.image, to, "to");
  });
}

size_t gpen_result_face_count(const gpen_result* result) { return result != nullptr ? result->found.faces.size() : 0; }

gpen_status gpen_result_face(const gpen_result* result, size_t index, gpen_face* face) {
  return entry([&]() -> Status {
    GPEN_RETURN_IF_ERROR(check_face(result, index));
    GPEN_RETURN_IF_ERROR(need(face, "face"));
    const Face& f = result->found.faces[index].face;
    *face = {f.box.x0, f.box.y0, f.box.x1, f.box.y1, f.score, {}};
    for (size_t i = 0; i < f.landmarks.size(); ++i) face->landmarks[i] = {f.landmarks[i].x, f.landmarks[i].y};
    return {};
  });
}

gpen_status gpen_result_alignment(const gpen_result* result, size_t index, gpen_alignment* alignment) {
  return entry([&]() -> Status {
    GPEN_RETURN_IF_ERROR(check_face(result, index));
    GPEN_RETURN_IF_ERROR(need(alignment, "alignment"));
    const std::optional<Alignment>& found = result->alignments[index];
    if (!found) return fail(Code::usage, "face ", index, " has landmarks that no crop can be made from");
    copy(found->forward, alignment->to_crop);
    copy(found->inverse, alignment->to_photo);
    alignment->crop_size = result->crop_size;
    return {};
  });
}

size_t gpen_result_note_count(const gpen_result* result) { return result != nullptr ? result->found.notes.size() : 0; }

const char* gpen_result_note(const gpen_result* result, size_t index) {
  return index < gpen_result_note_count(result) ? result->found.notes[index].c_str() : nullptr;
}
