#include "kriged/data.h"

#include "suite.h"

#include <string.h>

static const char *const names[] = {"age", "2", "height"};

static kr_status find(struct kr_ctx *ctx, struct kr_feature feature, size_t *out)
{
    return kr_feature_index(ctx, 3, names, &feature, "/model/kernel/features/0", out);
}

START_TEST(by_name_or_index)
{
    struct kr_ctx ctx;
    size_t index;
    kr_ctx_init(&ctx, 0);
    ck_assert_int_eq(find(&ctx, (struct kr_feature){.name = "height"}, &index), KR_OK);
    ck_assert_uint_eq(index, 2);
    ck_assert_int_eq(find(&ctx, (struct kr_feature){.name = "2"}, &index), KR_OK);
    ck_assert_uint_eq(index, 1);
    ck_assert_int_eq(find(&ctx, (struct kr_feature){.index = 2}, &index), KR_OK);
    ck_assert_uint_eq(index, 2);
    kr_ctx_fini(&ctx);
}
END_TEST

START_TEST(unknown_features_have_a_pointer)
{
    struct kr_ctx ctx;
    size_t index;
    kr_ctx_init(&ctx, 0);
    ck_assert_int_eq(find(&ctx, (struct kr_feature){.name = "size"}, &index), KR_INVALID);
    ck_assert_str_eq(ctx.error.pointer, "/model/kernel/features/0");
    ck_assert_ptr_nonnull(strstr(ctx.error.detail, "\"size\""));
    kr_ctx_clear_error(&ctx);
    ck_assert_int_eq(find(&ctx, (struct kr_feature){.index = 3}, &index), KR_INVALID);
    ck_assert_ptr_nonnull(strstr(ctx.error.detail, "index from 0 to 2"));
    kr_ctx_fini(&ctx);
}
END_TEST

SUITE("features", by_name_or_index, unknown_features_have_a_pointer)
