/* Predictions in CSV: in and out, by Content-Type and Accept. */
#include "daemon_jobs.h"

static const char *tuned(void)
{
    store("waves", 60, 2);
    const char *id = submit(job_on("waves"));
    succeeded(id);
    return id;
}

#define POINTS "x1,x2\n0.1,0.2\n0.5,0.5\n0.9,0.125\n"

static struct answer predict(const char *name, const char *query, const char *type, const char *accept,
                             const char *body)
{
    return ask("POST", text("/v1/models/%s/predict%s", name, query), body, strlen(body),
               HEADERS(text("Content-Type: %s", type), accept));
}

static struct answer in_csv(const char *name, const char *query, const char *body)
{
    return predict(name, query, "text/csv", "Accept: */*", body);
}

static json_t *in_json(const char *name, const char *options)
{
    struct answer answer = send_json("POST", text("/v1/models/%s/predict", name),
                                     json_of("{'x': [[0.1, 0.2], [0.5, 0.5], [0.9, 0.125]]%s}", options));
    ck_status(answer, 200);
    return answer.json;
}

/* The number in line `row` (0: below the header) and column `column`, as the bits that it reads back to. */
static double cell(const char *csv, int row, int column)
{
    for (int i = 0; i <= row; i++)
        csv = strchr(csv, '\n') + 1;
    for (int i = 0; i < column; i++)
        csv = strchr(csv, ',') + 1;
    return strtod(csv, NULL);
}

static const char *header(const struct answer *answer)
{
    return text("%.*s", (int)strcspn(answer->body, "\n"), answer->body);
}

START_TEST(csv_in_and_out)
{
    const char *id = tuned();
    struct answer csv = in_csv(id, "", POINTS);
    ck_status(csv, 200);
    ck_assert_str_eq(header_of(&csv, "Content-Type"), "text/csv");
    ck_assert_str_eq(header(&csv), "mean,variance");
    json_t *json = in_json(id, "");
    for (int i = 0; i < 3; i++) {
        ck_assert_double_eq(cell(csv.body, i, 0), number_at(json, text("/mean/%d", i)));
        ck_assert_double_eq(cell(csv.body, i, 1), number_at(json, text("/variance/%d", i)));
    }
    struct answer bare = in_csv(id, "?missing=reject", "0.1,0.2\n0.5,0.5\n0.9,0.125\n"),
                  named = in_csv(id, "", "x2,more,x1\n0.2,7,0.1\n0.5,7,0.5\n0.125,7,0.9\n"),
                  dropped = in_csv(id, "?missing=drop", "x1,x2\n0.1,0.2\n,1\n0.5,0.5\n0.9,0.125\n");
    ck_assert_str_eq(bare.body, csv.body);
    ck_assert_str_eq(named.body, csv.body);
    ck_assert_str_eq(dropped.body, csv.body);
}
END_TEST

START_TEST(all_that_can_be_asked)
{
    const char *id = tuned();
    struct answer csv = in_csv(id,
                               "?quantiles=0.05,0.95&covariance=true&samples=2&seed=3&gradient=true&"
                               "observation_noise=false&variance=false",
                               POINTS);
    json_t *json = in_json(id, ", 'quantiles': [0.05, 0.95], 'covariance': true, 'samples': {'count': 2, "
                               "'seed': 3}, 'gradient': true, 'observation_noise': false");
    ck_status(csv, 200);
    ck_assert_str_eq(header(&csv),
                     "mean,q0.05,q0.95,covariance_1,covariance_2,covariance_3,sample_1,sample_2,"
                     "gradient_x1,gradient_x2");
    ck_assert_str_eq(header_of(&csv, "X-Samples-Method"), "exact");
    ck_assert_str_eq(header_of(&csv, "X-Samples-Jitter"), "0");
    for (int i = 0; i < 3; i++) {
        ck_assert_double_eq(cell(csv.body, i, 0), number_at(json, text("/mean/%d", i)));
        ck_assert_double_eq(cell(csv.body, i, 2), number_at(json, text("/quantiles/%d/1", i)));
        ck_assert_double_eq(cell(csv.body, i, 5), number_at(json, text("/covariance/%d/2", i)));
        ck_assert_double_eq(cell(csv.body, i, 7), number_at(json, text("/samples/1/%d", i)));
        ck_assert_double_eq(cell(csv.body, i, 8), number_at(json, text("/gradient/%d/0", i)));
    }
}
END_TEST

/* At rows without noise, half of the variances are rounded below it. */
START_TEST(what_has_no_column_is_in_the_header)
{
    json_t *rows = wave(60, 2, 31), *row;
    char *points = text("x1,x2\n");
    size_t i;
    store("waves", 60, 2);
    const char *id = submit(with(job_on("waves"), "/model",
                                 "{'kernel': {'type': 'matern12'}, 'noise': {'variance': {'value': 0, "
                                 "'fixed': true}}}"));
    succeeded(id);
    json_array_foreach(at(rows, "/x"), i, row) points =
        text("%s%.17g,%.17g\n", points, number_at(row, "/0"), number_at(row, "/1"));
    struct answer csv = in_csv(id, "?samples=1", points),
                  json = predict(id, "?samples=1", "text/csv", "Accept: application/json", points);
    const char *clamped = header_of(&csv, "X-Clamped-Variances"),
               *jitter = header_of(&csv, "X-Samples-Jitter");
    ck_status(csv, 200);
    ck_assert_ptr_nonnull(clamped);
    ck_assert_int_ge(atoi(clamped), 1);
    ck_assert_int_eq(atoi(clamped), (int)number_at(json.json, "/clamped_variances"));
    ck_assert_double_eq_tol(strtod(jitter, NULL), number_at(json.json, "/samples_jitter"),
                            1e-2 * strtod(jitter, NULL));
    ck_assert_ptr_null(header_of(&json, "X-Clamped-Variances"));
}
END_TEST

START_TEST(the_reply_is_as_accepted)
{
    const char *id = tuned(), *points = "{\"x\": [[0.1, 0.2]], \"variance\": false}";
    struct answer a = predict(id, "", "application/json", "Accept: text/csv", points),
                  b = predict(id, "?variance=false", "text/csv", "Accept: application/json", "0.1,0.2\n"),
                  c = predict(id, "?variance=false", "text/csv", "Accept: text/csv;q=0.5, application/json",
                              "0.1,0.2\n"),
                  d = predict(id, "", "application/json", "Accept: text/*, application/json;q=0.2", points);
    ck_assert_str_eq(header_of(&a, "Content-Type"), "text/csv");
    ck_assert_str_eq(header_of(&b, "Content-Type"), "application/json");
    ck_assert_str_eq(b.body, c.body);
    ck_assert_str_eq(a.body, d.body);
    ck_assert_str_eq(header(&a), "mean");
    MEMBERS(b.json, "mean");
    ck_assert_double_eq(cell(a.body, 0, 0), number_at(b.json, "/mean/0"));
    is_problem(predict(id, "", "text/csv", "Accept: text/html", "0.1,0.2\n"), 406, "not-acceptable", NULL,
               "HTML");
}
END_TEST

START_TEST(refused)
{
    static const struct {
        const char *query, *body;
        int status;
        const char *slug, *pointer, *says;
    } rows[] = {
        {"", "x1,z\n1,2\n", 422, "invalid", NULL, "x2"},
        {"", "1,2,3\n", 422, "invalid", NULL, "3 columns"},
        {"", "x1,x2\n1,2\n1,two\n", 400, "malformed", NULL, "line 3, column 2"},
        {"", "x1,x2\n1,two\n", 422, "invalid", "/x/0/1", "\"x2\" has no categories"},
        {"", "x1,x2\n1,\n", 422, "invalid", NULL, "line 2, column 2"},
        {"", "", 422, "invalid", NULL, "empty"},
        {"?quantiles=0.5,1", "1,2\n", 422, "invalid", "/quantiles/1", ""},
        {"?quantiles=half", "1,2\n", 422, "invalid", "/quantiles/0", ""},
        {"?variance=1", "1,2\n", 422, "invalid", "/variance", ""},
        {"?samples=0", "1,2\n", 422, "invalid", "/samples/count", ""},
        {"?samples=1&samples_method=quick", "1,2\n", 422, "invalid", "/samples/method", ""},
        {"?seed=1", "1,2\n", 422, "invalid", "/samples/count", ""},
        {"?missing=fill", "1,2\n", 422, "invalid", "/missing", ""},
        {"?colour=1", "1,2\n", 422, "invalid", "/colour", ""},
    };
    const char *id = tuned();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct answer answer = in_csv(id, rows[i].query, rows[i].body);
        is_problem(answer, rows[i].status, rows[i].slug, rows[i].pointer, rows[i].body);
        ck_assert_msg(strstr(text_at(answer.json, "/detail"), rows[i].says) != NULL, "%s is not in %s",
                      rows[i].says, answer.body);
    }
    is_problem(predict(id, "?variance=false", "application/json", "Accept: */*", "{\"x\": [[1, 2]]}"), 422,
               "invalid", "/variance", "a query beside JSON");
    is_problem(in_csv("unknown", "", "1,2\n"), 404, "not-found", NULL, "an unknown model");
}
END_TEST

DAEMON_SUITE("predict csv", csv_in_and_out, all_that_can_be_asked, what_has_no_column_is_in_the_header,
             the_reply_is_as_accepted, refused)
