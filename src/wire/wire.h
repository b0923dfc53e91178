/*
 * wire: JSON <-> structs, by walking the tables of kriged/fields.h.
 *
 *   parse    bytes to a jansson tree: strict (duplicate members, depth, non-finite numbers refused)
 *   read     tree to struct: types, ranges, unknown members, each refusal with its JSON pointer
 *   write    struct to tree: what read would take, defaults included
 *   dump     tree to text: shortest round-trip doubles
 *   csv      numbers of a tree as lines of CSV
 *   schema   struct's table to JSON Schema, for OpenAPI
 *   manual   the same tables as Markdown
 *   problem  a context's failure as RFC 9457
 *   blob     doubles to hexadecimal text and back, every bit kept
 */
#ifndef KRIGED_WIRE_H
#define KRIGED_WIRE_H

#include "kriged/fields.h"

#include <jansson.h>

enum { KR_JSON_DEPTH = 80, KR_KERNEL_DEPTH = 32 };

/*
 * MALFORMED, with the pointer of the member being read, and line and column, for text that is not JSON, a
 * duplicated member, a NUL in a string or nesting deeper than KR_JSON_DEPTH. New reference in *out. An empty
 * body is MALFORMED ("the body is empty").
 */
kr_status kr_json_parse(struct kr_ctx *ctx, const char *text, size_t length, json_t **out) KR_MUST_CHECK;

/*
 * Reads `json` (an object) into `out` (schema->size bytes, need not be initialised): absent members get their
 * defaults. `pointer` is the JSON pointer of `json` in the request. INVALID for a missing required member, an
 * unknown member, a wrong type, a number outside its range, an unknown row of a registry, VARIANTs nested
 * deeper than KR_KERNEL_DEPTH. Strings are copied to the arena; a JSON member is borrowed from the tree.
 */
kr_status kr_wire_read(struct kr_ctx *ctx, const struct kr_schema *schema, json_t *json, const char *pointer,
                       void *out) KR_MUST_CHECK;
/* The same from text: parse and read. *tree (may be NULL when the schema has no JSON members) is the caller's
 * to decref. */
kr_status kr_wire_parse(struct kr_ctx *ctx, const struct kr_schema *schema, const char *text, size_t length,
                        void *out, json_t **tree) KR_MUST_CHECK;

/* New reference; NULL only when memory is exhausted. A REAL that is NaN, and a NULL TEXT, ROW or OPTIONAL,
 * follow KR_OMIT (left out), else null (KR_NULL or not). */
json_t *kr_wire_write(const struct kr_schema *schema, const void *in);
json_t *kr_wire_write_variant(const struct kr_variant *variant); /* {"type": .., options} */

/* Text on the heap (free()), compact or indented by two; members in insertion order; shortest doubles that
 * read back as the same bits. No trailing newline. */
char *kr_json_dump(const json_t *json, bool pretty);
json_t *kr_json_real(double value); /* null when it is not finite */

/* A column of CSV from arrays of numbers: value i is values[i], values[i][index] or values[index][i]. */
enum kr_csv_shape { KR_CSV_PLAIN, KR_CSV_BY_ROW, KR_CSV_BY_COLUMN };
struct kr_csv_column {
    const char *name;
    const json_t *values;
    enum kr_csv_shape shape;
    size_t index;
};
/* A header and `rows` lines; shortest numbers, as in JSON, and nothing for null. On the heap; NULL without
 * memory. */
char *kr_csv_dump(size_t rows, size_t count, const struct kr_csv_column *columns);

/* JSON Schema (draft 2020-12) of a table. Nested tables and registries become `#/components/schemas/<name>`
 * in `definitions` (an object that this fills; names once). Returns a {"$ref": ..} to its own definition, new
 * reference. */
json_t *kr_wire_json_schema(const struct kr_schema *schema, json_t *definitions);
/* Every row of a registry: [{"type", "doc", "options": [{"name", "kind", "default", "minimum", "maximum",
 * "doc"}]}]. */
json_t *kr_wire_registry(const struct kr_registry *registry);
/* A table of options, or all rows of a registry, as Markdown; appended to *text (a heap string, realloc'ed).
 */
void kr_wire_manual_schema(const struct kr_schema *schema, char **text);
void kr_wire_manual_registry(const struct kr_registry *registry, char **text);

/* Hexadecimal of the doubles' bytes, most significant first (IEEE 754 big-endian), 16 digits each. */
json_t *kr_json_blob(size_t count, const double *values);
kr_status kr_json_unblob(struct kr_ctx *ctx, const json_t *json, size_t *count,
                         double **values) KR_MUST_CHECK;

/* {"type", "title", "status", "detail", "instance"?, "errors": [{"pointer", "detail"}]?}; errors when the
 * failure has a pointer or is a failure of validation. */
json_t *kr_problem_json(const struct kr_error *error, const char *instance);
/* What a worker sends of a failure, and how the daemon takes it over: {"status": slug, "pointer", "detail"}.
 */
json_t *kr_error_json(const struct kr_error *error);
kr_status kr_error_take(struct kr_ctx *ctx,
                        const json_t *json) KR_MUST_CHECK; /* records it; returns its status */

#endif
