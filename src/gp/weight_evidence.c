/*
 * The evidence in weight space: the covariance of the rows is Q = D^-1 (A A' + I) D^-1, so
 *
 *     L = (r'r + w'w + log det(A'A + I) - sum_i log D_i^2 + n log 2 pi)/(2 n)
 *
 * where r'r + w'w is the least |A w - b|^2 + |w|^2. At its minimum the derivative does not see w: 2 r' on b,
 * -2 r w' on A; the log-determinant gives (A'A + I)^-1 on A'A. An error of w changes the value to second
 * order only. Cost beyond the fit: 2 n p^2 flops for the gradient. Source: Rasmussen and Williams 2006,
 * eq. 5.8, and Sylvester's identity for determinants. Of several targets the mean over them.
 */
#include "gp/weight_space.h"

#include <cblas.h>
#include <math.h>

static kr_status pull(struct kr_ctx *ctx, const struct kr_gp *gp, const struct weight_fit *fit, double scale,
                      double *grad)
{
    const double noise = kr_weight_noise(fit->space, fit->theta);
    double *b_bar, *X, by_noise = 0;
    const double share = scale / (double)fit->targets;
    KR_ALLOC(ctx, b_bar, fit->n * fit->targets);
    KR_ALLOC(ctx, X, fit->p * fit->p);
    for (size_t e = 0; e < fit->n * fit->targets; e++)
        b_bar[e] = 2 * share * fit->r[e];
    for (size_t i = 0; i < fit->n; i++)
        by_noise += scale / (noise + (fit->noise.known ? fit->noise.known[i] : 0));
    for (size_t c = 0; c < fit->space->nnoise; c++)
        grad[fit->space->noise[c]] += by_noise;
    KR_TRY(kr_weight_pull_targets(ctx, gp, fit, b_bar, grad));
    KR_TRY(kr_op_pull(ctx, &fit->A, fit->targets, fit->r, fit->w, -2 * share, grad));
    KR_TRY(kr_weight_inverse(ctx, fit, X));
    return kr_features_pull_gram(ctx, &fit->A, NULL, X, fit->P, scale, grad);
}

kr_status kr_weight_evidence(struct kr_ctx *ctx, const struct kr_gp *gp, const struct weight_fit *fit,
                             struct kr_evaluation *out, double *grad)
{
    const double noise = kr_weight_noise(fit->space, fit->theta), n = (double)fit->n, scale = 1 / (2 * n);
    double sum = n * log(2 * M_PI);
    const struct kr_mark mark = kr_mark(ctx);
    for (size_t i = 0; i < fit->n; i++)
        sum += log(noise + (fit->noise.known ? fit->noise.known[i] : 0));
    for (size_t i = 0; i < fit->p; i++)
        sum += 2 * log(fit->L[i * (fit->p + 1)]);
    const int nq = (int)(fit->n * fit->targets), pq = (int)(fit->p * fit->targets);
    sum +=
        (cblas_ddot(nq, fit->r, 1, fit->r, 1) + cblas_ddot(pq, fit->w, 1, fit->w, 1)) / (double)fit->targets;
    out->loss = scale * sum;
    out->value_error = 0; /* to first order */
    if (grad)
        KR_TRY(pull(ctx, gp, fit, scale, grad));
    kr_release(ctx, mark);
    return KR_OK;
}
