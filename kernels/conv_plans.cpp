#include "kernels/conv_plans.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "runtime/tensor.h"

namespace gpen {
namespace {

constexpr std::string_view kFirstLine = "gpen-plans 1";
constexpr const char* kBuiltin[] = {
#include "kernels/conv_plans.inc"
    nullptr,  // an array has one element at least
};
constexpr Precision kPrecisions[] = {Precision::fp32, Precision::tf32, Precision::bf16, Precision::fp16,
                                     Precision::fp16_fast};
// Far beyond any layer, and small enough that nothing computed from it overflows.
constexpr int64_t kMostRows = int64_t{1} << 32, kMostChannels = 1 << 16, kMostSteps = 1 << 24;

template <class T>
bool read_number(std::string_view text, T* value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size();
}

// Up to the separator, which is taken away with it.
std::string_view take_until(std::string_view* text, char separator) {
  const size_t end = std::min(text->find(separator), text->size());
  const std::string_view part = text->substr(0, end);
  text->remove_prefix(std::min(end + 1, text->size()));
  return part;
}

// The fields of a row. The first thing that is wrong is kept; a field that nobody takes is wrong as well.
class Fields {
 public:
  explicit Fields(std::string_view line) {
    while (!line.empty()) {
      std::string_view value = take_until(&line, ' ');
      const std::string_view name = take_until(&value, '=');
      if (!values_.emplace(name, value).second) wrong(name, "twice");
    }
  }
  std::string_view text(std::string_view name) {
    const auto at = values_.find(name);
    if (at == values_.end()) {
      wrong(name, "missing");
      return {};
    }
    const std::string_view value = at->second;
    values_.erase(at);
    return value;
  }
  template <class T>
  T number(std::string_view name, T least, T most) {
    return number_of(name, text(name), least, most);
  }
  template <class T>
  T number_of(std::string_view name, std::string_view text, T least, T most) {
    T value = least;
    if (!read_number(text, &value) || !(value >= least && value <= most)) {
      wrong(name, concat("'", text.substr(0, 40), "' is no number from ", least, " to ", most));
      return least;
    }
    return value;
  }
  void wrong(std::string_view name, const std::string& why) {
    if (status_.ok()) status_ = fail(Code::usage, "field ", name.substr(0, 40), ": ", why);
  }
  Status finish() {
    if (!values_.empty()) wrong(values_.begin()->first, "unknown");
    return status_;
  }

 private:
  std::map<std::string_view, std::string_view> values_;
  Status status_;
};

// A new field of ConvPlan is written by row_text() and read here; where it may be missing, kConvKernels has not to be
// raised.
Result<ConvPlanRow> parse_row(std::string_view line, const DeviceInfo& device) {
  Fields fields(line);
  ConvPlanRow row;
  const std::string_view precision = fields.text("precision"), tile = fields.text("tile");
  const auto named = [&](Precision p) { return precision == name_of(p); };
  const auto* const p = std::find_if(std::begin(kPrecisions), std::end(kPrecisions), named);
  if (p != std::end(kPrecisions))
    row.precision = *p;
  else
    fields.wrong("precision", concat("'", precision.substr(0, 40), "' is none"));
  std::string_view rows = fields.text("rows");
  for (row.work.phases = 0; !rows.empty() && row.work.phases < ConvGemm::kMaxPhases; ++row.work.phases)
    row.work.rows[row.work.phases] = fields.number_of("rows", take_until(&rows, ','), int64_t{1}, kMostRows);
  if (row.work.phases == 0 || !rows.empty())
    fields.wrong("rows", concat("1 to ", int{ConvGemm::kMaxPhases}, " are expected"));
  row.work.out_channels = fields.number("channels", int64_t{1}, kMostChannels);
  row.work.steps = fields.number("steps", int64_t{1}, kMostSteps);
  row.work.taps = fields.number("taps", 1, int{ConvGemm::kMaxTaps});
  row.work.stride = fields.number("stride", 1, 16);
  row.work.shift = fields.number("shift", 0, 16);
  row.work.coefficient_bytes = fields.number("coefficients", size_t{0}, size_t{1} << 24);
  row.work.blur = fields.number("blur", 0, 1) != 0;
  row.work.rgb = fields.number("rgb", 0, 1) != 0;
  const auto tiled = [&](ConvTile t) { return tile == shape_of(t).name; };
  const auto* const t = std::find_if(std::begin(kConvTiles), std::end(kConvTiles), tiled);
  if (t != std::end(kConvTiles))
    row.plan.tile = *t;
  else
    fields.wrong("tile", concat("'", tile.substr(0, 40), "' is none"));
  row.plan.splits = fields.number("splits", 1, kMostSplits);
  row.plan.blur_in_load = fields.number("blur_in_load", 0, 1) != 0;
  row.plan.rgb_in_epilogue = fields.number("rgb_in_epilogue", 0, 1) != 0;
  row.ms = fields.number("ms", 0.0, 1e6);
  GPEN_RETURN_IF_ERROR(fields.finish());
  GPEN_RETURN_IF_ERROR(check_plan(row.plan, row.work, device));
  return row;
}

std::string rows_text(const ConvWork& work) {
  std::string text;
  for (int i = 0; i < work.phases; ++i) text += concat(i > 0 ? "," : "", work.rows[i]);
  return text;
}

std::string row_text(const ConvPlanRow& r) {
  const ConvWork& w = r.work;
  return concat("precision=", name_of(r.precision), " rows=", rows_text(w), " channels=", w.out_channels,
                " steps=", w.steps, " taps=", w.taps, " stride=", w.stride, " shift=", w.shift,
                " coefficients=", w.coefficient_bytes, " blur=", w.blur, " rgb=", w.rgb,
                " tile=", shape_of(r.plan.tile).name, " splits=", r.plan.splits, " blur_in_load=", r.plan.blur_in_load,
                " rgb_in_epilogue=", r.plan.rgb_in_epilogue, " ms=", r.ms, "\n");
}

// The lines before the rows.
std::vector<std::string> heading(const DeviceInfo& device) {
  return {std::string(kFirstLine), concat("device ", device.model), concat("capability ", device.capability),
          concat("multiprocessors ", device.multiprocessors), concat("kernels ", kConvKernels)};
}

}  // namespace

const ConvPlan* ConvPlans::find(Precision precision, const ConvWork& work) const {
  for (const ConvPlanRow& row : rows)
    if (row.precision == precision && row.work == work) return &row.plan;
  return nullptr;
}

void ConvPlans::set(const ConvPlanRow& row) {
  for (ConvPlanRow& old : rows) {
    if (old.precision != row.precision || old.work != row.work) continue;
    old = row;
    return;
  }
  rows.push_back(row);
}

std::string to_text(const ConvPlans& plans, const DeviceInfo& device) {
  std::string text;
  for (const std::string& line : heading(device)) text += line + "\n";
  for (const ConvPlanRow& row : plans.rows) text += row_text(row);
  return text + concat("end ", plans.rows.size(), "\n");
}

Result<ConvPlans> parse_conv_plans(std::string_view text, const DeviceInfo& device) {
  ConvPlans plans;
  int number = 0;
  const auto next = [&] {
    ++number;
    return take_until(&text, '\n');
  };
  for (const std::string& expected : heading(device)) {
    const std::string_view line = next();
    if (line != expected)
      return fail(Code::usage, "line ", number, ": '", expected, "' is expected, not '", line.substr(0, 80), "'");
  }
  while (!text.empty()) {
    const std::string_view line = next();
    if (line.rfind("end ", 0) == 0) {
      size_t rows = 0;
      if (!read_number(line.substr(4), &rows) || rows != plans.rows.size() || !text.empty())
        return fail(Code::usage, "line ", number, ": it does not end with its number of rows");
      return plans;
    }
    const Result<ConvPlanRow> row = parse_row(line, device);
    if (!row.ok()) return row.status().in(concat("line ", number));
    if (plans.find(row->precision, row->work) != nullptr)
      return fail(Code::usage, "line ", number, ": a layer is there twice");
    plans.rows.push_back(*row);
  }
  return fail(Code::usage, "it is cut off: there is no last line");
}

ConvPlans conv_plans_for(const DeviceInfo& device, std::span<const char* const> texts) {
  ConvPlans plans;
  for (const char* text : texts) {
    std::string_view lines = text;
    if (lines.rfind('\n', 0) == 0) lines.remove_prefix(1);
    const Result<ConvPlans> parsed = parse_conv_plans(lines, device);
    if (!parsed.ok()) continue;
    for (const ConvPlanRow& row : parsed->rows) plans.set(row);
  }
  return plans;
}

std::span<const char* const> builtin_conv_plans() { return std::span(kBuiltin).first(std::size(kBuiltin) - 1); }

std::string describe(const ConvWork& work) {
  return concat(rows_text(work), " px > ", work.out_channels, " ch, ", work.taps, " taps, ", work.steps, " steps",
                work.stride > 1 ? concat(", stride ", work.stride) : "", work.blur ? ", blur" : "",
                work.rgb ? ", rgb" : "");
}

std::string describe(const ConvPlan& plan) {
  return concat(shape_of(plan.tile).name, " in ", plan.splits,
                plan.blur_in_load || plan.rgb_in_epilogue ? ", fused" : "");
}

}  // namespace gpen
