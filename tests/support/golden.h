// Tensors of the golden files as double-precision ones.
#pragma once
#include <string>
#include <vector>

#include "support/reference.h"
#include "weights/weight_store.h"

namespace gpen::test {

// Opens a file of the shared data; fails the test (and gives an empty store) when it cannot be read.
WeightStore golden_store(const std::string& relative);
// Rank 4 as it is; rank 5 with a leading 1 dropped (modulated weights); rank 3 as 1 x c x h x w; rank 2 as n x c x 1 x
// 1, rank 1 as 1 x c x 1 x 1.
Tensor golden_tensor(const WeightStore& store, const std::string& name);
std::vector<double> golden_vector(const WeightStore& store, const std::string& name);
Tensor golden_kernel(const WeightStore& store, const std::string& name);  // rank 2 as 1 x 1 x kh x kw

}  // namespace gpen::test
