// Which instruction set the vector kernels run on, chosen at run time by CPUID; GPEN_ISA forces one by its name:
// avx512_bf16, avx512, avx2, neon, generic.
#pragma once
#include <string>
#include <vector>

#include "kernels/isa_kernels.h"
#include "runtime/status.h"

namespace gpen {

// The table in use. Chosen once, at the first call; an unusable GPEN_ISA is reported by check_isa() and ignored here.
const IsaKernels& isa_kernels();
const char* isa_name();  // its name
// Code::device when GPEN_ISA names an instruction set that this machine or build lacks.
Status check_isa();
std::vector<std::string> available_isas();  // best first, registered ones last
// For tests and bench: makes `name` the table in use for weights packed from now on. Code::device when unavailable.
Status force_isa(const std::string& name);
// For tests: a table that force_isa() and available_isas() know from now on, and that is never chosen by itself. Kept
// by address; not while other threads compute.
void register_isa(const IsaKernels* kernels);

}  // namespace gpen
