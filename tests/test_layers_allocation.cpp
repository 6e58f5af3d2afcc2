// forward() allocates nothing once it has seen its shape: every operator new of the process is counted.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "layers/gpen.h"
#include "weights/synth.h"

namespace {
std::atomic<int64_t> allocations{0};
}

void* operator new(std::size_t size) {
  ++allocations;
  if (void* p = std::malloc(size > 0 ? size : 1)) return p;
  throw std::bad_alloc();
}
void* operator new[](std::size_t size) { return operator new(size); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }

namespace gpen {
namespace {

TEST(Allocation, AWarmedForwardAllocatesNothing) {
  auto arch = parse_architecture("gpen:size=128,cm=1,narrow=0.125,style=32,mlp=2");
  ASSERT_TRUE(arch.ok());
  auto store = synthesize(*arch, SynthKind::formula);
  ASSERT_TRUE(store.ok());
  auto net = GpenNet::load(*store, std::make_shared<ThreadPool>(2));
  ASSERT_TRUE(net.ok()) << net.status().message();
  const int64_t image = 3 * 128 * 128;
  std::vector<float> x = formula_tensor("x", 2 * image, 1), y(static_cast<size_t>(2 * image));
  const auto run = [&] {
    return net->forward(make_view(x.data(), 2, 3, 128, 128), make_view(y.data(), 2, 3, 128, 128)).ok();
  };
  ASSERT_TRUE(run());
  const int64_t before = allocations;
  EXPECT_GT(before, 0) << "the counter counts";
  ASSERT_TRUE(run());
  ASSERT_TRUE(run());
  EXPECT_EQ(allocations - before, 0);
}

}  // namespace
}  // namespace gpen
