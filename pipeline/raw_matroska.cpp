#include "pipeline/raw_matroska.h"

#include <string_view>

namespace gpen {
namespace {

using Bytes = std::vector<uint8_t>;

// Element identifiers are written as they are, with the bytes that they have.
void put_id(Bytes* out, uint32_t id) {
  for (int shift = 24; shift >= 0; shift -= 8)
    if (const uint32_t rest = id >> shift; rest != 0) out->push_back(static_cast<uint8_t>(rest));
}

void put_big_endian(Bytes* out, uint64_t value, int bytes) {
  for (int i = bytes - 1; i >= 0; --i) out->push_back(static_cast<uint8_t>(value >> (8 * i)));
}

// A size in eight bytes: a leading 1 says how many there are.
void put_size(Bytes* out, uint64_t size) { put_big_endian(out, size | (uint64_t{1} << 56), 8); }

void put_number(Bytes* out, uint32_t id, uint64_t value) {
  put_id(out, id);
  put_size(out, 8);
  put_big_endian(out, value, 8);
}

void put_bytes(Bytes* out, uint32_t id, std::string_view bytes) {
  put_id(out, id);
  put_size(out, bytes.size());
  out->insert(out->end(), bytes.begin(), bytes.end());
}

void put_master(Bytes* out, uint32_t id, const Bytes& content) {
  put_id(out, id);
  put_size(out, content.size());
  out->insert(out->end(), content.begin(), content.end());
}

}  // namespace

Bytes raw_matroska_header(int width, int height, bool deep, int64_t frame_ns) {
  Bytes out, ebml, info, video, track, tracks;
  put_number(&ebml, 0x4286, 1);  // EBMLVersion
  put_number(&ebml, 0x42F7, 1);  // EBMLReadVersion
  put_number(&ebml, 0x42F2, 4);  // EBMLMaxIDLength
  put_number(&ebml, 0x42F3, 8);  // EBMLMaxSizeLength
  put_bytes(&ebml, 0x4282, "matroska");
  put_number(&ebml, 0x4287, 4);  // DocTypeVersion
  put_number(&ebml, 0x4285, 2);  // DocTypeReadVersion
  put_master(&out, 0x1A45DFA3, ebml);

  put_id(&out, 0x18538067);  // Segment, of unknown size: a stream
  put_big_endian(&out, 0x01FFFFFFFFFFFFFF, 8);
  put_number(&info, 0x2AD7B1, 1);  // TimestampScale: times are nanoseconds
  put_bytes(&info, 0x4D80, "gpen");
  put_bytes(&info, 0x5741, "gpen");
  put_master(&out, 0x1549A966, info);

  put_number(&video, 0xB0, static_cast<uint64_t>(width));
  put_number(&video, 0xBA, static_cast<uint64_t>(height));
  put_bytes(&video, 0x2EB524, deep ? std::string_view("RGB0") : std::string_view("RGB\x18"));  // ColourSpace
  put_number(&track, 0xD7, 1);                                                                 // TrackNumber
  put_number(&track, 0x73C5, 1);                                                               // TrackUID
  put_number(&track, 0x83, 1);                                                                 // TrackType: video
  put_number(&track, 0x23E383, static_cast<uint64_t>(frame_ns));                               // DefaultDuration
  put_bytes(&track, 0x86, "V_UNCOMPRESSED");
  put_master(&track, 0xE0, video);
  put_master(&tracks, 0xAE, track);
  put_master(&out, 0x1654AE6B, tracks);
  return out;
}

Bytes raw_matroska_frame(int64_t time_ns, size_t bytes) {
  constexpr size_t kBlockHeader = 4;  // track number, time relative to the cluster (0), flags
  Bytes out, time;
  put_number(&time, 0xE7, static_cast<uint64_t>(time_ns));
  put_id(&out, 0x1F43B675);  // Cluster
  put_size(&out, time.size() + 1 + 8 + kBlockHeader + bytes);
  out.insert(out.end(), time.begin(), time.end());
  put_id(&out, 0xA3);  // SimpleBlock
  put_size(&out, kBlockHeader + bytes);
  for (const int byte : {0x81, 0x00, 0x00, 0x80}) out.push_back(static_cast<uint8_t>(byte));
  return out;
}

}  // namespace gpen
