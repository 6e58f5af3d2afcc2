#pragma once
#include <optional>

#include "gpen/gpen.h"
#include "pipeline/restore.h"

struct gpen_result {
  gpen::RestoreResult found;                               // of gpen_detect(): faces only
  std::vector<std::optional<gpen::Alignment>> alignments;  // as many as faces
  int crop_size = 0;
};
