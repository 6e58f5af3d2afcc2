// What bf16 costs in a picture of a face.
#include "pipeline/image.h"
#include "support/pipeline_networks.h"

namespace gpen::test {
namespace {

std::vector<float> crop(const Image& photo, int size) {
  std::vector<float> x(static_cast<size_t>(3) * size * size);
  for (int c = 0; c < 3; ++c)
    for (int y = 0; y < size; ++y)
      for (int i = 0; i < size; ++i)
        x[static_cast<size_t>((c * size + y) * size + i)] =
            static_cast<float>(photo.row((photo.height - size) / 4 + y)[3 * ((photo.width - size) / 2 + i) + c]) /
                127.5f -
            1;
  return x;
}

std::vector<float> forward(const Architecture& arch, SynthKind kind, Precision precision, std::vector<float> x) {
  const auto store = synthesize(arch, kind);
  EXPECT_TRUE(store.ok()) << store.status().message();
  auto net = GpenNet::load(*store, {shared_pool(), precision});
  EXPECT_TRUE(net.ok()) << net.status().message();
  std::vector<float> y(x.size());
  const int64_t size = net->arch().in_size;
  const Status s = net->forward(make_view(x.data(), 1, 3, size, size), make_view(y.data(), 1, 3, size, size));
  EXPECT_TRUE(s.ok()) << s.message();
  return y;
}

double mean_levels(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += std::abs(static_cast<double>(a[i]) - b[i]) * 127.5;
  return sum / static_cast<double>(a.size());
}

constexpr int kSize = 256;

// Formula weights, whose decoder convolves the picture's features at every level: within two levels of 8 bits on
// average. An analytic network's decoder only carries the picture to to_rgb, which is fp32: it computes what it says.
void expect_close(const std::string& photo_name, const std::filesystem::path& file) {
  const auto photo = load_image(file);
  ASSERT_TRUE(photo.ok()) << photo.status().message();
  const std::vector<float> x = crop(*photo, kSize);
  const auto arch = parse_architecture("gpen-bfr-256");
  ASSERT_TRUE(arch.ok());
  const std::vector<float> right = forward(*arch, SynthKind::formula, Precision::fp32, x);
  const double levels = mean_levels(right, forward(*arch, SynthKind::formula, Precision::bf16, x));
  testing::Test::RecordProperty(photo_name, std::to_string(levels));
  EXPECT_LE(levels, 2);
  EXPECT_GE(levels, 0.01) << "not bf16";

  std::vector<float> negative = x;
  for (float& v : negative) v = -v;
  const Architecture small = analytic_architecture(*arch);
  EXPECT_LE(mean_levels(negative, forward(small, SynthKind::negative, Precision::bf16, x)), 1e-3);
  EXPECT_LE(mean_levels(forward(small, SynthKind::sharpen, Precision::fp32, x),
                        forward(small, SynthKind::sharpen, Precision::bf16, x)),
            2);
}

TEST(Bf16Picture, TheAstronautStaysWithinTwoLevels) {
  expect_close("astronaut", std::filesystem::path(GPEN_SOURCE_DIR) / "examples/astronaut.jpg");
}

TEST(Bf16Picture, AFaceOfSolvayStaysWithinTwoLevels) {
  GPEN_NEEDS_SHARED("golden/solvay_crop256_00.png");
  expect_close("solvay", shared_file("golden/solvay_crop256_00.png"));
}

}  // namespace
}  // namespace gpen::test
