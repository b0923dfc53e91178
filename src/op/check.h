/* Inside of kr_op_check: what its parts (products, entries, pull) share. */
#ifndef KRIGED_OP_CHECK_H
#define KRIGED_OP_CHECK_H

#include "kriged/op.h"

/* Every message begins with the operator's name and shape. */
#define KR_NAMED       "operator \"%s\" (%zu x %zu): "
#define KR_NAME_OF(op) (op)->type->name, (op)->rows, (op)->cols

enum { KR_CHECK_GUARD = 8 /* numbers behind every result, which must stay what they are */ };

struct kr_check {
    struct kr_ctx *ctx;
    const struct kr_op *op;
    size_t k; /* columns of the blocks */
    uint64_t seed;
    double *X, *U;   /* cols x k, rows x k: normal */
    double *AX, *AU; /* A X and A'U, each as a block */
};

/* count numbers and the guard, all poisoned. */
kr_status kr_check_output(struct kr_ctx *ctx, size_t count, double **out);
void kr_check_poison(size_t count, double *out);
/* Every number of out (rows x k) set and finite, the guard untouched? `what` is the answer's name. */
kr_status kr_check_inspect(struct kr_ctx *ctx, const struct kr_op *op, const char *what, size_t rows,
                           size_t k, const double *out);
/* Y = A X or A'X (inner x k to outer x k) into poisoned memory, inspected. */
kr_status kr_check_multiply(const struct kr_check *check, bool adjoint, size_t k, const double *X, double *Y);

double kr_check_largest(size_t n, const double *x);
/* sum u_i y_i / scale and sqrt(sum (y_i / scale)^2): neither overflows when scale is the largest |y_i|. */
double kr_check_dot(size_t n, const double *u, const double *y, double scale);
double kr_check_norm(size_t n, const double *y, double scale);
void kr_check_normals(struct kr_rng *rng, size_t count, double *out);

kr_status kr_check_entries(const struct kr_check *check);
kr_status kr_check_pull(const struct kr_check *check, size_t count, double *theta);

#endif
