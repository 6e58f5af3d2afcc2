#pragma once
#include <cstdint>

#include "runtime/tensor.h"

namespace gpen {

// How convolutions multiply. Products are always summed in fp32, except in fp16_fast.
enum class Precision : uint8_t {
  fp32,
  bf16,  // weights and inputs rounded to bf16 (8 bits of mantissa); on a GPU activations are stored so as well
  // On a GPU only:
  tf32,  // inputs rounded to 11 bits of mantissa, everything stored in fp32
  fp16,  // weights, inputs and activations in half precision (11 bits)
  // As fp16, and 32 products at a time are summed in half precision: twice the speed on GeForce cards. A sum of 32
  // activations beyond 65504 overflows there.
  fp16_fast,
};
inline const char* name_of(Precision p) {
  constexpr const char* kNames[] = {"fp32", "bf16", "tf32", "fp16", "fp16-fast"};
  return kNames[static_cast<int>(p)];
}
// How a device stores activations.
inline ElementType storage_of(Precision p) {
  if (p == Precision::bf16) return ElementType::bf16;
  return p == Precision::fp16 || p == Precision::fp16_fast ? ElementType::f16 : ElementType::f32;
}

}  // namespace gpen
