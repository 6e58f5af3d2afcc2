// A bound on how many bytes of uploads are held at once, by connections that still read and by jobs that wait.
#pragma once
#include <atomic>
#include <cstddef>
#include <utility>

namespace gpen::serve {

class ByteBudget {
 public:
  explicit ByteBudget(size_t limit) : limit_(limit) {}
  size_t used() const { return used_; }
  size_t limit() const { return limit_; }

  // Bytes taken from a budget, given back with the object. The budget must outlive it.
  class Lease {
   public:
    Lease() = default;
    explicit Lease(ByteBudget* budget) : budget_(budget) {}
    Lease(Lease&& o) noexcept { swap(o); }
    Lease& operator=(Lease&& o) noexcept {
      Lease(std::move(o)).swap(*this);
      return *this;
    }
    ~Lease() {
      if (budget_ != nullptr) budget_->used_ -= bytes_;
    }
    // Takes more; false (and nothing taken) when the budget does not hold it.
    bool grow(size_t bytes) {
      if (budget_ == nullptr) return false;
      if ((budget_->used_ += bytes) > budget_->limit_) {
        budget_->used_ -= bytes;
        return false;
      }
      bytes_ += bytes;
      return true;
    }
    size_t bytes() const { return bytes_; }

   private:
    void swap(Lease& o) noexcept {
      std::swap(budget_, o.budget_);
      std::swap(bytes_, o.bytes_);
    }
    ByteBudget* budget_ = nullptr;
    size_t bytes_ = 0;
  };

 private:
  const size_t limit_;
  std::atomic<size_t> used_{0};
};

}  // namespace gpen::serve
