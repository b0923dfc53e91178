/* Jobs for the tests of the daemon: quick ones on few rows, and one that runs until it is cancelled. */
#ifndef KRIGED_TESTS_DAEMON_JOBS_H
#define KRIGED_TESTS_DAEMON_JOBS_H

#include "daemon_fixture.h"

#define JOBS "/v1/jobs"

/* Stores wave(n, d, ..) under that name. */
static UNUSED void store(const char *name, int n, int d)
{
    const struct answer made = send_json("PUT", text("/v1/datasets/%s", name), wave(n, d, 31));
    ck_assert_msg(made.status == 201 || made.status == 200, "%s: %s", name, made.body);
}

static UNUSED json_t *job_on(const char *dataset)
{
    return json_of("{'dataset': '%s', 'model': {'kernel': {'type': 'rbf'}},"
                   " 'objective': {'loss': 'nlpd', 'validation': {'type': 'fraction', 'fraction': 0.4}},"
                   " 'test': {'fraction': 0.2}, 'optimizer': {'type': 'lbfgs', 'max_evaluations': 8}}",
                   dataset);
}

/* One that takes many minutes. */
static UNUSED json_t *long_job_on(const char *dataset)
{
    return with(job_on(dataset), "/optimizer",
                "{'type': 'adam', 'learning_rate': 1e-5, 'max_evaluations': 1000000, 'gradient_tolerance': "
                "0, 'patience': 1000000}");
}

/* Submits; returns the job's id. */
static UNUSED const char *submit(json_t *request)
{
    struct answer made = send_json("POST", JOBS, request);
    ck_status(made, 202);
    return text_at(made.json, "/id");
}

static UNUSED json_t *job_now(const char *id)
{
    struct answer answer = get(text(JOBS "/%s", id));
    ck_status(answer, 200);
    return answer.json;
}

static UNUSED json_t *finished(const char *id)
{
    for (int i = 0; i < 4; i++) {
        struct answer answer = ask("GET", text(JOBS "/%s", id), NULL, 0, HEADERS("Prefer: wait=10"));
        ck_status(answer, 200);
        if (json_is_string(at(answer.json, "/finished_at")))
            return answer.json;
    }
    ck_abort_msg("job %s does not end: %s", id, dump(job_now(id)));
    return NULL;
}

static UNUSED json_t *succeeded(const char *id)
{
    json_t *job = finished(id);
    ck_assert_msg(strcmp(text_at(job, "/state"), "succeeded") == 0, "%s", dump(job));
    return job;
}

static UNUSED struct answer cancel(const char *id)
{
    return ask("POST", text(JOBS "/%s/cancel", id), "", 0, NULL);
}

static UNUSED void cancelled(const char *id)
{
    ck_status(cancel(id), 202);
    ck_assert_str_eq(text_at(finished(id), "/state"), "cancelled");
}

static UNUSED bool is_running(const char *id)
{
    return strcmp(text_at(job_now(id), "/state"), "running") == 0;
}

static UNUSED bool has_steps(const char *id)
{
    json_t *progress = find(job_now(id), "/progress");
    return json_is_object(progress) && number_at(progress, "/evaluation") >= 2;
}

static UNUSED struct answer events_of(const char *id, const char *header)
{
    return ask("GET", text(JOBS "/%s/events", id), NULL, 0,
               HEADERS(header ? header : "Accept: text/event-stream"));
}

#endif
