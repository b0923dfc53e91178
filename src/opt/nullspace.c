/*
 * The null-space filter: the step s nearest to the proposed d = z - clamp(proposal) for which J s = gamma c,
 * inside the box. With H the coordinates held at a bound (s_H is given) and F the free ones,
 *
 *     s_F <- s_F - LstSq(J_F, J s - gamma c)        repeated while it pushes further coordinates over a bound
 *
 * A round solves for what the last one left: since it adds vectors of the row space of J_F only, the outcome
 * is the projection of d_F, and the right-hand side, a true residual, ends as the mismatch that is reported.
 * What the proposal brings to a bound is held there from the start: if it took part, it would leave the bound
 * a little with every correction and be sent back by the next proposal. Nothing is released until no
 * coordinate is left that could make the step exact; then, once, everything is.
 *
 * Shapes: J m x n, c m, the rest n. Cost: one least-squares solve and one product with J a round, 10 n flops
 * beside them. Memory: `out` holds s; one n-vector for a solution, one for products once coordinates are
 * held, n bytes, 2 m-vectors, and what LSMR needs. Source: Roy, Kraemer and Hauberg, arXiv 2510.19634.
 */
#include "kriged/nullspace.h"

#include "opt/bounds.h"
#include "opt/held.h"
#include "opt/require.h"

#include <cblas.h>
#include <math.h>

KR_DEFINE(kr_nullspace_options, KR_NULLSPACE_FIELDS, "The null-space method: steps that keep constraints");
KR_DEFINE(kr_nullspace_report, KR_NULLSPACE_REPORT_FIELDS, "What the projection of a step did");

/* A mismatch below this share of what was to be removed counts as removed, whatever the solver's tolerance.
 */
static const double SOLVED = 1e-3;

double kr_nullspace_gamma(const struct kr_nullspace_options *options, size_t step, double norm)
{
    double share = 1;
    if (step < options->warm_up)
        share = (double)(step + 1) / (double)(options->warm_up + 1);
    if (norm > options->scale) /* never when scale is absent, a NaN */
        share *= options->scale / norm;
    return options->gamma * share;
}

/* Everything a round needs. s is the step. */
struct filter {
    size_t n;
    const double *lower, *upper, *z;
    double *s;
    unsigned char *held;
};

/* s = z - clamp(proposal), holding what is then at a bound; how many coordinates. */
static size_t propose(const struct kr_ctx *ctx, const struct filter *f, const double *proposal)
{
    size_t held = 0;
#pragma omp parallel for schedule(static) num_threads(ctx->threads) reduction(+ : held) if (f->n > 32768)
    for (size_t i = 0; i < f->n; i++) {
        const double low = kr_lower(f->lower, i), high = kr_upper(f->upper, i), z = f->z[i], to = proposal[i];
        f->held[i] = low == high  ? KR_HELD_FIXED
                     : to <= low  ? KR_HELD_AT_LOWER
                     : to >= high ? KR_HELD_AT_UPPER
                                  : KR_HELD_NOT;
        f->s[i] = low == high ? 0 : z - (to < low ? low : to > high ? high : to);
        held += f->held[i] != KR_HELD_NOT;
    }
    return held;
}

/* Only what is fixed stays held; how many coordinates. */
static size_t release(const struct kr_ctx *ctx, const struct filter *f)
{
    size_t held = 0;
#pragma omp parallel for schedule(static) num_threads(ctx->threads) reduction(+ : held) if (f->n > 32768)
    for (size_t i = 0; i < f->n; i++) {
        if (f->held[i] != KR_HELD_FIXED)
            f->held[i] = KR_HELD_NOT;
        held += f->held[i] != KR_HELD_NOT;
    }
    return held;
}

/* s -= y, and holds what thereby leaves the box; how many coordinates. */
static size_t correct(const struct kr_ctx *ctx, const struct filter *f, const double *y)
{
    size_t fresh = 0;
#pragma omp parallel for schedule(static) num_threads(ctx->threads) reduction(+ : fresh) if (f->n > 32768)
    for (size_t i = 0; i < f->n; i++) {
        if (f->held[i])
            continue;
        double s = f->s[i] - y[i], low = kr_lower(f->lower, i), high = kr_upper(f->upper, i);
        if (f->z[i] - s < low) {
            f->held[i] = KR_HELD_AT_LOWER;
            s = f->z[i] - low;
        } else if (f->z[i] - s > high) {
            f->held[i] = KR_HELD_AT_UPPER;
            s = f->z[i] - high;
        }
        f->s[i] = s;
        fresh += f->held[i] != KR_HELD_NOT;
    }
    return fresh;
}

/* From the step to the point: a bound is met exactly, and rounding leads over none. */
static void arrive(const struct kr_ctx *ctx, const struct filter *f)
{
#pragma omp parallel for schedule(static) num_threads(ctx->threads) if (f->n > 32768)
    for (size_t i = 0; i < f->n; i++) {
        double low = kr_lower(f->lower, i), high = kr_upper(f->upper, i), z = f->z[i] - f->s[i];
        f->s[i] = f->held[i] == KR_HELD_AT_LOWER || z < low    ? low
                  : f->held[i] == KR_HELD_AT_UPPER || z > high ? high
                                                               : z;
    }
}

static kr_status require_products(struct kr_ctx *ctx, const struct kr_op *J,
                                  const struct kr_lstsq_report *report)
{
    if (report->stop != KR_LSTSQ_STOP_NON_FINITE)
        return KR_OK;
    return kr_fail(ctx, KR_NON_FINITE, "",
                   "products with the Jacobian of the constraints (%s) must be finite", J->type->name);
}

static kr_status solver_options(struct kr_ctx *ctx, const struct kr_nullspace_options *options,
                                struct kr_lstsq_options *out)
{
    KR_TRY(kr_schema_init(ctx, &kr_lstsq_options_schema, out));
    out->atol = out->btol = options->solver_tolerance;
    out->preconditioner = KR_LSTSQ_NONE; /* a sketch of J would need memory for n x m */
    return KR_OK;
}

/* y = LstSq(J_F, r) */
static kr_status project(struct kr_ctx *ctx, const struct kr_lstsq_options *options, const struct kr_op *J,
                         const unsigned char *held, bool any, const double *r, double *y,
                         struct kr_lstsq_report *report)
{
    struct kr_op free_columns;
    struct kr_lstsq problem;
    struct kr_mark mark = kr_mark(ctx);
    KR_TRY(kr_op_held(ctx, J, held, &free_columns));
    KR_TRY(kr_lstsq_open(ctx, options, any ? &free_columns : J, 0, NULL, &problem));
    KR_TRY(kr_lstsq_solve(ctx, &problem, 1, r, NULL, y, NULL, NULL, report));
    kr_release(ctx, mark);
    return require_products(ctx, J, report);
}

static kr_status filter(struct kr_ctx *ctx, const struct kr_nullspace_options *options, const struct kr_op *J,
                        const double *c, const struct filter *f, struct kr_nullspace_report *report)
{
    const size_t m = J->rows, n = J->cols;
    struct kr_lstsq_options solver;
    double *r, *y = NULL, first = 0;
    KR_TRY(solver_options(ctx, options, &solver));
    KR_ALLOC(ctx, r, m);
    for (bool fresh = true, released = false, begun = false;; begun = true) {
        KR_TRY(kr_op_apply(ctx, J, 1, f->s, r));
        cblas_daxpy((int)m, -report->gamma, c, 1, r, 1);
        KR_TRY(kr_require_finite(ctx, "(J step - gamma c)", m, r));
        report->mismatch = cblas_dnrm2((int)m, r, 1);
        if (!begun)
            first = report->mismatch;
        if (report->mismatch == 0)
            return KR_OK;
        if (!fresh || report->held == n) {
            if (released || report->mismatch <= fmax(SOLVED, options->solver_tolerance) * first)
                return KR_OK;
            const size_t before = report->held;
            report->held = release(ctx, f);
            released = true;
            if (report->held == before)
                return KR_OK;
        }
        if (!y)
            KR_ALLOC(ctx, y, n);
        KR_TRY(project(ctx, &solver, J, f->held, report->held > 0, r, y, &report->solver));
        const size_t more = correct(ctx, f, y);
        report->held += more;
        fresh = more > 0;
    }
}

kr_status kr_nullspace_filter(struct kr_ctx *ctx, const struct kr_nullspace_options *options, size_t step,
                              const struct kr_op *J, const double *c, const double *lower,
                              const double *upper, const double *z, const double *proposal, double *out,
                              struct kr_nullspace_report *report)
{
    const size_t m = J->rows, n = J->cols;
    struct filter f = {.n = n, .lower = lower, .upper = upper, .z = z, .s = out};
    KR_TRY(kr_schema_check(ctx, &kr_nullspace_options_schema, options));
    KR_TRY(kr_schema_init(ctx, &kr_nullspace_report_schema, report));
    struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, f.held, n);
    KR_TRY(kr_require_finite(ctx, "c", m, c));
    KR_TRY(kr_require_finite(ctx, "z", n, z));
    KR_TRY(kr_require_finite(ctx, "proposal", n, proposal));
    KR_TRY(kr_require_box(ctx, n, lower, upper));
    for (size_t i = 0; i < m; i++)
        report->violation = fmax(report->violation, fabs(c[i]));
    report->gamma = kr_nullspace_gamma(options, step, cblas_dnrm2((int)m, c, 1));
    report->held = propose(ctx, &f, proposal);
    if (m > 0)
        KR_TRY(filter(ctx, options, J, c, &f, report));
    arrive(ctx, &f);
    kr_release(ctx, mark);
    return KR_OK;
}
