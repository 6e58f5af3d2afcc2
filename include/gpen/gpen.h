/* gpen: face restoration (GPEN), as a C library.
 *
 *     gpen_model_params params = gpen_model_default_params();
 *     gpen_model *model = NULL;
 *     gpen_result *result = NULL;
 *     if (gpen_model_open(&params, &model) == GPEN_OK &&
 *         gpen_restore(model, NULL, &photo, &result) == GPEN_OK) {
 *       gpen_result_image(result, GPEN_PICTURE_RESULT, 0, &restored);
 *       ...
 *     }
 *     else fprintf(stderr, "%s\n", gpen_last_error());
 *     gpen_result_free(result);
 *     gpen_model_free(model);
 *
 * Ownership. What a function hands out through a `**` argument belongs to the caller, who gives it back with the
 * function of the same type that ends in _free; every _free takes NULL and does nothing then. Text and pixels that a
 * function points to belong to the object they were asked of and live as long as it. Whatever is passed in is only
 * read during the call (callbacks and their user data: see each), and nothing of it is kept.
 *
 * Errors. Functions that can fail return gpen_status; the reason in words, with the name of the file, is then
 * gpen_last_error() on the same thread. After an error every `**` output is NULL and every other output is unchanged,
 * unless its function says otherwise. Every such function can return GPEN_ERROR_MEMORY, and GPEN_ERROR_USAGE for a
 * NULL where an object is needed; each function's comment names its other errors. No C++ exception leaves the library,
 * and it never exits, aborts or prints. After GPEN_ERROR_MEMORY all objects are as usable as before.
 *
 * Threads. All functions may be called from any thread. One model may be used by several threads at the same time: its
 * computing calls (restore, detect) take turns, in the order of their arrival, because each of them computes on all the
 * threads of the model. A result or a picture is not changed by reading it, so several threads may read the same one.
 * Freeing an object while another thread still uses it is the caller's error.
 *
 * fork(). A child has none of the threads of a model that its parent opened: restore and detect then return
 * GPEN_ERROR_USAGE, and gpen_model_free() does nothing, so that the child keeps its copy of the memory until it ends or
 * calls exec. Everything else works there, models that the child opens too (not on a CUDA device if the
 * parent has used one). Fork while no other thread is inside a function of this library.
 *
 * Growing. Structs with a member `size` may get more members at their end in later versions; fill them with their
 * gpen_..._default_params() (which sets size) and change what is wanted, or set size by hand. A program runs with newer
 * libraries of the same soname, and with older ones as long as it leaves members that those do not know at zero.
 */
#ifndef GPEN_GPEN_H
#define GPEN_GPEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Marks what the shared library exports. */
#if defined(__GNUC__)
#define GPEN_API __attribute__((visibility("default")))
#else
#define GPEN_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Version ---------------------------------------------------------------------------------------------------- */

/* Of this header. gpen_version_number() is the library's. */
#define GPEN_VERSION_MAJOR 0
#define GPEN_VERSION_MINOR 1
#define GPEN_VERSION_PATCH 0
#define GPEN_VERSION_NUMBER (GPEN_VERSION_MAJOR * 10000 + GPEN_VERSION_MINOR * 100 + GPEN_VERSION_PATCH)

/* "0.1.0", of the library that runs. The text is static. */
GPEN_API const char* gpen_version(void);
/* 10000 * major + 100 * minor + patch, of the library that runs. */
GPEN_API int32_t gpen_version_number(void);

/* ---- Errors ----------------------------------------------------------------------------------------------------- */

/* The numbers up to GPEN_ERROR_MEMORY are the exit codes of the gpen command. Later versions may add some. */
typedef enum gpen_status {
  GPEN_OK = 0,
  GPEN_ERROR_USAGE = 2,     /* an argument is missing or out of range */
  GPEN_ERROR_MODEL = 3,     /* a model is not installed, damaged, or of another kind */
  GPEN_ERROR_IO = 4,        /* a file cannot be read or written, or is no picture */
  GPEN_ERROR_DEVICE = 5,    /* the device or the precision cannot be had here */
  GPEN_ERROR_MEMORY = 6,    /* out of memory, on the host or on the device */
  GPEN_ERROR_CANCELLED = 7, /* the abort callback asked for it */
  GPEN_ERROR_INTERNAL = 8   /* a bug of the library */
} gpen_status;

/* A few words for a status, "out of memory"; "unknown status" for a number that is none. The text is static. */
GPEN_API const char* gpen_status_text(gpen_status status);
/* Why the last call on this thread that returns a gpen_status failed; "" when it succeeded. Never NULL. At most 2047
 * bytes. Valid until this thread's next such call; every thread has its own. */
GPEN_API const char* gpen_last_error(void);

/* ---- Pictures --------------------------------------------------------------------------------------------------- */

/* Channels of a pixel in memory order, 8 bits each. Alpha is not premultiplied. */
typedef enum gpen_format {
  GPEN_FORMAT_RGB = 0,
  GPEN_FORMAT_BGR = 1,
  GPEN_FORMAT_RGBA = 2,
  GPEN_FORMAT_BGRA = 3,
  GPEN_FORMAT_GRAY = 4 /* written as luma, 0.299 R + 0.587 G + 0.114 B, rounded */
} gpen_format;

/* Pixels that are read. Row y begins at data + y * stride, the top row first. */
typedef struct gpen_image {
  const uint8_t* data;
  int32_t width, height; /* pixels */
  ptrdiff_t stride;      /* bytes from one row to the next; 0: rows without padding; negative: data is the last row in
                            memory, which is the top row of the picture (bottom-up bitmaps) */
  gpen_format format;
} gpen_image;

/* Pixels that are written, described in the same way. The memory is the caller's. Padding is not touched. */
typedef struct gpen_image_buffer {
  uint8_t* data;
  int32_t width, height;
  ptrdiff_t stride;
  gpen_format format;
} gpen_image_buffer;

/* Bytes of a pixel: 3, 4 or 1; 0 for a number that is no format. */
GPEN_API int32_t gpen_format_channels(gpen_format format);

/* Copies `from` to `to`, which must have its size, and converts the format: gray becomes three equal channels, missing
 * alpha is 255, alpha that `to` has no place for is dropped. The two must not overlap.
 * GPEN_ERROR_USAGE: sizes that differ, a stride shorter than a row, an unknown format; nothing is written then. */
GPEN_API gpen_status gpen_image_convert(const gpen_image* from, const gpen_image_buffer* to);

/* A picture that the library has read from a file. */
typedef struct gpen_picture gpen_picture;

/* Reads a PNG, JPEG or BMP, told apart by content; a JPEG is turned upright by its EXIF orientation, 16 bits are
 * rounded to 8. Hostile files are safe. GPEN_ERROR_IO: unreadable, damaged, or too large. */
GPEN_API gpen_status gpen_picture_load(const char* path, gpen_picture** picture);
/* The same for a file in memory; name is for messages and may be NULL. */
GPEN_API gpen_status gpen_picture_decode(const void* file, size_t bytes, const char* name, gpen_picture** picture);
/* Its pixels: RGBA if the file has transparency, else RGB. They belong to the picture. */
GPEN_API gpen_status gpen_picture_image(const gpen_picture* picture, gpen_image* image);
/* NULL is allowed. */
GPEN_API void gpen_picture_free(gpen_picture* picture);

typedef enum gpen_file_format { GPEN_FILE_PNG = 0, GPEN_FILE_JPEG = 1, GPEN_FILE_BMP = 2 } gpen_file_format;

/* Writes a picture as the path's extension says (.png, .jpg, .jpeg, .bmp). The file appears complete or not at all.
 * JPEG has no transparency and drops it. quality: of a JPEG, 1 to 100; 0 is 95. GPEN_ERROR_USAGE: another extension or
 * quality. GPEN_ERROR_IO: it cannot be written. */
GPEN_API gpen_status gpen_image_save(const gpen_image* image, const char* path, int32_t quality);
/* The same into memory that the caller gives back with gpen_free(). */
GPEN_API gpen_status gpen_image_encode(const gpen_image* image, gpen_file_format format, int32_t quality,
                                       uint8_t** file, size_t* bytes);
/* Gives back what gpen_image_encode() handed out. NULL is allowed. */
GPEN_API void gpen_free(void* memory);

/* ---- Devices ---------------------------------------------------------------------------------------------------- */

typedef struct gpen_device_info {
  size_t size;           /* sizeof(gpen_device_info), set by the caller */
  char name[32];         /* for gpen_model_params::device: "cpu", "cuda:0" */
  char description[128]; /* the processor's instruction set in use, or the driver's name for the device */
  char precisions[64];   /* "fp32, bf16"; empty: the device is too old to be used */
  uint64_t memory_bytes; /* in all */
} gpen_device_info;

/* How many devices there are: the processor, which is number 0, and the CUDA devices that the driver finds. Never
 * fails: without a driver, or in a library built without CUDA, it is 1. */
GPEN_API size_t gpen_device_count(void);
/* GPEN_ERROR_USAGE: there is no device of this number, or info->size is not set. */
GPEN_API gpen_status gpen_device_get(size_t index, gpen_device_info* info);
/* Whether a model can be opened there; opens nothing. NULL is the default of gpen_model_params. GPEN_ERROR_USAGE: a
 * name that is none. GPEN_ERROR_DEVICE: it cannot be had here; gpen_last_error() says why. */
GPEN_API gpen_status gpen_device_check(const char* device, const char* precision);

/* ---- Models ----------------------------------------------------------------------------------------------------- */

typedef enum gpen_log_level {
  GPEN_LOG_DEBUG = 0, /* times of the stages */
  GPEN_LOG_INFO = 1,  /* what was loaded */
  GPEN_LOG_WARN = 2,  /* what a person should know: no face found, no parser installed, ... */
  GPEN_LOG_ERROR = 3  /* what is also returned as an error */
} gpen_log_level;

/* A line of UTF-8 without a line break; it is only valid during the call. */
typedef void (*gpen_log_callback)(gpen_log_level level, const char* text, void* user_data);

/* What a network is loaded from. */
typedef struct gpen_weights {
  /* A name of the catalogue (`gpen fetch` lists them) that is installed, or a .safetensors or .pth file; with data a
   * name for messages. NULL or "": the default. "none": without this network. */
  const char* name;
  /* A safetensors file in memory, or NULL. It is only read during gpen_model_open(). */
  const void* data;
  size_t bytes;
} gpen_weights;

/* What the network was trained for. Other than RESTORE: the input is an aligned face. */
typedef enum gpen_task {
  GPEN_TASK_RESTORE = 0,
  GPEN_TASK_COLORIZE = 1, /* gray to colour */
  GPEN_TASK_INPAINT = 2,  /* fills what is pure white */
  GPEN_TASK_SEG2FACE = 3  /* a face from a map of labels */
} gpen_task;

typedef struct gpen_model_params {
  size_t size; /* sizeof(gpen_model_params) */

  gpen_weights gpen;     /* default: the released one of face_size or of the task, else the largest installed one up to
                            1024. "sharpen", "identity" and "negative" are made in memory and need no file; they run the
                            whole pipeline and restore nothing. "none": a model that only detects */
  gpen_weights detector; /* RetinaFace; default: the best one that is installed. "none": faces must be given, or
                            pictures be aligned. Of another task than RESTORE that is the default */
  gpen_weights parser; /* ParseNet, for the shape of the pasted face; default: the installed one, else a soft square */
  gpen_weights upscaler; /* RealESRNet for the background; default: none */

  gpen_task task;
  int32_t face_size; /* 256, 512, 1024 or 2048; 0: as the GPEN has it (512 for those made in memory). Another size than
                        that of the weights is an error */

  const char* device;    /* "auto", "cpu", "cuda", "cuda:1"; NULL: "auto", a CUDA device if one can be used, else the
                            processor */
  const char* precision; /* "fp32", "bf16"; on a CUDA device also "tf32", "fp16", "fp16-fast"; NULL: "fp32" */
  int32_t threads;       /* 0: as many as this process may use; at most 1024 */

  gpen_log_callback log; /* called on the threads that call into this model, also on several at the same time; NULL: no
                            log. It must not call a function that takes this model */
  void* log_user_data;   /* handed to log; the caller keeps it alive as long as the model */
} gpen_model_params;

/* A set of networks, loaded and ready. */
typedef struct gpen_model gpen_model;

/* Fills params with the defaults; size is sizeof(gpen_model_params). Does nothing for NULL. */
GPEN_API void gpen_model_params_init(gpen_model_params* params, size_t size);
/* The defaults. */
static inline gpen_model_params gpen_model_default_params(void) {
  gpen_model_params params;
  gpen_model_params_init(&params, sizeof(params));
  return params;
}

/* Loads the networks and starts the threads; takes seconds for the released ones. params NULL: the defaults. Files and
 * memory named in params are not needed afterwards.
 * GPEN_ERROR_MODEL: not installed (the message says how to get it), a file that is missing or unreadable, damaged, or
 * another network. GPEN_ERROR_DEVICE: as gpen_device_check(). GPEN_ERROR_USAGE: values out of range or in
 * contradiction.
 */
GPEN_API gpen_status gpen_model_open(const gpen_model_params* params, gpen_model** model);
/* Gives back all its memory and ends its threads. No other call may use the model any more. Results stay valid. NULL is
 * allowed. Does nothing in a child of the process that opened the model. */
GPEN_API void gpen_model_free(gpen_model* model);

/* What was loaded. The texts belong to the model; networks that there are not are "". */
typedef struct gpen_model_info {
  size_t size; /* sizeof(gpen_model_info), set by the caller */
  const char *gpen, *detector, *parser, *upscaler;
  const char *device, *precision; /* "cpu", "fp32" */
  int32_t threads;
  int32_t face_size; /* side of a restored face, pixels; 0: without a GPEN */
  int32_t upscale;   /* result / photo, 1, 2 or 4 */
} gpen_model_info;

/* GPEN_ERROR_USAGE: info->size is not set. */
GPEN_API gpen_status gpen_model_get_info(const gpen_model* model, gpen_model_info* info);

/* ---- Restoring -------------------------------------------------------------------------------------------------- */

typedef struct gpen_point {
  double x, y; /* pixels of the photo; pixel centres are integers */
} gpen_point;

/* A face of a photo. This struct will not grow. */
typedef struct gpen_face {
  double x0, y0, x1, y1;   /* the box; may reach beyond the photo */
  double score;            /* 0 to 1 */
  gpen_point landmarks[5]; /* left eye, right eye, nose, left and right corner of the mouth, as seen in the picture */
} gpen_face;

/* How much of a stage is done, 0 to 1. stage: "upscale", "detect", "restore", "paste"; static text. Called on the
 * thread that made the call. It must not use the same model (GPEN_ERROR_USAGE) and must not free anything of this call.
 */
typedef void (*gpen_progress_callback)(const char* stage, double fraction, void* user_data);
/* True ends the call with GPEN_ERROR_CANCELLED. Asked on the thread that made the call: between and inside the stages
 * (for each batch of faces, each tile), and about fifty times a second while the call waits for its turn. */
typedef bool (*gpen_abort_callback)(void* user_data);

typedef struct gpen_restore_params {
  size_t size; /* sizeof(gpen_restore_params) */

  /* Which faces; gpen_detect() reads these too. */
  double threshold;       /* faces score above it, at least 0 and below 1; 0.9 */
  double min_face;        /* smaller side of the box at least, pixels; 0 */
  int32_t max_faces;      /* the best-scored ones; 0: all */
  bool largest_face;      /* only the face with the largest box */
  int32_t detect_size;    /* longer side that larger photos are shrunk to for the detector; more finds smaller faces and
                             takes longer. 0: 1000, for photos above 1500; negative: never shrunk */
  const gpen_face* faces; /* face_count faces to restore instead of detecting them, e.g. of another detector; NULL:
                            detect. Their landmarks are needed; a box without extent is derived from them. The filters
                            above hold for them too */
  size_t face_count;

  /* How to restore. */
  bool aligned;     /* the picture is one aligned face: nothing is detected, pasted or upscaled */
  double lambda_id; /* closed-loop consistency with the input, 0 to 1; 0: exactly the network's output; 0.1 */
  double alpha;     /* weight of the restored face against the original, 0 to 1; 1 */
  int32_t tile;     /* of the upscaler, input pixels; 0: in one piece */
  int32_t batch;    /* most faces at once; 0: as memory allows */
  uint64_t seed;    /* noise of networks whose output is larger than their input; 0 */
  bool keep_faces;  /* fill GPEN_PICTURE_FACE_BEFORE and _AFTER */
  bool compare;     /* fill GPEN_PICTURE_COMPARISON */
  bool draw_boxes;  /* boxes and landmarks drawn on the result */

  gpen_progress_callback progress; /* NULL: none */
  void* progress_user_data;
  gpen_abort_callback abort; /* NULL: none */
  void* abort_user_data;
} gpen_restore_params;

/* Fills params with the defaults; size is sizeof(gpen_restore_params). Does nothing for NULL. */
GPEN_API void gpen_restore_params_init(gpen_restore_params* params, size_t size);
/* The defaults. */
static inline gpen_restore_params gpen_restore_default_params(void) {
  gpen_restore_params params;
  gpen_restore_params_init(&params, sizeof(params));
  return params;
}

/* What gpen_restore() or gpen_detect() found. Independent of its model. */
typedef struct gpen_result gpen_result;

/* Finds the faces of a photo, restores them and puts them back. params NULL: the defaults. A photo without a face is no
 * error: it comes back as it is (upscaled, with an upscaler), with a note. The result is the same for any number of
 * threads, in this process and outside.
 * GPEN_ERROR_USAGE: params out of range or in contradiction (aligned with faces or draw_boxes, tile without an
 * upscaler); an image of more than 32767 pixels a side or 100 million in all; neither a detector nor faces nor aligned;
 * a model without a GPEN; a call from a callback of the same model, or in a child of the process that opened it.
 * GPEN_ERROR_CANCELLED: by the abort callback. GPEN_ERROR_DEVICE: the device failed. GPEN_ERROR_MEMORY: also when the
 * model's next call would fit, e.g. for a smaller picture. */
GPEN_API gpen_status gpen_restore(gpen_model* model, const gpen_restore_params* params, const gpen_image* image,
                                  gpen_result** result);
/* Finds the faces only: the result has faces and no pictures. Reads size, the first part of params (without faces) and
 * the callbacks. Errors as gpen_restore(); it needs a detector and no GPEN. */
GPEN_API gpen_status gpen_detect(gpen_model* model, const gpen_restore_params* params, const gpen_image* image,
                                 gpen_result** result);
/* NULL is allowed. */
GPEN_API void gpen_result_free(gpen_result* result);

/* The pictures of a result. */
typedef enum gpen_result_picture {
  GPEN_PICTURE_RESULT = 0,      /* RGB, the restored photo */
  GPEN_PICTURE_ALPHA = 1,       /* GRAY, its transparency, if the photo had one */
  GPEN_PICTURE_COMPARISON = 2,  /* RGB, before | after; gpen_restore_params::compare */
  GPEN_PICTURE_FACE_BEFORE = 3, /* RGB, one for each face, aligned; gpen_restore_params::keep_faces */
  GPEN_PICTURE_FACE_AFTER = 4   /* RGB, the same faces restored */
} gpen_result_picture;

/* A picture of the result; the pixels belong to it. index: the face, for the last two; else 0.
 * GPEN_ERROR_USAGE: the result has no such picture. */
GPEN_API gpen_status gpen_result_image(const gpen_result* result, gpen_result_picture which, size_t index,
                                       gpen_image* image);
/* The restored photo, with its transparency if `to` has a place for it, into the caller's memory and format; `to` has
 * the size of GPEN_PICTURE_RESULT. GPEN_ERROR_USAGE: another size, a short stride, an unknown format, or a result of
 * gpen_detect(); nothing is written then. */
GPEN_API gpen_status gpen_result_copy(const gpen_result* result, const gpen_image_buffer* to);

/* How many faces were restored or found, the best-scored first; an aligned picture is one. 0 for NULL. */
GPEN_API size_t gpen_result_face_count(const gpen_result* result);
/* In pixels of the photo as given, before any upscaling. GPEN_ERROR_USAGE: there is no face of this number. */
GPEN_API gpen_status gpen_result_face(const gpen_result* result, size_t index, gpen_face* face);

/* Affine maps [[a, b, c], [d, e, f]]: (x, y) -> (a x + b y + c, d x + e y + f). This struct will not grow. */
typedef struct gpen_alignment {
  double to_crop[2][3];  /* photo (upscaled, with an upscaler) to the aligned crop */
  double to_photo[2][3]; /* and back */
  int32_t crop_size;     /* side of the crop, pixels */
} gpen_alignment;

/* How a face is aligned. Of gpen_detect() with a model without a GPEN: to a crop of 512. GPEN_ERROR_USAGE: there is no
 * face of this number, or (of gpen_detect() only) no crop can be made from its landmarks. */
GPEN_API gpen_status gpen_result_alignment(const gpen_result* result, size_t index, gpen_alignment* alignment);

/* What a person should know about this result: "no face found", ... 0 for NULL. */
GPEN_API size_t gpen_result_note_count(const gpen_result* result);
/* NULL when there is no note of this number. The text belongs to the result. */
GPEN_API const char* gpen_result_note(const gpen_result* result, size_t index);

#ifdef __cplusplus
}
#endif
#endif /* GPEN_GPEN_H */
