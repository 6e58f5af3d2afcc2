# What a build holds. docs/building.md has all of these options with what each is worth.
#
#   GPEN_APP       the program
#   GPEN_ISA       instruction sets of x86-64 with kernels of their own; plain vectors are always there
#   GPEN_MINIMAL   nothing but the minimal library, which restores aligned faces (capi/minimal/)
#
# What is left out is not compiled, or dropped by the linker, and says so when it is asked for.
option(GPEN_MINIMAL "Build only the minimal library (aligned faces, no program)" OFF)
option(GPEN_APP "Build the program" ON)
set(GPEN_KNOWN_ISAS avx512_bf16 avx512 avx2)
set(GPEN_ISA "${GPEN_KNOWN_ISAS}" CACHE STRING
  "Instruction sets of x86-64 to compile beside generic: a list of ${GPEN_KNOWN_ISAS}, or generic alone")

if(GPEN_MINIMAL)
  foreach(feature APP SERVER VIDEO TESTS BENCH CUDA)
    set(GPEN_${feature} OFF)
  endforeach()
endif()
if(NOT GPEN_APP)  # `gpen serve` and videos are the program's
  set(GPEN_SERVER OFF)
  set(GPEN_VIDEO OFF)
endif()
foreach(isa ${GPEN_ISA})
  if(NOT isa IN_LIST GPEN_KNOWN_ISAS AND NOT isa STREQUAL "generic")
    message(FATAL_ERROR "GPEN_ISA: ${isa} is none of ${GPEN_KNOWN_ISAS}, generic")
  endif()
endforeach()
# The bf16 table is chosen where the plain one would run, too: a build with it alone would skip every older AVX-512.
if("avx512_bf16" IN_LIST GPEN_ISA AND NOT "avx512" IN_LIST GPEN_ISA)
  message(FATAL_ERROR "GPEN_ISA: avx512_bf16 needs avx512 beside it")
endif()
