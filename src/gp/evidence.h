/* Options of the evidence, and its stochastic estimate. */
#ifndef GP_EVIDENCE_H
#define GP_EVIDENCE_H

#include "gp/objective.h"

#define KR_EVIDENCE_FIELDS(F, S)                                                                             \
    F(S, INT, probes, _, "16", 1, 1e4, 0,                                                                    \
      "random vectors that estimate log-determinant and trace where the matrix is not factorised")           \
    F(S, INT, lanczos, _, "60", 2, 1000, 0, "Lanczos steps with each of them")                               \
    F(S, SEED, seed, _, "0", 0, 9007199254740991, 0, "seed of the random vectors")
KR_DECLARE(kr_evidence_options, KR_EVIDENCE_FIELDS);

/* An estimate of log det A by Z'log(A) Z over the probes Z (n x s, entries +-1). */
kr_status kr_lanczos_logdet(struct kr_ctx *ctx, const struct kr_op *A, size_t s, const double *Z,
                            size_t steps, double *out, size_t *products) KR_MUST_CHECK;

#endif
