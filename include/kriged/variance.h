/*
 * variance: predictive variances of very many held-out rows, for a loss that sees them (objective.variance).
 *
 * A solve for each of m points costs m times a solve for the mean. Sampled, a few points drawn by importance
 * have exact variances, all have those that their nearest training rows give, calibrated on the exact ones,
 * and the loss is the mean over all with these, corrected by the differences at the drawn points: unbiased,
 * with a standard error; the gradient is that of the same function. Methods and sources:
 * src/gp/variance_sample.c, neighbours.c, objective_sampled.c.
 */
#ifndef KRIGED_VARIANCE_H
#define KRIGED_VARIANCE_H

#include "kriged/fields.h"

enum kr_variance_method { KR_VARIANCE_AUTO, KR_VARIANCE_EXACT, KR_VARIANCE_SAMPLED };
extern const char *const kr_variance_method_names[];

#define KR_VARIANCE_FIELDS(F, S)                                                                             \
    F(S, CHOICE, method, kr_variance_method, "auto", 0, 0, 0,                                                \
      "exact: of every held-out point; sampled: exact at a few drawn points, from nearest rows at all, the " \
      "loss estimated without bias and with a standard error; auto: sampled where a matrix-free solver "     \
      "would need thousands of columns")                                                                     \
    F(S, INT, points, _, "32", 8, 4096, 0, "points drawn, with replacement")                                 \
    F(S, INT, neighbours, _, "256", 2, 4096, 0, "nearest training rows of a held-out point")                 \
    F(S, REAL, tolerance, _, "1e-2", 0, 1, 0,                                                                \
      "widest bracket of a drawn variance, as a share of it, that its solve may leave")                      \
    F(S, SEED, seed, _, "0", 0, 9007199254740991, 0, "seed of the draw")
KR_DECLARE(kr_variance_spec, KR_VARIANCE_FIELDS);

struct kr_gp;

/*
 * Variances of very many held-out points (objective.variance): are those of an evaluation sampled, given that
 * the metrics, or derivatives by the data, need them all or not, and the memory (0 = unlimited)? A sample
 * that is opened and put into gp->sample takes its draws, neighbours and coefficients at the next evaluation
 * and keeps them: value and gradient are then those of one function of theta; `forget` lets the next
 * evaluation take new ones. Without one every evaluation draws for itself, by the seed and its theta.
 */
struct kr_variance_sample;
bool kr_gp_samples_variance(const struct kr_gp *gp, bool all, size_t budget);
kr_status kr_variance_sample_open(struct kr_ctx *ctx, const struct kr_gp *gp,
                                  struct kr_variance_sample **out) KR_MUST_CHECK;
void kr_variance_sample_forget(struct kr_variance_sample *sample);

#endif
