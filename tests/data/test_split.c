#include "kriged/data.h"

#include "suite.h"

#include <math.h>
#include <string.h>

enum { N = 200 };

static struct kr_ctx ctx;
static size_t pool[N], group[N];
static bool taken[N];

static void setup(void)
{
    kr_ctx_init(&ctx, 0);
    memset(taken, 0, sizeof taken);
    for (size_t i = 0; i < N; i++)
        pool[i] = group[i] = i;
}

static void teardown(void)
{
    kr_ctx_fini(&ctx);
}

static size_t count(void)
{
    size_t sum = 0;
    for (size_t i = 0; i < N; i++)
        sum += taken[i];
    return sum;
}

START_TEST(the_count_is_exact)
{
    for (size_t n = 2; n < 60; n++)
        for (double fraction = 0.01; fraction < 1; fraction += 0.07) {
            double wanted = fmax(1, round(fraction * (double)n));
            memset(taken, 0, sizeof taken);
            kr_status status = kr_split_fraction(&ctx, n, pool, group, fraction, 3, 1, "/at", taken);
            ck_assert_int_eq(status, wanted < (double)n ? KR_OK : KR_INVALID);
            ck_assert_uint_eq(count(), status == KR_OK ? (size_t)wanted : 0);
            kr_ctx_clear_error(&ctx);
        }
    ck_assert_uint_eq(ctx.used, 0);
}
END_TEST

START_TEST(the_seed_decides)
{
    bool first[N];
    ck_assert_int_eq(kr_split_fraction(&ctx, N, pool, group, 0.3, 1, 0, "/at", taken), KR_OK);
    memcpy(first, taken, sizeof taken);
    memset(taken, 0, sizeof taken);
    ck_assert_int_eq(kr_split_fraction(&ctx, N, pool, group, 0.3, 1, 0, "/at", taken), KR_OK);
    ck_assert_mem_eq(first, taken, sizeof taken);
    memset(taken, 0, sizeof taken);
    ck_assert_int_eq(kr_split_fraction(&ctx, N, pool, group, 0.3, 2, 0, "/at", taken), KR_OK);
    ck_assert_mem_ne(first, taken, sizeof taken);
    memset(taken, 0, sizeof taken);
    ck_assert_int_eq(kr_split_fraction(&ctx, N, pool, group, 0.3, 1, 1, "/at", taken), KR_OK);
    ck_assert_mem_ne(first, taken, sizeof taken);
}
END_TEST

START_TEST(every_row_has_the_same_chance)
{
    int drawn[20] = {0};
    for (uint64_t seed = 0; seed < 4000; seed++) {
        memset(taken, 0, sizeof taken);
        ck_assert_int_eq(kr_split_fraction(&ctx, 20, pool, group, 0.25, seed, 0, "/at", taken), KR_OK);
        for (int i = 0; i < 20; i++)
            drawn[i] += taken[i];
    }
    for (int i = 0; i < 20; i++)
        ck_assert_double_eq_tol(drawn[i], 1000, 170); /* about six standard errors */
}
END_TEST

START_TEST(groups_stay_whole)
{
    for (uint64_t seed = 0; seed < 50; seed++) {
        memset(taken, 0, sizeof taken);
        for (size_t i = 0; i < N; i++)
            group[i] = i < 100 ? i % 25 : i; /* 25 groups of 4 rows, 100 single rows */
        ck_assert_int_eq(kr_split_fraction(&ctx, N, pool, group, 0.31, seed, 0, "/at", taken), KR_OK);
        ck_assert_uint_eq(count(), 62);
        for (size_t i = 25; i < 100; i++)
            ck_assert(taken[i] == taken[i % 25]);
    }
}
END_TEST

START_TEST(only_rows_of_the_pool_are_taken)
{
    for (size_t i = 0; i < 50; i++)
        pool[i] = N - 1 - 2 * i;
    ck_assert_int_eq(kr_split_fraction(&ctx, 50, pool, group, 0.5, 1, 0, "/at", taken), KR_OK);
    ck_assert_uint_eq(count(), 25);
    for (size_t i = 0; i < N; i++)
        ck_assert(!taken[i] || (i % 2 == 1 && i >= N - 100));
}
END_TEST

START_TEST(the_smallest_group_when_none_fits)
{
    for (size_t i = 0; i < 20; i++)
        group[i] = i < 12 ? 0 : 12; /* 12 and 8 rows, 2 wanted */
    ck_assert_int_eq(kr_split_fraction(&ctx, 20, pool, group, 0.1, 1, 0, "/at", taken), KR_OK);
    ck_assert_uint_eq(count(), 8);
    ck_assert(taken[12] && !taken[0]);
}
END_TEST

START_TEST(something_must_be_left)
{
    for (size_t i = 0; i < 20; i++)
        group[i] = 0;
    ck_assert_int_eq(kr_split_fraction(&ctx, 20, pool, group, 0.1, 1, 0, "/at", taken), KR_INVALID);
    ck_assert_ptr_nonnull(strstr(ctx.error.detail, "one group"));
    const double fractions[] = {0, 1, -1, 2, NAN, 0.999};
    for (int i = 0; i < 6; i++) {
        kr_ctx_clear_error(&ctx);
        ck_assert_int_eq(kr_split_fraction(&ctx, 20, pool, pool, fractions[i], 1, 0, "/at", taken),
                         KR_INVALID);
    }
    kr_ctx_clear_error(&ctx);
    ck_assert_int_eq(kr_split_fraction(&ctx, 1, pool, pool, 0.5, 1, 0, "/at", taken), KR_INVALID);
    kr_ctx_clear_error(&ctx);
    ck_assert_int_eq(kr_split_fraction(&ctx, 0, pool, pool, 0.5, 1, 0, "/at", taken), KR_INVALID);
    ck_assert_uint_eq(count(), 0);
}
END_TEST

Suite *suite(void)
{
    Suite *made = suite_create("split");
    TCase *tcase = tcase_create("split");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, the_count_is_exact);
    tcase_add_test(tcase, the_seed_decides);
    tcase_add_test(tcase, every_row_has_the_same_chance);
    tcase_add_test(tcase, groups_stay_whole);
    tcase_add_test(tcase, only_rows_of_the_pool_are_taken);
    tcase_add_test(tcase, the_smallest_group_when_none_fits);
    tcase_add_test(tcase, something_must_be_left);
    suite_add_tcase(made, tcase);
    return made;
}
