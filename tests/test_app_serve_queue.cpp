// The queue of gpen serve and its workers, without a server around them.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <stdexcept>
#include <thread>

#include "app/serve/job_queue.h"

namespace gpen {
namespace {

template <class Condition>
bool wait_until(const Condition& holds) {
  for (int i = 0; i < 6000 && !holds(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  return holds();
}

TEST(ServeQueue, ReadyWhenAllAreAddedAndPrepared) {
  serve::JobQueue queue(serve::QueueLimits{});
  EXPECT_FALSE(queue.ready());
  std::promise<void> go;
  const auto wait = [gone = go.get_future().share()] {
    gone.wait();
    return Status();
  };
  queue.add_worker("cpu", true, wait, nullptr);
  EXPECT_FALSE(queue.ready());
  queue.all_workers_added();
  EXPECT_FALSE(queue.ready());
  go.set_value();
  EXPECT_TRUE(wait_until([&] { return queue.ready(); }));
}

// Whatever a device's code throws ends its job, or the preparation, and not the program.
TEST(ServeQueue, ExceptionsAreErrors) {
  serve::JobQueue queue(serve::QueueLimits{});
  queue.add_worker("cpu", true, nullptr,
                   [](serve::Job&) -> Result<serve::JobResult> { throw std::runtime_error("a bad day"); });
  serve::JobQueue::JobPtr job;
  ASSERT_FALSE(queue.submit({}, &job));
  ASSERT_TRUE(wait_until([&] { return queue.ended(job); }));
  EXPECT_EQ(queue.error(job).code, "internal");
  EXPECT_EQ(queue.error(job).message, "a bad day");

  serve::JobQueue other(serve::QueueLimits{});
  other.add_worker(
      "cpu", true, []() -> Status { throw std::runtime_error("no way"); }, nullptr);
  ASSERT_TRUE(wait_until([&] { return !other.failure().ok(); }));
  EXPECT_EQ(other.failure().message(), "cpu: no way");
  other.all_workers_added();
  EXPECT_FALSE(other.ready());
}

// A device beside the default one that cannot be used, or is lost later, costs its own jobs and nothing else.
TEST(ServeQueue, AFailedDeviceFailsItsJobsOnly) {
  serve::JobQueue queue(serve::QueueLimits{});
  const auto good = [](serve::Job&) { return Result<serve::JobResult>(serve::JobResult()); };
  int asked = 0;  // by one thread
  const auto lost = [&](serve::Job&) {
    ++asked;
    queue.lose_device("cuda:2", fail(Code::device, "cuda:2: lost"));
    return Result<serve::JobResult>(fail(Code::device, "cuda:2: lost"));
  };
  queue.add_worker("cuda:0", true, nullptr, good);
  queue.add_worker(
      "cuda:1", false, [] { return fail(Code::device, "cuda:1: fell off the bus"); }, nullptr);
  queue.add_worker("cuda:2", false, nullptr, lost);
  queue.all_workers_added();
  ASSERT_TRUE(wait_until([&] { return queue.ready(); }));
  const auto error_on = [&](const std::string& device) {
    serve::JobRequest request;
    request.device = device;
    serve::JobQueue::JobPtr job;
    EXPECT_FALSE(queue.submit(std::move(request), &job));
    EXPECT_TRUE(wait_until([&] { return queue.ended(job); }));
    return queue.error(job);
  };
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(error_on("").code, "");
    EXPECT_EQ(error_on("cuda:0").code, "");
    EXPECT_EQ(error_on("cuda:1").code, "device");
    EXPECT_EQ(error_on("cuda:1").message, "cuda:1: fell off the bus");
    EXPECT_EQ(error_on("cuda:2").message, "cuda:2: lost");
  }
  EXPECT_EQ(asked, 1) << "a lost device was asked again";
  EXPECT_TRUE(queue.ready());
  EXPECT_TRUE(queue.failure().ok()) << "the server would end";
  EXPECT_TRUE(queue.failure("cuda:0").ok());
  EXPECT_EQ(queue.failure("cuda:1").message(), "cuda:1: fell off the bus");
  EXPECT_EQ(queue.failure("cuda:2").message(), "cuda:2: lost");
}

// Of the devices that share the jobs one may be lost; when the last is, there is no server.
TEST(ServeQueue, LostDefaultDevices) {
  serve::JobQueue queue(serve::QueueLimits{});
  std::atomic<int> done{0};
  const auto good = [&](serve::Job&) {
    ++done;
    return Result<serve::JobResult>(serve::JobResult());
  };
  queue.add_worker("cuda:0", true, nullptr, good);
  queue.add_worker("cuda:1", true, nullptr, good);
  queue.all_workers_added();
  ASSERT_TRUE(wait_until([&] { return queue.ready(); }));
  queue.lose_device("cuda:0", fail(Code::device, "cuda:0: lost"));
  EXPECT_TRUE(queue.ready());
  for (int i = 0; i < 4; ++i) {
    serve::JobQueue::JobPtr job;
    ASSERT_FALSE(queue.submit({}, &job));
    ASSERT_TRUE(wait_until([&] { return queue.ended(job); }));
    EXPECT_EQ(queue.error(job).code, "");
  }
  EXPECT_EQ(done, 4);
  queue.lose_device("cuda:1", fail(Code::device, "cuda:1: lost"));
  EXPECT_FALSE(queue.ready());
  EXPECT_EQ(queue.failure().message(), "cuda:1: lost");
}

}  // namespace
}  // namespace gpen
