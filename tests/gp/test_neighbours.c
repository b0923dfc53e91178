/* Nearest training rows: that they are the nearest, and what they say of a variance. */
#include "gp/neighbours.h"

#include "every_fifth.h"

static void held_out_spec(const struct kr_variant *kernel, size_t n, bool noise)
{
    hold_out_every_fifth(kernel, "nlpd", "cholesky", n, noise);
    OK(kr_gp_init(ctx, &spec, &data, &gp));
}

START_TEST(neighbours_are_the_nearest_rows_in_order)
{
    struct kr_variant kernel = leaf(ctx, kernel_type("rbf"), 1);
    held_out_spec(&kernel, 500, false);
    struct neighbourhood hood = {gp.kernel,      gp.start, gp.noise_index, &gp.train,
                                 &gp.validation, 20,       NULL,           NULL};
    uint32_t *rows = kr_alloc(ctx, gp.validation.n * 20, sizeof *rows);
    OK(kr_neighbours_find(ctx, &hood, rows));
    for (size_t j = 0; j < gp.validation.n; j++) {
        double before = 0, distance[500];
        for (size_t i = 0; i < gp.train.n; i++) {
            distance[i] = 0;
            for (size_t k = 0; k < FEATURES; k++)
                distance[i] += pow(
                    (gp.validation.x.x[k * gp.validation.x.ld + j] - gp.train.x.x[k * gp.train.x.ld + i]) /
                        gp.start[1 + k],
                    2);
        }
        for (size_t i = 0; i < 20; i++) {
            size_t nearer = 0;
            for (size_t o = 0; o < gp.train.n; o++)
                nearer += distance[o] < distance[rows[j * 20 + i]] * (1 - 1e-12);
            ck_assert(distance[rows[j * 20 + i]] >= before * (1 - 1e-12));
            ck_assert_msg(nearer <= i, "%zu rows are nearer than neighbour %zu of %zu", nearer, i, j);
            before = distance[rows[j * 20 + i]];
        }
    }
}
END_TEST

/* With all rows as neighbours the bound is the variance; with fewer it is above. */
START_TEST(neighbours_bound_the_variance)
{
    struct kr_posterior posterior;
    struct kr_solve_report report = {0};
    held_out_spec(&cases[ncases - 1].spec, 75, true);
    const size_t m = gp.validation.n, n = gp.train.n;
    struct neighbourhood hood = {gp.kernel,      gp.start, gp.noise_index, &gp.train,
                                 &gp.validation, n,        NULL,           NULL};
    uint32_t *rows = kr_alloc(ctx, m * n, sizeof *rows);
    double *f = kr_alloc(ctx, KR_NEIGHBOUR_SETS * m, sizeof *f), *mean = kr_alloc(ctx, m, sizeof *mean),
           *v = kr_alloc(ctx, m, sizeof *v);
    OK(kr_neighbours_find(ctx, &hood, rows));
    hood.rows = rows;
    OK(kr_neighbours_variance(ctx, &hood, f, NULL));
    OK(kr_posterior_init(ctx, &gp, &gp.train, gp.start, &posterior, &report));
    OK(kr_posterior_predict(ctx, &posterior, &gp.validation.x, gp.validation.noise, true, mean, v, &report));
    for (size_t j = 0; j < m; j++) {
        CLOSE(f[m + j], v[j], v[j], 1e-9, "point %zu", j);
        ck_assert(f[j] >= v[j] * (1 - 1e-9));
    }
}
END_TEST

/* A point that is a training row itself has no neighbour in it. */
START_TEST(a_row_is_not_its_own_neighbour)
{
    held_out_spec(&cases[ncases - 1].spec, 75, true);
    const size_t n = gp.train.n;
    size_t *self = kr_alloc(ctx, n, sizeof *self);
    uint32_t *rows = kr_alloc(ctx, n * (n - 1), sizeof *rows);
    for (size_t i = 0; i < n; i++)
        self[i] = i;
    const struct neighbourhood hood = {gp.kernel, gp.start, gp.noise_index, &gp.train,
                                       &gp.train, n - 1,    NULL,           self};
    OK(kr_neighbours_find(ctx, &hood, rows));
    for (size_t i = 0; i < n; i++) {
        size_t sum = 0;
        for (size_t k = 0; k < n - 1; k++) {
            ck_assert_uint_ne(rows[i * (n - 1) + k], i);
            sum += rows[i * (n - 1) + k];
        }
        ck_assert_uint_eq(sum, n * (n - 1) / 2 - i);
    }
}
END_TEST

Suite *suite(void)
{
    Suite *made = suite_create("neighbours");
    TCase *tcase = tcase_create("neighbours");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, neighbours_are_the_nearest_rows_in_order);
    tcase_add_test(tcase, neighbours_bound_the_variance);
    tcase_add_test(tcase, a_row_is_not_its_own_neighbour);
    suite_add_tcase(made, tcase);
    return made;
}
