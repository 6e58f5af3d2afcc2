// Opcodes and their stack effects: Python's Lib/pickletools.py documentation of the pickle format (protocols 0 to 5).
#include "convert/pickle.h"

#include <algorithm>
#include <array>
#include <optional>
#include <unordered_map>

#include "weights/utf8.h"

namespace gpen {
namespace {

using Kind = PickleValue::Kind;

// A checkpoint of a thousand tensors needs some 50,000 steps and values.
constexpr size_t kByteLimit = size_t{64} << 20;
constexpr size_t kStepLimit = size_t{8} << 20;
constexpr size_t kValueLimit = size_t{2} << 20;
constexpr size_t kStackLimit = size_t{1} << 20;
constexpr size_t kMarkLimit = 10000;
constexpr size_t kRankLimit = 16;

struct Global {
  std::string_view name;
  enum class What { ordered_dict, rebuild_tensor, rebuild_parameter, storage } what;
  DType dtype;
};
constexpr std::array kGlobals{
    Global{"collections.OrderedDict", Global::What::ordered_dict, DType::u8},
    Global{"torch._utils._rebuild_tensor_v2", Global::What::rebuild_tensor, DType::u8},
    Global{"torch._utils._rebuild_parameter", Global::What::rebuild_parameter, DType::u8},
    Global{"torch.FloatStorage", Global::What::storage, DType::f32},
    Global{"torch.HalfStorage", Global::What::storage, DType::f16},
    Global{"torch.BFloat16Storage", Global::What::storage, DType::bf16},
    Global{"torch.DoubleStorage", Global::What::storage, DType::f64},
    Global{"torch.LongStorage", Global::What::storage, DType::i64},
    Global{"torch.IntStorage", Global::What::storage, DType::i32},
    Global{"torch.ShortStorage", Global::What::storage, DType::i16},
    Global{"torch.CharStorage", Global::What::storage, DType::i8},
    Global{"torch.ByteStorage", Global::What::storage, DType::u8},
    Global{"torch.BoolStorage", Global::What::storage, DType::boolean},
};

class Machine {
 public:
  explicit Machine(Bytes input) : reader_(input) {}

  Result<PickleDocument> run() {
    if (reader_.read<uint8_t>() != 0x80) return broken("not a pickle of protocol 2 to 5");
    const auto protocol = reader_.read<uint8_t>();
    if (protocol < 2 || protocol > 5) return broken("not a pickle of protocol 2 to 5");
    for (size_t steps = 0;; ++steps) {
      if (steps >= kStepLimit || reader_.position() > kByteLimit) return broken("longer than any checkpoint's");
      if (document_.values.size() > kValueLimit) return broken("holds more objects than any checkpoint's");
      if (stack_.size() > kStackLimit || marks_.size() > kMarkLimit)
        return broken("nested deeper than any checkpoint's");
      const auto opcode = reader_.read<uint8_t>();
      if (!reader_.ok()) return broken("cut short");
      if (opcode == '.') break;
      if (Status status = step(opcode); !status.ok()) return status;
      if (!reader_.ok()) return broken("cut short");
    }
    std::optional<PickleRef> root = pop();
    if (!root) return broken("ends without a value");
    document_.root = *root;
    document_.bytes = reader_.position();
    return std::move(document_);
  }

 private:
  // ---- helpers ----
  Status broken(const std::string& what) const {
    return fail(Code::model, "the pickle is ", what, " (at byte ", reader_.position(), ")");
  }
  Status misused(const char* what) const { return broken(concat("broken: ", what)); }
  size_t fence() const { return marks_.empty() ? 0 : marks_.back(); }
  std::optional<PickleRef> pop() {
    if (stack_.size() <= fence()) return std::nullopt;
    const PickleRef ref = stack_.back();
    stack_.pop_back();
    return ref;
  }
  PickleValue& value(PickleRef ref) { return document_.values[ref]; }
  PickleValue& push(Kind kind) {
    stack_.push_back(static_cast<PickleRef>(document_.values.size()));
    document_.values.emplace_back();
    document_.values.back().kind = kind;
    return document_.values.back();
  }
  Status push_integer(int64_t v, Kind kind = Kind::integer) {
    push(kind).integer = v;
    return {};
  }
  Status push_text(std::string_view text) {
    if (!is_utf8(text)) return misused("text that is not UTF-8");
    push(Kind::text).text = text;
    return {};
  }
  Status push_bytes(uint64_t n) {
    push(Kind::bytes).text = reader_.text(n);
    return {};
  }
  Status push_long(uint64_t n) {
    const std::string_view raw = reader_.text(n);
    if (raw.size() > 8) {
      push(Kind::big_integer).text = raw;
      return {};
    }
    uint64_t v = !raw.empty() && (raw.back() & 0x80) != 0 ? ~uint64_t{0} : 0;  // sign-extended
    if (!raw.empty()) std::memcpy(&v, raw.data(), raw.size());
    return push_integer(static_cast<int64_t>(v));
  }
  // Takes everything above the last mark, and the mark.
  std::optional<std::vector<PickleRef>> pop_to_mark() {
    if (marks_.empty()) return std::nullopt;
    std::vector<PickleRef> items(stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back()), stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return items;
  }
  Status push_sequence(std::vector<PickleRef> items) {
    push(Kind::sequence).items = std::move(items);
    return {};
  }
  Status push_last(size_t n) {
    if (stack_.size() - fence() < n) return misused("a tuple of more values than there are");
    std::vector<PickleRef> items(stack_.end() - static_cast<std::ptrdiff_t>(n), stack_.end());
    stack_.resize(stack_.size() - n);
    return push_sequence(std::move(items));
  }
  Status push_marked(Kind kind) {
    auto items = pop_to_mark();
    if (!items) return misused("no mark");
    if (kind == Kind::dict && items->size() % 2 != 0) return misused("a dictionary of an odd number of values");
    push(kind).items = std::move(*items);
    return {};
  }
  // APPEND(S), SETITEM(S), ADDITEMS: `items` into the container below them.
  Status extend(Kind kind, const std::optional<std::vector<PickleRef>>& items) {
    if (!items) return misused("no item to add");
    if (stack_.size() <= fence()) return misused("no container");
    PickleValue& container = value(stack_.back());
    if (container.kind != kind) return misused("an item for something that is no container");
    if (kind == Kind::dict && items->size() % 2 != 0) return misused("a key without a value");
    container.items.insert(container.items.end(), items->begin(), items->end());
    return {};
  }
  std::optional<std::vector<PickleRef>> pop_last(size_t n) {
    if (stack_.size() - fence() < n) return std::nullopt;
    std::vector<PickleRef> items(stack_.end() - static_cast<std::ptrdiff_t>(n), stack_.end());
    stack_.resize(stack_.size() - n);
    return items;
  }
  Status put(uint32_t slot) {
    if (stack_.size() <= fence()) return misused("nothing to remember");
    memo_[slot] = stack_.back();
    return {};
  }
  Status get(uint32_t slot) {
    const auto found = memo_.find(slot);
    if (found == memo_.end()) return misused("a reference to something unknown");
    stack_.push_back(found->second);
    return {};
  }

  // ---- what may be mentioned, called and referred to ----
  Status global(std::string_view module, std::string_view name);
  Status stack_global();
  Status reduce();
  Status build();
  Status persistent();
  Status ordered_dict(const PickleValue& arguments);
  Status rebuild_tensor(const PickleValue& arguments);
  bool read_numbers(PickleRef ref, std::vector<int64_t>* out) const;
  const PickleValue* item(const PickleValue& sequence, size_t i, Kind kind) const {
    if (i >= sequence.items.size()) return nullptr;
    const PickleValue& v = document_.at(sequence.items[i]);
    return v.kind == kind ? &v : nullptr;
  }

  Status step(uint8_t opcode);

  ByteReader reader_;
  PickleDocument document_;
  std::vector<PickleRef> stack_;
  std::vector<size_t> marks_;
  std::unordered_map<uint32_t, PickleRef> memo_;
};

Status Machine::step(uint8_t opcode) {
  switch (opcode) {
    case '(':
      marks_.push_back(stack_.size());
      return {};
    case '0':  // POP takes a mark when nothing lies above it
      if (!pop()) {
        if (marks_.empty()) return misused("nothing to drop");
        marks_.pop_back();
      }
      return {};
    case '1':
      return pop_to_mark() ? Status() : misused("no mark");
    case '2':
      if (stack_.size() <= fence()) return misused("nothing to repeat");
      stack_.push_back(stack_.back());
      return {};
    case 'N':
      push(Kind::none);
      return {};
    case 0x88:
      return push_integer(1, Kind::boolean);
    case 0x89:
      return push_integer(0, Kind::boolean);
    case 'J':
      return push_integer(reader_.read<int32_t>());
    case 'K':
      return push_integer(reader_.read<uint8_t>());
    case 'M':
      return push_integer(reader_.read<uint16_t>());
    case 0x8a:
      return push_long(reader_.read<uint8_t>());
    case 0x8b:
      return push_long(reader_.read<uint32_t>());
    case 'G':
      reader_.take(8);
      push(Kind::real);
      return {};  // no number of a checkpoint matters here
    case 'X':
      return push_text(reader_.text(reader_.read<uint32_t>()));
    case 0x8c:
      return push_text(reader_.text(reader_.read<uint8_t>()));
    case 0x8d:
      return push_text(reader_.text(reader_.read<uint64_t>()));
    case 'U':
      return push_text(reader_.text(reader_.read<uint8_t>()));  // a str of Python 2
    case 'T':
      return push_text(reader_.text(reader_.read<uint32_t>()));
    case 'C':
      return push_bytes(reader_.read<uint8_t>());
    case 'B':
      return push_bytes(reader_.read<uint32_t>());
    case 0x8e:
    case 0x96:
      return push_bytes(reader_.read<uint64_t>());
    case ')':
    case ']':
    case 0x8f:
      return push_sequence({});
    case '}':
      push(Kind::dict);
      return {};
    case 't':
    case 'l':
    case 0x91:
      return push_marked(Kind::sequence);
    case 'd':
      return push_marked(Kind::dict);
    case 0x85:
      return push_last(1);
    case 0x86:
      return push_last(2);
    case 0x87:
      return push_last(3);
    case 'a':
      return extend(Kind::sequence, pop_last(1));
    case 'e':
    case 0x90:
      return extend(Kind::sequence, pop_to_mark());
    case 's':
      return extend(Kind::dict, pop_last(2));
    case 'u':
      return extend(Kind::dict, pop_to_mark());
    case 'q':
      return put(reader_.read<uint8_t>());
    case 'r':
      return put(reader_.read<uint32_t>());
    case 0x94:
      return put(static_cast<uint32_t>(memo_.size()));
    case 'h':
      return get(reader_.read<uint8_t>());
    case 'j':
      return get(reader_.read<uint32_t>());
    case 0x95:
      reader_.take(8);
      return {};  // FRAME: a hint for buffering
    case 'c':
    case 'i': {  // INST names its class as GLOBAL does; no known one is built that way
      const std::string_view module = reader_.line(), name = reader_.line();
      if (!reader_.ok()) return broken("cut short");
      GPEN_RETURN_IF_ERROR(global(module, name));
      return opcode == 'c' ? Status() : misused("an instance");
    }
    case 0x93:
      return stack_global();
    case 'R':
      return reduce();
    case 'b':
      return build();
    case 'Q':
      return persistent();
    default: {
      constexpr const char* kDigits = "0123456789abcdef";
      const char hex[] = {kDigits[opcode >> 4], kDigits[opcode & 15], '\0'};
      return broken(concat("not one of tensors and plain containers: opcode 0x", hex));
    }
  }
}

Status Machine::global(std::string_view module, std::string_view name) {
  const std::string full = concat(module, ".", name);
  const auto found = std::find_if(kGlobals.begin(), kGlobals.end(), [&](const Global& g) { return g.name == full; });
  if (found == kGlobals.end()) {
    return fail(Code::model, "refuses to load \"", printable(full), "\": only tensors and plain containers are read");
  }
  return push_integer(found - kGlobals.begin(), Kind::global);
}

Status Machine::stack_global() {
  const auto names = pop_last(2);
  if (!names) return misused("a global without a name");
  const PickleValue &module = value((*names)[0]), &name = value((*names)[1]);
  if (module.kind != Kind::text || name.kind != Kind::text) return misused("a global without a name");
  return global(module.text, name.text);
}

Status Machine::reduce() {
  const auto operands = pop_last(2);
  if (!operands) return misused("a call without operands");
  const PickleValue &callable = value((*operands)[0]), &arguments = value((*operands)[1]);
  if (callable.kind != Kind::global || arguments.kind != Kind::sequence) return misused("a call of no function");
  switch (kGlobals[static_cast<size_t>(callable.integer)].what) {
    case Global::What::ordered_dict:
      return ordered_dict(arguments);
    case Global::What::rebuild_tensor:
      return rebuild_tensor(arguments);
    case Global::What::rebuild_parameter:
      if (item(arguments, 0, Kind::tensor) == nullptr) return misused("a parameter without a tensor");
      stack_.push_back(arguments.items[0]);
      return {};
    case Global::What::storage:
      break;
  }
  return misused("a call of a storage type");
}

// OrderedDict() or OrderedDict([(key, value), ...]).
Status Machine::ordered_dict(const PickleValue& arguments) {
  std::vector<PickleRef> items;
  if (!arguments.items.empty()) {
    const PickleValue* pairs = item(arguments, 0, Kind::sequence);
    if (pairs == nullptr) return misused("a dictionary made of something else than pairs");
    for (PickleRef ref : pairs->items) {
      const PickleValue& pair = value(ref);
      if (pair.kind != Kind::sequence || pair.items.size() != 2) return misused("a dictionary made of no pairs");
      items.insert(items.end(), pair.items.begin(), pair.items.end());
    }
  }
  push(Kind::dict).items = std::move(items);
  return {};
}

bool Machine::read_numbers(PickleRef ref, std::vector<int64_t>* out) const {
  const PickleValue& sequence = document_.at(ref);
  if (sequence.kind != Kind::sequence || sequence.items.size() > kRankLimit) return false;
  for (PickleRef r : sequence.items) {
    const PickleValue& number = document_.at(r);
    if (number.kind != Kind::integer || number.integer < 0) return false;
    out->push_back(number.integer);
  }
  return true;
}

// _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, backward_hooks[, metadata])
Status Machine::rebuild_tensor(const PickleValue& arguments) {
  const PickleValue* storage = item(arguments, 0, Kind::storage);
  const PickleValue* offset = item(arguments, 1, Kind::integer);
  PickleTensor tensor;
  const bool sound = storage != nullptr && offset != nullptr && offset->integer >= 0 && arguments.items.size() >= 4 &&
                     read_numbers(arguments.items[2], &tensor.size) &&
                     read_numbers(arguments.items[3], &tensor.stride) && tensor.size.size() == tensor.stride.size();
  if (!sound) return misused("a tensor without storage, offset, size and stride");
  tensor.storage = static_cast<size_t>(storage->integer);
  tensor.offset = offset->integer;
  document_.tensors.push_back(std::move(tensor));
  return push_integer(static_cast<int64_t>(document_.tensors.size()) - 1, Kind::tensor);
}

// BUILD sets an object's attributes. State dicts carry one, the bookkeeping `_metadata`, which means nothing here.
Status Machine::build() {
  const auto state = pop_last(1);
  if (!state || stack_.size() <= fence()) return misused("attributes without an object");
  if (value(stack_.back()).kind != Kind::dict) return misused("attributes for something that is no dictionary");
  return {};
}

Status Machine::persistent() {
  const auto id = pop_last(1);
  if (!id) return misused("a persistent id without a value");
  const PickleValue& tuple = value(id->front());
  if (tuple.kind != Kind::sequence) return misused("a persistent id that is no storage");
  const PickleValue* word = item(tuple, 0, Kind::text);
  const PickleValue* type = item(tuple, 1, Kind::global);
  const PickleValue* key = item(tuple, 2, Kind::text);
  const PickleValue* count = item(tuple, 4, Kind::integer);
  const bool sound = word != nullptr && word->text == "storage" && type != nullptr && key != nullptr &&
                     count != nullptr && count->integer >= 0 &&
                     kGlobals[static_cast<size_t>(type->integer)].what == Global::What::storage;
  if (!sound) return misused("a persistent id that is no storage");
  PickleStorage storage;
  storage.dtype = kGlobals[static_cast<size_t>(type->integer)].dtype;
  storage.key = key->text;
  storage.count = storage.view_count = count->integer;
  // The old container may name a part of a storage: (key, offset, size).
  if (const PickleValue* view = item(tuple, 5, Kind::sequence)) {
    const PickleValue *offset = item(*view, 1, Kind::integer), *size = item(*view, 2, Kind::integer);
    const bool inside = offset != nullptr && size != nullptr && offset->integer >= 0 && size->integer >= 0 &&
                        offset->integer <= storage.count && size->integer <= storage.count - offset->integer;
    if (!inside) return misused("a view beyond its storage");
    storage.view_offset = offset->integer;
    storage.view_count = size->integer;
  }
  document_.storages.push_back(storage);
  return push_integer(static_cast<int64_t>(document_.storages.size()) - 1, Kind::storage);
}

}  // namespace

Result<PickleDocument> read_pickle(Bytes input) { return Machine(input).run(); }

}  // namespace gpen
