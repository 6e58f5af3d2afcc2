#include "capi/entry.h"

#include <algorithm>
#include <cstdlib>

namespace gpen::capi {
namespace {

// A plain array: keeping an error must not be able to fail, and needs no destructor when a thread ends.
constexpr size_t kMessageBytes = 2048;
thread_local char last_error[kMessageBytes] = "";

}  // namespace

gpen_status status_of(Code code) {
  switch (code) {
    case Code::ok:
      return GPEN_OK;
    case Code::usage:
      return GPEN_ERROR_USAGE;
    case Code::model:
      return GPEN_ERROR_MODEL;
    case Code::io:
      return GPEN_ERROR_IO;
    case Code::device:
      return GPEN_ERROR_DEVICE;
    case Code::memory:
      return GPEN_ERROR_MEMORY;
    case Code::cancelled:
      return GPEN_ERROR_CANCELLED;
    case Code::internal:
      return GPEN_ERROR_INTERNAL;
  }
  return GPEN_ERROR_INTERNAL;
}

gpen_status remember(gpen_status status, const char* message) {
  size_t length = std::min(std::strlen(message), kMessageBytes - 1);
  // A character of UTF-8 that would be cut in two is left out.
  if (message[length] != 0) {
    while (length > 0 && (static_cast<unsigned char>(message[length]) & 0xC0u) == 0x80u) --length;
  }
  std::memcpy(last_error, message, length);
  last_error[length] = 0;
  return status;
}

gpen_status remember(const Status& status) { return remember(status_of(status.code()), status.message().c_str()); }

}  // namespace gpen::capi

const char* gpen_version(void) { return GPEN_VERSION; }
int32_t gpen_version_number(void) { return GPEN_VERSION_NUMBER; }

const char* gpen_status_text(gpen_status status) {
  switch (status) {
    case GPEN_OK:
      return "ok";
    case GPEN_ERROR_USAGE:
      return "wrong argument";
    case GPEN_ERROR_MODEL:
      return "model or weights";
    case GPEN_ERROR_IO:
      return "input or output";
    case GPEN_ERROR_DEVICE:
      return "device";
    case GPEN_ERROR_MEMORY:
      return "out of memory";
    case GPEN_ERROR_CANCELLED:
      return "cancelled";
    case GPEN_ERROR_INTERNAL:
      return "internal error";
  }
  return "unknown status";
}

const char* gpen_last_error(void) { return gpen::capi::last_error; }

void gpen_free(void* memory) { std::free(memory); }
