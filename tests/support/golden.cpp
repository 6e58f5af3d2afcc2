#include "support/golden.h"

#include <gtest/gtest.h>

#include "support/shared_data.h"
#include "weights/safetensors.h"

namespace gpen::test {

namespace {
std::vector<int64_t> shape_of(const WeightStore& store, const std::string& name) {
  const WeightTensor* t = store.find(name);
  return t == nullptr ? std::vector<int64_t>() : t->shape;
}
}  // namespace

WeightStore golden_store(const std::string& relative) {
  auto store = open_safetensors(shared_file(relative));
  EXPECT_TRUE(store.ok()) << store.status().message();
  return store.ok() ? std::move(store).value() : WeightStore();
}

std::vector<double> golden_vector(const WeightStore& store, const std::string& name) {
  const auto values = store.floats(name);
  EXPECT_TRUE(values.ok()) << values.status().message();
  if (!values.ok()) return {};
  return {values->begin(), values->end()};
}

Tensor golden_tensor(const WeightStore& store, const std::string& name) {
  std::vector<int64_t> s = shape_of(store, name);
  if (s.size() == 5) s.erase(s.begin());
  if (s.size() == 3) s = {1, s[0], s[1], s[2]};
  if (s.size() == 2) s = {s[0], s[1], 1, 1};
  if (s.size() == 1) s = {1, s[0], 1, 1};
  if (s.size() != 4) {
    ADD_FAILURE() << name << " is missing or of rank " << s.size();
    return {};
  }
  return Tensor(s[0], s[1], s[2], s[3], golden_vector(store, name));
}

Tensor golden_kernel(const WeightStore& store, const std::string& name) {
  const std::vector<int64_t> s = shape_of(store, name);
  if (s.size() != 2) {
    ADD_FAILURE() << name << " is missing or not of rank 2";
    return {};
  }
  return Tensor(1, 1, s[0], s[1], golden_vector(store, name));
}

}  // namespace gpen::test
