#include "convert/torch_file.h"

#include <algorithm>
#include <optional>

#include "convert/zip_archive.h"
#include "weights/utf8.h"

namespace gpen {
namespace {

// 0x1950a86a20f9469cfc6c, the number that the old container's first pickle holds.
constexpr std::string_view kMagic("\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 10);
constexpr int64_t kLegacyProtocol = 1001;

struct StorageSize {
  DType dtype;
  int64_t count;
};

// Every storage of the document once. A key that is used with two types or sizes is refused.
Result<std::map<std::string_view, StorageSize>> storage_sizes(const PickleDocument& document) {
  std::map<std::string_view, StorageSize> sizes;
  for (const PickleStorage& s : document.storages) {
    const auto [at, inserted] = sizes.emplace(s.key, StorageSize{s.dtype, s.count});
    if (!inserted && (at->second.dtype != s.dtype || at->second.count != s.count)) {
      return fail(Code::model, "storage \"", printable(s.key), "\" is described in two different ways");
    }
  }
  return sizes;
}

std::optional<uint64_t> byte_count(const StorageSize& s) {
  uint64_t bytes;
  if (__builtin_mul_overflow(static_cast<uint64_t>(s.count), dtype_size(s.dtype), &bytes)) return std::nullopt;
  return bytes;
}

// The member named data.pkl, at the top or in the one folder that PyTorch puts everything into.
Result<std::string> find_pickle(const ZipArchive& archive) {
  constexpr std::string_view kName = "data.pkl";
  const std::string* found = nullptr;
  for (const auto& [name, member] : archive.members()) {
    const size_t slash = name.rfind('/');
    if ((slash == std::string::npos ? name : name.substr(slash + 1)) != kName) continue;
    if (found == nullptr || name.size() < found->size()) found = &name;
  }
  if (found == nullptr) return fail(Code::model, "a zip file without data.pkl is no PyTorch checkpoint");
  return *found;
}

Status read_zip(Bytes file, TorchFile* out) {
  GPEN_ASSIGN(const ZipArchive archive, ZipArchive::open(file));
  GPEN_ASSIGN(const std::string pickle_name, find_pickle(archive));
  const std::string folder = pickle_name.substr(0, pickle_name.size() - std::string_view("data.pkl").size());
  if (archive.members().count(folder + "byteorder") != 0) {
    GPEN_ASSIGN(const Bytes order, archive.read(folder + "byteorder"));
    if (ByteReader(order).text(order.size()) != "little") return fail(Code::model, "its numbers are big-endian");
  }
  GPEN_ASSIGN(const Bytes pickle, archive.read(pickle_name));
  GPEN_ASSIGN(out->document, read_pickle(pickle));
  GPEN_ASSIGN(const auto sizes, storage_sizes(out->document));
  for (const auto& [key, size] : sizes) {
    const std::string member = concat(folder, "data/", key);
    GPEN_ASSIGN(const Bytes data, archive.read(member));
    if (byte_count(size) != data.size()) {
      return fail(Code::model, "zip member \"", printable(member), "\" holds ", data.size(), " bytes, expected ",
                  size.count, " values of ", dtype_name(size.dtype));
    }
    out->storages[key] = data;
  }
  return {};
}

// One of the old container's pickles in a row; moves `file` behind it.
Result<PickleDocument> next_pickle(Bytes* file) {
  GPEN_ASSIGN(PickleDocument document, read_pickle(*file));
  *file = file->subspan(document.bytes);
  return document;
}

bool says_big_endian(const PickleDocument& info) {
  const PickleValue& dict = info.at(info.root);
  if (dict.kind != PickleValue::Kind::dict) return false;
  for (size_t i = 0; i + 1 < dict.items.size(); i += 2) {
    const PickleValue& value = info.at(dict.items[i + 1]);
    if (info.at(dict.items[i]).text == "little_endian" && value.kind == PickleValue::Kind::boolean) {
      return value.integer == 0;
    }
  }
  return false;
}

Status read_legacy(Bytes file, TorchFile* out) {
  GPEN_ASSIGN(const PickleDocument magic, next_pickle(&file));
  if (magic.at(magic.root).text != kMagic) return fail(Code::model, "a pickle, but not of a PyTorch checkpoint");
  GPEN_ASSIGN(const PickleDocument protocol, next_pickle(&file));
  if (protocol.at(protocol.root).integer != kLegacyProtocol) return fail(Code::model, "an unknown checkpoint protocol");
  GPEN_ASSIGN(const PickleDocument info, next_pickle(&file));
  if (says_big_endian(info)) return fail(Code::model, "its numbers are big-endian");
  GPEN_ASSIGN(out->document, next_pickle(&file));
  GPEN_ASSIGN(const PickleDocument keys, next_pickle(&file));
  GPEN_ASSIGN(const auto sizes, storage_sizes(out->document));
  if (keys.at(keys.root).kind != PickleValue::Kind::sequence) return fail(Code::model, "no list of storages");

  ByteReader reader(file);
  for (PickleRef ref : keys.at(keys.root).items) {
    // The key's text belongs to `keys`, but points into the file, which stays.
    const std::string_view key = keys.at(ref).text;
    const auto size = sizes.find(key);
    if (keys.at(ref).kind != PickleValue::Kind::text || size == sizes.end()) {
      return fail(Code::model, "storage \"", printable(key), "\" belongs to no tensor");
    }
    const auto count = reader.read<int64_t>();
    if (reader.ok() && count != size->second.count) {
      return fail(Code::model, "storage \"", printable(key), "\" holds ", count, " values, expected ",
                  size->second.count);
    }
    const std::optional<uint64_t> bytes = byte_count(size->second);
    const Bytes data = bytes ? reader.take(*bytes) : Bytes();
    if (!bytes || !reader.ok()) {
      return fail(Code::model, "cut short in storage \"", printable(key), "\" of ", size->second.count, " values");
    }
    out->storages[key] = data;
  }
  if (out->storages.size() != sizes.size()) return fail(Code::model, "some tensors' storages are missing");
  return {};
}

// What people have under a checkpoint's name by mistake.
Status not_a_checkpoint(Bytes file) {
  const std::string_view head = ByteReader(file).text(std::min<size_t>(file.size(), 64));
  if (file.empty()) return fail(Code::model, "the file is empty");
  if (head.rfind("version https://git-lfs", 0) == 0) {
    return fail(Code::model, "a Git LFS pointer, not the checkpoint itself");
  }
  const size_t first = head.find_first_not_of(" \t\r\n");
  if (first != std::string_view::npos && head[first] == '<') {
    return fail(Code::model, "a web page, not a checkpoint (a download that went wrong?)");
  }
  return fail(Code::model, "neither a safetensors file nor a PyTorch checkpoint");
}

}  // namespace

bool is_zip(Bytes file) {
  const std::string_view head = ByteReader(file).text(std::min<size_t>(file.size(), 4));
  return head == std::string_view("PK\x03\x04", 4) || head == std::string_view("PK\x05\x06", 4);
}

bool is_legacy_pickle(Bytes file) {
  return file.size() >= 2 && file[0] == std::byte{0x80} && file[1] >= std::byte{2} && file[1] <= std::byte{5};
}

Result<TorchFile> open_torch_file(const std::filesystem::path& path) {
  TorchFile out;
  GPEN_ASSIGN(out.mapping, FileMapping::open(path));
  const Bytes file(out.mapping->data(), out.mapping->size());
  const auto read = is_zip(file) ? read_zip : is_legacy_pickle(file) ? read_legacy : nullptr;
  GPEN_RETURN_IF_ERROR((read != nullptr ? read(file, &out) : not_a_checkpoint(file)).in(path.string()));
  return out;
}

}  // namespace gpen
