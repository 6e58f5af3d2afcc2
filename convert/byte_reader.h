// Little-endian reading from a byte range that never steps over its end: after the first read too many, ok() is false
// and every further read gives zeros.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace gpen {

using Bytes = std::span<const std::byte>;

class ByteReader {
 public:
  explicit ByteReader(Bytes bytes) : bytes_(bytes) {}
  bool ok() const { return ok_; }
  size_t position() const { return position_; }
  size_t remaining() const { return bytes_.size() - position_; }

  template <class T>
  T read() {
    T value{};
    const Bytes raw = take(sizeof(T));
    if (ok_) std::memcpy(&value, raw.data(), sizeof(T));
    return value;
  }
  // The next n bytes; empty (and ok() false) when there are fewer.
  Bytes take(uint64_t n) {
    if (!ok_ || n > remaining()) {
      ok_ = false;
      return {};
    }
    const Bytes part = bytes_.subspan(position_, static_cast<size_t>(n));
    position_ += static_cast<size_t>(n);
    return part;
  }
  std::string_view text(uint64_t n) {
    const Bytes raw = take(n);
    return {reinterpret_cast<const char*>(raw.data()), raw.size()};
  }
  // Up to and without the next newline, which is skipped.
  std::string_view line() {
    for (size_t i = position_; ok_ && i < bytes_.size(); ++i) {
      if (bytes_[i] != std::byte{'\n'}) continue;
      const std::string_view found = text(i - position_);
      take(1);
      return found;
    }
    ok_ = false;
    return {};
  }

 private:
  Bytes bytes_;
  size_t position_ = 0;
  bool ok_ = true;
};

}  // namespace gpen
