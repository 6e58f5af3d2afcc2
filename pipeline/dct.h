// Orthonormal two-dimensional DCT-II of square planes and its inverse.
//
//     X[v][u] = s(u) s(v) sum_{j,i} x[j][i] cos(pi (2i+1) u / 2N) cos(pi (2j+1) v / 2N),  s(0) = sqrt(1/N), else
//     sqrt(2/N)
//
// It sees the picture continued by reflection about its edges (half-sample symmetry), so a symmetric filter with that
// border becomes a product, and nothing wraps round. Coefficient (u,v) is u/2N cycles per pixel across and v/2N down.
// Computed from a complex FFT of half the length (Makhoul, IEEE Trans. ASSP 28(1), 1980), sixteen rows or columns at a
// time; error about 1e-7 of the largest value.
#pragma once
#include <vector>

#include "runtime/thread_pool.h"

namespace gpen {

class Dct {
 public:
  static bool supports(int size) { return size >= 16 && size <= 4096 && (size & (size - 1)) == 0; }
  explicit Dct(int size);  // supports(size)
  int size() const { return size_; }

  // planes: count x size x size, in place. band: only the coefficients u, v < band are wanted, the others come out
  // undefined.
  void forward(float* planes, int count, int band, ThreadPool& pool) const;
  // band: the coefficients with u >= band or v >= band are all zero (they must be).
  void inverse(float* planes, int count, int band, ThreadPool& pool) const;

 private:
  template <bool kInverse>
  void columns(float* planes, int count, int band, ThreadPool& pool) const;
  template <bool kInverse>
  void rows(float* planes, int count, ThreadPool& pool) const;
  void forward_lanes(const float* in, float* out, float* work) const;
  void inverse_lanes(const float* in, float* out, float* work) const;
  template <bool kInverse>
  void fft(float* re, float* im) const;

  int size_;
  std::vector<int> reversed_;                 // bit reversal over size/2
  std::vector<float> cos_, sin_;              // exp(-2 pi i k / (size/2)), k < size/4
  std::vector<float> split_cos_, split_sin_;  // exp(-2 pi i k / size), k <= size/4
  std::vector<float> turn_cos_, turn_sin_;    // exp(-pi i k / (2 size)), k <= size/2
};

}  // namespace gpen
