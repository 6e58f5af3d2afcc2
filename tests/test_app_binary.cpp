// What the built program weighs and what it leans on.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>

#include "support/command.h"

namespace gpen::test {
namespace {

// The kernels for CUDA devices come once for every architecture, and with them the CUDA runtime.
bool has_cuda_backend() {
  const CommandLine gpen(GPEN_BINARY);
  return nlohmann::json::parse(gpen({"devices", "--json"}).out)["cuda"]["backend"].get<bool>();
}

TEST(Binary, StrippedIsSmall) {
  if (kSanitized) GTEST_SKIP() << "a sanitized binary is larger";
  CommandLine strip("/usr/bin/strip");
  if (!std::filesystem::exists("/usr/bin/strip")) GTEST_SKIP() << "needs strip";
  ASSERT_EQ(strip({"-o", "stripped", GPEN_BINARY}).code, 0);
  const auto bytes = std::filesystem::file_size(strip / "stripped");
  RecordProperty("stripped_bytes", static_cast<int>(bytes));
  EXPECT_LE(bytes, (has_cuda_backend() ? 8u : 6u) * 1000 * 1000);
}

TEST(Binary, NeedsOnlyTheSystemsLibraries) {
  if (kSanitized) GTEST_SKIP() << "a sanitized binary needs the sanitizers' libraries";
  CommandLine ldd("/usr/bin/ldd");
  if (!std::filesystem::exists("/usr/bin/ldd")) GTEST_SKIP() << "needs ldd";
  const CommandResult r = ldd({GPEN_BINARY});
  ASSERT_EQ(r.code, 0) << r.err;
  const std::regex allowed(R"(\s*(linux-vdso\.so|/lib.*/ld-linux|libc\.so|libm\.so|libstdc\+\+\.so|libgcc_s\.so|)"
                           R"(libpthread\.so|libdl\.so|librt\.so).*)");
  std::istringstream lines(r.out);
  int libraries = 0;
  for (std::string line; std::getline(lines, line); ++libraries) EXPECT_TRUE(std::regex_match(line, allowed)) << line;
  EXPECT_GE(libraries, 3);
}

}  // namespace
}  // namespace gpen::test
