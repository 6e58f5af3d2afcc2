// A pickle machine that can build tensors' descriptions and plain containers, and nothing else. No opcode can call,
// import or construct anything: the globals it knows are a closed list, every other one is refused by name as soon as
// it is mentioned.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "convert/byte_reader.h"
#include "runtime/status.h"
#include "weights/weight_store.h"

namespace gpen {

using PickleRef = uint32_t;  // index into PickleDocument::values

struct PickleValue {
  enum class Kind : uint8_t {
    none,
    boolean,
    integer,
    big_integer,
    real,
    text,
    bytes,
    sequence,
    dict,
    global,
    storage,
    tensor
  };
  Kind kind = Kind::none;
  int64_t integer = 0;    // boolean, integer; global: PickleGlobal; storage, tensor: index into the document
  std::string_view text;  // text; bytes and big_integer: raw bytes, little-endian two's complement. In the input.
  std::vector<PickleRef> items;  // sequence (list, tuple or set); dict: key, value, key, value, ...
};

// A persistent id ('storage', type, key, location, count[, view]): the location is ignored.
struct PickleStorage {
  DType dtype = DType::f32;
  std::string_view key;
  int64_t count = 0;        // elements of the whole (root) storage
  int64_t view_offset = 0;  // elements; with view_count the part of it that this id means (the whole, mostly)
  int64_t view_count = 0;
};

struct PickleTensor {
  size_t storage = 0;  // index into PickleDocument::storages
  int64_t offset = 0;  // elements
  std::vector<int64_t> size, stride;
};

struct PickleDocument {
  std::vector<PickleValue> values;
  std::vector<PickleStorage> storages;
  std::vector<PickleTensor> tensors;
  PickleRef root = 0;
  size_t bytes = 0;  // length of the pickle
  const PickleValue& at(PickleRef ref) const { return values[ref]; }
};

// Reads one pickle of protocol 2 to 5 from the start of `input`, which must outlive the document. Code::model with the
// reason: cut short, an unknown opcode, a global that is not on the list, a limit passed.
Result<PickleDocument> read_pickle(Bytes input);

}  // namespace gpen
