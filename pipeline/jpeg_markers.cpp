#include "pipeline/jpeg_markers.h"

#include <algorithm>

namespace gpen {

namespace {
using Bytes = std::span<const uint8_t>;
constexpr uint8_t kStartOfImage = 0xD8, kEndOfImage = 0xD9, kHuffmanTables = 0xC4;

// No length follows: a stuffed zero, TEM, restarts, start of image.
bool stands_alone(uint8_t marker) {
  return marker == 0x00 || marker == 0x01 || (marker >= 0xD0 && marker <= 0xD7) || marker == kStartOfImage;
}
}  // namespace

void for_each_jpeg_segment(Bytes file, const std::function<bool(uint8_t, Bytes)>& visit) {
  Bytes rest = file;
  for (;;) {
    while (!rest.empty() && rest.front() != 0xFF) rest = rest.subspan(1);
    while (!rest.empty() && rest.front() == 0xFF) rest = rest.subspan(1);
    if (rest.empty()) return;
    const uint8_t marker = rest.front();
    rest = rest.subspan(1);
    if (stands_alone(marker)) continue;
    if (marker == kEndOfImage || rest.size() < 2) return;
    const size_t length = size_t{rest[0]} << 8 | rest[1];  // counts its own two bytes
    if (length < 2) return;
    const size_t taken = std::min(length, rest.size());
    if (!visit(marker, rest.subspan(2, taken - 2))) return;
    rest = rest.subspan(taken);
  }
}

Status check_jpeg_process(Bytes file) {
  Status status;
  for_each_jpeg_segment(file, [&](uint8_t marker, Bytes body) {
    const bool frame = marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
    if (!frame) return marker != 0xDA;  // behind the start of a scan there is none
    const int kind = marker & 3, group = marker >> 2 & 3;
    if (group >= 2)
      status = fail(Code::io, "an arithmetic-coded JPEG: convert it to a baseline or progressive one");
    else if (kind == 3)
      status = fail(Code::io, "a lossless JPEG: convert it to a baseline or progressive one, or to PNG");
    else if (group == 1)
      status = fail(Code::io, "a hierarchical JPEG: convert it to a baseline or progressive one");
    else if (!body.empty() && body[0] != 8)
      status = fail(Code::io, "a JPEG of ", int{body[0]}, " bits per sample, only 8 are read: convert it to PNG");
    return false;
  });
  return status;
}

bool is_plain_cmyk_jpeg(Bytes file) {
  constexpr uint8_t kAdobe[] = {'A', 'd', 'o', 'b', 'e'};
  bool adobe = false, four = false;
  for_each_jpeg_segment(file, [&](uint8_t marker, Bytes body) {
    if (marker == 0xEE && body.size() >= 12 && std::equal(kAdobe, kAdobe + 5, body.begin())) adobe = true;
    if (marker >= 0xC0 && marker <= 0xC2 && body.size() >= 6) four = body[5] == 4;
    return marker != 0xDA;
  });
  return four && !adobe;
}

bool is_progressive_jpeg(Bytes file) {
  bool progressive = false;
  for_each_jpeg_segment(file, [&](uint8_t marker, Bytes) {
    progressive = progressive || marker == 0xC2;
    return marker != 0xDA && !progressive;
  });
  return progressive;
}

Status check_jpeg_tables(Bytes file) {
  bool sound = true;
  for_each_jpeg_segment(file, [&](uint8_t marker, Bytes body) {
    constexpr size_t kHeader = 17;  // class and number, then how many codes there are of each length
    while (marker == kHuffmanTables && sound && body.size() >= kHeader) {
      size_t codes = 0;
      for (size_t i = 1; i < kHeader; ++i) codes += body[i];
      sound = codes <= 256;
      body = body.subspan(std::min(body.size(), kHeader + codes));
    }
    if (marker == kHuffmanTables && !body.empty()) sound = false;
    return sound;
  });
  return sound ? Status() : fail(Code::io, "a Huffman table is damaged");
}

}  // namespace gpen
