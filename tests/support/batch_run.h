// `gpen restore --aligned` over folders of small pictures, with a network of next to nothing.
#pragma once
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "support/command.h"
#include "support/pictures.h"

namespace gpen::test {

namespace fs = std::filesystem;
using nlohmann::json;
using Words = std::vector<std::string>;

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

inline std::vector<json> lines_of(const std::string& text) {
  std::vector<json> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(json::parse(line));
  return lines;
}

inline std::string encoded(const Image& image) {
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

}  // namespace gpen::test
