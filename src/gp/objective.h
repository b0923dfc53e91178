/*
 * One evaluation at work: predictions of the held-out points, and the functionals of them ("heads": the loss
 * first, then constraints) that share the factorisation and the solutions. How points are held out, and how
 * adjoints of their predictions become gradients, is a form.
 */
#ifndef GP_OBJECTIVE_H
#define GP_OBJECTIVE_H

#include "gp/covariance.h"
#include "kriged/differentiate.h"

struct head {
    kr_functional *eval;
    /* Through a change of variables: either is set, or it stays a functional of the transformed target. */
    kr_transformed_loss *transformed;
    bool density;
    const void *options;
    bool needs_variance;
    double *mean_bar, *variance_bar; /* m x targets, m: columns of the blocks of struct work */
    double *value;
    double *grad; /* parameters; NULL = not wanted */
};

/*
 * Adjoints of the data that the loss sees: inputs feature-major without gaps; NULL = not wanted. Those of the
 * training rows are total. Those of held-out points are their share as held-out points, which with folds is a
 * part of the former: there only clamped variances add to held_noise.
 */
struct data_bar {
    double *x, *y, *noise;                /* n x d, n x targets, n */
    double *held_x, *held_y, *held_noise; /* m x d, m x targets, m */
};

struct weights;
struct weight_folds;
struct sampled;

struct work {
    const struct kr_gp *gp;
    const double *theta;
    size_t n, m, targets, columns;    /* columns of the block: targets or targets + m */
    struct kr_solver_options options; /* with the working tolerance */
    struct covariance A;
    struct kr_op cross;              /* hold-out: K(X*, X) */
    double *V;                       /* folds: their k x k blocks of variances, one by one */
    double *B, *solution, *residual; /* n x columns: [y - m, ..], A^-1 B, B - A A^-1 B */
    double *mean, *variance;         /* m x targets, m */
    double *mean_bar, *variance_bar; /* m x targets x nheads, m x nheads */
    double *spare;                   /* m */
    bool *clamped;                   /* m: variances below their noise, set to it */
    double *scratch;                 /* of the kernel */
    bool loss_is_head;               /* the loss is heads[0]; else it is the evidence */
    size_t nheads;
    struct head *heads;
    struct data_bar *data; /* of the loss; NULL = not wanted */
    /* Of the forms in weight space, which have no use for A, B, solution and residual. */
    struct weights *weights;
    struct weight_folds *rest; /* of each fold */
    struct sampled *sampled;   /* variances of a sample only (variance_sample.h); NULL: of all points */
};

/*
 * predict: opens A, solves, sets mean, variance (when columns > targets) and clamped. correct (or NULL):
 * after the heads, makes of their values and adjoints what they stand for. pull: adds each head's gradient to
 * its grad, and sets the error and the bound of the loss where it is a head; overwrites B, residual and the
 * adjoints. evidence: of the training rows, when the loss is that.
 */
struct form {
    kr_status (*predict)(struct kr_ctx *, struct work *, struct kr_evaluation *);
    void (*correct)(struct work *, struct kr_evaluation *);
    kr_status (*pull)(struct kr_ctx *, struct work *, struct kr_evaluation *);
    kr_status (*evidence)(struct kr_ctx *, struct work *, struct kr_evaluation *, double *grad);
};
extern const struct form kr_form_hold_out, kr_form_folds;
extern const struct form kr_form_sampled_rows, kr_form_sampled_each; /* variances of a sample */
extern const struct form kr_form_weights, kr_form_weights_each, kr_form_weights_folds; /* in weight space */
/* The form of a gp; where its variances are sampled. */
const struct form *kr_form_of(const struct kr_gp *gp);
const struct form *kr_form_sampled(const struct kr_gp *gp);

/* Solves A solution = B and names a breakdown. */
kr_status kr_objective_solve(struct kr_ctx *ctx, struct work *w, struct kr_evaluation *out) KR_MUST_CHECK;
kr_status kr_objective_check_solve(struct kr_ctx *ctx, const struct work *w,
                                   const struct kr_solve_report *report) KR_MUST_CHECK;
/* Hold-out: opens A and K*, solves for alpha alone and sets the means. */
kr_status kr_objective_predict_means(struct kr_ctx *ctx, struct work *w,
                                     struct kr_evaluation *out) KR_MUST_CHECK;
/* The noise of held-out point j. */
double kr_objective_noise(const struct work *w, size_t j);
/* Moves the derivative of clamped variances to the noise they were set to. */
void kr_objective_unclamp(struct work *w, struct head *head);
/* Is it the loss, and are its derivatives by the data wanted? */
static inline bool kr_objective_sees_data(const struct work *w, const struct head *head)
{
    return w->data && w->loss_is_head && head == w->heads;
}
/* data->noise += alpha diag(U V'), U and V n x columns: known variances stand on the diagonal of A. */
void kr_objective_pull_diagonal(const struct work *w, size_t columns, const double *U, const double *V,
                                double alpha);
/* A lower bound of A's eigenvalues: the least noise of a training row. */
double kr_objective_least_noise(const struct work *w);

/* Predictions of one target, and what a functional makes of them. */
struct scoring {
    size_t m;
    const double *y, *mean, *variance;
    double *value, *mean_bar, *variance_bar;
    double *y_bar; /* NULL = not wanted; else its derivative by y, less what a function of y - mean has */
};
/* The functional of a head at some points of a target, through its change of variables where there is one. */
void kr_head_eval(const struct work *w, const struct head *head, size_t target, const struct scoring *s);
/*
 * Through a change of variables (transformed.c). eval: a head. pull_targets: adds y_bar of the held-out
 * targets to the derivatives by them. evidence: its factor of a density. collect: derivatives by transformed
 * targets become those by the targets.
 */
void kr_transformed_eval(const struct head *head, const struct kr_transform *t,
                         const struct scoring *scoring);
void kr_transformed_pull_targets(struct work *w, const double *y_bar);
void kr_transformed_evidence(struct work *w, struct kr_evaluation *out);
void kr_transformed_collect(const struct kr_gp *gp, double *y);
/* kr_metrics_eval there; variance = NULL: the absolute error only. */
void kr_transformed_metrics(const struct kr_gp *gp, const struct kr_part *scored,
                            const struct kr_part *fitted, const double *mean, const double *variance,
                            struct kr_metrics *out);

/* The negative log marginal likelihood of the training rows over their number, and its gradient (NULL = not
 * wanted); solution holds alpha. */
kr_status kr_evidence(struct kr_ctx *ctx, struct work *w, struct kr_evaluation *out,
                      double *grad) KR_MUST_CHECK;

/* INVALID where the variances are asked to be sampled and cannot be. */
kr_status kr_gp_check_variance(struct kr_ctx *ctx, const struct kr_gp *gp) KR_MUST_CHECK;

/* Metrics of gp->validation where it is very many rows: those that need variances from calibrated nearest-row
 * ones, exact at the points drawn. */
bool kr_gp_samples_scores(const struct kr_gp *gp, size_t budget);
kr_status kr_gp_score_sampled(struct kr_ctx *ctx, const struct kr_gp *gp, const double *theta,
                              struct kr_metrics *out) KR_MUST_CHECK;

/* Zeros for what `wanted` needs of a gp, in the arena; and then *wanted from the adjoints of `view`, a draw
 * of gp (or gp itself). NON_FINITE. */
kr_status kr_data_bar_open(struct kr_ctx *ctx, const struct kr_gp *view,
                           const struct kr_data_gradient *wanted, struct data_bar *out) KR_MUST_CHECK;
kr_status kr_data_bar_collect(struct kr_ctx *ctx, const struct kr_gp *gp, const struct kr_gp *view,
                              const struct data_bar *bar,
                              const struct kr_data_gradient *wanted) KR_MUST_CHECK;

/* The rows `index` of a part, as a part of their own in the arena. */
kr_status kr_part_gather(struct kr_ctx *ctx, const struct kr_part *from, size_t count, const size_t *index,
                         struct kr_part *out) KR_MUST_CHECK;
/* *out: the gp with the held-out points that its draw of objective.subset takes; in the arena. */
kr_status kr_gp_subset(struct kr_ctx *ctx, const struct kr_gp *gp, struct kr_gp *out) KR_MUST_CHECK;

#endif
