/*
 * gp: Gaussian processes judged by how they predict held-out data.
 *
 *   spec        what a request says: model, objective, test rows, solver
 *   gp          a data set under a model: rows by role, standardised, and the vector theta of hyperparameters
 *   prior       densities of hyperparameters (kriged/prior.h)
 *   constraints conditions on the hyperparameters, by their predictions or by theta itself
 *   objective   the held-out loss at theta and its gradient by every entry of theta; constraints beside it
 *   posterior   weights for prediction at new points
 *   metrics     what every evaluation and job reports, in the data's units (kriged/metrics.h)
 *
 * Several targets share the kernel, its noise and every factorisation or block of solutions; each is
 * standardised by itself and has its own parameters of the mean function. The loss is the mean over targets
 * of the loss of each; the evidence likewise, so that it is minus the sum of the log marginal likelihoods
 * over the number of targets of all rows. Matrices with one column a target are column-major.
 *
 * Everything numerical is in standardised units unless it says "data units". Formulas: Rasmussen and Williams
 * 2006, chapter 2, for the posterior; the adjoints are in the file that computes them.
 */
#ifndef KRIGED_GP_H
#define KRIGED_GP_H

#include "kriged/approximation.h"
#include "kriged/metrics.h"
#include "kriged/solve.h"
#include "kriged/transform.h"
#include "kriged/variance.h"

/* ---- spec ---- */

extern const struct kr_registry kr_mean_registry;        /* rows are struct kr_mean_type */
extern const struct kr_registry kr_loss_registry;        /* rows are struct kr_loss_type */
extern const struct kr_registry kr_validation_registry;  /* rows are struct kr_validation_type */
extern const struct kr_registry kr_calibration_registry; /* kriged/calibration.h */
extern const struct kr_registry kr_constraint_registry;  /* rows are struct kr_constraint_type */

#define KR_NOISE_FIELDS(F, S)                                                                                \
    F(S, PARAM, variance, _, "0.1", 0, 1e30, 0,                                                              \
      "variance of the observation noise (target's units squared), the same for several targets; 0 only "    \
      "when fixed")
KR_DECLARE(kr_noise_spec, KR_NOISE_FIELDS);

#define KR_STANDARDIZE_FIELDS(F, S)                                                                          \
    F(S, BOOL, x, _, "true", 0, 0, 0,                                                                        \
      "features to mean 0 and population standard deviation 1 over all rows but the test rows")              \
    F(S, BOOL, y, _, "true", 0, 0, 0, "each target likewise, after its transform")
KR_DECLARE(kr_standardize_spec, KR_STANDARDIZE_FIELDS);

#define KR_MODEL_FIELDS(F, S)                                                                                \
    F(S, VARIANT, kernel, kr_kernel, NULL, 0, 0, KR_REQUIRED, "covariance function")                         \
    F(S, VARIANT, mean, kr_mean, "zero", 0, 0, 0, "mean function")                                           \
    F(S, OBJECT, noise, kr_noise_spec, NULL, 0, 0, 0, "observation noise")                                   \
    F(S, VARIANT, target_transform, kr_transform, "none", 0, 0, 0,                                           \
      "the process is on the transformed target; losses, metrics and predictions are of the target itself")  \
    F(S, OBJECT, standardize, kr_standardize_spec, NULL, 0, 0, 0, "standardisation of the data")             \
    F(S, VARIANT, approximation, kr_approximation, "exact", 0, 0, 0, "how the covariance is represented")
KR_DECLARE(kr_model_spec, KR_MODEL_FIELDS);

#define KR_SUBSET_FIELDS(F, S)                                                                               \
    F(S, INT, count, _, NULL, 1, 1e15, KR_REQUIRED,                                                          \
      "held-out points of an evaluation (with kfold: whole folds of about so many)")                         \
    F(S, SEED, seed, _, "0", 0, 9007199254740991, 0, "seed of the draws")                                    \
    F(S, BOOL, fresh, _, "true", 0, 0, 0,                                                                    \
      "draw anew in each evaluation of adam and gradient_descent; lbfgs and gradients keep the first draw")
KR_DECLARE(kr_subset_spec, KR_SUBSET_FIELDS);

#define KR_OBJECTIVE_FIELDS(F, S)                                                                            \
    F(S, VARIANT, loss, kr_loss, NULL, 0, 0, KR_OMIT | KR_INLINE,                                            \
      "loss of the held-out rows; required without a recipe")                                                \
    F(S, VARIANT, validation, kr_validation, NULL, 0, 0, KR_OMIT,                                            \
      "which rows are held out; only evidence does without")                                                 \
    F(S, OPTIONAL, subset, kr_subset_spec, NULL, 0, 0, KR_OMIT,                                              \
      "evaluate the loss at some of the held-out points only")                                               \
    F(S, OBJECT, variance, kr_variance_spec, NULL, 0, 0, 0,                                                  \
      "how the variances of very many held-out rows are had")                                                \
    F(S, ROW, calibrate, kr_calibration, NULL, 0, 0, KR_OMIT,                                                \
      "what follows tuning: none (the default without a recipe) or leave_one_out, which scales all "         \
      "variances "                                                                                           \
      "and the noise together until the mean standardised squared leave-one-out residual is 1")
KR_DECLARE(kr_objective_spec, KR_OBJECTIVE_FIELDS);

#define KR_TEST_FIELDS(F, S)                                                                                 \
    F(S, INTS, rows, _, NULL, 0, 1e15, KR_OMIT, "data rows, from 0")                                         \
    F(S, REAL, fraction, _, NULL, 0, 1, KR_OPEN_MIN | KR_OPEN_MAX | KR_OMIT,                                 \
      "a seeded fraction of the rows instead; rows with identical inputs stay together")                     \
    F(S, SEED, seed, _, "0", 0, 9007199254740991, 0, "seed of the draw")
KR_DECLARE(kr_test_spec, KR_TEST_FIELDS);

/* The part that gradients and jobs share. */
#define KR_GP_FIELDS(F, S)                                                                                   \
    F(S, OBJECT, model, kr_model_spec, NULL, 0, 0, KR_REQUIRED, "the Gaussian process")                      \
    F(S, OBJECT, objective, kr_objective_spec, NULL, 0, 0, 0, "what is minimised")                           \
    F(S, OPTIONAL, test, kr_test_spec, NULL, 0, 0, KR_OMIT,                                                  \
      "rows kept from everything, standardisation included, and scored at the end")                          \
    F(S, OBJECT, solver, kr_solver_options, NULL, 0, 0, 0, "how linear systems are solved")
KR_DECLARE(kr_gp_spec, KR_GP_FIELDS);

/* ---- methods ---- */

/* m(x); theta and grad are the mean's own slices, of one target. */
struct kr_mean_type {
    struct kr_type base;
    /* Appends its parameters, of several targets one set after the other. */
    kr_status (*build)(struct kr_ctx *, const void *options, size_t d, size_t targets, const char *pointer,
                       const char *path, struct kr_parameters *);
    void (*eval)(const double *theta, const struct kr_points *x, double *out);
    /* grad[p] += sum_i weights[i] dm(x_i)/dtheta_p */
    void (*pull)(const double *theta, const struct kr_points *x, const double *weights, double *grad);
    /* grad_x[k * ld + i] += weights[i] dm(x_i)/dx_ik; NULL: it does not depend on x. */
    void (*pull_x)(const double *theta, const struct kr_points *x, const double *weights, double *grad_x,
                   size_t ld);
};

/*
 * A number that m predictions and their targets give, and its derivatives by each of them; variance includes
 * the noise. One that needs no variance leaves `variance` and `variance_bar` alone.
 */
typedef void kr_functional(const void *options, size_t m, const double *y, const double *mean,
                           const double *variance, double *value, double *mean_bar, double *variance_bar);

/* Mean over the held-out points of a loss, a function of y - mean and the variance: its derivative by y is
 * -mean_bar. Through a change of variables it is either a density's, which gets a factor, or `transformed`.
 */
struct kr_loss_type {
    struct kr_type base;
    bool needs_variance;
    bool density;      /* minus the logarithm of one */
    bool by_logarithm; /* tuned by its logarithm (it is positive): steps and tolerances then have no scale */
    kr_functional *eval; /* NULL: the evidence, of the training rows */
    kr_transformed_loss *transformed;
};

struct kr_gp;

/* A condition c = 0 on the hyperparameters: c is a functional of the held-out predictions, or of theta. */
struct kr_constraint_type {
    struct kr_type base;
    bool needs_variance;
    bool of_held_out;                 /* depends on which points are held out */
    bool repeats;                     /* several of this type may hold together */
    kr_functional *eval;              /* of the predictions; NULL = of_theta */
    kr_transformed_loss *transformed; /* one point's share of it; NULL: eval, of the transformed target */
    /* value, and grad[p] += dc/dtheta_p */
    kr_status (*of_theta)(struct kr_ctx *, const void *options, const struct kr_gp *, const double *theta,
                          double *value, double *grad);
    /* NULL, or INVALID for options that do not suit this gp; `pointer` is the constraint's place. */
    kr_status (*check)(struct kr_ctx *, const void *options, const struct kr_gp *, const char *pointer);
};

/* What a validation chooses from, and how. */
struct kr_rows {
    const struct kr_dataset *data;
    size_t npool;
    const size_t *pool;  /* rows that are not test rows */
    const bool *is_test; /* data->n */
    const size_t *group; /* data->n: rows with identical inputs share it */
};
enum kr_form {
    KR_HOLD_OUT, /* some rows are held out, the others train */
    KR_FOLDS     /* folds of rows, each held out once while all other rows train */
};
struct kr_validation_type {
    struct kr_type base;
    enum kr_form form;
    const struct kr_ints *(*explicit_rows)(const void *options); /* NULL = it draws rows */
    /* fold[row] (data->n, zeros): 0 = trains only, else the number of its fold, from 1 without gaps
     * (HOLD_OUT: 1). NULL = the held-out points are rows of another data set.
     */
    kr_status (*select)(struct kr_ctx *, const void *options, const struct kr_rows *, const char *pointer,
                        size_t *fold);
};

/* Does the validation take its points from another data set (`dataset`)? Then *name is what the request calls
 * it, or NULL. */
bool kr_validation_elsewhere(const struct kr_variant *validation, const char **name);

/* ---- gp ---- */

/* Some rows of the data, standardised; feature-major with ld = n. */
struct kr_part {
    size_t n;
    const size_t *rows; /* ascending; held-out rows of folds: fold after fold */
    struct kr_points x;
    double *y;     /* n x targets */
    double *noise; /* known variances, or NULL */
    size_t targets;
};

struct kr_standardisation {
    double *x_mean, *x_sd;   /* d; 0 and 1 where it is off */
    double y_mean, y_sd;     /* of the first target */
    double *y_means, *y_sds; /* of all of them */
};

/* Held-out points first[f] .. first[f+1] - 1 of `validation` are fold f; they are points `at` of `train`. */
struct kr_folds {
    size_t count;
    size_t *first, *at; /* count + 1, validation.n */
};

#define KR_WHOLE UINT64_MAX

struct kr_gp {
    const struct kr_gp_spec *spec;
    enum kr_form form;
    struct kr_folds folds; /* with KR_FOLDS: train = fit, and every fold is predicted from the rest of it */
    uint64_t draw; /* of objective.subset that the next evaluation takes; KR_WHOLE: all held-out points */
    const size_t
        *drawn;     /* of such a draw: where its points stand among all held-out points; NULL: it is all */
    size_t rows;    /* of the data set */
    bool elsewhere; /* the held-out points are rows of another one */
    struct kr_standardisation scale;
    struct kr_transform *transforms; /* of each target, which y_means and y_sds then standardise */
    size_t targets;                  /* 0 counts as 1 */
    const char *const *target_names; /* of several */
    double *x_spread, *y_spread;     /* deviations of the standardised columns: what default bounds follow */
    struct kr_part train, validation, test,
        fit; /* fit = train and validation: what predictions condition on */
    const struct kr_kernel *kernel;
    const struct kr_mean_type *mean;
    const struct kr_weight_space *space; /* NULL: the exact covariance */
    struct kr_variance_sample
        *sample;                /* of variances, kept between evaluations; NULL: one of its own for each */
    struct kr_carried *carried; /* what evaluations hand on (kriged/carried.h); NULL: each begins cold */
    size_t mean_first, noise_index;  /* places in theta */
    size_t mean_count;               /* parameters of the mean, of one target */
    struct kr_parameters parameters; /* of theta: the kernel tree, the mean, the noise */
    double *start;                   /* theta of the request */
};

/*
 * Gives every row its role, standardises, builds the kernel. The spec is borrowed; the data may go
 * afterwards. INVALID with the pointer for rows out of range, given twice or in two roles, fewer than 2
 * training rows or 1 held-out row, features that are not there.
 */
kr_status kr_gp_init(struct kr_ctx *ctx, const struct kr_gp_spec *spec, const struct kr_dataset *data,
                     struct kr_gp *out) KR_MUST_CHECK;

/* The same with the data set that validation `dataset` names: all its rows are held out, in its order, and
 * all rows of `data` but the test rows train. INVALID for features that are not the same, at
 * /objective/validation/name (without a name at /validation_data); and for a set where it is not asked for,
 * or none where it is. */
kr_status kr_gp_init_with(struct kr_ctx *ctx, const struct kr_gp_spec *spec, const struct kr_dataset *data,
                          const struct kr_dataset *held_out, struct kr_gp *out) KR_MUST_CHECK;

/* The gp of target t alone, at the same theta, borrowing everything. */
struct kr_gp kr_gp_target(const struct kr_gp *gp, size_t t);
struct kr_part kr_part_target(const struct kr_part *part, size_t t);

/* How many rows of gp->fit have the inputs of another one before them. O(n d + n log n). */
kr_status kr_gp_repeats(struct kr_ctx *ctx, const struct kr_gp *gp, size_t *count) KR_MUST_CHECK;

/* One hyperparameter as replies list it. */
#define KR_PARAMETER_REPORT_FIELDS(F, S)                                                                     \
    F(S, TEXT, name, _, NULL, 0, 0, 0, "path in the model: kernel.kernels[1].lengthscale[3]")                \
    F(S, REAL, value, _, NULL, -1e308, 1e308, KR_NULL, "in standardised units where these are on")           \
    F(S, REAL, data_value, _, NULL, -1e308, 1e308, KR_NULL,                                                  \
      "in the data's units (of a transformed target: in its own), where exact")                              \
    F(S, REAL, gradient, _, NULL, -1e308, 1e308, KR_NULL, "derivative of the loss by the value")             \
    F(S, BOOL, fixed, _, "false", 0, 0, 0, "kept by tuning")
KR_DECLARE(kr_parameter_report, KR_PARAMETER_REPORT_FIELDS);
kr_status kr_parameters_report(struct kr_ctx *ctx, const struct kr_gp *gp, const double *theta,
                               const double *gradient, struct kr_list *out) KR_MUST_CHECK;

/* A parameter's value in the data's units; NaN where there is none that is exact. */
double kr_parameter_data_value(const struct kr_gp *gp, size_t index, double value);
/*
 * Bounds of a parameter: as given, else by default for standardised data variance and noise [1e-4, 1e4],
 * lengthscale and period [1e-2, 1e4]; without standardisation these times the variance of the target, the
 * standard deviations of the features; alpha [1e-2, 1e3], offset [1e-4, 1e4]. A mean is unbounded. The ends
 * of a prior (uniform) take the place of defaults, and narrow given bounds.
 */
void kr_parameter_bounds(const struct kr_gp *gp, size_t index, double *lower, double *upper);

/* ---- constraints ---- */

struct kr_gp_constraint {
    const struct kr_constraint_type *type;
    const void *options;
    const char *name; /* its type, or type[i], i its place in the list, where the type comes twice */
};
struct kr_gp_constraints {
    size_t count;
    struct kr_gp_constraint *items;
    bool needs_variance; /* one of them does */
};

/*
 * The constraints of a list of specs (rows of kr_constraint_registry with their options) on a gp. INVALID,
 * with a pointer below `pointer`, for options that do not suit the gp, a type twice that holds only once,
 * more constraints than free hyperparameters, a constraint that depends on no free one, or on held-out points
 * where there are none; at /objective/subset/fresh where these would change with every evaluation.
 */
kr_status kr_gp_constrain(struct kr_ctx *ctx, const struct kr_gp *gp, const struct kr_variants *specs,
                          const char *pointer, struct kr_gp_constraints *out) KR_MUST_CHECK;

/* ---- objective ---- */

/* Standardised predictions (n x targets) in, data units out. variance = NULL leaves all but the first three
 * NaN. `fitted` gave the predictions (msll). Of several targets the means; each (NULL = not wanted): of
 * every target. */
void kr_metrics_each(const struct kr_gp *gp, const struct kr_part *scored, const struct kr_part *fitted,
                     const double *mean, const double *variance, struct kr_target_metrics *each,
                     struct kr_metrics *out);
/* The same without a list of targets. */
void kr_metrics_eval(const struct kr_gp *gp, const struct kr_part *scored, const struct kr_part *fitted,
                     const double *mean, const double *variance, struct kr_metrics *out);

/* z with P(Z <= z) = p for a standard normal Z; p in (0, 1). */
double kr_normal_quantile(double p);

struct kr_evaluation {
    double loss;             /* mean over the validation rows (and targets), standardised units */
    double value_error;      /* estimate of (exact - computed) loss from the solves' residuals; NaN without a
                                gradient */
    double value_bound;      /* bound on what that estimate leaves out, to first order in the errors of the
                                predictions; NaN without a gradient or without noise */
    double standard_error;   /* of the loss where variances are sampled; else NaN */
    double variance_bracket; /* how much lower, to first order, the loss may be for what the solves of drawn
                                variances leave open; NaN where they are not sampled */
    size_t clamped;          /* predictive variances that fell below the noise and were set to it */
    double jitter; /* share of the diagonal that was added to the covariance of inducing inputs; mostly 0 */
    struct kr_metrics metrics; /* of several targets with the list where kr_objective_eval or
                                  kr_objective_differentiate made it */
    struct kr_solve_report solver;
};

/*
 * The loss at theta and, when grad is not NULL, its gradient by theta (natural values). All memory comes from
 * the arena and is released, but for the metrics of each of several targets. `variance`: predict the variance
 * although the loss does not need it, for the metrics. NON_FINITE when the loss or its gradient is not
 * finite; NOT_POSITIVE_DEFINITE; a solve that did not reach its tolerance is a fact in the report. Cost with
 * m validation and n training rows: mean only, 2 solves with one column, 4 passes over tiles; with the
 * variance, one block solve with 1 + m columns, and 3 n m doubles; q targets take q columns instead of one.
 */
kr_status kr_objective_eval(struct kr_ctx *ctx, const struct kr_gp *gp, const double *theta, bool variance,
                            struct kr_evaluation *out, double *grad) KR_MUST_CHECK;
/*
 * The same together with constraints: c (count) and, when grad is not NULL, J = dc/dtheta (count x
 * parameters, row-major). Loss and constraints share one factorisation and one block of solutions; where all
 * of them see the mean only, each costs one more column of the second solve. Then each costs its pull.
 */
kr_status kr_objective_constrained(struct kr_ctx *ctx, const struct kr_gp *gp,
                                   const struct kr_gp_constraints *constraints, const double *theta,
                                   bool variance, struct kr_evaluation *out, double *grad, double *c,
                                   double *J) KR_MUST_CHECK;
/* Bytes that an evaluation takes from the arena at most, with that solver and so many constraints; `variance`
 * where it is asked for or a constraint needs it. */
size_t kr_objective_bytes(const struct kr_gp *gp, const struct kr_solver_type *solver, size_t budget,
                          bool variance, size_t constraints);
/* MEMORY_LIMIT, with the numbers, when an evaluation would not fit into the context's budget. */
kr_status kr_objective_fits(struct kr_ctx *ctx, const struct kr_gp *gp, bool variance,
                            size_t constraints) KR_MUST_CHECK;
/* NOT_CONVERGED with the measured residual unless the solves of the report ended well. */
kr_status kr_require_converged(struct kr_ctx *ctx, const struct kr_solver_options *options,
                               const struct kr_solve_report *report) KR_MUST_CHECK;

/* ---- posterior ---- */

/* Everything that prediction needs, standardised; from a gp at theta or from a stored model. */
struct kr_posterior {
    const struct kr_kernel *kernel;
    const struct kr_mean_type *mean;
    size_t mean_first, noise_index;
    size_t targets, mean_count; /* as of the gp */
    const double *theta;
    struct kr_points x;  /* what it conditions on */
    const double *noise; /* known variances there, or NULL */
    const double *alpha; /* (K + noise)^-1 (y - m): a column each target */
    const struct kr_weight_space
        *space;           /* NULL: exact. Else x and noise are nothing, alpha (p x targets) are weights, */
    const double *factor; /* and this is the lower Cholesky factor of A'A + I, p x p */
    const struct kr_solver_options *solver;
    const struct kr_prepared *prepared; /* NULL: the matrix is opened for every call that solves */
};
/* Opens the matrix of an exact posterior, once for all later calls: memory in the arena. */
kr_status kr_posterior_prepare(struct kr_ctx *ctx, struct kr_posterior *posterior) KR_MUST_CHECK;
/* Conditions on `part` (gp->fit for what a job leaves, gp->train for validation). alpha lives in the arena.
 */
kr_status kr_posterior_init(struct kr_ctx *ctx, const struct kr_gp *gp, const struct kr_part *part,
                            const double *theta, struct kr_posterior *out,
                            struct kr_solve_report *report) KR_MUST_CHECK;
/*
 * Mean (x->n x targets) and, unless NULL, variance (that of every target) of new observations at x (noise
 * variances of their own in `noise`, or NULL); `observe` = false leaves the noise out. O(n d) a point for the
 * mean; for the variance one solve a point, in blocks.
 */
kr_status kr_posterior_predict(struct kr_ctx *ctx, const struct kr_posterior *posterior,
                               const struct kr_points *x, const double *noise, bool observe, double *mean,
                               double *variance, struct kr_solve_report *report) KR_MUST_CHECK;
/*
 * Variance of each point and, unless NULL, the covariance of every two of them (x->n x x->n, both triangles,
 * its diagonal that variance); noise as for kr_posterior_predict, on the diagonal only. *clamped (NULL = not
 * asked) counts variances that fell below the noise and were set to it. With n rows and k points: k solves in
 * blocks of 256, and for the covariance k^2/2 products more, n k^2 flops in tiles; 2 n 256 + k^2 doubles.
 */
kr_status kr_posterior_covariance(struct kr_ctx *ctx, const struct kr_posterior *posterior,
                                  const struct kr_points *x, const double *noise, bool observe,
                                  double *variance, double *covariance, size_t *clamped,
                                  struct kr_solve_report *report) KR_MUST_CHECK;
/* What predicts target t alone, borrowing from the posterior of all. */
struct kr_posterior kr_posterior_target(const struct kr_posterior *posterior, size_t t);
/* Of the first target: gradient[k * x->n + i] = d mean(x_i)/dx_ik, standardised units. O(n d) a point,
 * nothing to solve. */
kr_status kr_posterior_gradient(struct kr_ctx *ctx, const struct kr_posterior *posterior,
                                const struct kr_points *x, double *gradient) KR_MUST_CHECK;
/*
 * Draws of N(mean, covariance), row-major count x n: mean + L z with covariance + jitter I = L L'. The
 * covariance (n x n, both triangles) is overwritten. *jitter is 0 unless the factorisation fails; then eps
 * trace, ten times that, .. up to a millionth of the mean variance, at which NOT_POSITIVE_DEFINITE. Sample s
 * depends on the seed and s only, not on their number or the threads. n^3/3 + n^2 count flops.
 */
kr_status kr_normal_samples(struct kr_ctx *ctx, size_t n, const double *mean, double *covariance,
                            size_t count, uint64_t seed, double *out, double *jitter) KR_MUST_CHECK;
/*
 * Joint samples of the first target by Matheron's rule, row-major count x x->n, of new observations or
 * (`observe` = false) of the function: a prior function of `features` (even) random Fourier features,
 * corrected by one solve with count columns. For many points: O((n + x->n) (features + n) count), where exact
 * draws take x->n solves and x->n^3. The same seed is the same function at whatever points. INVALID for
 * kernels without features.
 */
kr_status kr_posterior_paths(struct kr_ctx *ctx, const struct kr_posterior *posterior,
                             const struct kr_points *x, const double *noise, bool observe, size_t features,
                             size_t count, uint64_t seed, double *out,
                             struct kr_solve_report *report) KR_MUST_CHECK;
/* Has its kernel features? */
bool kr_posterior_has_paths(const struct kr_posterior *posterior);
/* Metrics of all held-out points, each predicted from the rows that train for it; all nine. Empty (NaN) where
 * nothing is held out. */
kr_status kr_gp_validate(struct kr_ctx *ctx, const struct kr_gp *gp, const double *theta,
                         struct kr_metrics *out) KR_MUST_CHECK;
/* Metrics of `scored` when conditioned on `fitted`, all nine. */
kr_status kr_gp_score(struct kr_ctx *ctx, const struct kr_gp *gp, const struct kr_part *fitted,
                      const struct kr_part *scored, const double *theta,
                      struct kr_metrics *out) KR_MUST_CHECK;

#endif
