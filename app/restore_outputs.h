// The files of one photo: the restored picture and what --compare and --save-faces add to it.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "app/inputs.h"
#include "pipeline/restore.h"

namespace gpen::app {

struct OutputFiles {
  std::filesystem::path picture;
  ImageFormat format = ImageFormat::png;
  std::filesystem::path comparison;  // empty: none
  std::filesystem::path faces;       // faces/NAME_00_before.png, ...; the stem of those names; empty: none
  SaveOptions options;
};

// faces_folder: the argument of --save-faces, or empty.
OutputFiles output_files(const Input& input, const std::filesystem::path& picture, ImageFormat format, bool compare,
                         const std::string& faces_folder);

// Writes all of them, the restored picture last. When one fails, those that were new are removed again, so that a photo
// is either there with everything or not at all. `written` gets the names, the restored picture first.
Status write_outputs(const RestoreResult& result, const OutputFiles& files, const ProtectedInputs& inputs,
                     std::vector<std::string>* written);

}  // namespace gpen::app
