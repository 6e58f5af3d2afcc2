// What the libraries export: the functions of gpen.h, all of them and nothing else.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <regex>
#include <set>
#include <sstream>
#include <string>

#include "support/command.h"

namespace gpen::test {
namespace {

std::set<std::string> declared() {
  const std::string header = read_text(GPEN_SOURCE_DIR "/include/gpen/gpen.h");
  std::set<std::string> names;
  const std::regex declaration("GPEN_API [^;(]*?(gpen_[a-z_]+)\\(");
  for (std::sregex_iterator i(header.begin(), header.end(), declaration), end; i != end; ++i) names.insert((*i)[1]);
  return names;
}

// Names of the defined global symbols; the version that a shared library gives them (A) and file names left out.
std::set<std::string> exported(const std::string& options, const std::string& library) {
  FILE* pipe = popen((GPEN_NM " --defined-only " + options + " '" + library + "'").c_str(), "r");
  std::string text;
  std::array<char, 4096> buffer;
  for (size_t n; (n = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) text.append(buffer.data(), n);
  EXPECT_EQ(pclose(pipe), 0);
  std::set<std::string> names;
  std::istringstream lines(text);
  for (std::string address, kind, name, line; std::getline(lines, line);) {
    std::istringstream words(line);
    if (words >> address >> kind >> name && kind != "A") names.insert(name.substr(0, name.find('@')));
  }
  return names;
}

TEST(CApiSymbols, TheHeaderIsRead) { EXPECT_EQ(declared().count("gpen_restore"), 1u); }
TEST(CApiSymbols, OfTheSharedLibrary) { EXPECT_EQ(exported("-D", GPEN_SHARED_LIBRARY), declared()); }
TEST(CApiSymbols, OfTheStaticLibrary) { EXPECT_EQ(exported("-g", GPEN_STATIC_LIBRARY), declared()); }

}  // namespace
}  // namespace gpen::test
