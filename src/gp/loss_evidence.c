/* evidence: the row and its options; a loss of the training rows, computed in evidence.c. */
#include "gp/evidence.h"

KR_DEFINE(kr_evidence_options, KR_EVIDENCE_FIELDS, "options of the evidence");

extern const struct kr_loss_type kr_loss_evidence;
const struct kr_loss_type kr_loss_evidence = {
    .base =
        {"evidence",
         "negative log marginal likelihood a training row: the usual baseline; held-out rows are only scored",
         &kr_evidence_options_schema},
    .density = true,
};
