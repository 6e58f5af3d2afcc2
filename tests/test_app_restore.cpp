// gpen restore: where pictures come from, where they go, and what happens to them on the way.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/command.h"
#include "support/pictures.h"

namespace gpen::test {
namespace {

using nlohmann::json;
using Lines = std::vector<std::string>;

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// A face in the middle of a 300 x 260 picture, as `gpen detect` would give it.
const char* const kFaces =
    R"([{"landmarks": [[125, 110], [175, 110], [150, 138], [130, 165], [170, 165]], "score": 0.99}])";

class Restore : public testing::Test {
 protected:
  CommandLine gpen{GPEN_BINARY};

  void save(const std::string& name, const Image& image, ImageFormat format = ImageFormat::png) {
    std::filesystem::create_directories((gpen / name).parent_path());
    ASSERT_TRUE(save_image(image, gpen / name, format).ok());
  }
  Image load(const std::string& name) {
    const Result<Image> image = load_image(gpen / name);
    EXPECT_TRUE(image.ok()) << image.status().message();
    return image.ok() ? *image : Image();
  }
  // Restores aligned pictures with the identity network of side 256.
  CommandResult aligned(Lines arguments) {
    Lines line = {"restore", "-m", "identity", "--size", "256", "--aligned"};
    line.insert(line.end(), arguments.begin(), arguments.end());
    return gpen(line);
  }
};

TEST_F(Restore, IdentityStaysWithinOneLevel) {
  const Image picture = test_picture(256, 256);
  save("in.png", picture);
  const CommandResult r = aligned({"-i", "in.png", "-o", "out.png", "--lambda-id", "0"});
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_EQ(r.out, "out.png\n");
  const int difference = largest_difference(load("out.png"), picture);
  EXPECT_GE(difference, 0);
  EXPECT_LE(difference, 1);
}

TEST_F(Restore, NoResultTakesTheNameOfAnotherOrOfAFileThatIsRead) {
  save("in/a.png", test_picture(64, 64));
  const auto refused = [&](const Lines& arguments, const std::string& name) {
    const CommandResult r = aligned(arguments);
    EXPECT_NE(r.code, 0) << name;
    EXPECT_TRUE(contains(r.err, name)) << r.err;
  };
  refused({"-i", "in/a.png", "-o", "x.png", "--json", "x.png"}, "x.png");
  refused({"-i", "in/a.png", "-o", "x.png", "--compare", "--json", "x_compare.png"}, "x_compare.png");
  EXPECT_FALSE(std::filesystem::exists(gpen / "x.png"));
  ASSERT_EQ(
      gpen({"synth", "gpen:size=64,cm=4,narrow=0.0625,style=16,mlp=1", "--kind", "identity", "-o", "net.png"}).code, 0);
  const auto bytes = std::filesystem::file_size(gpen / "net.png");
  const CommandResult r = gpen({"restore", "-m", "net.png", "--aligned", "-i", "in/a.png", "-o", "net.png"});
  EXPECT_EQ(r.code, 4) << r.err;
  EXPECT_EQ(std::filesystem::file_size(gpen / "net.png"), bytes);
}

TEST_F(Restore, GivenFacesLeaveNothingToDetect) {
  save("in.png", test_picture(300, 260));
  write_text(gpen / "faces.json", kFaces);
  const Lines line = {"restore", "-m",      "identity",   "--size", "256",    "-i",
                      "in.png",  "--faces", "faces.json", "-o",     "out.png"};
  for (const char* option : {"--threshold=0.99", "--detect-size=640"}) {
    Lines with = line;
    with.push_back(option);
    EXPECT_EQ(gpen(with).code, 2) << option;
  }
  EXPECT_FALSE(std::filesystem::exists(gpen / "out.png"));
  EXPECT_EQ(gpen(line).code, 0);
}

TEST_F(Restore, ANegativeSeedIsRefused) {
  save("in.png", test_picture(64, 64));
  EXPECT_EQ(aligned({"-i", "in.png", "-o", "out.png", "--seed", "-1"}).code, 2);
  EXPECT_FALSE(std::filesystem::exists(gpen / "out.png"));
}

TEST_F(Restore, PublishedIdentityStaysWithinOneLevel) {
  GPEN_NEEDS_SHARED("golden/gpen_identity_256.pth");
  const Image picture = test_picture(256, 256, 3);
  save("in.png", picture);
  const CommandResult r = gpen({"restore", "-m", shared_file("golden/gpen_identity_256.pth").string(), "--aligned",
                                "-i", "in.png", "-o", "out.png"});
  ASSERT_EQ(r.code, 0) << r.err;
  const int difference = largest_difference(load("out.png"), picture);
  EXPECT_GE(difference, 0);
  EXPECT_LE(difference, 1);
}

TEST_F(Restore, ThreadsDoNotChangeTheResult) {
  save("in.png", test_picture(300, 260));
  write_text(gpen / "faces.json", kFaces);
  for (const char* threads : {"1", "2", "3"}) {
    const CommandResult r = gpen({"restore", "-m", "sharpen", "--size", "256", "--faces", "faces.json", "-i", "in.png",
                                  "-o", std::string(threads) + ".bmp", "-j", threads});
    ASSERT_EQ(r.code, 0) << r.err;
  }
  const std::string one = read_text(gpen / "1.bmp");
  EXPECT_NE(one, "");
  EXPECT_EQ(one, read_text(gpen / "2.bmp"));
  EXPECT_EQ(one, read_text(gpen / "3.bmp"));
}

TEST_F(Restore, OnlyTheFaceChanges) {
  const Image picture = test_picture(300, 260);
  save("in.png", picture);
  write_text(gpen / "faces.json", kFaces);
  const CommandResult r = gpen({"restore", "-m", "negative", "--size", "256", "--faces", "faces.json", "-i", "in.png",
                                "-o", "out.png", "--lambda-id", "0"});
  ASSERT_EQ(r.code, 0) << r.err;
  const Image out = load("out.png");
  ASSERT_EQ(out.rgb.size(), picture.rgb.size());
  for (int c = 0; c < 3; ++c) {
    EXPECT_EQ(out.row(0)[c], picture.row(0)[c]);
    EXPECT_NEAR(out.row(138)[3 * 150 + c], 255 - picture.row(138)[3 * 150 + c], 3);
  }
}

TEST_F(Restore, DefaultNamesAndFormats) {
  save("photos/a.png", test_picture(64, 64));
  save("photos/b.JPEG", test_picture(64, 64), ImageFormat::jpg);
  save("photos/c.bmp", test_picture(64, 64), ImageFormat::bmp);
  ASSERT_EQ(aligned({"-i", "photos"}).code, 0);
  EXPECT_EQ(gpen.listing(), (Lines{"output_a.png", "output_b.jpeg", "output_c.bmp", "photos"}));
  EXPECT_EQ(load("output_b.jpeg").format, ImageFormat::jpg);
  EXPECT_EQ(load("output_c.bmp").format, ImageFormat::bmp);
  ASSERT_EQ(aligned({"-i", "photos/a.png", "-f", "jpg", "--quality", "50"}).code, 0);
  EXPECT_EQ(load("output_a.jpg").format, ImageFormat::jpg);
  EXPECT_EQ(aligned({"-i", "photos/a.png", "--quality", "50"}).code, 2);
  EXPECT_EQ(aligned({"-i", "photos/a.png", "-o", "x.jpg", "-f", "png"}).code, 2);
  EXPECT_EQ(aligned({"-i", "photos/a.png", "-o", "x.webp"}).code, 2);
}

TEST_F(Restore, FoldersPatternsAndLists) {
  save("in/a.png", test_picture(64, 64));
  save("in/b.png", test_picture(64, 64, 1));
  save("in/deep/a.png", test_picture(64, 64, 2));
  write_text(gpen / "in/notes.txt", "no picture");
  ASSERT_EQ(aligned({"-i", "in", "-o", "flat"}).code, 0);
  EXPECT_EQ(gpen.listing("flat"), (Lines{"a.png", "b.png"}));
  ASSERT_EQ(aligned({"-i", "in", "-o", "all", "--recursive"}).code, 0);
  EXPECT_EQ(gpen.listing("all"), (Lines{"a.png", "b.png", "deep"}));
  EXPECT_EQ(gpen.listing("all/deep"), (Lines{"a.png"}));
  ASSERT_EQ(aligned({"-i", "in/*.png", "-o", "pattern"}).code, 0);
  EXPECT_EQ(gpen.listing("pattern"), (Lines{"a.png", "b.png"}));
  ASSERT_EQ(aligned({"-i", "in/a.png", "in/b.png", "-i", "in/a.png", "-o", "list/"}).code, 0);
  EXPECT_EQ(gpen.listing("list"), (Lines{"a.png", "b.png"}));
  // Two of one name do not overwrite one another.
  ASSERT_EQ(aligned({"-i", "in/a.png", "-i", "in/deep/a.png", "-o", "same"}).code, 0);
  EXPECT_EQ(gpen.listing("same").size(), 2u);
  // A name with a bracket in it is a file first.
  save("in/[1].png", test_picture(64, 64));
  EXPECT_EQ(aligned({"-i", "in/[1].png", "-o", "bracket.png"}).code, 0);
  EXPECT_EQ(aligned({"-i", "nothing/*.png"}).code, 4);
  std::filesystem::create_directory(gpen / "empty");
  EXPECT_EQ(aligned({"-i", "empty"}).code, 4);
}

TEST_F(Restore, ReadsStdin) {
  save("in.png", test_picture(64, 64));
  Lines line = {"restore", "-m", "identity", "--size", "256", "--aligned", "-i", "-"};
  const CommandResult r = gpen(line, read_text(gpen / "in.png"));
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_EQ(gpen.listing(), (Lines{"in.png", "output_stdin.png"}));
  const CommandResult empty = gpen(line);
  EXPECT_EQ(empty.code, 4);
  EXPECT_TRUE(contains(empty.err, "<stdin>")) << empty.err;
}

TEST_F(Restore, SkipExistingLeavesFilesAlone) {
  save("in/a.png", test_picture(64, 64));
  save("in/b.png", test_picture(64, 64));
  std::filesystem::create_directory(gpen / "out");
  write_text(gpen / "out/a.png", "was here before");
  const CommandResult r = aligned({"-i", "in", "-o", "out", "--skip-existing", "--json", "r.json"});
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_EQ(read_text(gpen / "out/a.png"), "was here before");
  EXPECT_EQ(load("out/b.png").width, 256);
  const json report = json::parse(read_text(gpen / "r.json"));
  EXPECT_EQ(report["skipped"], 1);
  EXPECT_EQ(report["done"], 1);
}

TEST_F(Restore, NeverOverwritesAnInput) {
  save("a.png", test_picture(64, 64));
  save("a_compare.png", test_picture(64, 64, 1));
  std::filesystem::create_hard_link(gpen / "a.png", gpen / "link.png");
  const std::string before = read_text(gpen / "a.png"), compare = read_text(gpen / "a_compare.png");
  for (const Lines& line : std::vector<Lines>{{"-i", "a.png", "-o", "a.png"},
                                              {"-i", "a.png", "-o", "./a.png"},
                                              {"-i", "a.png", "-o", "link.png"},
                                              {"-i", "a.png", "-o", "."},
                                              {"-i", "a.png", "-o", "b.png", "--json", "a.png"}}) {
    const CommandResult r = aligned(line);
    EXPECT_EQ(r.code, 4) << line[3] << r.err;
    EXPECT_TRUE(contains(r.err, "overwrite an input")) << r.err;
  }
  // Nor does a picture that comes beside the restored one.
  std::filesystem::create_directory(gpen / "other");
  std::filesystem::copy_file(gpen / "a.png", gpen / "other/a.png");
  std::filesystem::create_symlink("../a_compare.png", gpen / "other/z.png");
  EXPECT_EQ(aligned({"-i", "other/a.png", "other/z.png", "-o", ".", "--compare"}).code, 4);
  EXPECT_EQ(read_text(gpen / "a.png"), before);
  EXPECT_EQ(read_text(gpen / "a_compare.png"), compare);
}

TEST_F(Restore, CompareSaveFacesBoxesAndReport) {
  save("in.png", test_picture(300, 260));
  write_text(gpen / "faces.json", kFaces);
  const CommandResult r =
      gpen({"restore", "-m", "sharpen", "--size", "256", "--faces", "faces.json", "-i", "in.png", "-o", "out.png",
            "--compare", "--save-faces", "faces", "--draw-boxes", "--timings", "--json", "-"});
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_TRUE(contains(r.err, "not the trained prior")) << r.err;
  EXPECT_TRUE(contains(r.err, "gpen fetch")) << r.err;
  EXPECT_TRUE(contains(r.err, " ms")) << r.err;
  const Image compare = load("out_compare.png");
  EXPECT_GE(compare.width, 600);
  EXPECT_EQ(gpen.listing("faces"), (Lines{"out_00_after.png", "out_00_before.png"}));
  EXPECT_EQ(load("faces/out_00_after.png").width, 256);
  const json report = json::parse(r.out);
  EXPECT_EQ(report["model"], "sharpen");
  EXPECT_EQ(report["precision"], "fp32");
  EXPECT_FALSE(report["device"].get<std::string>().empty());
  EXPECT_FALSE(report["isa"].get<std::string>().empty());
  EXPECT_EQ(report["size"], 256);
  EXPECT_EQ(report["done"], 1);
  ASSERT_EQ(report["photos"].size(), 1u);
  const json& photo = report["photos"][0];
  EXPECT_EQ(photo["status"], "done");
  EXPECT_EQ(photo["outputs"][0], "out.png");
  EXPECT_EQ(photo["outputs"].size(), 4u);
  EXPECT_EQ(photo["width"], 300);
  ASSERT_EQ(photo["faces"].size(), 1u);
  EXPECT_EQ(photo["faces"][0]["landmarks"].size(), 5u);
  EXPECT_EQ(photo["faces"][0]["forward"].size(), 2u);
  EXPECT_EQ(photo["faces"][0]["forward"][0].size(), 3u);
  EXPECT_GT(photo["times_ms"]["restore"].get<double>(), 0);
}

TEST_F(Restore, LambdaAndAlphaAreUsed) {
  const Image picture = test_picture(256, 256);
  save("in.png", picture);
  const Lines start = {"restore", "-m", "negative", "--size", "256", "--aligned", "-i", "in.png"};
  const auto run = [&](Lines more, const std::string& out) {
    Lines line = start;
    line.insert(line.end(), more.begin(), more.end());
    line.insert(line.end(), {"-o", out});
    EXPECT_EQ(gpen(line).code, 0);
    return load(out);
  };
  const Image published = run({"--lambda-id", "0"}, "l0.png"), strong = run({"--lambda-id", "1"}, "l1.png");
  EXPECT_GT(largest_difference(published, strong), 20);
  const Image none = run({"--lambda-id", "0", "--alpha", "0"}, "a0.png");
  EXPECT_LE(largest_difference(none, picture), 1);
}

TEST_F(Restore, TheOtherTasksTakeAlignedFaces) {
  save("in.png", test_picture(128, 128));
  for (const char* task : {"colorize", "inpaint", "seg2face"}) {
    const CommandResult r = gpen({"restore", "--task", task, "-m", "identity", "--size", "256", "-i", "in.png", "-o",
                                  std::string(task) + ".png"});
    EXPECT_EQ(r.code, 0) << task << r.err;
    const CommandResult missing = gpen({"restore", "--task", task, "-i", "in.png"});
    EXPECT_EQ(missing.code, 3) << task << missing.err;
    EXPECT_TRUE(contains(missing.err, "gpen fetch gpen-")) << missing.err;
  }
  // The identity of the luma in all three channels is a gray picture, also after the input's luma has been put in.
  const Image gray = load("colorize.png"), whole = load("inpaint.png");
  EXPECT_EQ(gray.width, 256);
  for (size_t i = 0; i < gray.rgb.size(); i += 3) {
    ASSERT_NEAR(gray.rgb[i], gray.rgb[i + 1], 2);
    ASSERT_NEAR(gray.rgb[i], gray.rgb[i + 2], 2);
  }
  EXPECT_GT(largest_difference(gray, whole), 20);
}

TEST_F(Restore, BatchGoesOnAfterAFailure) {
  save("in/a.png", test_picture(64, 64));
  write_text(gpen / "in/b.png", "not a picture");
  save("in/c.png", test_picture(64, 64));
  const CommandResult r = aligned({"-i", "in", "-o", "out", "--json", "r.json"});
  EXPECT_EQ(r.code, 1) << r.err;
  EXPECT_TRUE(contains(r.err, "b.png")) << r.err;
  EXPECT_EQ(gpen.listing("out"), (Lines{"a.png", "c.png"}));
  EXPECT_EQ(r.out, "out/a.png\nout/c.png\n");
  const json report = json::parse(read_text(gpen / "r.json"));
  EXPECT_EQ(report["failed"], 1);
  EXPECT_EQ(report["photos"][1]["status"], "failed");
}

TEST_F(Restore, APhotoWithoutAFaceIsReported) {
  save("in.png", test_picture(300, 260));
  write_text(gpen / "none.json", R"({"faces": []})");
  const CommandResult r =
      gpen({"restore", "-m", "identity", "--size", "256", "--faces", "none.json", "-i", "in.png", "--json", "r.json"});
  EXPECT_EQ(r.code, 1) << r.err;
  EXPECT_TRUE(contains(r.err, "in.png: no face found")) << r.err;
  EXPECT_EQ(gpen.listing(), (Lines{"in.png", "none.json", "r.json"}));
  EXPECT_EQ(json::parse(read_text(gpen / "r.json"))["photos"][0]["status"], "no_face");
}

TEST_F(Restore, WithoutWeightsSaysHowToGetThem) {
  save("in.png", test_picture(64, 64));
  const CommandResult no_gpen = gpen({"restore", "-i", "in.png"});
  EXPECT_EQ(no_gpen.code, 3);
  EXPECT_TRUE(contains(no_gpen.err, "gpen fetch gpen-bfr-512")) << no_gpen.err;
  const CommandResult no_size = gpen({"restore", "--size", "1024"});
  EXPECT_EQ(no_size.code, 3);
  EXPECT_TRUE(contains(no_size.err, "gpen fetch gpen-bfr-1024")) << no_size.err;
  const CommandResult no_detector = gpen({"restore", "-i", "in.png", "-m", "sharpen"});
  EXPECT_EQ(no_detector.code, 3);
  EXPECT_TRUE(contains(no_detector.err, "gpen fetch retinaface-r50")) << no_detector.err;
  for (const Lines& option : std::vector<Lines>{{"--parser", "parsenet"},
                                                {"--sr", "realesrnet-x2"},
                                                {"--sr-scale", "4"},
                                                {"--detector", "retinaface-r50"}}) {
    const CommandResult r = gpen({"restore", "-m", "sharpen", option[0], option[1]});
    EXPECT_EQ(r.code, 3) << option[0] << r.err;
    EXPECT_TRUE(contains(r.err, "gpen fetch")) << r.err;
  }
  EXPECT_EQ(gpen.listing(), Lines{"in.png"});
}

// Sum of absolute differences of neighbours in the middle of the picture.
double detail(const Image& image) {
  double sum = 0;
  for (int y = image.height / 4; y < image.height * 3 / 4; ++y) {
    for (int i = image.width / 4 * 3; i < image.width / 4 * 9; ++i)
      sum += std::abs(image.row(y)[i] - image.row(y)[i + 3]);
  }
  return sum;
}

TEST_F(Restore, TheBundledExampleNeedsNothing) {
  const CommandResult r = gpen({"restore", "--compare", "-o", "after.png"});
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_TRUE(contains(r.err, "not the trained prior")) << r.err;
  EXPECT_EQ(gpen.listing(), (Lines{"after.png", "after_compare.png"}));
  const Image after = load("after.png");
  const Result<Image> before = load_image(std::filesystem::path(GPEN_SOURCE_DIR) / "examples/astronaut_enlarged.jpg");
  ASSERT_TRUE(before.ok());
  EXPECT_GT(detail(after), 1.1 * detail(*before));                                // the face is sharper
  for (int c = 0; c < 3; ++c) EXPECT_EQ(after.row(500)[c], before->row(500)[c]);  // and nothing else has changed
}

TEST_F(Restore, SizeMustBeThatOfTheModel) {
  ASSERT_EQ(gpen({"synth", "gpen:size=256,cm=4,narrow=0.0625,style=16,mlp=1", "-o", "m.safetensors"}).code, 0);
  save("in.png", test_picture(64, 64));
  const CommandResult r = gpen({"restore", "-i", "in.png", "--aligned", "-m", "m.safetensors", "--size", "512"});
  EXPECT_EQ(r.code, 2) << r.err;
  EXPECT_TRUE(contains(r.err, "256")) << r.err;
}

TEST_F(Restore, DetectPrintsWhatRestoreReads) {
  GPEN_NEEDS_SHARED("weights/retinaface_mobilenet0.25_legacy.pth");
  const std::string detector = shared_file("weights/retinaface_mobilenet0.25_legacy.pth").string();
  const std::string photo = (std::filesystem::path(GPEN_SOURCE_DIR) / "examples/astronaut.jpg").string();
  const CommandResult found = gpen({"detect", "-i", photo, "--detector", detector});
  ASSERT_EQ(found.code, 0) << found.err;
  const json faces = json::parse(found.out);
  ASSERT_EQ(faces["faces"].size(), 1u);
  write_text(gpen / "f.json", found.out);
  const Lines start = {"restore", "-i", photo, "-m", "sharpen", "--size", "256", "-o"};
  const auto run = [&](const std::string& out, const std::string& option, const std::string& value) {
    Lines line = start;
    line.insert(line.end(), {out, option, value});
    const CommandResult r = gpen(line);
    EXPECT_EQ(r.code, 0) << r.err;
    return load(out);
  };
  // The JSON carries the landmarks to less than a thousandth of a pixel.
  EXPECT_LE(largest_difference(run("a.png", "--detector", detector), run("b.png", "--faces", "f.json")), 1);
  save("grey.png", Image(200, 200));
  const CommandResult none = gpen({"detect", "-i", "grey.png", "--detector", detector});
  EXPECT_EQ(none.code, 0) << none.err;
  EXPECT_TRUE(json::parse(none.out)["faces"].empty());
  EXPECT_EQ(gpen({"detect", "-i", "grey.png"}).code, 3);
  EXPECT_EQ(gpen({"detect", "-i", "missing.png", "--detector", detector}).code, 4);
}

TEST_F(Restore, TheExamplesLandmarksAreTheDetectors) {
  GPEN_NEEDS_SHARED("weights/retinaface_mobilenet0.25_legacy.pth");
  const std::string detector = shared_file("weights/retinaface_mobilenet0.25_legacy.pth").string();
  for (const char* name : {"astronaut", "astronaut_enlarged"}) {
    const std::string stem = (std::filesystem::path(GPEN_SOURCE_DIR) / "examples" / name).string();
    const json found = json::parse(gpen({"detect", "-i", stem + ".jpg", "--detector", detector}).out);
    const json bundled = json::parse(read_text(stem + ".faces.json"));
    ASSERT_EQ(found["faces"].size(), 1u);
    for (const char* key : {"landmarks", "forward", "inverse"}) {
      const json wanted = found["faces"][0][key].flatten(), stored = bundled["faces"][0][key].flatten();
      ASSERT_EQ(wanted.size(), stored.size());
      for (const auto& [place, value] : wanted.items())
        EXPECT_NEAR(stored[place].get<double>(), value.get<double>(), 1e-2) << name << " " << key << place;
    }
  }
}

}  // namespace
}  // namespace gpen::test
