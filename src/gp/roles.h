/* Which rows train, validate and test. */
#ifndef GP_ROLES_H
#define GP_ROLES_H

#include "kriged/gp.h"

/* Row numbers, ascending; fit = train and validation together. */
struct roles {
    struct kr_ints train, validation, test, fit;
};

kr_status kr_gp_roles(struct kr_ctx *ctx, const struct kr_gp_spec *spec, const struct kr_dataset *data,
                      struct roles *out) KR_MUST_CHECK;

#endif
