#include "pipeline/face_batch.h"

#include <algorithm>
#include <chrono>
#include <span>

#include "pipeline/consistency.h"
#include "runtime/workspace.h"

namespace gpen {

namespace {

using Clock = std::chrono::steady_clock;
double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

using Spent = std::function<void(const char* stage, double ms)>;

// Every face's part of the network's output made consistent with its part of the input. Faces side by side, where there
// are as many as threads: the steps of one face are too small to share well.
Status make_consistent(const GpenNet& net, const FaceBatchOptions& options, ThreadPool& pool,
                       std::span<AlignedFace> faces, const float* input, float* output) {
  const int in_side = net.arch().in_size, out_side = net.arch().out_size;
  const auto one = [&](size_t i) -> Status {
    GPEN_ASSIGN(faces[i].degradation,
                make_face_consistent(input + i * planar_floats(in_side), in_side, output + i * planar_floats(out_side),
                                     out_side, options.lambda, faces[i].photo_scale, pool));
    faces[i].has_degradation = true;
    return Status();
  };
  std::vector<Status> statuses(faces.size());
  if (faces.size() >= static_cast<size_t>(pool.size())) {
    pool.parallel_for(static_cast<int64_t>(faces.size()),
                      [&](int64_t i, int) { statuses[static_cast<size_t>(i)] = one(static_cast<size_t>(i)); });
  } else {
    for (size_t i = 0; i < faces.size(); ++i) statuses[i] = one(i);
  }
  for (const Status& status : statuses) GPEN_RETURN_IF_ERROR(status);
  return Status();
}

// All of these faces in one forward().
Status restore_together(GpenNet& net, const FaceBatchOptions& options, ThreadPool& pool, std::span<AlignedFace> faces,
                        const Spent& spent) {
  const int in_side = net.arch().in_size, out_side = net.arch().out_size;
  const size_t in_floats = planar_floats(in_side), out_floats = planar_floats(out_side);
  const auto n = static_cast<int64_t>(faces.size());
  AlignedBuffer input(faces.size() * in_floats * sizeof(float)), output(faces.size() * out_floats * sizeof(float));
  if (input.data() == nullptr || output.data() == nullptr)
    return fail(Code::memory, "out of memory for a batch of ", n, " faces");

  Clock::time_point start = Clock::now();
  pool.parallel_for(n, [&](int64_t i, int) {
    const auto k = static_cast<size_t>(i);
    task_input(options.task, faces[k].input, input.floats() + k * in_floats);
  });
  GPEN_RETURN_IF_ERROR(net.forward(make_view(input.floats(), n, 3, in_side, in_side),
                                   make_view(output.floats(), n, 3, out_side, out_side), options.seed));
  if (!all_finite(output.floats(), n * static_cast<int64_t>(out_floats), pool))
    return fail(Code::model, "the network answers with values that are not finite: its weights are damaged");
  spent("restore", ms_since(start));

  start = Clock::now();
  const bool consistent = traits(options.task).consistency && options.lambda > 0;
  if (consistent) GPEN_RETURN_IF_ERROR(make_consistent(net, options, pool, faces, input.floats(), output.floats()));
  pool.parallel_for(n, [&](int64_t i, int) {
    AlignedFace& face = faces[static_cast<size_t>(i)];
    face.restored =
        task_output(options.task, output.floats() + static_cast<size_t>(i) * out_floats, out_side, out_side);
    finish_task(options.task, face.original, options.lambda, &face.restored);
  });
  if (consistent) spent("consistency", ms_since(start));
  return Status();
}

}  // namespace

Result<Degradation> make_face_consistent(const float* input, int in_side, float* output, int out_side, double lambda,
                                         double photo_scale, ThreadPool& pool) {
  GPEN_ASSIGN(const Degradation degradation, estimate_degradation(input, in_side, photo_scale, pool));
  GPEN_RETURN_IF_ERROR(enforce_consistency(input, in_side, output, out_side, lambda, degradation, pool));
  return degradation;
}

size_t bytes_of_forward(const GpenNet& net, int64_t n) {
  const size_t pixels = planar_floats(net.arch().in_size) + planar_floats(net.arch().out_size);
  return net.arena_bytes_for(n) + static_cast<size_t>(n) * pixels * sizeof(float);
}

int64_t faces_per_forward(const GpenNet& net, int64_t faces, int wanted, size_t memory_limit) {
  int64_t most = std::max<int64_t>(1, wanted > 0 ? std::min<int64_t>(wanted, faces) : faces);
  const auto bytes = [&](int64_t n) { return bytes_of_forward(net, n); };
  if (most > 1) {
    // The arena grows about in proportion; the loop corrects what the guess missed.
    most = std::min(most, std::max<int64_t>(1, static_cast<int64_t>(memory_limit / std::max<size_t>(1, bytes(1)))));
    while (most > 1 && bytes(most) > memory_limit) --most;
  }
  const int64_t forwards = ceil_div(std::max<int64_t>(1, faces), most);
  return ceil_div(std::max<int64_t>(1, faces), forwards);
}

Result<int64_t> restore_faces(GpenNet& net, const FaceBatchOptions& options, ThreadPool& pool,
                              std::vector<AlignedFace>* faces, const Spent& spent) {
  const std::span<AlignedFace> all(*faces);
  size_t at_once = all.size();
  for (size_t first = 0; first < all.size();) {
    const size_t count = std::min(at_once, all.size() - first);
    const Status status = restore_together(net, options, pool, all.subspan(first, count), spent);
    if (status.code() == Code::memory && count > 1) {
      net.release_memory();  // of the larger batch; what was refused may have been something else
      at_once = count / 2;
      continue;
    }
    GPEN_RETURN_IF_ERROR(status);
    first += count;
  }
  return static_cast<int64_t>(at_once);
}

}  // namespace gpen
