/* Features by name or index. */
#include "kriged/data.h"

#include <string.h>

enum { NAME_SHOWN = 100 };

kr_status kr_feature_index(struct kr_ctx *ctx, size_t d, const char *const *feature_names,
                           const struct kr_feature *feature, const char *pointer, size_t *out)
{
    if (!feature->name) {
        *out = feature->index;
        if (feature->index < d)
            return KR_OK;
        return kr_fail(ctx, KR_INVALID, pointer, "there is no feature %zu; wanted an index from 0 to %zu",
                       feature->index, d - 1);
    }
    for (size_t k = 0; k < d; k++)
        if (strcmp(feature_names[k], feature->name) == 0) {
            *out = k;
            return KR_OK;
        }
    if (strlen(feature->name) > NAME_SHOWN) /* cut anywhere, it might not be UTF-8 any more */
        return kr_fail(ctx, KR_INVALID, pointer,
                       "there is no feature of this name; wanted one of the %zu feature names", d);
    return kr_fail(ctx, KR_INVALID, pointer,
                   "there is no feature \"%s\"; wanted one of the %zu feature names or an index",
                   feature->name, d);
}
