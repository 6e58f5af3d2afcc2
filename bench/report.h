// The table and the JSON of a benchmark.
#pragma once
#include <cstdio>
#include <nlohmann/json.hpp>

#include "bench/layer.h"
#include "bench/measure.h"

namespace gpen::bench {

using Json = nlohmann::ordered_json;

// One layer with one algorithm, checked and timed. Rates are those of the fastest repetition.
struct Row {
  Problem problem;
  ConvAlgorithm algorithm = ConvAlgorithm::direct;
  Precision precision = Precision::fp32;
  bool automatic = false;  // what ConvAlgorithm::automatic takes for this layer
  Times times;
  double bytes = 0;  // compulsory traffic
  double error = 0;

  double direct_flops() const { return 2e3 * direct_multiplies(problem) / times.min_ms; }
  double true_flops() const { return 2e3 * true_multiplies(problem, algorithm) / times.min_ms; }
  double bytes_per_second() const { return 1e3 * bytes / times.min_ms; }
};

void print_machine(FILE* to, const Machine& m);
void print_heading(FILE* to);
void print_row(FILE* to, const Row& row, const Machine& m);
// All layers together: with the algorithm that `automatic` takes, and with the fastest of those timed.
void print_sums(FILE* to, const std::vector<Row>& rows, const Machine& m);

Json to_json(const Machine& m);
Json to_json(const Row& row, const Machine& m);
// "-": stdout. Code::io "FILE: reason".
Status write_json(const Json& json, const std::string& target);

}  // namespace gpen::bench
