#include "pipeline/restore.h"

#include <algorithm>
#include <deque>
#include <new>
#include <utility>

#include "pipeline/device_faces.h"
#include "pipeline/face_batch.h"
#include "pipeline/photo_run.h"

namespace gpen {

namespace {

// Faces in one forward() on the processor: one for each thread, within these. Measured in whole runs with one and two
// threads (bench/RESULTS.md): 2 are the fastest with GPEN-256, little ahead of 1 and 4; more take more memory and give
// nothing. With more threads than two it was not measured.
constexpr size_t kFewestTogether = 2, kMostTogether = 4;

// Photos that run short of memory fail by themselves.
template <class Fn>
Status within_memory(const Fn& fn) {
  try {
    return fn();
  } catch (const std::bad_alloc&) {
    return fail(Code::memory, "out of memory");
  }
}

// Photos on their way through the pipeline together.
class Group {
 public:
  Group(const Models& models, ThreadPool& pool, std::span<const PhotoTask> tasks, const RestoreOptions& options,
        Plane* default_mask)
      : models_(models), pool_(pool), tasks_(tasks), options_(options), default_mask_(default_mask) {}

  std::vector<Result<RestoreResult>> run() {
    // What earlier photos left behind is no error of these.
    if (models_.gpen->device() != nullptr) (void)models_.gpen->device()->finish();
    for (size_t i = 0; i < tasks_.size() && !cancelled_; ++i) prepare(i);
    if (!cancelled_) on_device() ? restore_on_device() : restore_here();
    std::vector<Result<RestoreResult>> results(tasks_.size(), fail(Code::cancelled, "cancelled"));
    for (size_t i = 0; i < members_.size(); ++i) results[i] = std::move(members_[i].result);
    return results;
  }

 private:
  struct Member {
    PhotoRun run;
    Result<RestoreResult> result = fail(Code::cancelled, "cancelled");  // until it is known
    size_t left = 0;                                                    // faces to restore; none after an error
    bool failed = false;
  };
  // One face.
  struct Slot {
    Member* member;
    size_t index;  // in its photo
  };

  bool on_device() const { return models_.gpen->device() != nullptr; }

  Status progress(const char* stage, double fraction) {
    if (options_.progress == nullptr || options_.progress(stage, fraction)) return Status();
    cancelled_ = true;
    return fail(Code::cancelled, "cancelled");
  }
  double share(size_t done) const {
    return slots_.empty() ? 1 : static_cast<double>(done) / static_cast<double>(slots_.size());
  }

  void prepare(size_t photo);
  void restore_here();
  void restore_on_device();
  std::span<Slot> next_batch();
  Status restore(std::span<Slot> batch);
  void take(const Slot& slot, AlignedFace* face, size_t i);
  void finish(Member* member);

  static void give_up(Member* member, const Status& status) {
    member->result = status;
    member->failed = true;
    member->left = 0;
  }

  const Models& models_;
  ThreadPool& pool_;
  const std::span<const PhotoTask> tasks_;
  const RestoreOptions& options_;
  Plane* const default_mask_;
  std::deque<Member> members_;  // one for each photo, in order
  std::vector<Slot> slots_;     // their faces
  size_t done_ = 0;             // so many of them
  size_t most_ = 1;             // faces in one forward()
  bool cancelled_ = false;
};

void Group::prepare(size_t photo) {
  const PhotoTask& task = tasks_[photo];
  Member& member = members_.emplace_back(Member{PhotoRun(models_, pool_, *task.photo, options_, default_mask_)});
  const auto part = [&](const char* stage, double fraction) {
    return progress(stage, (static_cast<double>(photo) + fraction) / static_cast<double>(tasks_.size()));
  };
  const Status status = within_memory([&] { return member.run.prepare(task.given, part); });
  if (!status.ok()) return give_up(&member, status);
  member.left = member.run.faces();
  for (size_t i = 0; i < member.left; ++i) slots_.push_back({&member, i});
}

// The next faces whose photos have no error; the others' are dropped.
std::span<Group::Slot> Group::next_batch() {
  const auto rest = slots_.begin() + static_cast<std::ptrdiff_t>(done_);
  slots_.erase(std::remove_if(rest, slots_.end(), [](const Slot& s) { return s.member->failed; }), slots_.end());
  return std::span(slots_).subspan(done_, std::min(most_, slots_.size() - done_));
}

void Group::restore_here() {
  for (Member& m : members_)
    if (!m.failed && m.left == 0) finish(&m);
  // The same number in every batch, as far as there are so many: a new number is new memory.
  const size_t usual = options_.batch > 0
                           ? static_cast<size_t>(options_.batch)
                           : std::clamp(static_cast<size_t>(pool_.size()), kFewestTogether, kMostTogether);
  most_ = static_cast<size_t>(faces_per_forward(*models_.gpen, static_cast<int64_t>(std::min(slots_.size(), usual)),
                                                options_.batch, options_.memory_limit));
  for (std::span<Slot> batch = next_batch(); !batch.empty() && !cancelled_; batch = next_batch()) {
    const size_t count = batch.size();
    const Status status = restore(batch);
    // Which of the batch's photos is it? Each tries its faces without the others.
    while (!status.ok() && !batch.empty() && !cancelled_) {
      Member* const member = batch.front().member;
      const auto end = std::find_if(batch.begin(), batch.end(), [&](const Slot& s) { return s.member != member; });
      const std::span<Slot> own(batch.begin(), end);
      const bool again = own.size() != count;
      if (again && status.code() == Code::memory) models_.gpen->release_memory();
      const Status failure = again ? restore(own) : status;
      if (!failure.ok() && !cancelled_) give_up(member, failure);
      batch = batch.subspan(own.size());
    }
    done_ += count;
  }
}

// These faces in one forward(), each then into its photo. An error is one of the forward(): no face has been taken.
Status Group::restore(std::span<Slot> batch) {
  std::vector<AlignedFace> faces;
  const auto spent = [&](const char* stage, double ms) {  // the time belongs to every photo by its faces
    for (const Slot& slot : batch) slot.member->run.spent(stage, ms / static_cast<double>(batch.size()));
  };
  const auto forward = [&]() -> Status {
    for (const Slot& slot : batch) faces.push_back(slot.member->run.align(slot.index));
    GPEN_RETURN_IF_ERROR(progress("restore", share(done_)));
    const FaceBatchOptions options{options_.task, options_.lambda_id, options_.seed};
    GPEN_ASSIGN(const int64_t at_once, restore_faces(*models_.gpen, options, pool_, &faces, spent));
    if (at_once == static_cast<int64_t>(batch.size())) return Status();
    most_ = static_cast<size_t>(at_once);
    for (size_t i = 0; i < batch.size(); ++i)
      if (i == 0 || batch[i].member != batch[i - 1].member)
        batch[i].member->run.note(
            concat("there was no memory for ", batch.size(), " faces at once: ", at_once, " at a time"));
    return Status();
  };
  GPEN_RETURN_IF_ERROR(within_memory(forward));
  for (size_t i = 0; i < batch.size() && !cancelled_; ++i) take(batch[i], &faces[i], i);
  return Status();
}

// i: the place of the face in its batch.
void Group::take(const Slot& slot, AlignedFace* face, size_t i) {
  Member* const member = slot.member;
  if (member->failed || !progress("paste", share(done_ + i)).ok()) return;
  const Status status = within_memory([&] { return member->run.take(slot.index, face); });
  *face = AlignedFace();
  if (!status.ok()) return give_up(member, status);
  if (--member->left == 0) finish(member);
}

void Group::restore_on_device() {
  std::vector<DevicePhoto> photos;
  std::vector<Member*> owners;
  for (Member& m : members_) {
    if (m.left == 0) continue;
    Result<DevicePhoto> photo = m.run.on_device();
    if (!photo.ok()) {
      give_up(&m, photo.status());
      continue;
    }
    photos.push_back(std::move(photo).value());
    owners.push_back(&m);
  }
  const DeviceFaces faces{models_, pool_, options_,
                          [this](const char* stage, double done) { return progress(stage, done); }};
  const Status status = gpen::restore_on_device(faces, photos);
  for (size_t i = 0; i < photos.size(); ++i) {
    const Status& own = status.ok() ? photos[i].status : status;
    if (!own.ok()) give_up(owners[i], own);
  }
  done_ = slots_.size();
  for (Member& m : members_)
    if (!m.failed && !cancelled_) finish(&m);
}

void Group::finish(Member* member) {
  const Status status = within_memory([&]() -> Status {
    member->result = member->run.finish();
    return member->result.status();
  });
  if (!status.ok()) return give_up(member, status);
  const bool last =
      std::all_of(members_.begin(), members_.end(), [](const Member& m) { return m.failed || m.result.ok(); });
  if (last && !progress("paste", 1).ok()) give_up(member, fail(Code::cancelled, "cancelled"));
}

}  // namespace

Status check(const RestoreOptions& o) {
  if (!(o.lambda_id >= 0 && o.lambda_id <= 1))
    return fail(Code::usage, "lambda-id must be between 0 and 1, not ", o.lambda_id);
  if (!(o.alpha >= 0 && o.alpha <= 1)) return fail(Code::usage, "alpha must be between 0 and 1, not ", o.alpha);
  if (o.tile_size < 0) return fail(Code::usage, "the tile size must not be negative");
  if (o.batch < 0) return fail(Code::usage, "the batch must not be negative");
  if (traits(o.task).labels && !o.aligned)
    return fail(Code::usage, "the task ", traits(o.task).name, " takes aligned pictures: no face is found in labels");
  return check(o.detection);
}

Restorer::Restorer(Models models, std::shared_ptr<ThreadPool> pool)
    : models_(std::move(models)), pool_(std::move(pool)) {}

Result<RestoreResult> Restorer::restore(const Image& photo, const RestoreOptions& options,
                                        const std::vector<Face>* given) {
  const PhotoTask task{&photo, given};
  return std::move(restore_together({&task, 1}, options).front());
}

std::vector<Result<RestoreResult>> Restorer::restore_together(std::span<const PhotoTask> photos,
                                                              const RestoreOptions& options) {
  std::vector<Result<RestoreResult>> results(photos.size(), Status());
  std::vector<PhotoTask> sound;
  std::vector<size_t> places;
  for (size_t i = 0; i < photos.size(); ++i) {
    const Status status = check(photos[i], options);
    results[i] = status;
    if (!status.ok()) continue;
    sound.push_back(photos[i]);
    places.push_back(i);
  }
  const auto run = [&](std::span<const PhotoTask> group, const size_t* place) {
    for (Result<RestoreResult>& result : Group(models_, *pool_, group, options, &default_mask_).run())
      results[*place++] = std::move(result);
  };
  if (!sound.empty()) run(sound, places.data());
  // What had no memory beside the others may have it alone.
  for (size_t i = 0; i < sound.size() && sound.size() > 1; ++i)
    if (results[places[i]].status().code() == Code::memory) {
      models_.gpen->release_memory();
      run({&sound[i], 1}, &places[i]);
    }
  return results;
}

Status Restorer::check(const PhotoTask& task, const RestoreOptions& options) const {
  GPEN_RETURN_IF_ERROR(gpen::check(options));
  if (task.photo == nullptr || task.photo->empty()) return fail(Code::usage, "the photo has no pixels");
  if (models_.gpen == nullptr) return fail(Code::usage, "there is no network to restore faces with");
  if (!options.aligned && models_.detector == nullptr && task.given == nullptr)
    return fail(Code::usage, "without a detector the faces must be given, or the picture be an aligned face");
  return Status();
}

}  // namespace gpen
