#include <cmath>
#include <cstring>

#include "weights/synth_kinds.h"

namespace gpen {
namespace {

constexpr uint64_t kGolden = 0x9e3779b97f4a7c15u;

// Finaliser of SplitMix64 (Steele, Lea, Flood 2014); z is the state.
inline double unit_of(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  z = z ^ (z >> 31);
  return 2.0 * (static_cast<double>(static_cast<int64_t>(z >> 40)) * 0x1p-24) - 1.0;
}

bool ends_with(const std::string& text, const char* end) {
  const size_t n = std::strlen(end);
  return text.size() >= n && text.compare(text.size() - n, n, end) == 0;
}

struct Range {
  double offset, gain;
};

// The first rule that fits (docs/format.md).
Range range_of(const std::string& name, const std::vector<int64_t>& shape, bool gpen) {
  if (ends_with(name, "running_var")) return {1.0, 0.5};
  if (ends_with(name, "running_mean")) return {0.0, 0.1};
  if (ends_with(name, "modulation.bias")) return {1.0, 0.1};
  if (ends_with(name, "bias")) return {0.0, 0.1};
  if (shape.size() == 1) return {1.0, 0.1};
  if (gpen) return {0.0, name.rfind("generator.style.", 0) == 0 ? 100.0 * std::sqrt(3.0) : std::sqrt(3.0)};
  int64_t fan_in = 1;
  for (size_t i = 1; i < shape.size(); ++i) fan_in *= shape[i];
  return {0.0, std::sqrt(1.5 / static_cast<double>(fan_in))};
}

void fill(float* out, int64_t count, uint64_t hash, Range range) {
  uint64_t state = hash;
  for (int64_t i = 0; i < count; ++i) {
    state += kGolden;
    out[i] = static_cast<float>(range.offset + range.gain * unit_of(state));
  }
}

int64_t element_count(const std::vector<int64_t>& shape) {
  int64_t n = 1;
  for (int64_t d : shape) n *= d;
  return n;
}

}  // namespace

float formula_unit_value(uint64_t name_hash, uint64_t index, double offset, double gain) {
  return static_cast<float>(offset + gain * unit_of(name_hash + (index + 1) * kGolden));
}

uint64_t formula_hash(const std::string& name) {
  uint64_t h = 0xcbf29ce484222325u;
  for (char c : name) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return h;
}

std::vector<float> formula_tensor(const std::string& name, int64_t count, double scale) {
  std::vector<float> values(static_cast<size_t>(count));
  fill(values.data(), count, formula_hash(name), {0.0, scale});
  return values;
}

namespace detail {

WeightStore formula_weights(const Architecture& arch, const std::string& seed, ThreadPool* pool) {
  const auto list = tensor_list(arch);
  const bool gpen = std::holds_alternative<GpenArch>(arch);
  std::vector<std::vector<float>> values(list.size());
  const auto make = [&](int64_t i) {
    const auto& [name, shape] = list[static_cast<size_t>(i)];
    std::vector<float>& out = values[static_cast<size_t>(i)];
    if (is_counter(name)) return;
    if (is_blur_kernel(name)) {
      out = blur_kernel(name);
      return;
    }
    out.resize(static_cast<size_t>(element_count(shape)));
    fill(out.data(), static_cast<int64_t>(out.size()), formula_hash(seed + name), range_of(name, shape, gpen));
  };
  const auto count = static_cast<int64_t>(list.size());
  if (pool != nullptr) {
    pool->parallel_for(count, [&](int64_t i, int) { make(i); });
  } else {
    for (int64_t i = 0; i < count; ++i) make(i);
  }
  WeightStore store;
  for (size_t i = 0; i < list.size(); ++i) {
    const auto& [name, shape] = list[i];
    if (is_counter(name)) {
      store.add_bytes(name, DType::i64, shape, std::vector<std::byte>(8));
    } else {
      store.add(name, shape, std::move(values[i]));
    }
  }
  return store;
}

}  // namespace detail
}  // namespace gpen
