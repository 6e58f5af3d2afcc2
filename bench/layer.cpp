#include "bench/layer.h"

#include <algorithm>
#include <cmath>

#include "kernels/rgb_stem.h"
#include "runtime/constants.h"

namespace gpen::bench {

namespace {

// splitmix64: value i of a stream depends on seed and i alone, so that threads may fill in any order.
float noise(uint64_t seed, int64_t i) {
  uint64_t z = seed + static_cast<uint64_t>(i + 1) * 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  z ^= z >> 31;
  return static_cast<float>(static_cast<double>(z >> 40) * 0x1p-23 - 1);
}

class Filler {
 public:
  Filler(uint32_t seed, ThreadPool& pool) : stream_(uint64_t{seed} << 32), pool_(pool) {}

  std::vector<float> vector(int64_t n, float offset, float amplitude) {
    const uint64_t seed = next();
    std::vector<float> v(static_cast<size_t>(n));
    for (int64_t i = 0; i < n; ++i) v[static_cast<size_t>(i)] = offset + amplitude * noise(seed, i);
    return v;
  }
  // Zero from `count` up to the next whole block.
  void append_padded(std::vector<float>& v, int64_t count, float offset, float amplitude) {
    const std::vector<float> part = vector(count, offset, amplitude);
    v.insert(v.end(), part.begin(), part.end());
    v.resize(static_cast<size_t>(ceil_div(static_cast<int64_t>(v.size()), kBlock) * kBlock), 0.f);
  }
  // A blocked tensor of noise in memory of its own.
  Status tensor(int64_t channels, int64_t side, AlignedBuffer* memory, TensorView* view) {
    if (channels == 0) return {};
    GPEN_RETURN_IF_ERROR(allocate(channels, side, memory, view));
    const uint64_t seed = next();
    const TensorView& v = *view;
    pool_.parallel_for(v.blocks() * v.h, [&](int64_t item, int) {
      const int64_t b = item / v.h, row = item % v.h, real = std::min(kBlock, channels - b * kBlock);
      float* to = v.block(0, b) + row * v.w * kBlock;
      for (int64_t i = 0; i < v.w * kBlock; ++i) to[i] = i % kBlock < real ? noise(seed, item * v.w * kBlock + i) : 0.f;
    });
    return {};
  }
  static Status allocate(int64_t channels, int64_t side, AlignedBuffer* memory, TensorView* view) {
    *view = make_view(nullptr, 1, channels, side, side, Layout::nchw16c);
    const size_t bytes = static_cast<size_t>(view->image_size()) * sizeof(float);
    *memory = AlignedBuffer(bytes);
    view->data = memory->floats();
    if (view->data == nullptr) return fail(Code::memory, "no memory for a tensor of ", bytes >> 20, " MB");
    return {};
  }

 private:
  uint64_t next() { return stream_ += 0xD1342543DE82EF95u; }
  uint64_t stream_;
  ThreadPool& pool_;
};

// Instead of the tensor from the encoder: a picture, and the 1x1 convolution that makes the tensor of it.
Status replace_by_stem(LayerData& d, Filler& fill) {
  const bool feature = d.problem.feature > 0;
  (feature ? d.feature_memory : d.x_memory) = AlignedBuffer();
  (feature ? d.feature : d.x).data = nullptr;
  const int64_t channels = d.encoded().c, count = d.encoded().plane() * 4;
  d.pixels = AlignedBuffer(static_cast<size_t>(count) * sizeof(float));
  if (d.pixels.data() == nullptr) return fail(Code::memory, "no memory for a picture of ", count >> 18, " MB");
  const std::vector<float> picture = fill.vector(count, 0, 1);
  std::copy(picture.begin(), picture.end(), d.pixels.floats());
  const std::vector<float> weight = fill.vector(channels * 3, 0, std::sqrt(3.f)), bias = fill.vector(channels, 0, 0.1f);
  d.stem_weight = pack_rgb_stem(channels, weight.data(), 1 / std::sqrt(3.0), bias.data());
  return {};
}

}  // namespace

ConvInput LayerData::input() const {
  ConvInput in;
  in.x = x;
  in.in_scale = style.empty() ? nullptr : style.data();
  in.feature = feature;
  in.feature_gain = feature_gain;
  in.feature_bias = feature_bias.empty() ? nullptr : feature_bias.data();
  if (!stem_weight.empty()) in.stem = {pixels.floats(), stem_weight.data()};
  return in;
}

ConvEpilogue LayerData::epilogue() const {
  ConvEpilogue ep;
  ep.out_scale = demodulation.empty() ? nullptr : demodulation.data();
  if (!bias.empty()) {
    ep.slope = 0.2f;
    ep.gain = kSqrt2;
  }
  return ep;
}

Result<LayerData> make_layer_data(const Problem& p, bool bare, ThreadPool& pool, uint32_t seed) {
  LayerData d;
  d.problem = p;
  if (bare) {
    d.problem.feature = 0;
    d.problem.stem = false;
  }
  const int64_t feature = d.problem.feature;
  Filler fill(seed, pool);
  d.weight = fill.vector(p.in * p.out * 9, 0, std::sqrt(3.f));
  d.scale = 1 / std::sqrt(9 * static_cast<double>(p.in));
  GPEN_RETURN_IF_ERROR(fill.tensor(p.in - feature, p.side, &d.x_memory, &d.x));
  GPEN_RETURN_IF_ERROR(fill.tensor(feature, p.side, &d.feature_memory, &d.feature));
  if (d.problem.stem) GPEN_RETURN_IF_ERROR(replace_by_stem(d, fill));
  GPEN_RETURN_IF_ERROR(Filler::allocate(p.out, p.out_side(), &d.y_memory, &d.y));
  if (bare) return d;
  d.bias = fill.vector(p.out, 0, 0.1f);
  if (feature > 0) fill.append_padded(d.feature_bias, feature, 0, 0.1f);
  if (feature > 0) d.feature_gain = 0.7f;
  if (p.styled()) {
    fill.append_padded(d.style, p.in - feature, 1, 0.2f);
    fill.append_padded(d.style, feature, 1, 0.2f);
    fill.append_padded(d.demodulation, p.out, 1, 0.2f);
  }
  return d;
}

Result<Layer> Layer::make(LayerData& data, ConvAlgorithm algorithm, ThreadPool& pool, Precision precision) {
  const Problem& p = data.problem;
  const int64_t split = p.feature > 0 ? p.in - p.feature : 0;
  Layer layer;
  layer.data_ = &data;
  layer.pool_ = &pool;
  if (p.kind == Kind::up) {
    GPEN_ASSIGN(layer.up_, UpConv2dWeights::pack(p.in, p.out, data.weight.data(), data.scale, data.bias, pool, split,
                                                 algorithm, precision));
  } else {
    GPEN_ASSIGN(layer.conv_, Conv2dWeights::pack(p.geometry(), data.weight.data(), data.scale, data.bias, pool,
                                                 algorithm, split, precision));
  }
  layer.ws_ = std::make_unique<Workspace>();
  layer.ws_->begin_plan();
  layer.forward();
  GPEN_RETURN_IF_ERROR(layer.ws_->finish_plan());
  return layer;
}

void Layer::forward() {
  Exec exec{*pool_, *ws_};
  if (data_->problem.kind == Kind::up)
    upconv2d(exec, up_, data_->input(), data_->epilogue(), data_->y);
  else
    conv2d(exec, conv_, data_->input(), data_->epilogue(), data_->y);
}

void Layer::run() {
  ws_->begin_run();
  forward();
}

ConvAlgorithm Layer::algorithm() const { return data_->problem.kind == Kind::up ? up_.algorithm() : conv_.algorithm(); }

double Layer::compulsory_bytes() const {
  const bool up = data_->problem.kind == Kind::up;
  auto bytes = [](const TensorView& t) { return t.data == nullptr ? 0 : t.image_size() * sizeof(float); };
  return static_cast<double>(bytes(data_->x) + bytes(data_->feature) + bytes(data_->y) + data_->pixels.bytes()) +
         static_cast<double>(up ? up_.packed_bytes() : conv_.packed_bytes());
}

}  // namespace gpen::bench
