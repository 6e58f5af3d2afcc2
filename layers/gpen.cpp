#include "layers/gpen.h"

#include <array>
#include <cassert>
#include <chrono>
#include <cmath>
#include <utility>

#include "kernels/layout.h"
#include "kernels/mapping.h"
#include "kernels/noise.h"
#include "kernels/rgb_stem.h"
#include "layers/gpen_weights.h"
#include "runtime/constants.h"

namespace gpen {

namespace {

// An activation of the decoder: the convolution's half, and what its second half is computed from.
struct Activation {
  ConvInput in;
  Workspace::Handle x, noise;
  bool owns_noise = false;
};

// The encoder's outputs, maps[i] at resolution 4 << i; the largest, maps[top], only as the picture it comes from.
struct Features {
  size_t top = 0;
  RgbStem stem;
  std::array<TensorView, kMaxLevels> maps;
  std::array<Workspace::Handle, kMaxLevels> handles;
};

constexpr size_t kMaxStyled = 3 * kMaxLevels;

// Per layer, [n][channels of the layer's input or output in padded order].
struct Styles {
  std::array<const float*, kMaxStyled> conv, demodulation, rgb;
};

}  // namespace

struct GpenNet::Impl {
  std::shared_ptr<const GpenWeights> weights;
  const GpenArch& arch = weights->arch;
  NetworkRun planned;
  std::vector<LayerTime>* times = nullptr;

  Impl(std::shared_ptr<const GpenWeights> loaded, const Processor& where)
      : weights(std::move(loaded)), planned(where) {}
  // outputs: the picture, the encoder's 4 x 4 map, the latent vector (n x style_dim x 1 x 1).
  Status forward(Exec& exec, const TensorView& input, std::span<const TensorView> outputs, uint64_t seed);
  void encode(Exec& exec, const TensorView& input, Features* out);
  void map_latent(Exec& exec, const TensorView& encoded, const TensorView& planar, float* latent);
  void modulate(Exec& exec, const float* latent, int64_t n, Styles* styles);

  // Runs one step and, when asked, notes its time.
  template <class Step>
  void timed(Exec& exec, const char* name, double multiply_adds, double multiplications, Step&& step) {
    if (times == nullptr || exec.dry()) return step();
    const auto start = std::chrono::steady_clock::now();
    step();
    if (exec.device != nullptr) exec.device->wait();
    const std::chrono::duration<double, std::milli> ms = std::chrono::steady_clock::now() - start;
    times->push_back({name, ms.count(), 2e-9 * multiply_adds, 2e-9 * multiplications});
  }
};

// The style vector of every image, [n][style_dim], and on the way the encoder's map as it is, planar.
void GpenNet::Impl::map_latent(Exec& exec, const TensorView& encoded, const TensorView& planar, float* latent) {
  (void)to_planar(exec, encoded, planar);
  mapping_network(exec, weights->final_linear, weights->style, planar.data, encoded.n, arch.style_dim, latent);
}

// The styles of all layers from the latent vectors, and the demodulation factors of the convolutions from the styles.
void GpenNet::Impl::modulate(Exec& exec, const float* latent, int64_t n, Styles* styles) {
  LinearJob jobs[kMaxStyled], demodulation[kMaxStyled];
  size_t count = 0;
  const auto add = [&](const LinearWeights& w, const float** style) {
    Workspace::Handle handle;  // kept to the end
    float* s = exec.ws.take(static_cast<size_t>(n * w.outputs()), &handle);
    jobs[count++] = {&w, latent, arch.style_dim, s, w.outputs()};
    *style = s;
  };
  for (size_t i = 0; i < weights->convs.size(); ++i) add(weights->convs[i].modulation(), &styles->conv[i]);
  for (size_t i = 0; i < weights->to_rgbs.size(); ++i) add(weights->to_rgbs[i].modulation(), &styles->rgb[i]);
  linear(exec, std::span(jobs, count), n, LinearForm::plain);
  for (size_t i = 0; i < weights->convs.size(); ++i) {
    const LinearWeights& w = weights->convs[i].squared_norms();
    Workspace::Handle handle;
    float* d = exec.ws.take(static_cast<size_t>(n * w.outputs()), &handle);
    demodulation[i] = {&w, styles->conv[i], weights->convs[i].style_floats(), d, w.outputs()};
    styles->demodulation[i] = d;
  }
  linear(exec, std::span(demodulation, weights->convs.size()), n, LinearForm::demodulation);
}

// Every output is kept until the decoder has used it.
void GpenNet::Impl::encode(Exec& exec, const TensorView& input, Features* out) {
  Workspace::Handle pixel_handle;
  const int64_t n = input.n;
  Workspace& ws = exec.ws;
  const size_t top = out->top = static_cast<size_t>(arch.encoder_levels() - 1);
  float* pixels = ws.take(static_cast<size_t>(n * input.plane() * 4), &pixel_handle);
  timed(exec, "encoder", 0, 0, [&] { to_stem_pixels(exec, input, pixels); });
  const RgbStem stem = out->stem = {pixels, weights->ecd0.data()};
  auto& features = out->maps;
  features[top] = make_view(nullptr, n, arch.encoder_channels[top], arch.in_size, arch.in_size, Layout::nchw16c);
  // Where ecd0 is all of the encoder it is stored; a device stores it always.
  const bool stored = top == 0 || exec.device != nullptr;
  if (stored) {
    features[top] = exec.activation(n, features[top].c, arch.in_size, arch.in_size, &out->handles[top]);
    timed(exec, "encoder", 0, 0, [&] { apply_rgb_stem(exec, stem, features[top]); });
    out->stem = {};
  }
  ConvEpilogue activation;
  activation.slope = 0.2f;
  activation.gain = 1.41421356237309515f;  // fused_lrelu
  for (size_t level = top; level-- > 0;) {
    const int64_t size = 4 << level;
    features[level] = exec.activation(n, arch.encoder_channels[level], size, size, &out->handles[level]);
    ConvInput in;
    in.x = features[level + 1];
    if (level + 1 == top) in.stem = out->stem;
    const Conv2dWeights& conv = weights->ecd[top - 1 - level];
    const ConvGeometry& g = conv.geometry();
    timed(exec, "encoder", static_cast<double>(n * size * size * g.in_channels * g.out_channels * 9),
          static_cast<double>(n) * conv.multiplications(in.x.h, in.x.w),
          [&] { conv2d(exec, conv, in, activation, features[level]); });
  }
}

Status GpenNet::Impl::forward(Exec& exec, const TensorView& input, std::span<const TensorView> outputs, uint64_t seed) {
  const int64_t n = input.n;
  Workspace& ws = exec.ws;
  const int levels = arch.levels(), encoder_levels = arch.encoder_levels();

  Features features;
  encode(exec, input, &features);

  const double mapping = static_cast<double>(n) * (arch.mlp_layers * 1.0 * arch.style_dim * arch.style_dim +
                                                   16.0 * arch.encoder_channels[0] * arch.style_dim);
  float* const latent = outputs[2].data;
  timed(exec, "mapping", mapping, mapping, [&] { map_latent(exec, features.maps[0], outputs[1], latent); });
  Styles styles;
  timed(exec, "styles", 0, 0, [&] { modulate(exec, latent, n, &styles); });

  // Decoder. `now` is the activation the next layer reads.
  Activation now;
  const int64_t c0 = arch.channels[0];
  now.in.x = exec.activation(1, c0, 4, 4, &now.x);
  const TensorView planar_constant = make_view(const_cast<float*>(weights->constant.data()), 1, c0, 4, 4);
  GPEN_RETURN_IF_ERROR(to_blocked(exec, planar_constant, now.in.x));
  now.in.x.n = n;
  now.in.x.batch_stride = 0;  // the same constant for every image
  TensorView skip;
  Workspace::Handle skip_handle;

  // A convolution, and with_rgb also the level's to_rgb: on a device as a part of the convolution, which may then be
  // one kernel for both, wherever the feature is there before it.
  auto styled = [&](size_t index, int level, bool with_rgb) {
    const StyledConv& conv = weights->convs[index];
    const size_t at_level = static_cast<size_t>(level);
    const int64_t size = 4 << level;
    const bool last = level == levels - 1;
    const bool noise = level >= encoder_levels;  // FullGenerator_SR above its input's size: fresh for each convolution
    Activation next;
    next.in.x = exec.activation(n, conv.out_channels(), size, size, &next.x);
    next.in.feature_gain = conv.noise_weight();
    next.in.feature_bias = conv.feature_bias();
    if (!noise) next.in.feature = features.maps[at_level];
    if (at_level == features.top) next.in.stem = features.stem;
    TensorView rgb;
    Workspace::Handle rgb_handle;
    const auto take_rgb = [&] { rgb = last ? outputs[0] : ws.tensor(n, 3, size, size, Layout::nchw, &rgb_handle); };
    const bool together = with_rgb && exec.device != nullptr && !noise;
    RgbOutput output;
    if (together) {
      take_rgb();
      output = weights->to_rgbs[at_level].output(next.in, styles.rgb[at_level], skip, rgb);
      output.only_rgb = last;
    }
    const double input_pixels = static_cast<double>(n * now.in.x.plane());
    timed(exec, weights->names[index].c_str(), conv.multiply_adds_per_input_pixel() * input_pixels,
          static_cast<double>(n) * conv.multiplications(now.in.x.h, now.in.x.w), [&] {
            conv.forward(exec, now.in, styles.conv[index], styles.demodulation[index], next.in.x,
                         together ? &output : nullptr);
          });
    ws.give_back(now.x);
    if (now.owns_noise) ws.give_back(now.noise);
    if (noise) {
      next.in.feature = exec.activation(n, conv.out_channels(), size, size, &next.noise);
      next.owns_noise = true;
      fill_normal_noise(exec, seed, index, next.in.feature);
    }
    now = next;
    if (!with_rgb) return;
    if (!together) {
      take_rgb();
      const auto products = static_cast<double>(n * size * size * 6 * conv.out_channels());
      timed(exec, "to_rgb", products, products,
            [&] { weights->to_rgbs[at_level].forward(exec, now.in, styles.rgb[at_level], skip, rgb); });
    }
    if (level > 0) ws.give_back(skip_handle);
    skip = rgb;
    skip_handle = rgb_handle;
  };

  styled(0, 0, true);
  for (int level = 1; level < levels; ++level) {
    const size_t up = static_cast<size_t>(2 * level - 1);
    styled(up, level, false);
    if (level - 1 < encoder_levels && features.handles[static_cast<size_t>(level - 1)].id >= 0)
      ws.give_back(features.handles[static_cast<size_t>(level - 1)]);
    styled(up + 1, level, true);
  }
  return Status();
}

GpenNet::GpenNet(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
GpenNet::GpenNet(GpenNet&&) noexcept = default;
GpenNet& GpenNet::operator=(GpenNet&&) noexcept = default;
GpenNet::~GpenNet() = default;

Result<GpenNet> GpenNet::load(const WeightStore& store, const Processor& where) {
  GPEN_ASSIGN(auto weights, GpenWeights::load(store, where));
  return GpenNet(std::make_unique<Impl>(std::move(weights), where));
}

GpenNet GpenNet::share(std::shared_ptr<ThreadPool> pool) const {
  assert(device() == nullptr);
  return GpenNet(std::make_unique<Impl>(impl_->weights, Processor(std::move(pool))));
}

const GpenArch& GpenNet::arch() const { return impl_->arch; }
const std::shared_ptr<Device>& GpenNet::device() const { return impl_->planned.device(); }

namespace {

// The views of the outputs beside the picture, without memory.
std::array<TensorView, 3> output_views(const GpenArch& arch, const TensorView& output) {
  return {output, make_view(nullptr, output.n, arch.encoder_channels[0], 4, 4),
          make_view(nullptr, output.n, arch.style_dim, 1, 1)};
}

}  // namespace

Status GpenNet::forward(const TensorView& input, TensorView output, uint64_t seed, const Extra* extra) {
  Impl& m = *impl_;
  const int64_t in = m.arch.in_size, out = m.arch.out_size;
  if (input.n < 1 || input.c != 3 || input.h != in || input.w != in || input.layout != Layout::nchw)
    return fail(Code::usage, "GPEN: input is ", input.shape_string(), ", expected Nx3x", in, "x", in, " planar");
  if (output.n != input.n || output.c != 3 || output.h != out || output.w != out || output.layout != Layout::nchw)
    return fail(Code::usage, "GPEN: output is ", output.shape_string(), ", expected ", input.n, "x3x", out, "x", out);
  m.times = extra != nullptr ? extra->times : nullptr;
  if (m.times != nullptr) m.times->clear();
  const int64_t shape[] = {input.n, m.times != nullptr};
  const bool recordable = m.times == nullptr && m.arch.in_size == m.arch.out_size;  // no times, no seed
  GPEN_RETURN_IF_ERROR(m.planned.run(
      shape, std::span(&input, 1), output_views(m.arch, output),
      [&](Exec& exec, std::span<const TensorView> inputs, std::span<const TensorView> results) {
        return m.forward(exec, inputs[0], results, seed);
      },
      recordable));
  if (extra != nullptr && extra->encoder_4x4 != nullptr) m.planned.read_output(1, extra->encoder_4x4);
  if (extra != nullptr && extra->latent != nullptr) m.planned.read_output(2, extra->latent);
  return m.planned.finish();
}

size_t GpenNet::arena_bytes() const { return impl_->planned.peak_bytes(); }
size_t GpenNet::held_bytes() const { return impl_->planned.held_bytes(); }
void GpenNet::release_memory() { impl_->planned.release(); }

size_t GpenNet::arena_bytes_for(int64_t n) const {
  Impl& m = *impl_;
  const TensorView input = make_view(nullptr, n, 3, m.arch.in_size, m.arch.in_size);
  // The caller's picture is not of the arena on the processor.
  float unused;
  const TensorView output = make_view(&unused, n, 3, m.arch.out_size, m.arch.out_size);
  TensorView given = input;
  given.data = &unused;
  std::vector<LayerTime>* const times = std::exchange(m.times, nullptr);
  const size_t bytes =
      m.planned.bytes_for(std::span(&given, 1), output_views(m.arch, output),
                          [&](Exec& exec, std::span<const TensorView> inputs, std::span<const TensorView> results) {
                            return m.forward(exec, inputs[0], results, 0);
                          });
  m.times = times;
  return bytes;
}

size_t GpenNet::weight_bytes() const { return impl_->weights->packed_bytes(); }

}  // namespace gpen
