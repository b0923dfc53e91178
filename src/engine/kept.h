/* kept: the model of the last prediction, still open, with its matrix prepared where variances were asked
 * for. */
#ifndef KRIGED_ENGINE_KEPT_H
#define KRIGED_ENGINE_KEPT_H

#include "engine/model.h"

struct kr_kept {
    struct kr_ctx ctx; /* its memory; open = it is in use */
    bool open;
    char *directory;
    json_t *document;
    struct kr_model model;
};

/*
 * *out: the model of the document and its directory (not NULL), open until the next call. With `solves` its
 * matrix is prepared, where that takes at most a quarter of the memory that the request may use; predictions
 * have the same bits with it and without it. Failures are those of kr_model_open and kr_posterior_prepare,
 * and nothing stays open then.
 */
kr_status kr_kept_open(struct kr_ctx *ctx, struct kr_kept *kept, const json_t *document,
                       const char *directory, bool solves, const struct kr_model **out) KR_MUST_CHECK;
void kr_kept_close(struct kr_kept *kept);

#endif
