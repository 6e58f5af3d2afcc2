// The emulation of CUDA's execution model itself: what it computes, and that it notices what it is there to notice.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "runtime/gpu/emulated_device.h"
#include "support/gpu_test_kernels.h"

namespace gpen::emulated {
namespace {

using namespace test_kernels;
using gpu::launch;
using gpu::emulation::GuardedArray;
using gpu::emulation::Order;
using gpu::emulation::Settings;

class Emulation : public ::testing::Test {
 protected:
  ~Emulation() override { gpu::emulation::settings() = {}; }
  void expect_no_error() {
    const Status status = device->finish();
    EXPECT_TRUE(status.ok()) << status.message();
  }
  // The launches so far must have failed with all of these texts in the message.
  void expect_error(const std::vector<std::string>& texts) {
    const Status status = device->finish();
    EXPECT_EQ(status.code(), Code::internal) << status.message();
    for (const std::string& text : texts)
      EXPECT_NE(status.message().find(text), std::string::npos)
          << "not in the message: " << text << "\nmessage: " << status.message();
  }
  std::shared_ptr<Device> device = open_emulated_device();
};

const Settings kSchedules[] = {{Order::forward, 0, 1},
                               {Order::reversed, 0, 1},
                               {Order::random, 1, 1},
                               {Order::random, 2, 1},
                               {Order::random, 3, 2}};

TEST_F(Emulation, BlockSumInEveryOrder) {
  GuardedArray<float> input(1000), total(1);
  float expected = 0;
  for (size_t i = 0; i < 1000; ++i) expected += input[i] = static_cast<float>(i % 7);
  for (const Settings& s : kSchedules) {
    gpu::emulation::settings() = s;
    total[0] = 0;
    launch(*device, "block_sum", block_sum, dim3(3), dim3(96), 0, input.data(), total.data(), 1000);
    expect_no_error();
    EXPECT_EQ(total[0], expected);
  }
}

TEST_F(Emulation, Indices) {
  const dim3 grid(3, 2, 4), block(5, 3, 2);
  for (const Settings& s : kSchedules) {
    gpu::emulation::settings() = s;
    GuardedArray<uint4> output(24 * 30);
    launch(*device, "indices", indices, grid, block, 0, output.data());
    expect_no_error();
    EXPECT_TRUE(output.intact());
    for (unsigned i = 0; i < 24 * 30; ++i) {
      EXPECT_EQ(output[i].w, i / 30);
      EXPECT_EQ((output[i].z * 3 + output[i].y) * 5 + output[i].x, i % 30);
    }
  }
}

TEST_F(Emulation, OrderOfBlocksFollowsTheSettings) {
  const auto turns = [&](const Settings& s) {
    gpu::emulation::settings() = s;
    std::vector<unsigned> output(20);
    unsigned counter = 0;
    launch(*device, "tickets", tickets, dim3(20), dim3(1), 0, &counter, output.data());
    expect_no_error();
    EXPECT_EQ(counter, 20u);
    return output;
  };
  const std::vector<unsigned> forward = turns({}), reversed = turns({Order::reversed, 0, 1});
  for (unsigned i = 0; i < 20; ++i) {
    EXPECT_EQ(forward[i], i);
    EXPECT_EQ(reversed[i], 19 - i);
  }
  const std::vector<unsigned> random = turns({Order::random, 1, 1});
  EXPECT_NE(random, forward);
  EXPECT_NE(random, turns({Order::random, 2, 1}));
  EXPECT_EQ(random, turns({Order::random, 1, 1}));
}

TEST_F(Emulation, VotesAndShuffles) {
  GuardedArray<uint32_t> output(32);
  launch(*device, "votes", votes, dim3(1), dim3(32), 0, output.data());
  expect_no_error();
  for (unsigned i = 0; i < 32; ++i) EXPECT_EQ(output[i], i < 16 ? 3 : i % 8 != 0 ? i - 1 : i);
  GuardedArray<float> numbers(8);
  launch(*device, "shuffle_from_outside", shuffle_from_outside, dim3(1), dim3(32), 0, numbers.data());
  expect_no_error();
  for (unsigned i = 0; i < 8; ++i) EXPECT_EQ(std::isnan(numbers[i]), i == 2);
}

TEST_F(Emulation, Atomics) {
  for (const Settings& s : kSchedules) {
    gpu::emulation::settings() = s;
    int most = -5;
    launch(*device, "largest", largest, dim3(4), dim3(96), 0, &most);
    expect_no_error();
    EXPECT_EQ(most, 100);  // 30 * 37 is 100 modulo 101.
  }
}

TEST_F(Emulation, BuiltInFunctions) {
  EXPECT_EQ(min(3, 2u), 2u);
  EXPECT_EQ(max(-1.5f, 2), 2.0f);
  EXPECT_EQ(rsqrtf(16.0f), 0.25f);
  EXPECT_EQ(__saturatef(1.5f), 1.0f);
  EXPECT_EQ(__saturatef(-1.0f), 0.0f);
  EXPECT_EQ(__saturatef(0.5f), 0.5f);
  EXPECT_EQ(__saturatef(std::numeric_limits<float>::quiet_NaN()), 0.0f);
  EXPECT_EQ(__float_as_uint(1.0f), 0x3f800000u);
  EXPECT_EQ(__uint_as_float(0xc0000000u), -2.0f);
  EXPECT_EQ(__int_as_float(__float_as_int(-0.1f)), -0.1f);
  EXPECT_EQ(__popc(0xf0f0u), 8);
  EXPECT_EQ(__clz(1), 31);
  EXPECT_EQ(__ffs(8), 4);
  EXPECT_EQ(__ffs(0), 0);
}

TEST_F(Emulation, StaticSharedMemory) {
  GuardedArray<int> numbers(64);
  launch(*device, "reverse", reverse_in_static_shared, dim3(1), dim3(64), 0, numbers.data());
  expect_no_error();
  for (int i = 0; i < 64; ++i) EXPECT_EQ(numbers[static_cast<size_t>(i)], 63 - i);
  GuardedArray<float> leftover(32);
  for (size_t i = 0; i < 3; ++i) leftover[i] = 0;
  launch(*device, "static_leftover", static_leftover, dim3(3), dim3(1), 0, leftover.data());
  expect_no_error();
  for (size_t i = 0; i < 3; ++i) EXPECT_TRUE(std::isnan(leftover[i]));
  launch(*device, "static_index", static_index, dim3(1), dim3(32), 0, leftover.data());
  expect_error({"static_index", "block (0,0,0): thread (8,0,0): index 8 of a shared array of 8"});
}

TEST_F(Emulation, MissingBarrierShows) {
  GuardedArray<float> output(64);
  launch(*device, "neighbours", neighbours, dim3(1), dim3(64), 256, output.data(), true);
  expect_no_error();
  for (unsigned i = 0; i < 64; ++i) EXPECT_EQ(output[i], static_cast<float>((i + 1) % 64));
#ifndef GPEN_EMULATION_TSAN  // There it is reported as the data race that it is.
  launch(*device, "neighbours", neighbours, dim3(1), dim3(64), 256, output.data(), false);
  expect_no_error();
  EXPECT_TRUE(std::isnan(output[31]));
#endif
}

TEST_F(Emulation, DivergenceIsReportedWithItsPlaces) {
  launch(*device, "end_before_barrier", end_before_barrier, dim3(1), dim3(64), 0);
  expect_error({"end_before_barrier", "threads diverge: 32 thread(s) from (0,0,0) on have ended; ",
                "32 thread(s) from (32,0,0) on wait in __syncthreads at ", "gpu_test_kernels.h"});
  launch(*device, "two_barriers", two_barriers, dim3(1), dim3(64), 0);
  expect_error({"40 thread(s) from (0,0,0) on wait in __syncthreads at ",
                "gpu_test_kernels.h:" + std::to_string(kTwoBarriersLine) + "; 24 thread(s) from (40,0,0) on",
                "gpu_test_kernels.h:" + std::to_string(kTwoBarriersLine + 2)});
  launch(*device, "missing_lane", missing_lane, dim3(1), dim3(32), 0);
  expect_error({"31 thread(s) from (0,0,0) on wait in __syncwarp", "1 thread(s) from (5,0,0) on have ended"});
  float out = 0;
  launch(*device, "mixed_collectives", mixed_collectives, dim3(1), dim3(32), 0, &out);
  expect_error({"lanes of one warp meet in __ballot_sync at ", " and in __shfl_sync at "});
  launch(*device, "different_masks", different_masks, dim3(1), dim3(32), 0);
  expect_error({"thread (5,0,0): lanes of one warp meet in __syncwarp at ", "with different masks"});
  launch(*device, "not_in_mask", not_in_mask, dim3(1), dim3(32), 0);
  expect_error({"thread (4,0,0): __syncwarp at ", "the calling lane is not in the mask"});
  launch(*device, "throws", throws, dim3(1), dim3(32), 0);
  expect_error({"thread (0,0,0): thrown by the kernel"});
}

TEST_F(Emulation, SharedMemoryHasGuards) {
#ifndef GPEN_EMULATION_ASAN  // There the program ends with ASan's report.
  launch(*device, "write_dynamic", write_dynamic, dim3(1), dim3(32), 124, 32);
  expect_error({"write_dynamic", "an access outside of the dynamic shared memory"});
#endif
  launch(*device, "write_dynamic", write_dynamic, dim3(1), dim3(32), 124, 31);
  expect_no_error();
  GuardedArray<float> output(32);
  for (size_t i = 0; i < 32; ++i) output[i] = 0;
  launch(*device, "read_dynamic", read_dynamic, dim3(1), dim3(32), 128, output.data());
  expect_no_error();
  for (size_t i = 0; i < 32; ++i) EXPECT_TRUE(std::isnan(output[i]));
}

TEST_F(Emulation, GlobalMemoryHasGuards) {
  GuardedArray<float> output(70);
  launch(*device, "fill", fill, dim3(3), dim3(32), 0, output.data(), 70, 2.0f);
  expect_no_error();
  EXPECT_TRUE(output.intact());
  EXPECT_EQ(output[69], 2.0f);
#ifndef GPEN_EMULATION_ASAN
  launch(*device, "fill", fill, dim3(3), dim3(32), 0, output.data(), 71, 2.0f);
  expect_no_error();
  EXPECT_FALSE(output.intact());
#endif
}

TEST_F(Emulation, AsynchronousCopies) {
  GuardedArray<float4> from(32), to(32);
  for (unsigned i = 0; i < 32; ++i) from[i] = make_float4(static_cast<float>(i), 1, 2, 3);
  const auto run = [&](CopyFault fault) {
    launch(*device, "copy", copy, dim3(1), dim3(32), 512, from.data(), to.data(), fault);
  };
  run(CopyFault::none);
  expect_no_error();
  for (unsigned i = 0; i < 32; ++i) {
    EXPECT_EQ(to[i].x, i == 1 ? 0.0f : static_cast<float>(i));
    EXPECT_EQ(to[i].w, i == 1 ? 0.0f : 3.0f);
  }
  for (const CopyFault fault : {CopyFault::no_wait, CopyFault::wait_for_too_few, CopyFault::early_reuse}) {
    run(fault);
    expect_no_error();
    for (unsigned i = 0; i < 32; ++i) EXPECT_TRUE(std::isnan(to[i].x) && std::isnan(to[i].w));
  }
  run(CopyFault::misaligned);
  expect_error({"thread (0,0,0): cp_async_16 at ", "misaligned address"});
  launch(*device, "copy_groups", copy_groups, dim3(1), dim3(1), 32, from.data(), to.data());
  expect_no_error();
  EXPECT_EQ(to[0].x, 0.0f);
  EXPECT_TRUE(std::isnan(to[1].x));
  EXPECT_EQ(to[2].x, 1.0f);
}

TEST_F(Emulation, LaunchNotesErrorsAndGoesOn) {
  GuardedArray<float> output(32);
  launch(*device, "nothing to do", fill, dim3(0), dim3(32), 0, output.data(), 32, 1.0f);
  launch(*device, "nothing to do", fill, dim3(1, 0), dim3(32), 0, output.data(), 32, 1.0f);
  launch(*device, "nothing to do", fill, dim3(1, 1, 0), dim3(32), 0, output.data(), 32, 1.0f);
  expect_no_error();
  EXPECT_TRUE(std::isnan(output[0]));
  launch(*device, "too wide", fill, dim3(1), dim3(1025), 0, output.data(), 32, 1.0f);
  expect_error({"too wide (", "test_gpu_emulation.cpp:" + std::to_string(__LINE__ - 1), "block of (1025,1,1) threads"});
  launch(*device, "too many", fill, dim3(1, 65536), dim3(1), 0, output.data(), 32, 1.0f);
  expect_error({"too many", "grid of (1,65536,1) blocks"});
  launch(*device, "too much", fill, dim3(1), dim3(32), 227 * 1024 + 1, output.data(), 32, 1.0f);
  expect_error({"too much", "232449 of 232448 bytes of shared memory"});
  EXPECT_TRUE(std::isnan(output[0]));
  launch(*device, "end_before_barrier", end_before_barrier, dim3(2), dim3(64), 0);
  launch(*device, "converts its arguments", fill, 1, 32, 0, output.data(), 32u, 1);
  expect_error({"end_before_barrier"});
  EXPECT_EQ(output[31], 1.0f);

  EmulatedDeviceOptions small;
  small.shared_bytes = 64 * 1024;
  device = open_emulated_device(small);
  launch(*device, "too much here", fill, dim3(1), dim3(32), 64 * 1024 + 1, output.data(), 32, 1.0f);
  expect_error({"too much here", "65537 of 65536 bytes"});
}

TEST_F(Emulation, RecordedLaunchesRunWhenReplayed) {
  std::vector<float> values(32, 1.0f);
  const auto recorded = device->record([&] {
    float summand = 2;  // Copied by the launch.
    launch(*device, "add_to", add_to, dim3(1), dim3(32), 0, values.data(), summand);
    summand = 100;
  });
  ASSERT_TRUE(recorded.ok()) << recorded.status().message();
  EXPECT_EQ(values[31], 1.0f);
  device->replay(**recorded);
  device->replay(**recorded);
  expect_no_error();
  EXPECT_EQ(values[31], 5.0f);
}

TEST_F(Emulation, CountsBlocksAndSwitches) {
  const uint64_t blocks = gpu::emulation::statistics().blocks, switches = gpu::emulation::statistics().switches;
  GuardedArray<float> output(64);
  launch(*device, "neighbours", neighbours, dim3(3), dim3(64), 256, output.data(), true);
  expect_no_error();
  EXPECT_EQ(gpu::emulation::statistics().blocks - blocks, 3u);
  EXPECT_EQ(gpu::emulation::statistics().switches - switches, 3u * 64 * 2);
}

}  // namespace
}  // namespace gpen::emulated
