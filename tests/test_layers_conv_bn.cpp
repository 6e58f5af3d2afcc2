// Folding BatchNorm into a convolution, and inputs with gaps.
#include "layers/conv_bn.h"

#include <cmath>

#include "support/compare.h"

namespace gpen::test {
namespace {

void add(WeightStore* store, const std::string& name, const Tensor& t) {
  store->add(name,
             t.h == 1 && t.w == 1 && t.n == 1 ? std::vector<int64_t>{t.c} : std::vector<int64_t>{t.n, t.c, t.h, t.w},
             to_floats(t.v));
}

WeightStore store_with_norm(int64_t out, int64_t in, std::mt19937& rng) {
  WeightStore store;
  store.source = "memory";
  add(&store, "c.weight", random_uniform(out, in, 3, 3, -1, 1, rng));
  add(&store, "n.weight", random_uniform(1, out, 1, 1, 0.5, 2, rng));
  add(&store, "n.bias", random_uniform(1, out, 1, 1, -1, 1, rng));
  add(&store, "n.running_mean", random_uniform(1, out, 1, 1, -1, 1, rng));
  add(&store, "n.running_var", random_uniform(1, out, 1, 1, 0, 2, rng));
  return store;
}

std::vector<double> doubles(const WeightStore& store, const std::string& name) {
  const auto v = store.floats(name);
  EXPECT_TRUE(v.ok()) << v.status().message();
  return {v->begin(), v->end()};
}

TEST(FoldConv, EqualsConvolutionThenBatchNorm) {
  std::mt19937 rng(81);
  const WeightStore store = store_with_norm(7, 5, rng);
  const auto folded = fold_conv(store, {"c", "n"}, {7, 5, 3, 3});
  ASSERT_TRUE(folded.ok()) << folded.status().message();
  const Tensor x = random_uniform(2, 5, 6, 4, -1, 1, rng), weight(7, 5, 3, 3, doubles(store, "c.weight"));
  const Tensor expected = batch_norm(convolution(x, weight, 1, 1), doubles(store, "n.weight"), doubles(store, "n.bias"),
                                     doubles(store, "n.running_mean"), doubles(store, "n.running_var"));
  Tensor actual =
      convolution(x, Tensor(7, 5, 3, 3, std::vector<double>(folded->weight.begin(), folded->weight.end())), 1, 1);
  for (size_t i = 0; i < actual.v.size(); ++i) actual.v[i] += folded->bias[i / 24 % 7];
  EXPECT_TRUE(close(expected, actual, {.relative = 2e-7}));  // the folded weights are rounded to float
}

TEST(FoldConv, WithoutNormItIsTheBias) {
  std::mt19937 rng(82);
  WeightStore store;
  const Tensor weight = random_uniform(3, 2, 1, 1, -1, 1, rng);
  add(&store, "c.weight", weight);
  add(&store, "c.bias", Tensor(1, 3, 1, 1, std::vector<double>{1, 2, 3}));
  const auto folded = fold_conv(store, {"c", ""}, {3, 2, 1, 1});
  ASSERT_TRUE(folded.ok()) << folded.status().message();
  EXPECT_EQ(folded->weight, to_floats(weight.v));
  EXPECT_EQ(folded->bias, (std::vector<float>{1, 2, 3}));
}

TEST(FoldConv, NamesWhatIsWrong) {
  std::mt19937 rng(83);
  const auto message = [&](auto change) {
    WeightStore store = store_with_norm(4, 3, rng);
    change(store);
    const Status status = fold_conv(store, {"c", "n"}, {4, 3, 3, 3}).status();
    EXPECT_EQ(status.code(), Code::model);
    return status.message();
  };
  const auto mentions = [](const std::string& text, const char* part) { return text.find(part) != std::string::npos; };
  EXPECT_TRUE(mentions(message([](WeightStore& s) { s.tensors.erase("n.running_mean"); }), "n.running_mean"));
  EXPECT_TRUE(mentions(message([](WeightStore& s) { s.add("n.running_var", {4}, {1, 1, -1, 1}); }), "n.running_var"));
  EXPECT_TRUE(mentions(message([](WeightStore& s) { s.add("n.weight", {3}, {1, 1, 1}); }), "n.weight"));
  EXPECT_TRUE(mentions(message([](WeightStore& s) {
                         s.add("n.weight", {4}, {1, 1e38f, 1, 1});
                         s.add("n.running_var", {4}, {1, 0, 1, 1});
                       }),
                       "c.weight"));
  EXPECT_TRUE(mentions(message([](WeightStore& s) {
                         s.add("n.running_mean", {4}, {0, 3e38f, 0, 0});
                         s.add("n.running_var", {4}, {1, 0, 1, 1});
                       }),
                       "n gives an offset"));
}

TEST(SpreadInputs, MovesEveryPartToItsBlocks) {
  const ConcatParts parts = {2, 17};
  EXPECT_EQ(padded_channels(parts), 48);
  EXPECT_EQ(padded_channels({16, 32}), 48);
  std::vector<float> weight(2 * 19 * 4);
  for (size_t i = 0; i < weight.size(); ++i) weight[i] = static_cast<float>(i + 1);
  const std::vector<float> spread = spread_inputs(weight, 2, 4, parts);
  ASSERT_EQ(spread.size(), 2u * 48 * 4);
  size_t next = 0;
  for (size_t o = 0; o < 2; ++o)
    for (size_t c = 0; c < 48; ++c)
      for (size_t t = 0; t < 4; ++t) {
        const bool real = c < 2 || (c >= 16 && c < 33);
        EXPECT_EQ(spread[(o * 48 + c) * 4 + t], real ? weight[next++] : 0.0f);
      }
}

}  // namespace
}  // namespace gpen::test
