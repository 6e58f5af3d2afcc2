// gpen restore on many photos: killed and continued, in shards, from lists, through pipes, with a report in lines.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <set>
#include <sstream>
#include <thread>

#include "support/command.h"
#include "support/pictures.h"

namespace gpen::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Words = std::vector<std::string>;

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::vector<json> lines_of(const std::string& text) {
  std::vector<json> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(json::parse(line));
  return lines;
}

std::string encoded(const Image& image) {
  const auto bytes = encode_image(image, ImageFormat::png);
  return bytes.ok() ? std::string(bytes->begin(), bytes->end()) : std::string();
}

class Batch : public testing::Test {
 protected:
  CommandLine gpen{GPEN_BINARY};

  void SetUp() override {
    ASSERT_EQ(gpen({"synth", "gpen:size=32,cm=1,narrow=0.0625,style=16,mlp=1", "-o", "m.safetensors"}).code, 0);
  }
  void save(const std::string& name, const Image& image) {
    fs::create_directories((gpen / name).parent_path());
    ASSERT_TRUE(save_image(image, gpen / name, ImageFormat::png).ok());
  }
  Words aligned(const Words& more) const {
    Words words = {"restore", "-m", gpen.path("m.safetensors"), "--aligned"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  CommandResult restore(const Words& more, const std::string& input = "") { return gpen(aligned(more), input); }
  // Every file below the folder, with its bytes.
  std::map<std::string, std::string> tree(const std::string& folder) const {
    std::map<std::string, std::string> files;
    std::error_code ignored;
    for (const auto& entry : fs::recursive_directory_iterator(gpen / folder, ignored))
      if (entry.is_regular_file()) files[fs::relative(entry.path(), gpen / folder).string()] = read_text(entry.path());
    return files;
  }
  // Starts the command, kills it after that time; whether it was still running.
  bool killed_after(const Words& words, std::chrono::milliseconds time) const {
    Words all = words;
    all.insert(all.begin(), GPEN_BINARY);
    std::vector<char*> argv;
    for (std::string& word : all) argv.push_back(word.data());
    argv.push_back(nullptr);
    const pid_t child = fork();
    if (child == 0) {
      if (chdir(gpen.folder().c_str()) != 0 || freopen("/dev/null", "w", stdout) == nullptr ||
          freopen("/dev/null", "w", stderr) == nullptr)
        _exit(126);
      execv(argv[0], argv.data());
      _exit(127);
    }
    std::this_thread::sleep_for(time);
    kill(child, SIGKILL);
    int state = 0;
    waitpid(child, &state, 0);
    return WIFSIGNALED(state);
  }
};

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

TEST_F(Batch, ShardsPartitionThePhotos) {
  for (int i = 0; i < 40; ++i) save(concat("in/", i % 2, "/", i, ".png"), test_picture(20, 20, i));
  const Words words = {"-i", "in", "--recursive", "-o", "out"};
  const auto with = [&](const std::string& shard, const std::string& out) {
    Words all = words;
    all.back() = out;
    all.insert(all.end(), {"--shard", shard});
    return restore(all);
  };
  ASSERT_EQ(restore({"-i", "in", "--recursive", "-o", "whole"}).code, 0);
  std::map<std::string, std::string> together;
  std::vector<std::set<std::string>> parts;
  for (int k = 0; k < 3; ++k) {
    const std::string out = concat("part", k);
    const CommandResult r = with(concat(k, "/3"), out);
    EXPECT_EQ(r.code, 0) << r.err;
    auto files = tree(out);
    EXPECT_GE(files.size(), 5u);
    std::set<std::string>& names = parts.emplace_back();
    for (const auto& [name, bytes] : files) names.insert(name);
    together.merge(files);
    EXPECT_TRUE(files.empty()) << "in two shards";  // merge leaves what was there already
  }
  EXPECT_EQ(together, tree("whole"));

  // A photo's shard does not depend on the other photos, nor on where the folder lies.
  fs::remove(gpen / "in/0/0.png");
  save("in/0/00.png", test_picture(20, 20));
  fs::rename(gpen / "in", gpen / "elsewhere");
  Words moved = {"-i", "elsewhere", "--recursive", "-o", "again", "--shard", "1/3"};
  EXPECT_EQ(restore(moved).code, 0);
  std::set<std::string> again;
  for (const auto& [name, bytes] : tree("again")) again.insert(name);
  parts[1].erase("0/0.png");
  again.erase("0/00.png");
  EXPECT_EQ(again, parts[1]);
  fs::rename(gpen / "elsewhere", gpen / "in");

  // From the environment, and only when it was asked for.
  gpen.set_environment("JOB_COMPLETION_INDEX", "1");
  EXPECT_EQ(restore({"-i", "in", "--recursive", "-o", "all"}).code, 0);
  EXPECT_EQ(tree("all").size(), 40u);
  EXPECT_EQ(with("auto/3", "kubernetes").code, 0);
  EXPECT_EQ(tree("kubernetes"), tree("again"));
  const CommandResult untold = with("auto", "none");
  EXPECT_EQ(untold.code, 2);
  EXPECT_TRUE(contains(untold.err, "--shard auto/N")) << untold.err;
  gpen.set_environment("SLURM_ARRAY_TASK_ID", "5");
  EXPECT_EQ(with("auto/3", "none").code, 2);  // which of both?
  for (const char* const wrong : {"3/3", "-1/3", "1", "1/0", "a/3", "1/3/5", "", "1/3x", "99999999999999999999/3"})
    EXPECT_EQ(with(wrong, "none").code, 2) << wrong;
  EXPECT_FALSE(fs::exists(gpen / "none"));
}

TEST_F(Batch, ShardsOfASlurmArray) {
  for (int i = 0; i < 12; ++i) save(concat("in/", i, ".png"), test_picture(20, 20, i));
  gpen.set_environment("SLURM_ARRAY_TASK_MIN", "1");
  gpen.set_environment("SLURM_ARRAY_TASK_MAX", "5");
  gpen.set_environment("SLURM_ARRAY_TASK_COUNT", "3");
  gpen.set_environment("SLURM_ARRAY_TASK_STEP", "2");
  for (const char* const task : {"1", "3", "5"}) {
    gpen.set_environment("SLURM_ARRAY_TASK_ID", task);
    EXPECT_EQ(restore({"-i", "in", "-o", concat("task", task), "--shard", "auto"}).code, 0);
  }
  auto first = tree("task1"), second = tree("task3"), third = tree("task5");
  EXPECT_EQ(first.size() + second.size() + third.size(), 12u);
  EXPECT_EQ(restore({"-i", "in", "-o", "plain", "--shard", "1/3"}).code, 0);
  EXPECT_EQ(tree("plain"), second);
  gpen.set_environment("SLURM_ARRAY_TASK_COUNT", "2");  // 1 and 5 of a list: which part is which cannot be told
  EXPECT_EQ(restore({"-i", "in", "-o", "none", "--shard", "auto"}).code, 2);
}

TEST_F(Batch, ListsOfNames) {
  save("in/a.png", test_picture(30, 30));
  save("in/deep/er/b.png", test_picture(31, 31));
  save("in/new\nline.png", test_picture(32, 32));
  write_text(gpen / "list.txt", "in/a.png\n\nin/deep/er/b.png\r\nin/missing.png");
  const CommandResult r = restore({"--list", "list.txt", "-o", "flat"});
  EXPECT_EQ(r.code, 1) << r.err;
  EXPECT_TRUE(contains(r.err, "in/missing.png")) << r.err;
  EXPECT_EQ(gpen.listing("flat"), (Words{"a.png", "b.png"}));
  // With --recursive the paths are kept, and never lead out of the output folder.
  write_text(gpen / "list.txt",
             "in/a.png\n./in/deep/../deep/er/b.png\n../" + gpen.folder().filename().string() + "/in/new");
  EXPECT_EQ(restore({"--list", "list.txt", "--recursive", "-o", "kept"}).code, 1);
  EXPECT_EQ(tree("kept").size(), 2u);
  EXPECT_EQ(tree("kept").count("in/deep/er/b.png"), 1u);
  write_text(gpen / "list.txt", (gpen / "in").string() + "\n");
  EXPECT_EQ(restore({"--list", "list.txt", "--recursive", "-o", "absolute"}).code, 0);
  EXPECT_EQ(tree("absolute").count((gpen / "in/a.png").relative_path().string()), 1u);
  // NUL bytes on stdin; a list and -i together; a list that names nothing.
  const std::string nul("in/a.png\0in/new\nline.png\0", 25);
  const CommandResult zero = restore({"--list", "-", "-0", "-o", "zero"}, nul);
  EXPECT_EQ(zero.code, 0) << zero.err;
  EXPECT_EQ(gpen.listing("zero"), (Words{"a.png", "new\nline.png"}));
  EXPECT_EQ(restore({"--list", "-", "-o", "none"}, nul).code, 2);
  EXPECT_EQ(restore({"--list", "-", "-i", "in/deep/er/b.png", "-o", "both"}, "in/a.png\nin/a.png\n").code, 0);
  EXPECT_EQ(gpen.listing("both"), (Words{"a.png", "b.png"}));
  EXPECT_EQ(restore({"--list", "-", "-o", "none"}, "\n\n").code, 4);
  EXPECT_EQ(restore({"--list", "-", "-i", "-", "-o", "none"}, "in/a.png\n").code, 2);
  EXPECT_EQ(restore({"--list", "missing.txt", "-o", "none"}).code, 4);
  EXPECT_EQ(restore({"-0", "-i", "in/a.png", "-o", "none.png"}).code, 2);
}

TEST_F(Batch, AnOutputFolderInsideOfTheInputIsNoInput) {
  save("in/a.png", test_picture(30, 30));
  save("in/sub/b.png", test_picture(30, 30));
  for (int run = 0; run < 2; ++run) EXPECT_EQ(restore({"-i", "in", "--recursive", "-o", "in/out"}).code, 0);
  EXPECT_EQ(tree("in/out").size(), 2u);
  EXPECT_EQ(tree("in").size(), 4u);
  // Under another name too.
  fs::create_directory_symlink("in/out", gpen / "link");
  EXPECT_EQ(restore({"-i", "./in/", "--recursive", "-o", "link"}).code, 0);
  EXPECT_EQ(tree("in").size(), 4u);
  // Nothing else is there: this is said.
  save("only/out/a.png", test_picture(30, 30));
  const CommandResult nothing = restore({"-i", "only", "--recursive", "-o", "only/out"});
  EXPECT_EQ(nothing.code, 2);
  EXPECT_TRUE(contains(nothing.err, "all 1 pictures of the input lie in this folder")) << nothing.err;
}

// An output folder around the input leaves nothing out, whatever the input's names begin with.
TEST_F(Batch, AnOutputFolderAroundTheInputLeavesNothingOut) {
  save("in/photos/a.png", test_picture(30, 30));
  save("in/photos/sub/b.png", test_picture(30, 30));
  const std::string top = (gpen / "in").string();
  const Words absolute = {"-i", top + "/photos", "--recursive", "-o", top + "/"};
  const CommandResult above = restore(absolute);
  EXPECT_EQ(above.code, 0) << above.err;
  EXPECT_EQ(tree("in").count("a.png") + tree("in").count("sub/b.png"), 2u);
  const CommandResult here = restore({"-i", "in/photos", "--recursive", "-o", "."});
  EXPECT_EQ(here.code, 0) << here.err;
  EXPECT_TRUE(fs::exists(gpen / "a.png") && fs::exists(gpen / "sub/b.png")) << here.out;
  // What a list names is restored; here that would be onto itself, which is said.
  write_text(gpen / "names.txt", "in/photos/a.png\nin/photos/sub/b.png\n");
  const CommandResult same = restore({"--list", "names.txt", "--recursive", "-o", "."});
  EXPECT_EQ(same.code, 4) << same.err;
  EXPECT_TRUE(contains(same.err, "would overwrite an input")) << same.err;
  const CommandResult listed = restore({"--list", "names.txt", "--recursive", "-o", "in"});
  EXPECT_EQ(listed.code, 0) << listed.err;
  EXPECT_EQ(tree("in/in/photos").size(), 2u);
}

TEST_F(Batch, PicturesThroughPipes) {
  const Image picture = test_picture(50, 40);
  save("in.png", picture);
  ASSERT_EQ(restore({"-i", "in.png", "-o", "out.png"}).code, 0);
  const std::string expected = read_text(gpen / "out.png");
  const CommandResult piped = restore({"-i", "-", "-o", "-"}, encoded(picture));
  EXPECT_EQ(piped.code, 0) << piped.err;
  EXPECT_EQ(piped.out, expected);  // the picture and nothing else
  EXPECT_FALSE(fs::exists(gpen / "-"));
  const CommandResult jpg = restore({"-i", "in.png", "-o", "-", "-f", "jpg", "--save-faces", "faces", "--timings"});
  EXPECT_EQ(jpg.code, 0) << jpg.err;
  EXPECT_EQ(jpg.out.substr(0, 3), "\xff\xd8\xff");
  EXPECT_EQ(gpen.listing("faces"), (Words{"in_00_after.png", "in_00_before.png"}));
  save("two/a.png", picture);
  save("two/b.png", picture);
  for (const Words& wrong : std::vector<Words>{{"-i", "two"},
                                               {"-i", "in.png", "--json", "-"},
                                               {"-i", "in.png", "--jsonl", "-"},
                                               {"-i", "in.png", "--compare"},
                                               {"-i", "in.png", "--skip-existing"}}) {
    Words words = wrong;
    words.insert(words.end(), {"-o", "-"});
    const CommandResult r = restore(words);
    EXPECT_EQ(r.code, 2) << wrong.back() << r.err;
    EXPECT_EQ(r.out, "");
  }
  const CommandResult broken = restore({"-i", "-", "-o", "-"}, "not a picture");
  EXPECT_EQ(broken.code, 4);
  EXPECT_EQ(broken.out, "");
}

TEST_F(Batch, NamesInUtf8AndOther) {
  const Words names = {"Großmutter 祖母.png", "\xf0\x9f\x91\xb5.png", "latin-\xe9.png"};
  for (const std::string& name : names) save("Fotos é/" + name, test_picture(30, 30));
  const CommandResult r = restore({"-i", "Fotos é", "-o", "Ergebnisse ü", "--jsonl", "r.jsonl"});
  EXPECT_EQ(r.code, 0) << r.err;
  Words sorted = names;
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(gpen.listing("Ergebnisse ü"), sorted);
  EXPECT_TRUE(contains(r.out, "Ergebnisse ü/Großmutter 祖母.png\n")) << r.out;
  std::set<std::string> told;
  for (const json& line : lines_of(read_text(gpen / "r.jsonl"))) told.insert(line["output"]);
  EXPECT_EQ(told.count("Ergebnisse ü/Großmutter 祖母.png"), 1u);
  EXPECT_EQ(told.size(), 3u);
  const CommandResult again = restore({"-i", "Fotos é", "-o", "Ergebnisse ü", "--jsonl", "r.jsonl", "--skip-existing"});
  EXPECT_TRUE(contains(again.err, "3 skipped")) << again.err;
  EXPECT_EQ(lines_of(read_text(gpen / "r.jsonl")).size(), 3u);
  EXPECT_EQ(restore({"-i", "Fotos é/Großmutter*.png", "-o", "eins/"}).code, 0);
}

// Faces of different photos share batches: the same bytes as one by one, in one process each.
TEST_F(Batch, EveryPhotoIsWhatItIsAlone) {
  for (int i = 0; i < 9; ++i) save(concat("in/", i, ".png"), test_picture(40 + 9 * i, 60, i));
  ASSERT_EQ(restore({"-i", "in", "-o", "together"}).code, 0);
  ASSERT_EQ(restore({"-i", "in", "-o", "by_two", "--batch", "2", "-j", "1"}).code, 0);
  fs::create_directory(gpen / "alone");
  for (int i = 0; i < 9; ++i)
    ASSERT_EQ(restore({"-i", concat("in/", i, ".png"), "-o", concat("alone/", i, ".png")}).code, 0);
  EXPECT_EQ(tree("together"), tree("alone"));
  EXPECT_EQ(tree("by_two"), tree("alone"));
}

}  // namespace
}  // namespace gpen::test
