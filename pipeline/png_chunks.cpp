#include "pipeline/png_chunks.h"

#include <algorithm>
#include <array>

#include "pipeline/deflate.h"
#include "pipeline/jpeg_metadata.h"
#include "weights/utf8.h"

namespace gpen {

namespace {

using namespace std::string_view_literals;
using Bytes = std::span<const uint8_t>;

constexpr std::string_view kXmpKeyword = "XML:com.adobe.xmp\0"sv;

constexpr std::array<uint32_t, 256> kCrcTable = [] {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int k = 0; k < 8; ++k) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
    table[i] = crc;
  }
  return table;
}();

uint32_t crc32(Bytes bytes) {
  uint32_t crc = ~0u;
  for (const uint8_t b : bytes) crc = crc >> 8 ^ kCrcTable[(crc ^ b) & 0xFF];
  return ~crc;
}

uint32_t u32(Bytes b, size_t at) {
  return uint32_t{b[at]} << 24 | uint32_t{b[at + 1]} << 16 | uint32_t{b[at + 2]} << 8 | b[at + 3];
}

void append_u32(std::vector<uint8_t>* out, uint32_t v) {
  for (int shift = 24; shift >= 0; shift -= 8) out->push_back(static_cast<uint8_t>(v >> shift));
}

void append(std::vector<uint8_t>* out, std::string_view text) { out->insert(out->end(), text.begin(), text.end()); }

std::vector<uint8_t> copy(Bytes b) { return std::vector<uint8_t>(b.begin(), b.end()); }

bool starts_with(Bytes body, std::string_view name) {
  return body.size() >= name.size() && std::equal(name.begin(), name.end(), body.begin());
}

// name, 0, method 0, zlib stream
void read_profile(Bytes body, Metadata* m) {
  const auto name_end = std::find(body.begin(), body.end(), 0);
  const auto at = static_cast<size_t>(name_end - body.begin());
  if (name_end != body.end() && at + 2 < body.size() && body[at + 1] == 0)
    m->icc = zlib_inflate(body.subspan(at + 2), kMaxProfileBytes);
  if (!profile_colour_space(m->icc).empty()) return;
  m->icc.clear();
  m->notes.push_back("the ICC profile is damaged or too large: it is left out");
}

// keyword, 0, compressed?, method, language, 0, translated keyword, 0, text. Empty when that is not what is there.
std::vector<uint8_t> international_text(Bytes body) {
  const auto next = [&](size_t from) {
    return static_cast<size_t>(
               std::find(body.begin() + static_cast<ptrdiff_t>(std::min(from, body.size())), body.end(), 0) -
               body.begin()) +
           1;
  };
  const size_t flags = next(0), text = next(next(flags + 2));
  if (text > body.size()) return {};
  if (body[flags] == 0) return copy(body.subspan(text));
  return body[flags + 1] == 0 ? zlib_inflate(body.subspan(text), kMaxProfileBytes) : std::vector<uint8_t>();
}

void read_density(Bytes body, Metadata* m) {
  if (body.size() == 9 && body[8] <= 1)
    m->density = {u32(body, 0), u32(body, 4), body[8] == 1 ? Density::Unit::metre : Density::Unit::none};
}

}  // namespace

void for_each_png_chunk(Bytes file, const std::function<bool(std::string_view, Bytes)>& visit) {
  constexpr size_t kSignature = 8, kAround = 12;  // length, type, checksum
  Bytes rest = file.subspan(std::min(kSignature, file.size()));
  while (rest.size() >= kAround) {
    const size_t length = u32(rest, 0);
    if (length > rest.size() - kAround) return;
    const std::string_view type(reinterpret_cast<const char*>(rest.data()) + 4, 4);
    const bool sound = crc32(rest.subspan(4, 4 + length)) == u32(rest, 8 + length);
    if (sound && !visit(type, rest.subspan(8, length))) return;
    if (type == "IEND") return;
    rest = rest.subspan(kAround + length);
  }
}

void append_png_chunk(std::vector<uint8_t>* out, std::string_view type, Bytes body) {
  append_u32(out, static_cast<uint32_t>(body.size()));
  const size_t checked = out->size();
  append(out, type);
  out->insert(out->end(), body.begin(), body.end());
  append_u32(out, crc32(Bytes(*out).subspan(checked)));
}

Metadata read_png_metadata(Bytes file) {
  Metadata m;
  size_t text_bytes = 0;
  bool full = false;
  for_each_png_chunk(file, [&](std::string_view type, Bytes body) {
    const bool text = type == "tEXt" || type == "zTXt" || type == "iTXt";
    if (type == "eXIf" && m.exif.empty()) {
      m.exif = copy(starts_with(body, "Exif\0\0"sv) ? body.subspan(6) : body);
    } else if (type == "iCCP" && m.icc.empty()) {
      read_profile(body, &m);
    } else if (type == "pHYs") {
      read_density(body, &m);
    } else if (type == "iTXt" && starts_with(body, kXmpKeyword) && m.xmp.empty()) {
      m.xmp = international_text(body);
      if (m.xmp.empty()) m.notes.push_back("the XMP packet is damaged or too large: it is left out");
    } else if (is_colour_chunk(type) || text) {
      text_bytes += body.size();
      full = full || text_bytes > kMaxTextBytes || m.png_chunks.size() == kMaxBlocks;
      if (!full) m.png_chunks.push_back({std::string(type), copy(body)});
    }
    return true;
  });
  if (full) m.notes.push_back("the PNG holds too many or too long texts: some are left out");
  return m;
}

void append_png_metadata(std::vector<uint8_t>* out, const Metadata& m, int channels) {
  const bool with_profile = profile_fits(m.icc, channels);
  for (const Metadata::Block& chunk : m.png_chunks)
    if (is_colour_chunk(chunk.type)) append_png_chunk(out, chunk.type, chunk.data);
  if (with_profile) {
    std::vector<uint8_t> body;
    append(&body, "ICC Profile\0\0"sv);  // a name, and method 0
    const std::vector<uint8_t> packed = zlib_deflate(m.icc);
    body.insert(body.end(), packed.begin(), packed.end());
    append_png_chunk(out, "iCCP", body);
  }
  // A ratio of 1 without a unit says nothing.
  if (!m.density.empty() && !(m.density.unit == Density::Unit::none && m.density.x == m.density.y)) {
    const Density density = converted(m.density, Density::Unit::metre);
    std::vector<uint8_t> body;
    append_u32(&body, density.x);
    append_u32(&body, density.y);
    body.push_back(density.unit == Density::Unit::metre);
    append_png_chunk(out, "pHYs", body);
  }
  if (!m.exif.empty()) append_png_chunk(out, "eXIf", m.exif);
  if (!m.xmp.empty()) {
    std::vector<uint8_t> body;
    append(&body, kXmpKeyword);
    append(&body, "\0\0\0\0"sv);  // not compressed, no language, no translated keyword
    body.insert(body.end(), m.xmp.begin(), m.xmp.end());
    append_png_chunk(out, "iTXt", body);
  }
  for (const Metadata::Block& chunk : m.png_chunks)
    if (!is_colour_chunk(chunk.type)) append_png_chunk(out, chunk.type, chunk.data);
  for (const Metadata::Block& segment : m.jpeg_segments) {
    if (segment.type != "COM") continue;
    // A text chunk ends at a NUL; comments often end with one.
    const Bytes text =
        Bytes(segment.data)
            .first(static_cast<size_t>(std::find(segment.data.begin(), segment.data.end(), 0) - segment.data.begin()));
    const bool ascii = std::all_of(text.begin(), text.end(), [](uint8_t byte) { return byte < 0x80; });
    // tEXt is Latin-1, iTXt UTF-8.
    const bool utf8 = !ascii && is_utf8({reinterpret_cast<const char*>(text.data()), text.size()});
    std::vector<uint8_t> body;
    append(&body, utf8 ? "Comment\0\0\0\0\0"sv : "Comment\0"sv);
    body.insert(body.end(), text.begin(), text.end());
    append_png_chunk(out, utf8 ? "iTXt" : "tEXt", body);
  }
}

}  // namespace gpen
