/*
 * The way of a request through the daemon: a gradient (matern52 with ARD, nlpd, a fifth held out, cholesky)
 * over one connection that stays open, of stored data and of data in the request. Milliseconds at the median
 * and the 90th percentile beside the time in solves that the reply itself reports, and their share.
 */
#include "../daemon/daemon_fixture.h"

enum { FEATURES = 8 };

static double *sample(size_t n)
{
    double *values = calloc(n, sizeof *values);
    uint64_t state = 88172645463325252u;
    for (size_t i = 0; i < n; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        values[i] = (double)(state >> 11) / 9007199254740992.0 - 0.5;
    }
    return keep(values);
}

static json_t *data_of(size_t n)
{
    const double *u = sample(n * (FEATURES + 1));
    json_t *x = json_array(), *y = json_array();
    for (size_t i = 0; i < n; i++) {
        const double *p = u + i * (FEATURES + 1);
        json_t *row = json_array();
        for (size_t k = 0; k < FEATURES; k++)
            json_array_append_new(row, json_real(p[k]));
        json_array_append_new(x, row);
        json_array_append_new(y, json_real(sin(6 * p[0]) + p[1] * p[2] + 0.2 * p[FEATURES]));
    }
    return json_pack("{s:o, s:o}", "x", x, "y", y);
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(CURL *curl, size_t n, bool stored, int times)
{
    double *seconds = calloc((size_t)times, sizeof *seconds), *solves = calloc((size_t)times, sizeof *solves);
    json_t *request =
        json_of("{'model': {'kernel': {'type': 'matern52', 'ard': true}}, 'objective': {'loss': 'nlpd', "
                "'validation': {'type': 'fraction', 'fraction': 0.2}}, 'solver': {'type': 'cholesky'}}");
    json_t *data = keep_json(data_of(n));
    if (stored) {
        send_json("PUT", text("/v1/datasets/d%zu", n), data);
        json_object_set_new(request, "dataset", json_string(text("d%zu", n)));
    } else {
        json_object_set(request, "data", data);
    }
    char *body = dump(request);
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    headers = curl_slist_append(headers, "Expect:");
    curl_easy_setopt(curl, CURLOPT_URL, text("%s/v1/gradients", the_daemon.base));
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect);
    for (int i = -2; i < times; i++) { /* two to warm up */
        struct growing reply = {0};
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, &reply);
        const double start = now();
        ck_assert_int_eq(curl_easy_perform(curl), CURLE_OK);
        const double took = now() - start;
        json_t *json = json_loads(reply.bytes, 0, NULL);
        if (i >= 0) {
            seconds[i] = took;
            solves[i] = json_number_value(json_object_get(json_object_get(json, "solver"), "seconds"));
        }
        json_decref(json);
        free(reply.bytes);
    }
    curl_slist_free_all(headers);
    qsort(seconds, (size_t)times, sizeof *seconds, ascending);
    qsort(solves, (size_t)times, sizeof *solves, ascending);
    const double median = 1e3 * seconds[times / 2], solve = 1e3 * solves[times / 2];
    printf("%6zu  %-8s %8.1f KiB %10.2f %10.2f %10.2f %8.0f %%\n", n, stored ? "stored" : "inline",
           (double)strlen(body) / 1024, median, 1e3 * seconds[times * 9 / 10], solve, 100 * solve / median);
    free(seconds);
    free(solves);
}

START_TEST(gradients)
{
    start_daemon();
    CURL *curl = curl_easy_init();
    printf("\nA gradient over HTTP, milliseconds\n\n");
    printf("%6s  %-8s %12s %10s %10s %10s %10s\n", "rows", "data", "request", "median", "90 %", "solves",
           "share");
    measure(curl, 50, true, 200);
    measure(curl, 200, true, 200);
    measure(curl, 200, false, 100);
    measure(curl, 1000, true, 20);
    measure(curl, 5000, false, 5);
    curl_easy_cleanup(curl);
    stop_daemon();
}
END_TEST

/* The fixture of the tests asserts, and that is done inside a test. */
int main(void)
{
    Suite *suite = suite_create("http");
    TCase *tcase = tcase_create("http");
    SRunner *runner = srunner_create(suite);
    tcase_add_test(tcase, gradients);
    tcase_set_timeout(tcase, 0);
    suite_add_tcase(suite, tcase);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_MINIMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
