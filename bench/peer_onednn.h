// oneDNN's plain convolution (or transposed convolution) of a problem: no blur, no styles, no bias, no activation.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "bench/problems.h"

namespace gpen::bench {

class OnednnLayer {
 public:
  // side: of the input that oneDNN is given, in_side(p). weight: OIHW; x: planar. Layouts are oneDNN's own choice.
  // Code::internal with oneDNN's message when it refuses.
  static Result<OnednnLayer> make(const Problem& p, const std::vector<float>& weight, const std::vector<float>& x,
                                  int threads);
  OnednnLayer(OnednnLayer&&) noexcept;
  OnednnLayer& operator=(OnednnLayer&&) noexcept;
  ~OnednnLayer();

  // A downsampling layer is given the blurred picture, which has one row and column more.
  static int64_t in_side(const Problem& p) { return p.kind == Kind::down ? p.side + 1 : p.side; }
  // An upsampling one gives the picture before the blur.
  static int64_t out_side(const Problem& p) { return p.kind == Kind::up ? 2 * p.side + 1 : p.out_side(); }

  void run();
  std::vector<float> output() const;          // planar
  const std::string& implementation() const;  // oneDNN's name for what it chose

 private:
  struct Impl;
  OnednnLayer();
  std::unique_ptr<Impl> impl_;
};

std::string onednn_version();

}  // namespace gpen::bench
