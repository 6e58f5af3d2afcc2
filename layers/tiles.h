// A picture in tiles for a network whose sides must be multiples of something: each tile reads a margin beyond every
// side that has a neighbour, the picture is continued by reflection at its right and bottom up to the multiple, and
// what the margin and the continuation produced is dropped.
#pragma once
#include <vector>

#include "runtime/tensor.h"

namespace gpen {

struct Tile {
  int64_t y0, x0, y1, x1;                      // the pixels it is responsible for, inside the picture
  int64_t read_y0, read_x0, read_y1, read_x1;  // the pixels it reads; right and bottom may lie beyond the picture
};

// Tiles of `tile` x `tile` pixels (0: one piece), those that read regions of one shape one after the other: a network
// plans its memory anew for another shape. Tile side and margin are rounded up to the multiple, so
// that every read region starts and ends on one.
std::vector<Tile> plan_tiles(int64_t h, int64_t w, int64_t tile, int64_t margin, int64_t multiple);

// The read region of a planar 1 x c x h x w picture, mirrored without repeating the edge; the view points into *memory.
TensorView cut_reflected(const TensorView& picture, const Tile& t, std::vector<float>* memory);
// Writes the tile's own pixels, enlarged `scale` times, from the enlarged read region to the enlarged picture.
void paste_centre(const TensorView& enlarged, const Tile& t, int64_t scale, const TensorView& picture);

}  // namespace gpen
