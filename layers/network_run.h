// Where a network computes, and the running of its forward(): planning its arena, and, on a device, the way of its
// inputs and outputs and the recording of its work.
#pragma once
#include <algorithm>
#include <memory>
#include <span>
#include <vector>

#include "runtime/workspace.h"

namespace gpen {

// Given to the networks' load(): a thread pool alone is the processor in fp32.
struct Processor {
  std::shared_ptr<ThreadPool> pool;
  Precision precision = Precision::fp32;
  std::shared_ptr<Device> device;  // null: the processor's threads
  Processor(std::shared_ptr<ThreadPool> threads, Precision how = Precision::fp32, std::shared_ptr<Device> on = nullptr)
      : pool(std::move(threads)), precision(how), device(std::move(on)) {}
  Placement placement() const { return {*pool, device, precision}; }
};

// Runs a forward() on the arena planned for its shapes: shapes not seen last time are planned anew (a dry run), after
// that nothing is allocated. On a device the first run of a shape puts its kernels on the stream one by one, the second
// one records them, and later runs replay the record.
class NetworkRun {
 public:
  explicit NetworkRun(const Processor& where)
      : pool_(where.pool), device_(where.device), type_(storage_of(where.precision)), ws_(where.device) {}

  // inputs and outputs: planar f32, in the host's memory unless on_device is set; an output without data is computed
  // and dropped. shape: what forward()'s sequence of buffers depends on, inputs' and outputs' shapes among it.
  // forward(exec, inputs, outputs) returns Status, gets the tensors where the kernels can read and write them, and must
  // take the same path for the same shape. recordable: its kernels do not depend on anything but the inputs' values.
  template <class Fn>
  Status run(std::span<const int64_t> shape, std::span<const TensorView> inputs, std::span<const TensorView> outputs,
             Fn forward, bool recordable = true) {
    Exec exec{*pool_, ws_, device_.get(), device_ == nullptr ? ElementType::f32 : type_};
    const auto elsewhere = [&](const TensorView& t) { return t.on_device && device_ == nullptr; };
    if (std::any_of(inputs.begin(), inputs.end(), elsewhere) || std::any_of(outputs.begin(), outputs.end(), elsewhere))
      return fail(Code::internal, "a tensor on a device was given to a network on the processor");
    if (planned_.size() != shape.size() || !std::equal(shape.begin(), shape.end(), planned_.begin())) {
      planned_.clear();
      recorded_.reset();
      runs_ = 0;
      ws_.begin_plan();
      place(inputs, &inputs_);
      place(outputs, &outputs_);
      GPEN_RETURN_IF_ERROR(forward(exec, inputs_, outputs_));
      GPEN_RETURN_IF_ERROR(ws_.finish_plan());
      planned_.assign(shape.begin(), shape.end());
    }
    ws_.begin_run();
    place(inputs, &inputs_);
    place(outputs, &outputs_);
    if (device_ == nullptr) return forward(exec, inputs_, outputs_);
    for (size_t i = 0; i < inputs.size(); ++i) copy_in(inputs[i], inputs_[i]);
    Status status;
    const auto put_on_stream = [&] { status = forward(exec, inputs_, outputs_); };
    if (recorded_ != nullptr) {
      device_->replay(*recorded_);
    } else if (recordable && runs_ > 0) {
      GPEN_ASSIGN(auto recorded, device_->record(put_on_stream));
      GPEN_RETURN_IF_ERROR(status);
      recorded_ = std::move(recorded);
      device_->replay(*recorded_);
    } else {
      put_on_stream();
      GPEN_RETURN_IF_ERROR(status);
    }
    ++runs_;
    for (size_t i = 0; i < outputs.size(); ++i) copy_out(outputs_[i], outputs[i]);
    return device_->finish();
  }

  // Output i of the last run, which may have been one without data.
  void read_output(size_t i, std::vector<float>* values) const {
    const TensorView& t = outputs_[i];
    values->resize(bytes(t) / sizeof(float));
    if (device_ != nullptr)
      device_->download(values->data(), t.data, bytes(t));
    else
      std::copy_n(t.data, values->size(), values->data());
  }
  Status finish() { return device_ != nullptr ? device_->finish() : Status(); }

  // Gives the arena back; the next run plans anew.
  void release() {
    planned_.clear();
    recorded_.reset();
    ws_.release();
  }

  size_t peak_bytes() const { return ws_.peak_bytes(); }
  size_t held_bytes() const { return ws_.block_bytes(); }
  const std::shared_ptr<Device>& device() const { return device_; }
  ThreadPool& pool() const { return *pool_; }

  // Arena of such a run, without allocating it.
  template <class Fn>
  size_t bytes_for(std::span<const TensorView> inputs, std::span<const TensorView> outputs, Fn forward) const {
    NetworkRun dry({pool_, Precision::fp32, nullptr});
    dry.ws_ = Workspace(device_);
    dry.device_ = device_;
    dry.type_ = type_;
    Exec exec{*pool_, dry.ws_, device_.get(), device_ == nullptr ? ElementType::f32 : type_};
    dry.ws_.begin_plan();
    dry.place(inputs, &dry.inputs_);
    dry.place(outputs, &dry.outputs_);
    (void)forward(exec, dry.inputs_, dry.outputs_);
    dry.ws_.place();
    return dry.ws_.peak_bytes();
  }

 private:
  // On the processor the caller's own tensors, on a device buffers of the arena.
  void place(std::span<const TensorView> callers, std::vector<TensorView>* own) {
    own->resize(callers.size());
    for (size_t i = 0; i < callers.size(); ++i) {
      const TensorView& t = callers[i];
      Workspace::Handle handle;
      (*own)[i] = device_ == nullptr && t.data != nullptr ? t : ws_.tensor(t.n, t.c, t.h, t.w, Layout::nchw, &handle);
    }
  }
  static size_t bytes(const TensorView& t) { return static_cast<size_t>(t.n * t.image_size()) * sizeof(float); }
  void copy_in(const TensorView& from, const TensorView& to) {
    if (from.on_device)
      device_->copy(to.data, from.data, bytes(to));
    else
      device_->upload(to.data, from.data, bytes(to));
  }
  void copy_out(const TensorView& from, const TensorView& to) {
    if (to.data == nullptr) return;
    if (to.on_device)
      device_->copy(to.data, from.data, bytes(to));
    else
      device_->download(to.data, from.data, bytes(to));
  }

  std::shared_ptr<ThreadPool> pool_;
  std::shared_ptr<Device> device_;
  ElementType type_;
  Workspace ws_;
  std::vector<int64_t> planned_;
  std::vector<TensorView> inputs_, outputs_;
  std::unique_ptr<RecordedWork> recorded_;
  int runs_ = 0;
};

}  // namespace gpen
