// Out of memory at every point: each n-th allocation inside the C API fails in turn (once, or it and all after it), and
// every call must answer with an error code, give back everything, and leave its objects as usable as before.
//
// The library's allocations are seen here in two ways: operator new is replaced, and the linker leads malloc() and its
// relatives in libgpen.a to the functions below (--wrap, tests/CMakeLists.txt).
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <functional>
#include <new>

#include "support/capi_fixture.h"

namespace {

std::atomic<int64_t> live{0};        // pieces of memory that the library holds
std::atomic<int64_t> countdown{-1};  // > 0: the allocation that brings it to 0 fails; < 0: none does
std::atomic<int64_t> allocations{0};
std::atomic<int64_t> refused{0};     // how many failed
std::atomic<bool> all_after{false};  // and every later one as well
std::atomic<bool> counting{false};   // off while the tests themselves allocate

bool refuse() {
  if (!counting) return false;
  ++allocations;
  const int64_t left = countdown.load() < 0 ? -1 : countdown.fetch_sub(1) - 1;
  if (left != 0 && !(all_after && left < 0 && refused > 0)) return false;
  ++refused;
  return true;
}

}  // namespace

extern "C" {
void* __real_malloc(size_t);
void* __real_calloc(size_t, size_t);
void* __real_realloc(void*, size_t);
void* __real_aligned_alloc(size_t, size_t);
void __real_free(void*);

void* __wrap_malloc(size_t bytes) {
  void* p = refuse() ? nullptr : __real_malloc(bytes);
  if (p != nullptr) ++live;
  return p;
}
void* __wrap_calloc(size_t count, size_t bytes) {
  void* p = refuse() ? nullptr : __real_calloc(count, bytes);
  if (p != nullptr) ++live;
  return p;
}
void* __wrap_realloc(void* old, size_t bytes) {
  void* p = refuse() ? nullptr : __real_realloc(old, bytes);
  if (p != nullptr && old == nullptr) ++live;
  return p;
}
void* __wrap_aligned_alloc(size_t alignment, size_t bytes) {
  void* p = refuse() ? nullptr : __real_aligned_alloc(alignment, bytes);
  if (p != nullptr) ++live;
  return p;
}
void __wrap_free(void* p) {
  if (p != nullptr) --live;
  __real_free(p);
}
}

// Not inlined: GCC would take the bare malloc() or free() for a mismatch.
[[gnu::noinline]] void* operator new(std::size_t size) {
  void* p = refuse() ? nullptr : __real_malloc(size > 0 ? size : 1);
  if (p == nullptr) throw std::bad_alloc();
  ++live;
  return p;
}
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  void* p = refuse() ? nullptr : __real_malloc(size > 0 ? size : 1);
  if (p != nullptr) ++live;
  return p;
}
[[gnu::noinline]] void* operator new[](std::size_t size) { return operator new(size); }
[[gnu::noinline]] void operator delete(void* p) noexcept {
  if (p != nullptr) --live;
  __real_free(p);
}
[[gnu::noinline]] void operator delete[](void* p) noexcept { operator delete(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { operator delete(p); }
[[gnu::noinline]] void operator delete[](void* p, std::size_t) noexcept { operator delete(p); }
[[gnu::noinline]] void operator delete(void* p, const std::nothrow_t&) noexcept { operator delete(p); }

namespace gpen::test {
namespace {

const SmallNetworks& networks() {
  static const SmallNetworks small;
  return small;
}

gpen_restore_params everything(const gpen_face* faces, size_t count) {
  gpen_restore_params p = gpen_restore_default_params();
  p.faces = faces;
  p.face_count = count;
  p.keep_faces = p.compare = p.draw_boxes = true;
  return p;
}

struct Outcome {
  gpen_status status;
  int64_t allocations, refused, leaked;
};

// Runs `call` with its n-th allocation failing (n = 0: none). What the call hands out is given back by it.
Outcome attempt(int64_t n, bool and_all_after, const std::function<gpen_status()>& call) {
  const int64_t before = live;
  allocations = refused = 0;
  all_after = and_all_after;
  countdown = n > 0 ? n : -1;
  counting = true;
  const gpen_status status = call();
  counting = false;
  countdown = -1;
  return {status, allocations, refused, live - before};
}

// 1, 2, 3, ... and from kEvery on in growing steps, so that a call with ten thousand allocations is tried some hundred
// times; with GPEN_EVERY_ALLOCATION in the environment really all (minutes).
int64_t after(int64_t n) {
  constexpr int64_t kEvery = 200, kSlower = 30;
  static const bool all = std::getenv("GPEN_EVERY_ALLOCATION") != nullptr;
  return n + 1 + (all || n < kEvery ? 0 : (n - kEvery) / kSlower);
}

// For those n until the call gets through without a refusal. still_good: checks, now and then, that an object that
// outlives the call works as before. What an algorithm can do without (the standard library's stable_sort asks for
// scratch memory and sorts in place without it) is no error; such a success is checked by still_good().
void fail_everywhere(const char* what, const std::function<gpen_status()>& call,
                     const std::function<void()>& still_good = nullptr) {
  ASSERT_EQ(call(), GPEN_OK) << what << ": " << gpen_last_error();  // what is made once is there now
  for (const bool and_all_after : {false, true}) {
    int64_t errors = 0, absorbed = 0, n = 1, last_check = 0;
    for (;; n = after(n)) {
      const Outcome out = attempt(n, and_all_after, call);
      ASSERT_EQ(out.leaked, 0) << what << ", allocation " << n;
      if (out.refused == 0) break;
      if (out.status == GPEN_OK) {
        ++absorbed;
        if (still_good) still_good();
        continue;
      }
      ++errors;
      ASSERT_EQ(out.status, GPEN_ERROR_MEMORY) << what << ", allocation " << n << ": " << gpen_last_error();
      ASSERT_STRNE(gpen_last_error(), "");
      if (still_good && errors - last_check >= 50) {
        still_good();
        last_check = errors;
      }
    }
    if (still_good) still_good();
    EXPECT_GT(errors, 0) << what;
    EXPECT_LE(absorbed, errors / 10) << what << ": refusals are swallowed";
    std::printf("%s: about %lld allocations; refused%s: %lld times reported, %lld times done without\n", what,
                static_cast<long long>(n), and_all_after ? " from there on" : "", static_cast<long long>(errors),
                static_cast<long long>(absorbed));
  }
}

// The injection itself: a test that cannot fail would be none.
TEST(CApiMemory, TheInjectionIsSeenAndLeaksAreCounted) {
  const Outcome leak = attempt(0, false, [] {
    gpen_picture* picture = nullptr;
    const SmallPhoto photo;
    const gpen_image image = photo.image();
    uint8_t* file = nullptr;
    size_t bytes = 0;
    EXPECT_EQ(gpen_image_encode(&image, GPEN_FILE_PNG, 0, &file, &bytes), GPEN_OK);
    EXPECT_EQ(gpen_picture_decode(file, bytes, nullptr, &picture), GPEN_OK);
    gpen_free(file);
    EXPECT_GT(live, 0);
    gpen_picture_free(picture);
    return GPEN_OK;
  });
  EXPECT_GT(leak.allocations, 5);
  EXPECT_EQ(leak.leaked, 0);
  void* held = nullptr;
  EXPECT_EQ(attempt(0, false, [&] { return held = operator new(1), GPEN_OK; }).leaked, 1);
  operator delete(held);
}

void open_everywhere(const char* what, const gpen_model_params& params) {
  fail_everywhere(what, [&] {
    gpen_model* model = nullptr;
    const gpen_status status = gpen_model_open(&params, &model);
    EXPECT_EQ(model == nullptr, status != GPEN_OK);
    gpen_model_free(model);
    return status;
  });
}

constexpr gpen_weights kNone = {"none", nullptr, 0};

TEST(CApiMemory, OpeningAGpen) {
  gpen_model_params params = networks().params();
  params.detector = params.parser = params.upscaler = kNone;
  open_everywhere("gpen", params);
}

TEST(CApiMemory, OpeningADetector) {
  gpen_model_params params = networks().params();
  params.gpen = kNone;
  params.parser = params.upscaler = {};
  open_everywhere("detector", params);
}

TEST(CApiMemory, OpeningAllNetworks) { open_everywhere("all networks", networks().params()); }

TEST(CApiMemory, OpeningAModelMadeInMemory) {
  gpen_model_params params = networks().params();
  params.gpen = {"sharpen", nullptr, 0};
  params.face_size = 256;
  params.detector = params.parser = params.upscaler = kNone;
  open_everywhere("sharpen", params);
}

TEST(CApiMemory, RestoringWithEveryNetwork) {
  const OwnedModel model(networks().params());
  const SmallPhoto photo;
  const gpen_image image = photo.image();
  const gpen_face faces[] = {face_at(4, 4, 40), face_at(30, 10, 36)};
  const gpen_restore_params params = everything(faces, 2);
  const auto restore = [&](std::vector<uint8_t>* pixels) {
    gpen_result* result = nullptr;
    const gpen_status status = gpen_restore(model.handle, &params, &image, &result);
    EXPECT_EQ(result == nullptr, status != GPEN_OK);
    if (pixels != nullptr && result != nullptr) *pixels = pixels_of(result);
    gpen_result_free(result);
    return status;
  };
  std::vector<uint8_t> expected;
  ASSERT_EQ(restore(&expected), GPEN_OK) << gpen_last_error();
  fail_everywhere(
      "restore", [&] { return restore(nullptr); },
      [&] {
        std::vector<uint8_t> again;
        ASSERT_EQ(restore(&again), GPEN_OK) << gpen_last_error();
        ASSERT_EQ(again, expected);
      });
}

TEST(CApiMemory, RestoringAnAlignedFace) {
  gpen_model_params open = networks().params();
  open.detector = open.parser = open.upscaler = kNone;
  const OwnedModel model(open);
  const SmallPhoto photo(1, 64, 64);
  gpen_image image = photo.image();
  gpen_restore_params params = gpen_restore_default_params();
  params.aligned = true;
  fail_everywhere("aligned", [&] {
    gpen_result* result = nullptr;
    const gpen_status status = gpen_restore(model.handle, &params, &image, &result);
    gpen_result_free(result);
    return status;
  });
}

TEST(CApiMemory, Detecting) {
  const OwnedModel model(networks().params());
  const SmallPhoto photo;
  const gpen_image image = photo.image();
  gpen_restore_params params = gpen_restore_default_params();
  params.threshold = 0.3;
  params.max_faces = 20;
  fail_everywhere("detect", [&] {
    gpen_result* result = nullptr;
    const gpen_status status = gpen_detect(model.handle, &params, &image, &result);
    gpen_result_free(result);
    return status;
  });
}

TEST(CApiMemory, PictureFiles) {
  const SmallPhoto photo;
  const gpen_image image = photo.image();
  for (const gpen_file_format format : {GPEN_FILE_PNG, GPEN_FILE_JPEG, GPEN_FILE_BMP}) {
    fail_everywhere("picture file", [&] {
      uint8_t* file = nullptr;
      size_t bytes = 0;
      gpen_picture* picture = nullptr;
      gpen_status status = gpen_image_encode(&image, format, 80, &file, &bytes);
      if (status == GPEN_OK) status = gpen_picture_decode(file, bytes, nullptr, &picture);
      gpen_picture_free(picture);
      gpen_free(file);
      return status;
    });
  }
  const TemporaryFolder folder;
  const std::string path = folder / "a.bmp";
  fail_everywhere("save and load", [&] {
    gpen_picture* picture = nullptr;
    gpen_status status = gpen_image_save(&image, path.c_str(), 0);
    if (status == GPEN_OK) status = gpen_picture_load(path.c_str(), &picture);
    gpen_picture_free(picture);
    return status;
  });
}

TEST(CApiMemory, Devices) {
  fail_everywhere("devices", [] {
    gpen_device_info info = {};
    info.size = sizeof(info);
    const gpen_status status = gpen_device_get(0, &info);
    return status == GPEN_OK ? gpen_device_check("auto", "fp32") : status;
  });
}

}  // namespace
}  // namespace gpen::test
