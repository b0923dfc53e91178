/* What is said before a run begins, and when it is not. */
#include "runs.h"

static struct kr_ctx arena, *ctx = &arena; /* of the data */

/* The first `repeats` rows come again at the end. */
static struct kr_dataset some_data(size_t n, size_t repeats)
{
    static bool open;
    if (open)
        kr_ctx_fini(ctx);
    open = true;
    kr_ctx_init(ctx, 0);
    struct kr_dataset data = small_data(ctx, n, false, 3);
    double *x = kr_alloc(ctx, n * data.d, sizeof *x);
    memcpy(x, data.x, n * data.d * sizeof *x);
    for (size_t k = 0; k < data.d; k++)
        for (size_t i = 0; i < repeats; i++)
            x[k * n + n - 1 - i] = x[k * n + i];
    data.x = x;
    return data;
}

#define ASKING(objective, more)                                                                              \
    "{\"dataset\": \"d\", \"model\": " PLAIN ", \"objective\": {" objective                                  \
    "}, \"optimizer\": {\"type\": \"lbfgs\", \"max_evaluations\": 1}" more "}"
#define HELD_OUT  ", \"validation\": {\"type\": \"fraction\", \"fraction\": 0.4}"
#define FIVE      ", \"validation\": {\"type\": \"kfold\"}"
#define EACH      ", \"validation\": {\"type\": \"leave_one_out\"}"
#define TESTED    ", \"test\": {\"rows\": [2]}"
#define CALIBRATE ", \"calibrate\": \"leave_one_out\""

/* The warnings of a run, in their order, "code code". */
static const char *codes(const char *request, const struct kr_dataset *data)
{
    static char text[512];
    struct run_seen *run = tuned(request, data);
    text[0] = 0;
    for (size_t i = 0; i < run->nwarnings; i++)
        if (strcmp(run->warnings[i].code, "at-bound") != 0)
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", text[0] ? " " : "",
                     run->warnings[i].code);
    forget(run);
    return text;
}

START_TEST(each_is_said_where_it_holds)
{
    static const struct {
        const char *request, *codes;
        size_t repeats;
    } rows[] = {
        {ASKING("\"loss\": \"nlpd\"" HELD_OUT, TESTED), "small-hold-out", 0},
        {ASKING("\"loss\": \"nlpd\"" HELD_OUT, ""), "small-hold-out no-test-rows", 0},
        {ASKING("\"loss\": \"nlpd\"" FIVE, TESTED), "", 5},
        {ASKING("\"loss\": \"mse\"" FIVE, TESTED), "noise-undetermined", 0},
        {ASKING("\"loss\": \"mae\"" EACH, TESTED), "noise-undetermined", 0},
        {ASKING("\"loss\": \"crps\"" EACH, TESTED), "", 0},
        {ASKING("\"loss\": \"crps\"" EACH, TESTED), "repeated-inputs", 5},
        {ASKING("\"loss\": \"mse\"" FIVE CALIBRATE, TESTED), "small-calibration", 0},
        {ASKING("\"loss\": \"nlpd\"" FIVE CALIBRATE, TESTED), "repeated-inputs small-calibration", 5},
        {ASKING("\"loss\": \"evidence\"", TESTED), "", 5},
        {ASKING("\"loss\": \"evidence\"", ""), "no-test-rows", 0},
        {ASKING("\"loss\": \"evidence\"" HELD_OUT, TESTED), "", 0},
        {ASKING("\"loss\": \"evidence\"" EACH, TESTED), "", 5},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct kr_dataset data = some_data(60, rows[i].repeats);
        const char *got = codes(rows[i].request, &data);
        ck_assert_msg(strcmp(got, rows[i].codes) == 0, "row %zu: \"%s\", wanted \"%s\"", i, got,
                      rows[i].codes);
        kr_ctx_fini(ctx);
    }
}
END_TEST

START_TEST(a_level_that_something_holds_is_not_undetermined)
{
    static const char *const requests[] = {
        /* noise fixed, a variance fixed, a constraint that sees the variance */
        "{\"dataset\": \"d\", \"model\": {\"kernel\": {\"type\": \"rbf\"}, \"noise\": {\"variance\": "
        "{\"value\": 0.1, "
        "\"fixed\": true}}}, \"objective\": {\"loss\": \"mse\"" FIVE
        "}, \"optimizer\": {\"type\": \"lbfgs\", \"max_evaluations\": 1}}",
        "{\"dataset\": \"d\", \"model\": {\"kernel\": {\"type\": \"rbf\", \"variance\": {\"value\": 1, "
        "\"fixed\": true}}}, "
        "\"objective\": {\"loss\": \"mse\"" FIVE
        "}, \"optimizer\": {\"type\": \"lbfgs\", \"max_evaluations\": 1}}",
        "{\"dataset\": \"d\", \"model\": {\"kernel\": {\"type\": \"rbf\"}}, \"objective\": {\"loss\": "
        "\"mse\"" FIVE
        "}, \"optimizer\": {\"type\": \"adam\", \"max_evaluations\": 1}, \"constraints\": [{\"type\": "
        "\"calibration\"}]}"};
    struct kr_dataset data = some_data(60, 0);
    for (size_t i = 0; i < 3; i++)
        ck_assert_msg(strstr(codes(requests[i], &data), "noise-undetermined") == NULL, "request %zu", i);
}
END_TEST

START_TEST(a_large_hold_out_is_not_small)
{
    struct kr_dataset data = some_data(2000, 0);
    ck_assert_str_eq(
        codes(ASKING("\"loss\": \"nlpd\", \"validation\": {\"type\": \"fraction\", \"fraction\": "
                     "0.02}",
                     ""),
              &data),
        "no-test-rows"); /* which 2000 rows without any are told */
}
END_TEST

START_TEST(they_name_numbers_and_ways_out)
{
    struct kr_dataset data = some_data(60, 7);
    struct run_seen *run = tuned(ASKING("\"loss\": \"mse\"" EACH, ""), &data);
    ck_assert_ptr_nonnull(strstr(warned(run, "repeated-inputs")->detail, "7 of 60 rows"));
    ck_assert_ptr_nonnull(strstr(warned(run, "repeated-inputs")->detail, "kfold"));
    ck_assert_str_eq(warned(run, "noise-undetermined")->parameter, "noise.variance");
    ck_assert_ptr_nonnull(strstr(warned(run, "noise-undetermined")->detail, "calibrate"));
    ck_assert_ptr_nonnull(strstr(warned(run, "no-test-rows")->detail, "test"));
    forget(run);
}
END_TEST

SUITE("warnings", each_is_said_where_it_holds, a_level_that_something_holds_is_not_undetermined,
      a_large_hold_out_is_not_small, they_name_numbers_and_ways_out)
