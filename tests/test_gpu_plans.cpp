// Measured plans of convolutions: their text, and the files that they lie in.
#include <atomic>
#include <cstdlib>
#include <thread>

#include "pipeline/plan_files.h"
#include "support/command.h"
#include "support/devices.h"

namespace gpen::test {
namespace {

namespace fs = std::filesystem;

ConvPlanRow row_of(int64_t rows, int64_t steps, ConvPlan plan, Precision precision = Precision::fp16) {
  ConvPlanRow row;
  row.precision = precision;
  row.work.rows[0] = rows;
  row.work.out_channels = 128;
  row.work.steps = steps;
  row.work.taps = 9;
  row.work.coefficient_bytes = 512;
  row.plan = plan;
  row.ms = 0.125;
  return row;
}

ConvPlans some_plans() {
  ConvPlans plans;
  plans.set(row_of(256, 18, {ConvTile::m64n64, 8}));
  plans.set(row_of(256, 18, {ConvTile::m128n64, 2}, Precision::fp32));
  ConvPlanRow up = row_of(1089, 36, {ConvTile::m128n128, 1}, Precision::fp16_fast);
  up.work.phases = 4;
  up.work.rows[1] = up.work.rows[2] = 1056;
  up.work.rows[3] = 1024;
  up.work.taps = 4;
  plans.set(up);
  ConvPlanRow fused = row_of(256, 9, {ConvTile::m128n128, 1, false, true});
  fused.work.rgb = true;
  plans.set(fused);
  fused.plan = {ConvTile::m128n128, 1, true, false};
  fused.work.rgb = false;
  fused.work.blur = true;
  plans.set(fused);
  return plans;
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  const size_t at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return at == std::string::npos ? text : text.replace(at, what.size(), by);
}

// An environment variable for as long as the object lives.
class Environment {
 public:
  Environment(const char* name, const char* value) : name_(name) {
    const char* before = std::getenv(name);
    had_ = before != nullptr;
    if (had_) before_ = before;
    set(value);
  }
  ~Environment() { set(had_ ? before_.c_str() : nullptr); }

 private:
  void set(const char* value) { value != nullptr ? setenv(name_, value, 1) : unsetenv(name_); }
  const char* name_;
  bool had_;
  std::string before_;
};

TEST(ConvPlanTable, TextKeepsEveryRow) {
  const DeviceInfo info = open_emulated_device()->info();
  const ConvPlans plans = some_plans();
  const std::string text = to_text(plans, info);
  const auto read = parse_conv_plans(text, info);
  ASSERT_TRUE(read.ok()) << read.status().message() << text;
  ASSERT_EQ(read->rows.size(), plans.rows.size());
  for (size_t i = 0; i < plans.rows.size(); ++i) {
    EXPECT_EQ(read->rows[i].precision, plans.rows[i].precision);
    EXPECT_EQ(read->rows[i].work, plans.rows[i].work);
    EXPECT_EQ(read->rows[i].plan, plans.rows[i].plan);
    EXPECT_EQ(read->rows[i].ms, plans.rows[i].ms);
  }
  EXPECT_EQ(to_text(*read, info), text);
  EXPECT_NE(plans.find(Precision::fp32, plans.rows[0].work), nullptr);
  EXPECT_EQ(plans.find(Precision::bf16, plans.rows[0].work), nullptr);
  ConvWork other = plans.rows[0].work;
  other.stride = 2;
  EXPECT_EQ(plans.find(Precision::fp16, other), nullptr);
}

TEST(ConvPlanTable, RefusesWhatItCannotTrust) {
  const DeviceInfo info = open_emulated_device()->info();
  const std::string text = to_text(some_plans(), info);
  const std::string row =
      text.substr(text.find("precision=fp16 "), text.find("precision=fp32") - text.find("precision=fp16 "));
  const struct {
    std::string text, reason;
  } cases[] = {
      {"", "line 1"},
      {std::string(1000, '\0'), "line 1"},
      {"\x7f"
       "ELF",
       "gpen-plans 1"},
      {replaced(text, "gpen-plans 1", "gpen-plans 2"), "gpen-plans 2"},
      {replaced(text, "emulation of", "another"), "another"},
      {replaced(text, "capability 90", "capability 80"), "capability 80"},
      {replaced(text, "multiprocessors 4", "multiprocessors 2"), "multiprocessors 2"},
      {replaced(text, concat("kernels ", kConvKernels), "kernels 0"), "kernels 0"},
      {text.substr(0, text.size() / 2), "line"},
      {text.substr(0, text.find("end ")), "cut off"},
      {replaced(text, "end 5", "end 4"), "number of rows"},
      {text + "more", "number of rows"},
      {replaced(text, row, row + row), "twice"},
      {replaced(text, "splits=8", "splits=1000000000"), "splits"},
      {replaced(text, "splits=8", "splits=99999999999999999999"), "splits"},
      {replaced(text, "splits=8", "splits=0"), "splits"},
      {replaced(text, "splits=8", "splits=-8"), "splits"},
      {replaced(text, "splits=8", "splits=8x"), "splits"},
      {replaced(text, "splits=8", "splits="), "splits"},
      {replaced(text, "steps=18", "steps=7"), "8 splits of 7 steps"},
      {replaced(text, "rows=256", "rows=4000000000"), "cannot be split"},
      {replaced(text, "rows=256", "rows=1,2,3,4,5"), "rows"},
      {replaced(text, "rows=256", "rows="), "rows"},
      {replaced(text, "rows=256", "rows=9223372036854775807"), "rows"},
      {replaced(text, "tile=64x64", "tile=63x64"), "tile"},
      {replaced(text, " tile=64x64", ""), "tile: missing"},
      {replaced(text, "blur_in_load=0", "blur_in_load=1"), "blur"},
      {replaced(text, "rgb_in_epilogue=0", "rgb_in_epilogue=1"), "epilogue"},
      {replaced(text, "rgb_in_epilogue=0", "rgb_in_epilogue=2"), "rgb_in_epilogue"},
      {replaced(text, "ms=0.125", "ms=nan"), "ms"},
      {replaced(text, "ms=0.125", "ms=0.125 fused_nothing=1"), "fused_nothing: unknown"},
      {replaced(text, "ms=0.125", "ms=0.125 ms=0.125"), "twice"},
      {replaced(text, "precision=fp16 ", "precision=int8 "), "precision"},
  };
  for (const auto& c : cases) {
    const auto read = parse_conv_plans(c.text, info);
    ASSERT_FALSE(read.ok()) << c.text;
    EXPECT_NE(read.status().message().find(c.reason), std::string::npos) << read.status().message() << "\n" << c.text;
  }
  // What another device of this name could run and this one cannot.
  DeviceInfo small = info;
  small.shared_bytes = 64 * 1024;
  const auto read = parse_conv_plans(text, small);
  ASSERT_FALSE(read.ok());
  EXPECT_NE(read.status().message().find("shared memory"), std::string::npos) << read.status().message();
}

// Of several texts, those for the device: as gpen tune --source prints them.
TEST(ConvPlanTable, TextsOfTheSourceAreForTheirDevices) {
  const DeviceInfo info = open_emulated_device()->info();
  ConvPlans other;
  other.set(row_of(64, 18, {ConvTile::m64n64, 2}));
  DeviceInfo another = info;
  another.multiprocessors = 5;
  const std::string first = "\n" + to_text(some_plans(), info), second = "\n" + to_text(other, another),
                    old = replaced(first, concat("kernels ", kConvKernels), "kernels 0");
  const char* const texts[] = {second.c_str(), old.c_str(), first.c_str()};
  EXPECT_EQ(conv_plans_for(info, texts).rows.size(), 5u);
  EXPECT_EQ(conv_plans_for(another, texts).rows.size(), 1u);
  EXPECT_TRUE(conv_plans_for(info, std::span(texts).first(2)).rows.empty());
}

// Every text of conv_plans.inc is right for the device that it names, and of these kernels.
TEST(ConvPlanTable, BuiltinTextsAreWhole) {
  for (const char* text : builtin_conv_plans()) {
    DeviceInfo info;
    info.shared_bytes = size_t{227} << 10;
    std::istringstream lines(text + (*text == '\n' ? 1 : 0));
    for (std::string line; std::getline(lines, line);) {
      if (line.rfind("device ", 0) == 0) info.model = line.substr(7);
      if (line.rfind("capability ", 0) == 0) info.capability = std::stoi(line.substr(11));
      if (line.rfind("multiprocessors ", 0) == 0) info.multiprocessors = std::stoi(line.substr(16));
    }
    const char* const one[] = {text};
    EXPECT_FALSE(conv_plans_for(info, one).rows.empty()) << text;
  }
}

class ConvPlanFiles : public testing::Test {
 protected:
  TemporaryFolder folder_;
  Environment cache_{"XDG_CACHE_HOME", folder_.path().c_str()};
  Environment plans_{"GPEN_PLANS", nullptr};
  std::shared_ptr<Device> device_ = open_emulated_device();
  fs::path file_ = plans_file(device_->info(), Precision::fp16);
  std::vector<std::string> notes_;
};

TEST_F(ConvPlanFiles, AreNamedAfterDeviceAndPrecisionAndLoaded) {
  EXPECT_EQ(file_, folder_ / "gpen/plans-emulation-of-a-cuda-device-sm90-fp16.txt");
  load_conv_plans(*device_, &notes_);
  EXPECT_TRUE(device_->conv_plans()->rows.empty());
  const ConvPlans plans = some_plans();
  ASSERT_TRUE(save_conv_plans(file_, plans, device_->info()).ok());
  load_conv_plans(*device_, &notes_);
  EXPECT_EQ(device_->conv_plans()->rows.size(), 5u);
  EXPECT_EQ(choose_plan(plans.rows[0].work, Precision::fp16, *device_), plans.rows[0].plan);
  // Rows of another network are added, those of the same layer replaced.
  ConvPlans more;
  more.set(row_of(256, 18, {ConvTile::m64n64, 4}));
  more.set(row_of(64, 18, {ConvTile::m64n64, 2}));
  ASSERT_TRUE(save_conv_plans(file_, more, device_->info()).ok());
  load_conv_plans(*device_, &notes_);
  EXPECT_EQ(device_->conv_plans()->rows.size(), 6u);
  EXPECT_EQ(choose_plan(more.rows[0].work, Precision::fp16, *device_), more.rows[0].plan);
  EXPECT_TRUE(notes_.empty());

  const Environment none("GPEN_PLANS", "none");
  load_conv_plans(*device_, &notes_);
  EXPECT_EQ(device_->conv_plans(), nullptr);
  EXPECT_EQ(choose_plan(more.rows[0].work, Precision::fp16, *device_),
            estimate_plan(more.rows[0].work, device_->info()));
}

TEST_F(ConvPlanFiles, ThatCannotBeTrustedAreLeftOutWithAWord) {
  ASSERT_TRUE(save_conv_plans(file_, some_plans(), device_->info()).ok());
  const fs::path other = plans_file(device_->info(), Precision::fp32);
  const std::string good = read_text(file_);
  for (const std::string& bad : {good.substr(0, 300), replaced(good, "splits=8", "splits=1000000000"), std::string(),
                                 replaced(good, "capability 90", "capability 86"), std::string(3 << 20, 'x')}) {
    write_text(other, bad);
    notes_.clear();
    load_conv_plans(*device_, &notes_);
    ASSERT_EQ(notes_.size(), 1u);
    EXPECT_EQ(notes_[0].rfind(other.string() + ": ", 0), 0u) << notes_[0];
    EXPECT_EQ(device_->conv_plans()->rows.size(), 5u) << "the good file counts";
  }
  const Environment named("GPEN_PLANS", (folder_ / "missing.txt").c_str());
  notes_.clear();
  load_conv_plans(*device_, &notes_);
  ASSERT_EQ(notes_.size(), 1u);
  EXPECT_NE(notes_[0].find("missing.txt"), std::string::npos) << notes_[0];
  EXPECT_TRUE(device_->conv_plans()->rows.empty()) << "GPEN_PLANS is read in place of the folder";
  // A damaged file is replaced.
  ASSERT_TRUE(save_conv_plans(other, some_plans(), device_->info()).ok());
  EXPECT_TRUE(parse_conv_plans(read_text(other), device_->info()).ok());
}

TEST_F(ConvPlanFiles, OfWritersSideBySideAreWhole) {
  ASSERT_TRUE(save_conv_plans(file_, some_plans(), device_->info()).ok());
  std::atomic<bool> stop{false};
  std::vector<std::thread> writers;
  for (int w = 0; w < 3; ++w)
    writers.emplace_back([&, w] {
      ConvPlans plans;
      for (int64_t i = 0; i < 40; ++i) plans.set(row_of(1000 * (w + 1) + i, 18, {ConvTile::m64n64, 2}));
      for (int i = 0; i < 20; ++i) EXPECT_TRUE(save_conv_plans(file_, plans, device_->info()).ok());
    });
  std::thread reader([&] {
    while (!stop) EXPECT_TRUE(parse_conv_plans(read_text(file_), device_->info()).ok());
  });
  for (std::thread& t : writers) t.join();
  stop = true;
  reader.join();
  size_t files = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator(file_.parent_path())) ++files;
  EXPECT_EQ(files, 1u) << "nothing temporary is left";
}

}  // namespace
}  // namespace gpen::test
