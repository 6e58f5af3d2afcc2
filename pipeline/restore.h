// The way of a photo:
//
//   photo - detect - align - restore - parse - paste back - photo        (background: upscale)
//
// Restorer::restore_together() leads photos along it, and their faces through the network in common batches.
// docs/pipeline.md has the formulas and the options in full.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "layers/gpen.h"
#include "layers/parsenet.h"
#include "layers/retinaface.h"
#include "layers/rrdbnet.h"
#include "pipeline/alignment.h"
#include "pipeline/degradation.h"
#include "pipeline/detection.h"
#include "pipeline/geometry.h"
#include "pipeline/image.h"
#include "pipeline/tasks.h"

namespace gpen {

// The networks of a run. Only gpen must be there.
struct Models {
  std::shared_ptr<GpenNet> gpen;
  std::shared_ptr<RetinaFaceNet> detector;  // null: faces must be given
  std::shared_ptr<ParseNet> parser;         // null: the same soft square mask for every face
  std::shared_ptr<RrdbNet> upscaler;        // null: the background stays as it is
};

// Called between and inside the stages with how much of the stage is done (0..1); false cancels the run.
using Progress = std::function<bool(const char* stage, double fraction)>;

struct RestoreOptions {
  Task task = Task::restore;  // what the network was trained for; seg2face needs aligned
  // The picture is one aligned face: no detection, no paste, no upscaler. It keeps its aspect: padded to a square, not
  // squashed; the result has the network's output size along its longer side.
  bool aligned = false;
  DetectionOptions detection;  // threshold, detection size, and which faces to keep (also of given ones)
  double lambda_id = 0.1;      // closed-loop consistency, 0..1; 0: exactly the network's output
  double alpha = 1;            // restored * alpha + original * (1 - alpha), 0..1
  int tile_size = 0;           // background upscaler, input pixels; 0: in one piece
  // Most faces in one forward(); 0: 2 to 4 on the processor, by its threads, on a device as many as memory_limit
  // allows. Where their memory is refused there are fewer, and a note says so.
  int batch = 0;
  // Bytes for the network's activations; one face is always tried. On a device half of its free memory, if that is
  // more.
  size_t memory_limit = size_t{1} << 29;
  uint64_t seed = 0;        // noise of networks whose output is larger than their input
  bool keep_crops = false;  // fill RestoreResult::crops and restored
  bool draw_boxes = false;  // boxes and landmarks drawn on the result
  bool compare = false;     // fill RestoreResult::comparison
  Progress progress;
};
// Code::usage for a value out of range.
Status check(const RestoreOptions& options);

struct FaceReport {
  Face face;                // pixels of the photo as given (before any upscaling)
  Alignment alignment;      // photo (upscaled, when there is an upscaler) <-> crop of the network's output side
  bool smoothed = false;    // small face: smoothed before pasting
  bool parsed = false;      // mask from the parser
  Degradation degradation;  // what lambda_id > 0 worked with (task restore)
  bool has_degradation = false;
};

struct StageTime {
  std::string stage;  // "upscale", "detect", "align", "restore", "consistency", "parse", "paste"
  double ms = 0;
};

struct RestoreResult {
  Image image;                    // with the photo's alpha
  std::vector<FaceReport> faces;  // in the order of detection
  std::vector<Image> crops;       // keep_crops: each face before, at the network's output side,
  std::vector<Image> restored;    // and after (before smoothing and blending)
  Image comparison;               // compare: before | after
  std::vector<StageTime> times;
  std::vector<std::string> notes;  // what a person should know: "no face found", ...
};

struct PhotoTask {
  const Image* photo = nullptr;
  // Faces to restore instead of detecting them (landmarks and boxes in photo pixels); null: detect.
  const std::vector<Face>* given = nullptr;
};

class Restorer {
 public:
  Restorer(Models models, std::shared_ptr<ThreadPool> pool);

  // given: faces to restore instead of detecting them (landmarks and boxes in photo pixels); null: detect.
  // A photo without a face comes back as it is (upscaled, if there is an upscaler), with a note.
  // Code::usage: options out of range, or neither detector nor faces; Code::memory; Code::cancelled by progress.
  // An aligned picture has one face in its report, the whole picture. One restore() at a time; several Restorers with
  // pools and models (and devices) of their own may run side by side (pipeline/lanes.h, pipeline/distribute.h).
  Result<RestoreResult> restore(const Image& photo, const RestoreOptions& options,
                                const std::vector<Face>* given = nullptr);

  // Several photos whose faces share the network's batches: one result per photo, in order, with the bytes that
  // restore() gives for it alone. One photo's failure leaves the others alone; one that finds no memory beside the
  // others is tried once more by itself. All photos' pictures are held at once. options.progress is told how much of
  // the whole group's stage is done; when it cancels, the photos that are not done have Code::cancelled. The time of
  // a batch is shared out to its photos by their faces.
  std::vector<Result<RestoreResult>> restore_together(std::span<const PhotoTask> photos, const RestoreOptions& options);

  const Models& models() const { return models_; }
  ThreadPool& pool() const { return *pool_; }
  const std::shared_ptr<ThreadPool>& shared_pool() const { return pool_; }

 private:
  Status check(const PhotoTask& task, const RestoreOptions& options) const;

  Models models_;
  std::shared_ptr<ThreadPool> pool_;
  Plane default_mask_;  // of a face without a parser, from the first photo on
};

}  // namespace gpen
