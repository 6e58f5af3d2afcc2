// SHA-256 (FIPS 180-4).
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

#include "runtime/status.h"

namespace gpen {

class Sha256 {
 public:
  void update(const void* data, size_t bytes);
  std::string hex_digest();  // 64 lower-case digits; ends the computation

 private:
  void block(const uint8_t* p);
  std::array<uint32_t, 8> state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<uint8_t, 64> pending_{};
  uint64_t bytes_ = 0;
};

// Digest of a file, read in pieces. Code::io with the file's name.
Result<std::string> sha256_of_file(const std::filesystem::path& path);

}  // namespace gpen
