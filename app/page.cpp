#include "app/page.h"

#include <algorithm>

#include "weights/sha256.h"

namespace gpen::app {

namespace {

int digit(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

// Base64 of bytes given as lower-case hexadecimal digits.
std::string base64_of_hex(const std::string& hex) {
  static const char* const kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < hex.size(); i += 6) {  // six digits are three bytes are four letters
    unsigned bits = 0;
    for (size_t k = i; k < i + 6; ++k) bits = bits << 4 | static_cast<unsigned>(k < hex.size() ? digit(hex[k]) : 0);
    const size_t letters = std::min<size_t>(4, (hex.size() - i) / 2 + 1);
    for (size_t k = 0; k < 4; ++k) out += k < letters ? kLetters[bits >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

// The source expression of what stands between <tag> and </tag>.
std::string hash_of(const std::string& tag) {
  const std::string_view page = page_html();
  const size_t begin = page.find("<" + tag + ">") + tag.size() + 2, end = page.find("</" + tag + ">", begin);
  Sha256 sha;
  sha.update(page.data() + begin, end - begin);
  return "'sha256-" + base64_of_hex(sha.hex_digest()) + "'";
}

}  // namespace

std::string_view page_html() { return kPage; }

const std::string& page_policy() {
  static const std::string policy = "default-src 'none'; script-src " + hash_of("script") + "; style-src " +
                                    hash_of("style") +
                                    "; img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; "
                                    "form-action 'none'; frame-ancestors 'none'";
  return policy;
}

}  // namespace gpen::app
