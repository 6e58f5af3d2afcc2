#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>

#include "weights/safetensors.h"
#include "weights/utf8.h"

namespace gpen {
namespace {

// The format allows 100 MB; the largest header of a model read here is below 100 KB.
constexpr uint64_t kHeaderLimit = uint64_t{16} << 20;
constexpr size_t kRankLimit = 16;

std::optional<DType> dtype_from_name(const std::string& name) {
  for (DType t : {DType::f64, DType::f32, DType::f16, DType::bf16, DType::i64, DType::i32, DType::i16, DType::i8,
                  DType::u8, DType::boolean}) {
    if (name == dtype_name(t)) return t;
  }
  return std::nullopt;
}

struct Entry {
  std::string name;
  DType dtype = DType::f32;
  std::vector<uint64_t> shape, offsets;
  bool has_dtype = false, has_shape = false, has_offsets = false;
  uint64_t begin() const { return offsets[0]; }
  uint64_t end() const { return offsets[1]; }
};

// Reads the header event by event, so that nothing but what the format defines is ever built: an object of tensor
// objects with the three known keys, and __metadata__, an object of strings.
class HeaderReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  std::vector<Entry> entries;
  std::map<std::string, std::string> metadata;
  std::string problem;

  bool start_object(size_t) override {
    if (depth_ == 0) {
      depth_ = 1;
      return true;
    }
    if (depth_ != 1) return refuse("nested deeper than the format allows");
    depth_ = 2;
    in_metadata_ = key_ == "__metadata__";
    if (!in_metadata_) {
      entries.emplace_back();
      entries.back().name = key_;
    }
    field_.clear();
    return true;
  }
  bool end_object() override {
    if (depth_ == 2) {
      const bool complete =
          in_metadata_ || (entries.back().has_dtype && entries.back().has_shape && entries.back().has_offsets);
      if (!complete) return refuse("lacks dtype, shape or data_offsets");
    }
    --depth_;
    return true;
  }
  bool key(string_t& value) override {
    (depth_ == 1 ? key_ : field_) = value;
    return true;
  }
  bool start_array(size_t) override {
    if (depth_ != 2 || in_metadata_ || array_ != nullptr) return refuse("holds a list where none belongs");
    Entry& entry = entries.back();
    const bool is_shape = field_ == "shape";
    bool& seen = is_shape ? entry.has_shape : entry.has_offsets;
    if ((!is_shape && field_ != "data_offsets") || seen) return refuse_key(field_);
    seen = true;
    array_ = is_shape ? &entry.shape : &entry.offsets;
    return true;
  }
  bool end_array() override {
    if (field_ == "data_offsets" && array_->size() != 2) return refuse("needs two data_offsets");
    array_ = nullptr;
    return true;
  }
  bool number_unsigned(number_unsigned_t value) override {
    if (array_ == nullptr) return refuse("holds a number where none belongs");
    if (array_->size() >= kRankLimit) return refuse(concat("has more than ", kRankLimit, " dimensions"));
    array_->push_back(value);
    return true;
  }
  bool string(string_t& value) override {
    if (depth_ != 2 || array_ != nullptr) return refuse("holds text where none belongs");
    if (in_metadata_) return metadata.emplace(field_, value).second || refuse_key(field_);
    Entry& entry = entries.back();
    if (field_ != "dtype" || entry.has_dtype) return refuse_key(field_);
    const std::optional<DType> dtype = dtype_from_name(value);
    if (!dtype) return refuse("has the unsupported dtype " + printable(value));
    entry.dtype = *dtype;
    entry.has_dtype = true;
    return true;
  }
  bool null() override { return refuse("holds null"); }
  bool boolean(bool) override { return refuse("holds a truth value"); }
  bool number_integer(number_integer_t) override { return refuse("holds a negative number"); }
  bool number_float(number_float_t, const string_t&) override {
    return refuse("holds a fraction or too large a number");
  }
  bool binary(binary_t&) override { return refuse("holds binary data"); }
  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception&) override {
    problem = concat("the header is not valid JSON at byte ", position);
    return false;
  }

 private:
  bool refuse(const std::string& what) {
    problem = depth_ == 0 ? concat("the header ", what) : concat("\"", printable(key_), "\" in the header ", what);
    return false;
  }
  bool refuse_key(const std::string& key) { return refuse(concat("has the unknown or repeated key ", printable(key))); }

  int depth_ = 0;
  bool in_metadata_ = false;
  std::vector<uint64_t>* array_ = nullptr;
  std::string key_, field_;
};

// Elements times size, or nothing when it does not fit into 63 bits.
std::optional<uint64_t> byte_count(const Entry& entry) {
  uint64_t bytes = dtype_size(entry.dtype);
  for (uint64_t d : entry.shape) {
    if (__builtin_mul_overflow(bytes, d, &bytes) || bytes > INT64_MAX) return std::nullopt;
  }
  return bytes;
}

// A zero among the dimensions hides the others from the product; they must be sane all the same.
bool dimensions_fit(const Entry& entry) {
  return std::all_of(entry.shape.begin(), entry.shape.end(), [](uint64_t d) { return d <= INT64_MAX; });
}

// The data must be covered by the tensors without holes or overlaps, as the format demands.
Status check_layout(std::vector<Entry>* entries, uint64_t data_size) {
  for (const Entry& entry : *entries) {
    const std::string name = concat("\"", printable(entry.name), "\"");
    const uint64_t begin = entry.begin(), end = entry.end();
    if (begin > end || end > data_size) {
      return fail(Code::model, name, " claims bytes ", begin, " to ", end, " of ", data_size);
    }
    const std::optional<uint64_t> bytes = byte_count(entry);
    if (!dimensions_fit(entry) || !bytes) return fail(Code::model, name, " has an impossibly large shape");
    if (*bytes != end - begin) {
      return fail(Code::model, name, " has ", end - begin, " bytes, its shape and dtype need ", *bytes);
    }
  }
  std::sort(entries->begin(), entries->end(), [](const Entry& a, const Entry& b) { return a.offsets < b.offsets; });
  uint64_t covered = 0;
  for (const Entry& entry : *entries) {
    const uint64_t begin = entry.begin();
    if (begin != covered) {
      return fail(Code::model, "\"", printable(entry.name), "\" ",
                  begin < covered ? "overlaps the tensor before it" : "leaves a hole before it");
    }
    covered = entry.end();
  }
  if (covered != data_size) {
    return fail(Code::model, "the tensors cover ", covered, " bytes, the file holds ", data_size);
  }
  return {};
}

Status read_into(std::span<const std::byte> file, WeightStore* store) {
  if (file.size() < 8) return fail(Code::model, "too short for a safetensors file (", file.size(), " bytes)");
  uint64_t header_size;  // little-endian in the file, as is every machine this runs on
  std::memcpy(&header_size, file.data(), 8);
  if (header_size > file.size() - 8) {
    return fail(Code::model, "not a safetensors file: its header would take ", header_size, " bytes of ",
                file.size() - 8);
  }
  if (header_size > kHeaderLimit) return fail(Code::model, "the header is larger than ", kHeaderLimit, " bytes");
  const char* text = reinterpret_cast<const char*>(file.data()) + 8;
  if (header_size == 0 || text[0] != '{') return fail(Code::model, "not a safetensors file: no header");

  HeaderReader reader;
  if (!nlohmann::json::sax_parse(text, text + header_size, &reader)) return Status(Code::model, reader.problem);
  GPEN_RETURN_IF_ERROR(check_layout(&reader.entries, file.size() - 8 - header_size));

  const std::byte* data = file.data() + 8 + header_size;
  for (Entry& entry : reader.entries) {
    WeightTensor tensor;
    tensor.dtype = entry.dtype;
    tensor.shape.assign(entry.shape.begin(), entry.shape.end());
    tensor.data = data + entry.begin();
    tensor.bytes = entry.end() - entry.begin();
    if (!store->tensors.emplace(entry.name, std::move(tensor)).second) {
      return fail(Code::model, "\"", printable(entry.name), "\" appears twice");
    }
  }
  store->metadata = std::move(reader.metadata);
  return {};
}

}  // namespace

Result<WeightStore> read_safetensors(std::span<const std::byte> file, const std::string& name) {
  WeightStore store;
  store.source = name;
  GPEN_RETURN_IF_ERROR(read_into(file, &store).in(name));
  return store;
}

Result<WeightStore> open_safetensors(const std::filesystem::path& path) {
  GPEN_ASSIGN(std::shared_ptr<const FileMapping> file, FileMapping::open(path));
  GPEN_ASSIGN(WeightStore store, read_safetensors({file->data(), file->size()}, path.string()));
  store.keep_mapping(std::move(file));
  return store;
}

}  // namespace gpen
