#include "weights/file_mapping.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace gpen {
namespace {

// Closes the descriptor on every way out; the mapping lives on without it.
struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

}  // namespace

Result<std::shared_ptr<const FileMapping>> FileMapping::open(const std::filesystem::path& path) {
  Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0) return fail(Code::io, path.string(), ": ", std::strerror(errno));
  struct stat info {};
  if (::fstat(file.fd, &info) != 0) return fail(Code::io, path.string(), ": ", std::strerror(errno));
  if (S_ISDIR(info.st_mode)) return fail(Code::io, path.string(), ": is a directory");
  if (!S_ISREG(info.st_mode)) return fail(Code::io, path.string(), ": is not a regular file");
  const auto size = static_cast<size_t>(info.st_size);
  const std::byte* data = nullptr;
  if (size > 0) {
    void* mapped = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.fd, 0);
    if (mapped == MAP_FAILED) return fail(Code::io, path.string(), ": cannot be mapped: ", std::strerror(errno));
    data = static_cast<const std::byte*>(mapped);
  }
  return std::shared_ptr<const FileMapping>(new FileMapping(data, size));
}

FileMapping::~FileMapping() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

bool FileMapping::contains(const std::byte* begin, size_t bytes) const {
  const auto first = reinterpret_cast<uintptr_t>(begin), base = reinterpret_cast<uintptr_t>(data_);
  return first >= base && first - base <= size_ && bytes <= size_ - (first - base);
}

void FileMapping::release(const std::byte* begin, size_t bytes) const {
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto first = (reinterpret_cast<uintptr_t>(begin) + page - 1) / page * page;
  const auto last = (reinterpret_cast<uintptr_t>(begin) + bytes) / page * page;
  // Only advice: a failure costs memory, nothing else.
  if (first < last) (void)::madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}

}  // namespace gpen
