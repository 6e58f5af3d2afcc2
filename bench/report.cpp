#include "bench/report.h"

#include <fstream>

#include "kernels/isa.h"

namespace gpen::bench {

namespace {

void print_sum(FILE* to, const std::string& title, const std::vector<Row>& rows, const Machine& m) {
  double ms = 0, median_ms = 0, direct = 0, real = 0, bytes = 0;
  for (const Row& row : rows) {
    ms += row.times.min_ms;
    median_ms += row.times.median_ms;
    direct += 2e3 * direct_multiplies(row.problem);
    real += 2e3 * true_multiplies(row.problem, row.algorithm);
    bytes += 1e3 * row.bytes;
  }
  std::fprintf(to, "%-54s %9.3f %9.3f %8.1f %8.1f %6.0f%% %6.0f%% %6.0f%%\n", title.c_str(), ms, median_ms,
               direct / ms / 1e9, real / ms / 1e9, 100 * direct / ms / m.peak, 100 * real / ms / m.peak,
               100 * bytes / ms / m.bandwidth.copy);
}

}  // namespace

void print_machine(FILE* to, const Machine& m) {
  std::fprintf(to, "%s, %s, %d thread%s\n", m.cpu.c_str(), isa_name(), m.threads, m.threads == 1 ? "" : "s");
  std::fprintf(to, "multiply-add peak: %.1f GFLOP/s with 1 thread", m.peak_1 / 1e9);
  if (m.threads > 1) std::fprintf(to, ", %.1f with %d", m.peak / 1e9, m.threads);
  std::fprintf(to, "; memory: read %.1f, copy %.1f GB/s\n", m.bandwidth.read / 1e9, m.bandwidth.copy / 1e9);
  if (m.load > 1) std::fprintf(to, "warning: the load of the machine is %.1f: others compute on it\n", m.load);
}

void print_heading(FILE* to) {
  std::fprintf(to, "%-10s %-9s %-19s %-13s %9s %9s %8s %8s %7s %7s %7s %8s\n", "layer", "kind", "in>out channels,side",
               "algorithm", "min ms", "median", "direct", "true", "direct", "true", "memory", "error");
  std::fprintf(to, "%-10s %-9s %-19s %-13s %9s %9s %8s %8s %7s %7s %7s %8s\n", "", "", "", "", "", "", "GFLOP/s",
               "GFLOP/s", "of peak", "of peak", "of copy", "of rms");
}

void print_row(FILE* to, const Row& row, const Machine& m) {
  const Problem& p = row.problem;
  const std::string shape = concat(p.in, ">", p.out, ",", p.side);
  const std::string kind = concat(name_of(p.kind), p.stem ? "+stem" : "");
  const std::string algorithm = concat(name_of(row.algorithm), row.automatic ? " *" : "");
  std::fprintf(to, "%-10s %-9s %-19s %-13s %9.3f %9.3f %8.1f %8.1f %6.0f%% %6.0f%% %6.0f%% %8.1e\n", p.name.c_str(),
               kind.c_str(), shape.c_str(), algorithm.c_str(), row.times.min_ms, row.times.median_ms,
               row.direct_flops() / 1e9, row.true_flops() / 1e9, 100 * row.direct_flops() / m.peak,
               100 * row.true_flops() / m.peak, 100 * row.bytes_per_second() / m.bandwidth.copy, row.error);
  std::fflush(to);
}

void print_sums(FILE* to, const std::vector<Row>& rows, const Machine& m) {
  std::vector<Row> automatic, fastest;
  for (const Row& row : rows) {
    if (row.automatic) automatic.push_back(row);
    if (fastest.empty() || fastest.back().problem.name != row.problem.name)
      fastest.push_back(row);
    else if (row.times.min_ms < fastest.back().times.min_ms)
      fastest.back() = row;
  }
  if (rows.empty()) return;
  const std::string layers = concat("sum of ", fastest.size(), fastest.size() == 1 ? " layer" : " layers");
  if (automatic.size() == fastest.size()) print_sum(to, layers + ", automatic (*)", automatic, m);
  print_sum(to, layers + ", the fastest timed", fastest, m);
}

Json to_json(const Machine& m) {
  return {{"cpu", m.cpu},
          {"isa", isa_name()},
          {"threads", m.threads},
          {"load", m.load},
          {"peak_1_gflops", m.peak_1 / 1e9},
          {"peak_gflops", m.peak / 1e9},
          {"read_gb_s", m.bandwidth.read / 1e9},
          {"copy_gb_s", m.bandwidth.copy / 1e9}};
}

Json to_json(const Row& row, const Machine& m) {
  const Problem& p = row.problem;
  return {{"layer", p.name},
          {"kind", name_of(p.kind)},
          {"in", p.in},
          {"feature", p.feature},
          {"out", p.out},
          {"side", p.side},
          {"stem", p.stem},
          {"algorithm", name_of(row.algorithm)},
          {"precision", name_of(row.precision)},
          {"automatic", row.automatic},
          {"min_ms", row.times.min_ms},
          {"median_ms", row.times.median_ms},
          {"direct_gflops", row.direct_flops() / 1e9},
          {"true_gflops", row.true_flops() / 1e9},
          {"direct_of_peak", row.direct_flops() / m.peak},
          {"true_of_peak", row.true_flops() / m.peak},
          {"compulsory_mb", row.bytes / 1e6},
          {"memory_of_copy", row.bytes_per_second() / m.bandwidth.copy},
          {"error", row.error}};
}

Status write_json(const Json& json, const std::string& target) {
  const std::string text = json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
  if (target == "-") {
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
      return fail(Code::io, "standard output: cannot write");
    return {};
  }
  std::ofstream file(target, std::ios::binary);
  file << text;
  file.close();
  return file ? Status() : fail(Code::io, target, ": cannot be written");
}

}  // namespace gpen::bench
