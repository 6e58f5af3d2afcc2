# Toolchain: builds for 64-bit Arm Linux (ARMv8-A, NEON is part of it) on another machine, and runs what was built under
# qemu's user-mode emulation, so that ctest works as it does natively. scripts/setup --aarch64 installs what it needs,
# scripts/test-aarch64 does the whole of it; by hand:
#
#   cmake --preset aarch64 && cmake --build --preset aarch64 && ctest --preset aarch64
#
# With clang instead, which takes the same libraries: -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)

set(gpen_target aarch64-linux-gnu)
set(gpen_target_root /usr/${gpen_target})  # Debian's and Ubuntu's place for the target's C and C++ libraries

if(NOT CMAKE_C_COMPILER)
  set(CMAKE_C_COMPILER ${gpen_target}-gcc)
endif()
if(NOT CMAKE_CXX_COMPILER)
  set(CMAKE_CXX_COMPILER ${gpen_target}-g++)
endif()
set(CMAKE_C_COMPILER_TARGET ${gpen_target})  # read for clang alone
set(CMAKE_CXX_COMPILER_TARGET ${gpen_target})
set(CMAKE_CUDA_COMPILER NOTFOUND)  # this machine's nvcc compiles for this machine

# Compiled libraries come from the target's root alone. Header libraries (Eigen, CLI11, nlohmann-json, stb) have no
# architecture and are this machine's: their packages lie in /usr/share and /usr/include, which the cross compiler
# itself searches last, behind the target's own headers. A package with compiled parts lies in a folder named after its
# architecture, so this machine's is not found.
set(CMAKE_FIND_ROOT_PATH ${gpen_target_root})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE BOTH)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE BOTH)

# The plainest processor of the architecture: an instruction that not every one has ends the test.
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -cpu cortex-a53 -L ${gpen_target_root})
