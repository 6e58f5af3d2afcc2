// A picture that is one aligned face: through the network as it is, without anything else of the pipeline.
#pragma once
#include "pipeline/face_batch.h"
#include "pipeline/restore.h"

namespace gpen {

// Its steps, for a network of this architecture: what its report says (the one face is the whole picture), what goes
// through the network, and, once that is restored, the result: of the network's output size along its longer side.
FaceReport report_of_aligned_face(const GpenArch& arch, const Image& picture);
AlignedFace align_picture(const GpenArch& arch, const Image& picture, Task task, ThreadPool& pool);
Image picture_of_aligned_face(AlignedFace* face, const Image& picture, double alpha, ThreadPool& pool);
// The result's pixels per pixel of the picture.
double scale_of_aligned_face(const GpenArch& arch, const Image& picture);

// All of them: what Restorer::restore() gives for options.aligned, but for comparison and drawing. For builds without
// the rest of the pipeline. Code::cancelled by progress; errors as restore_faces().
Result<RestoreResult> restore_aligned_face(GpenNet& net, const Image& picture, const RestoreOptions& options,
                                           ThreadPool& pool);

}  // namespace gpen
