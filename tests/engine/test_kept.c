/* What a worker keeps open between predictions changes none of them, and is gone when it no longer holds. */
#include "engine/kept.h"
#include "fixture.h"

static struct kr_kept worker;

/* A model whose weights are in a directory of their own. */
static json_t *stored_model(const char *model, const char *name)
{
    json_t *reply = NULL;
    OK(kr_engine_tune(ctx, tune_request(model, ""), &source, NULL, new_directory(name), &emit, &reply));
    return at(keep(reply), "model");
}

static json_t *predicted(struct kr_kept *with, json_t *model, const char *name)
{
    json_t *reply = NULL;
    OK(kr_engine_predict(ctx, with,
                         json_of("{'x': [[2, 20, 200], [1.5, 7, 310]], 'covariance': true, 'samples': "
                                 "{'count': 2}, 'quantiles': [0.1]}"),
                         model, below(name), &reply));
    return keep(reply);
}

START_TEST(predictions_are_the_same_to_the_bit)
{
    static const char *const models[] = {
        PLAIN_MODEL, "{'kernel': {'type': 'rbf'}, 'approximation': {'type': 'inducing', 'count': 9}}",
        "{'kernel': {'type': 'matern52'}, 'target_transform': {'type': 'log', 'shift': 100}}"};
    for (int m = 0; m < 3; m++) {
        char name[16];
        snprintf(name, sizeof name, "model%d", m);
        json_t *model = stored_model(models[m], name), *alone = predicted(NULL, model, name);
        for (int again = 0; again < 3; again++)
            assert_same_json(predicted(&worker, model, name), alone);
        ck_assert(worker.open);
        ck_assert_int_eq(worker.model.posterior.prepared != NULL,
                         m != 1); /* weights of features have no matrix */
    }
    kr_kept_close(&worker);
    ck_assert(!worker.open);
    kr_kept_close(&worker); /* a second time is nothing */
}
END_TEST

/* A mean needs no matrix; it is prepared when the first variance is asked for, and then once. */
START_TEST(the_matrix_is_prepared_once)
{
    json_t *model = stored_model(PLAIN_MODEL, "m"), *reply = NULL;
    OK(kr_engine_predict(ctx, &worker, json_of("{'x': [[2, 20, 200]], 'variance': false}"), model, below("m"),
                         &reply));
    json_decref(reply);
    ck_assert_ptr_null(worker.model.posterior.prepared);
    predicted(&worker, model, "m");
    const struct kr_prepared *first = worker.model.posterior.prepared;
    const size_t used = worker.ctx.used;
    ck_assert_ptr_nonnull(first);
    predicted(&worker, model, "m");
    ck_assert_ptr_eq(worker.model.posterior.prepared, first);
    ck_assert_uint_eq(worker.ctx.used, used);
    kr_kept_close(&worker);
}
END_TEST

START_TEST(another_model_takes_its_place)
{
    json_t *one = stored_model(PLAIN_MODEL, "one"), *two = stored_model("{'kernel': {'type': 'rbf'}}", "two"),
           *reply = NULL;
    predicted(&worker, one, "one");
    assert_same_json(predicted(&worker, two, "two"), predicted(NULL, two, "two"));
    assert_same_json(predicted(&worker, one, "one"), predicted(NULL, one, "one"));
    /* the same weights under a document that says more noise */
    json_t *changed = keep(json_deep_copy(one));
    json_object_set_new(at(changed, "noise"), "variance", json_real(0.5));
    json_t *parameter = json_array_get(at(changed, "parameters"), 4);
    json_object_set_new(parameter, "value", json_real(0.5));
    json_object_set_new(parameter, "data_value",
                        json_real(0.5 * pow(number(at(changed, "standardization"), "y_sd"), 2)));
    assert_same_json(predicted(&worker, changed, "one"), predicted(NULL, changed, "one"));
    /* other work has the memory */
    OK(message("gradient", json_of("{'model': " PLAIN_MODEL ", " OBJECTIVE "}"), "", &reply));
    json_t *sent = json_of("{'op': 'gradient', 'request': {'model': " PLAIN_MODEL ", " OBJECTIVE "}}");
    json_object_set(sent, "dataset", stored());
    OK(kr_engine_run(ctx, sent, &emit, &worker, &reply));
    json_decref(reply);
    ck_assert(!worker.open);
}
END_TEST

START_TEST(a_failure_leaves_nothing_open)
{
    json_t *model = stored_model(PLAIN_MODEL, "m"), *reply = NULL,
           *request = json_of("{'x': [[2, 20, 200]]}"), *broken = keep(json_deep_copy(model));
    json_object_set_new(broken, "format", json_string("something else"));
    REFUSED(kr_engine_predict(ctx, &worker, request, broken, below("m"), &reply), "/format");
    ck_assert(!worker.open);
    kr_cancel(ctx);
    ck_assert_int_eq(kr_engine_predict(ctx, &worker, request, model, below("m"), &reply), KR_CANCELLED);
    ctx->cancelled = 0;
    kr_ctx_clear_error(ctx);
    assert_same_json(predicted(&worker, model, "m"), predicted(NULL, model, "m"));
    kr_kept_close(&worker);
}
END_TEST

Suite *suite(void)
{
    Suite *made = suite_create("kept");
    TCase *tcase = tcase_create("kept");
    tcase_add_checked_fixture(tcase, open_data, close_data);
    tcase_add_test(tcase, predictions_are_the_same_to_the_bit);
    tcase_add_test(tcase, the_matrix_is_prepared_once);
    tcase_add_test(tcase, another_model_takes_its_place);
    tcase_add_test(tcase, a_failure_leaves_nothing_open);
    suite_add_tcase(made, tcase);
    return made;
}
