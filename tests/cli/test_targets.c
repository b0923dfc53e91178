/* Several target columns on the command line. */
#include "command.h"

#define TABLE                                                                                                \
    "a,b,u,w\n1,2,3,30\n2,1,4,10\n3,5,9,80\n4,4,8,77\n5,9,14,160\n6,7,12,130\n7,8,16,150\n8,2,9,20\n"        \
    "9,6,14,110\n10,3,13,50\n"
#define TUNED                                                                                                \
    "{'model': {'kernel': {'type': 'rbf'}, 'mean': {'type': 'constant'}}, 'recipe': 'evidence', "            \
    "'optimizer': {'type': 'lbfgs', 'max_evaluations': 8}}"

/* The first line of an output. */
static void ck_begins(struct said said, const char *line)
{
    const size_t length = strlen(line);
    ck_assert_msg(strncmp(said.text, line, length) == 0 && said.text[length] == '\n', "%.200s", said.text);
}

START_TEST(columns_are_chosen_by_name_or_index)
{
    const char *data = file("table.csv", TABLE), *model = file("model.json", NULL);
    struct command c =
        RUN("tune", file("request.json", TUNED), "--data", data, "--target", "w,2", "--model", model);
    ck_exits(c, 0);
    forget(&c);
    c = RUN("predict", model, "--data", data, "--csv", "--quantiles", "0.5");
    ck_exits(c, 0);
    ck_begins(c.on_out, "mean_w,mean_u,variance_w,variance_u,q0.5_w,q0.5_u");
    const double both = strtod(strchr(c.on_out.text, '\n') + 1, NULL);
    forget(&c);
    c = RUN("predict", model, "--data", data, "--csv", "--target", "w", "--gradient");
    ck_exits(c, 0);
    ck_begins(c.on_out, "mean,variance,gradient_a,gradient_b");
    ck_assert_double_eq_tol(strtod(strchr(c.on_out.text, '\n') + 1, NULL), both, 1e-9 * both);
    forget(&c);
    c = RUN("predict", model, "--data", data, "--gradient");
    ck_exits(c, 1);
    ck_says(c.on_err, "/gradient");
    forget(&c);
    c = RUN("gradient", file("request.json", TUNED), "--data", data, "--target", "u,v");
    ck_exits(c, 1);
    ck_says(c.on_err, "the header has no column \"v\"");
    forget(&c);
}
END_TEST

Suite *suite(void)
{
    Suite *made = suite_create("targets");
    TCase *tcase = tcase_create("targets");
    tcase_add_checked_fixture(tcase, open_directory, remove_directory);
    tcase_add_test(tcase, columns_are_chosen_by_name_or_index);
    suite_add_tcase(made, tcase);
    return made;
}
