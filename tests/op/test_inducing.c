/* Inducing inputs: what their features know of the kernel, and what they need to be factorised. */
#include "feature_settings.h"

/* phi(x)'phi(z) = k(x, Z) K(Z, Z)^-1 k(Z, z): the kernel itself where x is in Z. */
START_TEST(inducing_inputs_know_the_kernel_at_themselves)
{
    struct kr_variant spec;
    struct setting s;
    struct kr_op op, own, kernel;
    rbf_and_linear(&spec);
    ck_assert(inducing(&spec, false, &s));
    double *A = kr_alloc(ctx, POINTS * INDUCING, sizeof *A),
           *Z = kr_alloc(ctx, INDUCING * INDUCING, sizeof *Z),
           *K = kr_alloc(ctx, POINTS * INDUCING, sizeof *K);
    OK(kr_op_features(ctx, &s.open, &s.x, NULL, &op));
    OK(kr_op_features(ctx, &s.open, &s.z, NULL, &own));
    OK(kr_op_kernel(ctx, s.kernel, s.theta, &s.x, &s.z, &kernel));
    OK(kr_op_fill(ctx, &op, A));
    OK(kr_op_fill(ctx, &own, Z));
    OK(kr_op_fill(ctx, &kernel, K));
    for (size_t i = 0; i < POINTS; i++)
        for (size_t j = 0; j < INDUCING; j++)
            CLOSE(cblas_ddot(INDUCING, A + i, POINTS, Z + j, INDUCING), K[i + j * POINTS], 10, 1e-11,
                  "row %zu, inducing input %zu", i, j);
}
END_TEST

/* More of them than a tile holds. */
START_TEST(many_inducing_inputs)
{
    enum { MANY = KR_TILE + 7 };
    struct kr_variant spec = leaf(ctx, kernel_type("matern12"), 1);
    struct setting s;
    struct kr_op op;
    build(&spec, &s);
    const struct kr_points all = {MANY, FEATURES, data.n, data.x};
    OK(kr_features_inducing(ctx, s.kernel, &all, false, 0, &s.map));
    OK(kr_features_open(ctx, &s.map, s.theta, &s.open));
    OK(kr_op_features(ctx, &s.open, &s.x, NULL, &op));
    check_products(ctx, &op, entries(&s, false), 2);
    check_pull(ctx, &op, s.theta, s.count, 2);
    double *A = entries(&s, false);
    for (size_t i = 0; i < MANY; i++)
        CLOSE(cblas_ddot(MANY, A + i, POINTS, A + i, POINTS), s.theta[0], 1, 1e-12, "row %zu", i);
}
END_TEST

/* Inducing inputs that coincide need jitter, and say so; too many of them have no factor. */
START_TEST(jitter_is_told)
{
    struct kr_variant spec = leaf(ctx, kernel_type("rbf"), 0);
    struct setting s;
    double *twice = kr_alloc(ctx, 3 * FEATURES, sizeof *twice);
    for (size_t k = 0; k < FEATURES; k++)
        twice[3 * k] = twice[3 * k + 1] = twice[3 * k + 2] = data.x[k * data.n];
    build(&spec, &s);
    const struct kr_points Z = {3, FEATURES, 3, twice};
    OK(kr_features_inducing(ctx, s.kernel, &Z, false, 0, &s.map));
    OK(kr_features_open(ctx, &s.map, s.theta, &s.open));
    ck_assert(s.open.jitter == 1e-10);
    s.theta[0] = NAN;
    ck_assert_int_eq(kr_features_open(ctx, &s.map, s.theta, &s.open), KR_NOT_POSITIVE_DEFINITE);
}
END_TEST

FIXTURE_SUITE("inducing", 60, inducing_inputs_know_the_kernel_at_themselves, many_inducing_inputs,
              jitter_is_told)
