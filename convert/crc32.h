// CRC-32 of zip members (polynomial 0xedb88320, reflected).
#pragma once
#include <cstdint>

#include "convert/byte_reader.h"

namespace gpen {

uint32_t crc32(Bytes bytes);

}  // namespace gpen
