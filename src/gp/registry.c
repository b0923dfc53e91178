/* The registries of means, losses, validations, constraints, approximations and transforms, and the tables of
 * a spec. */
#include "kriged/prior.h"

#define KR_MEAN(name)          extern const struct kr_mean_type kr_mean_##name;
#define KR_LOSS(name)          extern const struct kr_loss_type kr_loss_##name;
#define KR_VALIDATION(name)    extern const struct kr_validation_type kr_validation_##name;
#define KR_CONSTRAINT(name)    extern const struct kr_constraint_type kr_constraint_##name;
#define KR_PRIOR(name)         extern const struct kr_prior_type kr_prior_##name;
#define KR_APPROXIMATION(name) extern const struct kr_approximation_type kr_approximation_##name;
#define KR_TRANSFORM(name)     extern const struct kr_transform_type kr_transform_##name;
#include "gp/approximations.def"
#include "gp/constraints.def"
#include "gp/losses.def"
#include "gp/means.def"
#include "gp/priors.def"
#include "gp/transforms.def"
#include "gp/validations.def"
#undef KR_MEAN
#undef KR_LOSS
#undef KR_VALIDATION
#undef KR_CONSTRAINT
#undef KR_PRIOR
#undef KR_APPROXIMATION
#undef KR_TRANSFORM

#define KR_MEAN(name)          &kr_mean_##name.base,
#define KR_LOSS(name)          &kr_loss_##name.base,
#define KR_VALIDATION(name)    &kr_validation_##name.base,
#define KR_CONSTRAINT(name)    &kr_constraint_##name.base,
#define KR_PRIOR(name)         &kr_prior_##name.base,
#define KR_APPROXIMATION(name) &kr_approximation_##name.base,
#define KR_TRANSFORM(name)     &kr_transform_##name.base,
static const struct kr_type *const means[] = {
#include "gp/means.def"
    NULL};
static const struct kr_type *const losses[] = {
#include "gp/losses.def"
    NULL};
static const struct kr_type *const validations[] = {
#include "gp/validations.def"
    NULL};

static const struct kr_type *const constraints[] = {
#include "gp/constraints.def"
    NULL};

static const struct kr_type *const priors[] = {
#include "gp/priors.def"
    NULL};

static const struct kr_type *const approximations[] = {
#include "gp/approximations.def"
    NULL};

static const struct kr_type *const transforms[] = {
#include "gp/transforms.def"
    NULL};

const struct kr_registry kr_mean_registry = {"mean", means};
const struct kr_registry kr_loss_registry = {"loss", losses};
const struct kr_registry kr_validation_registry = {"validation", validations};
const struct kr_registry kr_constraint_registry = {"constraint", constraints};
const struct kr_registry kr_prior_registry = {"prior", priors};
const struct kr_registry kr_approximation_registry = {"approximation", approximations};
const struct kr_registry kr_transform_registry = {"target_transform", transforms};

KR_DEFINE(kr_noise_spec, KR_NOISE_FIELDS, "observation noise");
KR_DEFINE(kr_standardize_spec, KR_STANDARDIZE_FIELDS, "which columns are standardised");
KR_DEFINE(kr_model_spec, KR_MODEL_FIELDS, "a Gaussian process: kernel, mean, noise, standardisation");
KR_DEFINE(kr_variance_spec, KR_VARIANCE_FIELDS, "variances of very many held-out rows");
KR_DEFINE(kr_subset_spec, KR_SUBSET_FIELDS, "some of the held-out points");
KR_DEFINE(kr_objective_spec, KR_OBJECTIVE_FIELDS, "a loss and the rows that it is measured on");
KR_DEFINE(kr_test_spec, KR_TEST_FIELDS, "test rows: either rows or fraction");
KR_DEFINE(kr_gp_spec, KR_GP_FIELDS, "model, objective, test rows, solver");
KR_DEFINE(kr_target_metrics, KR_TARGET_METRICS_FIELDS, "how well one of several targets was predicted");
KR_DEFINE(kr_metrics, KR_ALL_METRICS_FIELDS, "how well held-out targets were predicted, in the data's units");
