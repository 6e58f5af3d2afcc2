#include "app/serve/page_policy.h"

#include "app/serve/base64.h"
#include "app/serve/embedded.h"
#include "weights/sha256.h"

namespace gpen::serve {

namespace {

// Bytes from lower-case hexadecimal digits.
std::string from_hex(const std::string& hex) {
  const auto value = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) bytes += static_cast<char>(value(hex[i]) << 4 | value(hex[i + 1]));
  return bytes;
}

// The source expression of what stands between <tag> and </tag>.
std::string hash_of(const std::string& tag) {
  const size_t begin = kPage.find("<" + tag + ">") + tag.size() + 2, end = kPage.find("</" + tag + ">", begin);
  Sha256 sha;
  sha.update(kPage.data() + begin, end - begin);
  return "'sha256-" + to_base64(from_hex(sha.hex_digest())) + "'";
}

}  // namespace

const std::string& page_policy() {
  static const std::string policy = "default-src 'none'; script-src " + hash_of("script") + "; style-src " +
                                    hash_of("style") +
                                    "; img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; "
                                    "form-action 'none'; frame-ancestors 'none'";
  return policy;
}

}  // namespace gpen::serve
