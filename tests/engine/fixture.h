/* A small data set on the disk and in memory, and messages about it. */
#ifndef KRIGED_TESTS_ENGINE_FIXTURE_H
#define KRIGED_TESTS_ENGINE_FIXTURE_H

#include "calls.h"

#include <ftw.h>
#include <sys/stat.h>

#define SHA256 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
enum { ROWS = 48, COLUMNS = 3 };
static char directory[64]; /* the data set; weights of models go below it */
static struct kr_source source;
static size_t nsteps, nwarnings;
static char last_checkpoint[1 << 16], last_warning[2048];
static size_t keep_step; /* the step whose checkpoint is kept; 0 = the last one */

static void listen_to(struct kr_emit *emit, const char *kind, json_t *data, json_t *progress,
                      json_t *checkpoint)
{
    (void)emit;
    ck_assert(json_is_object(data));
    if (strcmp(kind, "warning") == 0) {
        nwarnings++;
        snprintf(last_warning, sizeof last_warning, "%s", text_of(data));
    } else {
        ck_assert_str_eq(kind, "step");
        ck_assert(json_is_object(progress));
        nsteps++;
        if (!keep_step || nsteps == keep_step)
            snprintf(last_checkpoint, sizeof last_checkpoint, "%s", json_string_value(checkpoint));
    }
    json_decref(data);
    json_decref(progress);
    json_decref(checkpoint);
}
static struct kr_emit emit = {listen_to};

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status;
    (void)kind;
    (void)place;
    return remove(path);
}

static UNUSED char *below(const char *name)
{
    static char path[4][128];
    static int turn;
    char *made = path[turn++ % 4];
    snprintf(made, sizeof path[0], "%s/%s", directory, name);
    return made;
}

static UNUSED char *new_directory(const char *name)
{
    char *path = below(name);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    return path;
}

/* Columns of very different units, so that values in the data's units differ. */
static void make_data(bool noise)
{
    static const char *const names[COLUMNS] = {"a", "b", "c"};
    double *x = kr_alloc(ctx, ROWS * COLUMNS, sizeof *x), *y = kr_alloc(ctx, ROWS, sizeof *y),
           *v = kr_alloc(ctx, ROWS, sizeof *v);
    struct kr_rng rng;
    kr_rng_init(&rng, 5, 6);
    for (size_t i = 0; i < ROWS; i++) {
        for (size_t k = 0; k < COLUMNS; k++)
            x[k * ROWS + i] = pow(10, (double)k) * (kr_rng_normal(&rng) + 2);
        y[i] = 50 + 10 * sin(x[i]) + 0.5 * x[ROWS + i] + kr_rng_normal(&rng);
        v[i] = 0.5 + kr_rng_uniform(&rng);
    }
    source = (struct kr_source){
        "d", SHA256, {ROWS, COLUMNS, x, y, noise ? v : NULL, names, "y", NULL, 1, NULL, NULL}, NULL};
}

static UNUSED void open_data(void)
{
    begin();
    nsteps = nwarnings = keep_step = 0;
    strcpy(directory, "/tmp/kriged-engine-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    make_data(false);
    OK(kr_dataset_save(ctx, &source.data, new_directory("data")));
}

static UNUSED void close_data(void)
{
    nftw(directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    end();
}

/* The data set as the daemon tells a worker of it. */
static UNUSED json_t *stored(void)
{
    return json_of("{'name': 'd', 'directory': '%s', 'meta': {'sha256': '" SHA256
                   "', 'feature_names': ['a', 'b', 'c'], "
                   "'target_name': 'y'}}",
                   below("data"));
}

#define PLAIN_MODEL "{'kernel': {'type': 'matern32', 'ard': true}}"
#define OBJECTIVE   "'objective': {'loss': 'nlpd', 'validation': {'type': 'fraction', 'fraction': 0.25}}"

static UNUSED json_t *tune_request(const char *model, const char *more)
{
    return json_of("{'dataset': 'd', 'model': %s, " OBJECTIVE
                   ", 'optimizer': {'type': 'lbfgs', 'max_evaluations': 6}%s}",
                   model, more);
}

/* Runs a message about the stored data. */
static UNUSED kr_status message(const char *op, json_t *request, const char *more, json_t **reply)
{
    json_t *sent = json_of("{'op': '%s'%s}", op, more);
    if (request)
        json_object_set(sent, "request", request);
    json_object_set(sent, "dataset", stored());
    *reply = NULL;
    const kr_status status = kr_engine_run(ctx, sent, &emit, NULL, reply);
    if (*reply)
        keep(*reply);
    return status;
}

/* A whole run in memory: {"result", "model"}. */
static UNUSED json_t *tune(json_t *request)
{
    json_t *reply;
    OK(kr_engine_tune(ctx, request, &source, NULL, NULL, &emit, &reply));
    return keep(reply);
}

static UNUSED json_t *points(void)
{
    return json_of("{'x': [[2, 20, 200], [1.5, 7, 310], [-4, 30, 100]], 'quantiles': [0.05, 0.5, 0.95]}");
}

static UNUSED json_t *predict(json_t *model, const char *where)
{
    json_t *reply;
    OK(kr_engine_predict(ctx, NULL, points(), model, where, &reply));
    return keep(reply);
}

#define ENGINE_SUITE(name, ...)                                                                              \
    Suite *suite(void)                                                                                       \
    {                                                                                                        \
        const TTest *const tests[] = {__VA_ARGS__};                                                          \
        Suite *made = suite_create(name);                                                                    \
        TCase *tcase = tcase_create(name);                                                                   \
        tcase_add_checked_fixture(tcase, open_data, close_data);                                             \
        for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)                                          \
            tcase_add_test(tcase, tests[i]);                                                                 \
        suite_add_tcase(made, tcase);                                                                        \
        return made;                                                                                         \
    }

#endif
