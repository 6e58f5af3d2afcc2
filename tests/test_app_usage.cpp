// The command line itself: subcommands, options, exit codes.
#include <gtest/gtest.h>

#include <unistd.h>

#include <nlohmann/json.hpp>

#include "support/command.h"
#include "weights/safetensors.h"
#include "weights/synth.h"

namespace gpen::test {
namespace {

class Usage : public testing::Test {
 protected:
  CommandLine gpen{GPEN_BINARY};
};

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST_F(Usage, VersionAndHelpGoToStdout) {
  const CommandResult version = gpen({"--version"});
  EXPECT_EQ(version.code, 0);
  EXPECT_EQ(version.out.rfind("gpen ", 0), 0u) << version.out;
  const CommandResult help = gpen({"--help"});
  EXPECT_EQ(help.code, 0);
  for (const char* sub : {"restore", "detect", "convert", "info", "infer", "synth", "bench", "tune", "fetch", "devices",
                          "serve", "Exit codes"})
    EXPECT_TRUE(contains(help.out, sub)) << sub;
}

TEST_F(Usage, EverySubcommandHasHelp) {
  for (const char* sub :
       {"restore", "detect", "convert", "info", "infer", "synth", "bench", "tune", "fetch", "devices"}) {
    const CommandResult help = gpen({sub, "--help"});
    EXPECT_EQ(help.code, 0) << sub;
    EXPECT_TRUE(contains(help.out, "Options")) << sub << help.out;
  }
}

TEST_F(Usage, PromisedOptionsOfRestoreExist) {
  const std::string help = gpen({"restore", "--help"}).out;
  for (const char* option : {"-i",
                             "-o",
                             "-m",
                             "--size",
                             "--detector",
                             "--parser",
                             "--sr",
                             "--sr-scale",
                             "--tile-size",
                             "--task",
                             "--aligned",
                             "--faces",
                             "--largest-face",
                             "--threshold",
                             "--min-face",
                             "--max-faces",
                             "--detect-size",
                             "--lambda-id",
                             "--alpha",
                             "--compare",
                             "--save-faces",
                             "--draw-boxes",
                             "--json",
                             "--timings",
                             "-f",
                             "--quality",
                             "--recursive",
                             "--skip-existing",
                             "--batch",
                             "--device",
                             "--precision",
                             "-j"})
    EXPECT_TRUE(contains(help, option)) << option;
}

TEST_F(Usage, WrongUseIsTwo) {
  const std::vector<std::vector<std::string>> wrong = {
      {},
      {"frobnicate"},
      {"serve", "--port", "99999"},
      {"restore", "--no-such-option"},
      {"restore", "-i", "a.png", "--size", "333"},
      {"restore", "-i", "a.png", "--lambda-id", "1.5"},
      {"restore", "-i", "a.png", "--quality", "0"},
      {"restore", "-i", "a.png", "-f", "webp"},
      {"restore", "-i", "a.png", "--task", "paint"},
      {"restore", "-i", "a.png", "--detector", "none"},
      {"restore", "-i", "a.png", "--aligned", "--draw-boxes"},
      {"restore", "-i", "a.png", "--aligned", "--threshold", "0.5"},
      {"restore", "-i", "a.png", "--aligned", "--detector", "retinaface-r50"},
      {"restore", "-i", "a.png", "--faces", "f.json", "--detector", "retinaface-r50"},
      {"restore", "-i", "a.png", "--sr", "none", "--sr-scale", "2"},
      {"restore", "-i", "a.png", "--tile-size", "64"},
      {"restore", "-i", "a.png", "--precision", "fp8"},
      {"restore", "-i", "a.png", "--device", "tpu"},
      {"restore", "-i", "a.png", "--device", "cuda:"},
      {"restore", "-i", "a.png", "--device", "cuda:-1"},
      {"restore", "-i", "a.png", "--device", "cuda:1x"},
      {"restore", "-i", "a.png", "--device", "cuda:0,"},
      {"restore", "-i", "a.png", "--device", "cpu,cuda:0"},
      {"restore", "-i", "a.png", "--device", "cuda:1,cuda:1"},
      {"restore", "-i", "a.png", "--device", "cuda,cuda:0"},
      {"restore", "-i", "a.png", "-j", "0"},
      {"detect"},
      {"convert", "x.pth"},
      {"convert", "x.pth", "-o", "y.safetensors", "--dtype", "f8"},
      {"info"},
      {"infer", "-m", "x"},
      {"synth", "gpen:size=100", "-o", "x.safetensors"},
      {"synth", "no-such-network", "-o", "x.safetensors"},
      {"synth", "parsenet", "--kind", "identity", "-o", "x.safetensors"},
      {"synth", "gpen:size=32", "--kind", "identity", "--seed", "x", "-o", "x.safetensors"},
      {"bench", "--reps", "0"},
  };
  for (const auto& arguments : wrong) {
    const CommandResult r = gpen(arguments);
    std::string line;
    for (const std::string& a : arguments) line += a + " ";
    EXPECT_EQ(r.code, 2) << line << r.err;
    EXPECT_FALSE(r.err.empty()) << line;
    EXPECT_TRUE(r.out.empty()) << line << r.out;
  }
  EXPECT_TRUE(gpen.listing().empty());
}

TEST_F(Usage, UnderscoreAndDashAreAlike) {
  const CommandResult dash = gpen({"restore", "-i", "missing.png", "-m", "identity", "--aligned", "--lambda-id", "0"});
  for (const auto& options : std::vector<std::vector<std::string>>{{"--lambda_id", "0"}, {"--lambda_id=0"}}) {
    std::vector<std::string> line = {"restore", "-i", "missing.png", "-m", "identity", "--aligned"};
    line.insert(line.end(), options.begin(), options.end());
    const CommandResult underscore = gpen(line);
    EXPECT_EQ(underscore.code, dash.code);
    EXPECT_EQ(underscore.err, dash.err);
  }
  EXPECT_EQ(dash.code, 4);
  // Only the option's name is changed, not its value.
  const CommandResult value = gpen({"restore", "--input=missing_photo.png", "-m", "identity", "--aligned"});
  EXPECT_TRUE(contains(value.err, "missing_photo.png")) << value.err;
}

// What computes, with weights and pictures that are not there: the device is looked at first.
const std::vector<std::vector<std::string>> kComputing = {{"restore", "-i", "a.png", "-m", "identity", "--aligned"},
                                                          {"detect", "-i", "a.png", "--detector", "x.pth"},
                                                          {"infer", "-m", "x.pth", "-i", "a", "-o", "b"},
                                                          {"bench", "-m", "gpen:size=32,narrow=0.0625"}};

// Plans are a device's: the processor is no way out.
TEST_F(Usage, TuneNeedsADevice) {
  const CommandResult cpu = gpen({"tune", "--device", "cpu"});
  EXPECT_EQ(cpu.code, 2);
  EXPECT_TRUE(contains(cpu.err, "--device cpu: a CUDA device is expected")) << cpu.err;
  EXPECT_EQ(gpen({"tune", "-m", "gpen-bfr-256", "--size", "256"}).code, 2);
  EXPECT_EQ(gpen({"tune", "--size", "300"}).code, 2);
  EXPECT_EQ(gpen({"tune", "--device", "cuda:9999"}).code, 5);
  const auto cuda = nlohmann::json::parse(gpen({"devices", "--json"}).out)["cuda"];
  if (cuda["usable"].get<bool>()) return;
  for (const std::vector<std::string>& line :
       {std::vector<std::string>{"tune"}, {"tune", "--device", "auto"}, {"tune", "--precision", "fp16"}}) {
    const CommandResult r = gpen(line);
    EXPECT_EQ(r.code, 5) << r.err;
    EXPECT_EQ(r.err, "gpen: --device cuda: " + cuda["reason"].get<std::string>() + "\n");
    EXPECT_EQ(r.out, "");
  }
  EXPECT_TRUE(gpen.listing().empty()) << "no file, no folder";
}

TEST_F(Usage, DevicesThatAreNotThereAreFive) {
  std::vector<std::pair<std::vector<std::string>, std::string>> refused = {
      {{"--device", "cuda:9999"}, "--device cuda:9999: "},
      {{"--device", "cuda:0,cuda:9999"}, "--device cuda:0,cuda:9999: "}};
  for (const char* precision : {"tf32", "fp16", "fp16-fast"})
    refused.push_back({{"--device", "cpu", "--precision", precision},
                       std::string("--precision ") + precision + ": the CPU computes in fp32 or bf16"});
  refused.push_back({{"--device=cpu", "--precision=fp16_fast"}, "--precision fp16-fast: the CPU computes in"});
  const auto cuda = nlohmann::json::parse(gpen({"devices", "--json"}).out)["cuda"];
  if (!cuda["usable"].get<bool>()) {  // a machine, or a build, without
    const std::string reason = cuda["reason"];
    EXPECT_FALSE(reason.empty());
    refused.push_back({{"--device", "cuda"}, "--device cuda: " + reason + "; use --device cpu"});
    refused.push_back({{"--device", "cuda:1"}, "--device cuda:1: " + reason});
    refused.push_back({{"--precision", "fp16"}, "--precision fp16: the CPU computes in fp32 or bf16"});
  }
  for (const auto& [options, words] : refused) {
    for (std::vector<std::string> line : kComputing) {
      line.insert(line.end(), options.begin(), options.end());
      const CommandResult r = gpen(line);
      EXPECT_EQ(r.code, 5) << line[0] << " " << words << r.err;
      EXPECT_TRUE(contains(r.err, words)) << line[0] << " " << words << "\n" << r.err;
    }
  }
  gpen.set_environment("GPEN_ISA", "mmx");
  EXPECT_EQ(gpen({"bench", "-m", "gpen:size=32,narrow=0.0625"}).code, 5);
}

constexpr const char* kTinyGpen = "gpen:size=32,narrow=0.0625";

TEST_F(Usage, Bf16IsForAGpen) {
  ASSERT_EQ(gpen({"synth", kTinyGpen, "-o", "gpen.safetensors"}).code, 0);
  ASSERT_EQ(gpen({"synth", "retinaface-mobilenet0.25", "-o", "detector.safetensors"}).code, 0);
  WeightStore input;
  input.add("input", {1, 3, 32, 32}, formula_tensor("x", 3 * 32 * 32, 1));
  ASSERT_TRUE(save_safetensors(gpen / "input.safetensors", input).ok());
  for (const auto& option : std::vector<std::vector<std::string>>{{"--precision", "bf16"}, {"--precision=bf16"}}) {
    const auto run = [&](std::vector<std::string> line) {
      line.insert(line.end(), option.begin(), option.end());
      return gpen(line);
    };
    // Past the options, a missing file is found missing.
    const CommandResult restore = run({"restore", "-i", "missing.png", "-m", "identity", "--aligned"});
    EXPECT_EQ(restore.code, 4) << restore.err;
    const CommandResult bench = run({"bench", "-m", kTinyGpen, "--reps", "1", "--json"});
    EXPECT_EQ(bench.code, 0) << bench.err;
    EXPECT_TRUE(contains(bench.out, "bf16")) << bench.out;
    const CommandResult infer = run({"infer", "-m", "gpen.safetensors", "-i", "input.safetensors", "-o", "half.bin"});
    EXPECT_EQ(infer.code, 0) << infer.err;
    const std::vector<std::vector<std::string>> refused = {
        {"detect", "-i", "a.png", "--detector", "detector.safetensors"},
        {"bench", "-m", "detector.safetensors", "--reps", "1"},
        {"infer", "-m", "detector.safetensors", "-i", "input.safetensors", "-o", "refused.bin"}};
    for (const auto& line : refused) {
      const CommandResult r = run(line);
      EXPECT_EQ(r.code, 2) << line[0] << r.err;
      EXPECT_TRUE(contains(r.err, "--precision")) << line[0] << r.err;
    }
  }
  EXPECT_FALSE(std::filesystem::exists(gpen / "refused.bin"));
  ASSERT_EQ(gpen({"infer", "-m", "gpen.safetensors", "-i", "input.safetensors", "-o", "whole.bin"}).code, 0);
  EXPECT_NE(read_text(gpen / "half.bin"), read_text(gpen / "whole.bin")) << "the option has an effect";
}

TEST_F(Usage, DevicesPrintsTheMachine) {
  const CommandResult text = gpen({"devices"});
  EXPECT_EQ(text.code, 0) << text.err;
  for (const char* word : {"cpu", "isa", "cores", "memory", "cuda"}) EXPECT_TRUE(contains(text.out, word)) << word;
  const CommandResult json = gpen({"devices", "--json"});
  const auto parsed = nlohmann::json::parse(json.out);
  EXPECT_GE(parsed["cpu"]["cores"].get<int>(), 1);
  EXPECT_FALSE(parsed["cpu"]["isa"].get<std::string>().empty());
  // Either devices that can be used, or the reason why there are none.
  const auto& cuda = parsed["cuda"];
  bool usable = false;
  for (const auto& device : cuda["devices"]) {
    EXPECT_EQ(device["name"].get<std::string>().rfind("cuda:", 0), 0u);
    EXPECT_TRUE(contains(text.out, device["name"].get<std::string>())) << text.out;
    EXPECT_TRUE(contains(text.out, device["model"].get<std::string>())) << text.out;
    EXPECT_GE(device["multiprocessors"].get<int>(), 1);
    EXPECT_GE(device["memory_mb"].get<int>(), 1);
    EXPECT_EQ(device["usable"].get<bool>(), device["sm"].get<int>() >= 75);
    EXPECT_EQ(device["precisions"].empty(), !device["usable"].get<bool>());
    usable = usable || device["usable"].get<bool>();
  }
  EXPECT_EQ(cuda["usable"].get<bool>(), usable);
  EXPECT_EQ(cuda["reason"].get<std::string>().empty(), usable);
  EXPECT_TRUE(usable || contains(text.out, "not usable: " + cuda["reason"].get<std::string>())) << text.out;
  if (!cuda["backend"].get<bool>()) {
    EXPECT_EQ(cuda["reason"], "this build has no CUDA backend");
  }
}

TEST_F(Usage, FullStandardOutputIsFour) {
  if (access("/dev/full", W_OK) != 0) GTEST_SKIP() << "needs /dev/full";
  CommandLine shell("/bin/sh");
  const CommandResult r = shell({"-c", std::string(GPEN_BINARY) + " devices > /dev/full"});
  EXPECT_EQ(r.code, 4) << r.err;
  EXPECT_TRUE(contains(r.err, "standard output")) << r.err;
}

}  // namespace
}  // namespace gpen::test
