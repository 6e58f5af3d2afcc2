#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "weights/atomic_file.h"
#include "weights/dtype.h"
#include "weights/safetensors.h"
#include "weights/utf8.h"

namespace gpen {
namespace {

using Named = std::pair<const std::string, WeightTensor>;

// Wide types first, so that every tensor lies at a multiple of its element size.
std::vector<const Named*> file_order(const WeightStore& store) {
  std::vector<const Named*> order;
  for (const Named& named : store.tensors) order.push_back(&named);
  std::stable_sort(order.begin(), order.end(), [](const Named* a, const Named* b) {
    return dtype_size(a->second.dtype) > dtype_size(b->second.dtype);
  });
  return order;
}

Result<std::string> header_text(const WeightStore& store, const std::vector<const Named*>& order) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!store.metadata.empty()) header["__metadata__"] = store.metadata;
  size_t offset = 0;
  for (const Named* named : order) {
    const auto& [name, tensor] = *named;
    if (!is_utf8(name)) return fail(Code::model, "the tensor name \"", printable(name), "\" is not valid UTF-8");
    // push_back and not []: the lookup in an ordered object is linear.
    header.push_back({name,
                      {{"dtype", dtype_name(tensor.dtype)},
                       {"shape", tensor.shape},
                       {"data_offsets", {offset, offset + tensor.bytes}}}});
    offset += tensor.bytes;
  }
  // Metadata may quote a file name, which can be any bytes; such bytes are replaced.
  std::string text = header.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  constexpr size_t kAlignment = 64;
  text.append((kAlignment - (8 + text.size()) % kAlignment) % kAlignment, ' ');
  return text;
}

void narrow(const std::vector<float>& values, uint16_t (*convert)(float), std::vector<std::byte>* out) {
  out->resize(values.size() * 2);
  for (size_t i = 0; i < values.size(); ++i) {
    const uint16_t v = convert(values[i]);
    std::memcpy(out->data() + 2 * i, &v, 2);
  }
}

// The values as fp32, an f64 rounded to odd so that narrowing it again rounds only once.
std::vector<float> for_narrowing(const WeightTensor& tensor) {
  std::vector<float> values(static_cast<size_t>(tensor.count()));
  if (tensor.dtype != DType::f64) {
    widen(tensor.dtype, tensor.data, tensor.count(), values.data());
    return values;
  }
  for (size_t i = 0; i < values.size(); ++i) {
    double d;
    std::memcpy(&d, tensor.data + 8 * i, 8);
    values[i] = double_to_float_odd(d);
  }
  return values;
}

// A finite value must not turn into infinity unnoticed (half ends at 65504): the first one that did, or null.
const float* find_overflow(const std::vector<float>& values, const std::vector<std::byte>& narrowed, DType dtype) {
  std::vector<float> after(values.size());
  const auto count = static_cast<int64_t>(values.size());
  widen(dtype, narrowed.data(), count, after.data());
  if (all_finite(after.data(), count)) return nullptr;
  for (size_t i = 0; i < values.size(); ++i) {
    if (all_finite(&values[i], 1) && !all_finite(&after[i], 1)) return &values[i];
  }
  return nullptr;
}

}  // namespace

Status save_safetensors(const std::filesystem::path& path, const WeightStore& store) {
  const std::vector<const Named*> order = file_order(store);
  GPEN_ASSIGN(const std::string header, header_text(store, order));
  const uint64_t header_size = header.size();
  AtomicFile file(path);
  GPEN_RETURN_IF_ERROR(file.open());
  GPEN_RETURN_IF_ERROR(file.write(&header_size, sizeof header_size));
  GPEN_RETURN_IF_ERROR(file.write(header.data(), header.size()));
  for (const Named* named : order) GPEN_RETURN_IF_ERROR(file.write(named->second.data, named->second.bytes));
  return file.commit();
}

Result<WeightStore> convert_dtype(const WeightStore& store, DType dtype) {
  if (dtype != DType::f32 && dtype != DType::f16 && dtype != DType::bf16) {
    return fail(Code::usage, "weights can be stored as f32, f16 or bf16, not ", dtype_name(dtype));
  }
  WeightStore out = store;
  for (const auto& [name, tensor] : store.tensors) {
    if (!is_float(tensor.dtype) || tensor.dtype == dtype) continue;
    const int64_t count = tensor.count();
    if (dtype == DType::f32) {
      std::vector<float> values(static_cast<size_t>(count));
      widen(tensor.dtype, tensor.data, count, values.data());
      out.add(name, tensor.shape, std::move(values));
      continue;
    }
    const std::vector<float> values = for_narrowing(tensor);
    std::vector<std::byte> narrowed;
    narrow(values, dtype == DType::f16 ? float_to_half : float_to_bfloat16, &narrowed);
    if (const float* lost = find_overflow(values, narrowed, dtype)) {
      return fail(Code::model, store.source, ": tensor ", name, " holds ", *lost, ", too large for ",
                  dtype_name(dtype));
    }
    out.add_bytes(name, dtype, tensor.shape, std::move(narrowed));
  }
  return out;
}

}  // namespace gpen
