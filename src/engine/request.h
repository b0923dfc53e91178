/*
 * request: what clients ask of the engine and what it replies, as tables: the HTTP body, the command line's
 * file and the OpenAPI document are the same structs.
 */
#ifndef KRIGED_ENGINE_REQUEST_H
#define KRIGED_ENGINE_REQUEST_H

#include "kriged/differentiate.h"
#include "kriged/recipe.h"

/* A data set in a body: an upload, or inline in a gradient request. */
#define KR_DATA_FIELDS(F, S)                                                                                 \
    F(S, TABLE, x, _, NULL, -1e308, 1e308, KR_REQUIRED,                                                      \
      "rows of features; one of texts in every row has these as its categories (for hamming)")               \
    F(S, VECTORS, y, _, NULL, -1e308, 1e308, KR_REQUIRED,                                                    \
      "targets, one a row; or a row of several, which share the kernel and its noise")                       \
    F(S, REALS, noise_variance, _, NULL, 0, 1e308, KR_OMIT,                                                  \
      "known noise variance of every row (target's units squared; of several targets that of each)")         \
    F(S, TEXTS, feature_names, _, NULL, 0, 0, KR_OMIT, "names of the features; default x1, x2, ..")          \
    F(S, TEXT, target_name, _, NULL, 0, 0, KR_OMIT, "name of the target; default y")                         \
    F(S, TEXTS, target_names, _, NULL, 0, 0, KR_OMIT, "of several targets, instead; default y1, y2, ..")
KR_DECLARE(kr_data, KR_DATA_FIELDS);

extern const char *const kr_metrics_choice_names[]; /* auto, all */

#define KR_RECIPE_FIELDS(F, S)                                                                               \
    F(S, ROW, recipe, kr_recipe, NULL, 0, 0, KR_OMIT,                                                        \
      "fills in what is left out of objective, priors, restarts and calibration")

#define KR_GRADIENT_REQUEST_FIELDS(F, S)                                                                     \
    F(S, TEXT, dataset, _, NULL, 0, 0, KR_OMIT, "name of a stored data set")                                 \
    F(S, OPTIONAL, data, kr_data, NULL, 0, 0, KR_OMIT, "or the data itself")                                 \
    F(S, OPTIONAL, validation_data, kr_data, NULL, 0, 0, KR_OMIT,                                            \
      "the rows of validation type dataset, instead of the name of a stored data set")                       \
    KR_RECIPE_FIELDS(F, S)                                                                                   \
    KR_GP_FIELDS(F, S)                                                                                       \
    F(S, TEXTS, with_respect_to, _, NULL, 0, 0, KR_OMIT,                                                     \
      "what to differentiate by: \"parameters\" (always), and, with standardize off, \"x\", \"y\", "         \
      "\"x_validation\", \"noise_variance\"")                                                                \
    F(S, CHOICE, metrics, kr_metrics_choice, "auto", 0, 0, 0,                                                \
      "auto: those that the loss's predictions give; all: the variance is predicted for the others too")     \
    F(S, OPTIONAL, check, kr_check_spec, NULL, 0, 0, KR_OMIT,                                                \
      "compare the gradient with differences of the loss")
KR_DECLARE(kr_gradient_request, KR_GRADIENT_REQUEST_FIELDS);

#define KR_GRADIENTS_FIELDS(F, S)                                                                            \
    F(S, MATRIX, x, _, NULL, -1e308, 1e308, KR_OMIT,                                                         \
      "one row a data row: the total derivative by its features; test rows have zeros, as have features "    \
      "that a kernel only compares (hamming)")                                                               \
    F(S, VECTORS, y, _, NULL, -1e308, 1e308, KR_OMIT,                                                        \
      "one a data row: by its target; a row of them where there are several")                                \
    F(S, MATRIX, x_validation, _, NULL, -1e308, 1e308, KR_OMIT,                                              \
      "one row a held-out point (data rows ascending; fold after fold; rows of the validation data set): "   \
      "its derivative as a held-out point alone")                                                            \
    F(S, REALS, noise_variance, _, NULL, -1e308, 1e308, KR_OMIT,                                             \
      "one a data row: by its known noise variance, zero where the data has none")
KR_DECLARE(kr_gradients, KR_GRADIENTS_FIELDS);

#define KR_GRADIENT_REPLY_FIELDS(F, S)                                                                       \
    F(S, REAL, loss, _, NULL, -1e308, 1e308, KR_NULL,                                                        \
      "mean loss of the validation rows, and targets (standardised units)")                                  \
    F(S, REAL, value_error, _, NULL, -1e308, 1e308, KR_NULL,                                                 \
      "first-order estimate of the loss's error by unfinished solves: exact less computed loss")             \
    F(S, REAL, value_bound, _, NULL, 0, 1e308, KR_NULL,                                                      \
      "bound on what that estimate leaves out, to first order in the errors of the predictions; null "       \
      "without noise")                                                                                       \
    F(S, REAL, standard_error, _, NULL, 0, 1e308, KR_OMIT,                                                   \
      "of the loss, where variances are sampled (objective.variance)")                                       \
    F(S, REAL, variance_bracket, _, NULL, 0, 1e308, KR_OMIT,                                                 \
      "how far the loss may be off, to first order, by what the solves of drawn variances leave open")       \
    F(S, REAL, penalty, _, "0", -1e308, 1e308, 0,                                                            \
      "what priors add to the loss (not in it, nor in the gradient): minus the sum of their log densities, " \
      "over the number of held-out points (of the evidence that of training rows) times that of targets")    \
    F(S, LIST, parameters, kr_parameter_report, NULL, 0, 0, 0, "every hyperparameter with its gradient")     \
    F(S, OPTIONAL, gradients, kr_gradients, NULL, 0, 0, KR_OMIT, "derivatives of the loss by the data")      \
    F(S, OPTIONAL, check, kr_check_report, NULL, 0, 0, KR_OMIT, "when asked for")                            \
    F(S, OBJECT, metrics, kr_metrics, NULL, 0, 0, 0, "scores of the validation rows (target's units)")       \
    F(S, INT, clamped_variances, _, "0", 0, 1e15, 0,                                                         \
      "predictive variances that fell below the noise and were set to it")                                   \
    F(S, REAL, jitter, _, NULL, 0, 1, KR_OMIT,                                                               \
      "share of its diagonal that the covariance of the inducing inputs needed more; absent: none")          \
    F(S, OBJECT, solver, kr_solve_report, NULL, 0, 0, 0, "what the linear solves did")                       \
    F(S, JSON, request, _, NULL, 0, 0, KR_OMIT,                                                              \
      "the effective request, defaults included, inline data left out")
KR_DECLARE(kr_gradient_reply, KR_GRADIENT_REPLY_FIELDS);

#define KR_WARM_START_FIELDS(F, S)                                                                           \
    F(S, TEXT, job, _, NULL, 0, 0, KR_OMIT, "id of a job that succeeded: its best parameters")               \
    F(S, VALUES, parameters, _, NULL, -1e30, 1e30, KR_OMIT,                                                  \
      "the values themselves, by name (standardised): of the whole kernel. The effective request has those " \
      "of the job here")
KR_DECLARE(kr_warm_start, KR_WARM_START_FIELDS);

#define KR_TUNE_REQUEST_FIELDS(F, S)                                                                         \
    F(S, TEXT, dataset, _, NULL, 0, 0, KR_REQUIRED, "name of a stored data set")                             \
    KR_RECIPE_FIELDS(F, S)                                                                                   \
    KR_GP_FIELDS(F, S)                                                                                       \
    F(S, VARIANT, optimizer, kr_optimizer, "lbfgs", 0, 0, 0, "how the hyperparameters are tuned")            \
    F(S, OPTIONAL, restarts, kr_restarts, NULL, 0, 0, KR_OMIT, "further starts")                             \
    F(S, OPTIONAL, warm_start, kr_warm_start, NULL, 0, 0, KR_OMIT,                                           \
      "starts at the parameters of an earlier job, matched by name")                                         \
    F(S, VARIANTS, constraints, kr_constraint, NULL, 0, 0, KR_OMIT,                                          \
      "what the tuned model must meet, kept by the null-space method: with the optimizers adam and "         \
      "gradient_descent")                                                                                    \
    F(S, OPTIONAL, projection, kr_nullspace_options, NULL, 0, 0, KR_OMIT, "how the constraints are kept")    \
    F(S, MAP, labels, _, NULL, 0, 0, KR_OMIT, "names and texts of your own, to find the job by")
KR_DECLARE(kr_tune_request, KR_TUNE_REQUEST_FIELDS);

enum kr_samples_method { KR_SAMPLES_AUTO, KR_SAMPLES_EXACT, KR_SAMPLES_PATHWISE };
extern const char *const kr_samples_method_names[];

#define KR_SAMPLES_FIELDS(F, S)                                                                              \
    F(S, INT, count, _, NULL, 1, 1e6, KR_REQUIRED,                                                           \
      "samples; times the number of points four million at most")                                            \
    F(S, SEED, seed, _, "0", 0, 9007199254740991, 0,                                                         \
      "seed of the draws; sample i is the same whatever the count")                                          \
    F(S, CHOICE, method, kr_samples_method, "auto", 0, 0, 0,                                                 \
      "exact: by the Cholesky factor of the points' covariance, 2000 points at most. pathwise: functions "   \
      "of random features, corrected by the data (Matheron's rule): many points, one solve a sample, the "   \
      "same functions wherever they are asked; prior covariances off by about 1/sqrt(features). auto: "      \
      "exact where it is allowed and not dear, the reply says why")                                          \
    F(S, INT, features, _, "4096", 2, 1e5, 0, "pathwise: random features of the prior; even")
KR_DECLARE(kr_samples_spec, KR_SAMPLES_FIELDS);

#define KR_PREDICT_REQUEST_FIELDS(F, S)                                                                      \
    F(S, TABLE, x, _, NULL, -1e308, 1e308, KR_REQUIRED,                                                      \
      "points, rows of features in the data's units and order; of a feature with categories one of them")    \
    F(S, BOOL, variance, _, "true", 0, 0, 0,                                                                 \
      "predict the variance: one solve a point, where the mean alone is cheap (but of a transformed "        \
      "target, whose mean depends on it)")                                                                   \
    F(S, REALS, quantiles, _, NULL, 0, 1, KR_OMIT | KR_OPEN_MIN | KR_OPEN_MAX,                               \
      "levels of predictive quantiles")                                                                      \
    F(S, BOOL, covariance, _, "false", 0, 0, 0,                                                              \
      "predict the covariance of every two of the points, 2000 at most")                                     \
    F(S, OPTIONAL, samples, kr_samples_spec, NULL, 0, 0, KR_OMIT,                                            \
      "draw joint samples of all points, of new observations or of the function")                            \
    F(S, BOOL, gradient, _, "false", 0, 0, 0,                                                                \
      "differentiate the mean by the points; of a transformed target with exact covariances only")           \
    F(S, BOOL, observation_noise, _, "true", 0, 0, 0,                                                        \
      "of new observations; false: of the function without noise")                                           \
    F(S, FEATURE, target, _, NULL, 0, 0, KR_OMIT,                                                            \
      "of a model of several targets: predict this one alone, by name or index; covariance, samples and "    \
      "gradient need it")
KR_DECLARE(kr_predict_request, KR_PREDICT_REQUEST_FIELDS);

/* A covariance of so many points, or samples, are so many numbers at most. Solves of more than so many
 * numbers for nothing but samples are not worth their exactness (bench_samples). */
enum { KR_MOST_COVARIANCE_POINTS = 2000, KR_MOST_REPLY_NUMBERS = 4000000, KR_MOST_SAMPLE_SOLVES = 10000000 };

#define KR_PREDICT_REPLY_FIELDS(F, S)                                                                        \
    F(S, VECTORS, mean, _, NULL, -1e308, 1e308, 0,                                                           \
      "one a point (target's units), of several targets a row of them; of a transformed target its mean, "   \
      "the "                                                                                                 \
      "median being the quantile 0.5")                                                                       \
    F(S, VECTORS, variance, _, NULL, 0, 1e308, KR_OMIT,                                                      \
      "one a point (target's units squared); of several targets a row of them")                              \
    F(S, MATRIX, quantiles, _, NULL, -1e308, 1e308, KR_OMIT,                                                 \
      "one row a point, one column a level asked for (target's units); of several targets all levels of "    \
      "the first one, then of the next")                                                                     \
    F(S, MATRIX, covariance, _, NULL, -1e308, 1e308, KR_OMIT,                                                \
      "of every two points (target's units squared); observation noise is on its diagonal")                  \
    F(S, MATRIX, samples, _, NULL, -1e308, 1e308, KR_OMIT,                                                   \
      "one row a sample, one column a point (target's units)")                                               \
    F(S, TEXT, samples_method, _, NULL, 0, 0, KR_OMIT, "exact or pathwise")                                  \
    F(S, TEXT, samples_reason, _, NULL, 0, 0, KR_OMIT, "why this method")                                    \
    F(S, REAL, samples_jitter, _, NULL, 0, 1e308, KR_OMIT,                                                   \
      "exact: variance that had to be added to every point for that factor (target's units squared; of a "   \
      "transformed target its own)")                                                                         \
    F(S, MATRIX, gradient, _, NULL, -1e308, 1e308, KR_OMIT,                                                  \
      "of the mean: one row a point, one column a feature (target's units over the feature's)")              \
    F(S, INT, clamped_variances, _, NULL, 1, 1e15, KR_OMIT,                                                  \
      "variances that fell below the noise and were set to it; absent: none did")
KR_DECLARE(kr_predict_reply, KR_PREDICT_REPLY_FIELDS);

#endif
