// Restores the faces of a photo, from file to file, through the C++ wrapper.
//
//     embed PHOTO OUTPUT [MODEL [DETECTOR]]
//     c++ -std=c++11 main.cpp $(pkg-config --cflags --libs gpen)
#include <cstdio>
#include <gpen/gpen.hpp>
#include <string>

namespace {

void restore(const std::string& photo_path, const std::string& output_path, const std::string& model_name,
             const std::string& detector_name) {
  const gpen::Model model(model_name, detector_name, [](gpen_log_level level, const char* text) {
    if (level >= GPEN_LOG_INFO && level < GPEN_LOG_ERROR) std::fprintf(stderr, "gpen: %s\n", text);
  });
  const gpen::Picture photo = gpen::Picture::load(photo_path);
  gpen::RestoreParams params;
  params.aligned = detector_name == "none";  // the photo is a face
  const gpen::Result result = model.restore(photo.image(), params, [](const char* stage, double fraction) {
    std::fprintf(stderr, "%-8s %3.0f %%\n", stage, 100 * fraction);
    return true;
  });
  gpen::save(result.image(), output_path);
  for (const gpen_face& face : result.faces())
    std::printf("face at %.0f,%.0f, %.0f x %.0f pixels\n", face.x0, face.y0, face.x1 - face.x0, face.y1 - face.y0);
  for (const std::string& note : result.notes()) std::fprintf(stderr, "%s\n", note.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3 || argc > 5) {
    std::fprintf(stderr,
                 "usage: %s PHOTO OUTPUT [MODEL [DETECTOR]]\n"
                 "  PHOTO     PNG, JPEG or BMP\n"
                 "  OUTPUT    .png, .jpg or .bmp\n"
                 "  MODEL     a GPEN: an installed name (gpen fetch), a file, or sharpen (default: the installed one)\n"
                 "  DETECTOR  a RetinaFace, or none: PHOTO is one aligned face (default: the installed one)\n"
                 "with libgpen %s\n",
                 argv[0], gpen_version());
    return GPEN_ERROR_USAGE;
  }
  try {
    restore(argv[1], argv[2], argc > 3 ? argv[3] : "", argc > 4 ? argv[4] : "");
    return 0;
  } catch (const gpen::Error& e) {
    std::fprintf(stderr, "embed: %s\n", e.what());
    return e.status();
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "embed: out of memory\n");
    return GPEN_ERROR_MEMORY;
  }
}
