// Measuring the plans of a network's convolutions, with a clock of the test's own.
#include "pipeline/tune.h"
#include "support/devices.h"
#include "support/gpen_runner.h"
#include "support/network_cases.h"

namespace gpen::test {
namespace {

constexpr const char* kSmall = "gpen:size=16,cm=1,narrow=0.0625,style=32,mlp=2";
constexpr int64_t kSide = 16;

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

// The same for the fusions: with all that a layer allows, and with none.
TEST_F(Tune, FusionsAreTriedToo) {
  const auto right = output(Precision::fp16);
  for (const bool like : {true, false}) {
    const auto fused = [](const ConvPlan& p) { return p.blur_in_load || p.rgb_in_epilogue; };
    const auto tuning = tune(Precision::fp16, [&](const ConvPlanRow& what, const std::function<void()>&) {
      return Result<double>(fused(what.plan) == like ? 1.0 : 2.0);
    });
    ASSERT_TRUE(tuning.ok()) << tuning.status().message();
    device_->set_conv_plans(std::make_shared<ConvPlans>(tuning->best()));
    int with = 0;
    for (const ConvPlanRow& row : plans_in_use(Precision::fp16)) with += fused(row.plan) ? 1 : 0;
    EXPECT_EQ(with > 0, like);
    for (const TunedLayer& l : tuning->layers) EXPECT_EQ(l.wrong, 0) << describe(l.best.work);
    EXPECT_LE(error(right, output(Precision::fp16)), 1e-2);
    device_->set_conv_plans(nullptr);
  }
}

// Another tile and as many splits: the same sums in the same order.
TEST_F(Tune, AnotherTileAloneChangesNoBit) {
  const auto right = output(Precision::fp16);
  const auto tuning = tune(Precision::fp16, [&](const ConvPlanRow& what, const std::function<void()>&) {
    const ConvPlan chosen = estimate_plan(what.work, device_->info());
    const bool fused = chosen.blur_in_load || chosen.rgb_in_epilogue;
    const bool other = what.plan.tile != chosen.tile && what.plan == ConvPlan{what.plan.tile, chosen.splits};
    return Result<double>(!fused && other ? 1.0 : 2.0);
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
  const auto compute = [&](Exec& exec, const ConvPlan& plan) {
    Workspace::Handle handle;
    float* const scratch = exec.ws.take(1000, &handle);
    exec.ws.give_back(handle);
    if (exec.dry()) return;
    ++runs;
    scratch[999] = 1;
    for (int64_t p = 0; p < kPixels; ++p)
      for (int c = 0; c < kChannels; ++c) {
        float& y = memory->floats()[p * kStride + c];
        y += static_cast<float>(p + c);  // in place: whoever runs it twice must bring the input back
        if (plan.splits == 4 && p == 63 && c == 15) y += 0.5f;
        if (plan.splits == 8 && p == 0 && c == 0) y = NAN;
      }
  };
  ThreadPool pool(1);
  Workspace ws(device_);
  Exec exec{pool, ws, device_.get(), ElementType::f32};
  ConvTuner tuner(
      device_,
      [&](const ConvPlanRow& what, const std::function<void()>& work_to_time) {
        work_to_time();
        return Result<double>(10.0 - what.plan.splits % 16);  // 8, then 4, then 2
      },
      3);
  const ConvLaunch launch{exec,
                          work,
                          Precision::fp32,
                          {ConvTile::m64n64, 1},
                          1,
                          {{memory->data(), ElementType::f32, kPixels, kStride, kChannels}},
                          compute};
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
