#include "bench/problems.h"

#include <fstream>

namespace gpen::bench {

namespace {

constexpr Kind kKinds[] = {Kind::conv, Kind::down, Kind::up};
constexpr int64_t kMaxChannels = 1 << 14, kMaxSide = 1 << 13;

Result<Problem> parse_line(const std::string& line) {
  std::istringstream words(line);
  std::string kind, last, rest;
  Problem p;
  const bool complete = static_cast<bool>(words >> kind >> p.name >> p.in >> p.feature >> p.out >> p.side);
  p.stem = words >> last && last == "stem";
  if (!complete || (!last.empty() && !p.stem) || words >> rest)
    return fail(Code::usage, "expected KIND NAME IN FEATURE OUT SIDE [stem]");
  bool known = false;
  for (const Kind k : kKinds) {
    if (kind != name_of(k)) continue;
    p.kind = k;
    known = true;
  }
  if (!known) return fail(Code::usage, "no kind \"", kind, "\"; known: conv, down, up");
  if (p.in < 1 || p.in > kMaxChannels || p.out < 1 || p.out > kMaxChannels || p.side < 1 || p.side > kMaxSide)
    return fail(Code::usage, "channels are 1 to ", kMaxChannels, ", sides 1 to ", kMaxSide);
  if (p.feature < 0 || p.feature >= p.in)
    return fail(Code::usage, "of ", p.in, " input channels ", p.feature, " cannot come from the encoder");
  if (p.feature > 0 && !p.styled()) return fail(Code::usage, kind, " takes no channels from the encoder");
  if (p.kind == Kind::down && p.side % 2 != 0) return fail(Code::usage, "down halves an even side");
  return p;
}

}  // namespace

const char* name_of(Kind kind) {
  switch (kind) {
    case Kind::conv:
      return "conv";
    case Kind::down:
      return "down";
    case Kind::up:
      return "up";
  }
  return "?";
}

ConvGeometry Problem::geometry() const {
  ConvGeometry g;
  g.in_channels = in;
  g.out_channels = out;
  g.pad = kind == Kind::conv ? 1 : 0;
  if (kind == Kind::down) {
    g.stride = 2;
    g.blur_pad = 2;
  }
  return g;
}

Result<std::vector<Problem>> read_problems(const std::string& path) {
  std::ifstream file(path);
  if (!file) return fail(Code::io, path, ": cannot be read");
  std::vector<Problem> problems;
  int number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    const size_t start = line.find_first_not_of(" \t\r");
    if (start == std::string::npos || line[start] == '#') continue;
    Result<Problem> p = parse_line(line);
    if (!p.ok()) return p.status().in(concat(path, ":", number));
    problems.push_back(std::move(*p));
  }
  if (file.bad()) return fail(Code::io, path, ": cannot be read");
  if (problems.empty()) return fail(Code::usage, path, ": no problems in it");
  return problems;
}

double direct_multiplies(const Problem& p) {
  const int64_t side = p.kind == Kind::up ? p.side : p.out_side();
  return static_cast<double>(p.in * p.out * 9) * static_cast<double>(side * side);
}

double true_multiplies(const Problem& p, ConvAlgorithm algorithm) {
  const double channels = static_cast<double>(p.in * p.out);
  auto tiled = [&](int64_t positions, int64_t tile, double multiplies) {
    const auto tiles = static_cast<double>(ceil_div(positions, tile));
    return channels * tiles * tiles * multiplies;
  };
  if (algorithm == ConvAlgorithm::winograd4x4) return tiled(p.out_side(), 4, 36);
  if (algorithm == ConvAlgorithm::nested3x2) return tiled(p.kind == Kind::up ? p.side + 1 : p.out_side(), 3, 49);
  if (p.kind == Kind::up) {
    // Four phases with 2x2, 2x1, 1x2 and 1x1 taps; the even ones have one position more in their direction.
    const auto taps = static_cast<double>(2 * (p.side + 1) + p.side);
    return channels * taps * taps;
  }
  return direct_multiplies(p);
}

}  // namespace gpen::bench
