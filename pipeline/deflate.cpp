#include "pipeline/deflate.h"

#include <cstdlib>
#include <limits>
#include <memory>

#define STBI_NO_STDIO
#include <stb_image.h>

#ifdef GPEN_WITH_LIBDEFLATE
#include <libdeflate.h>
#endif

#include "pipeline/stb_limits.h"

// Defined by stb_image_write, whose header does not declare it.
extern "C" unsigned char* stbi_zlib_compress(unsigned char* data, int data_len, int* out_len, int quality);

namespace gpen {

namespace {
struct FreeMemory {
  void operator()(void* p) const { std::free(p); }
};
constexpr size_t kMaxBytes = std::numeric_limits<int>::max() / 2;
}  // namespace

std::vector<uint8_t> zlib_deflate(std::span<const uint8_t> bytes) {
  if (bytes.size() > kMaxBytes) return {};
#ifdef GPEN_WITH_LIBDEFLATE
  constexpr int kLevel = 6;
  const std::unique_ptr<libdeflate_compressor, void (*)(libdeflate_compressor*)> packer(
      libdeflate_alloc_compressor(kLevel), libdeflate_free_compressor);
  if (packer == nullptr) return {};
  std::vector<uint8_t> out(libdeflate_zlib_compress_bound(packer.get(), bytes.size()));
  out.resize(libdeflate_zlib_compress(packer.get(), bytes.data(), bytes.size(), out.data(), out.size()));
  return out;
#else
  constexpr int kQuality = 8;
  int packed = 0;
  const StbWriterGuard release;  // the stream too
  // It does not write to its input.
  const uint8_t* stream =
      stbi_zlib_compress(const_cast<uint8_t*>(bytes.data()), static_cast<int>(bytes.size()), &packed, kQuality);
  if (stream == nullptr) return {};
  return std::vector<uint8_t>(stream, stream + packed);
#endif
}

std::vector<uint8_t> zlib_inflate(std::span<const uint8_t> stream, size_t max_bytes) {
  if (stream.size() > kMaxBytes) return {};
  set_stb_allocation_limit(2 * max_bytes);  // its buffer doubles
  int length = 0;
  const std::unique_ptr<char, FreeMemory> bytes(
      stbi_zlib_decode_malloc(reinterpret_cast<const char*>(stream.data()), static_cast<int>(stream.size()), &length));
  if (bytes == nullptr || length < 0 || static_cast<size_t>(length) > max_bytes) return {};
  return std::vector<uint8_t>(bytes.get(), bytes.get() + length);
}

}  // namespace gpen
