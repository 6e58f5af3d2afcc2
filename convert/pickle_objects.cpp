// The closed list of names a checkpoint may mention, and what they make.
#include <algorithm>
#include <array>

#include "convert/pickle_machine.h"
#include "weights/utf8.h"

namespace gpen::detail {
namespace {

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

}  // namespace

const PickleValue* PickleMachine::item(const PickleValue& sequence, size_t i, Kind kind) const {
  if (i >= sequence.items.size()) return nullptr;
  const PickleValue& v = document_.at(sequence.items[i]);
  return v.kind == kind ? &v : nullptr;
}

Status PickleMachine::global(std::string_view module, std::string_view name) {
  const std::string full = concat(module, ".", name);
  const auto found = std::find_if(kGlobals.begin(), kGlobals.end(), [&](const Global& g) { return g.name == full; });
  if (found == kGlobals.end()) {
    return fail(Code::model, "refuses to load \"", printable(full), "\": only tensors and plain containers are read");
  }
  return push_integer(found - kGlobals.begin(), Kind::global);
}

Status PickleMachine::stack_global() {
  const auto names = pop_last(2);
  if (!names) return misused("a global without a name");
  const PickleValue &module = value((*names)[0]), &name = value((*names)[1]);
  if (module.kind != Kind::text || name.kind != Kind::text) return misused("a global without a name");
  return global(module.text, name.text);
}

Status PickleMachine::reduce() {
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
Status PickleMachine::ordered_dict(const PickleValue& arguments) {
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

bool PickleMachine::read_numbers(PickleRef ref, std::vector<int64_t>* out) const {
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
Status PickleMachine::rebuild_tensor(const PickleValue& arguments) {
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
Status PickleMachine::build() {
  const auto state = pop_last(1);
  if (!state || stack_.size() <= fence()) return misused("attributes without an object");
  if (value(stack_.back()).kind != Kind::dict) return misused("attributes for something that is no dictionary");
  return {};
}

Status PickleMachine::persistent() {
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

}  // namespace gpen::detail
