// gpen restore on many photos: killed and continued, with a report in lines, the same bytes as one by one.
#include <sys/stat.h>

#include <random>
#include <set>

#include "support/batch_run.h"

namespace gpen::test {
namespace {

// 200 photos, killed three times at random: afterwards every output is whole, and none was made twice.
TEST_F(Batch, GoesOnAfterItWasKilled) {
  constexpr size_t kPhotos = 200;
  for (size_t i = 0; i < kPhotos; ++i) {
    const int n = static_cast<int>(i);
    save(concat("in/", i % 3, "/p", i, ".png"), test_picture(96 - n % 7, 96, 3 * n));
  }
  ASSERT_EQ(restore({"-i", "in", "--recursive", "-o", "expected"}).code, 0);
  const auto expected = tree("expected");
  ASSERT_EQ(expected.size(), kPhotos);

  const Words words = aligned({"-i", "in", "--recursive", "-o", "out", "--skip-existing", "--jsonl", "r.jsonl"});
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(concat("seed ", seed));
  std::mt19937 random(seed);
  std::map<std::string, std::pair<ino_t, timespec>> first;  // when each output was seen first
  const auto look = [&] {
    for (const auto& [name, bytes] : tree("out")) {
      struct stat s {};
      ASSERT_EQ(stat((gpen / "out" / name).c_str(), &s), 0);
      if (expected.count(name) == 0) {
        EXPECT_TRUE(contains(name, ".tmp-")) << name;
        continue;
      }
      ASSERT_EQ(bytes, expected.at(name)) << name << " is not whole";
      const auto [seen, fresh] = first.try_emplace(name, s.st_ino, s.st_mtim);
      EXPECT_TRUE(fresh || (seen->second.first == s.st_ino && seen->second.second.tv_nsec == s.st_mtim.tv_nsec &&
                            seen->second.second.tv_sec == s.st_mtim.tv_sec))
          << name << " was made twice";
    }
  };
  int kills = 0;
  unsigned scale = 100;  // percent; less on a machine that is done before it can be killed
  for (unsigned tries = 0; kills < 3 && tries < 200; ++tries) {
    const size_t before = tree("out").size();
    const std::chrono::milliseconds time((40 + random() % 100 + 20 * tries) * scale / 100);
    const bool killed = killed_after(words, time);
    look();
    if (killed) {
      kills += tree("out").size() > before;  // in the midst of it
      continue;
    }
    fs::remove_all(gpen / "out");
    fs::remove(gpen / "r.jsonl");
    first.clear();
    kills = 0;
    scale = scale * 2 / 3;
  }
  ASSERT_EQ(kills, 3);
  // What a killed run may leave, and a line that was cut off.
  write_text(gpen / "out/0/p3.png.tmp-1-0", "half a picture");
  write_text(gpen / "out/0/other.png.tmp-1-0", "somebody else's");
  write_text(gpen / "r.jsonl", read_text(gpen / "r.jsonl") + R"({"input": "in/0/p)");

  const CommandResult last = gpen(words);
  EXPECT_EQ(last.code, 0) << last.err;
  EXPECT_TRUE(contains(last.err, "gpen: 200 photos: ")) << last.err;
  look();
  auto files = tree("out");
  EXPECT_EQ(files.erase("0/other.png.tmp-1-0"), 1u);
  EXPECT_EQ(files, expected);
  std::map<std::string, int> told;
  for (const json& line : lines_of(read_text(gpen / "r.jsonl"))) {
    ++told[line["input"]];
    EXPECT_TRUE(line["status"] == "done" || line["status"] == "skipped") << line;
  }
  EXPECT_EQ(told.size(), kPhotos);
  for (const auto& [input, count] : told) EXPECT_EQ(count, 1) << input;
  // Nothing is left to do, and nothing is told twice.
  const std::string report = read_text(gpen / "r.jsonl");
  const CommandResult again = gpen(words);
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_TRUE(contains(again.err, "200 photos: 0 done, 0 failed, 200 skipped")) << again.err;
  EXPECT_EQ(read_text(gpen / "r.jsonl"), report);
}

// SIGINT: what is begun may be left, what is there is whole, and the next run does the rest.
TEST_F(Batch, StopsCleanlyAndGoesOn) {
  for (int i = 0; i < 60; ++i) save(concat("in/", i, ".png"), test_picture(90, 90, i));
  const Words words = aligned({"-i", "in", "-o", "out", "--skip-existing", "--json", "r.json"});
  std::string command = "exec timeout -s INT --preserve-status 0.15 '" + std::string(GPEN_BINARY) + "'";
  for (const std::string& word : words) command += " '" + word + "'";
  CommandLine shell("/bin/sh");
  const CommandResult stopped = shell({"-c", "cd '" + gpen.folder().string() + "' && " + command});
  ASSERT_TRUE(stopped.code == 1 || stopped.code == 0 || stopped.code == 130) << stopped.code << stopped.err;
  std::error_code ignored;
  size_t done = 0;
  if (fs::exists(gpen / "out", ignored)) {
    for (const std::string& name : gpen.listing("out")) EXPECT_FALSE(contains(name, ".tmp-")) << name;
    done = gpen.listing("out").size();
  }
  if (stopped.code == 1) {
    EXPECT_TRUE(contains(stopped.err, "gpen: interrupted")) << stopped.err;
    EXPECT_TRUE(contains(stopped.err, concat(60 - done, " left"))) << stopped.err;
    EXPECT_EQ(json::parse(read_text(gpen / "r.json"))["photos"].size(), done);
  }
  const CommandResult rest = gpen(words);
  EXPECT_EQ(rest.code, 0) << rest.err;
  EXPECT_EQ(gpen.listing("out").size(), 60u);
  EXPECT_EQ(json::parse(read_text(gpen / "r.json"))["skipped"], done);
}

TEST_F(Batch, ReportInLinesSaysWhatBecameOfEveryPhoto) {
  save("in/a.png", test_picture(40, 40));
  write_text(gpen / "in/b.png", "not a picture");
  save("in/c.png", test_picture(40, 40));
  const Words words = {"-i", "in", "-o", "out", "--skip-existing", "--jsonl", "r.jsonl"};
  const CommandResult r = restore(words);
  EXPECT_EQ(r.code, 1) << r.err;
  EXPECT_TRUE(contains(r.err, "gpen: 3 photos: 2 done, 1 failed; ")) << r.err;
  EXPECT_EQ(r.out, "out/a.png\nout/c.png\n");
  std::map<std::string, json> told;
  for (const json& line : lines_of(read_text(gpen / "r.jsonl"))) told[line["input"]] = line;
  ASSERT_EQ(told.size(), 3u);
  EXPECT_EQ(told["in/a.png"]["status"], "done");
  EXPECT_EQ(told["in/a.png"]["output"], "out/a.png");
  EXPECT_EQ(told["in/a.png"]["faces"].size(), 1u);
  EXPECT_EQ(told["in/b.png"]["status"], "failed");
  EXPECT_TRUE(told["in/b.png"].contains("error"));
  // What failed is tried again, and told again when it succeeds.
  save("in/b.png", test_picture(40, 40));
  EXPECT_EQ(restore(words).code, 0);
  const auto lines = lines_of(read_text(gpen / "r.jsonl"));
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(lines.back()["input"], "in/b.png");
  EXPECT_EQ(lines.back()["status"], "done");
  // On stdout the lines are alone; a name that ends so asks for lines too.
  const CommandResult streamed = restore({"-i", "in", "-o", "out", "--jsonl", "-"});
  EXPECT_EQ(lines_of(streamed.out).size(), 3u) << streamed.out;
  EXPECT_EQ(restore({"-i", "in", "-o", "out", "--json", "n.jsonl"}).code, 0);
  EXPECT_EQ(lines_of(read_text(gpen / "n.jsonl")).size(), 3u);
  // Without --skip-existing a report is begun anew; a file that is none is left alone.
  EXPECT_EQ(restore({"-i", "in", "-o", "out", "--jsonl", "n.jsonl"}).code, 0);
  EXPECT_EQ(lines_of(read_text(gpen / "n.jsonl")).size(), 3u);
  write_text(gpen / "letter.txt", "Dear all,\n");
  const CommandResult other = restore({"-i", "in", "-o", "out", "--skip-existing", "--jsonl", "letter.txt"});
  EXPECT_EQ(other.code, 4);
  EXPECT_TRUE(contains(other.err, "letter.txt: line 1")) << other.err;
  EXPECT_EQ(read_text(gpen / "letter.txt"), "Dear all,\n");
  EXPECT_EQ(restore({"-i", "in", "-o", "out", "--json", "-", "--jsonl", "-"}).code, 2);
}

// A photo without a face has no output; the report keeps it from being tried for ever.
TEST_F(Batch, NoFaceIsFoundOutOnce) {
  save("in.png", test_picture(64, 64));
  write_text(gpen / "none.json", "[]");
  const Words words = {"restore", "-m",       "m.safetensors", "--faces", "none.json", "-i",
                       "in.png",  "--output", "out.png",       "--jsonl", "r.jsonl",   "--skip-existing"};
  EXPECT_EQ(gpen(words).code, 1);
  EXPECT_EQ(lines_of(read_text(gpen / "r.jsonl")).at(0)["status"], "no_face");
  const CommandResult again = gpen(words);
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_TRUE(contains(again.err, "in.png: skipped, an earlier run found no face in it")) << again.err;
  EXPECT_EQ(lines_of(read_text(gpen / "r.jsonl")).size(), 1u);
}

// Faces of different photos share batches: the same bytes as one by one, in one process each.
TEST_F(Batch, EveryPhotoIsWhatItIsAlone) {
  for (int i = 0; i < 9; ++i) save(concat("in/", i, ".png"), test_picture(40 + 9 * i, 60, i));
  ASSERT_EQ(restore({"-i", "in", "-o", "together"}).code, 0);
  ASSERT_EQ(restore({"-i", "in", "-o", "by_two", "--batch", "2", "-j", "1"}).code, 0);
  // Three restorers side by side with a thread each, and nine with two or three.
  ASSERT_EQ(restore({"-i", "in", "-o", "by_three", "-j", "3"}).code, 0);
  ASSERT_EQ(restore({"-i", "in", "-o", "by_nine", "-j", "20"}).code, 0);
  fs::create_directory(gpen / "alone");
  for (int i = 0; i < 9; ++i)
    ASSERT_EQ(restore({"-i", concat("in/", i, ".png"), "-o", concat("alone/", i, ".png")}).code, 0);
  EXPECT_EQ(tree("together"), tree("alone"));
  for (const char* const output : {"by_two", "by_three", "by_nine"}) EXPECT_EQ(tree(output), tree("alone")) << output;
}

}  // namespace
}  // namespace gpen::test
