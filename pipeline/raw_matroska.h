// Raw pictures with their times, as a Matroska stream that ffmpeg reads from a pipe (RFC 9559; codec V_UNCOMPRESSED).
// A plain raw stream would have no times, and a video's frames need not be evenly spaced.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace gpen {

// What comes first. deep: 48-bit little-endian RGB, else 24-bit. frame_ns: the usual time between two frames.
std::vector<uint8_t> raw_matroska_header(int width, int height, bool deep, int64_t frame_ns);
// What comes before the `bytes` of every picture: its time in nanoseconds (rising, at least 0).
std::vector<uint8_t> raw_matroska_frame(int64_t time_ns, size_t bytes);

}  // namespace gpen
