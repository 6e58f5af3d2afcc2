#include "app/bench_network.h"

#include "layers/gpen.h"
#include "layers/parsenet.h"
#include "layers/retinaface.h"
#include "layers/rrdbnet.h"
#include "weights/synth.h"

namespace gpen::app {
namespace {

class BenchGpen : public BenchNetwork {
 public:
  explicit BenchGpen(GpenNet net) : net_(std::move(net)) {}
  Status prepare(int batch) override {
    const GpenArch& arch = net_.arch();
    input_ = make_input(batch, arch.in_size, arch.in_size, 1, &values_);
    output_.resize(static_cast<size_t>(batch) * 3 * static_cast<size_t>(arch.out_size) *
                   static_cast<size_t>(arch.out_size));
    output_view_ = make_view(output_.data(), batch, 3, arch.out_size, arch.out_size);
    return {};
  }
  Status forward(std::vector<LayerTime>* times) override {
    GpenNet::Extra extra;
    extra.times = times;
    return net_.forward(input_, output_view_, 0, times == nullptr ? nullptr : &extra);
  }
  const std::vector<float>& output() const override { return output_; }
  bool reports_layers() const override { return true; }

 private:
  GpenNet net_;
  std::vector<float> values_, output_;
  TensorView input_, output_view_;
};

class BenchRetinaFace : public BenchNetwork {
 public:
  explicit BenchRetinaFace(RetinaFaceNet net) : net_(std::move(net)) {}
  Status prepare(int batch) override {
    input_ = make_input(batch, 640, 640, 100, &values_);
    return {};
  }
  Status forward(std::vector<LayerTime>*) override { return net_.forward(input_, &out_); }
  const std::vector<float>& output() const override { return out_.loc; }

 private:
  RetinaFaceNet net_;
  std::vector<float> values_;
  TensorView input_;
  RetinaFaceNet::Output out_;
};

class BenchParseNet : public BenchNetwork {
 public:
  explicit BenchParseNet(ParseNet net) : net_(std::move(net)) {}
  Status prepare(int batch) override {
    const int64_t side = net_.arch().size;
    input_ = make_input(batch, side, side, 1, &values_);
    output_.resize(static_cast<size_t>(batch * net_.arch().classes * side * side));
    output_view_ = make_view(output_.data(), batch, net_.arch().classes, side, side);
    return {};
  }
  Status forward(std::vector<LayerTime>*) override { return net_.forward(input_, output_view_, {}); }
  const std::vector<float>& output() const override { return output_; }

 private:
  ParseNet net_;
  std::vector<float> values_, output_;
  TensorView input_, output_view_;
};

class BenchRrdbNet : public BenchNetwork {
 public:
  explicit BenchRrdbNet(RrdbNet net) : net_(std::move(net)) {}
  Status prepare(int batch) override {
    if (batch != 1) return fail(Code::usage, "--batch ", batch, ": the upscaler takes one picture at a time");
    input_ = make_input(1, 256, 256, 1, &values_);
    const int64_t side = 256 * net_.arch().scale;
    output_.resize(static_cast<size_t>(3 * side * side));
    output_view_ = make_view(output_.data(), 1, 3, side, side);
    return {};
  }
  Status forward(std::vector<LayerTime>*) override { return net_.forward(input_, output_view_); }
  const std::vector<float>& output() const override { return output_; }

 private:
  RrdbNet net_;
  std::vector<float> values_, output_;
  TensorView input_, output_view_;
};

template <class Bench, class Net>
Result<std::unique_ptr<BenchNetwork>> load_as(const WeightStore& store, const Processor& where) {
  GPEN_ASSIGN(Net net, Net::load(store, where));
  return std::unique_ptr<BenchNetwork>(new Bench(std::move(net)));
}

}  // namespace

TensorView BenchNetwork::make_input(int64_t n, int64_t h, int64_t w, double scale, std::vector<float>* values) {
  *values = formula_tensor("bench.input", n * 3 * h * w, scale);
  const TensorView view = make_view(values->data(), n, 3, h, w);
  input_shape_ = view.shape_string();
  return view;
}

Result<std::unique_ptr<BenchNetwork>> BenchNetwork::load(const WeightStore& store, const Processor& where) {
  GPEN_ASSIGN(const Architecture arch, detect_architecture(store));
  if (std::holds_alternative<GpenArch>(arch)) return load_as<BenchGpen, GpenNet>(store, where);
  if (std::holds_alternative<RetinaFaceArch>(arch)) return load_as<BenchRetinaFace, RetinaFaceNet>(store, where);
  if (std::holds_alternative<ParseNetArch>(arch)) return load_as<BenchParseNet, ParseNet>(store, where);
  return load_as<BenchRrdbNet, RrdbNet>(store, where);
}

}  // namespace gpen::app
