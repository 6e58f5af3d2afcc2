#include "app/serve/json_input.h"

namespace gpen::serve {
namespace {

constexpr size_t kDeepest = 16;

// Reads and keeps nothing; stops at what is too much.
class Counter : public JsonInput::json_sax_t {
 public:
  explicit Counter(size_t most) : left_(most) {}
  bool too_much() const { return too_much_; }

  bool null() override { return count(); }
  bool boolean(bool) override { return count(); }
  bool number_integer(number_integer_t) override { return count(); }
  bool number_unsigned(number_unsigned_t) override { return count(); }
  bool number_float(number_float_t, const string_t&) override { return count(); }
  bool string(string_t&) override { return count(); }
  bool binary(binary_t&) override { return count(); }
  bool key(string_t&) override { return count(); }
  bool start_object(std::size_t) override { return enter(); }
  bool start_array(std::size_t) override { return enter(); }
  bool end_object() override { return leave(); }
  bool end_array() override { return leave(); }
  bool parse_error(std::size_t, const std::string&, const JsonInput::exception&) override { return false; }

 private:
  bool count() {
    too_much_ = too_much_ || left_ == 0;
    left_ -= !too_much_;
    return !too_much_;
  }
  bool enter() {
    too_much_ = ++depth_ > kDeepest;
    return count();
  }
  bool leave() {
    --depth_;
    return true;
  }

  size_t left_, depth_ = 0;
  bool too_much_ = false;
};

}  // namespace

ApiError parse_object(const std::string& text, size_t most, JsonInput* json) {
  Counter counter(most);
  const bool sound = JsonInput::sax_parse(text, &counter);
  if (counter.too_much())
    return ApiError::usage(concat("the body has more than ", most, " values, or more than ", kDeepest, " levels"));
  if (sound) *json = JsonInput::parse(text, nullptr, false);
  if (!json->is_object()) return ApiError::usage("the body is not a JSON object");
  return {};
}

}  // namespace gpen::serve
