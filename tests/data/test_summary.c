#include "kriged/data.h"

#include "suite.h"

#include <float.h>
#include <math.h>
#include <string.h>

static bool warned(const struct kr_summary *summary, const char *text)
{
    for (size_t i = 0; i < summary->warnings.count; i++)
        if (strstr(summary->warnings.items[i], text))
            return true;
    return false;
}

START_TEST(columns_have_their_moments)
{
    struct kr_ctx ctx;
    struct kr_summary summary;
    const double x[] = {1, 2, 3, 4, 1e9 + 1, 1e9 + 2, 1e9 + 3, 1e9 + 6}, y[] = {-DBL_MAX, DBL_MAX, 0, 0};
    const char *names[] = {"a", "b"};
    const struct kr_dataset data = {
        .n = 4, .d = 2, .x = x, .y = y, .feature_names = names, .target_name = "t"};
    kr_ctx_init(&ctx, 0);
    ck_assert_int_eq(kr_dataset_summary(&ctx, &data, &summary), KR_OK);
    ck_assert_uint_eq(summary.columns.count, 3);
    const struct kr_column *c = summary.columns.items;
    ck_assert_str_eq(c[0].name, "a");
    ck_assert_double_eq(c[0].min, 1);
    ck_assert_double_eq(c[0].max, 4);
    ck_assert_double_eq_tol(c[0].mean, 2.5, 1e-15);
    ck_assert_double_eq_tol(c[0].sd, sqrt(1.25), 1e-15);
    ck_assert_double_eq_tol(c[1].mean, 1e9 + 3, 1e-6);
    ck_assert_double_eq_tol(c[1].sd, sqrt(3.5), 1e-14);
    ck_assert_str_eq(c[2].name, "t");
    ck_assert(isfinite(c[2].mean) && isfinite(c[2].sd));
    kr_ctx_fini(&ctx);
}
END_TEST

START_TEST(good_data_give_no_warnings)
{
    struct kr_ctx ctx;
    struct kr_summary summary;
    const double x[] = {1, 2, 3, 3, 2, 1}, y[] = {5, 6, 8};
    const char *names[] = {"a", "b"};
    const struct kr_dataset data = {
        .n = 3, .d = 2, .x = x, .y = y, .feature_names = names, .target_name = "t"};
    kr_ctx_init(&ctx, 0);
    ck_assert_int_eq(kr_dataset_summary(&ctx, &data, &summary), KR_OK);
    ck_assert_uint_eq(summary.warnings.count, 0);
    kr_ctx_fini(&ctx);
}
END_TEST

START_TEST(every_target_is_a_column)
{
    struct kr_ctx ctx;
    struct kr_summary summary;
    const double x[] = {1, 2, 3}, y[] = {5, 6, 8, 5, 6, 8, 1, 2, 3, 4, 4, 4};
    const char *names[] = {"a"}, *targets[] = {"p", "q", "r", "s"};
    const struct kr_dataset data = {.n = 3,
                                    .d = 1,
                                    .x = x,
                                    .y = y,
                                    .feature_names = names,
                                    .target_name = "p",
                                    .targets = 4,
                                    .target_names = targets};
    kr_ctx_init(&ctx, 0);
    ck_assert_int_eq(kr_dataset_summary(&ctx, &data, &summary), KR_OK);
    ck_assert_uint_eq(summary.columns.count, 5);
    const struct kr_column *c = summary.columns.items;
    ck_assert_str_eq(c[3].name, "r");
    ck_assert_double_eq(c[3].max, 3);
    ck_assert_uint_eq(summary.warnings.count, 3);
    ck_assert(warned(&summary, "targets \"p\" and \"q\" are identical"));
    ck_assert(warned(&summary, "feature \"a\" is identical to target \"r\""));
    ck_assert(warned(&summary, "target \"s\" is constant"));
    kr_ctx_fini(&ctx);
}
END_TEST

START_TEST(trouble_is_told_in_words)
{
    struct kr_ctx ctx;
    struct kr_summary summary;
    const double x[] = {1,     2,          1,     1,     /* a */
                        1,     2,          1,     1,     /* b: as a */
                        7,     7,          7,     7,     /* c: constant */
                        1e-12, 3e-12,      1e-12, 1e-12, /* e: small */
                        1e5,   1e5 + 1e-7, 1e5,   1e5,   /* f: far from 0 */
                        5,     6,          5,     5};    /* g: the target */
    const double y[] = {5, 6, 5, 5}, flat[] = {2, 2, 2, 2};
    const char *names[] = {"a", "b", "c", "e", "f", "g"};
    struct kr_dataset data = {.n = 4, .d = 6, .x = x, .y = y, .feature_names = names, .target_name = "t"};
    kr_ctx_init(&ctx, 0);
    ck_assert_int_eq(kr_dataset_summary(&ctx, &data, &summary), KR_OK);
    ck_assert(warned(&summary, "2 rows repeat the inputs of an earlier row"));
    ck_assert(warned(&summary, "features \"a\" and \"b\" are identical"));
    ck_assert(warned(&summary, "feature \"c\" is constant"));
    ck_assert(warned(&summary, "feature \"e\" has an extreme scale (sd 8.66e-13)"));
    ck_assert(warned(&summary, "feature \"f\" differs only in its last digits"));
    ck_assert(warned(&summary, "feature \"g\" is identical to the target"));
    ck_assert_uint_eq(summary.warnings.count, 6);
    data.y = flat;
    ck_assert_int_eq(kr_dataset_summary(&ctx, &data, &summary), KR_OK);
    ck_assert(warned(&summary, "the target is constant"));
    kr_ctx_fini(&ctx);
}
END_TEST

START_TEST(many_warnings_are_counted)
{
    struct kr_ctx ctx;
    struct kr_summary summary;
    double x[400], y[2] = {1, 2};
    const char *names[200];
    for (int i = 0; i < 400; i++)
        x[i] = 1;
    kr_ctx_init(&ctx, 0);
    for (int k = 0; k < 200; k++)
        names[k] = kr_printf(&ctx, "f%d", k);
    const struct kr_dataset data = {
        .n = 2, .d = 200, .x = x, .y = y, .feature_names = names, .target_name = "t"};
    ck_assert_int_eq(kr_dataset_summary(&ctx, &data, &summary), KR_OK);
    ck_assert(warned(&summary, "1 row repeats the inputs of an earlier row"));
    ck_assert(warned(&summary, "151 more warnings are not shown"));
    ck_assert_uint_eq(summary.warnings.count, 51);
    kr_ctx_fini(&ctx);
}
END_TEST

START_TEST(an_exhausted_arena_is_reported)
{
    struct kr_ctx ctx;
    struct kr_summary summary;
    const double x[] = {1, 1}, y[] = {2, 2};
    const char *names[] = {"a"};
    const struct kr_dataset data = {
        .n = 2, .d = 1, .x = x, .y = y, .feature_names = names, .target_name = "t"};
    kr_ctx_init(&ctx, 64);
    ck_assert_int_eq(kr_dataset_summary(&ctx, &data, &summary), KR_MEMORY_LIMIT);
    kr_ctx_fini(&ctx);
}
END_TEST

SUITE("summary", columns_have_their_moments, good_data_give_no_warnings, every_target_is_a_column,
      trouble_is_told_in_words, many_warnings_are_counted, an_exhausted_arena_is_reported)
