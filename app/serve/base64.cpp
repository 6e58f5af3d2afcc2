#include "app/serve/base64.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace gpen::serve {
namespace {

constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<int8_t, 256> make_values() {
  std::array<int8_t, 256> values{};
  for (int8_t& v : values) v = -1;
  for (size_t i = 0; i < kDigits.size(); ++i)
    values[static_cast<unsigned char>(kDigits[i])] = static_cast<int8_t>(i);
  return values;
}
constexpr std::array<int8_t, 256> kValues = make_values();

}  // namespace

std::string to_base64(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t n = std::min<size_t>(3, bytes.size() - i);
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k) group = group << 8 | (k < n ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    for (size_t k = 0; k < 4; ++k) text += k <= n ? kDigits[group >> (18 - 6 * k) & 63] : '=';
  }
  return text;
}

bool from_base64(std::string_view text, std::string* bytes) {
  bytes->clear();
  bytes->reserve(text.size() / 4 * 3 + 3);
  uint32_t group = 0;
  int digits = 0;
  size_t i = 0;
  for (; i < text.size() && text[i] != '='; ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') continue;
    if (kValues[c] < 0) return false;
    group = group << 6 | static_cast<uint32_t>(kValues[c]);
    if (++digits < 4) continue;
    *bytes += static_cast<char>(group >> 16);
    *bytes += static_cast<char>(group >> 8 & 255);
    *bytes += static_cast<char>(group & 255);
    group = 0;
    digits = 0;
  }
  for (; i < text.size(); ++i) {
    if (text[i] != '=' && text[i] != '\r' && text[i] != '\n' && text[i] != ' ') return false;
  }
  if (digits == 1) return false;
  if (digits >= 2) *bytes += static_cast<char>(group >> (digits == 2 ? 4 : 10) & 255);
  if (digits == 3) *bytes += static_cast<char>(group >> 2 & 255);
  return true;
}

}  // namespace gpen::serve
