/* Names of targets. */
#include "kriged/data.h"

char *kr_dataset_target(struct kr_ctx *ctx, const struct kr_dataset *data, size_t t)
{
    const char *name = data->target_names ? data->target_names[t] : NULL;
    if (name || kr_dataset_targets(data) == 1)
        return kr_strdup(ctx, name ? name : data->target_name ? data->target_name : "y");
    return kr_printf(ctx, "y%zu", t + 1);
}
