#include "pipeline/file_io.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "weights/atomic_file.h"

namespace gpen {

namespace fs = std::filesystem;

namespace {

Status system_error(const fs::path& path, const char* doing, int error) {
  return fail(Code::io, path.string(), ": ", doing, ": ", std::strerror(error));
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  // Closing may be the first to report a full disk (network file systems).
  int close() { return ::close(std::exchange(fd_, -1)); }

 private:
  int fd_;
};

// 0, or the error number.
int write_all(int fd, std::span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    if (n == 0) return ENOSPC;
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
  return 0;
}

Status write_directly(const fs::path& path, std::span<const uint8_t> bytes) {
  Descriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (file.get() < 0) return system_error(path, "cannot write", errno);
  if (const int error = write_all(file.get(), bytes)) return system_error(path, "cannot write", error);
  if (file.close() != 0) return system_error(path, "cannot write", errno);
  return Status();
}

}  // namespace

Result<std::vector<uint8_t>> read_file(const fs::path& path, size_t max_bytes) {
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return system_error(path, "cannot open", errno);
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return system_error(path, "cannot read", errno);
  if (S_ISDIR(info.st_mode)) return fail(Code::io, path.string(), ": is a folder, not a file");
  // The size is only a hint: a pipe has none, and a file may grow while it is read.
  std::vector<uint8_t> bytes;
  size_t used = 0;
  const size_t hint = S_ISREG(info.st_mode) ? static_cast<size_t>(info.st_size) : size_t{1} << 20;
  if (hint > max_bytes)
    return fail(Code::io, path.string(), ": has ", hint, " bytes, the limit is ", max_bytes, " bytes");
  bytes.resize(hint + 1);
  for (;;) {
    if (used == bytes.size()) bytes.resize(bytes.size() * 2);
    const ssize_t n = ::read(file.get(), bytes.data() + used, bytes.size() - used);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_error(path, "cannot read", errno);
    if (n == 0) break;
    used += static_cast<size_t>(n);
    if (used > max_bytes) return fail(Code::io, path.string(), ": is larger than the limit of ", max_bytes, " bytes");
  }
  bytes.resize(used);
  return bytes;
}

Result<std::vector<uint8_t>> read_beginning(const fs::path& path, size_t bytes) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return system_error(path, "cannot open", errno);
  std::vector<uint8_t> beginning(bytes);
  size_t used = 0;
  while (used < bytes) {
    const ssize_t n = ::read(file.get(), beginning.data() + used, bytes - used);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_error(path, "cannot read", errno);
    if (n == 0) break;
    used += static_cast<size_t>(n);
  }
  beginning.resize(used);
  return beginning;
}

Status write_file(const fs::path& destination, std::span<const uint8_t> bytes) {
  std::error_code error;
  fs::path path = destination;
  if (fs::is_symlink(path, error)) {
    path = fs::canonical(path, error);
    if (error) return fail(Code::io, destination.string(), ": is a link to nowhere");
  }
  const fs::file_status there = fs::status(path, error);
  if (fs::is_directory(there)) return fail(Code::io, destination.string(), ": is a folder, not a file");
  if (fs::exists(there) && !fs::is_regular_file(there)) return write_directly(path, bytes);

  AtomicFile file(path);
  GPEN_RETURN_IF_ERROR(file.open());
  GPEN_RETURN_IF_ERROR(file.write(bytes.data(), bytes.size()));
  return file.commit();
}

}  // namespace gpen
