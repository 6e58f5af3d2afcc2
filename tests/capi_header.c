/* gpen.h as C99 sees it: compiled with -std=c99 -pedantic -Wall -Wextra -Werror, called by test_capi_api.cpp. */
#include "gpen/gpen.h"

gpen_status capi_header_restore(gpen_model* model, const gpen_image* image, const gpen_image_buffer* to);

/* The whole way in C. */
gpen_status capi_header_restore(gpen_model* model, const gpen_image* image, const gpen_image_buffer* to) {
  gpen_restore_params params = gpen_restore_default_params();
  gpen_result* result = NULL;
  gpen_status status;
  params.aligned = true;
  status = gpen_restore(model, &params, image, &result);
  if (status == GPEN_OK) status = gpen_result_copy(result, to);
  gpen_result_free(result);
  return status;
}
