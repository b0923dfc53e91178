/* files: what the command line reads and writes; "-" is standard input or output. */
#ifndef KRIGED_CLI_FILES_H
#define KRIGED_CLI_FILES_H

#include "kriged/data.h"

#include <jansson.h>

/* The whole file, on the heap. */
kr_status kr_read_text(struct kr_ctx *ctx, const char *path, char **text, size_t *length) KR_MUST_CHECK;
kr_status kr_read_json(struct kr_ctx *ctx, const char *path, json_t **out) KR_MUST_CHECK;
kr_status kr_read_csv(struct kr_ctx *ctx, const char *path, const struct kr_csv_options *options,
                      struct kr_dataset *out) KR_MUST_CHECK;
kr_status kr_write_json(struct kr_ctx *ctx, const char *path, const json_t *json) KR_MUST_CHECK;

#endif
