// One piece of work that a client asked for, and what has become of it.
#pragma once
#include <atomic>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "app/serve/answer.h"
#include "app/serve/byte_budget.h"
#include "app/serve/clock.h"
#include "app/serve/final_size.h"
#include "pipeline/restore.h"

namespace gpen::serve {

// A picture as it came: bytes of a request's body, which is kept whole instead of copied.
struct Upload {
  std::string body;
  size_t begin = 0, length = 0;
  ByteBudget::Lease lease;
  std::span<const uint8_t> bytes() const { return {reinterpret_cast<const uint8_t*>(body.data()) + begin, length}; }
};

struct JobRequest {
  enum class Kind { restore, detect, benchmark } kind = Kind::restore;
  std::string name;    // of the file, for people: never a path here
  std::string device;  // a name of the menu; empty: any default one
  Precision precision = Precision::fp32;
  int size = 0;     // of the GPEN
  int upscale = 0;  // 0: none
  Upload photo;
  RestoreOptions options;
  std::optional<std::vector<Face>> given;  // instead of detection
  std::vector<int> exclude;                // indices of given or detected faces that are left alone
  FinalSize final_size;
  bool encode = false;  // the result is wanted as a file of this format, and is not kept as a picture
  ImageFormat format = ImageFormat::png;
  int quality = 95;
  int batch = 1, reps = 3;  // benchmark
};

enum class JobState { queued, running, done, failed, cancelled };
const char* name_of(JobState state);

// A face of the report, with its place in the order of detection.
struct JobFace {
  int index = 0;
  Face face;
  bool smoothed = false;
};

// What a job leaves behind.
struct JobResult {
  Image image;                   // unless request.encode
  std::vector<uint8_t> encoded;  // if request.encode
  int width = 0, height = 0;
  std::vector<JobFace> faces;
  std::vector<std::string> notes;
  std::vector<StageTime> times;
  Json data;  // detect and benchmark
  size_t bytes() const { return image.rgb.size() + image.alpha.size() + encoded.size(); }
};

class Job {
 public:
  Job(std::string id, JobRequest request) : id(std::move(id)), request(std::move(request)) {}
  const std::string id;
  JobRequest request;             // of the worker while the job runs
  bool unreadable = false;        // set by the worker: the upload is no picture, which is the client's fault
  std::atomic<bool> stop{false};  // asked to end: by its client, by its deadline, by the end of the server

  // Guarded by the queue.
  JobState state = JobState::queued;
  ApiError error;
  std::string stage;
  double percent = 0;
  int width = 0, height = 0;  // of the photo, then of the result
  JobResult result;
  Clock::time_point submitted = Clock::now(), started, finished;
  Clock::time_point deadline = Clock::time_point::max();
  uint64_t changes = 0;  // counts what a client could see

  bool ended() const { return state != JobState::queued && state != JobState::running; }
};
// As GET /api/v1/jobs/ID answers it. position: in the queue, 1 for the next.
Json to_json(const Job& job, int position);

}  // namespace gpen::serve
