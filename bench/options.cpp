#include "bench/options.h"

#include <cstdio>
#include <iostream>
#include <new>

#include "app/exit_codes.h"
#include "kernels/isa.h"

namespace gpen::bench {

void Options::add_to(CLI::App* app) {
  app->add_option("--isa", isa, "Instruction set: avx512, avx2 or generic; default: the best");
  app->add_option("--threads", threads, "Threads; 0: all that this process may use")->check(CLI::Range(0, 1024));
  app->add_option("--reps", reps, "Timed repetitions")->check(CLI::Range(1, 100000))->capture_default_str();
  app->add_option("--json", json, "Write the results to this file; -: to stdout, and the table to stderr");
}

void Options::add_precision_to(CLI::App* app) {
  const std::string fp32 = name_of(Precision::fp32), bf16 = name_of(Precision::bf16);
  app->add_option_function<std::string>(
         "--precision",
         [this, bf16](const std::string& name) { precision = name == bf16 ? Precision::bf16 : Precision::fp32; },
         "fp32 (default) or bf16")
      ->check(CLI::IsMember({fp32, bf16}));
}

Status Options::take_isa() const {
  if (isa.empty()) return check_isa();
  if (force_isa(isa).ok()) return {};
  std::string have;
  for (const std::string& name : available_isas()) have += (have.empty() ? "" : ", ") + name;
  return fail(Code::device, "--isa ", isa, ": this machine and build offer ", have);
}

void ProblemOptions::add_to(CLI::App* app) {
  problems = std::string(GPEN_SOURCE_DIR) + "/bench/problems/gpen_512.txt";
  app->add_option("--problems", problems, "File of problems (bench/problems)")->capture_default_str();
  app->add_option("--filter", filter, "Only layers whose name contains this text");
  Options::add_to(app);
}

Result<std::vector<Problem>> ProblemOptions::chosen() const {
  GPEN_ASSIGN(std::vector<Problem> all, read_problems(problems));
  std::erase_if(all, [&](const Problem& p) { return p.name.find(filter) == std::string::npos; });
  if (all.empty()) return fail(Code::usage, "--filter ", filter, ": no layer of ", problems, " has such a name");
  return all;
}

int run_program(CLI::App& app, int argc, char** argv, const std::function<Status()>& body) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& e) {  // --help
    return app.exit(e);
  } catch (const CLI::ParseError& e) {
    app.exit(e, std::cerr, std::cerr);
    return app::kUsage;
  }
  Status status;
  try {
    status = body();
  } catch (const std::bad_alloc&) {
    status = fail(Code::memory, "out of memory");
  }
  if (!status.ok()) std::fprintf(stderr, "%s: %s\n", app.get_name().c_str(), status.message().c_str());
  return app::exit_code(status.code());
}

}  // namespace gpen::bench
