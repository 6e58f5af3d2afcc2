#include "app/serve/job_queue.h"

#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

namespace gpen::serve {
namespace {

Clock::time_point after(double seconds) {
  return Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}
double seconds_between(Clock::time_point a, Clock::time_point b) {
  return std::chrono::duration<double>(b - a).count();
}

Json to_json(const JobFace& f) {
  Json landmarks = Json::array();
  for (const Point& p : f.face.landmarks) landmarks.push_back({p.x, p.y});
  const Box& b = f.face.box;
  return {{"index", f.index},
          {"box", {b.x0, b.y0, b.x1, b.y1}},
          {"score", f.face.score},
          {"landmarks", landmarks},
          {"smoothed", f.smoothed}};
}

const char* kind_name(JobRequest::Kind kind) {
  switch (kind) {
    case JobRequest::Kind::restore:
      return "restore";
    case JobRequest::Kind::detect:
      return "detect";
    case JobRequest::Kind::benchmark:
      return "benchmark";
  }
  return "?";
}

}  // namespace

const char* name_of(JobState state) {
  switch (state) {
    case JobState::queued:
      return "queued";
    case JobState::running:
      return "running";
    case JobState::done:
      return "done";
    case JobState::failed:
      return "failed";
    case JobState::cancelled:
      return "cancelled";
  }
  return "?";
}

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
    lock.unlock();
    Result<JobResult> result = Status(Code::internal, "");
    try {
      result = prepared.ok() ? run(job) : Result<JobResult>(prepared);
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
  return complete_ && std::all_of(workers_.begin(), workers_.end(),
                                  [](const Worker& w) { return w.prepared && (w.status.ok() || !w.is_default); });
}

Status JobQueue::preparation() const {
  const std::lock_guard lock(mutex_);
  for (const Worker& w : workers_) {
    if (w.is_default && w.prepared && !w.status.ok()) return w.status;
  }
  return {};
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
    return job->request.device.empty() ? worker.is_default : job->request.device == worker.device;
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
  Json json = {{"id", job.id}, {"kind", kind_name(job.request.kind)}, {"state", name_of(job.state)}};
  if (job.state == JobState::queued) json["position"] = position(job);
  json["stage"] = job.stage;
  json["percent"] = job.percent;
  json["elapsed_ms"] = 1000 * seconds_between(job.submitted, job.ended() ? job.finished : Clock::now());
  json["name"] = job.request.name;
  if (job.width > 0) {
    json["width"] = job.width;
    json["height"] = job.height;
  }
  Json faces = Json::array(), times = Json::array();
  for (const JobFace& face : job.result.faces) faces.push_back(to_json(face));
  for (const StageTime& t : job.result.times) times.push_back({{"stage", t.stage}, {"ms", t.ms}});
  if (job.request.kind != JobRequest::Kind::benchmark) json["faces"] = faces;
  json["notes"] = job.result.notes;
  json["times"] = times;
  if (job.state == JobState::done && !job.result.image.empty()) json["result"] = "/api/v1/jobs/" + job.id + "/result";
  if (job.state == JobState::done && !job.result.data.is_null()) json[kind_name(job.request.kind)] = job.result.data;
  if (job.error) json["error"] = serve::to_json(job.error);
  return json;
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
