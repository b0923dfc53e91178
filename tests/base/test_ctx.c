#include "kriged/base.h"

#include "suite.h"

#include <string.h>

START_TEST(the_first_failure_wins)
{
    struct kr_ctx ctx;
    kr_ctx_init(&ctx, 0);
    ck_assert_int_eq(kr_fail(&ctx, KR_INVALID, "/solver/rtol", "must be in (0, 1), got %g", 2.0), KR_INVALID);
    ck_assert_int_eq(kr_fail(&ctx, KR_INTERNAL, "/other", "later"), KR_INVALID);
    ck_assert_str_eq(ctx.error.pointer, "/solver/rtol");
    ck_assert_str_eq(ctx.error.detail, "must be in (0, 1), got 2");
    kr_ctx_clear_error(&ctx);
    ck_assert_int_eq(ctx.error.status, KR_OK);
    ck_assert_int_eq(kr_fail(&ctx, KR_STORAGE, NULL, "now"), KR_STORAGE);
    ck_assert_str_eq(ctx.error.pointer, "");
    kr_ctx_fini(&ctx);
}
END_TEST

START_TEST(long_details_are_cut)
{
    struct kr_ctx ctx;
    kr_ctx_init(&ctx, 0);
    ck_assert_int_eq(kr_fail(&ctx, KR_INVALID, "", "%2000d", 1), KR_INVALID);
    ck_assert_uint_eq(strlen(ctx.error.detail), sizeof ctx.error.detail - 1);
    kr_ctx_fini(&ctx);
}
END_TEST

START_TEST(memory_is_zeroed_and_aligned)
{
    struct kr_ctx ctx;
    kr_ctx_init(&ctx, 0);
    struct kr_mark start = kr_mark(&ctx);
    for (int round = 0; round < 2; round++) { /* the second round sees used memory */
        for (size_t bytes = 1; bytes < 200000; bytes = bytes * 3 + 1) {
            unsigned char *memory = kr_alloc(&ctx, bytes, 1);
            ck_assert_ptr_nonnull(memory);
            ck_assert_uint_eq((uintptr_t)memory % 64, 0);
            for (size_t i = 0; i < bytes; i++)
                ck_assert_uint_eq(memory[i], 0);
            memset(memory, 255, bytes);
        }
        kr_release(&ctx, start);
        ck_assert_uint_eq(ctx.used, 0);
    }
    ck_assert_ptr_nonnull(kr_alloc(&ctx, 0, 8));
    kr_ctx_fini(&ctx);
}
END_TEST

START_TEST(a_release_keeps_what_came_before)
{
    struct kr_ctx ctx;
    kr_ctx_init(&ctx, 0);
    char *kept = kr_strdup(&ctx, "kept");
    struct kr_mark mark = kr_mark(&ctx);
    size_t used = ctx.used;
    for (int i = 0; i < 10; i++)
        ck_assert_ptr_nonnull(kr_alloc(&ctx, 100000, 8));
    ck_assert_uint_ge(ctx.peak, 8000000);
    kr_release(&ctx, mark);
    ck_assert_uint_eq(ctx.used, used);
    ck_assert_str_eq(kept, "kept");
    ck_assert_str_eq(kr_printf(&ctx, "%d and %s", 7, kept), "7 and kept");
    kr_ctx_fini(&ctx);
}
END_TEST

START_TEST(the_budget_holds)
{
    struct kr_ctx ctx;
    kr_ctx_init(&ctx, 1 << 20);
    ck_assert_ptr_nonnull(kr_alloc(&ctx, 1 << 19, 1));
    ck_assert_ptr_null(kr_alloc(&ctx, (1 << 19) + 1, 1));
    ck_assert_int_eq(ctx.error.status, KR_MEMORY_LIMIT);
    ck_assert_ptr_nonnull(strstr(ctx.error.detail, "1048576"));
    kr_ctx_clear_error(&ctx);
    ck_assert_ptr_nonnull(kr_alloc(&ctx, 1 << 19, 1));
    ck_assert_uint_le(ctx.used, 1 << 20);
    kr_ctx_fini(&ctx);
}
END_TEST

START_TEST(sizes_do_not_overflow)
{
    struct kr_ctx ctx;
    kr_ctx_init(&ctx, 0);
    ck_assert_ptr_null(kr_alloc(&ctx, SIZE_MAX / 4, 8));
    ck_assert_int_eq(ctx.error.status, KR_MEMORY_LIMIT);
    kr_ctx_clear_error(&ctx);
    ck_assert_ptr_null(kr_alloc(&ctx, SIZE_MAX, 1));
    ck_assert_int_eq(ctx.error.status, KR_MEMORY_LIMIT);
    kr_ctx_fini(&ctx);
}
END_TEST

START_TEST(cancel_and_deadline_are_polled)
{
    struct kr_ctx ctx;
    kr_ctx_init(&ctx, 0);
    ck_assert_int_eq(kr_poll(&ctx), KR_OK);
    ck_assert(!kr_due(&ctx));
    ctx.deadline = kr_seconds() + 3600;
    ck_assert_int_eq(kr_poll(&ctx), KR_OK);
    ctx.deadline = kr_seconds() - 1;
    ck_assert(kr_due(&ctx));
    ck_assert_int_eq(kr_poll(&ctx), KR_TIME_LIMIT);
    kr_ctx_clear_error(&ctx);
    ctx.deadline = 0;
    kr_cancel(&ctx);
    ck_assert(kr_due(&ctx));
    ck_assert_int_eq(kr_poll(&ctx), KR_CANCELLED);
    /* what is done within it ends with it */
    struct kr_ctx inner;
    kr_ctx_init(&inner, 0);
    ck_assert_int_eq(kr_poll(&inner), KR_OK);
    inner.within = &ctx;
    ck_assert(kr_due(&inner));
    ck_assert_int_eq(kr_poll(&inner), KR_CANCELLED);
    kr_ctx_clear_error(&inner);
    ctx.cancelled = 0;
    ck_assert_int_eq(kr_poll(&inner), KR_OK);
    ctx.deadline = kr_seconds() - 1;
    ck_assert_int_eq(kr_poll(&inner), KR_TIME_LIMIT);
    kr_ctx_fini(&inner);
    kr_ctx_fini(&ctx);
}
END_TEST

START_TEST(there_is_a_core)
{
    ck_assert_int_ge(kr_cores(), 1);
    double before = kr_seconds();
    ck_assert(kr_seconds() >= before);
}
END_TEST

SUITE("ctx", the_first_failure_wins, long_details_are_cut, memory_is_zeroed_and_aligned,
      a_release_keeps_what_came_before, the_budget_holds, sizes_do_not_overflow,
      cancel_and_deadline_are_polled, there_is_a_core)
