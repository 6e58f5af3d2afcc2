# The benchmarks of a device. cuBLAS and cuDNN are peers to compare with, no part of the product: they are used where
# they are found, in the toolkit, else in the folders of GPEN_CUDA_PEERS (of PyTorch's wheels, for example, which bring
# both along under names that a linker does not look for).
set(GPEN_CUDA_PEERS "" CACHE STRING "Folders with include and lib of cuBLAS and cuDNN, for the benchmarks only")
find_library(GPEN_CUBLAS_LIBRARY NAMES cublas libcublas.so.13 libcublas.so.12 HINTS ${CUDAToolkit_LIBRARY_DIR}
  PATHS ${GPEN_CUDA_PEERS} PATH_SUFFIXES lib)
find_path(GPEN_CUBLAS_INCLUDE_DIR cublas_v2.h HINTS ${CUDAToolkit_INCLUDE_DIRS} PATHS ${GPEN_CUDA_PEERS}
  PATH_SUFFIXES include)
find_library(GPEN_CUDNN_LIBRARY NAMES cudnn libcudnn.so.9 HINTS ${CUDAToolkit_LIBRARY_DIR} PATHS ${GPEN_CUDA_PEERS}
  PATH_SUFFIXES lib)
find_path(GPEN_CUDNN_INCLUDE_DIR cudnn.h HINTS ${CUDAToolkit_INCLUDE_DIRS} PATHS ${GPEN_CUDA_PEERS}
  PATH_SUFFIXES include)

if(GPEN_CUBLAS_LIBRARY AND GPEN_CUBLAS_INCLUDE_DIR)
  set(gpen_cublas ON)
else()
  set(gpen_cublas OFF)
  message(STATUS "No cuBLAS: the benchmarks of a device have no matrix rate to compare with")
endif()

add_library(gpen_bench_gpu STATIC gpu_layer.cpp gpu_timer.cpp gpu_options.cpp
  $<IF:$<BOOL:${gpen_cublas}>,peer_cublas.cpp,peer_cublas_none.cpp>)
target_link_libraries(gpen_bench_gpu PUBLIC gpen_bench gpen_cuda CUDA::cudart_static)
target_include_directories(gpen_bench_gpu SYSTEM PUBLIC ${CUDAToolkit_INCLUDE_DIRS})
if(gpen_cublas)
  target_include_directories(gpen_bench_gpu SYSTEM PRIVATE ${GPEN_CUBLAS_INCLUDE_DIR})
  target_link_libraries(gpen_bench_gpu PRIVATE ${GPEN_CUBLAS_LIBRARY})
endif()
if(TARGET gpen_gpu_emulated)  # of the tests: --device emulated checks the programs where there is no device
  target_link_libraries(gpen_bench_gpu PUBLIC gpen_gpu_emulated)
  target_compile_definitions(gpen_bench_gpu PRIVATE GPEN_BENCH_EMULATED)
endif()

foreach(name bench_gpu_conv2d bench_gpu_fusions bench_gpu_network)
  add_executable(${name} ${name}.cpp)
  target_link_libraries(${name} PRIVATE gpen_bench_gpu)
  target_compile_definitions(${name} PRIVATE GPEN_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
endforeach()

if(gpen_cublas AND GPEN_CUDNN_LIBRARY AND GPEN_CUDNN_INCLUDE_DIR)
  add_executable(bench_cudnn bench_cudnn.cpp peer_cudnn.cpp)
  target_link_libraries(bench_cudnn PRIVATE gpen_bench_gpu ${GPEN_CUDNN_LIBRARY})
  target_include_directories(bench_cudnn SYSTEM PRIVATE ${GPEN_CUDNN_INCLUDE_DIR})
  target_compile_definitions(bench_cudnn PRIVATE GPEN_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
else()
  message(STATUS "No cuDNN (or no cuBLAS): bench_cudnn is not built")
endif()
