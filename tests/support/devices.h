// Which devices the tests of GPU kernels run on: the emulation always, and the first CUDA device when the build has
// one.
#pragma once
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "runtime/gpu/emulated_device.h"
#include "runtime/gpu/emulation.h"
#include "support/reference.h"
#ifdef GPEN_WITH_CUDA
#include "runtime/gpu/cuda_device.h"
#endif

namespace gpen::test {

inline std::vector<std::string> tested_devices() {
  std::vector<std::string> names = {"emulated"};
#ifdef GPEN_WITH_CUDA
  names.push_back("cuda");
#endif
  return names;
}

// Null when it cannot be opened; then why says the reason.
inline std::shared_ptr<Device> device_of(const std::string& name, std::string* why = nullptr) {
#ifdef GPEN_WITH_CUDA
  if (name == "cuda") {
    // Skipped where there is none; one that cannot be opened is a failure.
    const auto devices = list_cuda_devices();
    if (!devices.ok()) {
      if (why != nullptr) *why = devices.status().message();
      return nullptr;
    }
    auto device = open_cuda_device(0);
    EXPECT_TRUE(device.ok()) << device.status().message();
    if (device.ok()) return *device;
    if (why != nullptr) *why = device.status().message();
    return nullptr;
  }
#endif
  if (name == "emulated") return open_emulated_device();
  if (why != nullptr) *why = "no device is called " + name;
  return nullptr;
}

// Every test runs once for each device and is skipped, with the reason, where there is none:
// INSTANTIATE_TEST_SUITE_P(Device, NAME, ::testing::ValuesIn(tested_devices()), device_name).
class OnEachDevice : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    std::string why;
    device_ = device_of(GetParam(), &why);
    if (device_ == nullptr) GTEST_SKIP() << why;
  }
  void TearDown() override {
    if (device_ == nullptr) return;
    const Status status = device_->finish();
    EXPECT_TRUE(status.ok()) << status.message();
  }
  const std::shared_ptr<Device>& device() const { return device_; }

 private:
  std::shared_ptr<Device> device_;
};
inline std::string device_name(const ::testing::TestParamInfo<std::string>& info) { return info.param; }

inline constexpr ElementType kElementTypes[] = {ElementType::f32, ElementType::f16, ElementType::bf16};
inline const char* name_of(ElementType type) {
  return type == ElementType::f32 ? "f32" : type == ElementType::f16 ? "f16" : "bf16";
}

// Runs fn(name) in each order in which the emulation can run blocks, warps and lanes; once on a real device, where the
// order is not ours to choose.
template <class Fn>
void for_each_schedule(const Device& device, Fn fn) {
  if (device.info().name != "emulated") return fn("second run");
  gpu::emulation::Settings& settings = gpu::emulation::settings();
  const gpu::emulation::Settings before = settings;
  using gpu::emulation::Order;
  for (const auto& [name, order, seed] : {std::tuple{"forward", Order::forward, 0u},
                                          {"reversed", Order::reversed, 0u},
                                          {"random", Order::random, 1u},
                                          {"random again", Order::random, 2u}}) {
    settings = {.order = order, .seed = seed, .workers = before.workers};
    fn(name);
  }
  settings = before;
}

// run(x) must give the same bits in every schedule, and for each image alone. image(x, n): the case of one image.
template <class Case, class Image, class Run>
void expect_device_laws(const Device& device, const Case& x, int64_t images, Image image, Run run) {
  const Tensor one = run(x);
  for_each_schedule(device, [&](const char* schedule) { EXPECT_EQ(one.v, run(x).v) << schedule; });
  for (int64_t n = 0; n < images; ++n) EXPECT_EQ(batch_item(one, n).v, run(image(x, n)).v) << "image " << n << " alone";
}

}  // namespace gpen::test
