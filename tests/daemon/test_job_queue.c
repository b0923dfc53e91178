/* Many jobs at a time: states, lists, waiting, cancelling, and gradients beside them. */
#include "daemon_jobs.h"

static void store_both(void)
{
    store("small", 50, 2);
    store("large", 900, 2);
}

static json_t *short_job(void)
{
    return job_on("small");
}

static json_t *long_job(void)
{
    return long_job_on("large");
}

static const char *state_of(const char *id)
{
    return text_at(job_now(id), "/state");
}

/* The last two events of a finished job: its state, and done. */
static void ends_with(const char *id, const char *state)
{
    struct answer events = events_of(id, "Accept: application/x-ndjson");
    ck_status(events, 200);
    char *last = strrchr(text("%.*s", (int)events.length - 1, events.body), '\n');
    json_t *done = keep_json(json_loads(last ? last + 1 : events.body, 0, NULL));
    ck_assert_str_eq(text_at(done, "/event"), "done");
    ck_assert_str_eq(text_at(done, "/data/state"), state);
}

static void end_all(void)
{
    static const char *const states[] = {"running", "queued"};
    for (int s = 0; s < 2; s++) {
        struct answer list = get(text("/v1/jobs?page_size=1000&state=%s", states[s]));
        for (size_t i = 0; i < count_at(list.json, "/jobs"); i++)
            cancel(text_at(list.json, text("/jobs/%zu/id", i)));
        for (size_t i = 0; i < count_at(list.json, "/jobs"); i++)
            finished(text_at(list.json, text("/jobs/%zu/id", i)));
    }
}

START_TEST(states_and_filters)
{
    store_both();
    const char *first = submit(with(long_job(), "/labels", "{'kind': 'long', 'n': '1'}"));
    EVENTUALLY(10, is_running(first));
    json_t *running = job_now(first);
    ck_assert(json_is_string(at(running, "/started_at")) && json_is_null(at(running, "/finished_at")));
    EVENTUALLY(10, json_is_object(at(job_now(first), "/progress")));
    running = job_now(first);
    MEMBERS(at(running, "/progress"), "evaluation", "iteration", "loss", "best_loss", "gradient_norm",
            "seconds", "seconds_left");
    const double evaluation = number_at(running, "/progress/evaluation");
    EVENTUALLY(10, number_at(job_now(first), "/progress/evaluation") > evaluation);
    const char *second = submit(with(long_job(), "/labels", "{'kind': 'long', 'n': '2'}"));
    nap(0.2);
    ck_assert_str_eq(state_of(second), "queued"); /* of two workers one is kept for calls */
    struct answer list = get("/v1/jobs?state=queued");
    ck_assert_int_eq((int)count_at(list.json, "/jobs"), 1);
    ck_assert_str_eq(text_at(list.json, "/jobs/0/id"), second);
    list = get("/v1/jobs?label=kind=long");
    ck_assert_int_eq((int)count_at(list.json, "/jobs"), 2);
    ck_assert_str_eq(text_at(list.json, "/jobs/0/id"), second); /* newest first */
    list = get("/v1/jobs?label=n=1&state=running");
    ck_assert_int_eq((int)count_at(list.json, "/jobs"), 1);
    ck_assert_str_eq(text_at(list.json, "/jobs/0/id"), first);
    ck_assert_int_eq((int)count_at(get("/v1/jobs?label=n=3").json, "/jobs"), 0);
    ck_assert_int_eq((int)count_at(get("/v1/jobs?label=n=1&state=failed").json, "/jobs"), 0);
    is_problem(get("/v1/jobs?label=n"), 422, "invalid", "/label", "label without =");
    is_problem(get("/v1/jobs?state=asleep"), 422, "invalid", "/state", "unknown state");
    is_problem(get("/v1/jobs?colour=red"), 422, "invalid", "/colour", "unknown parameter");
    end_all();
    ck_assert_str_eq(state_of(first), "cancelled");
}
END_TEST

START_TEST(cancelling)
{
    const char *running = submit(long_job()), *queued = submit(long_job());
    EVENTUALLY(10, is_running(running));
    struct answer at_once = cancel(queued);
    ck_assert_str_eq(text_at(at_once.json, "/state"), "cancelled");
    ck_assert(json_is_null(at(at_once.json, "/started_at")));
    struct answer again = cancel(queued);
    ck_assert_str_eq(again.body, at_once.body);
    const double start = now();
    cancel(running);
    cancel(running);
    json_t *job = finished(running);
    ck_assert_double_lt(now() - start, 5);
    ck_assert_str_eq(text_at(job, "/state"), "cancelled");
    ck_assert(json_is_null(at(job, "/result")));
    ck_assert_ptr_null(find(job, "/links/cancel"));
    ck_status(get(text("/v1/models/%s", running)), 404);
    ends_with(running, "cancelled");
    const char *done = submit(short_job());
    json_t *before = succeeded(done);
    struct answer after = cancel(done);
    ck_assert(json_equal(after.json, before)); /* what is finished stays */
    ck_assert_str_eq(text_at(after.json, "/state"), "succeeded");
}
END_TEST

START_TEST(waiting)
{
    const char *running = submit(long_job());
    struct answer short_ =
        ask("GET", text("/v1/jobs/%s", running), NULL, 0, HEADERS("Prefer: respond-async, wait=1"));
    ck_status(short_, 200);
    ck_assert_str_eq(header_of(&short_, "Preference-Applied"), "wait=1");
    ck_assert_double_ge(short_.seconds, 0.9);
    ck_assert_double_lt(short_.seconds, 3);
    ck_assert_str_eq(text_at(short_.json, "/state"), "running");
    struct answer at_once = get(text("/v1/jobs/%s", running));
    ck_assert_double_lt(at_once.seconds, 1);
    ck_assert_ptr_null(header_of(&at_once, "Preference-Applied"));
    cancel(running);
    finished(running);
    struct answer long_ =
        ask("GET", text("/v1/jobs/%s", submit(short_job())), NULL, 0, HEADERS("Prefer: wait=30"));
    ck_assert_str_eq(text_at(long_.json, "/state"), "succeeded");
    ck_assert_double_lt(long_.seconds, 5); /* returns when the job ends, not later */
}
END_TEST

START_TEST(thirty)
{
    const char *ids[30];
    for (int i = 0; i < 30; i++)
        ids[i] = submit(with(short_job(), "/labels", text("{'lot': 'thirty', 'i': '%d'}", i)));
    for (int i = 0; i < 30; i++)
        for (int k = 0; k < i; k++)
            ck_assert_str_ne(ids[i], ids[k]);
    for (int i = 0; i < 30; i++) {
        json_t *job = succeeded(ids[i]);
        ck_assert_str_eq(text_at(job, "/labels/i"), text("%d", i));
        ck_assert(i == 0 ||
                  json_equal(at(job, "/result/best_loss"), at(job_now(ids[0]), "/result/best_loss")));
    }
    struct answer page = get("/v1/jobs?label=lot=thirty&page_size=20");
    ck_assert_int_eq((int)count_at(page.json, "/jobs"), 20);
    ck_assert_str_eq(text_at(page.json, "/jobs/0/id"), ids[29]);
    page = get(
        text("/v1/jobs?label=lot=thirty&page_size=20&page_token=%s", text_at(page.json, "/next_page_token")));
    ck_assert_int_eq((int)count_at(page.json, "/jobs"), 10);
    ck_assert_str_eq(text_at(page.json, "/jobs/9/id"), ids[0]);
    ck_assert_ptr_null(find(page.json, "/next_page_token"));
}
END_TEST

START_TEST(gradients_beside_jobs)
{
    for (int i = 0; i < 4; i++)
        submit(long_job());
    struct answer list = get("/v1/jobs?state=running");
    EVENTUALLY(10, (list = get("/v1/jobs?state=running"), count_at(list.json, "/jobs") > 0));
    json_t *request = with(short_job(), "/optimizer", NULL);
    for (int i = 0; i < 20; i++) {
        struct answer answer = send_json("POST", "/v1/gradients", request);
        ck_status(answer, 200);
        ck_assert_double_lt(answer.seconds, 5);
        struct answer refused =
            send_json("POST", "/v1/gradients",
                      with(request, "/solver",
                           "{'type': 'cg', 'max_iterations': 1, 'preconditioner': {'type': 'none'}}"));
        is_problem(refused, 422, "solver-not-converged", NULL, "one iteration");
        struct answer health = get("/livez");
        ck_assert_double_lt(health.seconds, 1);
    }
    end_all();
}
END_TEST

/* Ids are made in the order of submission, and a failure of one job is none of the next. */
START_TEST(a_failure_between)
{
    const char *good = submit(short_job());
    json_t *hopeless = with(with(short_job(), "/solver",
                                 "{'type': 'cg', 'max_iterations': 1, 'preconditioner': {'type': 'none'}}"),
                            "/model/noise", "{'variance': 1e-4}");
    struct answer answer = send_json("POST", "/v1/jobs", hopeless);
    const char *after = submit(short_job());
    ck_assert_int_lt(strcmp(good, after), 0);
    succeeded(good);
    succeeded(after);
    if (answer.status == 202) {
        json_t *job = finished(text_at(answer.json, "/id"));
        ck_assert_str_eq(text_at(job, "/state"), "failed");
        ck_assert_str_eq(text_at(job, "/error/type"), "/problems/solver-not-converged");
    } else {
        is_problem(answer, 422, "solver-not-converged", NULL, "one iteration");
    }
}
END_TEST

DAEMON_SUITE("job_queue", states_and_filters, cancelling, waiting, thirty, gradients_beside_jobs,
             a_failure_between)
