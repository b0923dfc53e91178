/* Predictive variances from nearest training rows alone: upper bounds that cost O(k^3) a point. */
#ifndef GP_NEIGHBOURS_H
#define GP_NEIGHBOURS_H

#include "kriged/gp.h"

enum { KR_NEIGHBOUR_SETS = 2 }; /* the nearer half of them, and all */

/* Points that are predicted from their neighbours among the training rows. */
struct neighbourhood {
    const struct kr_kernel *kernel;
    const double *theta;
    size_t noise_index;
    const struct kr_part *train, *held;
    size_t most;          /* neighbours of a point */
    const uint32_t *rows; /* held->n x most: of each point, nearest first */
    const size_t *self; /* held->n: the training row that a point is, no neighbour of it; NULL: none is one */
};

/* Neighbours of a point in each set. */
static inline size_t kr_neighbours_in(const struct neighbourhood *hood, size_t set)
{
    return set + 1 == KR_NEIGHBOUR_SETS ? hood->most : (hood->most + 1) / 2;
}
/* Length of the solutions of one point. */
static inline size_t kr_neighbours_length(const struct neighbourhood *hood)
{
    return kr_neighbours_in(hood, 0) + kr_neighbours_in(hood, 1);
}

/*
 * rows (held->n x hood->most, to become hood->rows): of each point the training rows that tell most about it
 * alone, k(x, x_i)^2 / (k(x_i, x_i) + noise_i), the most telling first; of equal ones the first in order. For
 * a stationary kernel these are the nearest ones in its own metric. One pass over the tiles of K(X*, X).
 */
kr_status kr_neighbours_find(struct kr_ctx *ctx, const struct neighbourhood *hood,
                             uint32_t *rows) KR_MUST_CHECK;
/*
 * variance[set * held->n + j]: of a new observation at point j given the neighbours of that set. solutions
 * (held->n x kr_neighbours_length, or NULL): A_NN^-1 k_N of either set. NOT_POSITIVE_DEFINITE.
 */
kr_status kr_neighbours_variance(struct kr_ctx *ctx, const struct neighbourhood *hood, double *variance,
                                 double *solutions) KR_MUST_CHECK;
/* grad += d/dtheta of sum_sj variance_bar[s * held->n + j] variance[s * held->n + j], noise included. */
kr_status kr_neighbours_pull(struct kr_ctx *ctx, const struct neighbourhood *hood, const double *variance_bar,
                             const double *solutions, double *grad) KR_MUST_CHECK;

#endif
