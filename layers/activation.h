// An activation of a forward(): taken from the workspace when made, given back when it goes out of scope, so that a
// dry run and a real one take and give back in the same order.
#pragma once
#include <utility>

#include "runtime/workspace.h"

namespace gpen {

class Activation {
 public:
  Activation() = default;
  // n x c x h x w in the processor's or device's layout; undefined content.
  Activation(Exec& exec, int64_t n, int64_t c, int64_t h, int64_t w) : ws_(&exec.ws) {
    view_ = exec.activation(n, c, h, w, &handle_);
  }
  Activation(Activation&& o) noexcept
      : ws_(std::exchange(o.ws_, nullptr)), handle_(o.handle_), view_(std::exchange(o.view_, TensorView())) {}
  Activation& operator=(Activation&& o) noexcept {
    if (this != &o) {
      release();
      ws_ = std::exchange(o.ws_, nullptr);
      handle_ = o.handle_;
      view_ = std::exchange(o.view_, TensorView());
    }
    return *this;
  }
  ~Activation() { release(); }
  const TensorView& operator*() const { return view_; }
  const TensorView* operator->() const { return &view_; }

 private:
  void release() {
    if (ws_ != nullptr) ws_->give_back(handle_);
    ws_ = nullptr;
  }
  Workspace* ws_ = nullptr;
  Workspace::Handle handle_;
  TensorView view_;
};

}  // namespace gpen
