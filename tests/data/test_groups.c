#include "kriged/data.h"

#include "suite.h"

START_TEST(rows_with_equal_inputs_share_the_first)
{
    struct kr_ctx ctx;
    const double x[] = {1, 2, 1, 0, -0.0, 1, 2, 5, 5, 5, 7, 7, 5, 5.0000000000000009};
    const size_t wanted[] = {0, 1, 0, 3, 3, 0, 6};
    const struct kr_dataset data = {.n = 7, .d = 2, .x = x};
    size_t group[7];
    kr_ctx_init(&ctx, 0);
    ck_assert_int_eq(kr_dataset_groups(&ctx, &data, group), KR_OK);
    ck_assert_mem_eq(group, wanted, sizeof wanted);
    ck_assert_uint_eq(ctx.used, 0);
    kr_ctx_fini(&ctx);
}
END_TEST

START_TEST(as_by_comparing_all_pairs)
{
    enum { N = 300, D = 3 };
    struct kr_ctx ctx;
    struct kr_rng rng;
    double x[N * D];
    size_t group[N];
    const struct kr_dataset data = {.n = N, .d = D, .x = x};
    kr_ctx_init(&ctx, 0);
    kr_rng_init(&rng, 5, 0);
    for (int i = 0; i < N * D; i++)
        x[i] = (double)kr_rng_below(&rng, 5);
    ck_assert_int_eq(kr_dataset_groups(&ctx, &data, group), KR_OK);
    for (size_t i = 0; i < N; i++) {
        size_t first = 0;
        while (x[first] != x[i] || x[N + first] != x[N + i] || x[2 * N + first] != x[2 * N + i])
            first++;
        ck_assert_uint_eq(group[i], first);
    }
    kr_ctx_fini(&ctx);
}
END_TEST

SUITE("groups", rows_with_equal_inputs_share_the_first, as_by_comparing_all_pairs)
