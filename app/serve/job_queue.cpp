#include "app/serve/job_queue.h"

#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

namespace gpen::serve {
std::string random_id() {
  unsigned char bytes[16];
  size_t have = 0;
  while (have < sizeof(bytes)) {
    const ssize_t n = getrandom(bytes + have, sizeof(bytes) - have, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) throw std::bad_alloc();  // never on a kernel that has it: an id that can be guessed must not be made
    have += static_cast<size_t>(n);
  }
  std::string id;
  for (const unsigned char b : bytes) {
    id += "0123456789abcdef"[b >> 4];
    id += "0123456789abcdef"[b & 15];
  }
  return id;
}

JobQueue::JobQueue(const QueueLimits& limits, Ended ended) : limits_(limits), ended_(std::move(ended)) {}

JobQueue::~JobQueue() { shut_down(0); }

void JobQueue::add_worker(const std::string& device, bool is_default, std::function<Status()> prepare, Work run) {
  const std::lock_guard lock(mutex_);
  Worker& worker = workers_.emplace_back();
  worker.device = device;
  worker.is_default = is_default;
  worker.thread = std::thread([this, &worker, prepare, run] { work(worker, prepare, run); });
}

void JobQueue::work(Worker& worker, const std::function<Status()>& prepare, const Work& run) {
  Status prepared;
  try {
    prepared = prepare ? prepare() : Status();
  } catch (const std::bad_alloc&) {
    prepared = fail(Code::memory, "out of memory while loading the networks");
  } catch (const std::exception& e) {
    prepared = fail(Code::internal, worker.device, ": ", e.what());
  }
  std::unique_lock lock(mutex_);
  worker.status = prepared;
  worker.prepared = true;
  // Whoever asks for a device that cannot be used is told; without the default one there is no server.
  if (!prepared.ok() && worker.is_default) return;
  for (;;) {
    wake_workers_.wait(lock, [&] { return joining_ || (worker.running = next_for(worker)) != nullptr; });
    if (joining_) return;
    Job& job = *worker.running;
    job.state = JobState::running;
    job.started = Clock::now();
    changed(job);
    for (const JobPtr& other : queue_) changed(*other);  // their position
    const Status unusable = worker.status;
    lock.unlock();
    Result<JobResult> result = Status(Code::internal, "");
    try {
      result = unusable.ok() ? run(job) : Result<JobResult>(unusable);
    } catch (const std::bad_alloc&) {
      result = fail(Code::memory, "out of memory");
    } catch (const std::exception& e) {
      result = fail(Code::internal, e.what());
    }
    lock.lock();
    const JobPtr done = std::move(worker.running);
    worker.running = nullptr;
    job.request.photo = Upload();
    if (job.state != JobState::running) {  // ended from outside: nobody wants the result
      lock.unlock();
      result = Status();
      lock.lock();
    } else if (result.ok()) {
      job.result = *std::move(result);
      job.width = job.result.width;
      job.height = job.result.height;
      job.percent = 100;
      end(job, JobState::done, {});
    } else {
      end(job, JobState::failed,
          job.unreadable ? ApiError::unsupported(result.status().message()) : ApiError::of(result.status()));
    }
    changed_.notify_all();
  }
}

void JobQueue::all_workers_added() {
  const std::lock_guard lock(mutex_);
  complete_ = true;
}

bool JobQueue::ready() const {
  const std::lock_guard lock(mutex_);
  return complete_ && std::all_of(workers_.begin(), workers_.end(), [](const Worker& w) { return w.prepared; }) &&
         failure_locked().ok();
}

Status JobQueue::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_locked();
}

Status JobQueue::failure_locked() const {
  bool left = false;
  Status lost;
  for (const Worker& w : workers_) {
    if (!w.is_default) continue;
    if (!w.status.ok() && !w.lost) return w.status;
    left = left || w.status.ok();
    lost = w.status;
  }
  return left ? Status() : lost;
}

Status JobQueue::failure(const std::string& device) const {
  const std::lock_guard lock(mutex_);
  const auto is_it = [&](const Worker& w) { return w.device == device; };
  const auto worker = std::find_if(workers_.begin(), workers_.end(), is_it);
  return worker != workers_.end() ? worker->status : Status();
}

void JobQueue::lose_device(const std::string& device, const Status& why) {
  const std::lock_guard lock(mutex_);
  for (Worker& w : workers_) {
    if (w.device != device) continue;
    w.lost = true;
    w.status = why;
  }
}

ApiError JobQueue::full() const {
  const std::lock_guard lock(mutex_);
  if (stopping_) return ApiError::busy("the server is shutting down");
  if (queue_.size() >= static_cast<size_t>(limits_.queued))
    return ApiError::busy(concat("the queue is full: ", queue_.size(), " jobs wait"));
  return {};
}

ApiError JobQueue::submit(JobRequest request, JobPtr* job) {
  if (ApiError busy = full()) return busy;
  const JobPtr made = std::make_shared<Job>(random_id(), std::move(request));
  const std::lock_guard lock(mutex_);
  if (stopping_) return ApiError::busy("the server is shutting down");
  if (queue_.size() >= static_cast<size_t>(limits_.queued))
    return ApiError::busy(concat("the queue is full: ", queue_.size(), " jobs wait"));
  made->deadline = after(limits_.timeout_seconds);
  jobs_[made->id] = made;
  queue_.push_back(made);
  wake_workers_.notify_all();
  *job = made;
  return {};
}

JobQueue::JobPtr JobQueue::find(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const auto found = jobs_.find(id);
  return found == jobs_.end() ? nullptr : found->second;
}

JobQueue::JobPtr JobQueue::next_for(const Worker& worker) {
  const auto fits = [&](const JobPtr& job) {
    return job->request.device.empty() ? worker.is_default && worker.status.ok() : job->request.device == worker.device;
  };
  const auto found = std::find_if(queue_.begin(), queue_.end(), fits);
  if (found == queue_.end()) return nullptr;
  JobPtr job = *found;
  queue_.erase(found);
  return job;
}

void JobQueue::changed(Job& job) {
  ++job.changes;
  changed_.notify_all();
}

void JobQueue::end(Job& job, JobState state, const ApiError& error) {
  const bool ran = job.state == JobState::running;
  job.stop = true;
  job.state = state;
  job.error = error;
  job.finished = Clock::now();
  const auto waiting = std::find_if(queue_.begin(), queue_.end(), [&](const JobPtr& j) { return j.get() == &job; });
  if (waiting != queue_.end()) {
    queue_.erase(waiting);
    job.request.photo = Upload();
    for (const JobPtr& other : queue_) changed(*other);
  }
  finished_.push_back(jobs_[job.id]);
  changed(job);
  if (ended_) ended_(job, ran);
  forget_surplus();
}

Json JobQueue::cancel(const JobPtr& job) {
  const std::lock_guard lock(mutex_);
  if (!job->ended()) {
    end(*job, JobState::cancelled, ApiError::cancelled("cancelled"));
  } else {
    jobs_.erase(job->id);
    finished_.remove(job);
  }
  return describe_locked(*job);
}

void JobQueue::cancel(const JobPtr& job, const ApiError& why) {
  const std::lock_guard lock(mutex_);
  if (!job->ended()) end(*job, why.code == "cancelled" ? JobState::cancelled : JobState::failed, why);
}

int JobQueue::position(const Job& job) const {
  int place = 1;
  for (const JobPtr& other : queue_) {
    if (other.get() == &job) return place;
    ++place;
  }
  return 0;
}

Json JobQueue::describe(const JobPtr& job) const {
  const std::lock_guard lock(mutex_);
  return describe_locked(*job);
}

Json JobQueue::describe_locked(const Job& job) const {
  return to_json(job, job.state == JobState::queued ? position(job) : 0);
}

uint64_t JobQueue::wait_for_change(const JobPtr& job, uint64_t seen, double seconds) const {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, after(seconds), [&] { return job->changes != seen; });
  return job->changes;
}

bool JobQueue::ended(const JobPtr& job) const {
  const std::lock_guard lock(mutex_);
  return job->ended();
}

ApiError JobQueue::error(const JobPtr& job) const {
  const std::lock_guard lock(mutex_);
  return job->error;
}

std::shared_ptr<const Image> JobQueue::picture(const JobPtr& job) const {
  const std::lock_guard lock(mutex_);
  if (job->state != JobState::done || job->result.image.empty()) return nullptr;
  return {job, &job->result.image};
}

JobResult JobQueue::take_result(const JobPtr& job) {
  const std::lock_guard lock(mutex_);
  JobResult taken;
  taken.encoded = std::exchange(job->result.encoded, {});
  taken.faces = job->result.faces;
  taken.data = job->result.data;
  taken.width = job->result.width;
  taken.height = job->result.height;
  return taken;
}

void JobQueue::progress(Job& job, const std::string& stage, double percent) {
  const std::lock_guard lock(mutex_);
  if (job.state != JobState::running) return;
  if (job.stage == stage && percent < job.percent + 0.5) return;
  job.stage = stage;
  job.percent = std::max(job.percent, percent);
  changed(job);
}

void JobQueue::set_faces(Job& job, int width, int height, std::vector<JobFace> faces) {
  const std::lock_guard lock(mutex_);
  if (job.state != JobState::running) return;
  job.width = width;
  job.height = height;
  job.result.faces = std::move(faces);
  changed(job);
}

void JobQueue::tidy() {
  const std::lock_guard lock(mutex_);
  const Clock::time_point now = Clock::now();
  std::vector<JobPtr> late;
  for (const auto& [id, job] : jobs_) {
    if (!job->ended() && now > job->deadline) late.push_back(job);
  }
  for (const JobPtr& job : late)
    end(*job, JobState::failed, ApiError::timeout(concat("not finished within ", limits_.timeout_seconds, " seconds")));
  while (!finished_.empty() && seconds_between(finished_.front()->finished, now) > limits_.keep_seconds) {
    jobs_.erase(finished_.front()->id);
    finished_.pop_front();
  }
}

void JobQueue::forget_surplus() {
  size_t bytes = 0;
  for (const JobPtr& job : finished_) bytes += job->result.bytes();
  // The last one stays, however large: its client has not seen it yet.
  while (finished_.size() > 1 && (finished_.size() > static_cast<size_t>(limits_.kept) || bytes > limits_.keep_bytes)) {
    bytes -= finished_.front()->result.bytes();
    jobs_.erase(finished_.front()->id);
    finished_.pop_front();
  }
}

JobQueue::Counts JobQueue::counts() const {
  const std::lock_guard lock(mutex_);
  Counts counts;
  counts.queued = static_cast<int>(queue_.size());
  for (const Worker& w : workers_) counts.running += w.running != nullptr;
  counts.kept = static_cast<int>(finished_.size());
  for (const JobPtr& job : finished_) counts.kept_bytes += job->result.bytes();
  return counts;
}

JobQueue::Left JobQueue::shut_down(double grace_seconds) {
  Left left;
  std::unique_lock lock(mutex_);
  stopping_ = true;
  while (!queue_.empty()) {
    const JobPtr job = queue_.back();
    end(*job, JobState::failed, ApiError::busy("the server was stopped before this job began"));
    ++left.never_begun;
  }
  const auto busy = [&] {
    return std::count_if(workers_.begin(), workers_.end(), [](const Worker& w) { return w.running != nullptr; });
  };
  const auto at_first = static_cast<int>(busy());
  changed_.wait_until(lock, after(grace_seconds), [&] { return busy() == 0; });
  for (Worker& w : workers_) {
    if (w.running == nullptr) continue;
    if (!w.running->ended()) {
      ++left.stopped;
      end(*w.running, JobState::failed, ApiError::busy("the server was stopped while this job ran"));
    }
  }
  left.finished = at_first - left.stopped;
  joining_ = true;
  wake_workers_.notify_all();
  lock.unlock();
  for (Worker& w : workers_) {
    if (w.thread.joinable()) w.thread.join();
  }
  return left;
}

}  // namespace gpen::serve
