/* session: what gradient and tuning requests do first. */
#ifndef KRIGED_ENGINE_SESSION_H
#define KRIGED_ENGINE_SESSION_H

#include "engine/engine.h"
#include "engine/request.h"

/* A data set from a body; names get their defaults. INVALID, below `pointer`, for lengths that differ, names
 * that are not unique. */
kr_status kr_data_take(struct kr_ctx *ctx, const struct kr_data *in, const char *pointer,
                       struct kr_dataset *out) KR_MUST_CHECK;
/* Lowers the context's budget to what the request allows. */
void kr_session_limits(struct kr_ctx *ctx, const struct kr_solver_options *solver);

#endif
