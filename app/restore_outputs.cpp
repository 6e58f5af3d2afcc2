#include "app/restore_outputs.h"

#include <algorithm>
#include <cstdio>

namespace gpen::app {
namespace {

namespace fs = std::filesystem;

// Remembers what it wrote and takes it back unless it is kept.
class Transaction {
 public:
  explicit Transaction(const ProtectedInputs& inputs) : inputs_(inputs) {}
  ~Transaction() {
    std::error_code ignored;
    for (const fs::path& path : fresh_) fs::remove(path, ignored);
  }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  Status save(const Image& image, const fs::path& path, ImageFormat format, const SaveOptions& options) {
    GPEN_RETURN_IF_ERROR(inputs_.check(path));
    std::error_code ignored;
    const bool fresh = !fs::exists(path, ignored);
    GPEN_RETURN_IF_ERROR(save_image(image, path, format, options));
    if (fresh) fresh_.push_back(path);
    written_.push_back(path.string());
    return {};
  }
  std::vector<std::string> keep() {
    fresh_.clear();
    return std::move(written_);
  }

 private:
  const ProtectedInputs& inputs_;
  std::vector<fs::path> fresh_;
  std::vector<std::string> written_;
};

fs::path numbered(const fs::path& stem, size_t face, const char* what) {
  char ending[64];
  std::snprintf(ending, sizeof(ending), "_%02zu_%s.png", face, what);
  return fs::path(stem.string() + ending);
}

}  // namespace

OutputFiles output_files(const Input& input, const fs::path& picture, ImageFormat format, bool compare,
                         const std::string& faces_folder) {
  OutputFiles files;
  files.picture = picture;
  files.format = format;
  const std::string stem = picture == kStdout ? input.stem() : picture.stem().string();
  if (compare) files.comparison = picture.parent_path() / (stem + "_compare" + picture.extension().string());
  if (!faces_folder.empty()) files.faces = fs::path(faces_folder) / input.folder / stem;
  return files;
}

Status write_outputs(const RestoreResult& result, const OutputFiles& files, const ProtectedInputs& inputs,
                     std::vector<std::string>* written) {
  Transaction transaction(inputs);
  if (!files.faces.empty()) {
    GPEN_RETURN_IF_ERROR(make_folder(files.faces.parent_path()));
    for (size_t i = 0; i < result.restored.size(); ++i) {
      GPEN_RETURN_IF_ERROR(
          transaction.save(result.crops[i], numbered(files.faces, i, "before"), ImageFormat::png, files.options));
      GPEN_RETURN_IF_ERROR(
          transaction.save(result.restored[i], numbered(files.faces, i, "after"), ImageFormat::png, files.options));
    }
  }
  if (!files.comparison.empty())
    GPEN_RETURN_IF_ERROR(transaction.save(result.comparison, files.comparison, files.format, files.options));
  if (files.picture == kStdout) {
    GPEN_ASSIGN(const std::vector<uint8_t> bytes, encode_image(result.image, files.format, files.options));
    if (std::fwrite(bytes.data(), 1, bytes.size(), stdout) != bytes.size() || std::fflush(stdout) != 0)
      return fail(Code::io, "standard output: cannot write");
  } else {
    GPEN_RETURN_IF_ERROR(transaction.save(result.image, files.picture, files.format, files.options));
  }
  *written = transaction.keep();
  if (files.picture == kStdout)
    written->insert(written->begin(), kStdout);
  else
    std::rotate(written->begin(), written->end() - 1, written->end());
  return {};
}

}  // namespace gpen::app
