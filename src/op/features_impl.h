/* What the files of the feature operator share: blocks of rows, and stripes of blocks. */
#ifndef OP_FEATURES_IMPL_H
#define OP_FEATURES_IMPL_H

#include "kriged/features.h"

struct features_op {
    struct kr_feature_map *map;
    struct kr_points x;
    bool scaled;
    struct kr_noise noise;
};

enum {
    KR_STRIPES = 32 /* sums over rows go to so many parts, each in order, and the parts are added in order */
};

/* Rows first .. first + n - 1 at work, in one thread's memory. */
struct kr_feature_block {
    size_t first, n;
    struct kr_points x;
    double *F, *W;   /* p x n: a column a row of Phi, not scaled; room for weights */
    double *D;       /* n: the scales of the rows, 1 without noise */
    double *scratch; /* of the map */
    double *own;     /* what the caller asked for */
};

/* State for the theta of now. */
kr_status kr_features_refresh(struct kr_ctx *ctx, struct kr_feature_map *map) KR_MUST_CHECK;

static inline size_t kr_features_blocks(const struct kr_op *op)
{
    return (op->rows + KR_TILE - 1) / KR_TILE;
}

static inline size_t kr_features_stripes(const struct kr_op *op)
{
    const size_t blocks = kr_features_blocks(op);
    return blocks < KR_STRIPES ? blocks : KR_STRIPES;
}

/* Memory of all threads; `own` doubles of each for the caller. */
kr_status kr_features_memory(struct kr_ctx *ctx, const struct kr_op *op, size_t own,
                             double **out) KR_MUST_CHECK;
/* The features of block b, in the memory of the calling thread. */
struct kr_feature_block kr_features_block(const struct kr_op *op, size_t b, size_t own, double *memory);

/* lane[of the noise] += sum_i weights_i d(D_i)/d(noise): weights of block rows by their scales. */
void kr_features_pull_scale(const struct features_op *self, const struct kr_feature_block *block,
                            const double *weights, double *lane);
/* Doubles of a lane: those of the map, then one by every noise_i. */
size_t kr_features_lane(const struct features_op *self);
/* grad += alpha times the sum of `count` lanes, in order; lanes are overwritten. */
void kr_features_gather(const struct features_op *self, size_t count, double *lanes, double *grad);

#endif
