/* Bases of blocks of residuals, orthonormal in the inner product of P^-1, whatever the columns have in
 * common. */
#ifndef SOLVE_BASIS_H
#define SOLVE_BASIS_H

#include "kriged/solve.h"

/* Memory for blocks of n x most. */
struct basis {
    const struct kr_preconditioner *P;
    bool plain; /* P = I: Z is Q */
    size_t n;
    double *G, *L, *work, *first; /* most x most */
    size_t *kept;
};

kr_status kr_basis_open(struct kr_ctx *ctx, const struct kr_preconditioner *P, size_t n, size_t most,
                        struct basis *out) KR_MUST_CHECK;
size_t kr_basis_bytes(size_t n, size_t most);

/*
 * T = Q S: T (n x q) stands in *Q; on return *Q holds Q (n x rank) with Q'P^-1 Q = I, *Z holds P^-1 Q (the
 * same pointer where P = I), S (rank x q). The pointers may be exchanged with *spare (n x q). What S leaves
 * out of a column of T is below rounding or a thousandth of it. rank 0: T is zero, or (`finite` false) not
 * finite.
 */
kr_status kr_basis_factor(struct kr_ctx *ctx, struct basis *b, size_t q, double **Q, double **Z,
                          double **spare, double *S, size_t *rank, bool *finite) KR_MUST_CHECK;

#endif
