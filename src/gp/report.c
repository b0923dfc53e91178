/* Hyperparameters as replies list them, in the order of theta. */
#include "kriged/gp.h"

KR_DEFINE(kr_parameter_report, KR_PARAMETER_REPORT_FIELDS, "a hyperparameter");

kr_status kr_parameters_report(struct kr_ctx *ctx, const struct kr_gp *gp, const double *theta,
                               const double *gradient, struct kr_list *out)
{
    struct kr_parameter_report *items;
    KR_ALLOC(ctx, items, gp->parameters.count);
    for (size_t p = 0; p < gp->parameters.count; p++) {
        const struct kr_parameter *parameter = &gp->parameters.items[p];
        items[p] =
            (struct kr_parameter_report){parameter->name, theta[p], kr_parameter_data_value(gp, p, theta[p]),
                                         gradient[p], parameter->spec.fixed};
    }
    *out = (struct kr_list){gp->parameters.count, items};
    return KR_OK;
}
