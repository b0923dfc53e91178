/* A table with every kind, a registry that nests, and short ways to read text and to look at refusals. */
#ifndef KRIGED_TESTS_WIRE_FIXTURE_H
#define KRIGED_TESTS_WIRE_FIXTURE_H

#include "suite.h"
#include "wire/wire.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const colour_names[] = {"red", "green", "blue", NULL};

#define LEAF_FIELDS(F, S)                                                                                    \
    F(S, PARAM, variance, _, "1", 1e-30, 1e30, 0, "a variance")                                              \
    F(S, PARAM, lengthscale, _, "1", 1e-30, 1e30, 0, "a lengthscale")                                        \
    F(S, FEATURES, features, _, NULL, 0, 0, KR_OMIT, "features")
KR_DECLARE(leaf, LEAF_FIELDS);
KR_DEFINE(leaf, LEAF_FIELDS, "options of a leaf");

static const struct kr_registry part_registry;
#define NODE_FIELDS(F, S) F(S, VARIANTS, parts, part, NULL, 0, 0, KR_REQUIRED, "the parts")
KR_DECLARE(node, NODE_FIELDS);
KR_DEFINE(node, NODE_FIELDS, "options of a node");

static const struct kr_type leaf_row = {"leaf", "a leaf", &leaf_schema},
                            bare_row = {"bare", "no options", NULL},
                            node_row = {"node", "a node", &node_schema};
static const struct kr_type *const part_rows[] = {&leaf_row, &bare_row, &node_row, NULL};
static const struct kr_registry part_registry = {"part", part_rows};

#define HUBER_FIELDS(F, S)                                                                                   \
    F(S, REAL, delta, _, "1.345", 0, 100, KR_OPEN_MIN, "where it turns linear")                              \
    F(S, BOOL, scaled, _, "true", 0, 0, 0, "")
KR_DECLARE(huber, HUBER_FIELDS);
KR_DEFINE(huber, HUBER_FIELDS, "options of huber");
static const struct kr_type mse_row = {"mse", "squared", NULL},
                            huber_row = {"huber", "robust", &huber_schema};
static const struct kr_type *const cost_rows[] = {&mse_row, &huber_row, NULL};
static const struct kr_registry cost_registry = {"cost", cost_rows};

#define AIM_FIELDS(F, S)                                                                                     \
    F(S, VARIANT, loss, cost, NULL, 0, 0, KR_REQUIRED | KR_INLINE, "the loss")                               \
    F(S, INT, folds, _, "5", 2, 100, 0, "folds")
KR_DECLARE(aim, AIM_FIELDS);
KR_DEFINE(aim, AIM_FIELDS, "an aim");

#define POINT_FIELDS(F, S)                                                                                   \
    F(S, REAL, at, _, NULL, -10, 10, KR_REQUIRED, "where")                                                   \
    F(S, TEXT, label, _, NULL, 0, 0, KR_OMIT, "what")
KR_DECLARE(point, POINT_FIELDS);
KR_DEFINE(point, POINT_FIELDS, "a point");

#define EVERYTHING_FIELDS(F, S)                                                                              \
    F(S, REAL, needed, _, NULL, 0, 1, KR_REQUIRED | KR_OPEN_MIN, "a number that must be there | in (0, 1]")  \
    F(S, BOOL, on, _, "true", 0, 0, 0, "")                                                                   \
    F(S, INT, count, _, "200", 3, 1e6, 0, "")                                                                \
    F(S, INT, bytes, _, NULL, 1e6, 1e15, KR_OMIT, "")                                                        \
    F(S, SEED, seed, _, "7", 0, 9007199254740991, 0, "")                                                     \
    F(S, REAL, share, _, "0.5", 0, 1, KR_OPEN_MIN | KR_OPEN_MAX, "")                                         \
    F(S, REAL, limit, _, NULL, -1, 1e308, KR_OMIT, "")                                                       \
    F(S, REAL, score, _, NULL, 0, 0, KR_NULL, "")                                                            \
    F(S, TEXT, text, _, "hello", 0, 0, 0, "")                                                                \
    F(S, TEXT, note, _, NULL, 0, 0, KR_NULL, "")                                                             \
    F(S, CHOICE, colour, colour, "blue", 0, 0, 0, "")                                                        \
    F(S, ROW, row, cost, "huber", 0, 0, 0, "")                                                               \
    F(S, ROW, method, cost, "auto", 0, 0, 0, "")                                                             \
    F(S, OBJECT, aim, aim, NULL, 0, 0, KR_REQUIRED, "what is wanted")                                        \
    F(S, OPTIONAL, maybe, point, NULL, 0, 0, KR_OMIT, "")                                                    \
    F(S, LIST, points, point, NULL, 0, 0, KR_OMIT, "")                                                       \
    F(S, VARIANT, part, part, "leaf", 0, 0, 0, "")                                                           \
    F(S, VARIANTS, parts, part, NULL, 0, 0, KR_OMIT, "")                                                     \
    F(S, PARAM, noise, _, "0.1", 0, 1e30, 0, "")                                                             \
    F(S, INTS, rows, _, NULL, 0, 1e15, KR_OMIT, "")                                                          \
    F(S, REALS, numbers, _, NULL, 0, 0, 0, "")                                                               \
    F(S, MATRIX, x, _, NULL, 0, 0, KR_OMIT, "")                                                              \
    F(S, VECTORS, y, _, NULL, 0, 0, KR_OMIT, "")                                                             \
    F(S, TABLE, cells, _, NULL, 0, 10, KR_OMIT, "")                                                          \
    F(S, SCALARS, scale, _, NULL, 0, 10, KR_OMIT | KR_OPEN_MIN, "")                                          \
    F(S, TEXTS, names, _, NULL, 0, 0, KR_OMIT, "")                                                           \
    F(S, MAP, labels, _, NULL, 0, 0, KR_OMIT, "")                                                            \
    F(S, VALUES, values, _, NULL, 0, 0, KR_OMIT, "")                                                         \
    F(S, VALUES, weights, _, NULL, -1, 1, KR_OMIT | KR_OPEN_MAX, "")                                         \
    F(S, JSON, any, _, NULL, 0, 0, KR_OMIT, "")
KR_DECLARE(everything, EVERYTHING_FIELDS);
KR_DEFINE(everything, EVERYTHING_FIELDS, "every kind");

/* With the two members that must be there. */
#define BODY(members) "{\"needed\": 0.5, \"aim\": {\"loss\": \"mse\"}" members "}"

/* Reads text; the context is left open for the caller to look at, and to close. */
static inline kr_status read_text(struct kr_ctx *ctx, const struct kr_schema *schema, const char *text,
                                  void *out)
{
    kr_ctx_init(ctx, 0);
    return kr_wire_parse(ctx, schema, text, strlen(text), out, NULL);
}

static inline char *dump_and_free(json_t *json)
{
    ck_assert_ptr_nonnull(json);
    char *text = kr_json_dump(json, false);
    json_decref(json);
    ck_assert_ptr_nonnull(text);
    return text;
}

#define OK(expression)                                                                                       \
    ck_assert_msg((expression) == KR_OK, "%s: %s: %s", #expression, ctx.error.pointer, ctx.error.detail)

/* A body that read refuses, where and in which words (NULL: any). */
struct refusal {
    const char *text, *pointer, *detail;
};

static inline void ck_refused(size_t count, const struct refusal *refusals)
{
    for (size_t i = 0; i < count; i++) {
        const struct refusal *r = &refusals[i];
        struct kr_ctx ctx;
        struct everything e;
        ck_assert_msg(read_text(&ctx, &everything_schema, r->text, &e) == KR_INVALID, "taken: %s", r->text);
        ck_assert_msg(strcmp(ctx.error.pointer, r->pointer) == 0, "%s: %s", r->text, ctx.error.pointer);
        ck_assert_msg(!r->detail || strcmp(ctx.error.detail, r->detail) == 0, "%s: %s", r->text,
                      ctx.error.detail);
        kr_ctx_fini(&ctx);
    }
}

#endif
