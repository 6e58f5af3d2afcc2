/* Restores the faces of a photo, from file to file, through the C API.
 *
 *     embed PHOTO OUTPUT [MODEL [DETECTOR]]
 *     cc main.c $(pkg-config --cflags --libs gpen)
 *
 * Ctrl-C ends it at the next opportunity. */
#include <gpen/gpen.h>
#include <signal.h>
#include <stdio.h>

static volatile sig_atomic_t interrupted = 0;

static void on_interrupt(int signal_number) {
  (void)signal_number;
  interrupted = 1;
}

static bool should_stop(void* user_data) {
  (void)user_data;
  return interrupted != 0;
}

static void show_progress(const char* stage, double fraction, void* user_data) {
  (void)user_data;
  fprintf(stderr, "%-8s %3.0f %%\n", stage, 100 * fraction);
}

static void show_log(gpen_log_level level, const char* text, void* user_data) {
  (void)user_data;
  if (level >= GPEN_LOG_INFO && level < GPEN_LOG_ERROR) fprintf(stderr, "gpen: %s\n", text);
}

static gpen_status restore(const char* photo_path, const char* output_path, const char* model_name,
                           const char* detector_name) {
  gpen_model* model = NULL;
  gpen_picture* photo = NULL;
  gpen_result* result = NULL;
  gpen_image image;
  gpen_status status;

  gpen_model_params open = gpen_model_default_params();
  open.gpen.name = model_name;        /* NULL: the largest installed one */
  open.detector.name = detector_name; /* NULL: the best installed one */
  open.log = show_log;
  status = gpen_model_open(&open, &model);

  if (status == GPEN_OK) status = gpen_picture_load(photo_path, &photo);
  if (status == GPEN_OK) status = gpen_picture_image(photo, &image);
  if (status == GPEN_OK) {
    gpen_restore_params how = gpen_restore_default_params();
    how.aligned = detector_name != NULL && detector_name[0] == 'n'; /* "none": the photo is a face */
    how.progress = show_progress;
    how.abort = should_stop;
    status = gpen_restore(model, &how, &image, &result);
  }
  if (status == GPEN_OK) status = gpen_result_image(result, GPEN_PICTURE_RESULT, 0, &image);
  if (status == GPEN_OK) status = gpen_image_save(&image, output_path, 0);
  if (status == GPEN_OK) printf("%s: %zu faces\n", output_path, gpen_result_face_count(result));
  if (status != GPEN_OK) fprintf(stderr, "embed: %s: %s\n", gpen_status_text(status), gpen_last_error());

  gpen_result_free(result);
  gpen_picture_free(photo);
  gpen_model_free(model);
  return status;
}

int main(int argc, char** argv) {
  if (argc < 3 || argc > 5) {
    fprintf(stderr,
            "usage: %s PHOTO OUTPUT [MODEL [DETECTOR]]\n"
            "  PHOTO     PNG, JPEG or BMP\n"
            "  OUTPUT    .png, .jpg or .bmp\n"
            "  MODEL     a GPEN: an installed name (gpen fetch), a file, or sharpen (default: the installed one)\n"
            "  DETECTOR  a RetinaFace, or none: PHOTO is one aligned face (default: the installed one)\n"
            "with libgpen %s\n",
            argv[0], gpen_version());
    return GPEN_ERROR_USAGE;
  }
  signal(SIGINT, on_interrupt);
  return (int)restore(argv[1], argv[2], argc > 3 ? argv[3] : NULL, argc > 4 ? argv[4] : NULL);
}
