// Walking over the segments of a JPEG file (ITU-T T.81, annex B), bounds-checked.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "runtime/status.h"

namespace gpen {

// Calls visit(marker, body) for every segment with a length, in the order of the file, behind the starts of scans too
// (compressed data holds no markers but restarts); body reaches to the end of the file when the stated length does.
// Stops at the end of the picture or of the file, or when visit returns false.
void for_each_jpeg_segment(std::span<const uint8_t> file,
                           const std::function<bool(uint8_t marker, std::span<const uint8_t> body)>& visit);

// Code::io, with the name of the process, for what is not decoded: lossless, hierarchical and arithmetic-coded JPEG,
// and samples of other than 8 bits.
Status check_jpeg_process(std::span<const uint8_t> file);

// Four components without Adobe's marker: CMYK as printers count, 0 is no ink. With the marker it is inverted.
bool is_plain_cmyk_jpeg(std::span<const uint8_t> file);

// Whether it is sent in several passes, so that a decoder keeps all coefficients until the last.
bool is_progressive_jpeg(std::span<const uint8_t> file);

// A Huffman table has at most 256 codes; stb_image 2.27 does not check and would write behind its table.
// Code::io when a table claims more.
Status check_jpeg_tables(std::span<const uint8_t> file);

}  // namespace gpen
