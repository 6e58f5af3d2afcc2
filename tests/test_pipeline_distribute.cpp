// Photos spread over several devices, here over several thread pools (test_gpu_restore.cpp: over devices).
#include "pipeline/distribute.h"

#include <gtest/gtest.h>

#include <atomic>
#include <new>
#include <thread>

#include "pipeline/restore.h"
#include "support/pictures.h"
#include "support/pipeline_networks.h"

namespace gpen {
namespace {

using Items = std::vector<size_t>;

Items first_items(size_t n) {
  Items items(n);
  for (size_t i = 0; i < n; ++i) items[i] = i;
  return items;
}

// What happened to the items of a distribution.
struct Record {
  explicit Record(size_t items, size_t workers) : times_done(items), by(items), of_worker(workers) {}
  std::vector<std::atomic<int>> times_done;
  std::vector<std::atomic<size_t>> by;
  std::vector<Items> of_worker;  // each written by that worker alone
  Items finished;
  void did(size_t item, size_t worker) {
    ++times_done[item];
    by[item] = worker;
    of_worker[worker].push_back(item);
  }
};

TEST(Distribute, EveryItemOnceAndReportedInOrder) {
  for (const size_t workers : {1u, 2u, 3u, 8u})
    for (const size_t items : {0u, 1u, 2u, 7u, 200u}) {
      Record record(items, workers);
      const auto work = [&](size_t item, size_t worker) {
        if (worker >= workers) return false;
        record.did(item, worker);
        return true;
      };
      const auto finished = [&](size_t item) { record.finished.push_back(item); };
      const auto done = distribute({items, workers, work, finished, nullptr});
      ASSERT_TRUE(done.ok()) << done.status().message();
      EXPECT_EQ(*done, items);
      EXPECT_EQ(record.finished, first_items(items)) << workers << " workers";
      for (size_t i = 0; i < items; ++i) EXPECT_EQ(record.times_done[i], 1) << i;
      for (const Items& own : record.of_worker) EXPECT_TRUE(std::is_sorted(own.begin(), own.end()));
    }
}

TEST(Distribute, OneWorkerIsTheCaller) {
  const auto caller = std::this_thread::get_id();
  for (const size_t workers : {1u, 4u}) {
    const size_t items = workers == 1 ? 5 : 1;
    const auto work = [&](size_t, size_t worker) { return worker == 0 && std::this_thread::get_id() == caller; };
    std::atomic<int> elsewhere{0};
    const auto counted = [&](size_t item, size_t worker) {
      elsewhere += !work(item, worker);
      return true;
    };
    ASSERT_TRUE(distribute({items, workers, counted, nullptr, nullptr}).ok());
    EXPECT_EQ(elsewhere, 0);
  }
}

// The first item ends last: the others go on, and wait for it with their reports.
TEST(Distribute, ALongItemHoldsUpOnlyTheReports) {
  constexpr size_t kItems = 20;
  Record record(kItems, 2);
  std::atomic<size_t> others{0};
  std::atomic<bool> reported_too_early{false};
  const auto work = [&](size_t item, size_t worker) {
    while (item == 0 && others < kItems - 1) std::this_thread::yield();
    record.did(item, worker);
    others += item != 0;
    return true;
  };
  const auto finished = [&](size_t item) {
    if (others < kItems - 1) reported_too_early = true;
    record.finished.push_back(item);
  };
  const auto done = distribute({kItems, 2, work, finished, nullptr});
  ASSERT_TRUE(done.ok());
  EXPECT_EQ(record.finished, first_items(kItems));
  EXPECT_FALSE(reported_too_early);
  const size_t slow = record.by[0];
  EXPECT_EQ(record.of_worker[slow], Items{0});
  EXPECT_EQ(record.of_worker[1 - slow].size(), kItems - 1);
}

TEST(Distribute, StoppingFinishesWhatWasTaken) {
  for (const size_t workers : {1u, 3u}) {
    Record record(100, workers);
    std::atomic<int> done_items{0};
    const auto work = [&](size_t item, size_t worker) {
      record.did(item, worker);
      ++done_items;
      return true;
    };
    const auto finished = [&](size_t item) { record.finished.push_back(item); };
    const auto stop = [&] { return done_items >= 10; };
    const auto done = distribute({100, workers, work, finished, stop});
    ASSERT_TRUE(done.ok());
    EXPECT_GE(*done, 10u);
    EXPECT_LE(*done, 10 + workers);
    EXPECT_EQ(record.finished, first_items(*done));
    for (size_t i = 0; i < 100; ++i) EXPECT_EQ(record.times_done[i], i < *done ? 1 : 0) << i;
  }
}

TEST(Distribute, ALostWorkerGetsNoMoreItems) {
  Record record(30, 3);
  std::atomic<bool> lost{false};
  const auto work = [&](size_t item, size_t worker) {
    // So that worker 1 does get one.
    while (worker != 1 && !lost) std::this_thread::yield();
    record.did(item, worker);
    if (worker == 1) lost = true;
    return worker != 1;
  };
  const auto done = distribute({30, 3, work, nullptr, nullptr});
  ASSERT_TRUE(done.ok());
  EXPECT_EQ(*done, 30u);
  EXPECT_EQ(record.of_worker[1].size(), 1u);
  // When all are lost, the last one still gives every item its turn.
  Record all(30, 3);
  const auto lose = [&](size_t item, size_t worker) {
    all.did(item, worker);
    return false;
  };
  EXPECT_EQ(*distribute({30, 3, lose, nullptr, nullptr}), 30u);
  for (size_t i = 0; i < 30; ++i) EXPECT_EQ(all.times_done[i], 1) << i;
}

TEST(Distribute, NoMemoryEndsIt) {
  for (const size_t workers : {1u, 3u}) {
    std::atomic<int> done_items{0};
    const auto work = [&](size_t item, size_t) {
      if (item == 5) throw std::bad_alloc();
      ++done_items;
      return true;
    };
    const auto done = distribute({100, workers, work, nullptr, nullptr});
    EXPECT_EQ(done.status().code(), Code::memory);
    if (workers == 1) {
      EXPECT_EQ(done_items, 5);
    }
    std::atomic<size_t> reports{0};
    const auto report = [&](size_t) {
      if (++reports == 3) throw std::bad_alloc();
    };
    const auto fine = [](size_t, size_t) { return true; };
    EXPECT_EQ(distribute({100, workers, fine, report, nullptr}).status().code(), Code::memory);
    EXPECT_EQ(reports, 3u);
  }
}

// Whole restorers side by side, one photo damaged and one cancelled.
TEST(Distribute, RestorersSideBySideGiveWhatOneGives) {
  const char* const kNet = "gpen:size=64,cm=1,narrow=0.125,style=32,mlp=2";
  const auto store = synthesize(*parse_architecture(kNet), SynthKind::negative);
  ASSERT_TRUE(store.ok());
  std::vector<Image> photos;
  for (int i = 0; i < 12; ++i) photos.push_back(i == 4 ? Image() : test::test_picture(64, 64, 10 * i));
  const auto restore_with = [&](size_t workers, std::vector<Result<RestoreResult>>* results) {
    std::vector<Restorer> restorers;
    for (size_t w = 0; w < workers; ++w) {
      const auto pool = std::make_shared<ThreadPool>(1);
      auto net = GpenNet::load(*store, pool);
      ASSERT_TRUE(net.ok()) << net.status().message();
      restorers.emplace_back(Models{std::make_shared<GpenNet>(std::move(net).value()), nullptr, nullptr, nullptr},
                             pool);
    }
    results->assign(photos.size(), Status());
    const auto work = [&](size_t photo, size_t worker) {
      RestoreOptions options;
      options.aligned = true;
      options.progress = [&](const char*, double) { return photo != 7; };
      (*results)[photo] = restorers[worker].restore(photos[photo], options);
      return true;
    };
    EXPECT_EQ(*distribute({photos.size(), workers, work, nullptr, nullptr}), photos.size());
  };
  std::vector<Result<RestoreResult>> one, three;
  restore_with(1, &one);
  restore_with(3, &three);
  ASSERT_EQ(one.size(), three.size());
  for (size_t i = 0; i < photos.size(); ++i) {
    const Code wanted = i == 4 ? Code::usage : i == 7 ? Code::cancelled : Code::ok;
    EXPECT_EQ(one[i].status().code(), wanted) << i;
    EXPECT_EQ(three[i].status().code(), wanted) << i;
    if (one[i].ok() && three[i].ok()) {
      EXPECT_EQ(one[i]->image.rgb, three[i]->image.rgb) << i;
    }
  }
}

}  // namespace
}  // namespace gpen
