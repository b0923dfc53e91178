/*
 * The pull against central differences. For a random direction d of theta, in units of theta's own entries
 * (1 where one is 0), and U, V normal blocks:
 *
 *     sum_j g_j d_j  =  <U, (A(theta + h d) - A(theta - h d)) V> / (2 h)
 *
 * to 1e-5, and to the rounding of the difference, eps |U||A V|/h. A step h is believed when it agrees; the
 * pull is refused when none does, so that a bend or rounding at one of them is no false alarm. A refusal then
 * halves the direction until one parameter is left, and names it. A second pull, on top of the first and with
 * another alpha, must add. Cost: 2 pulls, and 2 products a probe when the first step agrees. theta is put
 * back to the bit, whatever happens.
 */
#include "op/block.h"
#include "op/check.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define ALPHA  (-0.75)
#define SECOND 2.5 /* of the second pull, as a multiple of the first */

struct difference {
    const struct kr_check *check;
    size_t count;
    double *theta, *kept; /* what the operator borrowed, and its values */
    double *direction;
    double *above, *below;  /* A(theta +- h d) V */
    const double *gradient; /* pull / ALPHA */
    double by_pull, measured;
};

/* A(theta + step d) V, d only at parameters [from, to). */
static kr_status multiply_at(const struct difference *d, size_t from, size_t to, double step, double *out)
{
    for (size_t j = from; j < to; j++)
        d->theta[j] = d->kept[j] + step * d->direction[j];
    const kr_status status = kr_check_multiply(d->check, false, d->check->k, d->check->X, out);
    memcpy(d->theta + from, d->kept + from, (to - from) * sizeof *d->theta);
    return status;
}

/* Does the pull agree with the difference along d at [from, to) for this step? Sets both. */
static kr_status agrees_at(struct difference *d, size_t from, size_t to, double h, bool *out)
{
    const size_t size = d->check->op->rows * d->check->k;
    const double *U = d->check->U;
    double difference = 0, terms = 0;
    KR_TRY(multiply_at(d, from, to, h, d->above));
    KR_TRY(multiply_at(d, from, to, -h, d->below));
    const double scale = fmax(kr_check_largest(size, d->above), kr_check_largest(size, d->below));
    for (size_t i = 0; scale > 0 && i < size; i++)
        difference += U[i] * (d->above[i] / scale - d->below[i] / scale);
    d->measured = difference / (2 * h) * scale;
    d->by_pull = 0;
    for (size_t j = from; j < to; j++) {
        d->by_pull += d->gradient[j] * d->direction[j];
        terms += fabs(d->gradient[j] * d->direction[j]);
    }
    const double rounding = (16 + sqrt((double)d->check->op->cols)) * DBL_EPSILON / h *
                            kr_check_norm(size, U, 1) * kr_check_norm(size, d->above, scale) * scale;
    *out = fabs(d->by_pull - d->measured) <=
           1e-5 * fmax(fabs(d->by_pull), fabs(d->measured)) + rounding + 1e-10 * terms + DBL_MIN;
    return KR_OK;
}

static kr_status agrees(struct difference *d, size_t from, size_t to, bool *out)
{
    static const double steps[] = {1e-4, 1e-5, 1e-6};
    *out = false;
    for (size_t s = 0; !*out && s < sizeof steps / sizeof *steps; s++)
        KR_TRY(agrees_at(d, from, to, steps[s], out));
    return KR_OK;
}

/* The parameter whose derivative is wrong, by halves; its numbers. */
static kr_status refuse(struct difference *d, size_t probe)
{
    const struct kr_op *op = d->check->op;
    const double by_pull = d->by_pull, measured = d->measured;
    size_t from = 0, to = d->count;
    bool fine;
    while (to - from > 1) {
        const size_t middle = from + (to - from) / 2;
        KR_TRY(agrees(d, from, middle, &fine));
        if (fine)
            from = middle;
        else
            to = middle;
    }
    KR_TRY(agrees(d, from, to, &fine));
    return kr_fail(d->check->ctx, KR_INVALID, "",
                   KR_NAMED
                   "the pull is not the derivative of <U, A(theta) V>: along a random direction it is "
                   "%.9g by the pull and %.9g by central differences (probe %zu); by parameter %zu "
                   "alone %.9g and %.9g",
                   KR_NAME_OF(op), by_pull, measured, probe, from, d->by_pull / d->direction[from] + 0.0,
                   d->measured / d->direction[from] + 0.0);
}

static kr_status check_directions(struct difference *d)
{
    struct kr_rng rng;
    bool fine;
    kr_rng_init(&rng, d->check->seed, 3);
    for (size_t probe = 0; probe < d->check->k; probe++) {
        for (size_t j = 0; j < d->count; j++)
            d->direction[j] = kr_rng_normal(&rng) * (d->kept[j] == 0 ? 1 : fabs(d->kept[j]));
        KR_TRY(agrees(d, 0, d->count, &fine));
        if (!fine)
            return refuse(d, probe);
    }
    return KR_OK;
}

/* One pull on top of grad: finite, and nothing behind it touched. */
static kr_status pull_into(const struct kr_check *check, size_t count, double alpha, double *grad)
{
    KR_TRY(kr_op_pull(check->ctx, check->op, check->k, check->U, check->X, alpha, grad));
    for (size_t j = 0; j < count; j++)
        if (!isfinite(grad[j]))
            return kr_fail(check->ctx, KR_INVALID, "",
                           KR_NAMED "the pull makes the derivative by parameter %zu %g",
                           KR_NAME_OF(check->op), j, grad[j]);
    for (size_t j = count; j < count + KR_CHECK_GUARD; j++)
        if (grad[j] != 0)
            return kr_fail(check->ctx, KR_INVALID, "",
                           KR_NAMED "the pull writes behind its %zu parameters, %g at number %zu",
                           KR_NAME_OF(check->op), count, grad[j], j);
    return KR_OK;
}

/* grad after the first pull, and again after a second on top of it. */
static kr_status check_adding(const struct kr_check *check, size_t count, double *grad, const double *first)
{
    double largest = kr_check_largest(count, first);
    KR_TRY(pull_into(check, count, SECOND * ALPHA, grad));
    for (size_t j = 0; j < count; j++) {
        const double wanted = first[j] + SECOND * first[j];
        if (fabs(grad[j] - wanted) <= 1e-9 * largest + DBL_MIN)
            continue;
        return kr_fail(check->ctx, KR_INVALID, "",
                       KR_NAMED
                       "the pull must add alpha times the derivative to grad: parameter %zu held %.9g "
                       "and should have become %.9g with %g times the alpha, but is %.9g",
                       KR_NAME_OF(check->op), j, first[j], wanted, SECOND, grad[j]);
    }
    return KR_OK;
}

kr_status kr_check_pull(const struct kr_check *check, size_t count, double *theta)
{
    struct difference d = {.check = check, .count = count, .theta = theta};
    const size_t size = check->op->rows * check->k;
    double *grad, *first, *gradient;
    struct kr_mark mark = kr_mark(check->ctx);
    KR_TRY(kr_block(check->ctx, count, 1, &d.kept));
    KR_TRY(kr_block(check->ctx, count, 1, &d.direction));
    KR_TRY(kr_block(check->ctx, count, 1, &gradient));
    KR_TRY(kr_block(check->ctx, count, 1, &first));
    KR_TRY(kr_block(check->ctx, count + KR_CHECK_GUARD, 1, &grad));
    KR_TRY(kr_check_output(check->ctx, size, &d.above));
    KR_TRY(kr_check_output(check->ctx, size, &d.below));
    memcpy(d.kept, theta, count * sizeof *theta);
    KR_TRY(pull_into(check, count, ALPHA, grad));
    memcpy(first, grad, count * sizeof *grad);
    for (size_t j = 0; j < count; j++)
        gradient[j] = grad[j] / ALPHA;
    d.gradient = gradient;
    KR_TRY(check_directions(&d));
    KR_TRY(check_adding(check, count, grad, first));
    kr_release(check->ctx, mark);
    return KR_OK;
}
