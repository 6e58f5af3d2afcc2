// safetensors: round trips, and files that lie about themselves.
#include "weights/safetensors.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <cstring>
#include <fstream>
#include <limits>
#include <random>

#include "support/shared_data.h"
#include "weights/dtype.h"

namespace gpen {
namespace {

std::string read_bytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
void write_bytes(const std::filesystem::path& path, const std::string& bytes) {
  // A new file each time: ext4 flushes one that is emptied and written again, which takes milliseconds.
  std::filesystem::remove(path);
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}
// A file with this header and data of zeros.
std::string file_of(const std::string& header, size_t data_bytes) {
  const uint64_t n = header.size();
  std::string bytes(reinterpret_cast<const char*>(&n), 8);
  bytes += header;
  return bytes.append(data_bytes, '\0');
}
std::string tensor(const std::string& name, const std::string& dtype, const std::string& shape,
                   const std::string& offsets) {
  return concat("\"", name, "\":{\"dtype\":\"", dtype, "\",\"shape\":", shape, ",\"data_offsets\":", offsets, "}");
}

class Safetensors : public testing::Test {
 protected:
  Result<WeightStore> open(const std::string& bytes) {
    write_bytes(path_, bytes);
    return open_safetensors(path_);
  }
  void expect_refused(const std::string& bytes, const std::string& reason) {
    const Status status = open(bytes).status();
    EXPECT_EQ(status.code(), Code::model) << reason;
    EXPECT_EQ(status.message().rfind(path_.string(), 0), 0u) << status.message();
    EXPECT_NE(status.message().find(reason), std::string::npos) << reason << " | " << status.message();
  }
  test::TemporaryFolder folder_;
  std::filesystem::path path_ = folder_ / "x.safetensors";
};

TEST_F(Safetensors, RoundTripKeepsEverything) {
  WeightStore store;
  store.metadata = {{"gpen.arch", "a \"quoted\" name"}, {"empty", ""}, {"unicode", "Gesichter \xc3\xbc"}};
  store.add("b.weight", {2, 3}, {1, -2, 3.5f, -0.0f, 1e-45f, 3e38f});
  store.add("a", {}, {7});
  store.add("empty", {0, 4}, {});
  store.add_bytes("counter", DType::i64, {}, std::vector<std::byte>(8, std::byte{0x11}));
  store.add_bytes("flag", DType::boolean, {3}, std::vector<std::byte>(3, std::byte{1}));
  store.add_bytes("half", DType::f16, {1}, std::vector<std::byte>(2, std::byte{0x3c}));
  ASSERT_TRUE(save_safetensors(path_, store).ok());
  const Result<WeightStore> back = open_safetensors(path_);
  ASSERT_TRUE(back.ok()) << back.status().message();
  EXPECT_EQ(back->metadata, store.metadata);
  EXPECT_EQ(back->source, path_.string());
  ASSERT_EQ(back->tensors.size(), store.tensors.size());
  for (const auto& [name, t] : store.tensors) {
    const WeightTensor* other = back->find(name);
    ASSERT_NE(other, nullptr) << name;
    EXPECT_EQ(other->dtype, t.dtype);
    EXPECT_EQ(other->shape, t.shape);
    ASSERT_EQ(other->bytes, t.bytes);
    if (t.bytes > 0) {
      EXPECT_EQ(std::memcmp(other->data, t.data, t.bytes), 0) << name;
    }
    EXPECT_EQ(reinterpret_cast<uintptr_t>(other->data) % dtype_size(t.dtype), 0u) << name << " lies aligned";
  }
  // Writing what was read gives the same file.
  const std::string first = read_bytes(path_);
  ASSERT_TRUE(save_safetensors(folder_ / "again", *back).ok());
  EXPECT_EQ(read_bytes(folder_ / "again"), first);
}

TEST_F(Safetensors, CopiesShareTheMappingAndOutliveTheFile) {
  {
    WeightStore store;
    store.add("w", {1000}, std::vector<float>(1000, 2.5f));
    ASSERT_TRUE(save_safetensors(path_, store).ok());
  }
  WeightStore copy;
  {
    const Result<WeightStore> opened = open_safetensors(path_);
    copy = *opened;
  }
  std::filesystem::remove(path_);
  EXPECT_EQ(*copy.floats("w"), std::vector<float>(1000, 2.5f));
  copy.release_pages("w");
  EXPECT_EQ(*copy.floats("w"), std::vector<float>(1000, 2.5f));
  copy.release_pages("nothing of this name");
}

TEST_F(Safetensors, ReleasedPagesLeaveMemoryAndComeBack) {
  WeightStore store;
  const std::vector<float> values(size_t{4} << 20, 1.0f);
  store.add("w", {4 << 20}, values);
  ASSERT_TRUE(save_safetensors(path_, store).ok());
  const WeightStore mapped = *open_safetensors(path_);
  // Pages of files that are resident in this process (field 3 of statm).
  const auto resident = [] {
    long size = 0, rss = 0, shared = 0;
    std::ifstream("/proc/self/statm") >> size >> rss >> shared;
    return shared * sysconf(_SC_PAGESIZE);
  };
  EXPECT_EQ(*mapped.floats("w"), values);
  const long before = resident();
  mapped.release_pages("w");
  EXPECT_LT(resident(), before - (15L << 20));
  EXPECT_EQ(*mapped.floats("w"), values);
}

TEST_F(Safetensors, TensorsAtAnyAlignment) {
  const float value = 1.25f;
  std::string bytes =
      file_of(concat("{", tensor("a", "U8", "[1]", "[0,1]"), ",", tensor("w", "F32", "[2]", "[1,9]"), "}"), 1);
  for (int i = 0; i < 2; ++i) bytes.append(reinterpret_cast<const char*>(&value), 4);
  const Result<WeightStore> store = open(bytes);
  ASSERT_TRUE(store.ok()) << store.status().message();
  EXPECT_EQ(*store->floats("w"), (std::vector<float>{1.25f, 1.25f}));
}

TEST_F(Safetensors, RequireNamesWhatDoesNotFit) {
  WeightStore store;
  store.source = "model.safetensors";
  store.add("w", {2, 3}, std::vector<float>(6));
  EXPECT_TRUE(store.require("w").ok());
  EXPECT_TRUE(store.require("w", {2, -1}).ok());
  EXPECT_EQ(store.require("v").status().message(), "model.safetensors: tensor v is missing");
  EXPECT_EQ(store.require("w", {64, 3, 1, 1}).status().message(),
            "model.safetensors: tensor w has shape 2x3, expected 64x3x1x1");
  EXPECT_EQ(store.require("w", {-1, 4}).status().message(), "model.safetensors: tensor w has shape 2x3, expected ?x4");
  EXPECT_EQ(store.require("v").status().code(), Code::model);
}

TEST_F(Safetensors, NotANumberAndInfinityAreNoWeights) {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  for (const float bad : {inf, -inf, nan}) {
    for (const size_t at : {0, 7, 16, 36}) {
      std::vector<float> values(37, 3e38f);
      values[at] = bad;
      WeightStore store;
      store.source = "s";
      store.add("w", {37}, values);
      EXPECT_EQ(store.floats("w").status().message(), "s: tensor w holds a value that is NaN or infinite");
      EXPECT_EQ(store.floats("w").status().code(), Code::model);
    }
  }
}

TEST_F(Safetensors, HeadersThatLie) {
  const std::string ok = tensor("w", "F32", "[2]", "[0,8]");
  ASSERT_TRUE(open(file_of(concat("{", ok, "}"), 8)).ok());
  ASSERT_TRUE(open(file_of(concat("{", ok, "}   "), 8)).ok()) << "trailing spaces are the format's padding";
  ASSERT_TRUE(open(file_of("{}", 0)).ok());
  struct Case {
    std::string header;
    size_t data;
    const char* reason;
  };
  const auto one = [](const char* dtype, const char* shape, const char* offsets) {
    return concat("{", tensor("w", dtype, shape, offsets), "}");
  };
  const Case cases[] = {
      {one("F32", "[2]", "[0,8]"), 7, "claims bytes 0 to 8 of 7"},
      {one("F32", "[2]", "[0,8]"), 9, "cover 8 bytes, the file holds 9"},
      {one("F32", "[2]", "[8,0]"), 8, "claims bytes 8 to 0"},
      {one("F32", "[2]", "[0,4]"), 4, "has 4 bytes, its shape and dtype need 8"},
      {one("F32", "[3]", "[0,8]"), 8, "has 8 bytes, its shape and dtype need 12"},
      {one("F32", "[2]", "[4,12]"), 12, "leaves a hole"},
      {one("F32", "[4611686018427387904,4]", "[0,8]"), 8, "impossibly large"},
      {one("F32", "[18446744073709551615]", "[0,8]"), 8, "impossibly large"},
      {one("F32", "[0,18446744073709551615]", "[0,0]"), 0, "impossibly large"},
      {one("F32", "[18446744073709551616]", "[0,8]"), 8, "fraction or too large"},
      {one("F32", "[4294967296,4294967296]", "[0,8]"), 8, "impossibly large"},
      {one("F32", "[-2]", "[0,8]"), 8, "negative"},
      {one("F32", "[2.0]", "[0,8]"), 8, "fraction"},
      {one("F32", "[[2]]", "[0,8]"), 8, "list where none belongs"},
      {one("F32", "[\"2\"]", "[0,8]"), 8, "text where none belongs"},
      {one("F32", "[null]", "[0,8]"), 8, "null"},
      {one("F32", "[true]", "[0,8]"), 8, "truth value"},
      {one("F32", "2", "[0,8]"), 8, "number where none belongs"},
      {one("F32", "{}", "[0,8]"), 8, "nested deeper"},
      {one("F32", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,2]", "[0,8]"), 8, "more than 16 dimensions"},
      {one("F32", "[2]", "[0]"), 8, "two data_offsets"},
      {one("F32", "[2]", "[0,8,8]"), 8, "two data_offsets"},
      {one("F32", "[2]", "[]"), 8, "two data_offsets"},
      {one("F8_E4M3", "[8]", "[0,8]"), 8, "unsupported dtype F8_E4M3"},
      {one("f32", "[2]", "[0,8]"), 8, "unsupported dtype f32"},
      {one("F32\\u0000", "[2]", "[0,8]"), 8, "unsupported dtype"},
      {concat("{", ok, ",", ok, "}"), 8, "overlaps"},
      {concat("{", ok, ",", tensor("v", "F32", "[2]", "[4,12]"), "}"), 12, "overlaps"},
      {concat("{", tensor("w", "F32", "[0]", "[0,0]"), ",", tensor("w", "F32", "[0]", "[0,0]"), "}"), 0,
       "appears twice"},
      {R"({"w":{"dtype":"F32","shape":[2]}})", 8, "lacks dtype, shape or data_offsets"},
      {R"({"w":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 8, "repeated key dtype"},
      {R"({"w":{"dtype":"F32","shape":[2],"shape":[2],"data_offsets":[0,8]}})", 8, "repeated key shape"},
      {R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"more":[1]}})", 8, "unknown or repeated key more"},
      {R"({"w":{}})", 0, "lacks dtype"},
      {R"({"w":[]})", 0, "list where none belongs"},
      {R"({"w":3})", 0, "number where none belongs"},
      {R"({"w":null})", 0, "null"},
      {R"({"__metadata__":{"a":1}})", 0, "number where none belongs"},
      {R"({"__metadata__":{"a":{}}})", 0, "nested deeper"},
      {R"({"__metadata__":{"a":"1","a":"2"}})", 0, "repeated key a"},
      {R"({"__metadata__":"a"})", 0, "text where none belongs"},
      {"{\"w", 0, "not valid JSON"},
      {"{}{}", 0, "not valid JSON"},
      {"{}\n{", 0, "not valid JSON"},
      {"[]", 0, "no header"},
      {" {}", 0, "no header"},
      {"", 4, "no header"},
      {"{\"\xff\":{}}", 0, "not valid JSON"},
  };
  for (const Case& c : cases) expect_refused(file_of(c.header, c.data), c.reason);
}

TEST_F(Safetensors, DeepAndHugeHeadersEndEarly) {
  expect_refused(file_of(concat("{\"a\":", std::string(1000000, '[')), 0), "list where none belongs");
  expect_refused(file_of(
                     [] {
                       std::string deep;
                       for (int i = 0; i < 100000; ++i) deep += "{\"a\":";
                       return deep;
                     }(),
                     0),
                 "nested deeper");
  expect_refused(file_of(concat("{", std::string(20 << 20, ' '), "}"), 0), "header is larger than");
  for (const uint64_t length : {uint64_t{9}, uint64_t{1} << 32, uint64_t{1} << 63, UINT64_MAX, UINT64_MAX - 7}) {
    std::string bytes = file_of("{}", 0);
    std::memcpy(bytes.data(), &length, 8);
    expect_refused(bytes, "its header would take");
  }
}

TEST_F(Safetensors, CutShortAnywhere) {
  WeightStore store;
  store.metadata["k"] = "v";
  store.add("a", {2, 2}, {1, 2, 3, 4});
  store.add("b", {3}, {1, 2, 3});
  ASSERT_TRUE(save_safetensors(path_, store).ok());
  const std::string whole = read_bytes(path_);
  for (size_t length = 0; length < whole.size(); ++length) {
    ASSERT_EQ(open(whole.substr(0, length)).status().code(), Code::model) << "length " << length;
  }
  EXPECT_FALSE(open(whole + "x").ok());
}

TEST_F(Safetensors, MutatedFilesGetAnAnswer) {
  const char* given = std::getenv("GPEN_SEED");
  const auto seed = static_cast<uint32_t>(given != nullptr ? std::strtoul(given, nullptr, 10) : 7);
  SCOPED_TRACE(testing::Message() << "GPEN_SEED=" << seed);
  std::mt19937 rng(seed);
  WeightStore store;
  store.metadata["k"] = "v";
  store.add("a", {2, 2}, {1, 2, 3, 4});
  store.add_bytes("n", DType::i64, {}, std::vector<std::byte>(8));
  ASSERT_TRUE(save_safetensors(path_, store).ok());
  const std::string whole = read_bytes(path_);
  int accepted = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string victim = whole;
    for (uint32_t n = 1 + rng() % 3; n > 0; --n) {
      const size_t at = rng() % victim.size();
      if (rng() % 2 == 0) {
        victim[at] = static_cast<char>(rng());
      } else {
        victim[at] = static_cast<char>("0123456789{}[]\",:"[rng() % 17]);
      }
    }
    const Result<WeightStore> opened = open(victim);
    if (!opened.ok()) {
      ASSERT_EQ(opened.status().code(), Code::model);
      continue;
    }
    ++accepted;
    for (const auto& [name, t] : opened->tensors) {
      unsigned sum = 0;
      for (size_t i = 0; i < t.bytes; ++i) sum += static_cast<unsigned>(t.data[i]);
      EXPECT_LE(sum, 255u * t.bytes);
      (void)opened->floats(name).ok();
    }
  }
  EXPECT_GT(accepted, 0) << "mutations in the data are accepted";
}

TEST_F(Safetensors, WhatCannotBeOpened) {
  const Status missing = open_safetensors(folder_ / "none.safetensors").status();
  EXPECT_EQ(missing.code(), Code::io);
  EXPECT_NE(missing.message().find("none.safetensors: No such file"), std::string::npos);
  EXPECT_EQ(open_safetensors(folder_.path()).status().code(), Code::io);
  EXPECT_EQ(open_safetensors("/dev/null").status().code(), Code::io);
  expect_refused("", "too short");
}

size_t files_in(const std::filesystem::path& folder) {
  size_t n = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder)) ++n;
  return n;
}

TEST_F(Safetensors, AFailedWriteLeavesTheOldFileAndNothingElse) {
  WeightStore small, large;
  small.add("w", {1}, {1});
  large.add("w", {100000}, std::vector<float>(100000));
  ASSERT_TRUE(save_safetensors(path_, small).ok());
  const std::string before = read_bytes(path_);
  // A full disk, as far as this process is concerned: writing past the limit fails with EFBIG.
  rlimit old{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit tight = old;
  tight.rlim_cur = 1000;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &tight), 0);
  const Status status = save_safetensors(path_, large);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &old), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(status.code(), Code::io);
  EXPECT_NE(status.message().find(path_.string()), std::string::npos) << status.message();
  EXPECT_EQ(read_bytes(path_), before);
  EXPECT_EQ(files_in(folder_.path()), 1u) << "no temporary file is left";

  EXPECT_EQ(save_safetensors(folder_ / "no/such/folder/x", small).code(), Code::io);
  EXPECT_EQ(save_safetensors(folder_.path(), small).code(), Code::io);
  if (geteuid() != 0) {  // root may write anywhere
    ASSERT_EQ(chmod(folder_.path().c_str(), 0500), 0);
    EXPECT_EQ(save_safetensors(folder_ / "y", small).code(), Code::io);
    ASSERT_EQ(chmod(folder_.path().c_str(), 0700), 0);
  }
}

TEST_F(Safetensors, NamesThatJsonCannotHoldAreRefusedBeforeWriting) {
  WeightStore store;
  store.add("bad\xff name", {1}, {1});
  const Status status = save_safetensors(path_, store);
  EXPECT_EQ(status.code(), Code::model);
  EXPECT_NE(status.message().find("bad? name"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(Safetensors, ConvertsFloatsAndKeepsIntegers) {
  WeightStore store;
  store.source = "s";
  store.metadata["k"] = "v";
  store.add("w", {2, 2}, {1, 0.1f, -3, 65504});
  store.add_bytes("n", DType::i64, {}, std::vector<std::byte>(8));
  const double third = 1.0 / 3;
  std::vector<std::byte> bytes(8);
  std::memcpy(bytes.data(), &third, 8);
  store.add_bytes("d", DType::f64, {1}, bytes);
  for (DType dtype : {DType::f16, DType::bf16, DType::f32}) {
    const Result<WeightStore> converted = convert_dtype(store, dtype);
    ASSERT_TRUE(converted.ok()) << converted.status().message();
    EXPECT_EQ(converted->find("w")->dtype, dtype);
    EXPECT_EQ(converted->find("d")->dtype, dtype);
    EXPECT_EQ(converted->find("n")->dtype, DType::i64);
    EXPECT_EQ(converted->metadata, store.metadata);
    const double precision = dtype == DType::f32 ? 0 : dtype == DType::f16 ? 0x1p-11 : 0x1p-8;
    const std::vector<float> before = *store.floats("w"), after = *converted->floats("w");
    for (size_t i = 0; i < before.size(); ++i)
      EXPECT_LE(std::abs(after[i] - before[i]), precision * std::abs(before[i]));
  }
  store.add("big", {2}, {1, 65520});
  EXPECT_TRUE(convert_dtype(store, DType::bf16).ok());
  const Status status = convert_dtype(store, DType::f16).status();
  EXPECT_EQ(status.code(), Code::model);
  EXPECT_EQ(status.message(), "s: tensor big holds 65520, too large for F16");
  EXPECT_EQ(convert_dtype(store, DType::i8).status().code(), Code::usage);
}

TEST_F(Safetensors, GoldenFilesOpen) {
  GPEN_NEEDS_SHARED("golden/ops.safetensors");
  int opened = 0;
  for (const auto& entry : std::filesystem::directory_iterator(test::shared_file("golden"))) {
    if (entry.path().extension() != ".safetensors") continue;
    const Result<WeightStore> store = open_safetensors(entry.path());
    ASSERT_TRUE(store.ok()) << store.status().message();
    EXPECT_FALSE(store->tensors.empty());
    for (const auto& [name, t] : store->tensors) EXPECT_TRUE(store->floats(name).ok()) << name;
    ++opened;
  }
  EXPECT_GE(opened, 10);
}

}  // namespace
}  // namespace gpen
