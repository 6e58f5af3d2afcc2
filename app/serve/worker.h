// What a device does with a job: its networks, its threads, and the pipeline.
#pragma once
#include <atomic>
#include <memory>
#include <optional>

#include "app/serve/job_queue.h"
#include "app/serve/models.h"

namespace gpen::serve {

class DeviceWorker {
 public:
  // All of them must outlive the worker. Its functions are called by one thread (the getters by any).
  DeviceWorker(const Menu& menu, const ServeOptions& options, const MenuDevice& device, JobQueue* queue);

  // Opens the device; load_defaults: and loads the networks that requests use unless they name others.
  Status prepare(bool load_defaults);
  Result<JobResult> run(Job& job);

  const std::string& device() const { return device_.name; }
  size_t loaded_models() const { return loaded_models_; }
  size_t loaded_bytes() const { return loaded_bytes_; }

 private:
  Processor where(Precision precision) const;
  Result<Models> models(const ModelCache::Wanted& wanted, Precision precision);
  Result<JobResult> restore(Job& job);
  Result<JobResult> detect(Job& job);
  Result<JobResult> benchmark(Job& job);
  // The faces to restore, in the order of detection, without those to leave alone; nothing: the pipeline detects.
  Result<std::optional<std::vector<JobFace>>> choose_faces(Job& job, const Models& models, const Image& photo);
  Result<Image> read_photo(Job& job) const;

  const Menu& menu_;
  const ServeOptions& options_;
  const MenuDevice device_;
  JobQueue* const queue_;
  ModelCache cache_;
  std::optional<Processor> processor_;
  std::atomic<size_t> loaded_models_{0}, loaded_bytes_{0};
};

}  // namespace gpen::serve
