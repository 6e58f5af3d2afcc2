# The CUDA backend: kernels/*.cu and what opens a device. It needs a toolkit (nvcc) to build and nothing to start: the CUDA
# runtime is linked statically and looks for the driver when it is asked for a device.
#
#   GPEN_CUDA                 AUTO (when there is an nvcc), ON (an error without one) or OFF
#   GPEN_CUDA_ARCHITECTURES   what to compile for; sm_89 runs what is compiled for sm_86; the last one also as PTX, for
#                             everything newer
set(GPEN_CUDA AUTO CACHE STRING "CUDA backend: AUTO, ON or OFF")
set_property(CACHE GPEN_CUDA PROPERTY STRINGS AUTO ON OFF)
set(GPEN_CUDA_ARCHITECTURES "75-real;80-real;86-real;90" CACHE STRING "Architectures of the CUDA backend")

set(GPEN_WITH_CUDA OFF)
if(NOT GPEN_CUDA STREQUAL OFF)
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    set(CMAKE_CUDA_ARCHITECTURES ${GPEN_CUDA_ARCHITECTURES})
    enable_language(CUDA)
    find_package(CUDAToolkit REQUIRED)
    # CMake before 3.26 does not know that nvcc 12 and newer have C++20.
    if(NOT DEFINED CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
      set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
      set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
    endif()
    set(CMAKE_CUDA_STANDARD 20)
    set(CMAKE_CUDA_STANDARD_REQUIRED ON)
    # Five architectures make a large program: the driver unpacks the one it needs when it loads it.
    if(CMAKE_CUDA_COMPILER_VERSION VERSION_GREATER_EQUAL 12.8)
      string(APPEND CMAKE_CUDA_FLAGS " --compress-mode=size")
    endif()
    # Errors name the file of a kernel as it lies in the source folder, and the program does not know where that was.
    string(APPEND CMAKE_CUDA_FLAGS " -Xcompiler=-fmacro-prefix-map=${PROJECT_SOURCE_DIR}/=")
    set(GPEN_WITH_CUDA ON)
    message(STATUS "CUDA backend: nvcc ${CMAKE_CUDA_COMPILER_VERSION} for ${GPEN_CUDA_ARCHITECTURES}")
  elseif(GPEN_CUDA STREQUAL ON)
    message(FATAL_ERROR "GPEN_CUDA=ON, but there is no CUDA compiler: put nvcc on the PATH or set CMAKE_CUDA_COMPILER")
  else()
    message(STATUS "CUDA backend: left out (no CUDA compiler)")
  endif()
endif()

# What has no use for double rounding of a * b + c: pictures are to come out as the processor's.
set(GPEN_UNFUSED_KERNELS picture picture_mask picture_paste picture_tasks picture_tiles)

# The kernels' sources, one list for the device and the emulation.
file(GLOB GPEN_GPU_KERNELS CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/kernels/*.cu)
