// oneDNN's plain convolution (or transposed convolution) of a problem: no blur, no styles, no bias, no activation.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "bench/check.h"

namespace gpen::bench {

class OnednnLayer {
 public:
  // x: of the sides bare_in_side(p) (check.h). weight: OIHW; x: planar. Layouts are oneDNN's own choice.
  // Code::internal with oneDNN's message when it refuses.
  static Result<OnednnLayer> make(const Problem& p, const std::vector<float>& weight, const std::vector<float>& x,
                                  int threads);
  OnednnLayer(OnednnLayer&&) noexcept;
  OnednnLayer& operator=(OnednnLayer&&) noexcept;
  ~OnednnLayer();

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
