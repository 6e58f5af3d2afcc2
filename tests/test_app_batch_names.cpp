// gpen restore on many photos: names of the results that would be the same.
#include "support/batch_run.h"

namespace gpen::test {
namespace {

Words names(const std::map<std::string, std::string>& files) {
  Words all;
  for (const auto& [name, bytes] : files) all.push_back(name);
  return all;
}

class BatchNames : public Batch {
 protected:
  void save_as(const std::string& name, ImageFormat format, int seed) {
    fs::create_directories((gpen / name).parent_path());
    ASSERT_TRUE(save_image(test_picture(30 + seed, 30), gpen / name, format).ok());
  }
};

// A photo that comes later must not be taken for done because another one had its name.
TEST_F(BatchNames, APhotoThatIsAddedIsNotTakenForAnother) {
  save_as("in/a.png", ImageFormat::png, 1);
  const Words again = {"-i", "in", "-f", "jpg", "-o", "out", "--skip-existing", "--jsonl", "r.jsonl"};
  EXPECT_EQ(restore(again).code, 0);
  EXPECT_EQ(names(tree("out")), (Words{"a.jpg"}));
  const std::string first = tree("out")["a.jpg"];
  save_as("in/a.jpg", ImageFormat::jpg, 2);
  EXPECT_EQ(restore(again).code, 0);
  EXPECT_EQ(names(tree("out")), (Words{"a.jpg", "a_jpg.jpg", "a_png.jpg"}));
  EXPECT_EQ(tree("out")["a.jpg"], first);
  EXPECT_EQ(tree("out")["a_png.jpg"], first);
  EXPECT_NE(tree("out")["a_jpg.jpg"], first);
  // A name with an ending may be another's without.
  save_as("in/a_jpg.png", ImageFormat::png, 3);
  EXPECT_EQ(restore(again).code, 0);
  EXPECT_EQ(names(tree("out")), (Words{"a.jpg", "a_jpg.jpg", "a_jpg_2.jpg", "a_jpg_png.jpg", "a_png.jpg"}));
  EXPECT_EQ(tree("out")["a_jpg_2.jpg"], tree("out")["a_jpg.jpg"]);
  // Also where only the spelling differs.
  save_as("cases/p.jpg", ImageFormat::jpg, 1);
  EXPECT_EQ(restore({"-i", "cases", "-o", "cases_out", "--skip-existing"}).code, 0);
  save_as("cases/p.JPG", ImageFormat::jpg, 2);
  EXPECT_EQ(restore({"-i", "cases", "-o", "cases_out", "--skip-existing"}).code, 0);
  EXPECT_EQ(names(tree("cases_out")), (Words{"p.jpg", "p_JPG.jpg", "p_jpg.jpg"}));
}

TEST_F(BatchNames, EveryResultHasItsOwn) {
  save_as("in/a.jpg", ImageFormat::jpg, 1);
  save_as("in/a.png", ImageFormat::png, 2);
  save_as("in/a_png.png", ImageFormat::png, 3);
  save_as("in/b.png", ImageFormat::png, 4);
  EXPECT_EQ(restore({"-i", "in", "-o", "own"}).code, 0);  // each in its own format: nothing collides
  EXPECT_EQ(names(tree("own")), (Words{"a.jpg", "a.png", "a_png.png", "b.png"}));
  EXPECT_EQ(restore({"-i", "in", "-o", "all", "-f", "png"}).code, 0);
  EXPECT_EQ(names(tree("all")), (Words{"a_jpg.png", "a_png_2.png", "a_png_png.png", "b.png"}));
  // One name from two folders.
  save_as("other/b.png", ImageFormat::png, 5);
  EXPECT_EQ(restore({"-i", "in/b.png", "-i", "other/b.png", "-o", "two"}).code, 0);
  EXPECT_EQ(names(tree("two")), (Words{"b_png_2.png", "b_png_3.png"}));
}

// Planning alone: nothing can be read.
TEST_F(BatchNames, ManyOfOneName) {
  std::string list;
  for (int i = 0; i < 20000; ++i) list += concat("none/", i, "/p.jpg\n");
  write_text(gpen / "list.txt", list);
  const auto start = std::chrono::steady_clock::now();
  const CommandResult r = restore({"--list", "list.txt", "-o", "out", "--quality", "90", "-f", "png"});
  EXPECT_TRUE(contains(r.err, "no output is one")) << r.err;  // what is said once the names are there
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(60)) << "was quadratic: hours for 100000";
}

TEST_F(BatchNames, WhatIsWrittenBesideThePictureCounts) {
  save_as("in/x.png", ImageFormat::png, 1);
  save_as("in/x_compare.png", ImageFormat::png, 2);
  const CommandResult r = restore({"-i", "in", "-o", "out", "--compare"});
  EXPECT_EQ(r.code, 0) << r.err;
  EXPECT_EQ(names(tree("out")),
            (Words{"x_compare_png.png", "x_compare_png_compare.png", "x_png.png", "x_png_compare.png"}));
  save_as("faces/a.jpg", ImageFormat::jpg, 1);
  save_as("faces/a.png", ImageFormat::png, 2);
  const CommandResult f = restore({"-i", "faces", "-o", "pictures", "--save-faces", "cuts"});
  EXPECT_EQ(f.code, 0) << f.err;
  EXPECT_EQ(names(tree("pictures")), (Words{"a_jpg.jpg", "a_png.png"}));
  EXPECT_EQ(names(tree("cuts")),
            (Words{"a_jpg_00_after.png", "a_jpg_00_before.png", "a_png_00_after.png", "a_png_00_before.png"}));
}

TEST_F(BatchNames, VideosBesidePhotosAreNotLeftOutInSilence) {
  save("in/deep/a.png", test_picture(30, 30));
  save("in/deep/b.png", test_picture(30, 30));
  write_text(gpen / "in/deep/clip.mov", "no photo");
  const CommandResult r = restore({"-i", "in", "--recursive", "-o", "out"});
  EXPECT_EQ(r.code, 0) << r.err;
  EXPECT_EQ(tree("out").size(), 2u);
  EXPECT_TRUE(contains(r.err, "videos are left out beside photos: 1")) << r.err;
  EXPECT_FALSE(contains(restore({"-i", "in/deep/*.png", "-o", "all"}).err, "left out"));
  // What cannot be a video is told from a picture that cannot be written.
  const CommandResult to_video = restore({"-i", "in/deep/a.png", "-o", "a.mp4"});
  EXPECT_EQ(to_video.code, 2);
  EXPECT_TRUE(contains(to_video.err, "a.mp4: is a video, and in/deep/a.png is none")) << to_video.err;
}

}  // namespace
}  // namespace gpen::test
