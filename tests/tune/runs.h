/* Tuning runs from requests as text, with everything that a run said kept for comparison. */
#ifndef KRIGED_TESTS_TUNE_RUNS_H
#define KRIGED_TESTS_TUNE_RUNS_H

#include "../conform/models.h"
#include "engine/request.h"
#include "wire/wire.h"

#include <stdlib.h>

enum { MOST_STEPS = 700, MOST_WARNINGS = 200 };

struct step_seen {
    struct kr_step step;
    double *parameters, *constraints, *checkpoint; /* copies on the heap */
    size_t ncheckpoint, used, nwarnings;           /* bytes in the arena, warnings said before */
};

struct warning_seen {
    char code[48], detail[800], parameter[80];
    bool has_parameter;
};

/* One run: what goes in, what it said, how it ended. */
struct run_seen {
    struct kr_ctx ctx;
    struct kr_tune_request request;
    struct kr_gp_spec spec;
    struct kr_gp gp;
    struct kr_gp_constraints constraints;
    size_t cancel_at; /* cancels after that many steps; 0 = never */
    size_t nsteps, nwarnings;
    struct step_seen steps[MOST_STEPS];
    struct warning_seen warnings[MOST_WARNINGS];
    kr_status status;
    struct kr_tune_result result;
    const double *theta;
};

static inline void see_warning(struct run_seen *run, const struct kr_warning *warning)
{
    ck_assert_uint_lt(run->nwarnings, MOST_WARNINGS);
    struct warning_seen *seen = &run->warnings[run->nwarnings++];
    ck_assert(warning->code[0] && warning->detail[0]);
    snprintf(seen->code, sizeof seen->code, "%s", warning->code);
    snprintf(seen->detail, sizeof seen->detail, "%s", warning->detail);
    snprintf(seen->parameter, sizeof seen->parameter, "%s", warning->parameter ? warning->parameter : "");
    seen->has_parameter = warning->parameter != NULL;
}

static inline double *copied(size_t count, const double *values)
{
    double *copy = malloc((count + 1) * sizeof *copy);
    if (count)
        memcpy(copy, values, count * sizeof *copy);
    return copy;
}

static inline void see(void *self, const struct kr_tune_event *event)
{
    struct run_seen *run = self;
    if (event->warning) {
        ck_assert_ptr_null(event->step);
        see_warning(run, event->warning);
        return;
    }
    ck_assert_uint_lt(run->nsteps, MOST_STEPS);
    struct step_seen *seen = &run->steps[run->nsteps++];
    ck_assert_ptr_nonnull(event->progress);
    *seen = (struct step_seen){
        .step = *event->step,
        .parameters = copied(event->step->parameters.count, event->step->parameters.values),
        .constraints = copied(event->step->constraints.count, event->step->constraints.values),
        .checkpoint = copied(event->ncheckpoint, event->checkpoint),
        .ncheckpoint = event->ncheckpoint,
        .used = run->ctx.used,
        .nwarnings = run->nwarnings};
    if (run->cancel_at == run->nsteps)
        kr_cancel(&run->ctx);
}

/* Reads the request and gives the data its roles. */
static inline struct run_seen *prepare(const char *request, const struct kr_dataset *data)
{
    struct run_seen *run = calloc(1, sizeof *run);
    struct kr_ctx *ctx = &run->ctx;
    kr_ctx_init(ctx, 0);
    ctx->threads = 2;
    kr_status status =
        kr_wire_parse(ctx, &kr_tune_request_schema, request, strlen(request), &run->request, NULL);
    ck_assert_msg(status == KR_OK, "%s: %s in %s", ctx->error.pointer, ctx->error.detail, request);
    run->spec = (struct kr_gp_spec){run->request.model, run->request.objective, run->request.test,
                                    run->request.solver};
    status = kr_gp_init(ctx, &run->spec, data, &run->gp);
    ck_assert_msg(status == KR_OK, "%s: %s in %s", ctx->error.pointer, ctx->error.detail, request);
    status = kr_gp_constrain(ctx, &run->gp, &run->request.constraints, "/constraints", &run->constraints);
    ck_assert_msg(status == KR_OK, "%s: %s in %s", ctx->error.pointer, ctx->error.detail, request);
    return run;
}

/* From the beginning, or from the checkpoint of an earlier step. */
static inline void go(struct run_seen *run, const struct step_seen *from)
{
    const struct kr_tune_spec spec = {&run->gp, &run->request.optimizer, &run->constraints,
                                      run->request.projection, run->request.restarts};
    run->status = kr_tune(&run->ctx, &spec, from ? from->ncheckpoint : 0, from ? from->checkpoint : NULL, see,
                          run, &run->result, &run->theta);
}

static inline void forget(struct run_seen *run)
{
    for (size_t i = 0; i < run->nsteps; i++) {
        free(run->steps[i].parameters);
        free(run->steps[i].constraints);
        free(run->steps[i].checkpoint);
    }
    kr_ctx_fini(&run->ctx);
    free(run);
}

/* A run that must end well. */
static inline struct run_seen *tuned(const char *request, const struct kr_dataset *data)
{
    struct run_seen *run = prepare(request, data);
    go(run, NULL);
    ck_assert_msg(run->status == KR_OK, "%s: %s in %s", run->ctx.error.pointer, run->ctx.error.detail,
                  request);
    return run;
}

static inline const struct warning_seen *warned(const struct run_seen *run, const char *code)
{
    for (size_t i = 0; i < run->nwarnings; i++)
        if (strcmp(run->warnings[i].code, code) == 0)
            return &run->warnings[i];
    return NULL;
}

static inline void assert_stop(const struct run_seen *run, enum kr_tune_stop stop, const char *words)
{
    ck_assert_str_eq(kr_tune_stop_names[run->result.stop], kr_tune_stop_names[stop]);
    ck_assert_msg(strstr(run->result.stop_detail, words) != NULL, "\"%s\" is not in: %s", words,
                  run->result.stop_detail);
}

static inline bool same_bits(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

/* Where the value of a hyperparameter stands in theta. */
static inline size_t place_of(const struct run_seen *run, const char *name)
{
    for (size_t p = 0; p < run->gp.parameters.count; p++)
        if (strcmp(run->gp.parameters.items[p].name, name) == 0)
            return p;
    ck_abort_msg("there is no %s", name);
    return 0;
}

/* Waves of one feature, noise of that size. */
static inline struct kr_dataset waves(struct kr_ctx *ctx, size_t n, double noise, double scale)
{
    static const char *const names[] = {"t"};
    double *x = kr_alloc(ctx, n, sizeof *x), *y = kr_alloc(ctx, n, sizeof *y);
    struct kr_rng rng;
    kr_rng_init(&rng, 7, 1);
    for (size_t i = 0; i < n; i++) {
        x[i] = 10 * (double)i / (double)n;
        y[i] = scale * (sin(x[i]) + 0.3 * x[i] + noise * kr_rng_normal(&rng));
    }
    return (struct kr_dataset){.n = n, .d = 1, .x = x, .y = y, .feature_names = names, .target_name = "y"};
}

/* A request: model, what stands in the objective, the optimiser. */
#define REQUEST(model, loss, optimizer)                                                                      \
    "{\"dataset\": \"d\", \"model\": " model ", \"objective\": {\"loss\": \"" loss                           \
    "\", \"validation\": {\"type\": \"fraction\", \"fraction\": 0.3, \"seed\": 4}}, "                        \
    "\"optimizer\": " optimizer "}"
#define ARD   "{\"kernel\": {\"type\": \"matern52\", \"ard\": true}, \"mean\": {\"type\": \"constant\"}}"
#define PLAIN "{\"kernel\": {\"type\": \"rbf\"}}"

#endif
