// Jobs on their way: a bounded queue, one worker thread for each device, and the finished ones, kept for a while.
// All functions may be called from any thread.
#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include "app/serve/job.h"

namespace gpen::serve {

struct QueueLimits {
  int queued = 16;
  double timeout_seconds = 300;  // from submit() to the end
  int kept = 64;
  double keep_seconds = 900;
  size_t keep_bytes = size_t{512} << 20;
};

class JobQueue {
 public:
  using JobPtr = std::shared_ptr<Job>;
  // Does the job's work on the worker's thread. Ends early when job.stop is set.
  using Work = std::function<Result<JobResult>(Job& job)>;
  // Called when a job has ended, with the queue locked.
  using Ended = std::function<void(const Job& job, bool ran)>;

  explicit JobQueue(const QueueLimits& limits, Ended ended = nullptr);
  ~JobQueue();  // as shut_down(0)

  // A thread that takes jobs for `device`, and those for no device in particular if is_default. prepare runs first, on
  // that thread. When it fails, a default worker takes no job; every job of another one fails with the same error.
  void add_worker(const std::string& device, bool is_default, std::function<Status()> prepare, Work work);
  // Before this the queue is not ready.
  void all_workers_added();
  // Whether all workers were added and are prepared, or, of those that are no default, could not be, and failure() is
  // OK. Why there can be no server: a default device that could not be prepared, or all of them lost.
  bool ready() const;
  Status failure() const;
  // Why all jobs for this device fail; OK while it is being prepared, too.
  Status failure(const std::string& device) const;

  // A job in the queue. Busy when the queue is full or the server stops.
  ApiError submit(JobRequest request, JobPtr* job);
  // Whether submit() would be refused now.
  ApiError full() const;
  JobPtr find(const std::string& id) const;  // null: unknown, or forgotten
  // Ends a queued or running job; forgets a finished one. The job as it is then.
  Json cancel(const JobPtr& job);
  void cancel(const JobPtr& job, const ApiError& why);

  Json describe(const JobPtr& job) const;
  // Waits for a change after `seen` (Job::changes), at most so long. The changes now.
  uint64_t wait_for_change(const JobPtr& job, uint64_t seen, double seconds) const;
  bool ended(const JobPtr& job) const;
  ApiError error(const JobPtr& job) const;
  // The finished picture; null when it is not there (not done, or taken).
  std::shared_ptr<const Image> picture(const JobPtr& job) const;
  // Takes what a finished job has; it keeps its description.
  JobResult take_result(const JobPtr& job);

  // From the worker.
  void progress(Job& job, const std::string& stage, double percent);
  void set_faces(Job& job, int width, int height, std::vector<JobFace> faces);
  // The device answers no more: from now on its worker takes only jobs that name it, and they fail.
  void lose_device(const std::string& device, const Status& why);

  // Ends what has waited or run too long, forgets what was kept long enough.
  void tidy();

  struct Counts {
    int queued = 0, running = 0, kept = 0;
    size_t kept_bytes = 0;
  };
  Counts counts() const;

  // No new jobs; ends those that wait; lets those that run go on for so long, then asks them to stop, and waits.
  struct Left {
    int finished = 0, stopped = 0, never_begun = 0;
  };
  Left shut_down(double grace_seconds);

 private:
  struct Worker {
    std::string device;
    bool is_default = false, prepared = false, lost = false;
    Status status;  // why its jobs fail
    JobPtr running;
    std::thread thread;
  };
  // All with the lock held.
  Status failure_locked() const;
  JobPtr next_for(const Worker& worker);
  void end(Job& job, JobState state, const ApiError& error);
  void forget_surplus();
  void changed(Job& job);
  Json describe_locked(const Job& job) const;
  int position(const Job& job) const;

  void work(Worker& worker, const std::function<Status()>& prepare, const Work& run);

  const QueueLimits limits_;
  const Ended ended_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::condition_variable wake_workers_;
  std::deque<JobPtr> queue_;
  std::list<JobPtr> finished_;  // the oldest first
  std::map<std::string, JobPtr> jobs_;
  std::list<Worker> workers_;
  bool complete_ = false, stopping_ = false, joining_ = false;
};

// 128 random bits, as hexadecimal digits.
std::string random_id();

}  // namespace gpen::serve
