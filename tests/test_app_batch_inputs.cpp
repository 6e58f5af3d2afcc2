// gpen restore on many photos: which ones they are, from folders, shards, lists, pipes and names of any kind.
#include <algorithm>
#include <set>

#include "support/batch_run.h"

namespace gpen::test {
namespace {

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

// A part may happen to have no photos: nothing is wrong with that, and its reports are there.
TEST_F(Batch, AShardWithoutPhotosReportsThat) {
  save("in/only.png", test_picture(20, 20));
  int with = 0, without = 0;
  for (int k = 0; k < 4; ++k) {
    const std::string report = concat("r", k, ".json"), lines = concat("r", k, ".jsonl");
    const CommandResult r =
        restore({"-i", "in", "-o", "out", "--shard", concat(k, "/4"), "--json", report, "--jsonl", lines});
    EXPECT_EQ(r.code, 0) << r.err;
    const json whole = json::parse(read_text(gpen / report), nullptr, false);
    ASSERT_TRUE(whole.is_object() && whole["photos"].is_array()) << read_text(gpen / report);
    EXPECT_EQ(whole["failed"], 0);
    ASSERT_TRUE(fs::exists(gpen / lines));
    const size_t told = lines_of(read_text(gpen / lines)).size();
    EXPECT_EQ(told, whole["photos"].size());
    EXPECT_EQ(whole["done"], told);
    ++(told == 1 ? with : without);
    if (told > 0) continue;
    EXPECT_TRUE(whole["model"].is_null() && whole["size"].is_null() && whole["device"].is_null()) << whole;
    EXPECT_TRUE(contains(r.err, "0 of 1 photos")) << r.err;
    const CommandResult printed = restore({"-i", "in", "-o", "out", "--shard", concat(k, "/4"), "--json", "-"});
    EXPECT_EQ(printed.code, 0) << printed.err;
    EXPECT_TRUE(json::parse(printed.out, nullptr, false)["photos"].empty()) << printed.out;
  }
  EXPECT_EQ(with, 1);
  EXPECT_EQ(without, 3);
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
  // The tasks 1, 3 and 5 of 4 parts: the fifth is none of them, and part 0 would never be done.
  const CommandResult beyond = restore({"-i", "in", "-o", "none", "--shard", "auto/4"});
  EXPECT_EQ(beyond.code, 2);
  EXPECT_TRUE(contains(beyond.err, "go up to 5")) << beyond.err;
  gpen.set_environment("SLURM_ARRAY_TASK_ID", "1");
  EXPECT_EQ(restore({"-i", "in", "-o", "none", "--shard", "auto/4"}).code, 2);
  EXPECT_EQ(restore({"-i", "in", "-o", "again", "--shard", "auto/6"}).code, 0);  // a part of the array once more
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
  write_text(gpen / "marked.txt", "\xEF\xBB\xBFin/a.png\r\n");
  EXPECT_EQ(restore({"--list", "marked.txt", "-o", "marked"}).code, 0);
  EXPECT_EQ(gpen.listing("marked"), (Words{"a.png"}));
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
  EXPECT_TRUE(contains(nothing.err, "all 1 files of the input lie in this folder")) << nothing.err;
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

}  // namespace
}  // namespace gpen::test
