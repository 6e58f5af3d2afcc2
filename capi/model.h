// The model of the C API: the networks, where they compute, whose turn it is, and where its log goes.
#pragma once
#include <unistd.h>

#include <string>

#include "capi/turns.h"
#include "gpen/gpen.h"
#include "pipeline/models.h"

namespace gpen::capi {

struct Log {
  gpen_log_callback callback = nullptr;
  void* user_data = nullptr;
  // Hands the text to the callback line by line; without one it does nothing. Lets no exception out.
  void operator()(gpen_log_level level, const char* text) const noexcept;
};

// Logs an error that is about to be returned; passes the status on.
gpen_status logged(const Log& log, gpen_status status);

// Code::usage in a child of the process that opened the model: the threads are in the parent, and waiting for them
// would have no end.
Status check_process(const gpen_model& model);

}  // namespace gpen::capi

struct gpen_model {
  gpen_model(gpen::Processor processor, gpen::LoadedModels networks, gpen::Task task, gpen::capi::Log log_to);

  gpen::Processor where;
  gpen::LoadedModels loaded;
  gpen::Restorer restorer;  // only with loaded.networks.gpen
  gpen::Task task;
  std::string device, precision;
  gpen::capi::Log log;
  gpen::capi::Turns turns;
  pid_t process = getpid();  // that has the threads
};
