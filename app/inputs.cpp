#include "app/inputs.h"

#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <set>

#include "app/output_names.h"
#include "pipeline/video_info.h"

namespace gpen::app {
namespace {

namespace fs = std::filesystem;

std::string lower_extension(const fs::path& path) {
  std::string extension = path.extension().string();
  if (!extension.empty()) extension.erase(0, 1);
  for (char& c : extension) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return extension;
}

bool is_pattern(const std::string& text) { return text.find_first_of("*?[") != std::string::npos; }

// Pictures and videos of a folder in order of name. Hidden files and folders are left out (among them our own
// unfinished files).
struct Found {
  std::vector<Input> pictures, videos;
};
Status find_files(const fs::path& top, const fs::path& below, bool recursive, Found* found) {
  std::error_code error;
  std::vector<fs::path> files, folders;
  fs::directory_iterator entries(top / below, error);
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    const fs::path name = entries->path().filename();
    if (name.string().front() == '.') continue;
    std::error_code unreadable;  // a dangling link is no picture
    if (entries->is_regular_file(unreadable)) files.push_back(name);
    if (recursive && !entries->is_symlink(unreadable) && entries->is_directory(unreadable)) folders.push_back(name);
  }
  if (error) return fail(Code::io, (top / below).string(), ": ", error.message());
  std::sort(files.begin(), files.end());
  std::sort(folders.begin(), folders.end());
  for (const fs::path& name : files) {
    if (!is_picture_name(name) && !is_video_name(name)) continue;
    const fs::path path = top / below / name;
    (is_picture_name(name) ? found->pictures : found->videos).push_back({path, below, path.string(), top});
  }
  for (const fs::path& name : folders) GPEN_RETURN_IF_ERROR(find_files(top, below / name, recursive, found));
  return {};
}

// The pictures, or, where there are none, the videos; whether there were any.
bool add_found(Found found, InputSet* set) {
  const bool pictures = !found.pictures.empty();
  std::vector<Input>& taken = pictures ? found.pictures : found.videos;
  const bool any = !taken.empty();
  std::move(taken.begin(), taken.end(), std::back_inserter(set->items));
  if (pictures) std::move(found.videos.begin(), found.videos.end(), std::back_inserter(set->videos_left_out));
  return any;
}

Status add_pattern(const std::string& pattern, bool recursive, InputSet* set) {
  glob_t matches{};
  const int failed = glob(pattern.c_str(), 0, nullptr, &matches);
  std::vector<std::string> paths;
  for (size_t i = 0; failed == 0 && i < matches.gl_pathc; ++i) paths.emplace_back(matches.gl_pathv[i]);
  globfree(&matches);
  Found found;
  for (const std::string& path : paths) {
    if (fs::is_regular_file(path)) {
      if (is_picture_name(path)) found.pictures.push_back({path, {}, path});
      if (is_video_name(path)) found.videos.push_back({path, {}, path});
    } else if (recursive && fs::is_directory(path)) {
      GPEN_RETURN_IF_ERROR(find_files(path, {}, true, &found));
    }
  }
  if (add_found(std::move(found), set)) return {};
  return fail(Code::io, pattern, ": no picture or video matches this pattern");
}

// Two names of one existing file have the same identity.
std::string identity_of(const fs::path& path) {
  struct stat s {};
  if (stat(path.c_str(), &s) == 0) return concat("inode:", s.st_dev, ":", s.st_ino);
  return "name:" + path.lexically_normal().string();
}

}  // namespace

bool is_picture_name(const fs::path& path) {
  const std::string e = lower_extension(path);
  return e == "png" || e == "jpg" || e == "jpeg" || e == "bmp";
}

Result<InputSet> collect_inputs(const std::vector<std::string>& arguments, bool recursive) {
  InputSet set;
  for (const std::string& argument : arguments) {
    std::error_code ignored;
    if (argument == "-") {
      set.items.push_back({{}, {}, "<stdin>"});
    } else if (argument.empty()) {
      return fail(Code::usage, "-i: an input has an empty name");
    } else if (fs::is_directory(argument, ignored)) {
      GPEN_RETURN_IF_ERROR(add_folder(argument, recursive, &set));
    } else if (!fs::exists(argument, ignored) && is_pattern(argument)) {
      set.several = true;
      GPEN_RETURN_IF_ERROR(add_pattern(argument, recursive, &set));
    } else {
      set.items.push_back({argument, {}, argument});  // whether it can be read is seen when its turn comes
    }
  }
  drop_repeated(&set);
  return set;
}

Status add_folder(const fs::path& folder, bool recursive, InputSet* set) {
  set->several = true;
  Found found;
  GPEN_RETURN_IF_ERROR(find_files(folder, {}, recursive, &found));
  if (add_found(std::move(found), set)) return {};
  return fail(Code::io, folder.string(), ": no picture (.png, .jpg, .jpeg, .bmp) and no video in this folder",
              recursive ? "" : "; --recursive looks into its subfolders");
}

void drop_repeated(InputSet* set) {
  std::set<std::string> seen;
  std::erase_if(set->items, [&](const Input& input) {
    return !seen.insert(input.from_stdin() ? "-" : identity_of(input.path)).second;
  });
  set->several = set->several || set->items.size() > 1;
}

namespace {

// What -f and the output's own name say about the format; std::nullopt when they say nothing.
Result<ImageFormat> written_format(const fs::path& name, const std::string& option, const Input& input) {
  const std::string ending = lower_extension(name);
  if (!option.empty()) {
    GPEN_ASSIGN(const ImageFormat format, parse_image_format(option));
    const Result<ImageFormat> named = parse_image_format(ending);
    if (named.ok() && *named != format)
      return fail(Code::usage, name.string(), ": the name says ", name_of(*named), ", -f says ", name_of(format));
    return format;
  }
  if (!ending.empty()) {
    if (is_picture_name(name)) return parse_image_format(ending);
    if (is_video_name(name))
      return fail(Code::usage, name.string(), ": is a video, and ", input.name,
                  " is none that can be restored (video files can; standard input, playlists and GIF cannot)");
    return fail(Code::usage, name.string(), ": cannot write ", ending, " pictures; use .png, .jpg or .bmp, or -f");
  }
  const Result<ImageFormat> same = parse_image_format(lower_extension(input.path));
  return same.ok() ? *same : ImageFormat::png;
}

Status plan_single(const Input& input, const fs::path& output, const std::string& format, OutputPlan* plan) {
  GPEN_ASSIGN(const ImageFormat f, written_format(output, format, input));
  GPEN_RETURN_IF_ERROR(folder_is_writable(output));
  plan->paths.push_back(output);
  plan->formats.push_back(f);
  return {};
}

Status plan_folder(const std::vector<Input>& inputs, const fs::path& folder, const std::string& prefix,
                   const std::string& format, const BesidePictures& beside, OutputPlan* plan) {
  std::vector<std::string> endings;
  for (const Input& input : inputs) {
    GPEN_ASSIGN(const ImageFormat f, written_format({}, format, input));
    // The input's own spelling (jpeg) is kept when its format is.
    const std::string ending = lower_extension(input.path);
    const Result<ImageFormat> own = parse_image_format(ending);
    endings.push_back(own.ok() && *own == f ? ending : name_of(f));
    plan->formats.push_back(f);
  }
  const auto picture = [&](size_t i, const std::string& suffix) {
    return folder / inputs[i].folder / concat(prefix, inputs[i].stem(), suffix, ".", endings[i]);
  };
  const auto names = [&](size_t i, const std::string& suffix) {
    const fs::path name = picture(i, suffix);
    std::vector<fs::path> all = beside ? beside(inputs[i], name) : std::vector<fs::path>();
    all.push_back(name);
    return all;
  };
  const std::vector<std::string> suffixes = distinct_suffixes(inputs, names);
  for (size_t i = 0; i < inputs.size(); ++i) {
    plan->paths.push_back(picture(i, suffixes[i]));
    GPEN_RETURN_IF_ERROR(make_folder(plan->paths.back().parent_path()));
  }
  return {};
}

}  // namespace

Result<OutputPlan> plan_outputs(const InputSet& inputs, const std::string& output, const std::string& format,
                                const BesidePictures& beside) {
  OutputPlan plan;
  std::error_code ignored;
  if (output == kStdout) {
    if (inputs.several) return fail(Code::usage, "-o -: several pictures do not go to standard output; name a folder");
    GPEN_ASSIGN(const ImageFormat f, written_format({}, format, inputs.items.front()));
    return OutputPlan{{kStdout}, {f}};
  }
  const bool is_folder = !output.empty() && (output.back() == '/' || fs::is_directory(output, ignored));
  if (output.empty()) {
    GPEN_RETURN_IF_ERROR(plan_folder(inputs.items, {}, "output_", format, beside, &plan));
  } else if (is_folder || inputs.several) {
    if (!is_folder && fs::exists(output, ignored))
      return fail(Code::usage, output, ": the output of several pictures is a folder, and this is a file");
    GPEN_RETURN_IF_ERROR(plan_folder(inputs.items, output, "", format, beside, &plan));
  } else {
    GPEN_RETURN_IF_ERROR(plan_single(inputs.items.front(), output, format, &plan));
  }
  const ProtectedInputs inputs_on_disk(inputs.items);
  for (const fs::path& path : plan.paths) GPEN_RETURN_IF_ERROR(inputs_on_disk.check(path));
  return plan;
}

ProtectedInputs::ProtectedInputs(const std::vector<Input>& inputs) {
  for (const Input& input : inputs) {
    if (!input.from_stdin()) identities_.insert(identity_of(input.path));
  }
}

Status ProtectedInputs::check(const fs::path& path) const {
  if (identities_.count(identity_of(path)) == 0) return {};
  return fail(Code::io, path.string(), ": would overwrite an input; choose another output with -o");
}

Status folder_is_writable(const fs::path& path) {
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  std::error_code error;
  if (!fs::is_directory(folder, error))
    return fail(Code::io, path.string(), ": there is no folder ", folder.string(), " to write to");
  if (access(folder.c_str(), W_OK | X_OK) != 0)
    return fail(Code::io, path.string(), ": cannot write to the folder ", folder.string(), ": ", std::strerror(errno));
  return {};
}

Status make_folder(const fs::path& folder) {
  std::error_code error;
  if (!folder.empty()) fs::create_directories(folder, error);
  if (error) return fail(Code::io, folder.string(), ": cannot make this folder: ", error.message());
  return folder_is_writable(folder / "picture");
}

}  // namespace gpen::app
