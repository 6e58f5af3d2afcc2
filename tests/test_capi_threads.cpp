// One model and several threads. Built with GPEN_SANITIZE=thread this is the test for races (CONTRIBUTING.md).
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <thread>

#include "support/capi_fixture.h"
#include "support/sanitized.h"

namespace gpen::test {
namespace {

constexpr int kRounds = kSanitized ? 2 : 6;  // instrumented code takes its time

const SmallNetworks& networks() {
  static const SmallNetworks small;
  return small;
}

struct Given {
  SmallPhoto photo;
  gpen_face faces[2] = {face_at(4, 4, 40), face_at(30, 10, 36)};
  gpen_restore_params params = gpen_restore_default_params();
  explicit Given(int seed) : photo(seed) {
    params.faces = faces;
    params.face_count = 2;
  }
  Given(const Given&) = delete;
  gpen_status restore(gpen_model* model, std::vector<uint8_t>* pixels) const {
    const gpen_image image = photo.image();
    gpen_result* result = nullptr;
    const gpen_status status = gpen_restore(model, &params, &image, &result);
    if (status == GPEN_OK) *pixels = pixels_of(result);
    gpen_result_free(result);
    return status;
  }
};

std::vector<uint8_t> restored(gpen_model* model, int seed) {
  std::vector<uint8_t> pixels;
  EXPECT_EQ(Given(seed).restore(model, &pixels), GPEN_OK) << gpen_last_error();
  return pixels;
}

size_t detected(gpen_model* model, int seed) {
  const SmallPhoto photo(seed);
  const gpen_image image = photo.image();
  gpen_restore_params params = gpen_restore_default_params();
  params.threshold = 0.3;
  gpen_result* result = nullptr;
  EXPECT_EQ(gpen_detect(model, &params, &image, &result), GPEN_OK) << gpen_last_error();
  const size_t faces = gpen_result_face_count(result);
  gpen_result_free(result);
  return faces;
}

TEST(CApiThreads, FourThreadsRestoreDetectOpenAndAbort) {
  std::atomic<int> lines{0};
  gpen_model_params open = networks().params();
  open.log = [](gpen_log_level, const char*, void* count) { ++*static_cast<std::atomic<int>*>(count); };
  open.log_user_data = &lines;
  const OwnedModel shared(open);
  std::vector<uint8_t> expected[2];
  size_t faces[2];
  {
    const OwnedModel alone(networks().params());
    for (int seed : {0, 1}) {
      expected[seed] = restored(alone.handle, seed);
      faces[seed] = detected(alone.handle, seed);
    }
  }
  ASSERT_NE(expected[0], expected[1]);

  std::thread restoring([&] {
    for (int i = 0; i < kRounds; ++i) EXPECT_EQ(restored(shared.handle, i % 2), expected[i % 2]);
  });
  std::thread detecting([&] {
    for (int i = 0; i < kRounds; ++i) {
      EXPECT_EQ(detected(shared.handle, i % 2), faces[i % 2]);
      gpen_model_info info = {};
      info.size = sizeof(info);
      EXPECT_EQ(gpen_model_get_info(shared.handle, &info), GPEN_OK);
      EXPECT_STREQ(info.device, "cpu");
    }
  });
  std::thread opening([&] {
    for (int i = 0; i < kRounds; ++i) {
      const OwnedModel own(networks().params());
      EXPECT_EQ(restored(own.handle, i % 2), expected[i % 2]);
      gpen_model_params damaged = networks().params();
      damaged.gpen.bytes /= 2;
      gpen_model* none = nullptr;
      EXPECT_EQ(gpen_model_open(&damaged, &none), GPEN_ERROR_MODEL);
      EXPECT_NE(std::string(gpen_last_error()).find("gpen (in memory)"), std::string::npos) << gpen_last_error();
      // Picture files: the decoder's settings are the thread's own.
      const SmallPhoto photo;
      const gpen_image image = photo.image();
      uint8_t* file = nullptr;
      size_t bytes = 0;
      EXPECT_EQ(gpen_image_encode(&image, i % 2 == 0 ? GPEN_FILE_PNG : GPEN_FILE_JPEG, 0, &file, &bytes), GPEN_OK);
      gpen_picture* picture = nullptr;
      EXPECT_EQ(gpen_picture_decode(file, bytes, nullptr, &picture), GPEN_OK) << gpen_last_error();
      gpen_picture_free(picture);
      gpen_free(file);
    }
  });
  std::thread aborting([&] {
    for (int i = 0; i < kRounds; ++i) {
      Given given(i % 2);
      int questions = 0;
      given.params.abort = [](void* count) { return ++*static_cast<int*>(count) > 2; };
      given.params.abort_user_data = &questions;
      std::vector<uint8_t> unused;
      EXPECT_EQ(given.restore(shared.handle, &unused), GPEN_ERROR_CANCELLED);
      EXPECT_NE(std::string(gpen_last_error()).find("cancelled"), std::string::npos) << gpen_last_error();
    }
  });
  for (std::thread* thread : {&restoring, &detecting, &opening, &aborting}) thread->join();
  EXPECT_STREQ(gpen_last_error(), "") << "another thread's error";
  EXPECT_EQ(restored(shared.handle, 1), expected[1]);
  EXPECT_GT(lines, 0);
}

// A call that waits for its turn can be given up without waiting for the other one's end.
TEST(CApiThreads, AWaitingCallIsAborted) {
  const OwnedModel model(networks().params());
  std::promise<void> inside, leave;
  struct Held {
    std::promise<void>* inside;
    std::future<void> leave;
    bool first = true;
  } held{&inside, leave.get_future()};
  Given holding(0);
  holding.params.progress = [](const char*, double, void* data) {
    auto& h = *static_cast<Held*>(data);
    if (!std::exchange(h.first, false)) return;
    h.inside->set_value();
    h.leave.wait();
  };
  holding.params.progress_user_data = &held;
  std::vector<uint8_t> pixels;
  std::thread holder([&] { EXPECT_EQ(holding.restore(model.handle, &pixels), GPEN_OK); });
  inside.get_future().wait();

  Given waiting(1);
  int questions = 0;
  waiting.params.abort = [](void* count) { return ++*static_cast<int*>(count) > 3; };
  waiting.params.abort_user_data = &questions;
  std::vector<uint8_t> unused;
  EXPECT_EQ(waiting.restore(model.handle, &unused), GPEN_ERROR_CANCELLED);
  EXPECT_EQ(questions, 4);
  leave.set_value();
  holder.join();
  EXPECT_FALSE(pixels.empty());
  EXPECT_FALSE(restored(model.handle, 1).empty()) << "the one who gave up is out of the queue";
}

TEST(CApiThreads, ACallbackCannotCallItsOwnModel) {
  const OwnedModel model(networks().params());
  struct Nested {
    gpen_model* model;
    const Given* given;
    gpen_status status = GPEN_OK;
  };
  Given given(0);
  const Given inner(0);
  Nested nested{model.handle, &inner};
  given.params.progress = [](const char*, double, void* data) {
    auto& n = *static_cast<Nested*>(data);
    std::vector<uint8_t> unused;
    n.status = n.given->restore(n.model, &unused);
  };
  given.params.progress_user_data = &nested;
  std::vector<uint8_t> pixels;
  EXPECT_EQ(given.restore(model.handle, &pixels), GPEN_OK);
  EXPECT_EQ(nested.status, GPEN_ERROR_USAGE);
  EXPECT_STREQ(gpen_last_error(), "") << "of the call that came last";
}

// The child of a fork has no threads but its own: it is told so, and nothing waits for the others.
TEST(CApiThreads, AfterAForkTheChildIsToldToOpenItsOwn) {
  const OwnedModel model(networks().params());
  const std::vector<uint8_t> expected = restored(model.handle, 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    alarm(60);  // ends a child that waits
    std::vector<uint8_t> pixels;
    if (Given(0).restore(model.handle, &pixels) != GPEN_ERROR_USAGE) _exit(1);
    if (std::string(gpen_last_error()).find("fork()") == std::string::npos) _exit(2);
    gpen_result* result = nullptr;
    const SmallPhoto photo;
    const gpen_image image = photo.image();
    if (gpen_detect(model.handle, nullptr, &image, &result) != GPEN_ERROR_USAGE) _exit(3);
    gpen_model_info info = {};
    info.size = sizeof(info);
    if (gpen_model_get_info(model.handle, &info) != GPEN_OK || info.face_size != 64) _exit(4);
    gpen_model_free(model.handle);
#ifndef __SANITIZE_THREAD__  // which starts no threads after a fork
    const OwnedModel own(networks().params());
    if (Given(0).restore(own.handle, &pixels) != GPEN_OK || pixels != expected) _exit(5);
#endif
    _exit(0);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(restored(model.handle, 0), expected) << "the parent's goes on";
}

}  // namespace
}  // namespace gpen::test
