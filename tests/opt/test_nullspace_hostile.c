/* The null-space method with Jacobians that fail, cancel or return no numbers at any of their products, with
 * points, bounds and options that are none, and with memory that ends. */
#include "kriged/nullspace.h"
#include "solve/hostile.h"

static struct kr_ctx context, *const ctx = &context;

/* A Jacobian of ROWS rows that are shifts of each other; every third coordinate starts at its lower bound. */
enum { LENGTH = 20, ROWS = 6, LONG = 9000 };
struct setting {
    struct hostile h;
    struct kr_op J;
    size_t m, n;
    double *c, *z, *proposal, *g, *lower, *upper;
    double *out, *tangent, *multipliers; /* answers */
    struct kr_nullspace_options options;
    struct kr_nullspace_report report;
    struct kr_lstsq_report solves;
};

static void make(size_t length, bool bounded, struct setting *s)
{
    const size_t taps = length - ROWS + 1;
    *s = (struct setting){.n = length, .m = ROWS};
    s->h = (struct hostile){.what = GOOD, .at = SIZE_MAX};
    OK(kr_op_convolution(ctx, KR_CONVOLUTION_VALID, 1, length, 1, taps, normal(ctx, taps, 8), &s->h.inner));
    s->J = hostile_op(&s->h);
    s->c = normal(ctx, s->m, 1);
    s->z = normal(ctx, s->n, 2);
    s->proposal = normal(ctx, s->n, 3);
    s->g = normal(ctx, s->n, 4);
    s->out = normal(ctx, s->n, 5);
    s->tangent = normal(ctx, s->n, 6);
    s->multipliers = normal(ctx, s->m, 7);
    if (bounded) {
        s->lower = kr_alloc(ctx, s->n, sizeof *s->lower);
        s->upper = kr_alloc(ctx, s->n, sizeof *s->upper);
    }
    for (size_t i = 0; bounded && i < s->n; i++) {
        s->lower[i] = i % 3 ? -4 : s->z[i];
        s->upper[i] = 4;
    }
    OK(kr_schema_init(ctx, &kr_nullspace_options_schema, &s->options));
}

static kr_status ask(struct setting *s)
{
    KR_TRY(kr_nullspace_filter(ctx, &s->options, 0, &s->J, s->c, s->lower, s->upper, s->z, s->proposal,
                               s->out, &s->report));
    return kr_nullspace_gradient(ctx, &s->options, &s->J, s->lower, s->upper, s->z, s->g, s->tangent,
                                 s->multipliers, &s->solves);
}

static void same(const struct setting *a, const struct setting *b)
{
    ck_assert_mem_eq(a->out, b->out, a->n * sizeof *a->out);
    ck_assert_mem_eq(a->tangent, b->tangent, a->n * sizeof *a->tangent);
    ck_assert_mem_eq(a->multipliers, b->multipliers, a->m * sizeof *a->multipliers);
}

/* Fails, cancels, passes the deadline at every product in turn. */
START_TEST(at_every_product)
{
    static const enum mischief kinds[] = {FAILS, FAILS_SILENTLY, CANCELS, PASSES_DEADLINE};
    static const kr_status wanted[] = {KR_STORAGE, KR_STORAGE, KR_CANCELLED, KR_TIME_LIMIT};
    struct setting good, s;
    kr_ctx_init(ctx, 0);
    make(LENGTH, _i % 2, &good);
    make(LENGTH, _i % 2, &s);
    OK(ask(&good));
    const size_t calls = good.h.calls;
    const struct kr_mark mark = kr_mark(ctx);
    s.h.what = kinds[_i / 2];
    for (s.h.at = 0; s.h.at < calls; s.h.at++) {
        s.h.calls = 0;
        const kr_status status = ask(&s);
        if (status != KR_OK || s.h.at + 1 < calls) /* the last product may end the work before it is asked */
            ck_assert_int_eq(status, wanted[_i / 2]);
        ck_assert_uint_eq(s.h.calls, s.h.at + 1);
        kr_ctx_clear_error(ctx);
        ctx->cancelled = 0;
        ctx->deadline = 0;
        kr_release(ctx, mark);
    }
    s.h.what = GOOD;
    OK(ask(&s));
    same(&good, &s);
    kr_ctx_fini(ctx);
}
END_TEST

/* Products that are not finite: named with the Jacobian, or (where they went unused) without effect. */
START_TEST(products_that_are_not_finite)
{
    struct setting good, s;
    kr_ctx_init(ctx, 0);
    make(LENGTH, _i % 2, &good);
    make(LENGTH, _i % 2, &s);
    OK(ask(&good));
    s.h.what = _i < 2 ? RETURNS_NAN : RETURNS_INFINITY;
    size_t named = 0;
    for (s.h.at = 0; s.h.at < good.h.calls; s.h.at++) {
        s.h.calls = 0;
        const kr_status status = ask(&s);
        ck_assert_uint_lt(s.h.calls, 20 * good.h.calls);
        if (status == KR_OK) {
            ck_assert(distance(s.out, good.out, s.n) < 1e-6 && distance(s.tangent, good.tangent, s.n) < 1e-6);
            continue;
        }
        named++;
        if (!CHECKED_WHEN_OPENED || status != KR_INVALID) {
            ck_assert_int_eq(status, KR_NON_FINITE);
            ck_assert_msg(strstr(ctx->error.detail, "must be finite"), "%s", ctx->error.detail);
        }
        kr_ctx_clear_error(ctx);
    }
    ck_assert_uint_gt(named, good.h.calls / 2);
    kr_ctx_fini(ctx);
}
END_TEST

static void refused(kr_status status, kr_status wanted, const char *words)
{
    ck_assert_msg(status == wanted, "%s: %s (%s)", words, kr_status_slug(status), ctx->error.detail);
    ck_assert_msg(strstr(ctx->error.detail, words), "\"%s\" is not in: %s", words, ctx->error.detail);
    kr_ctx_clear_error(ctx);
}

/* Points, gradients, constraints that are not finite are named, with and without constraints. */
START_TEST(numbers_that_are_not_finite)
{
    static const double bad[] = {NAN, INFINITY, -INFINITY};
    struct setting s;
    kr_ctx_init(ctx, 0);
    make(LENGTH, _i % 2, &s);
    if (_i / 2)
        s.J.rows = 0;
    for (size_t b = 0; b < 3; b++) {
        struct {
            double *at;
            const char *words;
        } inputs[] = {{s.z + 7, "z[7] must be finite"},
                      {s.proposal + 8, "proposal[8] must be finite"},
                      {s.g + 9, "gradient[9] must be finite"},
                      {s.c + 5, "c[5] must be finite"}};
        for (size_t i = 0; i < (_i / 2 ? 3 : 4); i++) {
            const double before = *inputs[i].at;
            *inputs[i].at = bad[b];
            refused(ask(&s), KR_NON_FINITE, inputs[i].words);
            *inputs[i].at = before;
        }
    }
    kr_ctx_fini(ctx);
}
END_TEST

/* Bounds that contain nothing. */
START_TEST(bounds_that_are_none)
{
    struct setting s;
    kr_ctx_init(ctx, 0);
    make(LENGTH, true, &s);
    s.lower[4] = 5;
    refused(ask(&s), KR_INVALID, "lower[4] = 5 must not be above upper[4] = 4");
    s.lower[4] = NAN;
    refused(ask(&s), KR_INVALID, "lower[4] = nan must not be above");
    s.lower[4] = -4;
    s.upper[6] = NAN;
    refused(
        kr_nullspace_gradient(ctx, &s.options, &s.J, s.lower, s.upper, s.z, s.g, s.tangent, NULL, &s.solves),
        KR_INVALID, "upper[6] = nan");
    s.upper[6] = INFINITY;
    s.lower[5] = -INFINITY;
    OK(ask(&s));
    kr_ctx_fini(ctx);
}
END_TEST

START_TEST(options_out_of_range)
{
    struct setting s;
    kr_ctx_init(ctx, 0);
    make(LENGTH, true, &s);
    for (size_t f = 0; f < kr_nullspace_options_schema.count; f++) {
        const struct kr_field *field = &kr_nullspace_options_schema.fields[f];
        const double bad[] = {-1, field->max * 2, NAN, INFINITY};
        for (size_t i = 0; i < 4; i++) {
            const struct kr_nullspace_options before = s.options;
            void *at = (char *)&s.options + field->offset;
            if (field->kind == KR_KIND_REAL && !(i == 2 && field->flags & KR_OMIT))
                *(double *)at = bad[i];
            else if (field->kind == KR_KIND_INT && i == 1)
                *(size_t *)at = (size_t)bad[i];
            else
                continue;
            refused(kr_nullspace_filter(ctx, &s.options, 0, &s.J, s.c, s.lower, s.upper, s.z, s.proposal,
                                        s.out, &s.report),
                    KR_INVALID, field->name);
            refused(kr_nullspace_gradient(ctx, &s.options, &s.J, s.lower, s.upper, s.z, s.g, s.tangent, NULL,
                                          &s.solves),
                    KR_INVALID, field->name);
            s.options = before;
        }
    }
    kr_ctx_fini(ctx);
}
END_TEST

/* No constraints: the proposal itself, inside the box. No coordinates: nothing, also with constraints. */
START_TEST(of_no_size)
{
    struct setting s;
    kr_ctx_init(ctx, 0);
    make(LENGTH, true, &s);
    s.J.rows = 0;
    OK(ask(&s));
    for (size_t i = 0; i < LENGTH; i++) {
        CLOSE(s.out[i], fmin(fmax(s.proposal[i], s.lower[i]), s.upper[i]), 10, 1e-15, "coordinate %zu", i);
        ck_assert(s.tangent[i] == (i % 3 == 0 && s.g[i] > 0 ? 0 : s.g[i]));
    }
    ck_assert_uint_eq(s.h.calls, 0);
    s.J.rows = ROWS;
    s.J.cols = 0;
    struct kr_op_type type = hostile_type;
    s.J.type = &type;
    const double before = s.out[0];
    s.h.inner.cols = 0;
    s.J.rows = s.h.inner.rows = 0;
    OK(ask(&s));
    ck_assert(s.out[0] == before);
    kr_ctx_fini(ctx);
}
END_TEST

/* More constraints than coordinates, that contradict each other, and constraints that no coordinate moves:
 * the step is finite, and says that it is not exact. */
START_TEST(constraints_that_cannot_hold)
{
    struct setting s;
    kr_ctx_init(ctx, 0);
    make(LENGTH, false, &s);
    hostile_filter(ctx, KR_CONVOLUTION_FULL, LENGTH, &s.h);
    s.h.at = SIZE_MAX;
    s.J.rows = s.m = s.h.inner.rows;
    s.c = normal(ctx, s.m, 9);
    s.multipliers = normal(ctx, s.m, 10);
    OK(ask(&s));
    ck_assert(s.report.mismatch > 1e-3 && isfinite(s.report.mismatch));
    for (size_t i = 0; i < s.n; i++)
        ck_assert(isfinite(s.out[i]) && isfinite(s.tangent[i]));
    double *zeros = kr_alloc(ctx, s.m * s.n, sizeof *zeros);
    OK(kr_op_dense(ctx, s.m, s.n, zeros, &s.J));
    OK(ask(&s));
    CLOSE(s.report.mismatch, cblas_dnrm2((int)s.m, s.c, 1), 10, 1e-14, "nothing was removed");
    for (size_t i = 0; i < s.n; i++) {
        CLOSE(s.out[i], s.proposal[i], 10, 1e-15, "the proposal, coordinate %zu", i);
        ck_assert(s.tangent[i] == s.g[i]);
    }
    kr_ctx_fini(ctx);
}
END_TEST

/* More constraints and bounds than coordinates: the search for the bounds that hold may take very long. It
 * ends, says so, and what it returns crosses no bound. */
START_TEST(bounds_that_do_not_settle)
{
    enum { MANY = 600 };
    struct setting s;
    kr_ctx_init(ctx, 0);
    make(MANY, true, &s);
    hostile_filter(ctx, KR_CONVOLUTION_VALID, MANY, &s.h);
    s.J.rows = s.h.inner.rows;
    OK(kr_nullspace_gradient(ctx, &s.options, &s.J, s.lower, s.upper, s.z, s.g, s.tangent, NULL, &s.solves));
    ck_assert_uint_eq(s.solves.solves, 100);
    ck_assert_int_eq(s.solves.stop, KR_LSTSQ_STOP_ITERATIONS);
    ck_assert_ptr_nonnull(strstr(s.solves.reason, "did not settle"));
    for (size_t i = 0; i < MANY; i++)
        ck_assert(isfinite(s.tangent[i]) && (s.z[i] > s.lower[i] || s.tangent[i] <= 0));
    kr_ctx_fini(ctx);
}
END_TEST

/* A Jacobian with a wrong adjoint: the step ends, is finite, and the mismatch tells. */
static kr_status twisted(struct kr_ctx *c, const struct kr_op *op, size_t k, const double *X, double *Y)
{
    KR_TRY(hostile_apply_t(c, op, k, X, Y));
    for (size_t i = 0; i < op->cols * k; i += 2)
        Y[i] = -Y[i];
    return KR_OK;
}

START_TEST(a_wrong_adjoint)
{
    static const struct kr_op_type type = {.name = "twisted", .apply = hostile_apply, .apply_t = twisted};
    struct setting s;
    kr_ctx_init(ctx, 0);
    make(LENGTH, _i, &s);
    s.J.type = &type;
    double *Js = kr_alloc(ctx, s.m, sizeof *Js), *step = kr_alloc(ctx, s.n, sizeof *step), mismatch = 0;
    if (CHECKED_WHEN_OPENED) {
        refused(ask(&s), KR_INVALID, "the adjoint is wrong");
        kr_ctx_fini(ctx);
        return;
    }
    OK(ask(&s));
    ck_assert_uint_lt(s.h.calls, 200000);
    for (size_t i = 0; i < s.n; i++)
        step[i] = s.z[i] - s.out[i];
    OK(kr_op_apply(ctx, &s.h.inner, 1, step, Js));
    for (size_t i = 0; i < s.m; i++)
        mismatch = hypot(mismatch, Js[i] - s.report.gamma * s.c[i]);
    ck_assert(isfinite(mismatch));
    CLOSE(s.report.mismatch, mismatch, fmax(mismatch, 1), 1e-10, "the mismatch is what it is");
    kr_ctx_fini(ctx);
}
END_TEST

START_TEST(memory_that_ends)
{
    enum { STEP = 1 << 16 };
    struct setting good, s;
    kr_ctx_init(ctx, 0);
    make(LONG, _i, &good);
    make(LONG, _i, &s);
    OK(ask(&good));
    const struct kr_mark mark = kr_mark(ctx);
    const size_t used = ctx->used, most = ctx->peak;
    size_t failures = 0;
    for (size_t budget = used;; budget += STEP, failures++) {
        ck_assert_uint_le(budget, most + STEP);
        ctx->budget = budget;
        const kr_status status = ask(&s);
        if (status == KR_OK)
            break;
        ck_assert_int_eq(status, KR_MEMORY_LIMIT);
        ck_assert_int_eq(ctx->error.status, KR_MEMORY_LIMIT);
        kr_ctx_clear_error(ctx);
        kr_release(ctx, mark);
        ck_assert_uint_eq(ctx->used, used);
    }
    ck_assert_uint_ge(failures, 5);
    same(&good, &s);
    kr_ctx_fini(ctx);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {bounds_that_are_none, options_out_of_range, of_no_size,
                                  constraints_that_cannot_hold, bounds_that_do_not_settle};
    Suite *made = suite_of("hostile null space", tests, sizeof tests / sizeof *tests);
    TCase *loops = tcase_create("with and without bounds");
    tcase_set_timeout(loops, 30);
    tcase_add_loop_test(loops, at_every_product, 0, 8);
    tcase_add_loop_test(loops, products_that_are_not_finite, 0, 4);
    tcase_add_loop_test(loops, numbers_that_are_not_finite, 0, 4);
    tcase_add_loop_test(loops, a_wrong_adjoint, 0, 2);
    tcase_add_loop_test(loops, memory_that_ends, 0, 2);
    suite_add_tcase(made, loops);
    return made;
}
