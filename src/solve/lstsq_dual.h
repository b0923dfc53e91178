/* What both derivatives of the least-squares operator need; private to this layer. */
#ifndef KR_SOLVE_LSTSQ_DUAL_H
#define KR_SOLVE_LSTSQ_DUAL_H

#include "kriged/lstsq.h"

/* The same problem with the tolerance of the backward solves in both directions. */
struct kr_lstsq_backward {
    struct kr_lstsq problem;
    struct kr_lstsq_options options;
};
/* `out` must stay where it is: its problem points to its options. */
void kr_lstsq_backward(const struct kr_lstsq *problem, struct kr_lstsq_backward *out);

/* The worst column of a solve: what the tests below measure against. */
struct kr_lstsq_scale {
    double norm, condition;
};
struct kr_lstsq_scale kr_lstsq_scale_of(size_t k, const struct kr_lstsq_column *columns);

/*
 * Is the residual r = c - M u of every column what a solved M u = c leaves? So it is below 10 btol |c|, and
 * below 10 (btol |c| + atol |M||u|) unless it is the residual of a least-squares solution, |M'r| <= atol
 * |M||r|: an ill-conditioned M leaves no other way to tell (one product then). M = A or A', rows x cols.
 */
struct kr_lstsq_residual {
    bool transposed;
    size_t k;
    const double *C, *U, *R; /* rows x k, cols x k, rows x k */
    double atol, btol, norm;
};
kr_status kr_lstsq_is_zero(struct kr_ctx *ctx, const struct kr_lstsq *problem,
                           const struct kr_lstsq_residual *residual, bool *out,
                           struct kr_lstsq_report *report) KR_MUST_CHECK;

/* Is lambda^2 a number to divide by? If not, the problem is an undamped one. */
bool kr_lstsq_is_damped(const struct kr_lstsq *problem);

/*
 * One half of a damped problem. With M = A or A' (rows x cols), a computed u ~ LstSq(M, c, lambda) and its
 * measured residual r = c - M u, the dual solution w = (M M' + lambda^2 I)^-1 c is
 *
 *     w = r / lambda^2 + LstSq(M', u - M' r / lambda^2, lambda)
 *
 * exactly, whatever the error of u. The gap u - M' r / lambda^2 is 0 when u is exact and costs one product;
 * the solve is needed where lambda is so small that the rounding or the tolerance of r matters.
 */
struct kr_lstsq_dual {
    const struct kr_lstsq *problem; /* with the backward tolerance */
    bool transposed;                /* M = A' */
    size_t rows, cols, k;
    const double *C, *U, *R; /* rows x k, cols x k, rows x k */
    double *W, *gap;         /* rows x k, cols x k */
    struct kr_lstsq_scale scale;
    double atol, btol; /* of the solve that gave u */
    bool closed;       /* by a solve */
};
/* W = R / lambda^2 and the gap. C and R are borrowed. */
kr_status kr_lstsq_dual_open(struct kr_ctx *ctx, struct kr_lstsq_dual *dual,
                             struct kr_lstsq_report *report) KR_MUST_CHECK;
/* What closing the gap can change in column c of W, at most; 0 once it is closed. */
double kr_lstsq_dual_error(const struct kr_lstsq_dual *dual, size_t c);
/* Is that at most tolerance |w| in every column? */
bool kr_lstsq_dual_is_known(const struct kr_lstsq_dual *dual, double tolerance);
/* Is every gap at most tolerance |u|, or rounding? */
bool kr_lstsq_dual_agrees(const struct kr_lstsq_dual *dual, double tolerance);
/* Closes the gap: one solve. The gap becomes U - M'W of the new W, the error of U. */
kr_status kr_lstsq_dual_close(struct kr_ctx *ctx, struct kr_lstsq_dual *dual,
                              struct kr_lstsq_report *report) KR_MUST_CHECK;

/* Once the gap has been closed, U -= gap in columns where what is left of it is more than the rounding of
 * M'W: then U = M'W. */
void kr_lstsq_dual_correct(const struct kr_lstsq_dual *dual, double *U);

/* Y = A X or A' X, counted. */
kr_status kr_lstsq_product(struct kr_ctx *ctx, const struct kr_lstsq *problem, bool transposed, size_t k,
                           const double *X, double *Y, struct kr_lstsq_report *report) KR_MUST_CHECK;

#endif
