// synth, convert, info, infer, bench and fetch, as commands.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "support/command.h"
#include "support/http_server.h"
#include "weights/catalogue.h"
#include "weights/safetensors.h"
#include "weights/synth.h"

namespace gpen::test {
namespace {

using nlohmann::json;

const char* const kTiny = "gpen:size=32,cm=2,narrow=0.0625,style=16,mlp=2";

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

class ModelCommands : public testing::Test {
 protected:
  CommandLine gpen{GPEN_BINARY};
  CommandResult synth(const std::string& arch, const std::string& file) { return gpen({"synth", arch, "-o", file}); }
};

TEST_F(ModelCommands, SynthWritesWhatInfoReads) {
  const CommandResult made = synth(kTiny, "tiny.safetensors");
  ASSERT_EQ(made.code, 0) << made.err;
  const CommandResult text = gpen({"info", "tiny.safetensors"});
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_TRUE(contains(text.out, "GPEN 32")) << text.out;
  EXPECT_TRUE(contains(text.out, "problems      none")) << text.out;

  const json info = json::parse(gpen({"info", "tiny.safetensors", "--json"}).out);
  EXPECT_EQ(info["family"], "gpen");
  EXPECT_TRUE(info["problems"].empty());
  EXPECT_TRUE(info["extra_tensors"].empty());
  EXPECT_EQ(info["tensors"], info["tensor_list"].size());
  int64_t values = 0;
  for (const json& tensor : info["tensor_list"]) {
    int64_t count = 1;
    for (const json& d : tensor["shape"]) count *= d.get<int64_t>();
    values += count;
  }
  EXPECT_EQ(info["values"].get<int64_t>(), values);
  EXPECT_EQ(info["bytes"].get<int64_t>(), 4 * values);
}

TEST_F(ModelCommands, SynthSeedChangesTheValues) {
  ASSERT_EQ(gpen({"synth", kTiny, "-o", "a.safetensors"}).code, 0);
  ASSERT_EQ(gpen({"synth", kTiny, "-o", "b.safetensors", "--seed", ""}).code, 0);
  ASSERT_EQ(gpen({"synth", kTiny, "-o", "c.safetensors", "--seed", "x."}).code, 0);
  EXPECT_EQ(read_text(gpen / "a.safetensors"), read_text(gpen / "b.safetensors"));
  EXPECT_NE(read_text(gpen / "a.safetensors"), read_text(gpen / "c.safetensors"));
}

TEST_F(ModelCommands, ConvertHalvesTheBytes) {
  ASSERT_EQ(synth(kTiny, "tiny.safetensors").code, 0);
  for (const char* dtype : {"f16", "bf16"}) {
    const CommandResult r = gpen({"convert", "tiny.safetensors", "-o", "half.safetensors", "--dtype", dtype});
    ASSERT_EQ(r.code, 0) << r.err;
    const json full = json::parse(gpen({"info", "tiny.safetensors", "--json"}).out);
    const json half = json::parse(gpen({"info", "half.safetensors", "--json"}).out);
    EXPECT_EQ(half["bytes"].get<int64_t>() * 2, full["bytes"].get<int64_t>()) << dtype;
    EXPECT_EQ(half["architecture"], full["architecture"]);
    EXPECT_EQ(half["metadata"]["gpen.source_sha256"].get<std::string>().size(), 64u);
  }
  const CommandResult same = gpen({"convert", "tiny.safetensors", "-o", "./tiny.safetensors"});
  EXPECT_EQ(same.code, 4) << same.err;
}

TEST_F(ModelCommands, ConvertReadsThePublishedContainers) {
  GPEN_NEEDS_SHARED("golden/gpen_64_style48.pth");
  for (const char* name : {"gpen_64_style48.pth", "gpen_64_style48_legacy.pth", "gpen_64_style48_g_ema_half.pth"}) {
    const CommandResult r =
        gpen({"convert", shared_file(std::string("golden/") + name).string(), "-o", "c.safetensors"});
    ASSERT_EQ(r.code, 0) << name << r.err;
    const CommandResult info = gpen({"info", "c.safetensors"});
    EXPECT_EQ(info.code, 0) << name << info.err;
    EXPECT_TRUE(contains(info.out, "style 48")) << info.out;
  }
  const std::string checkpoint = shared_file("golden/gpen_64_style48.pth").string();
  EXPECT_EQ(gpen({"convert", checkpoint, "-o", "d.safetensors", "--key", "no_such_key"}).code, 3);
  EXPECT_EQ(gpen({"convert", checkpoint, "-o", "/nonexistent/d.safetensors"}).code, 4);
}

// The largest error over the largest value.
double distance(const std::vector<float>& a, const std::vector<float>& b) {
  double error = 0, largest = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    error = std::max(error, std::abs(static_cast<double>(a[i]) - b[i]));
    largest = std::max(largest, std::abs(static_cast<double>(b[i])));
    if (!std::isfinite(a[i])) return INFINITY;
  }
  return error / largest;
}

TEST_F(ModelCommands, InferAnswersAsThePublishedNetworks) {
  GPEN_NEEDS_SHARED("golden/gpen_32_tiny.pth");
  for (const char* name : {"gpen_32_tiny", "gpen_64_style48", "gpen_sr_16_64", "parsenet_64_tiny", "rrdbnet_x1_tiny",
                           "rrdbnet_x2_tiny", "rrdbnet_x4_tiny"}) {
    const std::string stem = shared_file(std::string("golden/") + name).string();
    const CommandResult r =
        gpen({"infer", "-m", stem + ".pth", "-i", stem + ".safetensors", "-o", "answer.safetensors", "-j", "2"});
    ASSERT_EQ(r.code, 0) << name << r.err;
    const auto golden = open_safetensors(stem + ".safetensors"), answer = open_safetensors(gpen / "answer.safetensors");
    ASSERT_TRUE(golden.ok() && answer.ok());
    int compared = 0;
    for (const auto& [tensor, data] : golden->tensors) {
      if (tensor == "input") continue;
      const auto wanted = golden->floats(tensor), got = answer->floats(tensor, data.shape);
      ASSERT_TRUE(got.ok()) << name << " " << got.status().message();
      EXPECT_LE(distance(*got, *wanted), 2e-5) << name << " " << tensor;
      ++compared;
    }
    EXPECT_GE(compared, 1);
  }
}

TEST_F(ModelCommands, InferRunsADetector) {
  GPEN_NEEDS_SHARED("weights/retinaface_mobilenet0.25_zip.pth");
  WeightStore input;
  input.add("input", {2, 3, 40, 56}, formula_tensor("x", 2 * 3 * 40 * 56, 100));
  ASSERT_TRUE(save_safetensors(gpen / "in.safetensors", input).ok());
  const std::string model = shared_file("weights/retinaface_mobilenet0.25_zip.pth").string();
  const CommandResult r = gpen({"infer", "-m", model, "-i", "in.safetensors", "-o", "out.safetensors"});
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_TRUE(contains(r.out, "landms 2x" + std::to_string(2 * (5 * 7 + 3 * 4 + 2 * 2)) + "x10")) << r.out;
}

TEST_F(ModelCommands, InferRefusesWhatDoesNotFit) {
  ASSERT_EQ(synth(kTiny, "tiny.safetensors").code, 0);
  WeightStore store;
  store.add("input", {1, 3, 16, 16}, std::vector<float>(3 * 16 * 16));
  store.add("other", {4}, std::vector<float>(4));
  ASSERT_TRUE(save_safetensors(gpen / "wrong_size.safetensors", store).ok());
  EXPECT_EQ(gpen({"infer", "-m", "tiny.safetensors", "-i", "wrong_size.safetensors", "-o", "o.safetensors"}).code, 2);
  EXPECT_EQ(gpen({"infer", "-m", "tiny.safetensors", "-i", "tiny.safetensors", "-o", "o.safetensors"}).code, 3);
  EXPECT_EQ(gpen({"infer", "-m", "tiny.safetensors", "-i", "missing", "-o", "o.safetensors"}).code, 4);
  EXPECT_EQ(gpen({"infer", "-m", "gpen-bfr-512", "-i", "wrong_size.safetensors", "-o", "o.safetensors"}).code, 3);
  EXPECT_FALSE(std::filesystem::exists(gpen / "o.safetensors"));
}

TEST_F(ModelCommands, BenchWritesTheAgreedJson) {
  const CommandResult file =
      gpen({"bench", "-m", kTiny, "--reps", "2", "--batch", "2", "-j", "1", "--device", "cpu", "--json", "b.json"});
  ASSERT_EQ(file.code, 0) << file.err;
  EXPECT_TRUE(contains(file.out, "median")) << file.out;
  const CommandResult printed =
      gpen({"bench", "-m", kTiny, "--reps", "2", "--batch", "2", "-j", "1", "--device", "cpu", "--json"});
  ASSERT_EQ(printed.code, 0) << printed.err;
  for (const std::string& text : {read_text(gpen / "b.json"), printed.out}) {
    const json bench = json::parse(text);
    ASSERT_EQ(bench.size(), 1u);
    ASSERT_EQ(bench["results"].size(), 1u);
    const json& r = bench["results"][0];
    EXPECT_EQ(r.size(), 12u);
    EXPECT_FALSE(r["isa"].get<std::string>().empty());
    EXPECT_EQ(r["arch"], kTiny);
    EXPECT_EQ(r["model"], kTiny);
    EXPECT_EQ(r["device"], "cpu");
    EXPECT_EQ(r["precision"], "fp32");
    EXPECT_EQ(r["batch"], 2);
    EXPECT_EQ(r["threads"], 1);
    EXPECT_EQ(r["reps"], 2);
    EXPECT_GT(r["min_ms"].get<double>(), 0);
    EXPECT_GE(r["median_ms"].get<double>(), r["min_ms"].get<double>());
    EXPECT_GT(r["peak_rss_mb"].get<double>(), 1);
    EXPECT_GT(r["load_ms"].get<double>(), 0);
  }
  EXPECT_EQ(gpen.listing(), std::vector<std::string>{"b.json"});
}

TEST_F(ModelCommands, BenchTimesFilesAndLayers) {
  ASSERT_EQ(synth(kTiny, "tiny.safetensors").code, 0);
  const CommandResult r = gpen({"bench", "-m", "tiny.safetensors", "--reps", "1", "--layers"});
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_TRUE(contains(r.out, "GFLOP/s")) << r.out;
  EXPECT_EQ(gpen({"bench", "-m", "missing.safetensors"}).code, 3);
  EXPECT_EQ(gpen({"bench", "-m", "nonsense"}).code, 2);
}

TEST_F(ModelCommands, FetchListsAndAsksFirst) {
  const CommandResult list = gpen({"fetch"});
  EXPECT_EQ(list.code, 0) << list.err;
  for (const ReleasedModel& model : catalogue()) EXPECT_TRUE(contains(list.out, model.name)) << model.name;
  const CommandResult unknown = gpen({"fetch", "no-such-model", "--yes"});
  EXPECT_EQ(unknown.code, 3);
  EXPECT_TRUE(contains(unknown.err, "no-such-model")) << unknown.err;
  const CommandResult unasked = gpen({"fetch", "parsenet"});
  EXPECT_EQ(unasked.code, 2);
  EXPECT_TRUE(contains(unasked.err, "NON-COMMERCIAL") || contains(unasked.err, "non-commercial")) << unasked.err;
  EXPECT_TRUE(contains(unasked.err, "--yes")) << unasked.err;
}

TEST_F(ModelCommands, FetchSaysWhatIsUnreachable) {
  gpen.set_environment("GPEN_MODELS", gpen.path("models"));
  const CommandResult r = gpen({"fetch", "parsenet", "--yes", "--mirror", "http://127.0.0.1:9"});
  EXPECT_EQ(r.code, 4) << r.err;
  EXPECT_TRUE(contains(r.err, "NON-COMMERCIAL") || contains(r.err, "non-commercial")) << r.err;
  EXPECT_TRUE(contains(r.err, "parsenet")) << r.err;
  EXPECT_TRUE(gpen.listing("models").empty());
  EXPECT_EQ(gpen({"fetch", "parsenet", "--yes", "--mirror", "ftp://example.org"}).code, 2);
  const CommandResult nowhere = gpen({"fetch", "retinaface-mobilenet0.25", "--yes"});
  EXPECT_EQ(nowhere.code, 4) << nowhere.err;
}

TEST_F(ModelCommands, FetchInstalls) {
  if (std::system("command -v curl > /dev/null || command -v wget > /dev/null") != 0)
    GTEST_SKIP() << "needs curl or wget";
  const ReleasedModel* model = find_released("retinaface-mobilenet0.25");
  ASSERT_NE(model, nullptr);
  ASSERT_EQ(synth(model->name, "w.safetensors").code, 0);
  const HttpServer server({.path = "/" + model->file, .content = read_text(gpen / "w.safetensors")});
  gpen.set_environment("GPEN_MODELS", gpen.path("models"));
  const CommandResult r = gpen({"fetch", model->name, "--yes", "--mirror", server.address()});
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_EQ(gpen.listing("models"), std::vector<std::string>{model->name + ".safetensors"});
  EXPECT_EQ(r.out, gpen.path("models/" + model->name + ".safetensors") + "\n");
  const json info = json::parse(gpen({"info", model->name, "--json"}).out);
  EXPECT_EQ(info["metadata"]["gpen.source_sha256"].get<std::string>().size(), 64u);
}

TEST_F(ModelCommands, InstalledModelsAreFoundByName) {
  gpen.set_environment("GPEN_MODELS", gpen.path("models"));
  std::filesystem::create_directory(gpen / "models");
  ASSERT_EQ(synth("retinaface-mobilenet0.25", "models/retinaface-mobilenet0.25.safetensors").code, 0);
  EXPECT_TRUE(contains(gpen({"fetch"}).out, "models/retinaface-mobilenet0.25.safetensors"));
  const CommandResult info = gpen({"info", "retinaface-mobilenet0.25"});
  EXPECT_EQ(info.code, 0) << info.err;
  const CommandResult again = gpen({"fetch", "retinaface-mobilenet0.25", "--yes"});
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_TRUE(contains(again.out, "models/retinaface-mobilenet0.25.safetensors")) << again.out;
}

}  // namespace
}  // namespace gpen::test
