/*
 * A test program is one file tests/<layer>/test_<file>.c that defines suite(); tests/main.c runs it.
 * CK_FORK=no keeps all tests in one process, for debuggers.
 */
#ifndef KRIGED_TESTS_SUITE_H
#define KRIGED_TESTS_SUITE_H

#include <check.h>

Suite *suite(void);

/* A suite of one case: the tests, in order. */
static inline Suite *suite_of(const char *name, const TTest *const *tests, int count)
{
    Suite *made = suite_create(name);
    TCase *tcase = tcase_create(name);
    for (int i = 0; i < count; i++)
        tcase_add_test(tcase, tests[i]);
    suite_add_tcase(made, tcase);
    return made;
}

/* Defines suite() from the names of tests. */
#define SUITE(name, ...)                                                                                     \
    Suite *suite(void)                                                                                       \
    {                                                                                                        \
        const TTest *const tests[] = {__VA_ARGS__};                                                          \
        return suite_of(name, tests, (int)(sizeof tests / sizeof tests[0]));                                 \
    }

/* The same with setup() and teardown() of the file around each test, and so many seconds for it. */
#define FIXTURE_SUITE(name, seconds, ...)                                                                    \
    Suite *suite(void)                                                                                       \
    {                                                                                                        \
        const TTest *const tests[] = {__VA_ARGS__};                                                          \
        Suite *made = suite_create(name);                                                                    \
        TCase *tcase = tcase_create(name);                                                                   \
        tcase_set_timeout(tcase, seconds);                                                                   \
        tcase_add_checked_fixture(tcase, setup, teardown);                                                   \
        for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)                                            \
            tcase_add_test(tcase, tests[i]);                                                                 \
        suite_add_tcase(made, tcase);                                                                        \
        return made;                                                                                         \
    }

#endif
