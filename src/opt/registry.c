/* The optimisers, from the list in optimizers.def. */
#include "kriged/opt.h"

#define KR_OPTIMIZER(name) extern const struct kr_optimizer_type kr_optimizer_##name;
#include "opt/optimizers.def"
#undef KR_OPTIMIZER

static const struct kr_type *const rows[] = {
#define KR_OPTIMIZER(name) &kr_optimizer_##name.base,
#include "opt/optimizers.def"
#undef KR_OPTIMIZER
    NULL};

const struct kr_registry kr_optimizer_registry = {"optimizer", rows};

KR_DEFINE(kr_stop_options, KR_STOP_FIELDS, "Stop rules that every optimizer understands");
