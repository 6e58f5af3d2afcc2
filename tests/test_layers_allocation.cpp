// forward() allocates nothing once it has seen its shape: every operator new of the process is counted, and the pages
// that the system hands out.
#include <gtest/gtest.h>

#include <sys/resource.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "layers/gpen.h"
#include "support/sanitized.h"
#include "weights/synth.h"

namespace {
std::atomic<int64_t> allocations{0};
}

// Not inlined: GCC would take the bare malloc() or free() for a mismatch.
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++allocations;
  if (void* p = std::malloc(size > 0 ? size : 1)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new[](std::size_t size) { return operator new(size); }
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete[](void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete[](void* p, std::size_t) noexcept { std::free(p); }

namespace gpen {
namespace {

using test::kSanitized;

class Allocation : public testing::TestWithParam<Precision> {};
INSTANTIATE_TEST_SUITE_P(Both, Allocation, testing::Values(Precision::fp32, Precision::bf16),
                         [](const auto& info) { return std::string(name_of(info.param)); });

struct Warmed {
  std::vector<float> x, y;
  Result<GpenNet> net;
  int64_t n, size;
  Warmed(const std::string& architecture, int64_t batch, int64_t side, Precision precision)
      : x(formula_tensor("x", batch * 3 * side * side, 1)),
        y(x.size()),
        net(GpenNet::load(*synthesize(*parse_architecture(architecture), SynthKind::formula),
                          {std::make_shared<ThreadPool>(2), precision})),
        n(batch),
        size(side) {}
  bool run() { return net->forward(make_view(x.data(), n, 3, size, size), make_view(y.data(), n, 3, size, size)).ok(); }
};

TEST_P(Allocation, AWarmedForwardAllocatesNothing) {
  Warmed warmed("gpen:size=128,cm=1,narrow=0.125,style=32,mlp=2", 2, 128, GetParam());
  ASSERT_TRUE(warmed.net.ok()) << warmed.net.status().message();
  ASSERT_TRUE(warmed.run());
  const int64_t before = allocations;
  EXPECT_GT(before, 0) << "the counter counts";
  ASSERT_TRUE(warmed.run());
  ASSERT_TRUE(warmed.run());
  EXPECT_EQ(allocations - before, 0);
}

int64_t page_faults() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt;
}

// The arena's pages stay: a forward() that gave memory back to the system would fault its tens of megabytes in anew.
TEST_P(Allocation, AWarmedForwardKeepsItsPages) {
  if (kSanitized) GTEST_SKIP() << "would count the sanitizer's pages";
  Warmed warmed("gpen:size=256,cm=1,narrow=0.5,style=64,mlp=2", 1, 256, GetParam());
  ASSERT_TRUE(warmed.net.ok()) << warmed.net.status().message();
  ASSERT_TRUE(warmed.run() && warmed.run());
  const int64_t before = page_faults();
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(warmed.run());
  const int64_t faults = page_faults() - before;
  RecordProperty("page_faults", std::to_string(faults));
  RecordProperty("arena_pages", std::to_string(warmed.net->arena_bytes() / 4096));
  EXPECT_GT(warmed.net->arena_bytes() / 4096, 1000u) << "says little";
  EXPECT_LE(faults, 50);
}

}  // namespace
}  // namespace gpen
