/*
 * A gradient against differences of the loss. Along a random direction (of length 1 in the free parameters,
 * positive ones by their logarithm, and in each part of the data, in units of the columns' spread)
 *
 *     D(h) = (L(h) - L(-h))/(2 h),       numeric = D(h) + (D(h) - D(2 h))/3 + O(h^4)
 *
 * with solves to TIGHT, whatever the gradient was computed with: the error found is that of the gradient at
 * its own tolerance. Rounding adds about 1e-14 |L|/h. Cost: four evaluations of the loss a direction; memory
 * a copy of the data and of the direction.
 */
#include "kriged/differentiate.h"

#include <math.h>
#include <string.h>

#define STEP  1e-3
#define TIGHT 1e-12
enum { STREAM = 9 };

const char *const kr_check_names[] = {"finite_difference", NULL};
KR_DEFINE(kr_check_spec, KR_CHECK_FIELDS, "a check of the gradient by differences of the loss");
KR_DEFINE(kr_checked_direction, KR_CHECKED_DIRECTION_FIELDS, "a derivative in one direction, twice");
KR_DEFINE(kr_check_report, KR_CHECK_REPORT_FIELDS, "the gradient against differences of the loss");

/* A part of the data, as in kr_data_gradient; z = NULL: it stays. */
enum part { X, Y, NOISE, HELD_X, PARTS };
struct block {
    size_t rows, cols;
    const double *unit; /* cols */
    const double *bar;  /* rows x cols, feature-major: the loss's derivative */
    double *z;          /* the direction */
};

/* A line through the parameters and the data. */
struct line {
    const struct kr_gp *gp;
    const double *theta;
    double *z; /* of the parameters: of the logarithm where they are positive; fixed ones 0 */
    struct block data[PARTS];
    double noise_unit;
    struct kr_gp_spec spec; /* with tight solves */
    struct kr_gp moved;     /* the gp at a point of the line; with data, its parts are copies */
    double *there;          /* theta at it */
};

static kr_status copy_part(struct kr_ctx *ctx, bool noise, struct kr_part *part)
{
    double *x;
    KR_ALLOC(ctx, x, part->n * part->x.d);
    KR_ALLOC(ctx, part->y, part->n * part->targets);
    if (part->noise || noise)
        KR_ALLOC(ctx, part->noise, part->n);
    part->x = (struct kr_points){part->n, part->x.d, part->n, x};
    return KR_OK;
}

static double mean_noise(const struct kr_part *part)
{
    double sum = 0;
    for (size_t i = 0; part->noise && i < part->n; i++)
        sum += part->noise[i] / (double)part->n;
    return sum;
}

/* Derivatives by the targets as those by transformed ones, which are what moves. */
static kr_status by_transformed(struct kr_ctx *ctx, const struct kr_gp *gp, const double **bar)
{
    const struct kr_part *parts[] = {&gp->train, &gp->validation};
    double *out;
    if (!*bar || !kr_transforms(gp->transforms))
        return KR_OK;
    KR_ALLOC(ctx, out, gp->rows * gp->targets);
    for (int p = 0; p < (gp->elsewhere ? 1 : 2); p++)
        for (size_t e = 0; e < parts[p]->n * gp->targets; e++) {
            const size_t n = parts[p]->n, place = e / n * gp->rows + parts[p]->rows[e % n];
            double g[3];
            kr_transform_at(&gp->transforms[e / n], parts[p]->y[e], g);
            out[place] = (*bar)[place] * g[1];
        }
    *bar = out;
    return KR_OK;
}

static kr_status open_line(struct kr_ctx *ctx, const struct kr_gp *gp, const double *theta,
                           const struct kr_data_gradient *data, struct line *l)
{
    const struct kr_data_gradient none = {0}, *bar = data ? data : &none;
    const size_t rows = gp->rows, d = gp->train.x.d;
    *l = (struct line){.gp = gp, .theta = theta, .spec = *gp->spec, .moved = *gp};
    l->noise_unit = theta[gp->noise_index] + mean_noise(&gp->train);
    l->data[X] = (struct block){rows, d, gp->x_spread, bar->x, NULL};
    l->data[Y] = (struct block){rows, gp->targets, gp->y_spread, bar->y, NULL};
    l->data[NOISE] = (struct block){rows, 1, &l->noise_unit, bar->noise, NULL};
    KR_TRY(by_transformed(ctx, gp, &l->data[Y].bar));
    l->data[HELD_X] = (struct block){gp->validation.n, d, gp->x_spread, bar->x_validation, NULL};
    for (struct block *b = l->data; b < l->data + PARTS; b++)
        if (b->bar)
            KR_ALLOC(ctx, b->z, b->rows * b->cols);
    KR_ALLOC(ctx, l->z, gp->parameters.count);
    KR_ALLOC(ctx, l->there, gp->parameters.count);
    l->spec.solver.rtol = fmin(l->spec.solver.rtol, TIGHT);
    l->moved.spec = &l->spec;
    if (!data)
        return KR_OK;
    KR_TRY(copy_part(ctx, data->noise != NULL, &l->moved.train));
    return copy_part(ctx, data->noise != NULL, &l->moved.validation);
}

/* ---- a direction ---- */

static void normals(struct kr_rng *rng, size_t count, double *out)
{
    for (size_t i = 0; i < count; i++)
        out[i] = kr_rng_normal(rng);
}

static void scale_to_one(size_t count, double *z)
{
    double square = 0;
    for (size_t i = 0; i < count; i++)
        square += z[i] * z[i];
    for (size_t i = 0; i < count && square > 0; i++)
        z[i] /= sqrt(square);
}

/* Does some kernel of the tree only compare feature k? */
static bool compared(const struct kr_kernel *kernel, size_t k)
{
    for (size_t f = 0; kernel->type->compares && f < kernel->nfeatures; f++)
        if (kernel->features[f] == k)
            return true;
    for (size_t c = 0; c < kernel->nkernels; c++)
        if (compared(kernel->kernels[c], k))
            return true;
    return false;
}

/* And the derivative along it. */
static double draw_block(struct kr_rng *rng, const struct kr_gp *gp, bool inputs, struct block *b)
{
    double sum = 0;
    if (!b->z)
        return 0;
    normals(rng, b->rows * b->cols, b->z);
    for (size_t k = 0; inputs && k < b->cols; k++)
        if (compared(gp->kernel, k))
            memset(b->z + k * b->rows, 0, b->rows * sizeof *b->z);
    scale_to_one(b->rows * b->cols, b->z);
    for (size_t k = 0; k < b->cols; k++)
        for (size_t i = k * b->rows; i < (k + 1) * b->rows; i++)
            sum += b->bar[i] * (b->z[i] *= b->unit[k]);
    return sum;
}

static double draw(struct kr_rng *rng, struct line *l, const double *grad)
{
    const struct kr_parameters *parameters = &l->gp->parameters;
    double sum = 0;
    for (size_t p = 0; p < parameters->count; p++)
        l->z[p] = parameters->items[p].spec.fixed ? 0 : kr_rng_normal(rng);
    scale_to_one(parameters->count, l->z);
    for (size_t p = 0; p < parameters->count; p++)
        sum += grad[p] * l->z[p] * (parameters->items[p].positive ? l->theta[p] : 1);
    for (int part = 0; part < PARTS; part++)
        sum += draw_block(rng, l->gp, part == X || part == HELD_X, &l->data[part]);
    return sum;
}

/* ---- the loss on the line ---- */

/* to = from + t z; a row of a part is a row of the data set unless it is held out elsewhere. */
static void move_part(const struct line *l, double t, const struct kr_part *from, bool held,
                      struct kr_part *to)
{
    const struct block *x = &l->data[X], *y = &l->data[Y], *noise = &l->data[NOISE],
                       *held_x = &l->data[HELD_X];
    const bool ours = !(held && l->gp->elsewhere);
    double *out = (double *)(uintptr_t)to->x.x; /* copy_part's own */
    for (size_t k = 0; k < from->x.d; k++)
        for (size_t i = 0; i < from->n; i++)
            out[k * from->n + i] = from->x.x[k * from->x.ld + i] +
                                   (ours && x->z ? t * x->z[k * x->rows + from->rows[i]] : 0) +
                                   (held && held_x->z ? t * held_x->z[k * held_x->rows + i] : 0);
    for (size_t c = 0; c < from->targets; c++)
        for (size_t i = 0; i < from->n; i++)
            to->y[c * from->n + i] =
                from->y[c * from->n + i] + (ours && y->z ? t * y->z[c * y->rows + from->rows[i]] : 0);
    for (size_t i = 0; to->noise && i < from->n; i++)
        to->noise[i] =
            (from->noise ? from->noise[i] : 0) + (ours && noise->z ? t * noise->z[from->rows[i]] : 0);
}

static kr_status loss_at(struct kr_ctx *ctx, struct line *l, double t, double *out)
{
    const struct kr_gp *gp = l->gp;
    struct kr_evaluation evaluation;
    for (size_t p = 0; p < gp->parameters.count; p++)
        l->there[p] =
            gp->parameters.items[p].positive ? l->theta[p] * exp(t * l->z[p]) : l->theta[p] + t * l->z[p];
    if (l->moved.train.y != gp->train.y) {
        move_part(l, t, &gp->train, false, &l->moved.train);
        move_part(l, t, &gp->validation, true, &l->moved.validation);
    }
    KR_TRY(kr_objective_eval(ctx, &l->moved, l->there, false, &evaluation, NULL));
    *out = evaluation.loss;
    return kr_require_converged(ctx, &l->spec.solver, &evaluation.solver);
}

static kr_status difference(struct kr_ctx *ctx, struct line *l, double *out)
{
    double loss[4]; /* at -2 h, -h, h, 2 h */
    for (int i = 0; i < 4; i++)
        KR_TRY(loss_at(ctx, l, STEP * (i < 2 ? i - 2 : i - 1), &loss[i]));
    const double near = (loss[2] - loss[1]) / (2 * STEP), wide = (loss[3] - loss[0]) / (4 * STEP);
    *out = near + (near - wide) / 3;
    return KR_OK;
}

static kr_status check_direction(struct kr_ctx *ctx, struct kr_rng *rng, struct line *l, const double *grad,
                                 struct kr_checked_direction *out)
{
    out->analytic = draw(rng, l, grad);
    KR_TRY(difference(ctx, l, &out->numeric));
    const double size = fmax(fabs(out->analytic), fabs(out->numeric));
    out->relative_error = size > 0 ? fabs(out->analytic - out->numeric) / size : 0;
    return KR_OK;
}

/* Is there anything to check, and can it be? */
static kr_status refuse(struct kr_ctx *ctx, const struct kr_gp *gp, const struct kr_data_gradient *data)
{
    if (data && data->x_validation && gp->form == KR_FOLDS)
        return kr_fail(ctx, KR_INVALID, "/check",
                       "cannot look at x_validation with folds: their loss is no function of the held-out "
                       "inputs alone, while the same rows train");
    if (data && (data->x || data->y || data->noise || data->x_validation))
        return KR_OK;
    for (size_t p = 0; p < gp->parameters.count; p++)
        if (!gp->parameters.items[p].spec.fixed)
            return KR_OK;
    return kr_fail(ctx, KR_INVALID, "/check", "has nothing to check: every hyperparameter is fixed");
}

kr_status kr_gradient_check(struct kr_ctx *ctx, const struct kr_gp *gp, const double *theta,
                            const double *grad, const struct kr_data_gradient *data,
                            const struct kr_check_spec *spec, struct kr_check_report *out)
{
    struct kr_checked_direction *directions;
    struct line line;
    struct kr_rng rng;
    *out = (struct kr_check_report){.step = STEP};
    KR_TRY(refuse(ctx, gp, data));
    KR_ALLOC(ctx, directions, spec->directions);
    out->directions = (struct kr_list){spec->directions, directions};
    const struct kr_mark mark = kr_mark(ctx);
    KR_TRY(open_line(ctx, gp, theta, data, &line));
    kr_rng_init(&rng, spec->seed, STREAM);
    for (size_t i = 0; i < spec->directions; i++) {
        KR_TRY(check_direction(ctx, &rng, &line, grad, &directions[i]));
        out->largest_relative_error = fmax(out->largest_relative_error, directions[i].relative_error);
    }
    kr_release(ctx, mark);
    return KR_OK;
}
