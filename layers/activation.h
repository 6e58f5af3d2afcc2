// An activation of a forward(): taken from the workspace when made, given back when it goes out of scope, so that a
// dry run and a real one take and give back in the same order.
#pragma once
#include <utility>

#include "runtime/workspace.h"

namespace gpen {

class Activation {
 public:
  Activation() = default;
  // Blocked, n x c x h x w; undefined content.
  Activation(Exec& exec, int64_t n, int64_t c, int64_t h, int64_t w) : ws_(&exec.ws) {
    view_ = exec.ws.tensor(n, c, h, w, Layout::nchw16c, &handle_);
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

// Runs a forward() on the arena planned for `shape`: a shape not seen last time is planned anew (a dry run), after that
// nothing is allocated. forward(exec) returns Status and must take the same path for the same shape.
class PlannedRun {
 public:
  template <class Fn>
  Status run(ThreadPool& pool, const std::vector<int64_t>& shape, Fn forward) {
    Exec exec{pool, ws_};
    if (shape != planned_) {
      planned_.clear();
      ws_.begin_plan();
      GPEN_RETURN_IF_ERROR(forward(exec));
      GPEN_RETURN_IF_ERROR(ws_.finish_plan());
      planned_ = shape;
    }
    ws_.begin_run();
    return forward(exec);
  }
  size_t peak_bytes() const { return ws_.peak_bytes(); }

 private:
  Workspace ws_;
  std::vector<int64_t> planned_;
};

}  // namespace gpen
