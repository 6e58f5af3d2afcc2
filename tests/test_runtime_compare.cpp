// The comparison helper and the guarded buffers must be able to fail.
#include <cmath>
#include <limits>

#include "support/compare.h"

namespace gpen::test {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

Tensor row(std::vector<double> v) {
  const int64_t w = static_cast<int64_t>(v.size());
  return Tensor(1, 1, 1, w, std::move(v));
}

TEST(Compare, EqualPassesAtZeroTolerance) {
  EXPECT_TRUE(close(row({1, -2, kNan, kInf}), row({1, -2, kNan, kInf}), {}));
}

TEST(Compare, AnyDifferenceFailsAtZeroTolerance) {
  EXPECT_FALSE(close(row({1, 2}), row({1, std::nextafter(2.0, 3.0)}), {}));
}

TEST(Compare, NanAndInfinityMustMatch) {
  for (double wrong : {0.0, kInf, -kInf, kNan})
    for (double right : {1.0, kNan, kInf}) {
      if (wrong == right || (std::isnan(wrong) && std::isnan(right))) continue;
      EXPECT_FALSE(close(row({right}), row({wrong}), {.absolute = 0.5})) << right << " against " << wrong;
      if (!std::isfinite(wrong) || !std::isfinite(right)) {
        EXPECT_EQ(relative_error(row({right}), row({wrong})), kInf) << right << " against " << wrong;
      }
    }
}

TEST(Compare, TolerancesAreWhatTheySay) {
  EXPECT_TRUE(close(row({10, 1}), row({10, 1.9}), {.relative = 0.1}));
  EXPECT_FALSE(close(row({10, 1}), row({10, 2.1}), {.relative = 0.1}));
  EXPECT_TRUE(close(row({1}), row({1.5}), {.absolute = 0.5}));
  EXPECT_FALSE(close(row({1}), row({1.51}), {.absolute = 0.5}));
  const Tensor magnitude = row({1 << 24});
  EXPECT_TRUE(close(row({5}), row({8}), {.k_eps = 3, .magnitude = &magnitude}));
  EXPECT_FALSE(close(row({5}), row({8.1}), {.k_eps = 3, .magnitude = &magnitude}));
  EXPECT_DOUBLE_EQ(relative_error(row({-4, 1}), row({-4, 2})), 0.25);
}

TEST(Compare, ShapesMustMatch) {
  EXPECT_FALSE(close(Tensor(1, 2, 1, 1), Tensor(1, 1, 2, 1), {.allow_mostly_zero = true}));
  EXPECT_EQ(relative_error(Tensor(1, 2, 1, 1), Tensor(1, 1, 2, 1)), kInf);
}

TEST(Compare, MostlyZeroIsMistrusted) {
  const Tensor zeros(1, 1, 4, 5);
  EXPECT_FALSE(close(zeros, zeros, {}));
  EXPECT_TRUE(close(zeros, zeros, {.allow_mostly_zero = true}));
}

TEST(Compare, FailureNamesTheWorstElement) {
  Tensor expected(2, 3, 4, 5, 1.0), actual = expected;
  actual.at(0, 0, 0, 0) = 2;
  actual.at(1, 2, 3, 4) = 7;
  const auto result = close(expected, actual, {});
  ASSERT_FALSE(result);
  EXPECT_NE(std::string(result.message()).find("2 of 120"), std::string::npos) << result.message();
  EXPECT_NE(std::string(result.message()).find("[1, 2, 3, 4]: 7"), std::string::npos) << result.message();
}

TEST(GuardedTensor, RoundTripsBothLayoutsAndStartsPoisoned) {
  std::mt19937 rng(1);
  const Tensor t = random_integers(2, 19, 3, 2, 9, rng);
  for (Layout layout : {Layout::nchw, Layout::nchw16c}) {
    EXPECT_TRUE(close(t, GuardedTensor(t, layout).values(), {}));
    EXPECT_TRUE(GuardedTensor(t, layout).intact());
    EXPECT_TRUE(std::isnan(GuardedTensor(2, 19, 3, 2, layout).values().v[7]));
  }
}

TEST(GuardedTensor, RoundsToItsTypeInNhwcSlices) {
  std::mt19937 rng(2);
  const Tensor t = random_uniform(2, 19, 3, 2, -1, 1, rng);
  for (const ElementType type : {ElementType::f32, ElementType::f16, ElementType::bf16}) {
    const GuardedTensor g(t, Layout::nhwc, 64, 16, nullptr, type);
    EXPECT_TRUE(close(rounded(t, type), g.values(), {}));
    EXPECT_EQ(close(t, g.values(), {}), type == ElementType::f32);
    EXPECT_TRUE(close(t, g.values(), {.stored = type}));
    EXPECT_TRUE(g.intact());
    // One of the zero channels of a pixel, and an element behind the slice.
    char* const pixel = reinterpret_cast<char*>(g.view().data) + g.view().pixel_stride * size_of(type);
    pixel[19 * size_of(type)] = 1;
    EXPECT_FALSE(g.intact());
    pixel[19 * size_of(type)] = 0;
    EXPECT_TRUE(g.intact());
    for (int64_t i = 0; i < size_of(type); ++i) pixel[32 * size_of(type) + i] = 0;
    EXPECT_FALSE(g.intact());
  }
}

TEST(GuardedTensor, NoticesWritesInTheWrongPlace) {
  std::mt19937 rng(1);
  const Tensor t = random_integers(2, 17, 3, 2, 9, rng);
  {
    GuardedTensor g(t, Layout::nchw16c);
    g.view().data[-1] = 0;
    EXPECT_FALSE(g.intact());
  }
  {
    GuardedTensor g(t, Layout::nchw16c);
    g.view().data[2 * g.view().batch_stride] = 0;
    EXPECT_FALSE(g.intact());
  }
  {
    GuardedTensor g(t, Layout::nchw16c);
    g.view().block(1, 1)[5] = 1;  // a padding channel
    EXPECT_FALSE(g.intact());
  }
  {
    GuardedTensor g(t, Layout::nchw16c, 64, 16);
    EXPECT_TRUE(g.intact());
    g.view().block(0, 2)[0] = 1;  // the channels behind the slice
    EXPECT_FALSE(g.intact());
  }
  EXPECT_FALSE(GuardedTensor(2, 17, 3, 2, Layout::nchw16c).intact()) << "unwritten padding channels are not zero";
}

}  // namespace
}  // namespace gpen::test
