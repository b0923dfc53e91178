/* metrics: scores of predictions, in the data's units; definitions in the file that computes them. */
#ifndef KRIGED_METRICS_H
#define KRIGED_METRICS_H

#include "kriged/fields.h"

#define KR_METRICS_FIELDS(F, S)                                                                              \
    F(S, REAL, rmse, _, NULL, 0, 1e308, KR_OMIT, "root mean squared error, target's units")                  \
    F(S, REAL, mae, _, NULL, 0, 1e308, KR_OMIT, "mean absolute error, target's units")                       \
    F(S, REAL, smse, _, NULL, 0, 1e308, KR_OMIT,                                                             \
      "mean squared error over the variance of the scored targets")                                          \
    F(S, REAL, nlpd, _, NULL, -1e308, 1e308, KR_OMIT,                                                        \
      "mean negative log predictive density, target's units")                                                \
    F(S, REAL, msll, _, NULL, -1e308, 1e308, KR_OMIT,                                                        \
      "nlpd minus that of a normal with mean and variance of the training targets")                          \
    F(S, REAL, crps, _, NULL, 0, 1e308, KR_OMIT, "mean continuous ranked probability score, target's units") \
    F(S, REAL, coverage_50, _, NULL, 0, 1, KR_OMIT, "share of targets in the central 50 % interval")         \
    F(S, REAL, coverage_90, _, NULL, 0, 1, KR_OMIT, "share of targets in the central 90 % interval")         \
    F(S, REAL, coverage_95, _, NULL, 0, 1, KR_OMIT, "share of targets in the central 95 % interval")

#define KR_TARGET_METRICS_FIELDS(F, S)                                                                       \
    F(S, TEXT, name, _, NULL, 0, 0, 0, "of the target") KR_METRICS_FIELDS(F, S)
KR_DECLARE(kr_target_metrics, KR_TARGET_METRICS_FIELDS);

#define KR_ALL_METRICS_FIELDS(F, S)                                                                          \
    KR_METRICS_FIELDS(F, S)                                                                                  \
    F(S, LIST, targets, kr_target_metrics, NULL, 0, 0, KR_OMIT,                                              \
      "of several targets: of each, in its own units; the numbers above are their means over targets, and "  \
      "say little where units differ")
KR_DECLARE(kr_metrics, KR_ALL_METRICS_FIELDS);

#endif
