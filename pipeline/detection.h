// Finding faces with RetinaFace (docs/reference.md 3): picture -> network input -> anchors -> boxes, scores, landmarks.
#pragma once
#include <vector>

#include "layers/retinaface.h"
#include "pipeline/alignment.h"
#include "pipeline/image.h"

namespace gpen {

struct Box {
  double x0 = 0, y0 = 0, x1 = 0, y1 = 0;  // pixels of the photo; not clipped to it
  double width() const { return x1 - x0; }
  double height() const { return y1 - y0; }
  double smaller_side() const { return width() < height() ? width() : height(); }
};

struct Face {
  Box box;
  double score = 1;
  Landmarks landmarks;
};

// Where a face of a photo lies on a picture `scale` times as large (half-pixel centres).
Face enlarged(const Face& face, double scale);

struct DetectionOptions {
  double threshold = 0.9;  // scores above it are faces
  double nms_overlap = 0.4;
  int before_nms = 5000, after_nms = 750;
  // A photo whose longer side exceeds shrink_above is detected on at a longer side of shrink_to (0: never shrink).
  int shrink_above = 1500, shrink_to = 1000;
  // The picture is searched turned clockwise by each of these (degrees), for faces that lie on their side
  // (pipeline/turned_detection.h). Not empty; {0}: as it is.
  std::vector<double> angles = {0};
  // Which of the faces to keep, applied in this order.
  double min_face = 0;  // smaller side of the box, photo pixels
  bool largest_only = false;
  int max_faces = 0;  // the best-scored ones; 0: all
  bool as_it_stands() const { return angles.size() == 1 && angles.front() == 0; }
};

struct Detections {
  std::vector<Face> faces;  // best score first; equal scores in the network's order
  double scale = 1;         // detection picture / photo
};

// 1, or shrink_to / longer side when the photo is larger than shrink_above.
double detection_scale(int width, int height, const DetectionOptions& options);

// Code::usage for options out of range.
Status check(const DetectionOptions& options);

// The faces of a photo, filtered. Errors of the network (memory) come back named.
Result<Detections> detect_faces(RetinaFaceNet& net, const Image& photo, const DetectionOptions& options,
                                ThreadPool& pool);

// The same from the detector's input, as it stands, wherever it lies (TensorView::on_device); scale: detection picture
// / photo.
Result<Detections> detect_faces(RetinaFaceNet& net, const TensorView& input, double scale,
                                const DetectionOptions& options);

// min_face, largest_only, max_faces; keeps the order.
void filter_faces(std::vector<Face>* faces, const DetectionOptions& options);

// The steps, one by one.

// 3 x height x width planar BGR minus the mean (104, 117, 123); the photo sampled at (i + 1/2)/scale - 1/2.
struct DetectorInput {
  int width = 0, height = 0;
  std::vector<float> data;
};
DetectorInput prepare_detector_input(const Image& photo, double scale, ThreadPool& pool);

// Centre and size relative to the picture, in the order of the network's answer.
struct Anchor {
  float cx, cy, w, h;
};
std::vector<Anchor> make_anchors(int width, int height);

// All anchors scoring above the threshold, in pixels of the detection picture, best first (stable), at most before_nms.
// Anchors with values that are not finite are left out. loc, conf, landms: 4, 2 and 10 values for each anchor.
std::vector<Face> decode_faces(const std::vector<Anchor>& anchors, const float* loc, const float* conf,
                               const float* landms, int width, int height, const DetectionOptions& options);

// Greedy: a face whose box overlaps an earlier kept one by more than nms_overlap (IoU, sides counted + 1) is dropped.
// Keeps at most after_nms.
std::vector<Face> suppress_overlaps(const std::vector<Face>& faces, const DetectionOptions& options);

}  // namespace gpen
