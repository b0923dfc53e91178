/* Ranges of structs that a C caller filled. */
#include "kriged/fields.h"

#include "suite.h"

#include <math.h>
#include <string.h>

static const char *const colour_names[] = {"red", "green", NULL};

#define INNER_FIELDS(F, S)                                                                                   \
    F(S, REAL, rate, _, "0.25", 0, 1, KR_OPEN_MIN | KR_OPEN_MAX, "open at both ends")                        \
    F(S, REAL, limit, _, NULL, 0, 1, KR_OMIT, "absent by default")
KR_DECLARE(inner, INNER_FIELDS);
KR_DEFINE(inner, INNER_FIELDS, "inner options");

static const struct kr_type plain = {"plain", "no options", NULL};
static const struct kr_type fancy = {"fancy", "options", &inner_schema};
static const struct kr_type own = {"own", "in no registry", NULL};
static const struct kr_type *const rows[] = {&plain, &fancy, NULL};
static const struct kr_registry shape_registry = {"shape", rows};

#define OUTER_FIELDS(F, S)                                                                                   \
    F(S, REAL, any, _, "5", 0, 0, 0, "no range")                                                             \
    F(S, INT, count, _, "200", 1, 1e6, 0, "")                                                                \
    F(S, INT, bytes, _, NULL, 1e6, 1e15, KR_OMIT, "0 is absent")                                             \
    F(S, SEED, seed, _, "0", 0, 9007199254740991, 0, "")                                                     \
    F(S, CHOICE, colour, colour, "green", 0, 0, 0, "")                                                       \
    F(S, ROW, row, shape, "fancy", 0, 0, 0, "")                                                              \
    F(S, ROW, automatic, shape, "auto", 0, 0, 0, "")                                                         \
    F(S, OBJECT, nested, inner, NULL, 0, 0, 0, "")                                                           \
    F(S, OPTIONAL, maybe, inner, NULL, 0, 0, 0, "")                                                          \
    F(S, VARIANT, shape, shape, "fancy", 0, 0, 0, "")                                                        \
    F(S, VARIANT, none, shape, NULL, 0, 0, 0, "absent by default")
KR_DECLARE(outer, OUTER_FIELDS);
KR_DEFINE(outer, OUTER_FIELDS, "outer options");

static struct kr_ctx context, *ctx = &context;

static void start(struct outer *o)
{
    kr_ctx_init(ctx, 0);
    ck_assert_int_eq(kr_schema_init(ctx, &outer_schema, o), KR_OK);
    ck_assert_int_eq(kr_schema_check(ctx, &outer_schema, o), KR_OK);
}

static void refused(const struct outer *o, const char *pointer, const char *detail)
{
    ck_assert_msg(kr_schema_check(ctx, &outer_schema, o) == KR_INVALID, "not refused: %s", detail);
    ck_assert_str_eq(ctx->error.pointer, pointer);
    ck_assert_str_eq(ctx->error.detail, detail);
    kr_ctx_clear_error(ctx);
}

#define REFUSED(member, bad, pointer, detail)                                                                \
    do {                                                                                                     \
        struct outer changed_ = o;                                                                           \
        changed_.member = (bad);                                                                             \
        refused(&changed_, pointer, detail);                                                                 \
    } while (0)

START_TEST(numbers)
{
    struct outer o;
    start(&o);
    REFUSED(any, NAN, "/any", "any of outer must be finite, got nan");
    REFUSED(any, -INFINITY, "/any", "any of outer must be finite, got -inf");
    REFUSED(count, 0, "/count", "count of outer must be in [1, 1e+06], got 0");
    REFUSED(count, SIZE_MAX, "/count", "count of outer must be in [1, 1e+06], got 1.8446744073709552e+19");
    REFUSED(bytes, 7, "/bytes", "bytes of outer must be in [1e+06, 1e+15], got 7");
    REFUSED(seed, 9007199254740994u, "/seed",
            "seed of outer must be in [0, 9.0072e+15], got 9007199254740994");
    REFUSED(nested.rate, 0, "/nested/rate", "nested/rate of outer must be in (0, 1), got 0");
    REFUSED(nested.rate, 1, "/nested/rate", "nested/rate of outer must be in (0, 1), got 1");
    REFUSED(nested.rate, NAN, "/nested/rate", "nested/rate of outer must be finite, got nan");
    REFUSED(nested.limit, -0.5, "/nested/limit", "nested/limit of outer must be in [0, 1], got -0.5");
    o.any = -1e300;
    o.count = 1000000;
    o.bytes = 1000000;
    o.nested.limit = 0;
    ck_assert_int_eq(kr_schema_check(ctx, &outer_schema, &o), KR_OK);
    kr_ctx_fini(ctx);
}
END_TEST

START_TEST(names)
{
    struct outer o;
    start(&o);
    REFUSED(colour, -1, "/colour", "colour of outer must be one of 2 choices (0 to 1), got -1");
    REFUSED(colour, 2, "/colour", "colour of outer must be one of 2 choices (0 to 1), got 2");
    REFUSED(row, NULL, "/row", "row of outer must be a shape, got none");
    REFUSED(shape.type, NULL, "/shape", "shape of outer must be a shape, got none");
    REFUSED(shape.options, NULL, "/shape", "shape of outer, fancy, needs its options");
    o.automatic = &plain;
    o.row = &own;
    o.shape = (struct kr_variant){&plain, NULL};
    ck_assert_int_eq(kr_schema_check(ctx, &outer_schema, &o), KR_OK);
    kr_ctx_fini(ctx);
}
END_TEST

START_TEST(structs_behind_pointers)
{
    struct outer o;
    struct inner bad = {.rate = 2, .limit = NAN};
    start(&o);
    REFUSED(maybe, &bad, "/maybe/rate", "maybe/rate of outer must be in (0, 1), got 2");
    REFUSED(shape.options, &bad, "/shape/rate", "shape/rate of outer must be in (0, 1), got 2");
    kr_ctx_fini(ctx);
}
END_TEST

/* A struct that was never set to its defaults: the first member that cannot be zero is named. */
START_TEST(a_struct_of_zeros)
{
    struct outer o;
    start(&o);
    memset(&o, 0, sizeof o);
    refused(&o, "/count", "count of outer must be in [1, 1e+06], got 0");
    kr_ctx_fini(ctx);
}
END_TEST

SUITE("fields check", numbers, names, structs_behind_pointers, a_struct_of_zeros)
