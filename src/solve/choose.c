/* Which method a system gets. */
#include "kriged/solve.h"

enum { DENSE_ROWS = 12000, PRODUCTS_ROWS = 1000 };

/*
 * Measured with bench_solvers d=8 rtol=1e-8 preconditioner=auto, lengthscale sqrt(8), two threads: seconds of
 * one solve as a multiple of dpotrf (one thread) of that n in the same run, opening included, and iterations.
 *
 *     k = 1    noise    n = 2000        4000            8000            12000
 *     rbf      0.1      cg 0.95 (13)    1.09 (13)       0.90 (12)       0.83 (12)
 *              0.01     cg 1.69 (30)    1.94 (28)       1.61 (27)       0.94 (29)
 *              0.0001   cg 8.85 (252)   6.73 (235)      -               -
 *     matern32 0.1      cg 1.51 (25)    1.97 (27)       1.52 (30)       1.31 (31)
 *              0.01     cg 2.82 (57)    3.75 (69)       3.19 (74)       -
 *     any      any      cholesky 0.4    0.8 to 1.2      1.3 to 1.7      0.9 to 1.8
 *     k = 200  0.1      cg 2.8 to 4.7   2.8 to 5.4;     cholesky 0.8    1.2 to 1.4 (n = 2000, 4000)
 *
 * The factor does not mind small noise, serves every further right-hand side for 2 n^2 flops and is exact; cg
 * gains at n of ten thousand where the noise is large and the columns are few. Nothing here knows the noise
 * or the columns to come, so the limit stands where cg is at least as quick for one column and the memory
 * begins to hurt (1.15 GB at 12000). Not symmetric: lsmr, the one method that minds neither. minres is never
 * taken by itself: on a positive definite matrix it needs as many products as cg and shares no space between
 * columns.
 */
const struct kr_solver_type *kr_solver_choose(const struct kr_solver_options *options, const struct kr_op *A,
                                              size_t n, size_t bytes, const char **reason)
{
    extern const struct kr_solver_type kr_solver_cholesky, kr_solver_cg, kr_solver_lsmr;
    *reason = "asked for";
    if (options->type)
        return (const struct kr_solver_type *)options->type;
    if (A && !A->symmetric) {
        *reason = "the operator is not symmetric, or does not say so";
        return &kr_solver_lsmr;
    }
    if (A && !A->type->fill && n > PRODUCTS_ROWS) {
        *reason = "more than 1000 rows of an operator whose entries are not known";
        return &kr_solver_cg;
    }
    if (n > DENSE_ROWS) {
        *reason = "more than 12000 rows: the matrix is not stored";
        return &kr_solver_cg;
    }
    if (bytes && kr_solver_cholesky.bytes(n, 1) > bytes / 2) {
        *reason = "the factor would take more than half of the memory";
        return &kr_solver_cg;
    }
    *reason = "at most 12000 rows: a direct factorisation is exact and quick";
    return &kr_solver_cholesky;
}
