// The border of the C API: what every entry does with errors and exceptions.
#pragma once
#include <cstring>
#include <exception>
#include <new>

#include "gpen/gpen.h"
#include "runtime/status.h"

namespace gpen::capi {

gpen_status status_of(Code code);
// Keeps the message for gpen_last_error() on this thread, without allocating, and returns its number.
gpen_status remember(const Status& status);
gpen_status remember(gpen_status status, const char* message);

// Runs what an entry does, fn() -> Status, and lets nothing out but a number.
template <class Fn>
gpen_status entry(Fn&& fn) noexcept {
  try {
    return remember(fn());
  } catch (const std::bad_alloc&) {
    return remember(GPEN_ERROR_MEMORY, "out of memory");
  } catch (const std::exception& e) {
    return remember(GPEN_ERROR_INTERNAL, e.what());
  } catch (...) {
    return remember(GPEN_ERROR_INTERNAL, "an exception of unknown type");
  }
}

inline Status need(const void* argument, const char* name) {
  return argument != nullptr ? Status() : fail(Code::usage, name, " is NULL");
}

// Reads a struct with a size in front that the caller's header may have made shorter (the rest keeps the defaults) or
// longer (what is not known here must be zero). `params` holds the defaults.
template <class T>
Status read_params(const T* given, size_t oldest_size, const char* name, T* params) {
  if (given == nullptr) return {};
  if (given->size < oldest_size)
    return fail(Code::usage, name, "->size is ", given->size, ", expected at least ", oldest_size,
                ": fill it with its default_params()");
  const auto* bytes = reinterpret_cast<const unsigned char*>(given);
  for (size_t i = sizeof(T); i < given->size; ++i) {
    if (bytes[i] != 0) return fail(Code::usage, name, " uses a member that this library (", gpen_version(), ") lacks");
  }
  std::memcpy(static_cast<void*>(params), bytes, given->size < sizeof(T) ? given->size : sizeof(T));
  params->size = sizeof(T);
  return {};
}

// Fills such a struct: as much as the caller has room for, zeros beyond what is known here.
template <class T>
void write_params(T values, void* to, size_t size) {
  std::memset(to, 0, size);
  values.size = size;
  std::memcpy(to, &values, size < sizeof(T) ? size : sizeof(T));
}

}  // namespace gpen::capi
