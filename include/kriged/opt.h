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
      "evaluations of the loss and its gradient at most; 0 only scores the start and saves the model")       \
    F(S, REAL, gradient_tolerance, _, "1e-5", 0, 1e6, 0,                                                     \
      "stop when no entry of the projected gradient (by log-parameters) is larger")                          \
    F(S, INT, patience, _, "20", 1, 1e6, 0, "stop after so many evaluations without a better loss")          \
    F(S, REAL, seconds, _, NULL, 0, 1e9, KR_OPEN_MIN | KR_OMIT,                                              \
      "stop after so many seconds; absent: no limit")

/* Every optimiser's options struct begins with these members, so that the loop can read them. */
KR_DECLARE(kr_stop_options, KR_STOP_FIELDS);

struct kr_optimizer_type {
    struct kr_type base;
    /* Doubles of state for n coordinates. state[0] counts iterations (accepted steps) in every optimiser. */
    size_t (*state_size)(const void *options, size_t n);
    /* Fills the state for a start at z (n), inside the bounds lower, upper (+-INFINITY where there is none).
     */
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
