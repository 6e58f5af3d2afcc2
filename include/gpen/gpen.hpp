// gpen for C++11 and later: RAII and exceptions around gpen.h, which documents what is only named here. Header-only;
// the program still links libgpen.
//
//     gpen::Model model("gpen-bfr-512");
//     gpen::Picture photo = gpen::Picture::load("photo.jpg");
//     gpen::Result result = model.restore(photo.image());
//     gpen::save(result.image(), "restored.png");
//
// Every function that can fail throws gpen::Error, or std::bad_alloc. Objects are moved, not copied; one that was moved
// from may only be destroyed or assigned to. Threads: as in gpen.h.
#ifndef GPEN_GPEN_HPP
#define GPEN_GPEN_HPP

#include <gpen/gpen.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace gpen {
inline namespace v0 {

class Error : public std::runtime_error {
 public:
  Error(gpen_status status, const std::string& message) : std::runtime_error(message), status_(status) {}
  gpen_status status() const noexcept { return status_; }

 private:
  gpen_status status_;
};

// Throws unless the status is GPEN_OK. For calls of gpen.h that have no wrapper here.
inline void check(gpen_status status) {
  if (status == GPEN_ERROR_MEMORY) throw std::bad_alloc();
  if (status != GPEN_OK) throw Error(status, gpen_last_error());
}

// The C structs with their defaults filled in.
struct ModelParams : gpen_model_params {
  ModelParams() : gpen_model_params(gpen_model_default_params()) {}
};
struct RestoreParams : gpen_restore_params {
  RestoreParams() : gpen_restore_params(gpen_restore_default_params()) {}
};

// (stage, how much of it is done); false ends the call with an Error of GPEN_ERROR_CANCELLED. What it throws comes out
// of the call. It takes the place of progress and abort of the params, and is also asked while the call waits for its
// turn, with the stage "wait".
using Progress = std::function<bool(const char* stage, double fraction)>;
// May be called on several threads at the same time. What it throws is dropped.
using Log = std::function<void(gpen_log_level level, const char* text)>;

class Picture {
 public:
  static Picture load(const std::string& path) {
    gpen_picture* picture = nullptr;
    check(gpen_picture_load(path.c_str(), &picture));
    return Picture(picture);
  }
  static Picture decode(const void* file, std::size_t bytes, const std::string& name = "picture") {
    gpen_picture* picture = nullptr;
    check(gpen_picture_decode(file, bytes, name.c_str(), &picture));
    return Picture(picture);
  }
  // Pixels that belong to this object.
  gpen_image image() const {
    gpen_image image;
    check(gpen_picture_image(handle_.get(), &image));
    return image;
  }

 private:
  struct Free {
    void operator()(gpen_picture* p) const { gpen_picture_free(p); }
  };
  explicit Picture(gpen_picture* picture) : handle_(picture) {}
  std::unique_ptr<gpen_picture, Free> handle_;
};

inline void convert(const gpen_image& from, const gpen_image_buffer& to) { check(gpen_image_convert(&from, &to)); }
inline void save(const gpen_image& image, const std::string& path, int quality = 0) {
  check(gpen_image_save(&image, path.c_str(), quality));
}
inline std::vector<std::uint8_t> encode(const gpen_image& image, gpen_file_format format, int quality = 0) {
  std::uint8_t* file = nullptr;
  std::size_t bytes = 0;
  check(gpen_image_encode(&image, format, quality, &file, &bytes));
  const std::unique_ptr<std::uint8_t, void (*)(void*)> owner(file, &gpen_free);
  return std::vector<std::uint8_t>(file, file + bytes);
}

inline std::vector<gpen_device_info> devices() {
  std::vector<gpen_device_info> list(gpen_device_count());
  for (std::size_t i = 0; i < list.size(); ++i) {
    list[i].size = sizeof(gpen_device_info);
    check(gpen_device_get(i, &list[i]));
  }
  return list;
}

class Result {
 public:
  // Pixels that belong to this object.
  gpen_image image(gpen_result_picture which = GPEN_PICTURE_RESULT, std::size_t index = 0) const {
    gpen_image image;
    check(gpen_result_image(handle_.get(), which, index, &image));
    return image;
  }
  void copy_to(const gpen_image_buffer& to) const { check(gpen_result_copy(handle_.get(), &to)); }
  std::vector<gpen_face> faces() const {
    std::vector<gpen_face> list(gpen_result_face_count(handle_.get()));
    for (std::size_t i = 0; i < list.size(); ++i) check(gpen_result_face(handle_.get(), i, &list[i]));
    return list;
  }
  gpen_alignment alignment(std::size_t face) const {
    gpen_alignment alignment;
    check(gpen_result_alignment(handle_.get(), face, &alignment));
    return alignment;
  }
  std::vector<std::string> notes() const {
    std::vector<std::string> list;
    for (std::size_t i = 0; i < gpen_result_note_count(handle_.get()); ++i)
      list.push_back(gpen_result_note(handle_.get(), i));
    return list;
  }

 private:
  friend class Model;
  struct Free {
    void operator()(gpen_result* r) const { gpen_result_free(r); }
  };
  explicit Result(gpen_result* result) : handle_(result) {}
  std::unique_ptr<gpen_result, Free> handle_;
};

class Model {
 public:
  // log takes the place of params.log, if given.
  explicit Model(const gpen_model_params& params = ModelParams(), Log log = nullptr) { open(params, std::move(log)); }
  // A GPEN and a detector by name or file ("": the default), everything else as ModelParams has it.
  explicit Model(const std::string& gpen, const std::string& detector = "", Log log = nullptr) {
    ModelParams params;
    params.gpen.name = gpen.c_str();
    params.detector.name = detector.c_str();
    open(params, std::move(log));
  }

  Result restore(const gpen_image& image, const gpen_restore_params& params = RestoreParams(),
                 const Progress& progress = nullptr) const {
    return call(&gpen_restore, image, params, progress);
  }
  Result detect(const gpen_image& image, const gpen_restore_params& params = RestoreParams(),
                const Progress& progress = nullptr) const {
    return call(&gpen_detect, image, params, progress);
  }
  // The texts belong to this object.
  gpen_model_info info() const {
    gpen_model_info info;
    info.size = sizeof(info);
    check(gpen_model_get_info(handle_.get(), &info));
    return info;
  }
  gpen_model* get() const noexcept { return handle_.get(); }

 private:
  using Function = gpen_status (*)(gpen_model*, const gpen_restore_params*, const gpen_image*, gpen_result**);
  struct Free {
    void operator()(gpen_model* m) const { gpen_model_free(m); }
  };
  // What goes through the C callbacks of one call.
  struct Watch {
    const Progress& progress;
    bool started, stop;
    std::exception_ptr error;
    void ask(const char* stage, double fraction) noexcept {
      if (stop) return;
      try {
        stop = !progress(stage, fraction);
      } catch (...) {
        error = std::current_exception();
        stop = true;
      }
    }
  };

  void open(gpen_model_params params, Log log) {
    if (log) {
      log_.reset(new Log(std::move(log)));
      params.log = [](gpen_log_level level, const char* text, void* user_data) {
        try {
          (*static_cast<const Log*>(user_data))(level, text);
        } catch (...) {
        }
      };
      params.log_user_data = log_.get();
    }
    gpen_model* model = nullptr;
    check(gpen_model_open(&params, &model));
    handle_.reset(model);
  }

  Result call(Function function, const gpen_image& image, gpen_restore_params params, const Progress& progress) const {
    Watch watch = {progress, false, false, nullptr};
    if (progress) {
      params.progress = [](const char* stage, double fraction, void* user_data) {
        static_cast<Watch*>(user_data)->started = true;
        static_cast<Watch*>(user_data)->ask(stage, fraction);
      };
      params.abort = [](void* user_data) {
        auto& watch = *static_cast<Watch*>(user_data);
        if (!watch.started) watch.ask("wait", 0);
        return watch.stop;
      };
      params.progress_user_data = params.abort_user_data = &watch;
    }
    gpen_result* result = nullptr;
    const gpen_status status = function(handle_.get(), &params, &image, &result);
    Result owner(result);
    if (watch.error) std::rethrow_exception(watch.error);
    check(status);
    return owner;
  }

  std::unique_ptr<Log> log_{};  // outlives the model
  std::unique_ptr<gpen_model, Free> handle_{};
};

}  // namespace v0
}  // namespace gpen
#endif  // GPEN_GPEN_HPP
