/*
 * Schedules: the learning rate at step t (from 0) of T (the limit of evaluations of this start), as a share
 * of the given one. constant 1; cosine f + (1 - f)(1 + cos(pi t/T))/2, then f (Loshchilov and Hutter 2017,
 * without restarts); exponential e^(-decay t); inverse 1/(1 + decay t) (Robbins and Monro 1951). O(1).
 */
#include "opt/schedule.h"

#include <math.h>

#define KR_COSINE_FIELDS(F, S)                                                                               \
    F(S, REAL, final, _, "0.01", 0, 1, 0, "share of the learning rate that is left at max_evaluations")
KR_DECLARE(kr_schedule_cosine_options, KR_COSINE_FIELDS);
KR_DEFINE(kr_schedule_cosine_options, KR_COSINE_FIELDS, "a half cosine");

#define KR_DECAY_FIELDS(F, S) F(S, REAL, decay, _, "0.01", 0, 1e6, 0, "how fast, per evaluation")
KR_DECLARE(kr_schedule_decay_options, KR_DECAY_FIELDS);
KR_DEFINE(kr_schedule_decay_options, KR_DECAY_FIELDS, "a decay");

static double decay_of(const void *options)
{
    return ((const struct kr_schedule_decay_options *)options)->decay;
}

static double constant(const void *options, double t, double T)
{
    (void)options, (void)t, (void)T;
    return 1;
}

static double cosine(const void *options, double t, double T)
{
    const double final = ((const struct kr_schedule_cosine_options *)options)->final;
    return t < T ? final + (1 - final) * (1 + cos(M_PI * t / T)) / 2 : final;
}

static double exponential(const void *options, double t, double T)
{
    (void)T;
    return exp(-decay_of(options) * t);
}

static double inverse(const void *options, double t, double T)
{
    (void)T;
    return 1 / (1 + decay_of(options) * t);
}

static const struct kr_schedule_type constant_row = {{"constant", "the learning rate stays what it is", NULL},
                                                     constant};
static const struct kr_schedule_type cosine_row = {
    {"cosine", "falls along a half cosine until max_evaluations: slowly at first and at last",
     &kr_schedule_cosine_options_schema},
    cosine};
static const struct kr_schedule_type exponential_row = {
    {"exponential", "e^(-decay t) after t evaluations", &kr_schedule_decay_options_schema}, exponential};
static const struct kr_schedule_type inverse_row = {
    {"inverse", "1/(1 + decay t) after t evaluations: noisy gradients converge",
     &kr_schedule_decay_options_schema},
    inverse};

static const struct kr_type *const rows[] = {&constant_row.base, &cosine_row.base, &exponential_row.base,
                                             &inverse_row.base, NULL};
const struct kr_registry kr_schedule_registry = {"schedule", rows};

double kr_schedule_share(const struct kr_variant *schedule, double t, size_t evaluations)
{
    const struct kr_schedule_type *type = (const struct kr_schedule_type *)schedule->type;
    return type ? type->share(schedule->options, t, (double)evaluations) : 1;
}
