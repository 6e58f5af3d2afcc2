// A file mapped read-only into memory. The mapping is private: nothing written elsewhere to it is ever ours.
#pragma once
#include <cstddef>
#include <filesystem>
#include <memory>

#include "runtime/status.h"

namespace gpen {

class FileMapping {
 public:
  // Code::io "FILE: No such file or directory", "FILE: is a directory", ... An empty file maps to zero bytes.
  static Result<std::shared_ptr<const FileMapping>> open(const std::filesystem::path& path);
  ~FileMapping();
  FileMapping(const FileMapping&) = delete;
  FileMapping& operator=(const FileMapping&) = delete;

  const std::byte* data() const { return data_; }
  size_t size() const { return size_; }
  bool contains(const std::byte* begin, size_t bytes) const;
  // Drops the whole pages inside [begin, begin + bytes) from this process; they are read again when touched.
  void release(const std::byte* begin, size_t bytes) const;

 private:
  FileMapping(const std::byte* data, size_t size) : data_(data), size_(size) {}
  const std::byte* data_;
  size_t size_;
};

}  // namespace gpen
