#include "opt/dense.h"

static struct kr_ctx ctx[1];

enum { M = 3, N = 12 };

/* Some coordinates at their bounds, one that is fixed, and a gradient of any direction. */
struct setting {
    double *J, *g, z[N], lower[N], upper[N], out[N], multipliers[M];
    struct kr_op op;
    struct kr_nullspace_options options;
    struct kr_lstsq_report report;
};

static struct setting setting(uint64_t seed)
{
    struct setting s = {.J = random_numbers(ctx, M * N, seed), .g = random_numbers(ctx, N, seed + 50)};
    s.options = nullspace_options(ctx);
    for (size_t i = 0; i < N; i++) {
        s.z[i] = (double)i;
        s.lower[i] = i % 3 == 0 ? s.z[i] : -INFINITY;
        s.upper[i] = i % 3 == 1 || i == 9 ? s.z[i] : INFINITY;
    }
    OK(kr_op_dense(ctx, M, N, s.J, &s.op));
    return s;
}

static kr_status gradient(struct setting *s)
{
    return kr_nullspace_gradient(ctx, &s->options, &s->op, s->lower, s->upper, s->z, s->g, s->out,
                                 s->multipliers, &s->report);
}

START_TEST(without_bounds_it_is_the_projection)
{
    kr_ctx_init(ctx, 0);
    for (uint64_t seed = 0; seed < 10; seed++) {
        struct setting s = setting(seed);
        double v[N], multipliers[M], out[N];
        OK(kr_nullspace_gradient(ctx, &s.options, &s.op, NULL, NULL, s.z, s.g, s.out, s.multipliers,
                                 &s.report));
        OK(kr_nullspace_gradient(ctx, &s.options, &s.op, NULL, NULL, s.z, s.g, out, NULL, &s.report));
        ck_assert_mem_eq(out, s.out, sizeof out);
        dense_tangent(ctx, M, N, s.J, NULL, s.g, v, multipliers);
        for (size_t i = 0; i < N; i++)
            NEAR(s.out[i], v[i], 1e-10);
        for (size_t a = 0; a < M; a++)
            NEAR(s.multipliers[a], multipliers[a], 1e-10);
    }
    kr_ctx_fini(ctx);
}
END_TEST

/* Does holding exactly these coordinates satisfy the conditions of the nearest feasible direction? */
static bool are_right(const struct setting *s, const bool *held, double *v)
{
    double multipliers[M];
    dense_tangent(ctx, M, N, s->J, held, s->g, v, multipliers);
    for (size_t i = 0; i < N; i++) {
        double rest = s->g[i] - cblas_ddot(M, s->J + i * M, 1, multipliers, 1);
        bool low = s->z[i] == s->lower[i], high = s->z[i] == s->upper[i];
        if (low && high) {
            if (!held[i])
                return false;
        } else if (held[i] ? (!low && !high) || (low && rest < 0) || (high && rest > 0)
                           : (low && v[i] > 0) || (high && v[i] < 0)) {
            return false;
        }
    }
    return true;
}

/* Against all ways to hold coordinates, one by one: exactly one is right. */
START_TEST(the_right_coordinates_are_held)
{
    size_t held_ever = 0, released_ever = 0;
    kr_ctx_init(ctx, 0);
    for (uint64_t seed = 0; seed < 30; seed++) {
        struct kr_mark mark = kr_mark(ctx);
        struct setting s = setting(seed);
        size_t found = 0;
        OK(gradient(&s));
        for (unsigned set = 0; set < 1u << N; set++) {
            struct kr_mark inner = kr_mark(ctx);
            bool held[N], possible = true;
            double v[N];
            for (size_t i = 0; i < N; i++) {
                held[i] = set >> i & 1;
                possible &= !held[i] || s.z[i] == s.lower[i] || s.z[i] == s.upper[i];
            }
            if (possible && held[9] && are_right(&s, held, v)) {
                found++;
                for (size_t i = 0; i < N; i++) {
                    NEAR(s.out[i], v[i], 1e-9);
                    held_ever += held[i] && i != 9;
                    released_ever += i % 3 == 0 && s.g[i] > 0 && !held[i];
                }
            }
            kr_release(ctx, inner);
        }
        ck_assert_uint_eq(found, 1);
        for (size_t a = 0; a < M; a++) { /* it keeps the constraints */
            double sum = 0;
            for (size_t i = 0; i < N; i++)
                sum += s.J[a + i * M] * s.out[i];
            NEAR(sum, 0, 1e-10);
        }
        kr_release(ctx, mark);
    }
    ck_assert_uint_gt(held_ever, 30);
    ck_assert_uint_gt(released_ever, 5); /* the constraints turn some back into the box */
    kr_ctx_fini(ctx);
}
END_TEST

/* g = J'multipliers + multipliers of the active bounds: nothing is left to improve. */
START_TEST(zero_at_a_kkt_point)
{
    kr_ctx_init(ctx, 0);
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct setting s = setting(seed);
        double *wanted = random_numbers(ctx, M, seed + 9), *push = random_numbers(ctx, N, seed + 10);
        for (size_t i = 0; i < N; i++) {
            s.g[i] = cblas_ddot(M, s.J + i * M, 1, wanted, 1);
            if (s.z[i] == s.lower[i])
                s.g[i] += fabs(push[i]);
            else if (s.z[i] == s.upper[i])
                s.g[i] -= fabs(push[i]);
        }
        OK(gradient(&s));
        for (size_t i = 0; i < N; i++)
            NEAR(s.out[i], 0, 1e-10);
        for (size_t a = 0; a < M; a++)
            NEAR(s.multipliers[a], wanted[a], 1e-9);
    }
    kr_ctx_fini(ctx);
}
END_TEST

START_TEST(everything_may_be_fixed)
{
    kr_ctx_init(ctx, 0);
    struct setting s = setting(1);
    memcpy(s.lower, s.z, sizeof s.z);
    memcpy(s.upper, s.z, sizeof s.z);
    OK(gradient(&s));
    for (size_t i = 0; i < N; i++)
        ck_assert_double_eq(s.out[i], 0);
    kr_ctx_fini(ctx);
}
END_TEST

START_TEST(a_gradient_that_is_not_finite_is_named)
{
    kr_ctx_init(ctx, 0);
    struct setting s = setting(1);
    s.g[5] = NAN;
    ck_assert_int_eq(gradient(&s), KR_NON_FINITE);
    ck_assert_ptr_nonnull(strstr(ctx->error.detail, "gradient"));
    kr_ctx_fini(ctx);
}
END_TEST

SUITE("tangent", without_bounds_it_is_the_projection, the_right_coordinates_are_held, zero_at_a_kkt_point,
      everything_may_be_fixed, a_gradient_that_is_not_finite_is_named)
