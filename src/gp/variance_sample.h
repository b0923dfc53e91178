/*
 * The mean of a loss over many held-out points from the exact variances of a few of them: the difference
 * estimator of variance_sample.c. What it holds fixed makes value and gradient those of one function of
 * theta.
 */
#ifndef GP_VARIANCE_SAMPLE_H
#define GP_VARIANCE_SAMPLE_H

#include "gp/neighbours.h"
#include "gp/objective.h"

enum { KR_SURROGATE_TERMS = KR_NEIGHBOUR_SETS + 1 };

/* Independent of theta once it is ready. */
struct kr_variance_sample {
    const struct kr_variance_spec *spec;
    bool ready;
    size_t most;                  /* neighbours of a point */
    uint32_t *neighbours;         /* m x most */
    size_t count;                 /* distinct points drawn */
    size_t *points;               /* ascending; room for spec->points */
    double *draws, *weight;       /* how often each was drawn; draws / (b m p_j) */
    double c[KR_SURROGATE_TERMS]; /* surrogate = c[0] f_near + c[1] f_all + c[2] noise */
};

/* One evaluation by a sample. */
struct sampled {
    struct kr_variance_sample *sample;
    struct neighbourhood hood;
    const double *alpha; /* n: leave-one-out, where the mean is y - alpha v; NULL: it does not depend on v */
    double *f;           /* KR_NEIGHBOUR_SETS x m */
    double *solutions;   /* of the neighbours; NULL without a gradient */
    /* The variance of drawn point i by its column of the solution and the residual; makes gap[i], given as a
     * bound of r'A^-1 r, that of the variance. */
    double (*judge)(const struct work *, size_t i, const double *solution, const double *residual);
    double *exact, *gap; /* count: their variances, and the width of the bracket below each */
    bool *clamped;       /* count */
    double *exact_bar,
        *exact_mean_bar; /* heads x count: adjoints of the exact variances, and of means there */
    struct kr_points x;  /* hold-out: the points drawn, k(x, x) of each, K(X_B, X) */
    double *prior;
    struct kr_op cross;
    double *alpha_bar; /* leave-one-out: heads x n */
};

/* ---- what the forms share (sampled.c) ---- */

/* The sample: where it is not ready its neighbours and points (means are known, or alpha); memory for count
 * columns. */
kr_status kr_sampled_open(struct kr_ctx *ctx, struct work *w) KR_MUST_CHECK;
/* Solves for columns 1 .. count until they are good enough; exact variances; the surrogate in w->variance. */
kr_status kr_sampled_solve(struct kr_ctx *ctx, struct work *w, struct kr_evaluation *out) KR_MUST_CHECK;
void kr_sampled_correct(struct work *w, struct kr_evaluation *out);
/* variance_bar (m): adjoints of the surrogate. */
kr_status kr_sampled_pull_surrogate(struct kr_ctx *ctx, struct work *w, const struct head *head,
                                    const double *variance_bar) KR_MUST_CHECK;

/* The mean of point j where its variance is v. */
static inline double kr_sampled_mean(const struct work *w, size_t j, double v)
{
    const struct sampled *s = w->sampled;
    return s->alpha ? w->gp->validation.y[j] - s->alpha[w->gp->folds.at[j]] * v : w->mean[j];
}

/* ---- the estimator (variance_sample.c) ---- */

/* Draws the points: with replacement, by 0.7 of their share of |l_v| (f_all - noise) and 0.3 uniformly. */
kr_status kr_variance_sample_draw(struct kr_ctx *ctx, struct kr_variance_sample *sample, const struct work *w,
                                  const double *f_all) KR_MUST_CHECK;
/* Fits c to the exact variances; then the sample is ready. */
void kr_variance_sample_calibrate(struct kr_variance_sample *sample, const struct work *w, const double *f,
                                  const double *exact);
/* w->variance: the surrogate, at least the noise. */
size_t kr_variance_sample_surrogate(const struct kr_variance_sample *sample, struct work *w, const double *f);
/* Corrects a head's value and adjoints; *standard_error and *bracket (NULL = not wanted) of the value. */
void kr_variance_sample_correct(const struct sampled *s, struct work *w, size_t head, double *standard_error,
                                double *bracket);

#endif
