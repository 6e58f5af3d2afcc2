// Downloads from a server on this machine: verified, continued, refused; and the conversion behind them.
#include "convert/fetch.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

#include "convert/checkpoint.h"
#include "support/checkpoint_writer.h"
#include "support/http_server.h"
#include "support/shared_data.h"
#include "weights/architecture.h"
#include "weights/sha256.h"
#include "weights/synth.h"

namespace gpen {
namespace {

namespace fs = std::filesystem;
using test::HttpServer;

std::string digest(const std::string& text) {
  Sha256 sum;
  sum.update(text.data(), text.size());
  return sum.hex_digest();
}

std::string some_content(size_t bytes) {
  std::string content(bytes, '\0');
  for (size_t i = 0; i < bytes; ++i) content[i] = static_cast<char>(i * 31 + i / 251);
  return content;
}

bool on_path(const std::string& program) {
  return std::system(("command -v " + program + " >/dev/null 2>&1").c_str()) == 0;
}

class Fetch : public testing::Test {
 protected:
  void SetUp() override {
    ::unsetenv("GPEN_FETCH_MIRROR");
    const char* path = std::getenv("PATH");
    path_ = path != nullptr ? path : "";
    if (!on_path("curl") && !on_path("wget")) GTEST_SKIP() << "needs curl or wget";
  }
  void TearDown() override { ::setenv("PATH", path_.c_str(), 1); }

  // A model that the server has.
  ReleasedModel model(const HttpServer& server, const std::string& content) const {
    ReleasedModel m;
    m.name = "test-model";
    m.file = "file";
    m.architecture = "gpen:size=8,narrow=0.01,style=4,mlp=1";
    m.task = "restore";
    m.bytes = static_cast<int64_t>(content.size());
    m.sha256 = digest(content);
    m.addresses = {server.address() + "/file"};
    return m;
  }
  Result<FetchedFile> fetch(const ReleasedModel& m) {
    FetchOptions options;
    options.folder = folder_ / "models";
    FetchCallbacks callbacks;
    callbacks.notice = [this](const std::string& text) { notices_ += text + "\n"; };
    callbacks.progress = [this](int64_t done, int64_t total) { done_ = done, total_ = total; };
    callbacks.cancelled = [this] { return cancel_; };
    return fetch_model(m, options, callbacks);
  }
  fs::path part() const { return folder_ / "models/file.part"; }
  fs::path file() const { return folder_ / "models/file"; }

  test::TemporaryFolder folder_;
  std::string path_, notices_;
  int64_t done_ = -1, total_ = -1;
  bool cancel_ = false;
};

TEST_F(Fetch, DownloadsVerifiesAndDoesNotDownloadAgain) {
  const std::string content = some_content(300000);
  const HttpServer server({.content = content});
  const Result<FetchedFile> got = fetch(model(server, content));
  ASSERT_TRUE(got.ok()) << got.status().message();
  EXPECT_EQ(got->path, file());
  EXPECT_EQ(got->sha256, digest(content));
  EXPECT_TRUE(got->verified);
  EXPECT_EQ(test::read_bytes(file()), content);
  EXPECT_FALSE(fs::exists(part()));
  EXPECT_EQ(done_, 300000);
  EXPECT_EQ(total_, 300000);
  EXPECT_NE(notices_.find("test-model: downloading " + server.address()), std::string::npos);
  EXPECT_EQ(server.requests(), 1);
  EXPECT_TRUE(fetch(model(server, content)).ok());
  EXPECT_EQ(server.requests(), 1) << "it is there";
  test::write_bytes(file(), "damaged");
  EXPECT_TRUE(fetch(model(server, content)).ok());
  EXPECT_EQ(test::read_bytes(file()), content);
}

TEST_F(Fetch, AnUnstatedSumIsRecorded) {
  const std::string content = some_content(1000);
  const HttpServer server({.content = content});
  ReleasedModel m = model(server, content);
  m.bytes = 0;
  m.sha256.clear();
  const Result<FetchedFile> got = fetch(m);
  ASSERT_TRUE(got.ok()) << got.status().message();
  EXPECT_EQ(got->sha256, digest(content));
  EXPECT_FALSE(got->verified);
  EXPECT_EQ(total_, 0);
}

TEST_F(Fetch, ContinuesWhatHasArrived) {
  const std::string content = some_content(200000);
  const HttpServer server({.content = content});
  fs::create_directories(folder_ / "models");
  test::write_bytes(part(), content.substr(0, 150000));
  const Result<FetchedFile> got = fetch(model(server, content));
  ASSERT_TRUE(got.ok()) << got.status().message();
  EXPECT_EQ(test::read_bytes(file()), content);
  EXPECT_EQ(server.ranged_requests(), 1);
  // All of it had arrived, only the verification was missing.
  fs::rename(file(), part());
  EXPECT_TRUE(fetch(model(server, content)).ok());
  EXPECT_EQ(server.requests(), 1);
}

TEST_F(Fetch, StartsAgainWhereTheServerCannotContinue) {
  if (!on_path("curl")) GTEST_SKIP() << "needs curl";
  const std::string content = some_content(200000);
  const HttpServer server({.content = content, .ranges = false});
  fs::create_directories(folder_ / "models");
  test::write_bytes(part(), content.substr(0, 1000));
  const Result<FetchedFile> got = fetch(model(server, content));
  ASSERT_TRUE(got.ok()) << got.status().message();
  EXPECT_EQ(test::read_bytes(file()), content);
}

TEST_F(Fetch, AnInterruptedDownloadStaysAndGoesOn) {
  const std::string content = some_content(200000);
  ReleasedModel m;
  {
    const HttpServer broken({.content = content, .cut_after = 120000});
    m = model(broken, content);
    const Result<FetchedFile> got = fetch(m);
    ASSERT_FALSE(got.ok());
    EXPECT_EQ(got.status().code(), Code::io) << got.status().message();
    EXPECT_NE(got.status().message().find("test-model could not be downloaded"), std::string::npos);
  }
  ASSERT_TRUE(fs::exists(part()));
  EXPECT_GT(fs::file_size(part()), 0u);
  EXPECT_FALSE(fs::exists(file()));
  const HttpServer whole({.content = content});
  m.addresses = {whole.address() + "/file"};
  ASSERT_TRUE(fetch(m).ok());
  EXPECT_EQ(whole.ranged_requests(), 1);
  EXPECT_EQ(test::read_bytes(file()), content);
}

TEST_F(Fetch, AWrongFileIsRemovedAndSaid) {
  const std::string content = some_content(5000);
  std::string other = content;
  other[2500] ^= 1;
  const HttpServer server({.content = other});
  Status status = fetch(model(server, content)).status();
  EXPECT_EQ(status.code(), Code::model);
  EXPECT_NE(status.message().find(digest(other)), std::string::npos) << status.message();
  EXPECT_NE(status.message().find(digest(content)), std::string::npos);
  EXPECT_NE(status.message().find("(removed)"), std::string::npos);
  EXPECT_FALSE(fs::exists(part()) || fs::exists(file()));
  status = fetch(model(server, content + "more")).status();
  EXPECT_EQ(status.code(), Code::model);
  EXPECT_NE(status.message().find("has 5000 bytes, the released file has 5004"), std::string::npos) << status.message();
}

TEST_F(Fetch, MoreThanExpectedIsNotAccepted) {
  const std::string content = some_content(4000000);
  const HttpServer server({.content = content, .delay_ms = 10});
  const Status status = fetch(model(server, content.substr(0, 1000))).status();
  EXPECT_EQ(status.code(), Code::io);
  EXPECT_NE(status.message().find("more than the 1000 bytes expected"), std::string::npos) << status.message();
  EXPECT_FALSE(fs::exists(file()));
}

TEST_F(Fetch, MirrorsAreTriedInOrder) {
  const std::string content = some_content(5000);
  const HttpServer wrong({.content = "something else"}), right({.content = content});
  ReleasedModel m = model(right, content);
  m.addresses = {"http://127.0.0.1:1/file", wrong.address() + "/missing", wrong.address() + "/file",
                 right.address() + "/file"};
  ASSERT_TRUE(fetch(m).ok());
  EXPECT_EQ(wrong.requests(), 2);
  EXPECT_EQ(test::read_bytes(file()), content);
}

TEST_F(Fetch, FailuresAreExplained) {
  const std::string content = some_content(100);
  const HttpServer server({.content = content});
  ReleasedModel m = model(server, content);
  m.addresses = {server.address() + "/missing"};
  EXPECT_NE(fetch(m).status().message().find("404"), std::string::npos) << fetch(m).status().message();
  m.addresses = {"http://127.0.0.1:1/file"};
  const Status offline = fetch(m).status();
  EXPECT_EQ(offline.code(), Code::io);
  EXPECT_NE(offline.message().find("is this machine online?"), std::string::npos) << offline.message();
  m.addresses = {"http://example.com/file"};
  EXPECT_NE(fetch(m).status().message().find("only https addresses are used"), std::string::npos);
  m.addresses = {"file:///etc/passwd"};
  EXPECT_NE(fetch(m).status().message().find("only https addresses are used"), std::string::npos);
  m.addresses.clear();
  EXPECT_NE(fetch(m).status().message().find("has no public address"), std::string::npos);
  test::write_bytes(folder_ / "models/not_a_folder", "x");
  FetchOptions options;
  options.folder = folder_ / "models/not_a_folder";
  EXPECT_EQ(fetch_model(model(server, content), options).status().code(), Code::io);
}

TEST_F(Fetch, RedirectionsToHttpAreNotFollowed) {
  const std::string content = some_content(100);
  const HttpServer target({.content = content});
  const HttpServer server({.content = "", .redirect = target.address() + "/file"});
  EXPECT_FALSE(fetch(model(server, content)).ok());
  EXPECT_EQ(target.requests(), 0);
}

TEST_F(Fetch, CanBeCancelled) {
  const std::string content = some_content(4000000);
  const HttpServer server({.content = content, .delay_ms = 20});
  cancel_ = true;
  const Status status = fetch(model(server, content)).status();
  EXPECT_EQ(status.code(), Code::cancelled);
  EXPECT_FALSE(fs::exists(file()));
}

TEST_F(Fetch, WithoutCurlAndWget) {
  const std::string content = some_content(100);
  const HttpServer server({.content = content});
  ::setenv("PATH", folder_.path().c_str(), 1);
  EXPECT_NE(fetch(model(server, content)).status().message().find("neither curl nor wget is installed"),
            std::string::npos);
  EXPECT_EQ(server.requests(), 0);
}

TEST_F(Fetch, WgetServesWhereCurlIsMissing) {
  if (!fs::exists("/usr/bin/wget")) GTEST_SKIP() << "needs wget";
  const std::string content = some_content(200000);
  const HttpServer server({.content = content});
  fs::create_directories(folder_ / "bin");
  fs::create_symlink("/usr/bin/wget", folder_ / "bin/wget");
  ::setenv("PATH", (folder_ / "bin").c_str(), 1);
  fs::create_directories(folder_ / "models");
  test::write_bytes(part(), content.substr(0, 1000));
  const Result<FetchedFile> got = fetch(model(server, content));
  ASSERT_TRUE(got.ok()) << got.status().message();
  EXPECT_EQ(test::read_bytes(file()), content);
  EXPECT_EQ(server.ranged_requests(), 1);
  ReleasedModel missing = model(server, content + "x");
  missing.addresses = {server.address() + "/missing"};
  fs::remove(file());
  EXPECT_NE(fetch(missing).status().message().find("404"), std::string::npos) << fetch(missing).status().message();
}

TEST_F(Fetch, TheMirrorVariableReplacesTheAddresses) {
  const std::string content = some_content(100);
  const HttpServer server({.path = "/models/file", .content = content});
  ReleasedModel m = model(server, content);
  m.addresses = {"https://127.0.0.1:1/never"};
  ::setenv("GPEN_FETCH_MIRROR", (server.address() + "/models").c_str(), 1);
  EXPECT_TRUE(fetch(m).ok());
  EXPECT_EQ(server.requests(), 1);
  ::setenv("GPEN_FETCH_MIRROR", "http://example.com", 1);
  EXPECT_EQ(fetch(m).status().code(), Code::usage);
  ::unsetenv("GPEN_FETCH_MIRROR");
}

TEST_F(Fetch, ConvertsAndInstalls) {
  namespace p = test::pkl;
  const Architecture arch = *parse_architecture("gpen:size=8,narrow=0.01,style=4,mlp=1");
  const WeightStore formula = *synthesize(arch, SynthKind::formula);
  std::vector<std::pair<std::string, std::string>> entries;
  test::Storages storages;
  for (const auto& [name, tensor] : formula.tensors) {
    std::vector<int64_t> stride(tensor.shape.size(), 1);
    for (size_t i = stride.size() - 1; i-- > 0;) stride[i] = stride[i + 1] * tensor.shape[i + 1];
    const std::string key = std::to_string(storages.size());
    entries.push_back({name, p::tensor(p::storage("FloatStorage", key, tensor.count()), 0, tensor.shape, stride)});
    storages.push_back({key, {reinterpret_cast<const char*>(tensor.data), tensor.bytes}});
  }
  const std::string content = test::zip_checkpoint(test::join(p::start(), "}", p::items(entries), "."), storages);
  const HttpServer server({.content = content});
  FetchOptions options;
  options.folder = folder_ / "models";
  const Result<fs::path> installed = fetch_and_convert(model(server, content), options);
  ASSERT_TRUE(installed.ok()) << installed.status().message();
  EXPECT_EQ(*installed, folder_ / "models/test-model.safetensors");
  EXPECT_FALSE(fs::exists(file())) << "the checkpoint is not kept twice";
  const WeightStore store = *open_weights(*installed);
  EXPECT_EQ(store.metadata.at("gpen.model"), "test-model");
  EXPECT_EQ(store.metadata.at("gpen.task"), "restore");
  EXPECT_EQ(store.metadata.at("gpen.source_sha256"), digest(content));
  EXPECT_EQ(*store.floats("ecd1.0.1.weight"), *formula.floats("ecd1.0.1.weight"));

  ReleasedModel other = model(server, content);
  other.architecture = "realesrnet-x4";
  const Status status = fetch_and_convert(other, options).status();
  EXPECT_EQ(status.code(), Code::model);
  EXPECT_NE(status.message().find("test-model is RRDBNet x4"), std::string::npos) << status.message();
}

TEST_F(Fetch, TheNoticeSaysWhatTheWeightsAreFor) {
  EXPECT_NE(licence_notice().find("academic and non-commercial use"), std::string::npos);
  EXPECT_NE(licence_notice().find("ships none"), std::string::npos);
}

}  // namespace
}  // namespace gpen
