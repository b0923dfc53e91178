/* Models that are exported and imported again: under other names, after a restart, wrong ones. */
#include "daemon_jobs.h"

/* A tuned model of wave(60, 2), with its weights. */
static json_t *exported(const char **id)
{
    store("waves", 60, 2);
    *id = submit(with(job_on("waves"), "/model",
                      "{'kernel': {'type': 'matern52', 'ard': true}, 'mean': {'type': 'constant'}}"));
    succeeded(*id);
    struct answer full = get(text("/v1/models/%s?weights=true", *id));
    ck_status(full, 200);
    return full.json;
}

static struct answer put(const char *name, json_t *model)
{
    return send_json("PUT", text("/v1/models/%s", name), model);
}

/* The bytes of a prediction: every member, all that can be asked. */
static const char *prediction(const char *name)
{
    struct answer answer = send_json(
        "POST", text("/v1/models/%s/predict", name),
        json_of(
            "{'x': [[0.1, 0.2], [0.5, 0.5], [0.9, 0.125]], 'quantiles': [0.05, 0.95], 'covariance': true, "
            "'gradient': true, 'samples': {'count': 3, 'seed': 5}}"));
    ck_status(answer, 200);
    return answer.body;
}

static json_t *without_name(json_t *model)
{
    json_t *rest = keep_json(json_deep_copy(model));
    json_object_del(rest, "name");
    json_object_del(rest, "created_at");
    return rest;
}

START_TEST(an_import_is_the_model)
{
    const char *id;
    json_t *model = exported(&id);
    struct answer made = put("mine", model);
    ck_status(made, 201);
    ck_assert_str_eq(header_of(&made, "Location"), "/v1/models/mine");
    ck_assert_str_eq(text_at(made.json, "/name"), "mine");
    ck_assert_ptr_null(find(made.json, "/weights"));
    ck_assert_str_eq(prediction("mine"), prediction(id)); /* to the last bit */
    struct answer again = get("/v1/models/mine?weights=true"), bare = get("/v1/models/mine");
    ck_assert(json_equal(without_name(again.json), without_name(model)));
    ck_assert(json_equal(bare.json, made.json));
    /* An import of the import, and the model once its job's is gone. */
    ck_status(put("yours.2", again.json), 201);
    ck_status(ask("DELETE", text("/v1/models/%s", id), NULL, 0, NULL), 204);
    ck_status(ask("DELETE", text("/v1/jobs/%s", id), NULL, 0, NULL), 204);
    ck_assert_str_eq(prediction("mine"), prediction("yours.2"));
}
END_TEST

START_TEST(an_import_survives_a_restart)
{
    const char *id;
    start_daemon();
    ck_status(put("mine", exported(&id)), 201);
    const char *before = prediction("mine");
    const struct answer first = get("/v1/models/mine");
    const char *tag = header_of(&first, "ETag");
    ck_assert_int_eq(end_daemon(), 0);
    start_again();
    ck_assert_str_eq(prediction("mine"), before);
    ck_status(ask("GET", "/v1/models/mine", NULL, 0, HEADERS(text("If-None-Match: %s", tag))), 304);
    stop_daemon();
}
END_TEST

START_TEST(the_same_again_is_no_conflict)
{
    const char *id;
    json_t *model = exported(&id);
    const int before = entries("models");
    struct answer made = put("same", model), again = put("same", model);
    ck_status(made, 201);
    ck_status(again, 200);
    ck_assert_str_eq(made.body, again.body);
    ck_status(put("same", get("/v1/models/same?weights=true").json), 200);
    ck_status(put("same", without_name(model)), 200);
    ck_assert_int_eq(entries("models"), before + 1);
    is_problem(put("same", with(model, "/weights/alpha/3", "0.5")), 409, "conflict", NULL, "other weights");
    is_problem(put("same", with(model, "/loss", "0.5")), 409, "conflict", NULL, "another loss");
    ck_assert_int_eq(entries("models"), before + 1);
    ck_status(ask("DELETE", "/v1/models/same", NULL, 0, NULL), 204);
    ck_assert_int_eq(entries("models"), before);
    ck_status(put("same", with(model, "/loss", "0.5")), 201);
}
END_TEST

START_TEST(wrong_models_are_refused)
{
    const char *id;
    json_t *model = exported(&id);
    const int before = entries("models");
    is_problem(put("wrong", get(text("/v1/models/%s", id)).json), 422, "invalid", "/weights", "no weights");
    is_problem(put("wrong", with(model, "/format", "'gp'")), 422, "invalid", "/format", "format");
    is_problem(put("wrong", with(model, "/kernel/lengthscale", "[1, 2, 3]")), 422, "invalid",
               "/kernel/lengthscale", "lengthscale");
    is_problem(put("wrong", with(model, "/parameters/0/value", "0.5")), 422, "invalid", "/parameters/0/value",
               "parameters");
    is_problem(put("wrong", with(model, "/weights/alpha", "[1]")), 422, "invalid", "/weights/alpha", "alpha");
    is_problem(put("wrong", with(model, "/weights/x/2/1", "null")), 422, "invalid", "/weights/x/2/1", "x");
    is_problem(put("wrong", with(model, "/colour", "1")), 422, "invalid", "/colour", "colour");
    is_problem(put("wrong", json_of("[]")), 422, "invalid", "", "an array");
    is_problem(send_text("PUT", "/v1/models/wrong", "application/json", "{\"format\""), 400, "malformed",
               NULL, "no JSON");
    is_problem(send_text("PUT", "/v1/models/wrong", "text/csv", "1,2"), 415, "unsupported-media-type", NULL,
               "CSV");
    is_problem(put("Wrong", model), 422, "invalid", "/name", "a capital");
    is_problem(put(id, model), 422, "invalid", "/name", "the name of a job");
    is_problem(get("/v1/models/wrong"), 404, "not-found", NULL, "nothing was made");
    ck_assert_int_eq(entries("models"), before);
}
END_TEST

START_TEST(imports_are_listed_with_tags)
{
    const char *id;
    json_t *model = exported(&id);
    ck_status(put("listed", model), 201);
    struct answer list = get("/v1/models?page_size=1"), one = get("/v1/models/listed");
    ck_assert_str_eq(text_at(list.json, "/models/0/name"), "listed");
    ck_assert_str_eq(text_at(list.json, "/models/0/dataset/name"), "waves");
    ck_assert_double_eq(number_at(list.json, "/models/0/loss"), number_at(model, "/loss"));
    for (int i = 0; i < 2; i++) {
        const char *tag = header_of(i ? &one : &list, "ETag");
        ck_assert_ptr_nonnull(tag);
        ck_status(ask("GET", i ? "/v1/models/listed" : "/v1/models?page_size=1", NULL, 0,
                      HEADERS(text("If-None-Match: %s", tag))),
                  304);
    }
}
END_TEST

/* The same file for the command line, and the same predictions. */
START_TEST(the_command_line_predicts_the_same)
{
    const char *id, *path = text("%s/model.json", the_daemon.directory),
                    *points = text("%s/points.csv", the_daemon.directory);
    ck_status(put("filed", exported(&id)), 201);
    FILE *file = fopen(path, "w");
    fputs(get("/v1/models/filed?weights=true").body, file);
    fclose(file);
    file = fopen(points, "w");
    fputs("x1,x2\n0.1,0.2\n0.5,0.5\n0.9,0.125\n", file);
    fclose(file);
    struct command command = KRIGED("predict", path, "--data", points, "--quantiles", "0.05,0.95");
    ck_assert_msg(command.status == 0, "status %d: %s", command.status, command.err);
    json_t *here = json_of("%s", command.out);
    struct answer there =
        send_json("POST", "/v1/models/filed/predict",
                  json_of("{'x': [[0.1, 0.2], [0.5, 0.5], [0.9, 0.125]], 'quantiles': [0.05, 0.95]}"));
    ck_assert_msg(json_equal(here, there.json), "%s\nwanted %s", command.out, there.body);
}
END_TEST

Suite *suite(void)
{
    const TTest *const shared[] = {an_import_is_the_model, the_same_again_is_no_conflict,
                                   wrong_models_are_refused, imports_are_listed_with_tags,
                                   the_command_line_predicts_the_same};
    Suite *made = suite_create("model import");
    TCase *one = tcase_create("one daemon"), *own = tcase_create("a daemon of its own");
    tcase_add_unchecked_fixture(one, start_daemon, stop_daemon);
    for (size_t i = 0; i < sizeof shared / sizeof shared[0]; i++)
        tcase_add_test(one, shared[i]);
    tcase_add_test(own, an_import_survives_a_restart);
    tcase_set_timeout(one, 60);
    tcase_set_timeout(own, 60);
    suite_add_tcase(made, one);
    suite_add_tcase(made, own);
    return made;
}
