#include "pipeline/alignment.h"

#include <Eigen/Dense>

namespace gpen {

Landmarks reference_landmarks(int size) {
  // In crops of side 1.
  constexpr double kTemplate[5][2] = {{0.39461071148809523, 0.47438274113095236},
                                      {0.60435594833333328, 0.47322261898809526},
                                      {0.50014999934523818, 0.59367025464285705},
                                      {0.41398393541666662, 0.71646131785714284},
                                      {0.58767797833333335, 0.71550060452380948}};
  Landmarks points;
  for (size_t i = 0; i < points.size(); ++i) points[i] = {kTemplate[i][0] * size, kTemplate[i][1] * size};
  return points;
}

Result<Affine> estimate_similarity(const Landmarks& from, const Landmarks& to) {
  constexpr int kPoints = 5;
  Eigen::Matrix<double, 2, kPoints> x, y;
  for (int i = 0; i < kPoints; ++i) {
    const Point a = from[static_cast<size_t>(i)], b = to[static_cast<size_t>(i)];
    x.col(i) << a.x, a.y;
    y.col(i) << b.x, b.y;
  }
  if (!x.allFinite() || !y.allFinite()) return fail(Code::usage, "the landmarks are not finite numbers");
  const Eigen::Vector2d mean_x = x.rowwise().mean(), mean_y = y.rowwise().mean();
  x.colwise() -= mean_x;
  y.colwise() -= mean_y;
  const double variance = x.squaredNorm() / kPoints;
  const Eigen::Matrix2d covariance = y * x.transpose() / kPoints;
  const Eigen::JacobiSVD<Eigen::Matrix2d> svd(covariance, Eigen::ComputeFullU | Eigen::ComputeFullV);
  // No reflections: the direction of the smaller singular value follows det(U) det(V).
  const Eigen::Vector2d sign(1, svd.matrixU().determinant() * svd.matrixV().determinant() < 0 ? -1 : 1);
  const Eigen::Matrix2d rotation = svd.matrixU() * sign.asDiagonal() * svd.matrixV().transpose();
  const double trace = (rotation.transpose() * covariance).trace();  // the signed sum of the singular values
  // Landmarks closer together than a hundredth of a pixel, or in an order that no turned face shows.
  if (!(variance > 1e-4) || !(trace > 1e-6 * variance))
    return fail(Code::usage, "the five landmarks coincide or do not show a face");
  const Eigen::Matrix2d linear = trace / variance * rotation;
  const Eigen::Vector2d shift = mean_y - linear * mean_x;
  Affine a;
  a.m[0] = {linear(0, 0), linear(0, 1), shift(0)};
  a.m[1] = {linear(1, 0), linear(1, 1), shift(1)};
  return a;
}

Result<Alignment> align_face(const Landmarks& landmarks, int size) {
  GPEN_ASSIGN(const Affine forward, estimate_similarity(landmarks, reference_landmarks(size)));
  return Alignment{forward, inverse(forward)};
}

}  // namespace gpen
