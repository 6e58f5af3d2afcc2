#include "weights/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

namespace gpen {

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
  // Not mkstemp: the file shall have the permissions that any new file of this user gets.
  std::filesystem::path name = path_;
  name += concat(".tmp-", ::getpid(), "-", counter.fetch_add(1));
  fd_ = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd_ < 0) return error("cannot be written");
  temporary_ = std::move(name);
  return {};
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

}  // namespace gpen
