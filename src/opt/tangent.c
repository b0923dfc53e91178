/*
 * The gradient inside the constraint set and the box: the v nearest to g with J v = 0 for which z - t v stays
 * in the box for small t > 0. With H the coordinates held at a bound and F the others,
 *
 *     multipliers = LstSq(J_F', g_F),   v_F = g_F - J_F'multipliers,   v_H = 0
 *
 * which is right when no v_i of F leads over a bound and no entry of g - J'multipliers in H leads inwards.
 * Coordinates for which one is not so change sides: all at once while their number falls, else (after a few
 * tries) only the last of them, which ends for certain (Judice and Pires 1994, block principal pivoting), but
 * not always soon: where constraints and bounds are more than coordinates, the report may say after
 * MAX_ROUNDS that the sides did not settle. Where z is at no bound, that is one solve.
 *
 * Shapes: J m x n. Cost: one solve a round, and one product with J' where z is at bounds. Memory: n + m
 * doubles, n bytes, and what LSMR on the tall J' needs.
 */
#include "kriged/nullspace.h"

#include "opt/bounds.h"
#include "opt/held.h"
#include "opt/require.h"

#include <math.h>
#include <string.h>

enum { TRIES = 3, MAX_ROUNDS = 100 };

struct tangent {
    size_t n;
    const double *lower, *upper, *z, *g;
    unsigned char *held;
    double tolerance; /* entries of the gradient below count as zero */
};

/* Fixed coordinates, and those at a bound that -g would cross; how many are at a bound and may move. */
static size_t guess(struct tangent *t, size_t *held)
{
    size_t at_bounds = 0;
    double largest = 0;
    *held = 0;
    for (size_t i = 0; i < t->n; i++) {
        double low = kr_lower(t->lower, i), high = kr_upper(t->upper, i);
        t->held[i] = low == high                      ? KR_HELD_FIXED
                     : t->z[i] <= low && t->g[i] > 0  ? KR_HELD_AT_LOWER
                     : t->z[i] >= high && t->g[i] < 0 ? KR_HELD_AT_UPPER
                                                      : KR_HELD_NOT;
        *held += t->held[i] != KR_HELD_NOT;
        at_bounds += low < high && (t->z[i] <= low || t->z[i] >= high);
        largest = fmax(largest, fabs(t->g[i]));
    }
    t->tolerance *= largest;
    return at_bounds;
}

/* Is coordinate i on the wrong side, if `rest` is its entry of g - J'multipliers? */
static bool wrong(const struct tangent *t, size_t i, double rest)
{
    switch (t->held[i]) {
    case KR_HELD_FIXED:
        return false;
    case KR_HELD_AT_LOWER:
        return rest < -t->tolerance;
    case KR_HELD_AT_UPPER:
        return rest > t->tolerance;
    default:
        return (t->z[i] <= kr_lower(t->lower, i) && rest > t->tolerance) ||
               (t->z[i] >= kr_upper(t->upper, i) && rest < -t->tolerance);
    }
}

static void change_side(struct tangent *t, size_t i, size_t *held)
{
    if (t->held[i]) {
        t->held[i] = KR_HELD_NOT;
        --*held;
    } else {
        t->held[i] = t->z[i] <= kr_lower(t->lower, i) ? KR_HELD_AT_LOWER : KR_HELD_AT_UPPER;
        ++*held;
    }
}

/* Coordinates on the wrong side: `product` is J'multipliers. */
static size_t count_wrong(const struct tangent *t, const double *product, size_t *last)
{
    size_t count = 0;
    for (size_t i = 0; i < t->n; i++)
        if (wrong(t, i, t->g[i] - product[i])) {
            count++;
            *last = i;
        }
    return count;
}

/* v_F = g_F - J_F'multipliers for the present sides. */
static kr_status solve(struct kr_ctx *ctx, const struct kr_lstsq_options *options, const struct kr_op *J,
                       const struct tangent *t, size_t held, double *scratch, double *v, double *multipliers,
                       struct kr_lstsq_report *report)
{
    struct kr_op free_columns;
    struct kr_lstsq problem;
    const double *g = t->g;
    struct kr_mark mark = kr_mark(ctx);
    KR_TRY(kr_op_held(ctx, J, t->held, &free_columns));
    KR_TRY(kr_lstsq_open(ctx, options, held > 0 ? &free_columns : J, 0, NULL, &problem));
    if (held > 0) {
        memcpy(scratch, g, t->n * sizeof *scratch);
        kr_held_clear(ctx, t->n, t->held, scratch);
        g = scratch;
    }
    KR_TRY(kr_lstsq_solve_t(ctx, &problem, 1, g, multipliers, v, NULL, report));
    kr_release(ctx, mark);
    if (report->stop == KR_LSTSQ_STOP_NON_FINITE)
        return kr_fail(ctx, KR_NON_FINITE, "",
                       "the gradient and products with the Jacobian of the constraints (%s) must be finite",
                       J->type->name);
    return KR_OK;
}

/* Changes sides until they are right. */
static kr_status pivot(struct kr_ctx *ctx, const struct kr_lstsq_options *options, const struct kr_op *J,
                       struct tangent *t, double *v, double *multipliers, struct kr_lstsq_report *report)
{
    size_t held, at_bounds = guess(t, &held), best = SIZE_MAX, last = 0, tries = TRIES;
    const size_t most = at_bounds < MAX_ROUNDS / 2 ? 2 * at_bounds + 10 : MAX_ROUNDS;
    double *scratch = NULL;
    if (held > 0 || at_bounds > 0)
        KR_ALLOC(ctx, scratch, t->n);
    for (size_t round = 0;; round++) {
        KR_TRY(solve(ctx, options, J, t, held, scratch, v, multipliers, report));
        if (at_bounds == 0)
            return KR_OK;
        KR_TRY(kr_op_apply_t(ctx, J, 1, multipliers, scratch));
        const size_t count = count_wrong(t, scratch, &last);
        if (count == 0)
            return KR_OK;
        if (round + 1 == most) {
            if (report->stop < KR_LSTSQ_STOP_ITERATIONS)
                report->stop = KR_LSTSQ_STOP_ITERATIONS;
            report->reason = "which coordinates are held at bounds did not settle";
            return KR_OK;
        }
        if (count < best) {
            best = count;
            tries = TRIES;
        } else if (tries > 0) {
            tries--;
        } else {
            change_side(t, last, &held);
            continue;
        }
        for (size_t i = 0; i < t->n; i++)
            if (wrong(t, i, t->g[i] - scratch[i]))
                change_side(t, i, &held);
    }
}

kr_status kr_nullspace_gradient(struct kr_ctx *ctx, const struct kr_nullspace_options *options,
                                const struct kr_op *J, const double *lower, const double *upper,
                                const double *z, const double *g, double *out, double *multipliers,
                                struct kr_lstsq_report *report)
{
    struct kr_lstsq_options solver;
    struct kr_mark mark = kr_mark(ctx);
    struct tangent t = {
        .n = J->cols, .lower = lower, .upper = upper, .z = z, .g = g, .tolerance = options->solver_tolerance};
    KR_TRY(kr_schema_check(ctx, &kr_nullspace_options_schema, options));
    KR_TRY(kr_schema_init(ctx, &kr_lstsq_report_schema, report));
    KR_TRY(kr_schema_init(ctx, &kr_lstsq_options_schema, &solver));
    solver.atol = solver.btol = options->solver_tolerance;
    solver.preconditioner = KR_LSTSQ_NONE;
    KR_TRY(kr_require_finite(ctx, "z", t.n, z));
    KR_TRY(kr_require_finite(ctx, "gradient", t.n, g));
    KR_TRY(kr_require_box(ctx, t.n, lower, upper));
    KR_ALLOC(ctx, t.held, t.n);
    if (!multipliers)
        KR_ALLOC(ctx, multipliers, J->rows);
    memset(multipliers, 0, J->rows * sizeof *multipliers);
    memmove(out, g, t.n * sizeof *out);
    if (J->rows > 0 && t.n > 0)
        KR_TRY(pivot(ctx, &solver, J, &t, out, multipliers, report));
    /* Solver noise must not lead over a bound, nor sides that the rounds did not settle. */
    for (size_t i = 0; i < t.n; i++)
        if (t.held[i] || (z[i] <= kr_lower(lower, i) && out[i] > 0) ||
            (z[i] >= kr_upper(upper, i) && out[i] < 0))
            out[i] = 0;
    kr_release(ctx, mark);
    return KR_OK;
}
