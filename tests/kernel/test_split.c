/* Kernels taken apart into a function and white noise. */
#include "../conform/models.h"

static const struct kr_kernel *split(struct kr_ctx *ctx, const struct kr_variant *spec, size_t *nwhite,
                                     size_t **white)
{
    struct kr_parameters parameters = {0};
    struct kr_kernel *kernel;
    const struct kr_kernel *out;
    OK(kr_kernel_build(ctx, spec, FEATURES, NULL, "/k", "kernel", &parameters, &kernel));
    return kr_kernel_split(ctx, kernel, "/k", &out, nwhite, white) == KR_OK ? out : kernel;
}

START_TEST(white_noise_is_taken_out_of_sums)
{
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    size_t nwhite, *white;
    struct kr_variant lone = leaf(ctx, kernel_type("white"), 0), rbf = leaf(ctx, kernel_type("rbf"), 0),
                      inner, outer, parts[2] = {rbf, lone}, both[2] = {lone, lone};
    ck_assert_ptr_null(split(ctx, &lone, &nwhite, &white));
    ck_assert(nwhite == 1 && white[0] == 0);
    composite(ctx, kernel_type("sum"), 2, both, &inner);
    ck_assert_ptr_null(split(ctx, &inner, &nwhite, &white));
    ck_assert(nwhite == 2 && white[1] == 1);
    both[0] = rbf;
    composite(ctx, kernel_type("sum"), 2, both, &inner);
    parts[1] = inner;
    composite(ctx, kernel_type("sum"), 2, parts, &outer);
    const struct kr_kernel *left = split(ctx, &outer, &nwhite, &white);
    ck_assert(nwhite == 1 && white[0] == 4 && left->nkernels == 2 && left->kernels[1]->nkernels == 1);
    ck_assert_str_eq(left->kernels[1]->kernels[0]->type->base.name, "rbf");
    composite(ctx, kernel_type("product"), 2, both, &inner);
    parts[1] = inner;
    composite(ctx, kernel_type("sum"), 2, parts, &outer);
    split(ctx, &outer, &nwhite, &white);
    ck_assert_int_eq(ctx->error.status, KR_INVALID);
    ck_assert_str_eq(ctx->error.pointer, "/k/kernels/1");
    kr_ctx_fini(ctx);
}
END_TEST

SUITE("split", white_noise_is_taken_out_of_sums)
