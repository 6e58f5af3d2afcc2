// Numbers that the host's code and the device's share.
#pragma once

namespace gpen {

inline constexpr float kSqrt2 = 1.41421356237309515f;  // GPEN's gain behind an activation, and of its feature half

}  // namespace gpen
