#include "app/input_list.h"

#include <algorithm>
#include <iterator>

#include "app/picture_input.h"
#include "pipeline/file_io.h"

namespace gpen::app {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostBytes = size_t{1} << 30;

std::vector<std::string> split(const std::vector<uint8_t>& text, bool null) {
  std::vector<std::string> entries;
  const char end = null ? '\0' : '\n';
  std::string entry;
  const auto take = [&] {
    if (!null && !entry.empty() && entry.back() == '\r') entry.pop_back();
    if (!entry.empty()) entries.push_back(std::move(entry));
    entry.clear();
  };
  for (const uint8_t byte : text) {
    if (static_cast<char>(byte) == end)
      take();
    else
      entry.push_back(static_cast<char>(byte));
  }
  take();
  return entries;
}

// "/a/b/c.png" -> "a/b", "../x/./c.png" -> "x".
fs::path folder_below(const fs::path& path) {
  fs::path below;
  for (const fs::path& part : path.lexically_normal().relative_path().parent_path())
    if (part != ".." && part != ".") below /= part;
  return below;
}

}  // namespace

Status add_list(const std::string& list, bool null, bool recursive, InputSet* set) {
  std::vector<uint8_t> text;
  if (list == "-") {
    GPEN_ASSIGN(text, read_stdin(kMostBytes));
  } else {
    GPEN_ASSIGN(text, read_file(list, kMostBytes));
  }
  constexpr uint8_t kByteOrderMark[] = {0xEF, 0xBB, 0xBF};  // of UTF-8, which some editors put in front
  if (text.size() >= 3 && std::equal(std::begin(kByteOrderMark), std::end(kByteOrderMark), text.begin()))
    text.erase(text.begin(), text.begin() + 3);
  const std::vector<std::string> entries = split(text, null);
  if (entries.empty()) return fail(Code::io, list == "-" ? "<stdin>" : list, ": this list names no picture");
  for (const std::string& entry : entries) {
    if (!null && entry.find('\0') != std::string::npos)
      return fail(Code::usage, list == "-" ? "<stdin>" : list, ": this list has NUL bytes; use --null");
    const size_t before = set->items.size();
    std::error_code ignored;
    if (fs::is_directory(entry, ignored)) {
      GPEN_RETURN_IF_ERROR(add_folder(entry, recursive, set));
      // As listed: the folder's own name comes before what is in it.
      for (size_t i = before; recursive && i < set->items.size(); ++i)
        set->items[i].folder = folder_below(set->items[i].path);
    } else {
      set->items.push_back({entry, recursive ? folder_below(entry) : fs::path(), entry});
    }
  }
  set->several = true;
  return {};
}

}  // namespace gpen::app
