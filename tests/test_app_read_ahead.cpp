// What is read ahead and written behind holds no more bytes than it may, whatever the files are.
#include "app/read_ahead.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <random>

#include "app/picture_input.h"
#include "pipeline/file_io.h"
#include "support/picture_files.h"
#include "support/pictures.h"
#include "support/shared_data.h"

namespace gpen::test {
namespace {

using app::ReadAhead;
using app::ReadPhoto;
using app::WriteBehind;
using std::chrono::milliseconds;

constexpr int64_t kMost = 1000;

// Items with weights and pictures of their own, and what of them is there at the moment.
struct Items {
  struct Item {
    int64_t weight = 0;  // as its header says
    int width = 0;       // of the picture, one row high, 3 bytes each; 0: it cannot be read
  };
  std::vector<Item> items;
  milliseconds reading{0};  // at most

  std::mutex mutex;
  std::map<size_t, int64_t> there;  // read or being read, and not handed over
  std::vector<size_t> begun;
  int64_t most = 0;          // of several together
  int64_t most_reading = 0;  // of those alone that were being read, several together
  size_t readers = 0, most_readers = 0;
  int64_t being_read = 0;

  int64_t sum() const {
    int64_t all = 0;
    for (const auto& [item, bytes] : there) all += bytes;
    return all;
  }
  std::optional<ReadPhoto> read(size_t item) {
    {
      const std::lock_guard lock(mutex);
      begun.push_back(item);
      there[item] = items[item].weight;
      being_read += items[item].weight;
      most_readers = std::max(most_readers, ++readers);
      if (readers > 1) most_reading = std::max(most_reading, being_read);
    }
    if (reading.count() > 0)
      std::this_thread::sleep_for(milliseconds(static_cast<int>(item * 7919) % reading.count() + 1));
    const std::lock_guard lock(mutex);
    --readers;
    being_read -= items[item].weight;
    there.erase(item);
    if (items[item].width == 0) return std::nullopt;
    there[item] = 3 * items[item].width;
    return ReadPhoto{item, Image(items[item].width, 1), 0};
  }
  ReadAhead::Options options(size_t threads, std::function<bool()> stop = nullptr) {
    return {items.size(),
            threads,
            kMost,
            [this](size_t item) { return items[item].weight; },
            [this](size_t item) { return read(item); },
            std::move(stop)};
  }
};

void wait_until_quiet(Items* items) {
  for (size_t before = 0, same = 0; same < 10;) {
    std::this_thread::sleep_for(milliseconds(10));
    const std::lock_guard lock(items->mutex);
    same = items->begun.size() == before && items->readers == 0 ? same + 1 : 0;
    before = items->begun.size();
  }
}

TEST(ReadAhead, KeepsNoMoreBytesThanItMay) {
  Items items;
  items.items.assign(40, {200, 60});  // 200 bytes while they are read, 180 then
  ReadAhead reader(items.options(4));
  wait_until_quiet(&items);
  {
    const std::lock_guard lock(items.mutex);
    EXPECT_LE(items.sum(), kMost);
    EXPECT_EQ(items.begun.size(), 5u) << "a sixth would not fit while it is read";
  }
  // What was handed over makes room.
  EXPECT_EQ(reader.next(2, kMost).size(), 2u);
  wait_until_quiet(&items);
  const std::lock_guard lock(items.mutex);
  EXPECT_EQ(items.begun.size(), 7u);
}

// 16-bit pictures take four times as much as their 8-bit copies say.
TEST(ReadAhead, CountsSixteenBits) {
  Image deep(10, 10);
  auto samples = std::make_shared<DeepSamples>();
  samples->rgb.resize(300);
  samples->alpha.resize(100);
  deep.deep = samples;
  deep.alpha.resize(100);
  EXPECT_EQ(held_bytes(deep), 300 + 100 + 600 + 200);
  EXPECT_EQ(held_bytes(Image(10, 10)), 300);
}

TEST(ReadAhead, LetsALargerOneThroughAlone) {
  Items items;
  items.items.assign(7, {100, 30});
  items.items[3] = {5 * kMost, kMost};
  ReadAhead reader(items.options(4));
  wait_until_quiet(&items);
  {
    const std::lock_guard lock(items.mutex);
    EXPECT_EQ(items.begun.size(), 3u) << "it waits until nothing else is there, and those behind it wait, too";
  }
  EXPECT_EQ(reader.next(8, kMost).size(), 3u);
  const std::vector<ReadPhoto> large = reader.next(8, kMost);
  ASSERT_EQ(large.size(), 1u);
  EXPECT_EQ(large.front().index, 3u);
  size_t more = 0;
  for (;;) {
    const size_t group = reader.next(8, kMost).size();
    if (group == 0) break;
    more += group;
  }
  EXPECT_EQ(more, 3u);
}

// Errors, lies and giants among them, for several consumers: every picture comes once, in order, and never too many.
TEST(ReadAhead, HoldsTheBoundWhateverTheFilesAre) {
  std::mt19937 random(5);
  for (const size_t threads : {0u, 1u, 2u, 7u}) {
    SCOPED_TRACE(threads);
    Items items;
    items.reading = milliseconds(3);
    size_t pictures = 0;
    for (size_t i = 0; i < 300; ++i) {
      Items::Item item{static_cast<int64_t>(random() % 400), static_cast<int>(random() % 100 + 1)};
      switch (random() % 12) {
        case 0:  // unreadable, with and without a size
          item = {static_cast<int64_t>(random() % 2 * 300), 0};
          break;
        case 1:  // smaller than the header says, far too large
          item = {3 * kMost, 1};
          break;
        case 2:  // larger than the header says
          item = {0, 200};
          break;
        case 3:  // stdin
          item = {std::numeric_limits<int64_t>::max() / 4, 30};
          break;
        default:
          break;
      }
      pictures += item.width > 0;
      items.items.push_back(item);
    }
    ReadAhead reader(items.options(threads));
    std::mutex mutex;
    std::vector<size_t> got;
    const auto consume = [&] {
      for (;;) {
        const std::vector<ReadPhoto> group = reader.next(5, 700);
        if (group.empty()) return;
        int64_t bytes = 0;
        for (const ReadPhoto& photo : group) bytes += held_bytes(photo.picture);
        EXPECT_TRUE(bytes <= 700 || group.size() == 1);
        EXPECT_TRUE(std::is_sorted(group.begin(), group.end(),
                                   [](const ReadPhoto& a, const ReadPhoto& b) { return a.index < b.index; }));
        const std::lock_guard lock(mutex);
        for (const ReadPhoto& photo : group) got.push_back(photo.index);
      }
    };
    std::thread other(consume);
    consume();
    other.join();
    EXPECT_EQ(got.size(), pictures);
    std::sort(got.begin(), got.end());
    EXPECT_EQ(std::unique(got.begin(), got.end()), got.end());
    EXPECT_EQ(items.begun.size(), 300u);
    EXPECT_LE(items.most_reading, kMost);
    EXPECT_EQ(items.readers, 0u);
    if (threads == 7) {
      EXPECT_GT(items.most_readers, 1u);
    }
  }
}

TEST(ReadAhead, HandsOverInOrderToOne) {
  Items items;
  items.items.assign(50, {300, 50});
  ReadAhead reader(items.options(1));
  size_t next = 0;
  for (;;) {
    const auto group = reader.next(3, kMost);
    if (group.empty()) break;
    for (const ReadPhoto& photo : group) EXPECT_EQ(photo.index, next++);
  }
  EXPECT_EQ(next, 50u);
}

// With threads that wait for room: the end of the reader, and an interrupt, end them.
TEST(ReadAhead, EndsWhileThreadsWait) {
  for (const bool interrupt : {false, true}) {
    SCOPED_TRACE(interrupt);
    std::atomic<bool> stop{false};
    Items items;
    items.items.assign(100, {kMost, 100});
    {
      ReadAhead reader(items.options(4, [&] { return stop.load(); }));
      wait_until_quiet(&items);
      EXPECT_EQ(items.begun.size(), 1u);
      if (interrupt) {
        stop = true;
        while (!reader.next(4, kMost).empty()) {
        }
      }
    }
    EXPECT_LE(items.begun.size(), 3u);
  }
}

TEST(WriteBehind, HoldsNoMoreBytesThanItMay) {
  std::atomic<int64_t> held{0}, most{0}, tasks{0};
  std::atomic<bool> too_many{false};
  {
    WriteBehind writer(3, kMost);
    for (int64_t i = 0; i < 200; ++i) {
      const int64_t bytes = i % 40 == 7 ? 4 * kMost : 10 + i * 37 % 500;
      writer.put(bytes, [&, bytes] {
        const int64_t now = held += bytes;
        if (now > kMost && now != bytes) too_many = true;
        std::this_thread::sleep_for(milliseconds(1));
        held -= bytes;
        ++tasks;
      });
    }
    writer.finish();
    EXPECT_EQ(tasks.load(), 200);
  }
  EXPECT_FALSE(too_many.load());
  int64_t here = 0;
  WriteBehind none(0, kMost);
  none.put(5 * kMost, [&] { ++here; });
  EXPECT_EQ(here, 1) << "without threads the task is done at once";
}

class PictureWeight : public testing::Test {
 protected:
  TemporaryFolder folder;
  int64_t weight(const std::string& name, std::span<const uint8_t> bytes) {
    EXPECT_TRUE(write_file(folder.path() / name, bytes).ok());
    return app::picture_weight({folder.path() / name, {}, name});
  }
};

TEST_F(PictureWeight, FollowsFromTheHeader) {
  const Image picture = test_picture(64, 48, 1);
  const int64_t pixels = picture.pixels();
  for (const ImageFormat format : {ImageFormat::png, ImageFormat::jpg, ImageFormat::bmp}) {
    SCOPED_TRACE(name_of(format));
    const auto file = encode_image(picture, format);
    ASSERT_TRUE(file.ok());
    const int64_t bytes = weight("p", *file);
    EXPECT_GE(bytes, 6 * pixels);
    EXPECT_LE(bytes, 12 * pixels + 3 * static_cast<int64_t>(file->size()));
  }
  // The same pixels with 16 bits need twice as much, whether they are there or not.
  const std::vector<uint8_t> samples(64 * 48 * 8);
  const int64_t shallow = weight("8", png_file(64, 48, 6, 8, std::span(samples).first(64 * 48 * 4)));
  const int64_t deep = weight("16", png_file(64, 48, 6, 16, samples));
  EXPECT_GT(deep, shallow + 8 * pixels);
  EXPECT_GT(weight("large", png_header(5000, 4000)), int64_t{9} * 5000 * 4000);
}

// The size stands behind a profile of megabytes.
TEST_F(PictureWeight, FindsTheSizeFarBehind) {
  const auto file = encode_image(test_picture(64, 48, 1), ImageFormat::jpg);
  ASSERT_TRUE(file.ok());
  Bytes long_one(file->begin(), file->begin() + 2);
  for (int i = 0; i < 30; ++i) {
    const size_t at = long_one.size();
    long_one.resize(at + 2 + 65535);
    const uint8_t head[] = {0xFF, 0xEF, 0xFF, 0xFF};
    std::copy(std::begin(head), std::end(head), long_one.begin() + static_cast<std::ptrdiff_t>(at));
  }
  long_one.insert(long_one.end(), file->begin() + 2, file->end());
  EXPECT_EQ(weight("long", long_one) - static_cast<int64_t>(long_one.size()),
            weight("short", *file) - static_cast<int64_t>(file->size()));
}

TEST_F(PictureWeight, OfWhatIsNoPicture) {
  EXPECT_EQ(weight("empty.png", {}), 0);
  const std::string text = "no picture at all";
  EXPECT_EQ(weight("text.png", {reinterpret_cast<const uint8_t*>(text.data()), text.size()}),
            static_cast<int64_t>(text.size()));
  EXPECT_EQ(app::picture_weight({folder.path() / "missing.png", {}, "missing.png"}), 0);
  EXPECT_LT(weight("too-large.png", png_header(60000, 60000)), 1000) << "it is refused before it is decoded";
  EXPECT_GT(app::picture_weight({{}, {}, "<stdin>"}), int64_t{1} << 40);
  EXPECT_GT(app::picture_weight({"/dev/zero", {}, "/dev/zero"}), int64_t{1} << 40);
}

}  // namespace
}  // namespace gpen::test
