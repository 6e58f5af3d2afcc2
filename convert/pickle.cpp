// Opcodes and their stack effects: Python's Lib/pickletools.py documentation of the pickle format (protocols 0 to 5).
#include "convert/pickle.h"

#include <cstring>

#include "convert/pickle_machine.h"
#include "weights/utf8.h"

namespace gpen {
namespace detail {
namespace {

// A checkpoint of a thousand tensors needs some 50,000 steps and values.
constexpr size_t kByteLimit = size_t{64} << 20;
constexpr size_t kStepLimit = size_t{8} << 20;
constexpr size_t kValueLimit = size_t{2} << 20;
constexpr size_t kStackLimit = size_t{1} << 20;
constexpr size_t kMarkLimit = 10000;

}  // namespace

Result<PickleDocument> PickleMachine::run() {
  if (reader_.read<uint8_t>() != 0x80) return broken("not a pickle of protocol 2 to 5");
  const auto protocol = reader_.read<uint8_t>();
  if (protocol < 2 || protocol > 5) return broken("not a pickle of protocol 2 to 5");
  for (size_t steps = 0;; ++steps) {
    if (steps >= kStepLimit || reader_.position() > kByteLimit) return broken("longer than any checkpoint's");
    if (document_.values.size() > kValueLimit) return broken("larger than any checkpoint's, by its objects");
    if (stack_.size() > kStackLimit || marks_.size() > kMarkLimit) return broken("nested deeper than any checkpoint's");
    const auto opcode = reader_.read<uint8_t>();
    if (!reader_.ok()) return broken("cut short");
    if (opcode == '.') break;
    if (Status status = step(opcode); !status.ok()) return status;
    if (!reader_.ok()) return broken("cut short");
  }
  std::optional<PickleRef> root = pop();
  if (!root) return misused("ends without a value");
  document_.root = *root;
  document_.bytes = reader_.position();
  return std::move(document_);
}

Status PickleMachine::broken(const std::string& what) const {
  return fail(Code::model, "the pickle is ", what, " (at byte ", reader_.position(), ")");
}

std::optional<PickleRef> PickleMachine::pop() {
  if (stack_.size() <= fence()) return std::nullopt;
  const PickleRef ref = stack_.back();
  stack_.pop_back();
  return ref;
}

std::optional<PickleMachine::Refs> PickleMachine::pop_last(size_t n) {
  if (stack_.size() - fence() < n) return std::nullopt;
  Refs items(stack_.end() - static_cast<std::ptrdiff_t>(n), stack_.end());
  stack_.resize(stack_.size() - n);
  return items;
}

std::optional<PickleMachine::Refs> PickleMachine::pop_to_mark() {
  if (marks_.empty()) return std::nullopt;
  Refs items(stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back()), stack_.end());
  stack_.resize(marks_.back());
  marks_.pop_back();
  return items;
}

PickleValue& PickleMachine::push(Kind kind) {
  stack_.push_back(static_cast<PickleRef>(document_.values.size()));
  document_.values.emplace_back();
  document_.values.back().kind = kind;
  return document_.values.back();
}

Status PickleMachine::push_integer(int64_t v, Kind kind) {
  push(kind).integer = v;
  return {};
}

Status PickleMachine::push_text(std::string_view text) {
  if (!is_utf8(text)) return misused("text that is not UTF-8");
  push(Kind::text).text = text;
  return {};
}

Status PickleMachine::push_bytes(uint64_t n) {
  push(Kind::bytes).text = reader_.text(n);
  return {};
}

Status PickleMachine::push_long(uint64_t n) {
  const std::string_view raw = reader_.text(n);
  if (raw.size() > 8) {
    push(Kind::big_integer).text = raw;
    return {};
  }
  uint64_t v = !raw.empty() && (raw.back() & 0x80) != 0 ? ~uint64_t{0} : 0;  // sign-extended
  if (!raw.empty()) std::memcpy(&v, raw.data(), raw.size());
  return push_integer(static_cast<int64_t>(v));
}

Status PickleMachine::push_sequence(Refs items) {
  push(Kind::sequence).items = std::move(items);
  return {};
}

Status PickleMachine::push_last(size_t n) {
  std::optional<Refs> items = pop_last(n);
  if (!items) return misused("a tuple of more values than there are");
  return push_sequence(std::move(*items));
}

Status PickleMachine::push_marked(Kind kind) {
  auto items = pop_to_mark();
  if (!items) return misused("no mark");
  if (kind == Kind::dict && items->size() % 2 != 0) return misused("a dictionary of an odd number of values");
  push(kind).items = std::move(*items);
  return {};
}

Status PickleMachine::extend(Kind kind, const std::optional<Refs>& items) {
  if (!items) return misused("no item to add");
  if (stack_.size() <= fence()) return misused("no container");
  PickleValue& container = value(stack_.back());
  if (container.kind != kind) return misused("an item for something that is no container");
  if (kind == Kind::dict && items->size() % 2 != 0) return misused("a key without a value");
  container.items.insert(container.items.end(), items->begin(), items->end());
  return {};
}

Status PickleMachine::put(uint32_t slot) {
  if (stack_.size() <= fence()) return misused("nothing to remember");
  memo_[slot] = stack_.back();
  return {};
}

Status PickleMachine::get(uint32_t slot) {
  const auto found = memo_.find(slot);
  if (found == memo_.end()) return misused("a reference to something unknown");
  stack_.push_back(found->second);
  return {};
}

Status PickleMachine::step(uint8_t opcode) {
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

}  // namespace detail

Result<PickleDocument> read_pickle(Bytes input) { return detail::PickleMachine(input).run(); }

}  // namespace gpen
