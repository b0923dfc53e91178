/* Gradients by the data, their check, and validation by another data set, from JSON to JSON. */
#include "fixture.h"

#define RAW "'standardize': {'x': false, 'y': false}"
#define RBF "{'kernel': {'type': 'rbf', 'lengthscale': 1.3}, " RAW "}"

/* Rows of the fixture's inputs in units of their columns, as inline data: those with i % 4 == 0 or the
 * others, or all. */
enum choice { ALL, FOURTH, OTHERS };
static json_t *rows(enum choice choice)
{
    json_t *x = json_array(), *y = json_array();
    for (size_t i = 0; i < ROWS; i++) {
        const double *from = source.data.x + i;
        if (choice != ALL && (i % 4 == 0) != (choice == FOURTH))
            continue;
        json_array_append_new(x, json_pack("[f, f, f]", from[0], from[ROWS] / 10, from[2 * ROWS] / 100));
        json_array_append_new(y, json_real(source.data.y[i] / 10));
    }
    return keep(json_pack("{s:o, s:o}", "x", x, "y", y));
}

static json_t *request(const char *model, const char *more)
{
    json_t *made =
        json_of("{'model': %s, 'objective': {'loss': 'nlpd', 'validation': {'type': 'rows', 'rows': "
                "[0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44]}}, 'solver': {'type': 'cholesky'}%s}",
                model, more);
    json_object_set(made, "data", rows(ALL));
    return made;
}

static kr_status try_gradient(json_t *asked, json_t **reply)
{
    *reply = NULL;
    const kr_status status = kr_engine_gradient(ctx, asked, NULL, reply);
    if (*reply)
        keep(*reply);
    return status;
}

static json_t *gradient(json_t *asked)
{
    json_t *reply;
    OK(try_gradient(asked, &reply));
    return reply;
}

/* With an approximation of the covariance. */
static json_t *few(const char *more)
{
    json_t *made = request("{'kernel': {'type': 'rbf'}, " RAW
                           ", 'approximation': {'type': 'fourier_features', 'count': 40}}",
                           more);
    json_object_set(made, "solver", json_of("{}"));
    return made;
}

#define EVERYTHING ", 'with_respect_to': ['parameters', 'x', 'y', 'noise_variance', 'x_validation']"

/* A copy with one number of the data moved. */
static double loss_with(json_t *asked, const char *member, size_t row, size_t column, double by)
{
    json_t *other = keep(json_deep_copy(asked)), *list = at(at(other, "data"), member);
    if (strcmp(member, "x") == 0) {
        list = json_array_get(list, row);
        row = column;
    }
    json_array_set_new(list, row, json_real(json_number_value(json_array_get(list, row)) + by));
    json_object_del(other, "with_respect_to");
    return number(gradient(other), "loss");
}

START_TEST(every_array_in_its_shape_and_place)
{
    json_t *asked = request(RBF, EVERYTHING);
    json_t *noise = json_array();
    for (size_t i = 0; i < ROWS; i++)
        json_array_append_new(noise, json_real(0.01 + 0.001 * (double)i));
    json_object_set_new(at(asked, "data"), "noise_variance", noise);
    json_t *reply = gradient(asked), *gradients = at(reply, "gradients");
    ck_assert_uint_eq(json_object_size(gradients), 4);
    ck_assert_uint_eq(json_array_size(at(gradients, "x")), ROWS);
    ck_assert_uint_eq(json_array_size(json_array_get(at(gradients, "x"), 0)), COLUMNS);
    ck_assert_uint_eq(json_array_size(at(gradients, "y")), ROWS);
    ck_assert_uint_eq(json_array_size(at(gradients, "noise_variance")), ROWS);
    ck_assert_uint_eq(json_array_size(at(gradients, "x_validation")), 12);
    for (size_t j = 0; j < 12; j++) /* held-out rows have no other share */
        assert_same_json(json_array_get(at(gradients, "x_validation"), j),
                         json_array_get(at(gradients, "x"), 4 * j));
    const double h = 1e-4;
    for (size_t i = 3; i < 9; i++) {
        const double by_x = (loss_with(asked, "x", i, 1, h) - loss_with(asked, "x", i, 1, -h)) / (2 * h),
                     by_y = (loss_with(asked, "y", i, 0, h) - loss_with(asked, "y", i, 0, -h)) / (2 * h),
                     by_noise = (loss_with(asked, "noise_variance", i, 0, h) -
                                 loss_with(asked, "noise_variance", i, 0, -h)) /
                                (2 * h);
        const json_t *row = json_array_get(at(gradients, "x"), i);
        ck_assert_double_eq_tol(json_number_value(json_array_get(row, 1)), by_x, 1e-6);
        ck_assert_double_eq_tol(json_number_value(json_array_get(at(gradients, "y"), i)), by_y, 1e-6);
        ck_assert_double_eq_tol(json_number_value(json_array_get(at(gradients, "noise_variance"), i)),
                                by_noise, 1e-5);
    }
}
END_TEST

START_TEST(only_what_is_asked_for)
{
    json_t *plain = gradient(request(RBF, "")),
           *again = gradient(request(RBF, ", 'with_respect_to': ['parameters']"));
    ck_assert_ptr_null(json_object_get(plain, "gradients"));
    ck_assert_ptr_null(json_object_get(plain, "check"));
    ck_assert_ptr_null(json_object_get(again, "gradients"));
    json_t *one = gradient(request(RBF, ", 'with_respect_to': ['y']"));
    ck_assert_uint_eq(json_object_size(at(one, "gradients")), 1);
    assert_same_json(at(plain, "parameters"), at(one, "parameters")); /* to the bit */
    assert_same_json(at(plain, "loss"), at(one, "loss"));
    ck_assert_str_eq(json_string_value(json_array_get(at(at(one, "request"), "with_respect_to"), 0)), "y");
}
END_TEST

START_TEST(what_gradients_by_data_refuse)
{
    json_t *reply;
    REFUSED(try_gradient(request("{'kernel': {'type': 'rbf'}}", ", 'with_respect_to': ['x']"), &reply),
            "/model/standardize");
    REFUSED(try_gradient(request("{'kernel': {'type': 'rbf'}, 'standardize': {'x': false}}",
                                 ", 'with_respect_to': ['noise_variance']"),
                         &reply),
            "/model/standardize");
    REFUSED(try_gradient(request(RBF, ", 'with_respect_to': ['x', 'theta']"), &reply), "/with_respect_to/1");
    REFUSED(try_gradient(request(RBF, ", 'with_respect_to': ['x', 'y', 'x']"), &reply), "/with_respect_to/2");
    REFUSED(try_gradient(few(", 'with_respect_to': ['x']"), &reply), "/model/approximation");
    json_t *evidence = request(RBF, ", 'with_respect_to': ['x_validation']");
    json_object_set(evidence, "objective", json_of("{'loss': 'evidence'}"));
    REFUSED(try_gradient(evidence, &reply), "/with_respect_to");
    json_object_set(evidence, "with_respect_to", json_of("['x', 'y']"));
    ck_assert_uint_eq(json_array_size(at(at(gradient(evidence), "gradients"), "x")), ROWS);
}
END_TEST

START_TEST(checks)
{
    json_t *asked = request(RBF, EVERYTHING ", 'check': {'type': 'finite_difference'}"), *refused;
    json_t *reply = gradient(asked), *check = at(reply, "check"), *direction;
    size_t i;
    ck_assert_uint_eq(json_array_size(at(check, "directions")), 4);
    json_array_foreach(at(check, "directions"), i, direction)
    {
        ck_assert_double_lt(number(direction, "relative_error"), 1e-6);
        ck_assert_double_ne(number(direction, "analytic"), 0);
        ck_assert_double_ne(number(direction, "numeric"), 0);
    }
    ck_assert_double_lt(number(check, "largest_relative_error"), 1e-6);
    ck_assert_double_gt(number(check, "step"), 0);
    json_t *shown = at(at(reply, "request"), "check");
    ck_assert_str_eq(json_string_value(at(shown, "type")), "finite_difference");
    ck_assert_int_eq(json_integer_value(at(shown, "directions")), 4);
    /* standardised data: the parameters alone */
    reply = gradient(request(PLAIN_MODEL, ", 'check': {'directions': 2, 'seed': 7}"));
    ck_assert_uint_eq(json_array_size(at(at(reply, "check"), "directions")), 2);
    ck_assert_double_lt(number(at(reply, "check"), "largest_relative_error"), 1e-6);
    reply = gradient(few(", 'check': {}"));
    ck_assert_double_lt(number(at(reply, "check"), "largest_relative_error"), 1e-6);
    REFUSED(try_gradient(request(RBF, ", 'check': {'type': 'taylor'}"), &refused), "/check/type");
    REFUSED(try_gradient(request(RBF, ", 'check': {'directions': 0}"), &refused), "/check/directions");
    REFUSED(
        try_gradient(request("{'kernel': {'type': 'rbf', 'variance': {'value': 1, 'fixed': true}, "
                             "'lengthscale': {'value': 1, 'fixed': true}}, 'noise': {'variance': {'value': "
                             "0.1, 'fixed': true}}}",
                             ", 'check': {}"),
                     &refused),
        "/check");
}
END_TEST

/* ---- validation by another data set ---- */

static json_t *beside(const char *validation, const char *more)
{
    json_t *made = json_of("{'model': " RBF ", 'objective': {'loss': 'nlpd', 'validation': %s}, 'solver': "
                           "{'type': 'cholesky'}%s}",
                           validation, more);
    json_object_set(made, "data", rows(OTHERS));
    json_object_set(made, "validation_data", rows(FOURTH));
    return made;
}

START_TEST(inline_validation_data)
{
    json_t *reply = gradient(beside("{'type': 'dataset'}", EVERYTHING)),
           *whole = gradient(request(RBF, EVERYTHING));
    assert_same_json(at(reply, "loss"), at(whole, "loss"));
    assert_same_json(at(reply, "parameters"), at(whole, "parameters"));
    assert_same_json(at(reply, "metrics"), at(whole, "metrics"));
    json_t *gradients = at(reply, "gradients");
    ck_assert_uint_eq(json_array_size(at(gradients, "x")), ROWS - 12);
    assert_same_json(at(gradients, "x_validation"), at(at(whole, "gradients"), "x_validation"));
    assert_same_json(json_array_get(at(gradients, "x"), 0),
                     json_array_get(at(at(whole, "gradients"), "x"), 1));
    ck_assert_ptr_null(json_object_get(at(reply, "request"), "validation_data"));
    json_t *features = beside("{'type': 'dataset'}", ""); /* the same of an approximation */
    json_object_set(features, "model", at(few(""), "model"));
    json_object_set(features, "solver", json_of("{}"));
    assert_same_json(at(gradient(features), "loss"), at(gradient(few("")), "loss"));
    json_t *refused, *asked = beside("{'type': 'dataset', 'name': 'other'}", "");
    REFUSED(try_gradient(asked, &refused), "/validation_data");
    REFUSED(try_gradient(beside("{'type': 'fraction'}", ""), &refused), "/validation_data");
    asked = beside("{'type': 'dataset'}", "");
    json_object_set(at(asked, "validation_data"), "feature_names", json_of("['x1', 'x2', 'z']"));
    OK(try_gradient(asked, &refused)); /* the training data is unnamed: by position */
    json_object_set(at(asked, "data"), "feature_names", json_of("['x1', 'x2', 'c']"));
    REFUSED(try_gradient(asked, &refused), "/validation_data");
    json_object_set(at(asked, "validation_data"), "y", json_of("[1]"));
    REFUSED(try_gradient(asked, &refused), "/validation_data/y");
    json_object_del(asked, "validation_data");
    REFUSED(try_gradient(asked, &refused), "/objective/validation/name");
}
END_TEST

/* The fixture's data set, some of it as another one that is stored beside it. */
static json_t *stored_part(const char *name, enum choice choice, bool turned)
{
    struct kr_dataset part = source.data;
    double *x = kr_alloc(ctx, ROWS * COLUMNS, sizeof *x), *y = kr_alloc(ctx, ROWS, sizeof *y);
    size_t n = 0, to = 0;
    for (size_t i = 0; i < ROWS; i++)
        n += (i % 4 == 0) == (choice == FOURTH);
    for (size_t i = 0; i < ROWS; i++)
        if ((i % 4 == 0) == (choice == FOURTH)) {
            for (size_t k = 0; k < COLUMNS; k++)
                x[(turned ? COLUMNS - 1 - k : k) * n + to] = source.data.x[k * ROWS + i];
            y[to++] = source.data.y[i];
        }
    part.n = n;
    part.x = x;
    part.y = y;
    OK(kr_dataset_save(ctx, &part, new_directory(name)));
    return json_of("{'name': '%s', 'directory': '%s', 'meta': {'sha256': 'abc', 'feature_names': %s, "
                   "'target_name': 'y'}}",
                   name, below(name), turned ? "['c', 'b', 'a']" : "['a', 'b', 'c']");
}

static kr_status ask(const char *op, json_t *asked, json_t *dataset, json_t *other, const char *where,
                     json_t **reply)
{
    json_t *sent = json_of("{'op': '%s'}", op);
    json_object_set(sent, "request", asked);
    if (where)
        json_object_set_new(sent, "model_directory", json_string(where));
    if (dataset)
        json_object_set(sent, "dataset", dataset);
    if (other)
        json_object_set(sent, "validation_dataset", other);
    *reply = NULL;
    const kr_status status = kr_engine_run(ctx, sent, &emit, NULL, reply);
    if (*reply)
        keep(*reply);
    return status;
}

#define BY_OTHER "'objective': {'loss': 'nlpd', 'validation': {'type': 'dataset', 'name': 'held'}}"

START_TEST(stored_validation_data)
{
    json_t *train = stored_part("train", OTHERS, false), *held = stored_part("held", FOURTH, true), *reply;
    json_t *asked = json_of("{'dataset': 'train', 'model': " PLAIN_MODEL ", " BY_OTHER "}");
    OK(ask("gradient", asked, train, held, NULL, &reply));
    const double loss = number(reply, "loss");
    ck_assert_str_eq(json_string_value(at(at(at(at(reply, "request"), "objective"), "validation"), "name")),
                     "held");
    json_t *inlined = keep(json_deep_copy(asked)); /* inline data against a stored set */
    json_object_del(inlined, "dataset");
    json_object_set(inlined, "data", rows(OTHERS));
    json_object_set(at(inlined, "data"), "feature_names", json_of("['a', 'b', 'c']"));
    OK(ask("gradient", inlined, NULL, held, NULL, &reply));
    ck_assert_double_ne(number(reply, "loss"), loss); /* other units */
    json_t *run = json_of("{'dataset': 'train', 'model': " PLAIN_MODEL ", " BY_OTHER
                          ", 'optimizer': {'type': 'lbfgs', 'max_evaluations': 5}}");
    OK(ask("check", run, train, held, NULL, &reply));
    OK(ask("tune", run, train, held, new_directory("model"), &reply));
    ck_assert_uint_eq(nsteps, 5);
    json_t *result = at(reply, "result"), *model = at(reply, "model");
    ck_assert_double_lt(number(result, "best_loss"), loss);
    ck_assert(json_is_object(at(at(result, "metrics"), "validation")));
    ck_assert_int_eq(json_integer_value(at(at(model, "dataset"), "rows")), ROWS - 12); /* its own rows only */
}
END_TEST

START_TEST(what_validation_data_is_refused)
{
    json_t *train = stored_part("train", OTHERS, false), *held = stored_part("held", FOURTH, true), *reply,
           *asked = json_of("{'dataset': 'train', 'model': " PLAIN_MODEL ", " BY_OTHER "}");
    REFUSED(ask("gradient", asked, train, NULL, NULL, &reply), "/objective/validation/name");
    REFUSED(ask("check", asked, train, NULL, NULL, &reply), "/objective/validation/name");
    REFUSED(ask("check", asked, NULL, held, NULL, &reply), "/dataset");
    json_object_set(at(held, "meta"), "feature_names", json_of("['c', 'b', 'd']"));
    REFUSED(ask("check", asked, train, held, NULL, &reply), "/objective/validation/name");
    json_object_set(at(held, "meta"), "feature_names", json_of("['c', 'b']"));
    ck_assert_int_eq(ask("check", asked, train, held, NULL, &reply), KR_INTERNAL);
}
END_TEST

ENGINE_SUITE("data gradients", every_array_in_its_shape_and_place, only_what_is_asked_for,
             what_gradients_by_data_refuse, checks, inline_validation_data, stored_validation_data,
             what_validation_data_is_refused)
