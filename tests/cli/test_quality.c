/* The comparison of tests/quality, which users and `make bench-quality` run: its own checks, and one small
 * case. */
#include "command.h"

static bool has_python(void)
{
    if (system("python3 -c '' >/dev/null 2>&1") == 0)
        return true;
    fprintf(stderr, "python3 is not installed: tests/quality is not run\n");
    return false;
}

/* What a shell command says; it must succeed. */
static const char *said_by(const char *command)
{
    static char said[1 << 16];
    FILE *out = popen(command, "r");
    ck_assert_ptr_nonnull(out);
    said[fread(said, 1, sizeof said - 1, out)] = 0;
    const int status = pclose(out);
    ck_assert_msg(status == 0, "%s: status %d: %s", command, status, said);
    return said;
}

START_TEST(its_own_checks_pass)
{
    if (has_python())
        ck_assert_ptr_nonnull(strstr(said_by("python3 tests/quality/selftest.py 2>&1"), "right"));
}
END_TEST

/* 50 rows, 342 unseen ones: what kriged says of them is scored, kept and put into a table. */
START_TEST(a_small_case)
{
    char command[512];
    if (!has_python())
        return;
    snprintf(
        command, sizeof command,
        "python3 tests/quality/quality.py --splits 2 --sets autompg-50 --methods evidence robust --results "
        "%s 2>/dev/null",
        file("quality.json", NULL));
    const char *said = said_by(command);
    ck_assert_ptr_nonnull(strstr(said, "| autompg-50, n = 50, d = 7 | evidence |"));
    ck_assert_ptr_nonnull(strstr(said, "|  | robust |"));
    json_t *results = json_load_file(file("quality.json", NULL), 0, NULL);
    const json_t *fits = json_object_get(json_object_get(results, "autompg-50"), "evidence");
    ck_assert_uint_eq(json_object_size(fits), 2);
    const json_t *fit = json_object_get(fits, "1");
    /* miles per gallon, of a standard deviation of 7.8 */
    ck_assert_double_lt(json_number_value(json_object_get(fit, "rmse")), 5);
    ck_assert_double_gt(json_number_value(json_object_get(fit, "rmse")), 1);
    ck_assert_double_gt(json_number_value(json_object_get(fit, "coverage")), 0.5);
    json_decref(results);
}
END_TEST

Suite *suite(void)
{
    Suite *made = suite_create("quality");
    TCase *tcase = tcase_create("quality");
    tcase_add_checked_fixture(tcase, open_directory, remove_directory);
    tcase_add_test(tcase, its_own_checks_pass);
    tcase_add_test(tcase, a_small_case);
    suite_add_tcase(made, tcase);
    return made;
}
