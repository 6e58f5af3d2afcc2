// The machine behind read_pickle(): its stack (pickle.cpp) and the few objects it can make (pickle_objects.cpp).
#pragma once
#include <optional>
#include <unordered_map>

#include "convert/pickle.h"

namespace gpen::detail {

class PickleMachine {
 public:
  explicit PickleMachine(Bytes input) : reader_(input) {}
  Result<PickleDocument> run();

 private:
  using Kind = PickleValue::Kind;
  using Refs = std::vector<PickleRef>;

  Status step(uint8_t opcode);

  // ---- the stack; nothing below the last mark can be reached ----
  size_t fence() const { return marks_.empty() ? 0 : marks_.back(); }
  std::optional<PickleRef> pop();
  std::optional<Refs> pop_last(size_t n);
  std::optional<Refs> pop_to_mark();  // everything above the last mark, and the mark
  // The references it returns end with the next push.
  PickleValue& push(Kind kind);
  Status push_integer(int64_t v, Kind kind = Kind::integer);
  Status push_text(std::string_view text);
  Status push_bytes(uint64_t n);
  Status push_long(uint64_t n);
  Status push_sequence(Refs items);
  Status push_last(size_t n);
  Status push_marked(Kind kind);
  Status extend(Kind kind, const std::optional<Refs>& items);  // APPEND(S), SETITEM(S), ADDITEMS
  Status put(uint32_t slot);
  Status get(uint32_t slot);

  // ---- what may be mentioned, called and referred to ----
  Status global(std::string_view module, std::string_view name);
  Status stack_global();
  Status reduce();
  Status build();
  Status persistent();
  Status ordered_dict(const PickleValue& arguments);
  Status rebuild_tensor(const PickleValue& arguments);
  bool read_numbers(PickleRef ref, std::vector<int64_t>* out) const;
  // Item i of a sequence when it is there and of that kind, else null.
  const PickleValue* item(const PickleValue& sequence, size_t i, Kind kind) const;

  PickleValue& value(PickleRef ref) { return document_.values[ref]; }
  Status broken(const std::string& what) const;  // "the pickle is WHAT (at byte N)"
  Status misused(const char* what) const { return broken(concat("broken: ", what)); }

  ByteReader reader_;
  PickleDocument document_;
  Refs stack_;
  std::vector<size_t> marks_;
  std::unordered_map<uint32_t, PickleRef> memo_;
};

}  // namespace gpen::detail
