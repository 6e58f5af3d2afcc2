// What `-i` and `-o` mean: files, folders, patterns and stdin in; one file or a folder out.
#pragma once
#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "pipeline/image.h"
#include "runtime/status.h"

namespace gpen::app {

struct Input {
  std::filesystem::path path;    // empty for stdin
  std::filesystem::path folder;  // where it lay below the folder that was given (--recursive), else empty
  std::string name;              // for messages and reports: the path, or "<stdin>"
  std::filesystem::path top{};   // the folder that was given and led to this file; empty: the file itself was named
  bool from_stdin() const { return path.empty(); }
  std::string stem() const { return from_stdin() ? "stdin" : path.stem().string(); }
};

struct InputSet {
  std::vector<Input> items;
  bool several = false;                // more than one, or named by a folder or a pattern: the output is a folder
  std::vector<Input> videos_left_out;  // of folders and patterns that have pictures, too
};

// Whether the name ends like a picture this program reads (.png .jpg .jpeg .bmp, any case).
bool is_picture_name(const std::filesystem::path& path);

// Every argument is a file, a folder (its pictures in order of name; with `recursive` those of its subfolders too), a
// pattern (* ? [...]), or "-" for one picture on stdin. A folder or pattern without pictures stands for its videos. An
// existing file is taken as it is, whatever it is called. A file reached twice is listed once. Code::io when an
// argument leads to nothing.
Result<InputSet> collect_inputs(const std::vector<std::string>& arguments, bool recursive);
// The pictures of one folder. Code::io when it cannot be read or has none.
Status add_folder(const std::filesystem::path& folder, bool recursive, InputSet* set);
// Takes out those that came before under another name.
void drop_repeated(InputSet* set);

// The argument of -o that stands for stdout.
inline constexpr const char* kStdout = "-";

// Where the result of every input goes, in the order of the inputs.
struct OutputPlan {
  std::vector<std::filesystem::path> paths;
  std::vector<ImageFormat> formats;
};
// output: the argument of -o; "-" for stdout (one input only), which is the path then; or empty for output_<stem>.<ext>
// in the current folder. It is a folder when there are several inputs, when it exists as one or ends in '/'; a file
// otherwise. format: the argument of -f, or empty: what the output's name ends in, else the format the input's name
// ends in, else png. Two inputs never get the same output: names that would collide all carry the input's ending too
// (app/output_names.h). beside: what an input writes besides its picture, which must not collide either. A folder is
// made when it is missing (with its parents), the folder of a single file is not. Code::usage: -o ends like a format
// that cannot be written, contradicts -f, or is a file for several inputs. Code::io: a folder cannot be made or written
// to, or an output would overwrite an input.
using BesidePictures =
    std::function<std::vector<std::filesystem::path>(const Input& input, const std::filesystem::path& picture)>;
Result<OutputPlan> plan_outputs(const InputSet& inputs, const std::string& output, const std::string& format,
                                const BesidePictures& beside = nullptr);

// The files that must never be written to.
class ProtectedInputs {
 public:
  explicit ProtectedInputs(const std::vector<Input>& inputs);
  // Code::io when `path` is one of the inputs (also under another name).
  Status check(const std::filesystem::path& path) const;

 private:
  std::set<std::string> identities_;
};

// Code::io when the folder that `path` lies in is missing or must not be written to.
Status folder_is_writable(const std::filesystem::path& path);
// Makes the folder (and its parents) when it is missing. Code::io when that fails or nothing can be written there.
Status make_folder(const std::filesystem::path& folder);

}  // namespace gpen::app
