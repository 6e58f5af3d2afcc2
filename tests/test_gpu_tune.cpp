// Measured plans of the convolutions: their text, their files, and their measuring, with a clock of the test's own.
#include <cstdlib>
#include <fstream>
#include <thread>

#include "pipeline/plan_files.h"
#include "pipeline/tune.h"
#include "support/command.h"
#include "support/devices.h"
#include "support/gpen_runner.h"
#include "support/network_cases.h"

namespace gpen::test {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSmall = "gpen:size=16,cm=1,narrow=0.0625,style=32,mlp=2";
constexpr int64_t kSide = 16;

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
      {replaced(text, "end 3", "end 2"), "number of rows"},
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

TEST(ConvPlanTable, BuiltinTextsAreWhole) {
  // Every text in conv_plans.inc must be one of some device: here, that the emulated one has none and none is torn.
  EXPECT_TRUE(builtin_conv_plans(open_emulated_device()->info()).rows.empty());
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
  EXPECT_EQ(device_->conv_plans()->rows.size(), 3u);
  EXPECT_EQ(choose_plan(plans.rows[0].work, Precision::fp16, *device_), plans.rows[0].plan);
  // Rows of another network are added, those of the same layer replaced.
  ConvPlans more;
  more.set(row_of(256, 18, {ConvTile::m64n64, 4}));
  more.set(row_of(64, 18, {ConvTile::m64n64, 2}));
  ASSERT_TRUE(save_conv_plans(file_, more, device_->info()).ok());
  load_conv_plans(*device_, &notes_);
  EXPECT_EQ(device_->conv_plans()->rows.size(), 4u);
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
    EXPECT_EQ(device_->conv_plans()->rows.size(), 3u) << "the good file counts";
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

// One GPEN on the emulation.
class Tune : public testing::Test {
 protected:
  std::shared_ptr<Device> device_ = open_emulated_device();
  WeightStore weights_ = formula_weights(kSmall);
  std::vector<float> input_ = formula_tensor("x", 3 * kSide * kSide, 1);

  Result<TunedNetwork> load(Precision precision) {
    GPEN_ASSIGN(GpenNet net, GpenNet::load(weights_, {std::make_shared<ThreadPool>(2), precision, device_}));
    struct State {
      GpenNet net;
      std::vector<float> output;
    };
    const auto state = std::make_shared<State>(State{std::move(net), {}});
    return TunedNetwork{[this, state]() -> Status {
                          state->output.assign(input_.size(), NAN);
                          return state->net.forward(make_view(input_.data(), 1, 3, kSide, kSide),
                                                    make_view(state->output.data(), 1, 3, kSide, kSide));
                        },
                        [state]() -> const std::vector<float>& { return state->output; }};
  }
  Result<Tuning> tune(Precision precision, const PlanTimer& plan_ms, double first = 2, double later = 1) {
    int turn = 0;
    TuneOptions options;
    options.plan_ms = plan_ms;
    options.network_ms = [&](const TunedNetwork& network) -> Result<double> {
      GPEN_RETURN_IF_ERROR(network.forward());
      return turn++ % 2 == 0 ? first : later;
    };
    options.reps = 3;
    return tune_network(
        device_, [&] { return load(precision); }, options);
  }
  std::vector<float> output(Precision precision) {
    const auto net = load(precision);
    EXPECT_TRUE(net.ok() && net->forward().ok());
    return net.ok() ? net->output() : std::vector<float>();
  }
  // What the convolutions of a forward() run with.
  std::vector<ConvPlanRow> plans_in_use(Precision precision) {
    std::vector<ConvPlanRow> used;
    const auto before = device_->conv_plans();
    auto watched = std::make_shared<ConvPlans>(before != nullptr ? *before : ConvPlans());
    watched->trial = [&](const ConvLaunch& l) { used.push_back({l.precision, l.work, l.plan, 0}); };
    device_->set_conv_plans(watched);
    output(precision);
    device_->set_conv_plans(before);
    return used;
  }
};

// The clock likes the most splits with the narrow tile; the network then uses them, and its answer stays.
TEST_F(Tune, ANetworkRunsWithThePlansThatWon) {
  for (const Precision precision : {Precision::fp32, Precision::fp16}) {
    const auto right = output(precision);
    const auto tuning = tune(precision, [](const ConvPlanRow& what, const std::function<void()>& work) {
      work();
      return Result<double>((what.plan.tile == ConvTile::m128n64 ? 1.0 : 2.0) / what.plan.splits);
    });
    ASSERT_TRUE(tuning.ok()) << tuning.status().message();
    EXPECT_EQ(device_->conv_plans(), nullptr) << "as it was";
    EXPECT_TRUE(tuning->changed);
    EXPECT_FALSE(tuning->slower());
    EXPECT_LE(tuning->difference, precision == Precision::fp32 ? 1e-5 : 5e-3);
    size_t calls = 0;
    for (const TunedLayer& l : tuning->layers) {
      calls += static_cast<size_t>(l.calls);
      EXPECT_EQ(l.wrong, 0) << describe(l.chosen.work);
      EXPECT_EQ(l.chosen.plan, estimate_plan(l.chosen.work, device_->info()));
      const ConvPlan& best = l.best.plan;
      EXPECT_EQ(best.tile, ConvTile::m128n64) << describe(l.best.work);
      EXPECT_TRUE(best.splits == kMostSplits || 2 * best.splits > l.best.work.steps) << describe(l.best.work);
    }
    // By the text, as from a file.
    const auto read = parse_conv_plans(to_text(tuning->best(), device_->info()), device_->info());
    ASSERT_TRUE(read.ok()) << read.status().message();
    device_->set_conv_plans(std::make_shared<ConvPlans>(*read));
    const auto used = plans_in_use(precision);
    EXPECT_EQ(used.size(), calls);
    for (const ConvPlanRow& row : used) {
      ASSERT_NE(read->find(precision, row.work), nullptr);
      EXPECT_EQ(row.plan, *read->find(precision, row.work)) << describe(row.work);
    }
    EXPECT_LE(error(right, output(precision)), precision == Precision::fp32 ? 1e-5 : 1e-2);
    device_->set_conv_plans(nullptr);
  }
}

// Another tile and as many splits: the same sums in the same order.
TEST_F(Tune, AnotherTileAloneChangesNoBit) {
  const auto right = output(Precision::fp16);
  const auto tuning = tune(Precision::fp16, [&](const ConvPlanRow& what, const std::function<void()>&) {
    const ConvPlan chosen = estimate_plan(what.work, device_->info());
    return Result<double>(what.plan.splits == chosen.splits && what.plan.tile != chosen.tile ? 1.0 : 2.0);
  });
  ASSERT_TRUE(tuning.ok()) << tuning.status().message();
  EXPECT_TRUE(tuning->changed);
  EXPECT_EQ(tuning->difference, 0);
  device_->set_conv_plans(std::make_shared<ConvPlans>(tuning->best()));
  EXPECT_EQ(output(Precision::fp16), right);
  // A face alone and in a batch: the plan knows no batch.
  auto net = GpenNet::load(weights_, {std::make_shared<ThreadPool>(2), Precision::fp16, device_});
  ASSERT_TRUE(net.ok());
  std::vector<float> two = input_;
  two.insert(two.end(), input_.begin(), input_.end());
  const auto both = forward(*net, two, 2).output;
  EXPECT_TRUE(std::equal(right.begin(), right.end(), both.begin()));
  EXPECT_TRUE(std::equal(right.begin(), right.end(), both.begin() + static_cast<std::ptrdiff_t>(right.size())));
}

TEST_F(Tune, NoiseChangesNothingAndASlowerNetworkShows) {
  const auto close = tune(
      Precision::fp32,
      [&](const ConvPlanRow& what, const std::function<void()>&) {
        return Result<double>(what.plan == estimate_plan(what.work, device_->info()) ? 1.0 : 0.99);
      },
      1, 2);
  ASSERT_TRUE(close.ok()) << close.status().message();
  EXPECT_FALSE(close->changed);
  EXPECT_FALSE(close->slower()) << "nothing changed: the difference is noise";
  const auto slower = tune(
      Precision::fp32,
      [&](const ConvPlanRow& what, const std::function<void()>&) { return Result<double>(1.0 / what.plan.splits); }, 1,
      2);
  ASSERT_TRUE(slower.ok()) << slower.status().message();
  EXPECT_TRUE(slower->changed);
  EXPECT_TRUE(slower->slower());
  EXPECT_EQ(slower->before_ms, 1);
  EXPECT_EQ(slower->after_ms, 2);
}

TEST_F(Tune, AFailingClockIsAnErrorAndThePlansStay) {
  const auto tuning = tune(Precision::fp32, [](const ConvPlanRow&, const std::function<void()>&) {
    return Result<double>(fail(Code::device, "no time"));
  });
  ASSERT_FALSE(tuning.ok());
  EXPECT_EQ(tuning.status().code(), Code::device);
  EXPECT_NE(tuning.status().message().find("no time"), std::string::npos);
  EXPECT_EQ(device_->conv_plans(), nullptr);
}

// A layer whose plans of more than one split write something else, one value of many.
TEST_F(Tune, APlanWithAnotherAnswerIsNotTaken) {
  constexpr int64_t kPixels = 64;
  constexpr int kStride = 48, kChannels = 16;
  auto memory = DeviceBuffer::make(device_, kPixels * kStride * sizeof(float));
  ASSERT_TRUE(memory.ok());
  std::vector<float> before(kPixels * kStride, 7), after(before.size());
  device_->upload(memory->data(), before.data(), memory->bytes());
  ConvWork work;
  work.rows[0] = kPixels;
  work.out_channels = kChannels;
  work.steps = 32;
  work.taps = 1;
  int runs = 0;
  const auto run = [&](const ConvPlan& plan, float* partial) {
    ++runs;
    EXPECT_EQ(partial != nullptr, plan.splits > 1);
    for (int64_t p = 0; p < kPixels; ++p)
      for (int c = 0; c < kChannels; ++c) {
        float& y = memory->floats()[p * kStride + c];
        y += static_cast<float>(p + c);  // in place: whoever runs it twice must bring the input back
        if (plan.splits == 4 && p == 63 && c == 15) y += 0.5f;
        if (plan.splits == 8 && p == 0 && c == 0) y = NAN;
      }
  };
  ConvTuner tuner(
      device_,
      [&](const ConvPlanRow& what, const std::function<void()>& work_to_time) {
        work_to_time();
        return Result<double>(10.0 - what.plan.splits % 16);  // 8, then 4, then 2
      },
      3);
  const ConvLaunch launch{work, Precision::fp32, {ConvTile::m64n64, 1}, 1, memory->data(), kPixels, kStride, kChannels,
                          run};
  tuner.trial(launch);
  tuner.trial(launch);
  ASSERT_TRUE(tuner.status().ok()) << tuner.status().message();
  ASSERT_EQ(tuner.layers().size(), 1u);
  EXPECT_EQ(tuner.layers()[0].calls, 2);
  EXPECT_EQ(tuner.layers()[0].wrong, 6) << "4 and 8 splits of three tiles";
  EXPECT_EQ(tuner.layers()[0].best.plan.splits, 2);
  EXPECT_EQ(runs, 15 + 9 * 3) << "once each for the answer, three times what is timed";
  device_->download(after.data(), memory->data(), memory->bytes());
  EXPECT_EQ(after, before) << "memory as it was";
}

}  // namespace
}  // namespace gpen::test
