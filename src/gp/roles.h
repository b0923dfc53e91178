/* Which rows train, validate and test; priors, where a gp is made. */
#ifndef GP_ROLES_H
#define GP_ROLES_H

#include "kriged/gp.h"

/*
 * Row numbers, ascending; fit = train and validation together. Folds: train = fit, validation lists them one
 * after the other. Held out elsewhere: train = fit, no validation rows.
 */
struct roles {
    struct kr_ints train, validation, test, fit;
    enum kr_form form;
    struct kr_folds folds;
};

kr_status kr_gp_roles(struct kr_ctx *ctx, const struct kr_gp_spec *spec, const struct kr_dataset *data,
                      struct roles *out) KR_MUST_CHECK;

/* INVALID for a prior that has no room, or no density at the start. */
kr_status kr_parameter_check_prior(struct kr_ctx *ctx, const struct kr_parameter *parameter) KR_MUST_CHECK;
/* Bounds, narrowed or set by the ends of the prior. */
void kr_parameter_follow_prior(const struct kr_parameter *parameter, double *lower, double *upper);

/* column[k] (data->d): where `other` has feature k of `data`. INVALID at `pointer` unless both have the same.
 */
kr_status kr_match_features(struct kr_ctx *ctx, const struct kr_dataset *data, const struct kr_dataset *other,
                            const char *pointer, size_t *column) KR_MUST_CHECK;

/* INVALID at `pointer` unless both have the same targets, in the same order. */
kr_status kr_match_targets(struct kr_ctx *ctx, const struct kr_dataset *data, const struct kr_dataset *other,
                           const char *pointer) KR_MUST_CHECK;

/* The groups (data->n) that a seeded split keeps whole, `groups` of the request included. */
kr_status kr_rows_grouped(struct kr_ctx *ctx, const struct kr_rows *rows, const struct kr_groups *groups,
                          const char *pointer, const size_t **out) KR_MUST_CHECK;

#endif
