#include "app/serve/metrics.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>

namespace gpen::serve {
namespace {

const char* name_of(JobRequest::Kind kind) {
  return kind == JobRequest::Kind::restore ? "restore" : kind == JobRequest::Kind::detect ? "detect" : "benchmark";
}

void head(std::ostringstream& out, const std::string& name, const char* type, const std::string& help) {
  out << "# HELP " << name << ' ' << help << "\n# TYPE " << name << ' ' << type << '\n';
}

}  // namespace

double resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  double total = 0, resident = 0;
  statm >> total >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE));
}

void Metrics::count_request(const std::string& route, int status) {
  const std::lock_guard lock(mutex_);
  ++requests_[{route, status}];
}

void Metrics::count_job(const Job& job) {
  const std::lock_guard lock(mutex_);
  ++jobs_[{name_of(job.request.kind), serve::name_of(job.state)}];
  for (const StageTime& t : job.result.times) stage_seconds_[t.stage] += t.ms / 1000;
  if (job.state != JobState::done) return;
  if (job.request.kind == JobRequest::Kind::restore) faces_ += static_cast<int64_t>(job.result.faces.size());
  const double seconds = seconds_between(job.submitted, job.finished);
  ++seconds_count_;
  seconds_sum_ += seconds;
  const auto bucket = std::find_if(kBuckets.begin(), kBuckets.end(), [&](double b) { return seconds <= b; });
  if (bucket != kBuckets.end()) ++seconds_[static_cast<size_t>(bucket - kBuckets.begin())];
}

std::string Metrics::text(const std::vector<Gauge>& gauges) const {
  std::ostringstream out;
  out.precision(15);
  std::string last;
  for (const Gauge& g : gauges) {
    if (g.name != last) head(out, g.name, g.counter ? "counter" : "gauge", g.help);
    last = g.name;
    out << g.name << (g.labels.empty() ? "" : "{" + g.labels + "}") << ' ' << g.value << '\n';
  }
  const std::lock_guard lock(mutex_);
  head(out, "gpen_http_requests_total", "counter", "Requests answered, by route and status.");
  for (const auto& [key, n] : requests_)
    out << "gpen_http_requests_total{route=\"" << key.first << "\",code=\"" << key.second << "\"} " << n << '\n';
  head(out, "gpen_jobs_total", "counter", "Jobs that ended, by kind and state.");
  for (const auto& [key, n] : jobs_)
    out << "gpen_jobs_total{kind=\"" << key.first << "\",state=\"" << key.second << "\"} " << n << '\n';
  head(out, "gpen_faces_total", "counter", "Faces restored.");
  out << "gpen_faces_total " << faces_ << '\n';
  head(out, "gpen_stage_seconds_total", "counter", "Time spent in each stage.");
  for (const auto& [stage, seconds] : stage_seconds_)
    out << "gpen_stage_seconds_total{stage=\"" << stage << "\"} " << seconds << '\n';
  head(out, "gpen_job_duration_seconds", "histogram", "From a request to its result, waiting included.");
  int64_t below = 0;
  for (size_t i = 0; i < kBuckets.size(); ++i) {
    below += seconds_[i];
    out << "gpen_job_duration_seconds_bucket{le=\"" << kBuckets[i] << "\"} " << below << '\n';
  }
  out << "gpen_job_duration_seconds_bucket{le=\"+Inf\"} " << seconds_count_ << '\n'
      << "gpen_job_duration_seconds_sum " << seconds_sum_ << '\n'
      << "gpen_job_duration_seconds_count " << seconds_count_ << '\n';
  return out.str();
}

}  // namespace gpen::serve
