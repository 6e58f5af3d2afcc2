#include "pipeline/jpeg_metadata.h"

#include <algorithm>
#include <string_view>

#include "pipeline/jpeg_markers.h"

namespace gpen {

namespace {

using namespace std::string_view_literals;
using Bytes = std::span<const uint8_t>;

constexpr uint8_t kApp0 = 0xE0, kApp1 = 0xE1, kApp2 = 0xE2, kApp13 = 0xED, kComment = 0xFE, kStartOfScan = 0xDA;
constexpr std::string_view kJfif = "JFIF\0"sv, kExif = "Exif\0\0"sv, kXmp = "http://ns.adobe.com/xap/1.0/\0"sv,
                           kMoreXmp = "http://ns.adobe.com/xmp/extension/\0"sv, kIcc = "ICC_PROFILE\0"sv;
constexpr size_t kIccPiece = kMaxSegment - kIcc.size() - 2;

bool starts_with(Bytes body, std::string_view name) {
  return body.size() >= name.size() && std::equal(name.begin(), name.end(), body.begin());
}

std::vector<uint8_t> behind(Bytes body, std::string_view name) {
  return std::vector<uint8_t>(body.begin() + static_cast<ptrdiff_t>(name.size()), body.end());
}

Density jfif_density(Bytes body) {  // name (5), version (2), unit (1), x (2), y (2)
  if (body.size() < 12) return {};
  constexpr Density::Unit kUnits[] = {Density::Unit::none, Density::Unit::inch, Density::Unit::centimetre};
  if (body[7] > 2) return {};
  return {uint32_t{body[8]} << 8 | body[9], uint32_t{body[10]} << 8 | body[11], kUnits[body[7]]};
}

// A profile comes in pieces "number of count", counted from 1; their order in the file is not promised.
std::vector<uint8_t> join(const std::vector<Bytes>& pieces) {
  std::vector<uint8_t> profile;
  const size_t count = pieces.front()[1];
  if (pieces.size() != count) return {};
  for (size_t number = 1; number <= count; ++number) {
    const auto piece =
        std::find_if(pieces.begin(), pieces.end(), [&](Bytes p) { return p[0] == number && p[1] == count; });
    if (piece == pieces.end()) return {};
    profile.insert(profile.end(), piece->begin() + 2, piece->end());
  }
  return profile;
}

void append_segment(std::vector<uint8_t>* out, uint8_t marker, std::string_view name, Bytes data) {
  const size_t length = 2 + name.size() + data.size();
  out->insert(out->end(), {0xFF, marker, static_cast<uint8_t>(length >> 8), static_cast<uint8_t>(length)});
  out->insert(out->end(), name.begin(), name.end());
  out->insert(out->end(), data.begin(), data.end());
}

void append_jfif(std::vector<uint8_t>* out, Density density) {
  if (density.unit == Density::Unit::metre) density = converted(density, Density::Unit::inch);
  uint8_t unit = density.unit == Density::Unit::inch ? 1 : density.unit == Density::Unit::centimetre ? 2 : 0;
  if (density.empty() || density.x > 0xFFFF || density.y > 0xFFFF) {  // not stated
    density = {1, 1, Density::Unit::none};
    unit = 0;
  }
  const auto high = [](uint32_t v) { return static_cast<uint8_t>(v >> 8); };
  const auto low = [](uint32_t v) { return static_cast<uint8_t>(v); };
  const uint8_t body[] = {1, 1, unit, high(density.x), low(density.x), high(density.y), low(density.y),
                          0, 0};  // version 1.1, no preview
  append_segment(out, kApp0, kJfif, body);
}

void append_profile(std::vector<uint8_t>* out, Bytes icc) {
  const size_t count = (icc.size() + kIccPiece - 1) / kIccPiece;
  if (count == 0 || count > 255) return;
  for (size_t number = 1; number <= count; ++number) {
    const size_t at = (number - 1) * kIccPiece, bytes = std::min(kIccPiece, icc.size() - at);
    std::vector<uint8_t> piece{static_cast<uint8_t>(number), static_cast<uint8_t>(count)};
    piece.insert(piece.end(), icc.begin() + static_cast<ptrdiff_t>(at),
                 icc.begin() + static_cast<ptrdiff_t>(at + bytes));
    append_segment(out, kApp2, kIcc, piece);
  }
}

}  // namespace

Metadata read_jpeg_metadata(Bytes file) {
  Metadata m;
  std::vector<Bytes> profile;
  const auto keep = [&](const char* type, Bytes body) {
    if (m.jpeg_segments.size() < kMaxBlocks) m.jpeg_segments.push_back({type, {body.begin(), body.end()}});
  };
  for_each_jpeg_segment(file, [&](uint8_t marker, Bytes body) {
    if (marker == kApp0 && starts_with(body, kJfif) && m.density.empty()) m.density = jfif_density(body);
    if (marker == kApp1 && starts_with(body, kExif) && m.exif.empty()) m.exif = behind(body, kExif);
    if (marker == kApp1 && starts_with(body, kXmp) && m.xmp.empty()) m.xmp = behind(body, kXmp);
    if (marker == kApp1 && starts_with(body, kMoreXmp)) keep("APP1", body);
    if (marker == kApp2 && starts_with(body, kIcc) && body.size() > kIcc.size() + 2 && profile.size() < 256)
      profile.push_back(body.subspan(kIcc.size()));
    if (marker == kApp13) keep("APP13", body);
    if (marker == kComment) keep("COM", body);
    return marker != kStartOfScan;
  });
  if (!profile.empty()) m.icc = join(profile);
  if (!profile.empty() && profile_colour_space(m.icc).empty()) {
    m.icc.clear();
    m.notes.push_back("the ICC profile is damaged: it is left out");
  }
  return m;
}

std::optional<Bytes> text_comment(const Metadata::Block& chunk) {
  const std::string_view keyword = chunk.type == "iTXt" ? "Comment\0\0\0\0\0"sv : "Comment\0"sv;
  if ((chunk.type != "tEXt" && chunk.type != "iTXt") || !starts_with(chunk.data, keyword) ||
      chunk.data.size() - keyword.size() > kMaxSegment)
    return std::nullopt;
  return Bytes(chunk.data).subspan(keyword.size());
}

std::vector<uint8_t> with_metadata(Bytes jpeg, const Metadata& m, int channels) {
  std::vector<uint8_t> out(jpeg.begin(), jpeg.begin() + 2);  // SOI
  size_t rest = 2;
  if (jpeg.size() > 6 && jpeg[2] == 0xFF && jpeg[3] == kApp0) rest += 2 + (size_t{jpeg[4]} << 8 | jpeg[5]);
  append_jfif(&out, m.density);
  if (!m.exif.empty() && m.exif.size() <= kMaxJpegExif) append_segment(&out, kApp1, kExif, m.exif);
  if (!m.xmp.empty() && m.xmp.size() <= kMaxJpegXmp) append_segment(&out, kApp1, kXmp, m.xmp);
  if (profile_fits(m.icc, channels)) append_profile(&out, m.icc);
  for (const Metadata::Block& s : m.jpeg_segments) {
    if (s.data.size() > kMaxSegment) continue;
    append_segment(&out, s.type == "APP1" ? kApp1 : s.type == "APP13" ? kApp13 : kComment, "", s.data);
  }
  for (const Metadata::Block& chunk : m.png_chunks)
    if (const std::optional<Bytes> text = text_comment(chunk)) append_segment(&out, kComment, "", *text);
  out.insert(out.end(), jpeg.begin() + static_cast<ptrdiff_t>(std::min(rest, jpeg.size())), jpeg.end());
  return out;
}

}  // namespace gpen
