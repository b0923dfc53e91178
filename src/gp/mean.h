/* Mean functions of one target or several: theta has the parameters of one target after the other. */
#ifndef GP_MEAN_H
#define GP_MEAN_H

#include "kriged/gp.h"

/* The parameter `value` of target t, from a number for all targets or an array with one each. INVALID at
 * pointer/value for other arrays. */
kr_status kr_mean_add_value(struct kr_ctx *ctx, const struct kr_param *value, size_t t, size_t targets,
                            bool exact_unit, const char *pointer, const char *path,
                            struct kr_parameters *parameters) KR_MUST_CHECK;

/* The mean functions of a model. */
struct means {
    const struct kr_mean_type *type;
    size_t first, count, targets; /* in theta; parameters of one target */
};

static inline struct means kr_means(const struct kr_gp *gp)
{
    return (struct means){gp->mean, gp->mean_first, gp->mean_count, gp->targets};
}

/* out (x->n x targets) = m(x) */
void kr_means_eval(struct means means, const double *theta, const struct kr_points *x, double *out);
/* grad += the derivative of <weights, m(x)>, weights x->n x targets: by theta, and by x into x->d columns of
 * grad_x, `ld` apart. */
void kr_means_pull(struct means means, const double *theta, const struct kr_points *x, const double *weights,
                   double *grad);
void kr_means_pull_x(struct means means, const double *theta, const struct kr_points *x,
                     const double *weights, double *grad_x, size_t ld);
/* out (n x targets) = y - m(X) */
void kr_centre(const struct kr_gp *gp, const double *theta, const struct kr_part *part, double *out);

#endif
