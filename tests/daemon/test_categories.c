/* Texts of features through the service: data sets, jobs, models, predictions and imports, in JSON and CSV.
 */
#include "daemon_jobs.h"

enum { N = 30 };
static const char *const colours[] = {"red", "blue", "green"};

static double target_of(int i)
{
    return 0.1 * i + 2.0 * (i % 3) + 0.05 * ((i * 7) % 5);
}

static const char *as_csv(void)
{
    char *csv = text("size,colour,y\n");
    for (int i = 0; i < N; i++)
        csv = text("%s%d,%s,%.17g\n", csv, i, colours[i % 3], target_of(i));
    return csv;
}

static json_t *as_json(void)
{
    json_t *x = json_array(), *y = json_array();
    for (int i = 0; i < N; i++) {
        json_array_append_new(x, json_pack("[i, s]", i, colours[i % 3]));
        json_array_append_new(y, json_real(target_of(i)));
    }
    json_t *data = json_of("{'feature_names': ['size', 'colour']}");
    json_object_set_new(data, "x", x);
    json_object_set_new(data, "y", y);
    return data;
}

#define MODEL                                                                                                \
    "{'kernel': {'type': 'product', 'kernels': [{'type': 'rbf', 'features': ['size']}, {'type': 'hamming', " \
    "'features': ['colour']}]}}"

static json_t *job(const char *dataset, const char *model)
{
    return json_of(
        "{'dataset': '%s', 'model': %s, 'objective': {'loss': 'nlpd', 'validation': {'type': 'kfold', "
        "'folds': 5}}, 'optimizer': {'type': 'lbfgs', 'max_evaluations': 5}}",
        dataset, model);
}

static struct answer predict_at(const char *id, const char *points)
{
    return send_json("POST", text("/v1/models/%s/predict", id), json_of("{'x': %s}", points));
}

static struct answer in_csv(const char *id, const char *body)
{
    return send_text("POST", text("/v1/models/%s/predict?variance=false", id), "text/csv", body);
}

START_TEST(data_sets_list_their_categories)
{
    struct answer csv = send_text("PUT", "/v1/datasets/csv", "text/csv", as_csv()),
                  json = send_json("PUT", "/v1/datasets/json", as_json());
    ck_status(csv, 201);
    ck_status(json, 201);
    for (int form = 0; form < 2; form++) {
        json_t *view = get(form ? "/v1/datasets/json" : "/v1/datasets/csv").json;
        ck_assert_int_eq((int)count_at(view, "/columns/1/categories"), 3);
        ck_assert_str_eq(text_at(view, "/columns/1/categories/0"), "blue");
        ck_assert_str_eq(text_at(view, "/columns/1/categories/2"), "red");
        ck_assert_ptr_null(json_object_get(at(view, "/columns/0"), "categories"));
    }
    is_problem(send_text("PUT", "/v1/datasets/mixed", "text/csv", "a,y\nred,1\n2,3\n"), 422, "invalid", NULL,
               "a number");
    is_problem(send_json("PUT", "/v1/datasets/mixed", json_of("{'x': [['red'], [2]], 'y': [1, 2]}")), 422,
               "invalid", "/x/1/0", "a number");
    is_problem(send_json("PUT", "/v1/datasets/mixed", json_of("{'x': [[2], ['red']], 'y': [1, 2]}")), 422,
               "invalid", "/x/1/0", "a text");
}
END_TEST

START_TEST(models_predict_by_them)
{
    ck_status(send_text("PUT", "/v1/datasets/table", "text/csv", as_csv()), 201);
    const char *id = submit(job("table", MODEL));
    succeeded(id);
    json_t *model = get(text("/v1/models/%s?weights=true", id)).json;
    ck_assert_str_eq(text_at(model, "/dataset/categories/0/feature"), "colour");
    ck_assert_str_eq(text_at(model, "/dataset/categories/0/categories/1"), "green");
    ck_assert(number_at(model, "/standardization/x_mean/1") == 0 &&
              number_at(model, "/standardization/x_sd/1") == 1);
    struct answer red = predict_at(id, "[[12.5, 'red'], [12.5, 'green']]");
    ck_status(red, 200);
    ck_assert_double_eq_tol(number_at(red.json, "/mean/0"), 1.25, 0.7);
    ck_assert_double_eq_tol(number_at(red.json, "/mean/1"), 5.25, 0.7);
    struct answer csv = in_csv(id, "colour,size\nred,12.5\ngreen,12.5\n");
    ck_status(csv, 200);
    double means[2];
    ck_assert_int_eq(sscanf(csv.body, "mean %lf %lf", &means[0], &means[1]), 2);
    ck_assert(means[0] == number_at(red.json, "/mean/0") && means[1] == number_at(red.json, "/mean/1"));
    is_problem(predict_at(id, "[[12.5, 'red'], [1, 'grey']]"), 422, "invalid", "/x/1/1",
               "an unknown category");
    is_problem(predict_at(id, "[[12.5, 2]]"), 422, "invalid", "/x/0/1", "a code");
    is_problem(predict_at(id, "[['red', 'red']]"), 422, "invalid", "/x/0/0", "a text among numbers");
    is_problem(predict_at(id, "[[1, true]]"), 422, "invalid", "/x/0/1", "neither");
    is_problem(in_csv(id, "colour,size\nred,1\nred,2\ngrey,3\n"), 422, "invalid", "/x/2/1",
               "an unknown one in CSV");
    /* elsewhere the same bits */
    ck_status(send_json("PUT", "/v1/models/copy", model), 201);
    ck_assert_str_eq(predict_at("copy", "[[12.5, 'red'], [12.5, 'green']]").body, red.body);
    is_problem(send_json("PUT", "/v1/models/bad", with(model, "/weights/x/3/1", "7")), 422, "invalid",
               "/weights/x/3/1", "a code that is none");
    is_problem(send_json("PUT", "/v1/models/bad",
                         with(model, "/dataset/categories/0/categories", "['b', 'a', 'c']")),
               422, "invalid", "/dataset/categories/0/categories/1", "another order");
    is_problem(send_json("PUT", "/v1/models/bad", with(model, "/dataset/categories/0/feature", "'shape'")),
               422, "invalid", "/dataset/categories/0/feature", "no feature");
    is_problem(send_json("PUT", "/v1/models/bad", with(model, "/standardization/x_sd/1", "2")), 422,
               "invalid", "/standardization/x_sd/1", "scaled codes");
}
END_TEST

START_TEST(other_kernels_are_refused)
{
    ck_status(send_text("PUT", "/v1/datasets/table-2", "text/csv", as_csv()), 201);
    is_problem(send_json("POST", JOBS, job("table-2", "{'kernel': {'type': 'matern52'}}")), 422, "invalid",
               "/model/kernel", "a kernel of distances");
    json_t *request = json_of("{'model': {'kernel': {'type': 'rbf'}}, 'objective': {'loss': 'evidence'}}");
    json_object_set(request, "data", as_json());
    is_problem(send_json("POST", "/v1/gradients", request), 422, "invalid", "/model/kernel", "inline");
    json_object_set(request, "model", json_of(MODEL));
    ck_status(send_json("POST", "/v1/gradients", request), 200);
}
END_TEST

DAEMON_SUITE("categories", data_sets_list_their_categories, models_predict_by_them, other_kernels_are_refused)
