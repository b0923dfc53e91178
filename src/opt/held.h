/*
 * held: coordinates that a projection must leave alone, and a matrix that does not see them.
 */
#ifndef KRIGED_OPT_HELD_H
#define KRIGED_OPT_HELD_H

#include "kriged/op.h"

/* One byte a coordinate. */
enum kr_held {
    KR_HELD_NOT,
    KR_HELD_AT_LOWER,
    KR_HELD_AT_UPPER,
    KR_HELD_FIXED /* equal bounds */
};

/* J with zeros in the columns of held coordinates: [J_F 0]. Both are borrowed, held may change between
 * products. A product with J copies its block, one with J' does not. */
kr_status kr_op_held(struct kr_ctx *ctx, const struct kr_op *J, const unsigned char *held,
                     struct kr_op *out) KR_MUST_CHECK;

/* x_i = 0 where i is held. */
void kr_held_clear(const struct kr_ctx *ctx, size_t n, const unsigned char *held, double *x);

#endif
