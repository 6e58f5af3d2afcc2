// Named weight tensors, from a file (mapped, never copied) or made in memory. Names are the checkpoint's own.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/status.h"
#include "weights/file_mapping.h"

namespace gpen {

enum class DType : uint8_t { f64, f32, f16, bf16, i64, i32, i16, i8, u8, boolean };
size_t dtype_size(DType t);
const char* dtype_name(DType t);  // as in safetensors: "F32", "BF16", ...

// One tensor: contiguous, row-major, little-endian. data points into memory kept alive by the WeightStore.
struct WeightTensor {
  DType dtype = DType::f32;
  std::vector<int64_t> shape;
  const std::byte* data = nullptr;
  size_t bytes = 0;
  int64_t count() const {
    int64_t n = 1;
    for (int64_t d : shape) n *= d;
    return n;
  }
  std::string shape_string() const;  // "64x3x1x1"
};

// The values of a tensor as fp32: where the file holds them so, in place; otherwise converted. Valid as long as the
// store's tensors.
class FloatView {
 public:
  explicit FloatView(std::vector<float> values) : owned_(std::move(values)), data_(owned_.data()) {}
  explicit FloatView(const float* data) : data_(data) {}
  FloatView(FloatView&&) noexcept = default;
  const float* data() const { return data_; }
  // The first `count` values as a vector of their own: moved when they were converted, copied when in place.
  std::vector<float> take(int64_t count) && {
    return owned_.empty() ? std::vector<float>(data_, data_ + count) : std::move(owned_);
  }

 private:
  std::vector<float> owned_;
  const float* data_;
};

class WeightStore {
 public:
  std::map<std::string, WeightTensor> tensors;
  std::map<std::string, std::string> metadata;  // safetensors' __metadata__
  std::string source;                           // file name or architecture, for messages

  const WeightTensor* find(const std::string& name) const {
    auto it = tensors.find(name);
    return it == tensors.end() ? nullptr : &it->second;
  }
  // The tensor, or Code::model "FILE: tensor NAME is missing" / "... has shape 64x3, expected 64x3x1x1".
  // A dimension of -1 in `shape` matches anything; an empty `shape` skips the check.
  Result<const WeightTensor*> require(const std::string& name, const std::vector<int64_t>& shape = {}) const;
  // Values as fp32 (converted from f16, bf16 or f64 when stored so). Code::model when missing, of another shape, of an
  // integer type, or when a value is NaN or infinite.
  Result<std::vector<float>> floats(const std::string& name, const std::vector<int64_t>& shape = {}) const;
  // The same without a copy where none is needed.
  Result<FloatView> view(const std::string& name, const std::vector<int64_t>& shape = {}) const;
  // Adds an owned fp32 tensor.
  void add(const std::string& name, std::vector<int64_t> shape, std::vector<float> values);
  // Adds an owned tensor of any type from its bytes (little-endian, as many as shape and dtype say).
  void add_bytes(const std::string& name, DType dtype, std::vector<int64_t> shape, std::vector<std::byte> bytes);
  // Tells the system that the mapped pages of this tensor are not needed any more (they come back from the file when
  // touched again), so that packed weights and the mapped file do not both count as resident. No-op for owned tensors.
  void release_pages(const std::string& name) const;
  // Keeps `owner` (a mapping, a buffer) alive as long as the store and its copies.
  void keep_alive(std::shared_ptr<const void> owner) { owners_.push_back(std::move(owner)); }
  // The same for a mapped file: release_pages() may then drop the pages of tensors inside it.
  void keep_mapping(std::shared_ptr<const FileMapping> mapping) { mappings_.push_back(std::move(mapping)); }

 private:
  std::vector<std::shared_ptr<const FileMapping>> mappings_;
  std::vector<std::shared_ptr<const void>> owners_;
};

}  // namespace gpen
