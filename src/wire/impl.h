/*
 * What the files of wire share: the place of a value in the request, refusals, numbers as text.
 *
 * A place is a chain on the stack, one link a level, so that reading a matrix costs no text; the JSON pointer
 * is spelled only for a refusal.
 */
#ifndef WIRE_IMPL_H
#define WIRE_IMPL_H

#include "wire/wire.h"

#define WIRE_LARGEST_INTEGER 9007199254740991.0 /* 2^53 - 1: every integer up to it is a double */

struct wire_path {
    const struct wire_path *up;
    const char *name; /* NULL = an array's element; of the root: a pointer, spelled already */
    size_t index;
};

struct wire_reader {
    struct kr_ctx *ctx;
    size_t depth; /* variants around the present place */
};

/* INVALID at a place. */
kr_status wire_refuse(struct kr_ctx *ctx, const struct wire_path *path, const char *format, ...)
    __attribute__((format(printf, 3, 4))) KR_MUST_CHECK;
/* "must be `wanted`, got a string" and the like. */
kr_status wire_refuse_type(struct kr_ctx *ctx, const struct wire_path *path, const char *wanted,
                           const json_t *json) KR_MUST_CHECK;
/* "there is no `noun` called "x"; there are: a, b, c": the names of a NULL-terminated list, or the rows of a
 * registry. */
kr_status wire_refuse_name(struct kr_ctx *ctx, const struct wire_path *path, const char *noun,
                           const char *got, const struct kr_registry *registry,
                           const char *const *names) KR_MUST_CHECK;

/* A row without a range has both ends 0. */
bool wire_has_range(const struct kr_field *field);
kr_status wire_check_range(struct kr_ctx *ctx, const struct kr_field *field, double value,
                           const struct wire_path *path) KR_MUST_CHECK;
kr_status wire_read_real(struct kr_ctx *ctx, const struct kr_field *field, const json_t *json,
                         const struct wire_path *path, double *out) KR_MUST_CHECK;
kr_status wire_read_integer(struct kr_ctx *ctx, const struct kr_field *field, const json_t *json,
                            const struct wire_path *path, uint64_t *out) KR_MUST_CHECK;
kr_status wire_read_text(struct kr_ctx *ctx, const json_t *json, const struct wire_path *path,
                         const char **out) KR_MUST_CHECK;

kr_status wire_read_param(struct kr_ctx *ctx, const struct kr_field *field, json_t *json,
                          const struct wire_path *path, struct kr_param *out) KR_MUST_CHECK;
kr_status wire_read_features(struct kr_ctx *ctx, const json_t *json, const struct wire_path *path,
                             struct kr_features *out) KR_MUST_CHECK;
/* INTS, REALS, MATRIX, TABLE, TEXTS, MAP, VALUES. */
kr_status wire_read_feature(struct kr_ctx *ctx, const json_t *json, const struct wire_path *path,
                            struct kr_features *out) KR_MUST_CHECK;
kr_status wire_read_groups(struct kr_ctx *ctx, const struct kr_field *field, json_t *json,
                           const struct wire_path *path, struct kr_groups *out) KR_MUST_CHECK;
kr_status wire_read_array(struct kr_ctx *ctx, const struct kr_field *field, json_t *json,
                          const struct wire_path *path, void *out) KR_MUST_CHECK;

/* {"type": name, ...options} of a registry that does not nest. */
kr_status wire_read_variant(struct kr_ctx *ctx, const struct kr_registry *registry, json_t *json,
                            const struct wire_path *path, struct kr_variant *out) KR_MUST_CHECK;

/* The shortest decimal text that reads back as the same bits, whatever the locale; "5", not "5.0". */
enum { WIRE_NUMBER_TEXT = 40 };
size_t wire_number_text(double value, char out[WIRE_NUMBER_TEXT]);

/* A JSON string of any bytes: what is not UTF-8 becomes "?". NULL becomes null. */
json_t *wire_string(const char *text);
/* {"object"[name] = value}, taking the reference; false when memory is exhausted (value NULL included). */
bool wire_put(json_t *object, const char *name, json_t *value);
/* The default of a row as JSON; null when it has none. */
json_t *wire_fallback(const struct kr_field *field);
/* What a CHOICE or a ROW may be, an array of strings. */
json_t *wire_choices(const struct kr_field *field);
const char *wire_kind_name(enum kr_kind kind);

/* The JSON pointer of the member that byte `at` of well-formed text belongs to. */
void wire_locate(const char *text, size_t at, char *pointer, size_t room);

#endif
