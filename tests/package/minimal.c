/* Restores an aligned face with the library it is linked with: the minimal one or the whole one, with the same answer.
 *
 *     minimal MODEL.safetensors OUTPUT minimal|whole
 *
 * OUTPUT gets the pixels, RGB without a header. */
#include <gpen/gpen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures = 0;

static void expect(int condition, const char* what) {
  if (condition) return;
  fprintf(stderr, "minimal: %s; last error: %s\n", what, gpen_last_error());
  ++failures;
}

static void count(const char* stage, double fraction, void* user_data) {
  (void)stage, (void)fraction;
  ++*(int*)user_data;
}

static bool always(void* user_data) { return user_data == NULL; }

/* A face-like picture that is the same everywhere: integers only. */
enum { kWidth = 40, kHeight = 48 };
static uint8_t pixels[kHeight][kWidth][3];
static gpen_image picture(void) {
  gpen_image image = {&pixels[0][0][0], kWidth, kHeight, 0, GPEN_FORMAT_RGB};
  for (int y = 0; y < kHeight; ++y)
    for (int x = 0; x < kWidth; ++x) {
      const int d = (x - 20) * (x - 20) + (y - 24) * (y - 24);
      pixels[y][x][0] = (uint8_t)(d < 300 ? 200 - d / 3 : 40 + x);
      pixels[y][x][1] = (uint8_t)(d < 300 ? 160 - d / 4 : 60 + y);
      pixels[y][x][2] = (uint8_t)(d < 300 ? 120 + (x * y) % 17 : 90);
    }
  return image;
}

static void* read_file(const char* path, size_t* bytes) {
  FILE* file = fopen(path, "rb");
  char* data = NULL;
  *bytes = 0;
  if (file == NULL) return NULL;
  if (fseek(file, 0, SEEK_END) == 0 && ftell(file) > 0) {
    const size_t size = (size_t)ftell(file);
    rewind(file);
    data = malloc(size);
    if (data != NULL && fread(data, 1, size, file) == size) *bytes = size;
  }
  fclose(file);
  return data;
}

/* What the minimal library leaves out fails with words. */
static void check_left_out(gpen_model* model, const gpen_image* image, const char* path) {
  gpen_model_params open = gpen_model_default_params();
  gpen_model* other = NULL;
  gpen_result* result = NULL;
  gpen_picture* photo = NULL;
  expect(gpen_restore(model, NULL, image, &result) == GPEN_ERROR_USAGE && result == NULL, "a photo is refused");
  expect(strstr(gpen_last_error(), "minimal library") != NULL, "and told why");
  expect(gpen_detect(model, NULL, image, &result) == GPEN_ERROR_USAGE, "detection is refused");
  expect(gpen_picture_load(path, &photo) == GPEN_ERROR_USAGE, "picture files are refused");
  open.gpen.name = "gpen-bfr-512";
  expect(gpen_model_open(&open, &other) == GPEN_ERROR_USAGE && other == NULL, "the catalogue is refused");
  open.gpen.name = path;
  open.detector.name = "retinaface-r50";
  expect(gpen_model_open(&open, &other) == GPEN_ERROR_USAGE && other == NULL, "a detector is refused");
  expect(strstr(gpen_last_error(), "detector") != NULL, "and told why");
}

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const int minimal = strcmp(argv[3], "minimal") == 0;
  const gpen_image image = picture();

  gpen_model_params open = gpen_model_default_params();
  gpen_model *model = NULL, *in_memory = NULL;
  open.gpen.name = argv[1];
  open.detector.name = "none"; /* of both libraries: as docs/building.md has it */
  expect(gpen_model_open(&open, &model) == GPEN_OK, "the model opens");
  size_t bytes;
  void* file = read_file(argv[1], &bytes);
  open.gpen.data = file;
  open.gpen.bytes = bytes;
  expect(gpen_model_open(&open, &in_memory) == GPEN_OK, "the model opens from memory");
  free(file);
  if (failures > 0) return 1;

  int calls = 0;
  gpen_restore_params how = gpen_restore_default_params();
  how.aligned = true;
  how.progress = count;
  how.progress_user_data = &calls;
  gpen_result *result = NULL, *again = NULL;
  gpen_image restored, repeated;
  expect(gpen_restore(model, &how, &image, &result) == GPEN_OK, "the face is restored");
  expect(gpen_restore(in_memory, &how, &image, &again) == GPEN_OK, "with the model from memory, too");
  expect(gpen_result_image(result, GPEN_PICTURE_RESULT, 0, &restored) == GPEN_OK, "there is a picture");
  expect(gpen_result_image(again, GPEN_PICTURE_RESULT, 0, &repeated) == GPEN_OK, "and another");
  expect(calls > 0, "progress is reported");
  if (failures > 0) return 1;
  const size_t size = (size_t)restored.width * (size_t)restored.height * 3;
  expect(memcmp(restored.data, repeated.data, size) == 0, "both are the same");
  int changed = 0;
  for (size_t i = 1; i < size; ++i) changed += restored.data[i] != restored.data[i - 1];
  expect(changed > 100, "the picture is not plain");

  FILE* output = fopen(argv[2], "wb");
  expect(output != NULL && fwrite(restored.data, 1, size, output) == size && fclose(output) == 0, "it is written");
  printf("%s %s: %d x %d restored to %d x %d\n", argv[3], gpen_version(), image.width, image.height, restored.width,
         restored.height);
  gpen_result_free(again);
  how.abort = always;
  expect(gpen_restore(model, &how, &image, &again) == GPEN_ERROR_CANCELLED && again == NULL, "abort cancels");
  how.lambda_id = 2;
  how.abort = NULL;
  expect(gpen_restore(model, &how, &image, &again) == GPEN_ERROR_USAGE, "lambda_id 2 is refused");
  if (minimal) check_left_out(model, &image, argv[1]);
  gpen_result_free(result);
  gpen_model_free(model);
  gpen_model_free(in_memory);
  return failures > 0;
}
