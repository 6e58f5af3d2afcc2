#include "weights/atomic_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

namespace gpen {

namespace {
constexpr const char* kMark = ".tmp-";
}  // namespace

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

Status AtomicFile::error(const char* what) const {
  return fail(Code::io, path_.string(), ": ", what, ": ", std::strerror(errno));
}

Status AtomicFile::open() {
  static std::atomic<unsigned> counter{0};
  std::error_code ignored;
  if (std::filesystem::is_directory(path_, ignored)) return fail(Code::io, path_.string(), ": is a directory");
  // Not mkstemp: the file shall have the permissions that any new file of this user gets. A process that was killed may
  // have left its file, and had the same number (the first one of a container, say).
  for (;;) {
    std::filesystem::path name = path_;
    name += concat(kMark, ::getpid(), "-", counter.fetch_add(1));
    fd_ = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd_ < 0 && errno == EEXIST) continue;
    if (fd_ < 0) return error("cannot be written");
    // Locked as long as it is written, so that remove_unfinished() leaves it alone; on a file system without locks it
    // cannot lock either. It may have come between the two steps: then the file has no name any more.
    (void)::flock(fd_, LOCK_EX);
    struct stat info {};
    if (::fstat(fd_, &info) != 0 || info.st_nlink > 0) {
      temporary_ = std::move(name);
      return {};
    }
    ::close(fd_);
  }
}

Status AtomicFile::write(const void* data, size_t bytes) {
  const char* next = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t written = ::write(fd_, next, std::min<size_t>(bytes, size_t{1} << 30));
    if (written < 0) {
      if (errno == EINTR) continue;
      return error("cannot be written");
    }
    next += written;
    bytes -= static_cast<size_t>(written);
  }
  return {};
}

Status AtomicFile::commit() {
  if (::fsync(fd_) != 0) return error("cannot be written");
  const int closed = ::close(fd_);
  fd_ = -1;
  if (closed != 0) return error("cannot be written");
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) return error("cannot be put in place");
  temporary_.clear();
  // Makes the new name itself durable; a file system that cannot sync folders has the content all the same.
  const std::filesystem::path folder = path_.has_parent_path() ? path_.parent_path() : ".";
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd >= 0) {
    (void)::fsync(fd);
    ::close(fd);
  }
  return {};
}

// "a.png" of "a.png.tmp-123-4"; an empty text of any other name.
static std::string target_of(const std::string& name) {
  const size_t mark = name.rfind(kMark);
  if (mark == std::string::npos) return {};
  const std::string numbers = name.substr(mark + std::strlen(kMark));
  const size_t dash = numbers.find('-');
  const bool two = dash != std::string::npos && dash > 0 && dash + 1 < numbers.size() &&
                   numbers.find_first_not_of("0123456789-") == std::string::npos && numbers.rfind('-') == dash;
  return two ? name.substr(0, mark) : std::string();
}

void remove_unfinished(const std::filesystem::path& folder, const std::function<bool(const std::string&)>& ours) {
  std::error_code error;
  std::filesystem::directory_iterator entries(folder.empty() ? "." : folder, error);
  for (; !error && entries != std::filesystem::directory_iterator(); entries.increment(error)) {
    const std::string target = target_of(entries->path().filename().string());
    if (target.empty() || !ours(target)) continue;
    const int fd = ::open(entries->path().c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) continue;
    if (::flock(fd, LOCK_EX | LOCK_NB) == 0) ::unlink(entries->path().c_str());
    ::close(fd);
  }
}

}  // namespace gpen
