// A picture that is one aligned face: through the network as it is, without anything else of the pipeline.
#pragma once
#include "pipeline/restore.h"

namespace gpen {

// What Restorer::restore() gives for options.aligned, all but comparison and drawing. The result has one face in its
// report, the whole picture, and an image of the network's output size along its longer side. Code::cancelled by
// progress; errors as restore_faces().
Result<RestoreResult> restore_aligned_face(GpenNet& net, const Image& picture, const RestoreOptions& options,
                                           ThreadPool& pool);
// Its pixels per pixel of the picture.
double scale_of_aligned_face(const GpenNet& net, const Image& picture);

}  // namespace gpen
