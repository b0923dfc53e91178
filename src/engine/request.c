/* The tables of requests and replies. */
#include "engine/request.h"

const char *const kr_metrics_choice_names[] = {"auto", "all", NULL};
const char *const kr_samples_method_names[] = {"auto", "exact", "pathwise", NULL};

KR_DEFINE(kr_data, KR_DATA_FIELDS, "a data set");
KR_DEFINE(kr_gradient_request, KR_GRADIENT_REQUEST_FIELDS, "one evaluation of a loss and its gradient");
KR_DEFINE(kr_gradients, KR_GRADIENTS_FIELDS, "derivatives of a loss by the data");
KR_DEFINE(kr_gradient_reply, KR_GRADIENT_REPLY_FIELDS, "a loss and its gradient");
KR_DEFINE(kr_tune_request, KR_TUNE_REQUEST_FIELDS, "a tuning job");
KR_DEFINE(kr_samples_spec, KR_SAMPLES_FIELDS, "joint samples");
KR_DEFINE(kr_predict_request, KR_PREDICT_REQUEST_FIELDS, "points to predict at");
KR_DEFINE(kr_predict_reply, KR_PREDICT_REPLY_FIELDS, "predictions");
