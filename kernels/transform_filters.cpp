// The filters' side of the transforms, in double: exact to one rounding when stored.
#include "kernels/transform_gemm.h"

namespace gpen {

namespace {

// u[a][b] = sum over i,j of G[a][i] * G[b][j] * g[i][j], for points x points results.
template <int Points>
void transform(const double (&matrix)[Points][3], const double (*g)[kMaxPanel], int64_t width,
               double (&u)[Points][Points][kMaxPanel]) {
  double once[Points][3][kMaxPanel];
  for (int a = 0; a < Points; ++a)
    for (int j = 0; j < 3; ++j)
      for (int64_t c = 0; c < width; ++c)
        once[a][j][c] = matrix[a][0] * g[j][c] + matrix[a][1] * g[3 + j][c] + matrix[a][2] * g[6 + j][c];
  for (int a = 0; a < Points; ++a)
    for (int b = 0; b < Points; ++b)
      for (int64_t c = 0; c < width; ++c)
        u[a][b][c] = once[a][0][c] * matrix[b][0] + once[a][1][c] * matrix[b][1] + once[a][2][c] * matrix[b][2];
}

void to_float(const double* from, int64_t width, float* to) {
  for (int64_t c = 0; c < width; ++c) to[c] = static_cast<float>(from[c]);
}

// F(4,3) with the points 0, +-sqrt2/2, +-sqrt2, infinity.
constexpr double kRoot2 = 1.4142135623730951;
constexpr double kWinograd[6][3] = {{1, 0, 0},
                                    {-2.0 / 3, -kRoot2 / 3, -1.0 / 3},
                                    {-2.0 / 3, kRoot2 / 3, -1.0 / 3},
                                    {1.0 / 6, kRoot2 / 6, 1.0 / 3},
                                    {1.0 / 6, -kRoot2 / 6, 1.0 / 3},
                                    {0, 0, 1}};

// F(3,2) of the taps (0 and 2, in the order in which they meet the samples), then the single tap 1.
// Up: t[2i] = x[i-1]*w[2] + x[i]*w[0], t[2i+1] = x[i]*w[1].
constexpr double kNestedUp[5][3] = {{0, 0, 1}, {0.5, 0, 0.5}, {-0.5, 0, 0.5}, {1, 0, 0}, {0, 1, 0}};
// Down: y[i] = b[2i]*w[0] + b[2i+2]*w[2] + b[2i+1]*w[1].
constexpr double kNestedDown[5][3] = {{1, 0, 0}, {0.5, 0, 0.5}, {0.5, 0, -0.5}, {0, 0, 1}, {0, 1, 0}};

// The order of the matrices in kNested3x2.
void nested_filters(const double (&matrix)[5][3], const double (*g)[kMaxPanel], int64_t width, float (*u)[kMaxPanel]) {
  double all[5][5][kMaxPanel];
  transform(matrix, g, width, all);
  to_float(all[4][4], width, u[0]);
  for (int i = 0; i < 4; ++i) {
    to_float(all[4][i], width, u[1 + i]);
    to_float(all[i][4], width, u[5 + i]);
    for (int j = 0; j < 4; ++j) to_float(all[i][j], width, u[9 + i * 4 + j]);
  }
}

}  // namespace

void winograd4x4_filters(const double (*g)[kMaxPanel], int64_t width, float (*u)[kMaxPanel]) {
  double all[6][6][kMaxPanel];
  transform(kWinograd, g, width, all);
  for (int i = 0; i < 36; ++i) to_float(all[i / 6][i % 6], width, u[i]);
}

void nested_up_filters(const double (*g)[kMaxPanel], int64_t width, float (*u)[kMaxPanel]) {
  nested_filters(kNestedUp, g, width, u);
}

void nested_down_filters(const double (*g)[kMaxPanel], int64_t width, float (*u)[kMaxPanel]) {
  nested_filters(kNestedDown, g, width, u);
}

}  // namespace gpen
