// What a .pth may legitimately hold: containers, nesting, dtypes, strides, views, neighbours; and convert_checkpoint.
#include "convert/checkpoint.h"

#include <gtest/gtest.h>

#include "support/checkpoint_writer.h"
#include "support/shared_data.h"
#include "weights/architecture.h"
#include "weights/dtype.h"
#include "weights/safetensors.h"
#include "weights/sha256.h"
#include "weights/synth.h"

namespace gpen {
namespace {

using namespace test;
namespace p = test::pkl;

class Checkpoint : public testing::Test {
 protected:
  Result<WeightStore> read(const std::string& bytes, const std::string& key = "") {
    write_bytes(path_, bytes);
    return read_checkpoint(path_, key);
  }
  WeightStore good(const std::string& bytes, const std::string& key = "") {
    Result<WeightStore> store = read(bytes, key);
    EXPECT_TRUE(store.ok()) << store.status().message();
    return store.ok() ? *store : WeightStore();
  }
  static std::vector<float> values(const WeightStore& store, const std::string& name) {
    Result<std::vector<float>> v = store.floats(name);
    EXPECT_TRUE(v.ok()) << v.status().message();
    return v.ok() ? *v : std::vector<float>();
  }
  TemporaryFolder folder_;
  std::filesystem::path path_ = folder_ / "checkpoint.pth";
};

const std::string kSix = raw_all<float>({1, 2, 3, 4, 5, 6});

std::string one_tensor(const std::string& tensor) {
  return p::start() + p::ordered_dict() + p::items({{"w", tensor}}) + ".";
}
std::string plain_tensor() { return p::tensor(p::storage("FloatStorage", "0", 6), 0, {2, 3}, {3, 1}); }

TEST_F(Checkpoint, BothContainersAndZip64) {
  const std::string pickle = one_tensor(plain_tensor());
  for (const std::string& bytes : {zip_checkpoint(pickle, {{"0", kSix}}), zip_checkpoint(pickle, {{"0", kSix}}, true),
                                   legacy_checkpoint(pickle, {{"0", kSix}}, 4)}) {
    const WeightStore store = good(bytes);
    ASSERT_EQ(store.tensors.size(), 1u);
    EXPECT_EQ(store.find("w")->shape, (std::vector<int64_t>{2, 3}));
    EXPECT_EQ(values(store, "w"), (std::vector<float>{1, 2, 3, 4, 5, 6}));
    EXPECT_EQ(store.source, path_.string());
  }
}

TEST_F(Checkpoint, ATensorIsStorageOffsetSizeAndStride) {
  const std::string storage = p::storage("FloatStorage", "0", 6);
  const std::string pickle =
      p::start() + "}" +
      p::items({{"transposed", p::tensor(storage, 0, {3, 2}, {1, 3})},
                {"slice", p::tensor(storage, 2, {3}, {1})},
                {"every_second", p::tensor(storage, 1, {3}, {2})},
                {"column", p::tensor(storage, 1, {2, 1}, {3, 999})},  // the stride of a dimension of 1 means nothing
                {"scalar", p::tensor(storage, 5, {}, {})},
                {"repeated", p::tensor(storage, 4, {2, 2}, {0, 1})},
                {"empty", p::tensor(storage, 6, {0, 7}, {7, 1})}}) +
      ".";
  for (const std::string& bytes :
       {zip_checkpoint(pickle, {{"0", kSix}}), legacy_checkpoint(pickle, {{"0", kSix}}, 4)}) {
    const WeightStore store = good(bytes);
    EXPECT_EQ(values(store, "transposed"), (std::vector<float>{1, 4, 2, 5, 3, 6}));
    EXPECT_EQ(values(store, "slice"), (std::vector<float>{3, 4, 5}));
    EXPECT_EQ(values(store, "every_second"), (std::vector<float>{2, 4, 6}));
    EXPECT_EQ(values(store, "column"), (std::vector<float>{2, 5}));
    EXPECT_EQ(values(store, "scalar"), (std::vector<float>{6}));
    EXPECT_TRUE(store.find("scalar")->shape.empty());
    EXPECT_EQ(values(store, "repeated"), (std::vector<float>{5, 6, 5, 6}));
    EXPECT_TRUE(values(store, "empty").empty());
    EXPECT_EQ(store.find("empty")->shape, (std::vector<int64_t>{0, 7}));
  }
}

TEST_F(Checkpoint, ViewsOfTheOldContainer) {
  const std::string view = p::tuple({p::text("v"), p::integer(2), p::integer(3)});
  const std::string pickle = one_tensor(p::tensor(p::storage("FloatStorage", "0", 6, view), 1, {2}, {1}));
  EXPECT_EQ(values(good(legacy_checkpoint(pickle, {{"0", kSix}}, 4)), "w"), (std::vector<float>{4, 5}));
  const std::string beyond = one_tensor(p::tensor(p::storage("FloatStorage", "0", 6, view), 1, {3}, {1}));
  EXPECT_FALSE(read(legacy_checkpoint(beyond, {{"0", kSix}}, 4)).ok());
  const std::string none = one_tensor(p::tensor(p::storage("FloatStorage", "0", 6, "N"), 1, {2}, {1}));
  EXPECT_EQ(values(good(legacy_checkpoint(none, {{"0", kSix}}, 4)), "w"), (std::vector<float>{2, 3}));
}

TEST_F(Checkpoint, EveryStorageType) {
  struct Type {
    const char* name;
    DType dtype;
    std::string bytes;
  };
  const Type types[] = {{"FloatStorage", DType::f32, raw(1.5f)},
                        {"DoubleStorage", DType::f64, raw(1.5)},
                        {"HalfStorage", DType::f16, raw(uint16_t{0x3e00})},
                        {"BFloat16Storage", DType::bf16, raw(uint16_t{0x3fc0})},
                        {"LongStorage", DType::i64, raw(int64_t{-7})},
                        {"IntStorage", DType::i32, raw(int32_t{-7})},
                        {"ShortStorage", DType::i16, raw(int16_t{-7})},
                        {"CharStorage", DType::i8, raw(int8_t{-7})},
                        {"ByteStorage", DType::u8, raw(uint8_t{7})},
                        {"BoolStorage", DType::boolean, raw(uint8_t{1})}};
  for (const Type& type : types) {
    const std::string pickle = one_tensor(p::tensor(p::storage(type.name, "key", 1), 0, {1}, {1}));
    for (const std::string& bytes : {zip_checkpoint(pickle, {{"key", type.bytes}}),
                                     legacy_checkpoint(pickle, {{"key", type.bytes}}, type.bytes.size())}) {
      const WeightStore store = good(bytes);
      ASSERT_NE(store.find("w"), nullptr);
      EXPECT_EQ(store.find("w")->dtype, type.dtype);
      EXPECT_EQ(std::memcmp(store.find("w")->data, type.bytes.data(), type.bytes.size()), 0);
      if (is_float(type.dtype)) {
        EXPECT_EQ(values(store, "w"), std::vector<float>{1.5f}) << type.name;
      } else {
        EXPECT_FALSE(store.floats("w").ok()) << "integers are no weights";
      }
    }
  }
}

TEST_F(Checkpoint, NestedUnderTheUsualKeysBestFirst) {
  const std::string storage = p::storage("FloatStorage", "0", 6);
  const auto dict = [&](int64_t offset) {
    return p::ordered_dict() + p::items({{"module.w", p::tensor(storage, offset, {1}, {1})}});
  };
  const Storages six{{"0", kSix}};
  const auto file = [&](const std::vector<std::pair<std::string, std::string>>& entries) {
    return zip_checkpoint(p::start() + "}" + p::items(entries) + ".", six);
  };
  for (const char* key : {"params_ema", "g_ema", "params", "state_dict"}) {
    EXPECT_EQ(values(good(file({{"step", p::integer(5)}, {key, dict(3)}})), "w"), std::vector<float>{4}) << key;
  }
  const std::string both = file({{"params", dict(0)}, {"params_ema", dict(1)}, {"other", dict(2)}});
  EXPECT_EQ(values(good(both), "w"), std::vector<float>{2});
  EXPECT_EQ(values(good(both, "params"), "w"), std::vector<float>{1});
  EXPECT_EQ(values(good(both, "other"), "w"), std::vector<float>{3});
  const Status missing = read(both, "nothing").status();
  EXPECT_EQ(missing.code(), Code::model);
  EXPECT_NE(missing.message().find("\"nothing\"; keys with tensors: params, params_ema, other"), std::string::npos)
      << missing.message();
  // A tensor of that name is no state dict.
  const std::string top = file({{"params", p::tensor(storage, 5, {1}, {1})}, {"g_ema", p::integer(1)}});
  EXPECT_EQ(values(good(top), "params"), std::vector<float>{6});
  const Status unusual = read(file({{"generator", dict(0)}, {"optimizer", "}"}})).status();
  EXPECT_NE(unusual.message().find("--key: generator"), std::string::npos) << unusual.message();
  EXPECT_FALSE(read(file({{"epoch", p::integer(3)}})).ok());
  EXPECT_FALSE(read(zip_checkpoint(p::start() + plain_tensor() + ".", six)).ok()) << "a tensor alone";
}

TEST_F(Checkpoint, OtherObjectsBesideTheTensorsAreNormal) {
  const std::string neighbours = p::items({{"none", "N"},
                                           {"yes", "\x88"},
                                           {"big", std::string("\x8a\x09\x01\x02\x03\x04\x05\x06\x07\x08\x09", 11)},
                                           {"negative", std::string("\x8a\x01\xff", 3)},
                                           {"zero", std::string("\x8a\x00", 2)},
                                           {"real", join("G", raw(uint64_t{0x3ff0}))},
                                           {"text", p::text("str")},
                                           {"list",
                                            "](K\x01K\x02"
                                            "e"},
                                           {"one",
                                            "]K\x01"
                                            "a"},
                                           {"dict", join("}", p::items({{"a", "N"}}))},
                                           {"pair", "K\x01K\x02\x86"},
                                           {"w", plain_tensor()}});
  // state_dict()._metadata arrives as an attribute.
  const std::string attribute = join("}", p::items({{"_metadata", p::ordered_dict()}}), "b");
  const std::string pickle = p::start() + p::ordered_dict() + neighbours + attribute + ".";
  const WeightStore store = good(zip_checkpoint(pickle, {{"0", kSix}}));
  EXPECT_EQ(store.tensors.size(), 1u);
  EXPECT_EQ(values(store, "w").size(), 6u);
}

TEST_F(Checkpoint, ParametersMemoAndLaterProtocols) {
  // torch.nn.Parameter around the tensor; the storage type remembered and fetched again; framing and short strings.
  const std::string parameter =
      p::global("torch._utils", "_rebuild_parameter") + p::tuple({plain_tensor(), "\x88", "}"}) + "R";
  EXPECT_EQ(values(good(zip_checkpoint(one_tensor(parameter), {{"0", kSix}})), "w").size(), 6u);
  const auto short_text = [](const std::string& s) { return join("\x8c", raw(static_cast<uint8_t>(s.size())), s); };
  const std::string storage =
      p::tuple({short_text("storage"), short_text("torch") + short_text("FloatStorage") + "\x93\x94", short_text("0"),
                short_text("cpu"), p::integer(6)}) +
      "Q";
  const std::string tensor = short_text("torch._utils") + short_text("_rebuild_tensor_v2") + "\x93\x94" +
                             p::tuple({storage, p::integer(0), "K\x06\x85\x94", "K\x01\x85", "\x89", "N"}) + "R";
  const std::string pickle = p::start(4) + "\x95" + raw(uint64_t{1000}) + "}\x94" + short_text("w") + tensor + "s" +
                             short_text("h") + "h\x02" + "s.";
  EXPECT_EQ(values(good(zip_checkpoint(pickle, {{"0", kSix}})), "w").size(), 6u);
}

TEST_F(Checkpoint, OrderedDictOfPairs) {
  const std::string pairs = join("](", p::tuple({p::text("w"), plain_tensor()}), "e");
  const std::string pickle = p::start() + p::global("collections", "OrderedDict") + pairs + "\x85R.";
  EXPECT_EQ(values(good(zip_checkpoint(pickle, {{"0", kSix}})), "w").size(), 6u);
}

TEST_F(Checkpoint, ModulePrefixCollisionIsRefused) {
  const std::string pickle = p::start() + "}" + p::items({{"module.w", plain_tensor()}, {"w", plain_tensor()}}) + ".";
  const Status status = read(zip_checkpoint(pickle, {{"0", kSix}})).status();
  EXPECT_NE(status.message().find("with and without \"module.\""), std::string::npos);
}

TEST_F(Checkpoint, OpenWeightsLooksAtTheContentNotTheName) {
  WeightStore store;
  store.add("w", {1}, {3});
  ASSERT_TRUE(save_safetensors(folder_ / "really.pth", store).ok());
  EXPECT_EQ(values(*open_weights(folder_ / "really.pth"), "w"), std::vector<float>{3});
  write_bytes(folder_ / "really.safetensors", zip_checkpoint(one_tensor(plain_tensor()), {{"0", kSix}}));
  EXPECT_EQ(values(*open_weights(folder_ / "really.safetensors"), "w").size(), 6u);
  const std::pair<const char*, const char*> mistakes[] = {{"", "empty"},
                                                          {"\n <!DOCTYPE html>", "web page"},
                                                          {"version https://git-lfs.github.com/spec/v1\n", "Git LFS"},
                                                          {"hello world, hello", "neither a safetensors"}};
  for (const auto& [content, words] : mistakes) {
    write_bytes(path_, content);
    const Status status = open_weights(path_).status();
    EXPECT_EQ(status.code(), Code::model);
    EXPECT_NE(status.message().find(path_.string()), std::string::npos);
    EXPECT_NE(status.message().find(words), std::string::npos) << status.message();
  }
  EXPECT_EQ(open_weights(folder_ / "missing.pth").status().code(), Code::io);
  EXPECT_EQ(open_weights(folder_.path()).status().code(), Code::io);
}

TEST_F(Checkpoint, ConvertedFilesSayWhereTheyComeFrom) {
  // A network small enough to write by hand: its tensors as one shared storage.
  const Architecture arch = *parse_architecture("gpen:size=8,narrow=0.01,style=4,mlp=1");
  const WeightStore formula = *synthesize(arch, SynthKind::formula);
  int64_t total = 0;
  std::string data;
  std::vector<std::pair<std::string, std::string>> entries;
  for (const auto& [name, tensor] : formula.tensors) total += tensor.count();
  int64_t offset = 0;
  for (const auto& [name, tensor] : formula.tensors) {
    std::vector<int64_t> stride(tensor.shape.size(), 1);
    for (size_t i = stride.size() - 1; i-- > 0;) stride[i] = stride[i + 1] * tensor.shape[i + 1];
    entries.push_back(
        {"module." + name, p::tensor(p::storage("FloatStorage", "0", total), offset, tensor.shape, stride)});
    data.append(reinterpret_cast<const char*>(tensor.data), tensor.bytes);
    offset += tensor.count();
  }
  const std::string pickle = p::start() + "}" + p::items({{"g_ema", join("}", p::items(entries))}}) + ".";
  write_bytes(path_, zip_checkpoint(pickle, {{"0", data}}));
  for (DType dtype : {DType::f32, DType::f16, DType::bf16}) {
    const Result<WeightStore> converted = convert_checkpoint(path_, "", dtype);
    ASSERT_TRUE(converted.ok()) << converted.status().message();
    ASSERT_TRUE(save_safetensors(folder_ / "out.safetensors", *converted).ok());
    const WeightStore back = *open_weights(folder_ / "out.safetensors");
    EXPECT_EQ(back.metadata.at("gpen.family"), "gpen");
    EXPECT_EQ(back.metadata.at("gpen.size"), "8");
    EXPECT_EQ(back.metadata.at("gpen.source"), "checkpoint.pth");
    EXPECT_EQ(back.metadata.at("gpen.source_sha256"), *sha256_of_file(path_));
    EXPECT_EQ(tensor_list(*detect_architecture(back)), tensor_list(arch));
    EXPECT_EQ(back.find("ecd1.0.1.weight")->dtype, dtype);
    if (dtype == DType::f32) {
      for (const auto& [name, tensor] : formula.tensors) EXPECT_EQ(values(back, name), values(formula, name)) << name;
    }
  }
}

}  // namespace
}  // namespace gpen
