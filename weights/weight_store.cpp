#include "weights/weight_store.h"

#include <cstring>

#include "weights/dtype.h"

namespace gpen {

size_t dtype_size(DType t) {
  switch (t) {
    case DType::f64:
    case DType::i64:
      return 8;
    case DType::f32:
    case DType::i32:
      return 4;
    case DType::f16:
    case DType::bf16:
    case DType::i16:
      return 2;
    case DType::i8:
    case DType::u8:
    case DType::boolean:
      return 1;
  }
  return 0;
}

const char* dtype_name(DType t) {
  switch (t) {
    case DType::f64:
      return "F64";
    case DType::f32:
      return "F32";
    case DType::f16:
      return "F16";
    case DType::bf16:
      return "BF16";
    case DType::i64:
      return "I64";
    case DType::i32:
      return "I32";
    case DType::i16:
      return "I16";
    case DType::i8:
      return "I8";
    case DType::u8:
      return "U8";
    case DType::boolean:
      return "BOOL";
  }
  return "?";
}

namespace {

std::string join(const std::vector<int64_t>& shape) {
  if (shape.empty()) return "scalar";
  std::string text;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) text += 'x';
    text += shape[i] < 0 ? "?" : std::to_string(shape[i]);
  }
  return text;
}

bool matches(const std::vector<int64_t>& shape, const std::vector<int64_t>& expected) {
  if (shape.size() != expected.size()) return false;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (expected[i] >= 0 && expected[i] != shape[i]) return false;
  }
  return true;
}

}  // namespace

std::string WeightTensor::shape_string() const { return join(shape); }

Result<const WeightTensor*> WeightStore::require(const std::string& name, const std::vector<int64_t>& shape) const {
  const WeightTensor* tensor = find(name);
  if (tensor == nullptr) return fail(Code::model, source, ": tensor ", name, " is missing");
  if (!shape.empty() && !matches(tensor->shape, shape)) {
    return fail(Code::model, source, ": tensor ", name, " has shape ", tensor->shape_string(), ", expected ",
                join(shape));
  }
  return tensor;
}

Result<FloatView> WeightStore::view(const std::string& name, const std::vector<int64_t>& shape) const {
  GPEN_ASSIGN(const WeightTensor* tensor, require(name, shape));
  if (!is_float(tensor->dtype)) {
    return fail(Code::model, source, ": tensor ", name, " holds ", dtype_name(tensor->dtype),
                ", expected a float type");
  }
  const int64_t count = tensor->count();
  const bool in_place = tensor->dtype == DType::f32 && reinterpret_cast<uintptr_t>(tensor->data) % alignof(float) == 0;
  std::vector<float> values(in_place ? 0 : static_cast<size_t>(count));
  if (!in_place) widen(tensor->dtype, tensor->data, count, values.data());
  FloatView view = in_place ? FloatView(reinterpret_cast<const float*>(tensor->data)) : FloatView(std::move(values));
  if (!all_finite(view.data(), count)) {
    return fail(Code::model, source, ": tensor ", name, " holds a value that is NaN or infinite");
  }
  return view;
}

Result<std::vector<float>> WeightStore::floats(const std::string& name, const std::vector<int64_t>& shape) const {
  GPEN_ASSIGN(FloatView values, view(name, shape));
  return std::move(values).take(find(name)->count());
}

void WeightStore::add(const std::string& name, std::vector<int64_t> shape, std::vector<float> values) {
  auto owner = std::make_shared<const std::vector<float>>(std::move(values));
  const auto* data = reinterpret_cast<const std::byte*>(owner->data());
  tensors[name] = WeightTensor{DType::f32, std::move(shape), data, owner->size() * sizeof(float)};
  keep_alive(std::move(owner));
}

void WeightStore::add_bytes(const std::string& name, DType dtype, std::vector<int64_t> shape,
                            std::vector<std::byte> bytes) {
  auto owner = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
  tensors[name] = WeightTensor{dtype, std::move(shape), owner->data(), owner->size()};
  keep_alive(std::move(owner));
}

void WeightStore::release_pages(const std::string& name) const {
  const WeightTensor* tensor = find(name);
  if (tensor == nullptr || tensor->bytes == 0) return;
  for (const auto& mapping : mappings_) {
    if (mapping->contains(tensor->data, tensor->bytes)) mapping->release(tensor->data, tensor->bytes);
  }
}

}  // namespace gpen
