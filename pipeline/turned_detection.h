// Faces in photos that lie on their side or upside down: the detector, which knows upright faces, is shown the picture
// turned by several angles.
#pragma once
#include <vector>

#include "pipeline/detection.h"

namespace gpen {

// The picture turned clockwise by `degrees` about its centre, on the smallest canvas that holds all of it, black around
// it. Multiples of 90 degrees move pixels and change none.
struct TurnedPicture {
  Image picture;
  Affine to_photo;  // a point of the turned picture in the photo
};
TurnedPicture turn_picture(const Image& photo, double degrees, ThreadPool& pool);

// A face of the turned picture in the photo. Its landmarks stay with their names: the left eye is the one on the left
// of the upright face. The box keeps its size; its sides change places when the face lies on its side.
Face turned_back(const Face& face, const Affine& to_photo, double degrees);

// The faces found at all of options.angles, in pixels of the photo, best score first; a face that is found at several
// angles is taken from the one at which it scores best. options.shrink_above is judged at every angle by itself.
Result<Detections> detect_turned_faces(RetinaFaceNet& net, const Image& photo, const DetectionOptions& options,
                                       ThreadPool& pool);

}  // namespace gpen
