// Whether the program under test is instrumented: what it weighs and takes says nothing then.
#pragma once

namespace gpen::test {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace gpen::test
