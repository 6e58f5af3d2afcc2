#include "bench/gpu_layer.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "runtime/bfloat16.h"
#include "runtime/element.h"

namespace gpen::bench {

namespace {

void store(float value, ElementType type, uint8_t* to) {
  if (type == ElementType::f32) {
    std::memcpy(to, &value, sizeof(value));
    return;
  }
  const uint16_t bits = type == ElementType::f16 ? float_to_half(value) : float_to_bfloat16(value);
  std::memcpy(to, &bits, sizeof(bits));
}

// Calls fn(index in nhwc order, channel block, offset in the block) for every element, in parallel over the rows.
template <class Fn>
void for_each_element(const TensorView& t, ThreadPool& pool, Fn fn) {
  pool.parallel_for(t.h, [&](int64_t row, int) {
    for (int64_t b = 0; b < t.blocks(); ++b)
      for (int64_t p = row * t.w; p < (row + 1) * t.w; ++p)
        for (int64_t c = 0; c < kBlock; ++c) fn((p * t.blocks() + b) * kBlock + c, b, p * kBlock + c);
  });
}

// `n` times the same on the device, one after the other.
Result<DeviceBuffer> repeated(const std::vector<uint8_t>& bytes, int64_t n, std::shared_ptr<Device> device) {
  GPEN_ASSIGN(DeviceBuffer all, DeviceBuffer::make(device, bytes.size() * static_cast<size_t>(n)));
  if (bytes.empty()) return all;
  device->upload(all.data(), bytes.data(), bytes.size());
  for (int64_t i = 1; i < n; ++i)
    device->copy(static_cast<uint8_t*>(all.data()) + static_cast<size_t>(i) * bytes.size(), all.data(), bytes.size());
  return all;
}

std::vector<float> repeated(const std::vector<float>& row, int64_t n) {
  std::vector<float> rows;
  for (int64_t i = 0; i < n; ++i) rows.insert(rows.end(), row.begin(), row.end());
  return rows;
}

TensorView device_view(const DeviceBuffer& memory, int64_t n, int64_t c, int64_t side, ElementType type) {
  return make_view(memory.floats(), n, c, side, side, Layout::nhwc, type);
}

}  // namespace

std::vector<uint8_t> device_elements(const TensorView& t, ElementType type, ThreadPool& pool) {
  const auto size = static_cast<size_t>(size_of(type));
  std::vector<uint8_t> out(static_cast<size_t>(t.image_size()) * size);
  for_each_element(t, pool, [&](int64_t index, int64_t b, int64_t offset) {
    store(t.block(0, b)[offset], type, out.data() + static_cast<size_t>(index) * size);
  });
  return out;
}

void from_device_elements(const std::vector<uint8_t>& from, ElementType type, TensorView to, ThreadPool& pool) {
  for_each_element(to, pool, [&](int64_t index, int64_t b, int64_t offset) {
    to.block(0, b)[offset] = element_at(from.data(), index, type);
  });
}

double device_error_limit(const Problem& p, Precision precision) {
  switch (precision) {
    case Precision::fp32:
      return error_limit(p);
    case Precision::tf32:
    case Precision::fp16:
      return 16 * 0x1p-11;
    case Precision::fp16_fast:
      return 16 * 0x1p-10;
    case Precision::bf16:
      return 16 * 0x1p-8;
  }
  return 0;
}

Result<GpuLayer> GpuLayer::make(LayerData& data, std::shared_ptr<Device> device, Precision precision, int64_t batch,
                                ThreadPool& pool) {
  const Problem& p = data.problem;
  if (!data.stem_weight.empty())
    return fail(Code::internal, p.name, ": a device reads the stem's tensor; make the data without a stem");
  const ElementType type = storage_of(precision);
  const Placement at(pool, device, precision);
  const int64_t split = p.feature > 0 ? p.in - p.feature : 0;
  GpuLayer layer;
  layer.data_ = &data;
  layer.pool_ = &pool;
  layer.device_ = device;
  layer.precision_ = precision;
  if (p.kind == Kind::up) {
    GPEN_ASSIGN(layer.up_, UpConv2dWeights::pack(p.in, p.out, data.weight.data(), data.scale, data.bias, at, split,
                                                 ConvAlgorithm::automatic, precision));
  } else {
    GPEN_ASSIGN(layer.conv_, Conv2dWeights::pack(p.geometry(), data.weight.data(), data.scale, data.bias, at,
                                                 ConvAlgorithm::automatic, split, precision));
  }
  GPEN_ASSIGN(layer.x_, repeated(device_elements(data.x, type, pool), batch, device));
  layer.in_.x = device_view(layer.x_, batch, data.x.c, p.side, type);
  if (p.feature > 0) {
    GPEN_ASSIGN(layer.feature_, repeated(device_elements(data.feature, type, pool), batch, device));
    layer.in_.feature = device_view(layer.feature_, batch, p.feature, p.side, type);
    layer.in_.feature_gain = data.feature_gain;
    GPEN_ASSIGN(layer.feature_bias_, ParameterVector::make(at, data.feature_bias));
    layer.in_.feature_bias = layer.feature_bias_.data();
  }
  layer.epilogue_ = data.epilogue();
  if (p.styled() && !data.style.empty()) {
    GPEN_ASSIGN(layer.in_scale_, ParameterVector::make(at, repeated(data.style, batch)));
    GPEN_ASSIGN(layer.out_scale_, ParameterVector::make(at, repeated(data.demodulation, batch)));
    layer.in_.in_scale = layer.in_scale_.data();
    layer.epilogue_.out_scale = layer.out_scale_.data();
  }
  const size_t out_bytes = static_cast<size_t>(data.y.image_size() * size_of(type));
  GPEN_ASSIGN(layer.y_, DeviceBuffer::make(device, out_bytes * static_cast<size_t>(batch)));
  // All bits set are NaN in every type.
  GPEN_ASSIGN(layer.poison_, repeated(std::vector<uint8_t>(out_bytes, 0xff), 1, device));
  layer.out_ = device_view(layer.y_, batch, p.out, p.out_side(), type);
  GPEN_RETURN_IF_ERROR(layer.plan());
  GPEN_RETURN_IF_ERROR(device->finish());
  return layer;
}

Status GpuLayer::plan() {
  GPEN_RETURN_IF_ERROR(device_->finish());  // the scratch memory may be in use
  ws_ = std::make_unique<Workspace>(device_);
  ws_->begin_plan();
  forward();
  return ws_->finish_plan();
}

void GpuLayer::forward() {
  Exec exec{*pool_, *ws_, device_.get(), storage_of(precision_)};
  if (data_->problem.kind == Kind::up)
    upconv2d(exec, up_, in_, epilogue_, out_);
  else
    conv2d(exec, conv_, in_, epilogue_, out_);
}

void GpuLayer::run() {
  ws_->begin_run();
  forward();
}

Result<double> GpuLayer::error(const std::vector<Sample>& samples) {
  const size_t image = poison_.bytes();
  for (int64_t i = 0; i < out_.n; ++i)
    device_->copy(static_cast<uint8_t*>(y_.data()) + static_cast<size_t>(i) * image, poison_.data(), image);
  run();
  std::vector<uint8_t> first(image), other(out_.n > 1 ? image : 0);
  device_->download(first.data(), y_.data(), image);
  bool same = true;
  for (int64_t i = 1; i < out_.n; ++i) {
    device_->download(other.data(), static_cast<uint8_t*>(y_.data()) + static_cast<size_t>(i) * image, image);
    same = same && other == first;
  }
  GPEN_RETURN_IF_ERROR(device_->finish());
  if (!same) return std::numeric_limits<double>::infinity();
  from_device_elements(first, storage_of(precision_), data_->y, *pool_);
  return sampled_error(samples, data_->y);
}

ConvWork GpuLayer::work() const {
  const Problem& p = data_->problem;
  const int64_t chunk = 128 / size_of(storage_of(precision_));  // GpuConvWeights::kChunkBytes
  const int64_t x_chunks = ceil_div(p.in - p.feature, chunk), feature_chunks = ceil_div(p.feature, chunk);
  ConvWork w;
  w.out_channels = ceil_div(p.out, kBlock) * kBlock;
  w.coefficient_bytes = static_cast<size_t>((x_chunks + 2 * feature_chunks) * chunk) * sizeof(float);
  if (p.kind == Kind::up) {
    w.phases = 4;
    for (int i = 0; i < 4; ++i) w.rows[i] = (p.side + 1 - i / 2) * (p.side + 1 - i % 2);
    w.taps = 4;
    w.steps = 4 * (x_chunks + feature_chunks);
  } else {
    w.rows[0] = p.out_side() * p.out_side();
    const ConvGeometry g = p.geometry();
    w.taps = 9;
    w.stride = g.stride;
    w.shift = g.upsample == 2 ? 1 : 0;
    w.steps = 9 * (x_chunks + feature_chunks);
    w.blur = p.kind == Kind::down;
  }
  return w;
}

}  // namespace gpen::bench
