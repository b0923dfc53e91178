/*
 * opt: optimisers by ask and tell, and the coordinates they work in.
 *
 * The state is a flat block of doubles: a checkpoint is a copy of it and a resumed run takes the same steps
 * to the bit. An optimiser never evaluates anything: ask gives a point, the caller evaluates and tells.
 *
 *     kr_optimizer_init(type, options, n, lower, upper, z0, state);
 *     while (...) {
 *         ask(options, n, lower, upper, state, z);
 *         f, g = loss and gradient at z;
 *         if (!tell(options, n, lower, upper, state, z, f, g)) break;     the optimiser cannot improve:
 * state's stop says why
 *     }
 */
#ifndef KRIGED_OPT_H
#define KRIGED_OPT_H

#include "kriged/fields.h"

/* What every optimiser understands besides its own options: the loop's stop rules (kriged/tune.h applies
 * them). */
#define KR_STOP_FIELDS(F, S)                                                                                 \
    F(S, INT, max_evaluations, _, "200", 0, 1e6, 0,                                                          \
      "evaluations of the loss and its gradient at most, of all restarts together; 0 only scores the start " \
      "and saves the model")                                                                                 \
    F(S, REAL, gradient_tolerance, _, "1e-5", 0, 1e6, 0,                                                     \
      "stop when no entry of the projected gradient (by log-parameters) is larger")                          \
    F(S, INT, patience, _, "20", 1, 1e6, 0, "stop after so many evaluations without a better loss")          \
    F(S, REAL, seconds, _, NULL, 0, 1e9, KR_OPEN_MIN | KR_OMIT,                                              \
      "stop after so many seconds, of all restarts together; absent: no limit")

/* Every optimiser's options struct begins with these members, so that the loop can read them. */
KR_DECLARE(kr_stop_options, KR_STOP_FIELDS);

/* How a learning rate falls. */
struct kr_schedule_type {
    struct kr_type base;
    /* The share of the rate at step t, from 0, of T. */
    double (*share)(const void *options, double t, double T);
};
extern const struct kr_registry kr_schedule_registry; /* rows are struct kr_schedule_type */

/* The options of the rows, for a caller in C: kr_variant_init gives them with their defaults. */
#define KR_LBFGS_FIELDS(F, S)                                                                                \
    KR_STOP_FIELDS(F, S)                                                                                     \
    F(S, INT, memory, _, "10", 1, 50, 0, "how many past steps shape the next one")
KR_DECLARE(kr_lbfgs_options, KR_LBFGS_FIELDS);
#define KR_ADAM_FIELDS(F, S)                                                                                 \
    KR_STOP_FIELDS(F, S)                                                                                     \
    F(S, REAL, learning_rate, _, "0.05", 0, 10, KR_OPEN_MIN, "step length, in units of the log-parameters")  \
    F(S, VARIANT, schedule, kr_schedule, "constant", 0, 0, 0, "how the learning rate falls")                 \
    F(S, REAL, beta1, _, "0.9", 0, 1, KR_OPEN_MAX, "decay of the mean of gradients")                         \
    F(S, REAL, beta2, _, "0.999", 0, 1, KR_OPEN_MAX, "decay of the mean of squared gradients")               \
    F(S, REAL, epsilon, _, "1e-8", 0, 1, KR_OPEN_MIN, "keeps the division by small gradients finite")
KR_DECLARE(kr_adam_options, KR_ADAM_FIELDS);
#define KR_GRADIENT_DESCENT_FIELDS(F, S)                                                                     \
    KR_STOP_FIELDS(F, S)                                                                                     \
    F(S, REAL, learning_rate, _, "0.05", 0, 1e6, KR_OPEN_MIN,                                                \
      "step length at most, as a multiple of the gradient; strong curvature shortens it")                    \
    F(S, VARIANT, schedule, kr_schedule, "constant", 0, 0, 0, "how the learning rate falls")                 \
    F(S, REAL, momentum, _, "0", 0, 1, KR_OPEN_MAX, "share of the last step that is taken again")
KR_DECLARE(kr_gradient_descent_options, KR_GRADIENT_DESCENT_FIELDS);

struct kr_optimizer_type {
    struct kr_type base;
    /* Doubles of state for n coordinates. state[0] counts iterations (accepted steps) in every optimiser. */
    size_t (*state_size)(const void *options, size_t n);
    /* Fills the state for a start at z (n), inside the bounds lower, upper (n; +-INFINITY where there is
     * none, NULL where there are none at all, here and below). */
    void (*init)(const void *options, size_t n, const double *lower, const double *upper, const double *z,
                 double *state);
    /* The next point to evaluate; always inside the bounds. */
    void (*ask)(const void *options, size_t n, const double *lower, const double *upper, const double *state,
                double *z);
    /* Takes f and g (n) at the point z really evaluated; f may be +INFINITY or NaN (then g is ignored and the
     * step shortened). false: no further progress is possible (`stuck` then says why, in words a user can act
     * on). */
    bool (*tell)(const void *options, size_t n, const double *lower, const double *upper, double *state,
                 const double *z, double f, const double *g);
    const char *(*stuck)(const double *state);
    /*
     * May what is evaluated be another point than the one asked for (a step filter: kriged/nullspace.h)? The
     * next proposal then starts from that point. An optimiser that searches along a direction of its own
     * cannot be filtered: its next trial would not lie where it believes.
     */
    bool takes_filter;
};

extern const struct kr_registry kr_optimizer_registry; /* rows are struct kr_optimizer_type */

/* Coordinates: a positive parameter is tuned by its logarithm, any other as it is. */
double kr_to_coordinate(bool positive, double value);
double kr_from_coordinate(bool positive, double z);
/* dL/dz from dL/dvalue at value. */
double kr_coordinate_gradient(bool positive, double value, double gradient);

/* Largest |g_i| over the coordinates that are free to move downhill: at a bound only the inward part counts.
 */
double kr_projected_gradient_norm(size_t n, const double *lower, const double *upper, const double *z,
                                  const double *g);

#endif
