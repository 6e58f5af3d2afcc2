#include "bench/peer_onednn.h"

#include <omp.h>

#include <cstring>
#include <dnnl.hpp>
#include <unordered_map>

namespace gpen::bench {

namespace {

using dnnl::memory;

// Everything but the primitive's kind: what both kinds of convolution are made from.
struct Shapes {
  memory::desc src, weights, dst;
  memory::dims strides, padding;
};

memory::desc any_layout(const memory::dims& dims) { return {dims, memory::data_type::f32, memory::format_tag::any}; }
memory::desc planar(const memory::dims& dims) { return {dims, memory::data_type::f32, memory::format_tag::abcd}; }

// Since version 3 a primitive descriptor is made at once; before, from an operation descriptor.
template <class Convolution>
typename Convolution::primitive_desc describe(dnnl::algorithm algorithm, const Shapes& s, const dnnl::engine& engine) {
  constexpr auto kKind = dnnl::prop_kind::forward_inference;
#if DNNL_VERSION_MAJOR >= 3
  return {engine, kKind, algorithm, s.src, s.weights, s.dst, s.strides, s.padding, s.padding};
#else
  return {{kKind, algorithm, s.src, s.weights, s.dst, s.strides, s.padding, s.padding}, engine};
#endif
}

}  // namespace

struct OnednnLayer::Impl {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  dnnl::primitive primitive;
  memory src, weights, dst;
  memory::dims dst_dims;
  std::unordered_map<int, memory> arguments;
  std::string implementation;
  int threads = 1;

  // A tensor in the layout that the primitive asks for.
  memory reordered(const std::vector<float>& values, const memory::dims& dims, const memory::desc& wanted) {
    memory from(planar(dims), engine, const_cast<float*>(values.data()));  // oneDNN only reads it
    memory to(wanted, engine);
    dnnl::reorder(from, to).execute(stream, from, to);
    stream.wait();
    return to;
  }

  template <class Convolution>
  void build(dnnl::algorithm algorithm, const Problem& p, const std::vector<float>& weight,
             const std::vector<float>& x) {
    const int64_t side = bare_in_side(p), out = bare_out_side(p), stride = p.kind == Kind::up || p.kind == Kind::down ? 2 : 1;
    const int64_t pad = p.kind == Kind::conv ? 1 : 0;
    const memory::dims src_dims = {1, p.in, side, side}, weight_dims = {p.out, p.in, 3, 3};
    dst_dims = {1, p.out, out, out};
    const auto description = describe<Convolution>(
        algorithm, {any_layout(src_dims), any_layout(weight_dims), any_layout(dst_dims), {stride, stride}, {pad, pad}},
        engine);
    implementation = description.impl_info_str();
    primitive = Convolution(description);
    src = reordered(x, src_dims, description.src_desc());
    weights = reordered(weight, weight_dims, description.weights_desc());
    dst = memory(description.dst_desc(), engine);
    arguments = {{DNNL_ARG_SRC, src}, {DNNL_ARG_WEIGHTS, weights}, {DNNL_ARG_DST, dst}};
  }
};

OnednnLayer::OnednnLayer() : impl_(std::make_unique<Impl>()) {}
OnednnLayer::OnednnLayer(OnednnLayer&&) noexcept = default;
OnednnLayer& OnednnLayer::operator=(OnednnLayer&&) noexcept = default;
OnednnLayer::~OnednnLayer() = default;

Result<OnednnLayer> OnednnLayer::make(const Problem& p, const std::vector<float>& weight, const std::vector<float>& x,
                                      int threads) {
  try {
    omp_set_num_threads(threads);
    OnednnLayer layer;
    if (p.kind == Kind::up)
      layer.impl_->build<dnnl::deconvolution_forward>(dnnl::algorithm::deconvolution_direct, p, weight, x);
    else
      layer.impl_->build<dnnl::convolution_forward>(dnnl::algorithm::convolution_auto, p, weight, x);
    return layer;
  } catch (const dnnl::error& e) {
    return fail(e.status == dnnl_out_of_memory ? Code::memory : Code::internal, "oneDNN: ", e.what());
  }
}

void OnednnLayer::run() {
  impl_->primitive.execute(impl_->stream, impl_->arguments);
  impl_->stream.wait();
}

std::vector<float> OnednnLayer::output() const {
  int64_t count = 1;
  for (const int64_t d : impl_->dst_dims) count *= d;
  std::vector<float> values(static_cast<size_t>(count));
  memory to(planar(impl_->dst_dims), impl_->engine, values.data());
  memory from = impl_->dst;
  dnnl::reorder(from, to).execute(impl_->stream, from, to);
  impl_->stream.wait();
  return values;
}

const std::string& OnednnLayer::implementation() const { return impl_->implementation; }

std::string onednn_version() {
  const dnnl_version_t* v = dnnl_version();
  return concat(v->major, ".", v->minor, ".", v->patch);
}

}  // namespace gpen::bench
