// --shard: a part of the photos for this process, the rest for others that know nothing of each other.
#pragma once
#include <cstdint>
#include <functional>
#include <string>

#include "app/inputs.h"

namespace gpen::app {

struct Shard {
  uint64_t index = 0, count = 1;  // index < count
};

using Environment = std::function<const char*(const char* name)>;  // getenv

// text: "K/N" (K from 0); "auto": a Slurm array's task, counted from the array's first one; "auto/N": the task of a
// Slurm array (SLURM_ARRAY_TASK_ID) or the index of a Kubernetes job (JOB_COMPLETION_INDEX), from 0 to N-1. The
// environment is read for `auto` only. Code::usage says what is missing or does not fit.
Result<Shard> parse_shard(const std::string& text, const Environment& environment);

// Whether the input is this shard's. It follows from the input's name below the folder that was given (or its path, as
// listed) and nothing else: not from the other inputs, their order, or what has been done already.
bool belongs_to(const Input& input, const Shard& shard);

}  // namespace gpen::app
