// The way of a photo with its networks on a device: the picture of the processor, less memory than wanted, several
// devices.
#include <gtest/gtest.h>

#include <algorithm>

#include "pipeline/distribute.h"
#include "pipeline/faces_json.h"
#include "pipeline/restore.h"
#include "support/devices.h"
#include "support/pictures.h"
#include "support/pipeline_networks.h"

namespace gpen::test {
namespace {

constexpr const char* kNet = "gpen:size=32,cm=1,narrow=0.0625,style=16,mlp=1";
constexpr int kSide = 32;

// Null, and a failed test, when it cannot be loaded.
std::shared_ptr<GpenNet> negative_on(const Processor& where) {
  const auto store = synthesize(*parse_architecture(kNet), SynthKind::negative);
  EXPECT_TRUE(store.ok()) << store.status().message();
  if (!store.ok()) return nullptr;
  auto net = GpenNet::load(*store, where);
  EXPECT_TRUE(net.ok()) << net.status().message();
  return net.ok() ? std::make_shared<GpenNet>(std::move(net).value()) : nullptr;
}

// A picture with as many faces as asked for, in a row.
struct Photo {
  Image image;
  std::vector<Face> faces;
};
Photo photo_with(int count) {
  Photo photo{test_picture(50 * count, 60), {}};
  for (int i = 0; i < count; ++i) {
    Affine place;  // template -> photo
    place.m[0] = {1.1, 0.1, 50.0 * i + 5};
    place.m[1] = {-0.1, 1.1, 12};
    Face f;
    f.landmarks = reference_landmarks(kSide);
    for (Point& p : f.landmarks) p = place(p);
    f.box = *box_from_landmarks(f.landmarks);
    f.score = 1 - 0.01 * i;
    photo.faces.push_back(f);
  }
  return photo;
}

Result<RestoreResult> restore(const Processor& where, const Photo& photo, const RestoreOptions& options) {
  Models models;
  models.gpen = negative_on(where);
  return Restorer(models, where.pool).restore(photo.image, options, &photo.faces);
}

class GpuRestore : public OnEachDevice {
 protected:
  Processor on(std::shared_ptr<Device> device, Precision precision = Precision::fp32) const {
    return {shared_pool(), precision, std::move(device)};
  }
};
INSTANTIATE_TEST_SUITE_P(Device, GpuRestore, ::testing::ValuesIn(tested_devices()), device_name);

TEST_P(GpuRestore, GivesTheProcessorsPicture) {
  const Photo photo = photo_with(2);
  RestoreOptions options;  // with consistency
  const auto expected = restore({shared_pool()}, photo, options);
  ASSERT_TRUE(expected.ok()) << expected.status().message();
  options.batch = 1;  // two forwards: kernel by kernel, then recorded
  const auto got = restore(on(device()), photo, options);
  ASSERT_TRUE(got.ok()) << got.status().message();
  EXPECT_EQ(got->faces.size(), 2u);
  EXPECT_TRUE(got->notes.empty());
  EXPECT_GT(largest_difference(expected->image, photo.image), 50);  // something has been done
  EXPECT_GE(largest_difference(got->image, expected->image), 0);
  EXPECT_LE(largest_difference(got->image, expected->image), 1);
}

TEST_P(GpuRestore, HalfPrecisionStaysClose) {
  const Photo photo = photo_with(1);
  const RestoreOptions options = published();
  const auto expected = restore({shared_pool()}, photo, options);
  const auto got = restore(on(device(), Precision::fp16), photo, options);
  ASSERT_TRUE(expected.ok() && got.ok()) << got.status().message();
  EXPECT_LE(largest_difference(got->image, expected->image), 2);
}

// The photo goes up and the result comes down, once; the mask goes up once, and whether a forward's values are finite
// comes down.
TEST_P(GpuRestore, UpscalesThereAndMovesNothingTwice) {
  constexpr size_t kMask = kSide * kSide * sizeof(float), kFlag = sizeof(unsigned);
  Photo photo = photo_with(1);
  photo.image.alpha.resize(static_cast<size_t>(photo.image.pixels()), 200);
  const auto run = [&](const Processor& where, int scale, bool faces) {
    Models models;
    models.gpen = negative_on(where);
    if (scale > 0) models.upscaler = small_upscaler(scale, where);
    const std::vector<Face> none;
    const size_t up = where.device != nullptr ? where.device->traffic().up : 0;
    const size_t down = where.device != nullptr ? where.device->traffic().down : 0;
    auto result = Restorer(models, where.pool).restore(photo.image, published(), faces ? &photo.faces : &none);
    EXPECT_TRUE(result.ok()) << result.status().message();
    if (where.device != nullptr && result.ok()) {
      SCOPED_TRACE(concat("x", scale, faces ? "" : ", no faces"));
      EXPECT_EQ(where.device->traffic().up - up, photo.image.rgb.size() + (faces ? kMask : 0));
      EXPECT_EQ(where.device->traffic().down - down,
                (faces || scale > 0 ? result->image.rgb.size() : 0) + (faces ? kFlag : 0));
    }
    return std::move(result).value();
  };
  for (const int scale : {0, 1, 2})
    for (const bool faces : {true, false}) {
      if (scale == 2 && !faces) continue;
      const RestoreResult expected = run({shared_pool()}, scale, faces), got = run(on(device()), scale, faces);
      EXPECT_GE(largest_difference(got.image, expected.image), 0);
      EXPECT_LE(largest_difference(got.image, expected.image), 1);
      EXPECT_EQ(got.image.alpha, expected.image.alpha);
      EXPECT_EQ(got.image.width, photo.image.width * std::max(1, scale));
    }
}

// One face each: bytes up and bytes down, of the network's square.
TEST_P(GpuRestore, AlignedPicturesAreTheProcessors) {
  const std::vector<Image> pictures = {test_picture(kSide, kSide), test_picture(50, 40, 30), test_picture(20, 31, 60)};
  std::vector<PhotoTask> tasks;
  for (const Image& picture : pictures) tasks.push_back({&picture, nullptr});
  const auto there = device();
  Models here, beyond;
  here.gpen = negative_on({shared_pool()});
  beyond.gpen = negative_on(on(there));
  for (const Task task : {Task::restore, Task::colorize, Task::inpaint, Task::seg2face})
    for (const double lambda : {0.0, 0.4}) {
      SCOPED_TRACE(concat(traits(task).name, ", lambda ", lambda));
      RestoreOptions options;
      options.aligned = true;
      options.task = task;
      options.lambda_id = lambda;
      options.alpha = 0.8;
      options.keep_crops = true;
      const size_t up = there->traffic().up, down = there->traffic().down;
      const auto expected = Restorer(here, shared_pool()).restore_together(tasks, options);
      const auto got = Restorer(beyond, shared_pool()).restore_together(tasks, options);
      constexpr size_t kSquare = 3 * kSide * kSide;
      if (lambda == 0) {
        EXPECT_EQ(there->traffic().up - up, pictures.size() * kSquare);
        EXPECT_EQ(there->traffic().down - down, pictures.size() * kSquare + sizeof(unsigned));
      }
      for (size_t i = 0; i < pictures.size(); ++i) {
        ASSERT_TRUE(expected[i].ok() && got[i].ok()) << got[i].status().message();
        EXPECT_EQ(got[i]->image.width, expected[i]->image.width);
        EXPECT_EQ(got[i]->image.height, expected[i]->image.height);
        EXPECT_GE(largest_difference(got[i]->image, expected[i]->image), 0);
        EXPECT_LE(largest_difference(got[i]->image, expected[i]->image), 1);
        ASSERT_EQ(got[i]->restored.size(), 1u);
        EXPECT_LE(largest_difference(got[i]->restored[0], expected[i]->restored[0]), 1);
        EXPECT_EQ(got[i]->crops[0].rgb, expected[i]->crops[0].rgb);
        EXPECT_EQ(got[i]->faces[0].has_degradation, expected[i]->faces[0].has_degradation);
      }
    }
}

TEST_P(GpuRestore, SeveralDevicesGiveWhatOneGives) {
  const Models there = {negative_on(on(device())), nullptr, nullptr, nullptr};
  const auto second = device_of(GetParam());
  ASSERT_NE(second, nullptr);
  const Models beside = {negative_on({std::make_shared<ThreadPool>(1), Precision::fp32, second}), nullptr, nullptr,
                         nullptr};
  std::vector<Image> photos;
  for (int i = 0; i < 5; ++i) photos.push_back(i == 2 ? Image() : test_picture(kSide, kSide, 10 * i));
  RestoreOptions options = published();
  options.aligned = true;
  const auto restore_with = [&](std::vector<Restorer> restorers) {
    std::vector<Result<RestoreResult>> results(photos.size(), Status());
    std::vector<size_t> reported;
    const auto work = [&](size_t photo, size_t worker) {
      results[photo] = restorers[worker].restore(photos[photo], options);
      return true;
    };
    const auto finished = [&](size_t photo) { reported.push_back(photo); };
    EXPECT_EQ(*distribute({photos.size(), restorers.size(), work, finished, nullptr}), photos.size());
    EXPECT_EQ(reported, (std::vector<size_t>{0, 1, 2, 3, 4}));
    return results;
  };
  const auto one = restore_with({Restorer(there, shared_pool())});
  const auto two = restore_with({Restorer(there, shared_pool()), Restorer(beside, std::make_shared<ThreadPool>(1))});
  for (size_t i = 0; i < photos.size(); ++i) {
    EXPECT_EQ(one[i].status().code(), i == 2 ? Code::usage : Code::ok) << i << one[i].status().message();
    EXPECT_EQ(two[i].status().code(), one[i].status().code()) << i << two[i].status().message();
    if (one[i].ok() && two[i].ok()) {
      EXPECT_EQ(one[i]->image.rgb, two[i]->image.rgb) << i;
    }
  }
}

// Photos that share batches: the bytes that each gets alone; one that cannot be restored leaves the others alone.
TEST_P(GpuRestore, PhotosTogetherAreWhatTheyAreAlone) {
  Models models;
  models.gpen = negative_on(on(device()));
  Restorer restorer(models, shared_pool());
  const std::vector<Photo> photos = {photo_with(2), photo_with(1), photo_with(3)};
  const Photo no_face{test_picture(40, 30), {}};
  const Image empty;
  RestoreOptions options;
  options.keep_crops = true;
  options.batch = 4;  // 2 + 1 + 1, 2
  const std::vector<PhotoTask> tasks = {{&photos[0].image, &photos[0].faces},
                                        {&photos[1].image, &photos[1].faces},
                                        {&no_face.image, &no_face.faces},
                                        {&empty, &no_face.faces},
                                        {&photos[2].image, &photos[2].faces}};
  const auto together = restorer.restore_together(tasks, options);
  ASSERT_EQ(together.size(), tasks.size());
  for (size_t i = 0; i < tasks.size(); ++i) {
    const auto alone = restorer.restore(*tasks[i].photo, options, tasks[i].given);
    ASSERT_EQ(together[i].status().code(), i == 3 ? Code::usage : Code::ok) << together[i].status().message();
    if (!alone.ok()) continue;
    EXPECT_EQ(together[i]->image.rgb, alone->image.rgb) << i;
    EXPECT_EQ(together[i]->notes, alone->notes) << i;
    ASSERT_EQ(together[i]->restored.size(), tasks[i].given->size()) << i;
    for (size_t k = 0; k < alone->restored.size(); ++k)
      EXPECT_EQ(together[i]->restored[k].rgb, alone->restored[k].rgb) << i << " face " << k;
  }
}

// Emulation only: its memory is as small as the test wants it.
TEST(SmallDevice, FewerFacesAtOnceWhereMemoryIsShort) {
  const Photo photo = photo_with(3);
  const RestoreOptions options = published();
  const auto expected = restore({shared_pool()}, photo, options);
  ASSERT_TRUE(expected.ok()) << expected.status().message();

  EmulatedDeviceOptions device;
  const auto large = open_emulated_device(device);
  const auto net = negative_on({shared_pool(), Precision::fp32, large});
  ASSERT_NE(net, nullptr);
  const size_t weights = device.memory_bytes - large->free_bytes(), one = net->arena_bytes_for(1);
  // First not even one face fits; then more and more memory, less than another face takes at a time.
  int refused = 0;
  for (size_t room = weights + one / 2;; room += one / 2) {
    device.memory_bytes = room;
    const auto got = restore({shared_pool(), Precision::fp32, open_emulated_device(device)}, photo, options);
    if (!got.ok()) {
      ++refused;
      ASSERT_LT(refused, 100);
      ASSERT_EQ(got.status().code(), Code::memory) << got.status().message();
      EXPECT_NE(got.status().message().find("MiB are free"), std::string::npos) << got.status().message();
      continue;
    }
    EXPECT_GE(refused, 1);
    EXPECT_EQ(got->faces.size(), 3u);
    ASSERT_EQ(got->notes.size(), 1u);
    EXPECT_EQ(got->notes[0], "there was no memory for 3 faces at once: 1 at a time");
    EXPECT_GE(largest_difference(got->image, expected->image), 0);
    EXPECT_LE(largest_difference(got->image, expected->image), 1);
    break;
  }
}

// Where one face at a time has room beside the parser, two end there as well: what two took is given back.
TEST(SmallDevice, FewerFacesMakeRoomForTheParser) {
  const Photo photo = photo_with(2);
  RestoreOptions options = published();
  EmulatedDeviceOptions device;
  size_t weights = 0;
  const auto tried = [&](size_t room, int batch) {
    device.memory_bytes = room;
    const Processor where(shared_pool(), Precision::fp32, open_emulated_device(device));
    Models models;
    models.gpen = negative_on(where);
    models.parser = small_parser(32, where);
    weights = room - where.device->free_bytes();
    options.batch = batch;
    return Restorer(models, where.pool).restore(photo.image, options, &photo.faces);
  };
  size_t enough = device.memory_bytes;
  ASSERT_TRUE(tried(enough, 1).ok());
  size_t too_little = weights + (size_t{16} << 10);
  enough = too_little + (size_t{4} << 20);
  while (enough - too_little > (size_t{32} << 10)) {
    const size_t middle = (too_little + enough) / 2;
    (tried(middle, 1).ok() ? enough : too_little) = middle;
  }
  const auto one = tried(enough, 1), two = tried(enough, 2);
  ASSERT_TRUE(one.ok()) << one.status().message();
  ASSERT_TRUE(two.ok()) << two.status().message();
  EXPECT_EQ(two->image.rgb, one->image.rgb);
  EXPECT_EQ(two->notes, std::vector<std::string>{"there was no memory for 2 faces at once: 1 at a time"});
}

TEST(SmallDevice, WeightsThatDoNotFitAreAnError) {
  EmulatedDeviceOptions options;
  options.memory_bytes = 100000;
  const auto store = synthesize(*parse_architecture(kNet), SynthKind::negative);
  ASSERT_TRUE(store.ok());
  const auto net = GpenNet::load(*store, {shared_pool(), Precision::fp32, open_emulated_device(options)});
  EXPECT_EQ(net.status().code(), Code::memory);
}

}  // namespace
}  // namespace gpen::test
