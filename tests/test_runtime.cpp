// Threads, the planned workspace, errors as values.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>
#include <thread>
#include <vector>

#include "runtime/thread_pool.h"
#include "runtime/workspace.h"

namespace gpen {
namespace {

TEST(ThreadPool, EveryItemOnceAndThreadsInRange) {
  for (const int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    ASSERT_EQ(pool.size(), threads);
    for (const int64_t items : {0, 1, 2, 3, 1000}) {
      std::vector<std::atomic<int>> seen(static_cast<size_t>(items));
      std::atomic<bool> in_range{true};
      pool.parallel_for(items, [&](int64_t i, int t) {
        ++seen[static_cast<size_t>(i)];
        if (t < 0 || t >= threads) in_range = false;
      });
      EXPECT_TRUE(in_range);
      for (const auto& s : seen) EXPECT_EQ(s, 1);
    }
  }
}

TEST(ThreadPool, NestedCallsRunInline) {
  ThreadPool pool(3);
  std::atomic<int> sum{0};
  pool.parallel_for(4, [&](int64_t, int) { pool.parallel_for(5, [&](int64_t, int) { ++sum; }); });
  EXPECT_EQ(sum, 20);
}

TEST(ThreadPool, ManyShortRegions) {
  ThreadPool pool(2);
  int64_t total = 0;
  std::vector<int64_t> slot(64);
  for (int r = 0; r < 20000; ++r) {
    pool.parallel_for(3, [&](int64_t i, int) { slot[static_cast<size_t>(i * 16)] = r; });
    total += slot[0] + slot[16] + slot[32];
  }
  EXPECT_EQ(total, 3 * (int64_t{19999} * 20000 / 2));
}

TEST(ThreadPool, TwoCallersTakeTurns) {
  ThreadPool pool(2);
  std::atomic<int> sum{0};
  std::thread other([&] {
    for (int r = 0; r < 500; ++r) pool.parallel_for(4, [&](int64_t, int) { ++sum; });
  });
  for (int r = 0; r < 500; ++r) pool.parallel_for(4, [&](int64_t, int) { ++sum; });
  other.join();
  EXPECT_EQ(sum, 4000);
}

TEST(ThreadPool, WhatAnItemThrowsReachesTheCaller) {
  for (const int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    for (int round = 0; round < 50; ++round) {
      std::atomic<int> begun{0};
      auto out_of_memory_at_7 = [&](int64_t i, int) {
        ++begun;
        if (i == 7) throw std::bad_alloc();
      };
      EXPECT_THROW(pool.parallel_for(100000, out_of_memory_at_7), std::bad_alloc);
      // How far others get before they hear of it is a matter of luck.
      if (threads == 1) {
        EXPECT_EQ(begun, 8) << "the rest is left out";
      }
      EXPECT_THROW(pool.parallel_for(8,
                                     [&](int64_t i, int t) {
                                       pool.parallel_for(
                                           8, [&](int64_t k, int) { out_of_memory_at_7(i == 3 ? k : 0, t); });
                                     }),
                   std::bad_alloc)
          << "of a nested call";
      std::atomic<int> sum{0};
      pool.parallel_for(10, [&](int64_t, int) { ++sum; });
      EXPECT_EQ(sum, 10) << "the pool works on";
    }
  }
}

#if !defined(__SANITIZE_ADDRESS__)  // its shadow needs more address space than any limit that would be felt
TEST(ThreadPool, WorksWithTheThreadsThatTheSystemGrants) {
  const auto with_little_address_space = [] {
    const rlimit limit{size_t{1} << 29, size_t{1} << 29};  // a thread's stack takes 8 MiB of it
    if (setrlimit(RLIMIT_AS, &limit) != 0) std::_Exit(2);
    ThreadPool pool(1000);
    std::atomic<int> sum{0};
    pool.parallel_for(1000, [&](int64_t, int) { ++sum; });
    std::_Exit(pool.size() < 1000 && sum == 1000 ? 0 : 3);
  };
  EXPECT_EXIT(with_little_address_space(), testing::ExitedWithCode(0), "");
}
#endif

TEST(Workspace, BuffersAliveTogetherDoNotOverlap) {
  Workspace ws;
  struct Live {
    float* p;
    size_t n;
  };
  // A chain: each buffer lives until its successor's successor appears.
  auto forward = [&](bool check) {
    std::vector<Live> live;
    std::vector<Workspace::Handle> handles;
    size_t released = 0;
    for (size_t i = 0; i < 40; ++i) {
      const size_t n = 16 + i * 37 % 211;
      Workspace::Handle h;
      float* p = ws.take(n, &h);
      handles.push_back(h);
      live.push_back({p, n});
      if (check) {
        EXPECT_EQ(reinterpret_cast<uintptr_t>(p) % 64, 0u);
        for (size_t k = 0; k < n; ++k) p[k] = static_cast<float>(i);
      }
      if (i >= 2) {
        for (size_t k = 0; check && k < live[released].n; ++k)
          ASSERT_EQ(live[released].p[k], static_cast<float>(released));
        ws.give_back(handles[released++]);
      }
    }
  };
  ws.begin_plan();
  forward(false);
  ASSERT_TRUE(ws.finish_plan().ok());
  size_t sum = 0;
  for (size_t i = 0; i < 40; ++i) sum += (16 + i * 37 % 211) * 4;
  EXPECT_LT(ws.peak_bytes(), sum / 4) << "memory is shared by buffers that do not live together";
  for (int run = 0; run < 3; ++run) {
    ws.begin_run();
    forward(true);
  }
}

TEST(Workspace, KeepsItsBlockWhereItServes) {
  Workspace ws;
  const auto plan = [&](size_t floats) {
    ws.begin_plan();
    Workspace::Handle h;
    ws.take(floats, &h);
    EXPECT_TRUE(ws.finish_plan().ok());
    ws.begin_run();
    float* const memory = ws.take(floats, &h);
    memory[0] = memory[floats - 1] = 1;
    return memory;
  };
  float* const large = plan(size_t{1} << 20);
  const size_t held = ws.block_bytes();
  EXPECT_EQ(plan(size_t{3} << 18), large) << "a smaller plan, in the same memory";
  EXPECT_EQ(ws.block_bytes(), held);
  EXPECT_EQ(plan(size_t{1} << 20), large);
  plan(size_t{1} << 10);
  EXPECT_LT(ws.block_bytes(), held / 100) << "one that needs far less";
  plan(size_t{1} << 21);
  EXPECT_GE(ws.block_bytes(), ws.peak_bytes()) << "a larger one";
  ws.release();
  EXPECT_EQ(ws.block_bytes(), 0u);
}

TEST(Workspace, AnEmptyPlanNeedsNoMemory) {
  Workspace ws;
  ws.begin_plan();
  ASSERT_TRUE(ws.finish_plan().ok());
  EXPECT_EQ(ws.peak_bytes(), 0u);
}

TEST(Workspace, TooMuchMemoryIsAnErrorInWords) {
  Workspace ws;
  ws.begin_plan();
  Workspace::Handle h;
  ws.take(size_t{1} << 58, &h);
  const Status s = ws.finish_plan();
  EXPECT_EQ(s.code(), Code::memory);
  EXPECT_NE(s.message().find("MiB"), std::string::npos);
}

// The system would promise twice its memory (where it is set to) and kill the program later.
TEST(Workspace, MoreThanTheMachineHasIsRefusedBeforeItIsTouched) {
  struct sysinfo machine {};
  ASSERT_EQ(sysinfo(&machine), 0);
  const size_t all = (size_t{machine.totalram} + machine.totalswap) * machine.mem_unit;
  Workspace ws;
  ws.begin_plan();
  Workspace::Handle h;
  ws.take(all / sizeof(float), &h);
  const Status s = ws.finish_plan();
  EXPECT_EQ(s.code(), Code::memory);
  EXPECT_NE(s.message().find("of memory are free"), std::string::npos) << s.message();
}

TEST(Tensor, BlockedViewsAndSlices) {
  float* base = reinterpret_cast<float*>(4096);
  const TensorView t = make_view(base, 2, 40, 3, 5, Layout::nchw16c);
  EXPECT_EQ(t.blocks(), 3);
  EXPECT_EQ(t.image_size(), 3 * 16 * 15);
  const TensorView s = t.channels(16, 20);
  EXPECT_EQ(s.block(1, 0), t.block(1, 1));
  EXPECT_EQ(s.blocks(), 2);
  EXPECT_EQ(make_view(base, 2, 40, 3, 5).image_size(), 40 * 15);
}

TEST(Status, ContextGoesInFront) {
  EXPECT_EQ(fail(Code::io, "no such file").in("a.png").message(), "a.png: no such file");
  EXPECT_TRUE(Status().in("a.png").ok());
  Result<int> r = fail(Code::model, "bad");
  EXPECT_FALSE(r.ok());
  EXPECT_EQ(r.status().code(), Code::model);
}

}  // namespace
}  // namespace gpen
