#include "kriged/base.h"

#include "suite.h"

#include <string.h>

START_TEST(every_status_has_its_own_slug)
{
    for (int i = 0; i < KR_STATUS_COUNT; i++) {
        const char *slug = kr_status_slug((kr_status)i);
        ck_assert_int_eq(kr_status_from_slug(slug), i);
        ck_assert_uint_gt(strlen(kr_status_title((kr_status)i)), 0);
        ck_assert_uint_eq(strspn(slug, "abcdefghijklmnopqrstuvwxyz-"), strlen(slug));
    }
}
END_TEST

START_TEST(only_ok_is_no_error)
{
    ck_assert_int_eq(kr_status_http(KR_OK), 200);
    for (int i = 1; i < KR_STATUS_COUNT; i++)
        ck_assert_int_ge(kr_status_http((kr_status)i), 400);
}
END_TEST

START_TEST(the_unknown_is_internal)
{
    ck_assert_int_eq(kr_status_from_slug("no-such-slug"), KR_INTERNAL);
    ck_assert_int_eq(kr_status_http((kr_status)999), 500);
}
END_TEST

SUITE("status", every_status_has_its_own_slug, only_ok_is_no_error, the_unknown_is_internal)
