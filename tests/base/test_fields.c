#include "kriged/fields.h"

#include "suite.h"

#include <math.h>

static const char *const colour_names[] = {"red", "green", "blue", NULL};

#define INNER_FIELDS(F, S)                                                                                   \
    F(S, REAL, rate, _, "0.25", 0, 1, KR_OPEN_MIN, "a rate")                                                 \
    F(S, REAL, limit, _, NULL, 0, 1, KR_OMIT, "absent by default")
KR_DECLARE(inner, INNER_FIELDS);
KR_DEFINE(inner, INNER_FIELDS, "inner options");

static const struct kr_type plain = {"plain", "no options", NULL};
static const struct kr_type fancy = {"fancy", "options", &inner_schema};
static const struct kr_type *const rows[] = {&plain, &fancy, NULL};
static const struct kr_registry shape_registry = {"shape", rows};

#define OUTER_FIELDS(F, S)                                                                                   \
    F(S, BOOL, on, _, "true", 0, 0, 0, "")                                                                   \
    F(S, BOOL, off, _, NULL, 0, 0, 0, "")                                                                    \
    F(S, INT, count, _, "200", 0, 1e6, 0, "")                                                                \
    F(S, SEED, seed, _, "9007199254740991", 0, 9007199254740991, 0, "")                                      \
    F(S, TEXT, text, _, "hello", 0, 0, 0, "")                                                                \
    F(S, TEXT, no_text, _, NULL, 0, 0, 0, "")                                                                \
    F(S, CHOICE, colour, colour, "blue", 0, 0, 0, "")                                                        \
    F(S, ROW, row, shape, "fancy", 0, 0, 0, "")                                                              \
    F(S, ROW, automatic, shape, "auto", 0, 0, 0, "")                                                         \
    F(S, OBJECT, nested, inner, NULL, 0, 0, 0, "")                                                           \
    F(S, OPTIONAL, maybe, inner, NULL, 0, 0, 0, "")                                                          \
    F(S, VARIANT, shape, shape, "fancy", 0, 0, 0, "")                                                        \
    F(S, PARAM, param, _, "1.5", 0, 10, 0, "")                                                               \
    F(S, REALS, numbers, _, NULL, 0, 0, 0, "")
KR_DECLARE(outer, OUTER_FIELDS);
KR_DEFINE(outer, OUTER_FIELDS, "outer options");

START_TEST(rows_are_found_by_name)
{
    ck_assert_ptr_eq(kr_registry_find(&shape_registry, "plain"), &plain);
    ck_assert_ptr_eq(kr_registry_find(&shape_registry, "fancy"), &fancy);
    ck_assert_ptr_null(kr_registry_find(&shape_registry, "fanc"));
    ck_assert_ptr_null(kr_registry_find(&shape_registry, ""));
}
END_TEST

START_TEST(the_schema_describes_the_struct)
{
    ck_assert_uint_eq(outer_schema.size, sizeof(struct outer));
    ck_assert_uint_eq(outer_schema.count, 14);
    ck_assert_str_eq(outer_schema.fields[2].name, "count");
    ck_assert_uint_eq(outer_schema.fields[2].offset, offsetof(struct outer, count));
    ck_assert_ptr_eq(outer_schema.fields[9].aux, &inner_schema);
    ck_assert_ptr_eq(outer_schema.fields[11].aux, &shape_registry);
}
END_TEST

START_TEST(defaults_come_from_the_rows)
{
    struct kr_ctx ctx;
    struct outer o;
    kr_ctx_init(&ctx, 0);
    ck_assert_int_eq(kr_schema_init(&ctx, &outer_schema, &o), KR_OK);
    ck_assert(o.on && !o.off);
    ck_assert_uint_eq(o.count, 200);
    ck_assert_uint_eq(o.seed, 9007199254740991u);
    ck_assert_str_eq(o.text, "hello");
    ck_assert_ptr_null(o.no_text);
    ck_assert_int_eq(o.colour, 2);
    ck_assert_ptr_eq(o.row, &fancy);
    ck_assert_ptr_null(o.automatic);
    ck_assert_double_eq(o.nested.rate, 0.25);
    ck_assert(isnan(o.nested.limit));
    ck_assert_ptr_null(o.maybe);
    ck_assert_ptr_eq(o.shape.type, &fancy);
    ck_assert_double_eq(((struct inner *)o.shape.options)->rate, 0.25);
    ck_assert_uint_eq(o.param.count, 1);
    ck_assert(!o.param.array && !o.param.values[0].fixed && !o.param.values[0].bounded);
    ck_assert_double_eq(o.param.values[0].value, 1.5);
    ck_assert_uint_eq(o.numbers.count, 0);
    kr_ctx_fini(&ctx);
}
END_TEST

START_TEST(variants_start_from_a_name)
{
    struct kr_ctx ctx;
    struct kr_variant variant;
    kr_ctx_init(&ctx, 0);
    ck_assert_int_eq(kr_variant_init(&ctx, &shape_registry, "plain", &variant), KR_OK);
    ck_assert_ptr_null(variant.options);
    ck_assert_int_eq(kr_variant_init(&ctx, &shape_registry, "odd", &variant), KR_INVALID);
    ck_assert_str_eq(ctx.error.detail, "there is no shape called \"odd\"");
    kr_ctx_fini(&ctx);
}
END_TEST

START_TEST(an_exhausted_arena_is_reported)
{
    struct kr_ctx ctx;
    struct outer o;
    kr_ctx_init(&ctx, 64);
    ck_assert_int_eq(kr_schema_init(&ctx, &outer_schema, &o), KR_MEMORY_LIMIT);
    kr_ctx_fini(&ctx);
}
END_TEST

SUITE("fields", rows_are_found_by_name, the_schema_describes_the_struct, defaults_come_from_the_rows,
      variants_start_from_a_name, an_exhausted_arena_is_reported)
