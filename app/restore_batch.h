// The photos of `gpen restore` on their way: some threads read and decode ahead, each device takes groups of photos
// whose faces share its network's batches, other threads encode and write what is done.
#pragma once
#include <memory>
#include <vector>

#include "app/report_lines.h"
#include "app/restore_options.h"
#include "app/restore_report.h"

namespace gpen::app {

// What stays the same from photo to photo.
struct RestoreRun {
  RestoreArguments arguments;
  InputSet inputs;
  OutputPlan plan;
  std::vector<Input> read;  // the photos, the landmarks and weights given as files: never written to
  std::vector<Face> given;  // --faces, or those of the bundled example
  bool has_given = false;
  std::unique_ptr<ReportLines> lines;  // --jsonl; null: none
};

struct BatchResult {
  std::vector<PhotoReport> reports;  // in the order of the photos; without those that an interrupt left undone
  double seconds = 0;
};

// Every photo through the pipeline, by the next device that is free. What became of a photo is printed in the order of
// the photos. Code::memory when there is none left to go on with.
Result<BatchResult> restore_batch(const RestoreRun& run, const std::vector<Processor>& places,
                                  const std::vector<LoadedModels>& models);

}  // namespace gpen::app
