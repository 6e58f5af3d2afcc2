// Bad pictures, bad weights, bad places to write: a message that names file and reason, the right exit code, nothing
// half-written, nothing executed.
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include "support/command.h"
#include "support/pictures.h"

namespace gpen::test {
namespace {

using Lines = std::vector<std::string>;

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

uint32_t crc32(const std::string& bytes) {
  uint32_t crc = 0xffffffffu;
  for (const char c : bytes) {
    crc ^= static_cast<uint8_t>(c);
    for (int i = 0; i < 8; ++i) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
  }
  return ~crc;
}

std::string big_endian(uint32_t v) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(v >> shift & 255);
  return bytes;
}

std::string png_chunk(const std::string& type, const std::string& data) {
  return big_endian(static_cast<uint32_t>(data.size())) + type + data + big_endian(crc32(type + data));
}

// A PNG that promises width x height pixels and holds none.
std::string png_header(uint32_t width, uint32_t height) {
  const std::string format("\x08\x02\x00\x00\x00", 5);
  return std::string("\x89PNG\r\n\x1a\n", 8) + png_chunk("IHDR", big_endian(width) + big_endian(height) + format) +
         png_chunk("IDAT", std::string("\x78\x9c\x03\x00\x00\x00\x00\x01", 8)) + png_chunk("IEND", "");
}

// A checkpoint in the container of PyTorch before 1.6 whose object is made by calling os.system(command).
std::string hostile_checkpoint(const std::string& command) {
  const std::string magic("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15);
  const std::string protocol("\x80\x02M\xe9\x03.", 6);
  const std::string system_info = "\x80\x02}.";
  return magic + protocol + system_info + "\x80\x02" + "cposix\nsystem\n(S'" + command + "'\ntR." + "\x80\x02].";
}

class BadInput : public testing::Test {
 protected:
  CommandLine gpen{GPEN_BINARY};

  void save(const std::string& name, const Image& image) {
    ASSERT_TRUE(save_image(image, gpen / name, ImageFormat::png).ok());
  }
  CommandResult aligned(Lines more) {
    Lines line = {"restore", "-m", "identity", "--size", "256", "--aligned"};
    line.insert(line.end(), more.begin(), more.end());
    return gpen(line);
  }
};

TEST_F(BadInput, PicturesThatAreNone) {
  save("good.png", test_picture(64, 64));
  const std::string good = read_text(gpen / "good.png");
  std::filesystem::create_directory(gpen / "bad");
  write_text(gpen / "bad/empty.png", "");
  write_text(gpen / "bad/huge.png", png_header(30000, 30000));
  write_text(gpen / "bad/hollow.png", png_header(64, 64));
  write_text(gpen / "bad/truncated.png", good.substr(0, good.size() / 2));
  write_text(gpen / "bad/text.png", "just text");
  write_text(gpen / "bad/cut.jpg", "\xff\xd8\xff\xe0");
  write_text(gpen / "bad/cut.bmp", "BM");
  for (const std::string& name : gpen.listing("bad")) {
    const CommandResult r = aligned({"-i", "bad/" + name});
    EXPECT_EQ(r.code, 4) << name << r.err;
    EXPECT_TRUE(contains(r.err, "bad/" + name + ": ")) << r.err;
    EXPECT_TRUE(r.out.empty());
  }
  EXPECT_EQ(gpen.listing(), (Lines{"bad", "good.png"}));
  EXPECT_EQ(aligned({"-i", "missing.png"}).code, 4);
}

TEST_F(BadInput, HugeHeaderTakesNoMemory) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "AddressSanitizer needs all of the address space";
#endif
  write_text(gpen / "huge.png", png_header(30000, 30000));
  gpen.limit_memory(size_t{1} << 31);
  EXPECT_EQ(aligned({"-i", "huge.png", "--device", "cpu"}).code, 4);
}

TEST_F(BadInput, OutOfMemoryIsSix) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "AddressSanitizer needs all of the address space";
#endif
  save("in.png", test_picture(64, 64));
  gpen.limit_memory(size_t{120} << 20);
  const CommandResult r = gpen({"restore", "-m", "identity", "--size", "2048", "--aligned", "-i", "in.png", "-o",
                                "out.png", "-j", "1", "--device", "cpu"});
  EXPECT_EQ(r.code, 6) << r.err;
  EXPECT_TRUE(contains(r.err, "memory") || contains(r.err, "allocate")) << r.err;
  EXPECT_EQ(gpen.listing(), Lines{"in.png"});
}

TEST_F(BadInput, OnePixelIsAPicture) {
  save("one.png", test_picture(1, 1));
  const CommandResult r = aligned({"-i", "one.png", "-o", "out.png"});
  EXPECT_EQ(r.code, 0) << r.err;
  write_text(gpen / "none.json", "[]");
  EXPECT_EQ(gpen({"restore", "-m", "identity", "--size", "256", "--faces", "none.json", "-i", "one.png"}).code, 1);
}

TEST_F(BadInput, OnePixelThroughTheDetector) {
  GPEN_NEEDS_SHARED("weights/retinaface_mobilenet0.25_zip.pth");
  save("one.png", test_picture(1, 1));
  const std::string detector = shared_file("weights/retinaface_mobilenet0.25_zip.pth").string();
  const CommandResult r =
      gpen({"restore", "-m", "identity", "--size", "256", "--detector", detector, "-i", "one.png", "-o", "out.png"});
  EXPECT_EQ(r.code, 1) << r.err;
  EXPECT_TRUE(contains(r.err, "one.png: no face found")) << r.err;
  EXPECT_EQ(gpen.listing(), Lines{"one.png"});
}

TEST_F(BadInput, WeightsThatAreNone) {
  save("in.png", test_picture(64, 64));
  ASSERT_EQ(gpen({"synth", "gpen:size=32,narrow=0.0625,style=16,mlp=1", "-o", "good.safetensors"}).code, 0);
  const std::string good = read_text(gpen / "good.safetensors");
  const std::vector<std::string> bad = {"empty.pth", "text.pth", "truncated.safetensors", "length.safetensors"};
  write_text(gpen / bad[0], "");
  write_text(gpen / bad[1], "these are no weights");
  write_text(gpen / bad[2], good.substr(0, good.size() - 1000));
  write_text(gpen / bad[3], std::string("\xff\xff\xff\xff\xff\xff\xff\x7f", 8) + good.substr(8));
  for (const std::string& name : bad) {
    for (const Lines& line :
         std::vector<Lines>{{"info", name},
                            {"convert", name, "-o", "out.safetensors"},
                            {"restore", "-m", name, "-i", "in.png", "--aligned", "-o", "out.png"}}) {
      const CommandResult r = gpen(line);
      EXPECT_EQ(r.code, 3) << line[0] << " " << name << r.err;
      EXPECT_TRUE(contains(r.err, name + ": ")) << r.err;
    }
  }
  const CommandResult missing = gpen({"info", "missing.pth"});
  EXPECT_EQ(missing.code, 3);
  EXPECT_TRUE(contains(missing.err, "missing.pth")) << missing.err;
  EXPECT_FALSE(std::filesystem::exists(gpen / "out.safetensors"));
  EXPECT_FALSE(std::filesystem::exists(gpen / "out.png"));
}

TEST_F(BadInput, TruncatedCheckpoints) {
  GPEN_NEEDS_SHARED("golden/gpen_64_style48.pth");
  for (const char* name : {"gpen_64_style48.pth", "gpen_64_style48_legacy.pth"}) {
    const std::string whole = read_text(shared_file(std::string("golden/") + name));
    for (const size_t size : {whole.size() - 1, whole.size() / 2, size_t{1000}, size_t{10}}) {
      write_text(gpen / "cut.pth", whole.substr(0, size));
      const CommandResult r = gpen({"convert", "cut.pth", "-o", "out.safetensors"});
      EXPECT_EQ(r.code, 3) << name << " " << size << r.err;
      EXPECT_TRUE(contains(r.err, "cut.pth")) << r.err;
    }
  }
  EXPECT_EQ(gpen.listing(), Lines{"cut.pth"});
}

TEST_F(BadInput, HostileCheckpointIsNotExecuted) {
  write_text(gpen / "hostile.pth", hostile_checkpoint("touch " + gpen.path("executed")));
  for (const Lines& line : std::vector<Lines>{{"info", "hostile.pth"},
                                              {"convert", "hostile.pth", "-o", "out.safetensors"},
                                              {"restore", "-m", "hostile.pth"}}) {
    const CommandResult r = gpen(line);
    EXPECT_EQ(r.code, 3) << r.err;
    EXPECT_TRUE(contains(r.err, "hostile.pth")) << r.err;
    EXPECT_TRUE(contains(r.err, "system")) << r.err;
  }
  EXPECT_EQ(gpen.listing(), Lines{"hostile.pth"});
}

TEST_F(BadInput, AnotherNetworksWeights) {
  ASSERT_EQ(gpen({"synth", "gpen:size=32,narrow=0.0625,style=16,mlp=1", "-o", "gpen.safetensors"}).code, 0);
  save("in.png", test_picture(64, 64));
  const CommandResult r = gpen({"detect", "-i", "in.png", "--detector", "gpen.safetensors"});
  EXPECT_EQ(r.code, 3) << r.err;
  EXPECT_TRUE(contains(r.err, "gpen.safetensors")) << r.err;
}

TEST_F(BadInput, LandmarksThatAreNone) {
  save("in.png", test_picture(64, 64));
  for (const char* text : {"", "{", "[1,2", R"({"faces": [{"landmarks": [[1]]}]})", R"([{"landmarks": "x"}])",
                           R"([{"landmarks": [[1,1],[1,1],[1,1],[1,1],[1,1]]}])"}) {
    write_text(gpen / "f.json", text);
    const CommandResult r =
        gpen({"restore", "-m", "identity", "--size", "256", "--faces", "f.json", "-i", "in.png", "-o", "out.png"});
    EXPECT_TRUE(r.code == 4 || r.code == 2) << text << r.code << r.err;
    EXPECT_FALSE(r.err.empty());
    EXPECT_FALSE(std::filesystem::exists(gpen / "out.png"));
  }
}

TEST_F(BadInput, PlacesThatCannotBeWritten) {
  save("in.png", test_picture(64, 64));
  write_text(gpen / "file", "");
  for (const Lines& line : std::vector<Lines>{{"-i", "in.png", "-o", "no/such/folder/out.png"},
                                              {"-i", "in.png", "-o", "file/out.png"},
                                              {"-i", "in.png", "-o", "file/"},
                                              {"-i", "in.png", "-o", "/proc/out.png"},
                                              {"-i", "in.png", "-o", "out.png", "--save-faces", "file/faces"},
                                              {"-i", "in.png", "-o", "out.png", "--json", "file/report.json"}}) {
    const CommandResult r = aligned(line);
    EXPECT_EQ(r.code, 4) << line[3] << r.err;
    EXPECT_FALSE(r.err.empty());
  }
  EXPECT_EQ(gpen.listing(), (Lines{"file", "in.png"}));
}

TEST_F(BadInput, FolderWithoutPermission) {
  if (geteuid() == 0) GTEST_SKIP() << "root may write anywhere";
  save("in.png", test_picture(64, 64));
  std::filesystem::create_directory(gpen / "locked");
  std::filesystem::permissions(gpen / "locked", std::filesystem::perms::owner_read);
  EXPECT_EQ(aligned({"-i", "in.png", "-o", "locked/out.png"}).code, 4);
  std::filesystem::permissions(gpen / "locked", std::filesystem::perms::owner_all);
  EXPECT_TRUE(gpen.listing("locked").empty());
}

TEST_F(BadInput, FullDevice) {
  if (access("/dev/full", W_OK) != 0) GTEST_SKIP() << "needs /dev/full";
  save("in.png", test_picture(64, 64));
  const CommandResult r = aligned({"-i", "in.png", "-o", "/dev/full", "-f", "png"});
  EXPECT_EQ(r.code, 4) << r.err;
  EXPECT_TRUE(contains(r.err, "/dev/full")) << r.err;
}

// A small file system of its own, where that is allowed.
TEST_F(BadInput, FullDisk) {
  std::filesystem::create_directory(gpen / "disk");
  if (mount("none", gpen.path("disk").c_str(), "tmpfs", 0, "size=64k") != 0)
    GTEST_SKIP() << "needs the right to mount a file system";
  struct Unmount {
    std::string path;
    ~Unmount() { umount(path.c_str()); }
  } unmount{gpen.path("disk")};
  save("in.png", test_picture(256, 256));
  const CommandResult picture = aligned({"-i", "in.png", "-o", "disk/out.bmp"});
  EXPECT_EQ(picture.code, 4) << picture.err;
  EXPECT_TRUE(contains(picture.err, "disk/out.bmp")) << picture.err;
  const CommandResult weights = gpen({"synth", "gpen:size=64,narrow=0.25", "-o", "disk/w.safetensors"});
  EXPECT_EQ(weights.code, 4) << weights.err;
  EXPECT_TRUE(gpen.listing("disk").empty());
  // The photo is there with everything or not at all: the comparison fits, the picture does not.
  const CommandResult faces = aligned({"-i", "in.png", "-o", "disk/out.bmp", "--save-faces", "disk/faces"});
  EXPECT_EQ(faces.code, 4) << faces.err;
  EXPECT_TRUE(gpen.listing("disk/faces").empty());
}

}  // namespace
}  // namespace gpen::test
