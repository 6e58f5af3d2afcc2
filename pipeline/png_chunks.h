// The chunks of a PNG file (ISO/IEC 15948), and the metadata in them.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "pipeline/metadata.h"

namespace gpen {

// Calls visit(type, body) for every chunk that is there completely and whose checksum is right, up to IEND or until
// visit returns false. file starts with the signature.
void for_each_png_chunk(std::span<const uint8_t> file,
                        const std::function<bool(std::string_view type, std::span<const uint8_t> body)>& visit);

// Appends a chunk with its length and checksum. type: four letters.
void append_png_chunk(std::vector<uint8_t>* out, std::string_view type, std::span<const uint8_t> body);

Metadata read_png_metadata(std::span<const uint8_t> file);

// Appends the chunks that belong between IHDR and IDAT. channels: 1 or 3, for which the profile must fit.
void append_png_metadata(std::vector<uint8_t>* out, const Metadata& metadata, int channels);

}  // namespace gpen
