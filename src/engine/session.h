/* session: what gradient and tuning requests do first. */
#ifndef KRIGED_ENGINE_SESSION_H
#define KRIGED_ENGINE_SESSION_H

#include "engine/engine.h"
#include "engine/request.h"

/* A data set from a body; names get their defaults. INVALID, below `pointer`, for lengths that differ, names
 * that are not unique. */
kr_status kr_data_take(struct kr_ctx *ctx, const struct kr_data *in, const char *pointer,
                       struct kr_dataset *out) KR_MUST_CHECK;
/* What is left out of a request filled in, by its recipe or by the defaults without one (kriged/recipe.h).
 * `request`: what the client sent. */
kr_status kr_session_fill(struct kr_ctx *ctx, const json_t *request, const struct kr_type *recipe,
                          const struct kr_source *source, bool constrained, struct kr_gp_spec *spec,
                          struct kr_restarts **restarts) KR_MUST_CHECK;
/* gp->start by the warm start of a request (NULL: none); clamped: parameters, in the arena. */
kr_status kr_session_start(struct kr_ctx *ctx, const struct kr_warm_start *warm, struct kr_gp *gp,
                           bool **clamped) KR_MUST_CHECK;
/* Lowers the context's budget to what the request allows. */
void kr_session_limits(struct kr_ctx *ctx, const struct kr_solver_options *solver);

#endif
