// Aligned faces through the network, several at once (docs/reference.md 2 and 5, pipeline/tasks.h,
// pipeline/consistency.h).
#pragma once
#include <functional>
#include <vector>

#include "layers/gpen.h"
#include "pipeline/degradation.h"
#include "pipeline/image.h"
#include "pipeline/tasks.h"

namespace gpen {

// The floats of a square RGB picture, plane after plane.
inline size_t planar_floats(int side) { return size_t{3} * static_cast<size_t>(side) * static_cast<size_t>(side); }

struct AlignedFace {
  Image input;             // at the network's input side
  Image original;          // at its output side (may equal input)
  double photo_scale = 1;  // photo pixels per pixel of input
  // Filled by restore_faces():
  Image restored;           // at the output side
  Degradation degradation;  // task restore with lambda > 0
  bool has_degradation = false;
};

struct FaceBatchOptions {
  Task task = Task::restore;
  double lambda = 0;
  uint64_t seed = 0;
};

// What n faces in one forward() take: the network's arena, its input and its output.
size_t bytes_of_forward(const GpenNet& net, int64_t n);

// Most faces for one forward(): no more than wanted (0: any number), than `faces`, and than memory_limit allows for
// bytes_of_forward(); at least 1. The faces are spread evenly over the forwards needed.
int64_t faces_per_forward(const GpenNet& net, int64_t faces, int wanted, size_t memory_limit);

// One forward() for all the faces, then consistency or the task's own steps on each. spent(stage, ms) is told the time.
// Where the memory for that (of the machine or of the network's device) is refused, half as many faces go through at
// once, down to one. Returns how many did; a caller with more faces does well to bring no more at a time.
// Code::memory for a single face, what the network reports, and Code::model for an answer that is not finite.
Result<int64_t> restore_faces(GpenNet& net, const FaceBatchOptions& options, ThreadPool& pool,
                              std::vector<AlignedFace>* faces,
                              const std::function<void(const char* stage, double ms)>& spent);

// The network's own output (planar, out_side) made consistent with its input, in place (consistency.h); what its input
// went through, as estimated. photo_scale: photo pixels per pixel of input.
Result<Degradation> make_face_consistent(const float* input, int in_side, float* output, int out_side, double lambda,
                                         double photo_scale, ThreadPool& pool);

}  // namespace gpen
