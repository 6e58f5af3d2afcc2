// RetinaFace: both backbones, against the published answers and a double-precision network.
#include "layers/retinaface.h"

#include <cmath>

#include "support/network_cases.h"

namespace gpen::test {
namespace {

RetinaFaceNet loaded(const WeightStore& store, int pool_threads = 2) {
  auto net = RetinaFaceNet::load(store, std::make_shared<ThreadPool>(pool_threads));
  EXPECT_TRUE(net.ok()) << net.status().message();
  return std::move(net).value();
}

RetinaFaceNet::Output forward(RetinaFaceNet& net, const Tensor& input) {
  const Planar in(input);
  RetinaFaceNet::Output out;
  const Status status = net.forward(in.view(), &out);
  EXPECT_TRUE(status.ok()) << status.message();
  return out;
}

Tensor anchors_tensor(int64_t n, const RetinaFaceNet::Output& out, const std::vector<float>& values) {
  const int64_t each = static_cast<int64_t>(values.size()) / n / std::max<int64_t>(out.anchors, 1);
  return Tensor(1, n, out.anchors, each, std::vector<double>(values.begin(), values.end()));
}

TEST(RetinaFace, Resnet50Golden) {
  GPEN_NEEDS_SHARED("golden/retinaface_r50.safetensors");
  RetinaFaceNet net = loaded(formula_weights("retinaface-r50"));
  const WeightStore golden = golden_store("golden/retinaface_r50.safetensors");
  const auto out = forward(net, formula_input("retinaface_r50.input", 1, 3, 96, 128, 100));
  ASSERT_EQ(out.anchors, 504);
  for (const auto& [name, values] : {std::pair("loc", &out.loc), {"conf", &out.conf}, {"landms", &out.landms}}) {
    const double error = relative_error(golden_tensor(golden, name), anchors_tensor(1, out, *values));
    RecordProperty(name, concat(error));
    EXPECT_LE(error, kNetworkTolerance) << name;
  }
}

// The MobileNet in double precision, unfolded, as the formulas say it.
class DoubleMobile {
 public:
  explicit DoubleMobile(const WeightStore& store) : store_(store) {}
  // loc, conf and landms of the three levels, [anchors][values].
  std::vector<std::vector<double>> run(const Tensor& input) const {
    std::vector<Tensor> c;
    Tensor x = leaky(norm(conv(input, "body.stage1.0.0", 2), "body.stage1.0.1"));
    const std::vector<std::vector<int>> strides = {{1, 2, 1, 2, 1}, {2, 1, 1, 1, 1, 1}, {2, 1}};
    for (size_t stage = 0; stage < 3; ++stage) {
      for (size_t i = 0; i < strides[stage].size(); ++i) {
        const std::string name = concat("body.stage", stage + 1, ".", i + (stage == 0 ? 1 : 0), ".");
        x = depthwise_convolution(x, golden_tensor(store_, name + "0.weight"), strides[stage][i], 1);
        x = leaky(norm(x, name + "1"));
        x = leaky(norm(conv(x, name + "3", 1), name + "4"));
      }
      c.push_back(x);
    }
    Tensor p[3];
    for (size_t i = 0; i < 3; ++i) p[i] = unit(c[i], concat("fpn.output", i + 1), true);
    p[1] = unit(sum(p[1], upsample_nearest(p[2], p[1].h, p[1].w)), "fpn.merge2", true);
    p[0] = unit(sum(p[0], upsample_nearest(p[1], p[0].h, p[0].w)), "fpn.merge1", true);
    std::vector<std::vector<double>> out(3);
    for (size_t i = 0; i < 3; ++i) {
      const std::string ssh = concat("ssh", i + 1, ".");
      const Tensor t = unit(p[i], ssh + "conv5X5_1", true);
      const Tensor b = unit(t, ssh + "conv5X5_2", false);
      const Tensor d = unit(unit(t, ssh + "conv7X7_2", true), ssh + "conv7x7_3", false);
      const Tensor f = map(concat_channels(concat_channels(unit(p[i], ssh + "conv3X3", false), b), d),
                           [](double v) { return std::max(v, 0.0); });
      head(f, concat("BboxHead.", i), 4, &out[0]);
      head(f, concat("ClassHead.", i), 2, &out[1]);
      head(f, concat("LandmarkHead.", i), 10, &out[2]);
    }
    for (size_t i = 0; i < out[1].size(); i += 2) {
      const double a = std::exp(out[1][i]), b = std::exp(out[1][i + 1]);
      out[1][i] = a / (a + b);
      out[1][i + 1] = b / (a + b);
    }
    return out;
  }

 private:
  static Tensor leaky(const Tensor& x) {
    return map(x, [](double v) { return lrelu(v, 0.1); });
  }
  static Tensor sum(Tensor a, const Tensor& b) {
    for (size_t i = 0; i < a.v.size(); ++i) a.v[i] += b.v[i];
    return a;
  }
  Tensor conv(const Tensor& x, const std::string& name, int stride) const {
    const Tensor w = golden_tensor(store_, name + ".weight");
    return convolution(x, w, stride, static_cast<int>(w.h / 2));
  }
  Tensor norm(const Tensor& x, const std::string& name) const {
    return batch_norm(x, golden_vector(store_, name + ".weight"), golden_vector(store_, name + ".bias"),
                      golden_vector(store_, name + ".running_mean"), golden_vector(store_, name + ".running_var"));
  }
  Tensor unit(const Tensor& x, const std::string& name, bool activate) const {
    const Tensor y = norm(conv(x, name + ".0", 1), name + ".1");
    return activate ? leaky(y) : y;
  }
  void head(const Tensor& x, const std::string& name, int64_t values, std::vector<double>* out) const {
    const Tensor y = conv(x, name + ".conv1x1", 1);
    const std::vector<double> bias = golden_vector(store_, name + ".conv1x1.bias");
    for (int64_t i = 0; i < y.h; ++i)
      for (int64_t j = 0; j < y.w; ++j)
        for (int64_t k = 0; k < 2 * values; ++k) out->push_back(y.at(0, k, i, j) + bias[static_cast<size_t>(k)]);
  }
  const WeightStore& store_;
};

TEST(RetinaFace, MobileNetEqualsTheDoublePrecisionNetwork) {
  const WeightStore store = formula_weights("retinaface-mobilenet0.25");
  RetinaFaceNet net = loaded(store);
  EXPECT_EQ(net.arch().backbone, RetinaFaceArch::Backbone::mobilenet025);
  // Odd sides: 45 -> 23 -> 12 -> 6 -> 3 -> 2, so that the pyramid's levels are not exactly half of each other.
  const Tensor input = formula_input("mobilenet.input", 1, 3, 45, 70, 100);
  const auto out = forward(net, input);
  ASSERT_EQ(out.anchors, 2 * (6 * 9 + 3 * 5 + 2 * 3));
  const auto expected = DoubleMobile(store).run(input);
  const std::vector<float>* actual[] = {&out.loc, &out.conf, &out.landms};
  for (size_t i = 0; i < 3; ++i) {
    const int64_t count = static_cast<int64_t>(expected[i].size());
    const Tensor e(1, 1, 1, count, expected[i]), a(1, 1, 1, count, {actual[i]->begin(), actual[i]->end()});
    const double error = relative_error(e, a);
    RecordProperty(concat("output", i), concat(error));
    EXPECT_LE(error, 2e-6);
  }
}

TEST(RetinaFace, BatchesThreadsAndRunsAreBitwiseEqual) {
  const WeightStore store = formula_weights("retinaface-mobilenet0.25");
  RetinaFaceNet one = loaded(store, 1), three = loaded(store, 3);
  const Tensor a = formula_input("a", 1, 3, 40, 33, 100), b = formula_input("b", 1, 3, 40, 33, 100);
  const auto first = forward(one, a), second = forward(one, b);
  EXPECT_EQ(first.loc, forward(one, a).loc);
  EXPECT_EQ(first.landms, forward(three, a).landms);
  const auto both = forward(three, stacked(a, b));
  EXPECT_EQ(both.anchors, first.anchors);
  const auto joined = [](std::vector<float> x, const std::vector<float>& y) {
    x.insert(x.end(), y.begin(), y.end());
    return x;
  };
  EXPECT_EQ(both.loc, joined(first.loc, second.loc));
  EXPECT_EQ(both.conf, joined(first.conf, second.conf));
  EXPECT_EQ(both.landms, joined(first.landms, second.landms));
}

TEST(RetinaFace, TakesAnySize) {
  RetinaFaceNet net = loaded(formula_weights("retinaface-mobilenet0.25"));
  for (const auto& [h, w] : {std::pair<int64_t, int64_t>{1, 1}, {1, 300}, {33, 2}, {32, 64}}) {
    const auto out = forward(net, formula_input("any", 1, 3, h, w, 100));
    int64_t anchors = 0;
    for (const int64_t stride : {8, 16, 32}) anchors += 2 * ceil_div(h, stride) * ceil_div(w, stride);
    EXPECT_EQ(out.anchors, anchors) << h << "x" << w;
    for (size_t i = 0; i < out.conf.size(); i += 2) EXPECT_NEAR(out.conf[i] + out.conf[i + 1], 1, 1e-6);
  }
}

TEST(RetinaFace, RefusesWrongShapesAndWeights) {
  const WeightStore store = formula_weights("retinaface-mobilenet0.25");
  RetinaFaceNet net = loaded(store);
  const Planar gray(1, 1, 8, 8), none(1, 3, 0, 8);
  RetinaFaceNet::Output out;
  EXPECT_EQ(net.forward(gray.view(), &out).code(), Code::usage);
  EXPECT_EQ(net.forward(none.view(), &out).code(), Code::usage);
  WeightStore broken = store;
  broken.tensors.erase("ssh2.conv7x7_3.1.running_var");
  const Status status = RetinaFaceNet::load(broken, std::make_shared<ThreadPool>(1)).status();
  EXPECT_EQ(status.code(), Code::model);
  EXPECT_NE(status.message().find("ssh2.conv7x7_3.1.running_var"), std::string::npos) << status.message();
}

}  // namespace
}  // namespace gpen::test
