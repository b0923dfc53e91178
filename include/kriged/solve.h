/*
 * solve: X = A^-1 B by interchangeable methods, and the one function that differentiates a solve.
 *
 * A method gives corrections; the driver (kr_solver_solve) owns the true residual: it forms R = B - A X with
 * the operator itself, asks the method again for the columns that are not there yet, and stops when the
 * tolerance holds for the true residual, when another round no longer helps, or when the method gives up. So
 * what a report says was measured.
 */
#ifndef KRIGED_SOLVE_H
#define KRIGED_SOLVE_H

#include "kriged/op.h"

/* How an iteration ended: a fact, not an error. */
#define KR_STOP_TABLE(S)                                                                                     \
    S(NONE, "none")             /* nothing was solved */                                                     \
    S(ZERO, "zero_rhs")         /* the right-hand side is zero, and so is the solution */                    \
    S(RTOL, "rtol")             /* |b - A x| <= rtol |b|, measured */                                        \
    S(PRECISION, "precision")   /* another round did not help: the limit of double precision */              \
    S(ITERATIONS, "iterations") /* the iteration limit */                                                    \
    S(BREAKDOWN, "breakdown")   /* the operator is not positive definite, or not finite */
enum kr_stop {
#define KR_STOP_ENUM(name, text) KR_STOP_##name,
    KR_STOP_TABLE(KR_STOP_ENUM)
#undef KR_STOP_ENUM
};
extern const char *const kr_stop_names[];

extern const struct kr_registry kr_solver_registry;         /* rows are struct kr_solver_type */
extern const struct kr_registry kr_preconditioner_registry; /* "auto" and struct kr_preconditioner_type */
enum kr_precision { KR_PRECISION_AUTO, KR_PRECISION_DOUBLE, KR_PRECISION_MIXED };
extern const char *const kr_precision_names[];

#define KR_SOLVER_FIELDS(F, S)                                                                               \
    F(S, ROW, type, kr_solver, "auto", 0, 0, 0,                                                              \
      "method; auto: cholesky where the matrix fits and is small enough, else cg (and for means alone of "   \
      "2000 rows or more)")                                                                                  \
    F(S, REAL, rtol, _, "1e-8", 1e-15, 1, KR_OPEN_MAX, "largest |b - A x|/|b| of any column, measured")      \
    F(S, VARIANT, preconditioner, kr_preconditioner, "auto", 0, 0, 0,                                        \
      "preconditioner of the iterative methods")                                                             \
    F(S, CHOICE, precision, kr_precision, "auto", 0, 0, 0,                                                   \
      "arithmetic of products; mixed: single, refined by double until the residual meets rtol; auto: mixed " \
      "for cg where the kernel has it")                                                                      \
    F(S, INT, max_iterations, _, "0", 0, 1e9, 0, "iterations of one solve at most; 0: by method and size")   \
    F(S, INT, memory_bytes, _, NULL, 1e6, 1e15, KR_OMIT,                                                     \
      "memory of one evaluation at most; absent: the limit of the worker")                                   \
    F(S, REAL, seconds, _, NULL, 0, 1e9, KR_OPEN_MIN | KR_OMIT,                                              \
      "time of one evaluation at most; absent: no limit")
KR_DECLARE(kr_solver_options, KR_SOLVER_FIELDS);

/* rank 0: by size and memory. A rank above n counts as n. */
#define KR_PIVOTED_CHOLESKY_FIELDS(F, S)                                                                     \
    F(S, INT, rank, _, "0", 0, 1e6, 0, "columns of the matrix at most; 0: by size and memory")
KR_DECLARE(kr_pivoted_cholesky_options, KR_PIVOTED_CHOLESKY_FIELDS);

enum kr_nystrom_select { KR_NYSTROM_UNIFORM, KR_NYSTROM_PROJECTION };
extern const char *const kr_nystrom_select_names[];

#define KR_NYSTROM_FIELDS(F, S)                                                                              \
    F(S, INT, rank, _, "0", 0, 1e6, 0, "columns or projections; 0: by size and memory")                      \
    F(S, CHOICE, select, kr_nystrom_select, "uniform", 0, 0, 0,                                              \
      "uniform: random columns; projection: products with random vectors, dearer and closer")                \
    F(S, SEED, seed, _, "0", 0, 9007199254740991, 0, "seed of the draw")
KR_DECLARE(kr_nystrom_options, KR_NYSTROM_FIELDS);

/* What the solves of one evaluation did, added up; residual is the largest of any column. */
#define KR_SOLVE_REPORT_FIELDS(F, S)                                                                         \
    F(S, TEXT, type, _, NULL, 0, 0, 0, "method used")                                                        \
    F(S, TEXT, reason, _, NULL, 0, 0, 0, "why this method")                                                  \
    F(S, TEXT, preconditioner, _, NULL, 0, 0, KR_OMIT, "preconditioner used; absent: the method takes none") \
    F(S, INT, rank, _, "0", 0, 1e15, 0, "columns of the preconditioner's factor")                            \
    F(S, TEXT, preconditioner_reason, _, NULL, 0, 0, KR_OMIT, "why this preconditioner")                     \
    F(S, CHOICE, stop, kr_stop, "none", 0, 0, 0, "how the least successful solve ended")                     \
    F(S, INT, iterations, _, "0", 0, 1e15, 0, "iterations (0 for cholesky)")                                 \
    F(S, REAL, rtol, _, "0", 0, 1, 0, "largest |b - A x|/|b| that was asked for")                            \
    F(S, REAL, residual, _, "0", 0, 1e308, 0, "largest true |b - A x|/|b| of any column")                    \
    F(S, INT, products, _, "0", 0, 1e15, 0, "columns multiplied by the matrix")                              \
    F(S, INT, single_products, _, "0", 0, 1e15, 0, "of these, in single precision")                          \
    F(S, TEXT, precision, _, NULL, 0, 0, KR_OMIT, "arithmetic of products, and whether it had to change")    \
    F(S, REAL, seconds, _, "0", 0, 1e15, 0, "time in solves and in what they need: factors, preconditioners")
KR_DECLARE(kr_solve_report, KR_SOLVE_REPORT_FIELDS);

/*
 * A symmetric positive definite P ~ A whose inverse is cheap. P^-1 is in double and symmetric to rounding.
 * For A = B + diag(D) (kr_op_shifted) with D > 0, pivoted_cholesky and nystrom have P <= A: all eigenvalues
 * of P^-1 A are at least 1, so r'P^-1 r bounds r'A^-1 r from above.
 */
struct kr_preconditioner {
    const struct kr_preconditioner_type *type;
    size_t n, rank;
    size_t products;   /* columns multiplied by A to make it */
    double rounding;   /* relative error of r'P^-1 r at worst */
    bool nearly_exact; /* P is A but for a tenth of its diag(D), in trace */
    bool kept;         /* made of an earlier A: what holds of P <= A does not */
    const char *reason;
    void *state;
};

struct kr_preconditioner_type {
    struct kr_type base;
    ptrdiff_t rank; /* offset of the rank in its options; -1 = has none */
    size_t (*bytes)(size_t n, size_t rank);
    /* Nothing numerical fails: an A that is not positive definite or not finite gives some P, and the solver
     * sees what A is. `rank` is what to aim at, from 1 to n. Sets rank, products, state; reason where the
     * plan had to change. NULL: P = I. */
    kr_status (*open)(struct kr_ctx *, const void *options, size_t rank, const struct kr_op *A,
                      struct kr_preconditioner *out);
    kr_status (*apply)(struct kr_ctx *, const struct kr_preconditioner *, size_t k, const double *R,
                       double *Z);
    /* A copy of its state in the arena of another context; NULL: not worth keeping. */
    kr_status (*copy)(struct kr_ctx *keeper, const struct kr_preconditioner *, void **state);
};

/* Memory from the arena. `auto` decides from n, the memory and what A can answer. A is borrowed while
 * opening. */
kr_status kr_preconditioner_open(struct kr_ctx *ctx, const struct kr_variant *options, const struct kr_op *A,
                                 struct kr_preconditioner *out) KR_MUST_CHECK;
/* Z = P^-1 R for k columns (n x k), not in place. 4 n rank k flops. */
kr_status kr_preconditioner_apply(struct kr_ctx *ctx, const struct kr_preconditioner *P, size_t k,
                                  const double *R, double *Z) KR_MUST_CHECK;
/* A copy for later solves with other matrices near A, in the arena of `keeper`; its type is NULL where there
 * is nothing worth keeping. MEMORY_LIMIT of the keeper. */
kr_status kr_preconditioner_keep(struct kr_ctx *keeper, const struct kr_preconditioner *P,
                                 struct kr_preconditioner *out) KR_MUST_CHECK;
/* Memory that opening takes at most, within `budget` (0 = unlimited) where the rank is free. */
size_t kr_preconditioner_bytes(const struct kr_variant *options, size_t n, size_t budget);

struct kr_solver;

/* How fast a method converges: the worst residuals fell by so many orders of magnitude in so many iterations.
 */
struct kr_solve_effort {
    size_t iterations;
    double decades;
};

struct kr_solver_type {
    struct kr_type base;
    size_t (*bytes)(size_t n, size_t k); /* memory for k right-hand sides at a time, A itself and its
                                            preconditioner not counted */
    size_t columns;                      /* right-hand sides at a time at most */
    bool preconditioned;                 /* a preconditioner is opened for it */
    bool refines;    /* correct() only multiplies by A, symmetric, which may be its form in
                        single precision then */
    bool any_square; /* A need not be symmetric */
    kr_status (*open)(struct kr_ctx *, struct kr_solver *); /* NULL = nothing to prepare */
    /*
     * D ~ A^-1 R for k columns, each to |r - A d| <= rtol[c] |r| by the method's own estimate; none of R is
     * zero. Sets the worst stop and adds its iterations and products to the report.
     */
    kr_status (*correct)(struct kr_ctx *, const struct kr_solver *, size_t k, const double *R,
                         const double *rtol, double *D, struct kr_solve_report *);
    double (*logdet)(const struct kr_solver *); /* log det A; NULL = it is not at hand */
    /* out (n x n): A^-1, both triangles, 2 n^3/3 flops; where there is logdet. */
    kr_status (*inverse)(struct kr_ctx *, const struct kr_solver *, double *out);
};

/* A method prepared for one operator (square, symmetric positive definite for cholesky and cg). */
struct kr_solver {
    const struct kr_solver_type *type;
    const struct kr_solver_options *options;
    struct kr_op A;             /* its parts are borrowed */
    const struct kr_op *single; /* A in single precision, for corrections; NULL: they are in double */
    struct kr_preconditioner P;
    /* k of the next solve, or NULL: columns with r'P^-1 r at most that are done, whatever |r| is. With P <= A
     * it bounds r'A^-1 r, the error of a quadratic form, long before |r| is small. For methods that know it
     * (cg). */
    const double *energy;
    const char *reason;
    struct kr_solve_report *opening; /* what opening cost; goes into the first report */
    struct kr_solve_effort *effort;  /* of all solves so far */
    void *state;
};

/* Picks the method (`auto` says why in its reason) and prepares it: cholesky factorises here.
 * NOT_POSITIVE_DEFINITE. */
kr_status kr_solver_open(struct kr_ctx *ctx, const struct kr_solver_options *options, const struct kr_op *A,
                         struct kr_solver *out) KR_MUST_CHECK;
/* The same with a preconditioner at hand (kr_preconditioner_keep), where the method takes one: borrowed. */
kr_status kr_solver_open_with(struct kr_ctx *ctx, const struct kr_solver_options *options,
                              const struct kr_op *A, const struct kr_preconditioner *P,
                              struct kr_solver *out) KR_MUST_CHECK;
/* The method that `auto` takes for A, n unknowns and `bytes` of memory (0 = unlimited), and why. A = NULL
 * stands for a Gram matrix: symmetric, its entries known. */
const struct kr_solver_type *kr_solver_choose(const struct kr_solver_options *options, const struct kr_op *A,
                                              size_t n, size_t bytes, const char **reason);

/*
 * X = A^-1 B, k columns (n x k), from X0 (n x k; NULL = 0; may be X itself). A column of X0 that is no better
 * than zero, |b - A x0| >= |b| or not finite, is not used: a bad start costs its one product and nothing
 * else. Cost: the method's, plus one product a round for the true residual. residual (n x k), when not NULL,
 * receives B - A X. A tolerance not reached is a fact in the report (stop), not an error.
 */
kr_status kr_solver_solve(struct kr_ctx *ctx, const struct kr_solver *solver, size_t k, const double *B,
                          const double *X0, double *X, double *residual,
                          struct kr_solve_report *report) KR_MUST_CHECK;
/* Did all solves of the report end within their tolerance (or at the limit of double precision below 1e-6)?
 */
bool kr_solve_converged(const struct kr_solve_report *report);

/*
 * Reverse mode of X = A(theta)^-1 B for any method (mathematics: section 1, square and invertible):
 *
 *     B_bar = A^-T X_bar,      theta_bar += -pull(B_bar, X)
 *
 * X_bar = NULL says that B_bar is already known (a linear combination of earlier solutions), so no solve is
 * needed. B_bar0 (NULL = 0; may be B_bar itself) is where that solve starts. One solve with k columns and one
 * pull. A^-T is A^-1 but for methods that take any square matrix: those solve with A'.
 */
kr_status kr_solve_pull(struct kr_ctx *ctx, const struct kr_solver *solver, size_t k, const double *X,
                        const double *X_bar, const double *B_bar0, double *B_bar, double *grad,
                        struct kr_solve_report *report) KR_MUST_CHECK;

#endif
