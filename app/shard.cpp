#include "app/shard.h"

#include <charconv>
#include <optional>
#include <string_view>

namespace gpen::app {
namespace {

constexpr const char* kSlurmTask = "SLURM_ARRAY_TASK_ID";
constexpr const char* kKubernetesIndex = "JOB_COMPLETION_INDEX";

std::optional<uint64_t> number(std::string_view text) {
  uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || text.empty()) return std::nullopt;
  return value;
}

class Variables {
 public:
  Variables(const std::string& option, const Environment& environment) : option_(option), environment_(environment) {}
  bool has(const char* name) const { return environment_(name) != nullptr; }
  Result<uint64_t> get(const char* name) const {
    const char* const text = environment_(name);
    if (text == nullptr) return fail(Code::usage, "--shard ", option_, ": the variable ", name, " is not set");
    const std::optional<uint64_t> value = number(text);
    if (!value.has_value())
      return fail(Code::usage, "--shard ", option_, ": the variable ", name, " is \"", text, "\", not a number");
    return *value;
  }

 private:
  const std::string& option_;
  const Environment& environment_;
};

Status out_of_range(const std::string& option, uint64_t index, uint64_t count) {
  return fail(Code::usage, "--shard ", option, ": there is no part ", index, " of ", count, ", they count from 0 to ",
              count - 1);
}

// Every task of the array has its share, whatever its first number is.
Result<Shard> slurm_array(const std::string& option, const Variables& variables) {
  if (!variables.has(kSlurmTask)) {
    if (variables.has(kKubernetesIndex))
      return fail(Code::usage,
                  "--shard auto: a Kubernetes job does not tell how many indices it has; use --shard auto/N");
    return fail(Code::usage, "--shard auto: this is no task of a Slurm array (", kSlurmTask, " is not set); use K/N");
  }
  GPEN_ASSIGN(const uint64_t task, variables.get(kSlurmTask));
  GPEN_ASSIGN(const uint64_t first, variables.get("SLURM_ARRAY_TASK_MIN"));
  GPEN_ASSIGN(const uint64_t last, variables.get("SLURM_ARRAY_TASK_MAX"));
  GPEN_ASSIGN(const uint64_t count, variables.get("SLURM_ARRAY_TASK_COUNT"));
  uint64_t step = 1;
  if (variables.has("SLURM_ARRAY_TASK_STEP")) {
    GPEN_ASSIGN(step, variables.get("SLURM_ARRAY_TASK_STEP"));
  }
  const bool even = step > 0 && count > 0 && task >= first && task <= last && (task - first) % step == 0 &&
                    (last - first) / step == count - 1;
  if (!even)
    return fail(Code::usage, "--shard ", option, ": the tasks of this Slurm array (", count, " from ", first, " to ",
                last, ") do not follow each other evenly; use --shard auto/N with --array=0-(N-1)");
  return Shard{(task - first) / step, count};
}

}  // namespace

Result<Shard> parse_shard(const std::string& text, const Environment& environment) {
  const Variables variables(text, environment);
  if (text == "auto") return slurm_array(text, variables);
  const size_t slash = text.find('/');
  const std::string_view whole(text), part = whole.substr(0, slash);
  const auto count = slash == std::string::npos ? std::nullopt : number(whole.substr(slash + 1));
  if (!count.has_value() || *count == 0 || (part != "auto" && !number(part).has_value()))
    return fail(Code::usage, "--shard ", text, ": expected K/N (K from 0 to N-1), auto or auto/N");
  uint64_t index = 0;
  if (part == "auto") {
    const bool slurm = variables.has(kSlurmTask), kubernetes = variables.has(kKubernetesIndex);
    if (slurm && kubernetes)
      return fail(Code::usage, "--shard ", text, ": both ", kSlurmTask, " and ", kKubernetesIndex, " are set; use K/N");
    if (!slurm && !kubernetes)
      return fail(Code::usage, "--shard ", text, ": neither ", kSlurmTask, " nor ", kKubernetesIndex,
                  " is set; use K/N");
    GPEN_ASSIGN(index, variables.get(slurm ? kSlurmTask : kKubernetesIndex));
    // All tasks, also those with a part: else the others would do theirs and the parts before the first be left undone.
    if (slurm && variables.has("SLURM_ARRAY_TASK_MAX")) {
      GPEN_ASSIGN(const uint64_t last, variables.get("SLURM_ARRAY_TASK_MAX"));
      if (last >= *count)
        return fail(Code::usage, "--shard ", text, ": the tasks of this Slurm array go up to ", last,
                    ", and the parts from 0 to ", *count - 1, "; use --array=0-", *count - 1);
    }
  } else {
    index = *number(part);
  }
  if (index >= *count) return out_of_range(text, index, *count);
  return Shard{index, *count};
}

bool belongs_to(const Input& input, const Shard& shard) {
  const std::string name =
      input.from_stdin() ? "-" : (input.folder / input.path.filename()).lexically_normal().string();
  uint64_t hash = 14695981039346656037u;  // FNV-1a, 64 bits
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  // Its low bits are weak for names that differ in a digit: mixed as in MurmurHash3.
  hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccdu;
  hash = (hash ^ (hash >> 33)) * 0xc4ceb9fe1a85ec53u;
  return (hash ^ (hash >> 33)) % shard.count == shard.index;
}

}  // namespace gpen::app
