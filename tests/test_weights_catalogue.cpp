// The released models, and where installed ones are found.
#include "weights/catalogue.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <set>

#include "support/shared_data.h"
#include "weights/architecture.h"
#include "weights/download.h"

namespace gpen {
namespace {

// Sets an environment variable for one test.
class Environment {
 public:
  Environment(const char* name, const std::string& value) : name_(name) {
    if (const char* old = std::getenv(name)) old_ = old, had_ = true;
    ::setenv(name, value.c_str(), 1);
  }
  ~Environment() { had_ ? ::setenv(name_, old_.c_str(), 1) : ::unsetenv(name_); }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  const char* name_;
  std::string old_;
  bool had_ = false;
};

void touch(const std::filesystem::path& path) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path) << "x";
}

TEST(Catalogue, EveryEntryIsSound) {
  std::set<std::string> names, files;
  for (const ReleasedModel& m : catalogue()) {
    EXPECT_TRUE(names.insert(m.name).second) << m.name;
    EXPECT_TRUE(files.insert(m.file).second) << m.file;
    EXPECT_TRUE(parse_architecture(m.architecture).ok()) << m.name;
    EXPECT_EQ(find_released(m.name), &m);
    EXPECT_TRUE(m.sha256.empty() ||
                (m.sha256.size() == 64 && m.sha256.find_first_not_of("0123456789abcdef") == std::string::npos));
    EXPECT_EQ(m.sha256.empty(), m.bytes == 0) << m.name << ": both are stated or neither";
    for (const std::string& address : m.addresses) {
      EXPECT_EQ(address.rfind("https://", 0), 0u) << address;
      EXPECT_TRUE(is_allowed_address(address));
    }
    EXPECT_EQ(m.addresses.empty(), m.name == "retinaface-mobilenet0.25");
    EXPECT_TRUE(std::set<std::string>({"restore", "colorize", "inpaint", "seg2face", "detect", "parse", "upscale"})
                    .count(m.task))
        << m.task;
  }
  EXPECT_EQ(names.size(), 13u);
}

TEST(Catalogue, StatedSizesAndSums) {
  const std::pair<const char*, std::pair<int64_t, const char*>> stated[] = {
      {"gpen-bfr-256", {75573183, "56ba6ed9d19e1e1c2ec36bc63e1ef9d54ed1bc544b4f8f0769222660d255ddc5"}},
      {"gpen-bfr-512", {284085738, "f1002c41add95b0decad69604d80455576f7187dd99ca16bd611bcfd44c10b51"}},
      {"retinaface-r50", {109497761, "6d1de9c2944f2ccddca5f5e010ea5ae64a39845a86311af6fdf30841b0a5a16d"}},
      {"parsenet", {85331193, "3d558d8d0e42c20224f13cf5a29c79eba2d59913419f945545d8cf7b72920de2"}},
      {"realesrnet-x2", {77228423, "a8bc646e373d3aa593842d071f2bd876d3db2cc969f8d3efa6cf961cc421c2d1"}}};
  for (const auto& [name, expected] : stated) {
    EXPECT_EQ(find_released(name)->bytes, expected.first) << name;
    EXPECT_EQ(find_released(name)->sha256, expected.second) << name;
  }
  EXPECT_EQ(find_released("parsenet")->addresses.size(), 2u);
  EXPECT_EQ(find_released("retinaface-r50")->addresses[1],
            "https://github.com/xinntao/facexlib/releases/download/v0.1.0/detection_Resnet50_Final.pth");
}

TEST(Catalogue, NamesAsPeopleWriteThem) {
  EXPECT_EQ(find_released("GPEN-BFR-512")->name, "gpen-bfr-512");
  EXPECT_EQ(find_released("gpen_bfr_512")->name, "gpen-bfr-512");
  EXPECT_EQ(find_released("GPEN-BFR-1024")->name, "gpen-bfr-1024");
  EXPECT_EQ(find_released("ParseNet-latest")->name, "parsenet");
  EXPECT_EQ(find_released("realesrnet_x2")->name, "realesrnet-x2");
  EXPECT_EQ(find_released("pytorch_model"), nullptr);
  EXPECT_EQ(find_released(""), nullptr);
}

TEST(Catalogue, InstalledModelsAreFoundInOrder) {
  const test::TemporaryFolder folder;
  const Environment models("GPEN_MODELS", concat((folder / "a").string(), "::", (folder / "b").string()));
  const Environment xdg("XDG_DATA_HOME", (folder / "xdg").string());
  EXPECT_EQ(model_folders()[0], folder / "a");
  EXPECT_EQ(model_folders()[1], folder / "b");
  EXPECT_EQ(model_folders()[2], "weights");
  EXPECT_EQ(model_folders()[3], folder / "xdg/gpen");
  EXPECT_EQ(install_folder(), folder / "a");

  const Status missing = resolve_model("gpen-seg2face-512").status();
  EXPECT_EQ(missing.code(), Code::model);
  EXPECT_NE(missing.message().find("gpen-seg2face-512 is not installed; looked in " + (folder / "a").string()),
            std::string::npos)
      << missing.message();
  EXPECT_NE(missing.message().find("get it with: gpen fetch gpen-seg2face-512"), std::string::npos);

  touch(folder / "xdg/gpen/gpen-seg2face-512.safetensors");
  EXPECT_EQ(*resolve_model("gpen-seg2face-512"), folder / "xdg/gpen/gpen-seg2face-512.safetensors");
  touch(folder / "b/GPEN-Seg2face-512.pth");
  EXPECT_EQ(*resolve_model("GPEN_Seg2face_512"), folder / "b/GPEN-Seg2face-512.pth");
  touch(folder / "b/gpen-seg2face-512.safetensors");
  EXPECT_EQ(installed_model("gpen-seg2face-512"), folder / "b/gpen-seg2face-512.safetensors");
  std::filesystem::create_directories(folder / "a/gpen-seg2face-512.safetensors");  // a folder is no model
  EXPECT_EQ(installed_model("gpen-seg2face-512"), folder / "b/gpen-seg2face-512.safetensors");
  EXPECT_TRUE(installed_model("gpen-inpainting-1024").empty());
  EXPECT_TRUE(installed_model("nothing").empty());

  touch(folder / "mine.pth");
  EXPECT_EQ(*resolve_model((folder / "mine.pth").string()), folder / "mine.pth");
  const Status unknown = resolve_model((folder / "other.pth").string()).status();
  EXPECT_EQ(unknown.code(), Code::model);
  EXPECT_NE(unknown.message().find("other.pth: no such file"), std::string::npos);
  const Status not_a_file = resolve_model("/").status();
  EXPECT_EQ(not_a_file.code(), Code::model);
  EXPECT_NE(not_a_file.message().find("/: is a folder"), std::string::npos) << not_a_file.message();
}

TEST(Catalogue, WithoutTheListTheDataFolderIsUsed) {
  const Environment models("GPEN_MODELS", "");
  const Environment xdg("XDG_DATA_HOME", "relative/is/ignored");
  const Environment home("HOME", "/home/somebody");
  EXPECT_EQ(install_folder(), "/home/somebody/.local/share/gpen");
  EXPECT_EQ(model_folders()[0], "weights");
}

TEST(Catalogue, OnlyHttpsAndThisMachineAreAllowed) {
  for (const char* good : {"https://example.com/f", "http://127.0.0.1/f", "http://127.0.0.1:8000/f",
                           "http://localhost:1", "http://localhost"}) {
    EXPECT_TRUE(is_allowed_address(good)) << good;
  }
  for (const char* bad :
       {"", "https://", "http://example.com/f", "http://localhost.example.com/", "http://127.0.0.1.nip.io/",
        "http://127.0.0.1@example.com/", "http://127.0.0.1:80@example.com/", "ftp://example.com/", "file:///etc/passwd",
        "/etc/passwd", "-oX", "HTTP://example.com"}) {
    EXPECT_FALSE(is_allowed_address(bad)) << bad;
  }
}

}  // namespace
}  // namespace gpen
