#include "convert/checkpoint.h"

#include <algorithm>
#include <optional>

#include "convert/torch_file.h"
#include "weights/architecture.h"
#include "weights/safetensors.h"
#include "weights/sha256.h"
#include "weights/utf8.h"

namespace gpen {
namespace {

using Kind = PickleValue::Kind;

// Calls fn(key, value) for the text-keyed entries of a dictionary, in order.
template <class Fn>
void for_entries(const PickleDocument& d, PickleRef dict, Fn&& fn) {
  const std::vector<PickleRef>& items = d.at(dict).items;
  for (size_t i = 0; i + 1 < items.size(); i += 2) {
    if (d.at(items[i]).kind == Kind::text) fn(d.at(items[i]).text, items[i + 1]);
  }
}

bool holds_tensors(const PickleDocument& d, PickleRef ref) {
  if (d.at(ref).kind != Kind::dict) return false;
  bool found = false;
  for_entries(d, ref, [&](std::string_view, PickleRef value) { found = found || d.at(value).kind == Kind::tensor; });
  return found;
}

// The dictionary of that name that holds tensors; of equal names the last one counts, as in Python.
std::optional<PickleRef> nested(const PickleDocument& d, std::string_view key) {
  std::optional<PickleRef> found;
  for_entries(d, d.root, [&](std::string_view name, PickleRef value) {
    if (name == key) found = holds_tensors(d, value) ? std::optional(value) : std::nullopt;
  });
  return found;
}

std::string nested_names(const PickleDocument& d) {
  std::string names;
  for_entries(d, d.root, [&](std::string_view name, PickleRef value) {
    if (!holds_tensors(d, value)) return;
    if (!names.empty()) names += ", ";
    names += printable(name);
  });
  return names;
}

Result<PickleRef> find_state_dict(const PickleDocument& d, const std::string& key) {
  if (d.at(d.root).kind != Kind::dict) return fail(Code::model, "its content is not a dictionary of tensors");
  const std::string others = nested_names(d);
  if (!key.empty()) {
    if (const auto found = nested(d, key)) return *found;
    return fail(Code::model, "holds no tensors under the key \"", printable(key), "\"",
                others.empty() ? "" : "; keys with tensors: ", others);
  }
  for (const char* usual : {"params_ema", "g_ema", "params", "state_dict"}) {
    if (const auto found = nested(d, usual)) return *found;
  }
  if (holds_tensors(d, d.root)) return d.root;
  return fail(Code::model, "holds no tensors at its top level",
              others.empty() ? "" : "; choose one of these with --key: ", others);
}

// Copies strided elements of one size into row-major order. The stride of a dimension of 1 can be any number and means
// nothing.
template <size_t kSize>
void gather(const std::byte* from, PickleTensor t, std::byte* to) {
  for (size_t i = 0; i < t.size.size(); ++i) {
    if (t.size[i] == 1) t.stride[i] = 0;
  }
  const size_t rank = t.size.size();
  std::vector<int64_t> index(rank, 0);
  int64_t at = 0;
  for (;;) {
    std::memcpy(to, from + at * static_cast<int64_t>(kSize), kSize);
    to += kSize;
    size_t axis = rank;
    while (axis > 0) {
      --axis;
      at += t.stride[axis];
      if (++index[axis] < t.size[axis]) break;
      at -= t.stride[axis] * t.size[axis];
      index[axis] = 0;
      if (axis == 0) return;
    }
    if (rank == 0) return;
  }
}

void gather(size_t size, const std::byte* from, const PickleTensor& t, std::byte* to) {
  switch (size) {
    case 1:
      return gather<1>(from, t, to);
    case 2:
      return gather<2>(from, t, to);
    case 4:
      return gather<4>(from, t, to);
    default:
      return gather<8>(from, t, to);
  }
}

bool is_contiguous(const PickleTensor& t) {
  int64_t expected = 1;
  for (size_t i = t.size.size(); i-- > 0;) {
    if (t.size[i] != 1 && t.stride[i] != expected) return false;
    expected *= t.size[i];
  }
  return true;
}

// Turns the tensors of a state dict into weight tensors.
class TensorReader {
 public:
  explicit TensorReader(const TorchFile& file)
      : file_(file), copies_left_(4 * static_cast<int64_t>(file.mapping->size())) {}

  // Code::model, without the tensor's name, when it reaches beyond its storage.
  Status read(const PickleTensor& t, const std::string& name, WeightStore* store) {
    const PickleStorage& storage = file_.document.storages[t.storage];
    GPEN_ASSIGN(const int64_t count, check_bounds(t, storage));
    const size_t element = dtype_size(storage.dtype);
    const Bytes data = file_.storages.at(storage.key);
    const auto bytes = static_cast<size_t>(count) * element;
    const std::byte* first = data.data() + static_cast<size_t>(storage.view_offset + t.offset) * element;
    if (count == 0 || is_contiguous(t)) {
      store->tensors[name] = WeightTensor{storage.dtype, t.size, count == 0 ? data.data() : first, bytes};
      return {};
    }
    // A file may describe one storage as any number of tensors; honest ones copy none of it more than once or twice.
    copies_left_ -= static_cast<int64_t>(bytes);
    if (copies_left_ < 0) return fail(Code::model, "the tensors are far larger than the file");
    std::vector<std::byte> copy(bytes);
    gather(element, first, t, copy.data());
    store->add_bytes(name, storage.dtype, t.size, std::move(copy));
    return {};
  }

 private:
  // Number of elements. The last one must lie in the storage, and there must not be more than the storage has.
  static Result<int64_t> check_bounds(const PickleTensor& t, const PickleStorage& storage) {
    const Status beyond = fail(Code::model, "reaches beyond its storage of ", storage.view_count, " values");
    int64_t count = 1, last = t.offset;
    for (int64_t n : t.size) {
      if (__builtin_mul_overflow(count, n, &count)) return beyond;
    }
    if (count == 0) return t.offset <= storage.view_count ? Result<int64_t>(int64_t{0}) : Result<int64_t>(beyond);
    for (size_t i = 0; i < t.size.size(); ++i) {
      int64_t step;
      if (__builtin_mul_overflow(t.size[i] - 1, t.stride[i], &step)) return beyond;
      if (__builtin_add_overflow(last, step, &last)) return beyond;
    }
    if (last >= storage.view_count || count > storage.view_count) return beyond;
    return count;
  }

  const TorchFile& file_;
  int64_t copies_left_;  // bytes
};

Status read_state_dict(const TorchFile& file, PickleRef dict, WeightStore* store) {
  // Of equal names the last one counts, as in Python; only then is anything read.
  std::map<std::string, size_t> tensors;
  Status collision;
  std::map<std::string, std::string_view> original;
  for_entries(file.document, dict, [&](std::string_view name, PickleRef value) {
    const PickleValue& v = file.document.at(value);
    if (v.kind != Kind::tensor) return;
    constexpr std::string_view kPrefix = "module.";
    const bool prefixed = name.rfind(kPrefix, 0) == 0;
    std::string plain(prefixed ? name.substr(kPrefix.size()) : name);
    const auto [at, inserted] = original.emplace(plain, name);
    if (!inserted && at->second != name && collision.ok()) {
      collision = fail(Code::model, "tensor ", printable(plain), " is there with and without \"module.\"");
    }
    tensors[std::move(plain)] = static_cast<size_t>(v.integer);
  });
  GPEN_RETURN_IF_ERROR(std::move(collision));
  TensorReader reader(file);
  for (const auto& [name, index] : tensors) {
    GPEN_RETURN_IF_ERROR(reader.read(file.document.tensors[index], name, store).in(concat("tensor ", printable(name))));
  }
  return {};
}

Status read_tensors(const TorchFile& file, const std::string& key, WeightStore* store) {
  GPEN_ASSIGN(const PickleRef dict, find_state_dict(file.document, key));
  return read_state_dict(file, dict, store);
}

}  // namespace

Result<WeightStore> read_checkpoint(const std::filesystem::path& path, const std::string& key) {
  GPEN_ASSIGN(const TorchFile file, open_torch_file(path));
  WeightStore store;
  store.source = path.string();
  GPEN_RETURN_IF_ERROR(read_tensors(file, key, &store).in(path.string()));
  store.keep_mapping(file.mapping);
  return store;
}

Result<WeightStore> open_weights(const std::filesystem::path& path) {
  {
    GPEN_ASSIGN(const auto mapping, FileMapping::open(path));
    const Bytes file(mapping->data(), mapping->size());
    // A safetensors file has the header's opening brace behind its eight-byte length.
    const bool safetensors = file.size() > 8 && file[8] == std::byte{'{'} && !is_zip(file) && !is_legacy_pickle(file);
    if (!safetensors) return read_checkpoint(path);
  }
  return open_safetensors(path);
}

Result<WeightStore> convert_checkpoint(const std::filesystem::path& path, const std::string& key, DType dtype) {
  GPEN_ASSIGN(WeightStore store, key.empty() ? open_weights(path) : read_checkpoint(path, key));
  GPEN_ASSIGN(const std::string digest, sha256_of_file(path));
  GPEN_ASSIGN(WeightStore converted, convert_dtype(store, dtype));
  // A network that is not known here can be converted all the same; it is just not described.
  if (const Result<Architecture> arch = detect_architecture(store); arch.ok()) {
    for (const auto& [name, value] : architecture_metadata(*arch)) converted.metadata[name] = value;
  }
  converted.metadata["gpen.source"] = path.filename().string();
  converted.metadata["gpen.source_sha256"] = digest;
  return converted;
}

}  // namespace gpen
