/* `kriged tune`, `gradient` and `predict`: the engine in this process, files in and JSON out. */
#include "cli/commands.h"
#include "cli/files.h"
#include "cli/options.h"
#include "engine/engine.h"
#include "engine/text.h"
#include "wire/wire.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct kr_ctx command; /* of the one command that runs; a signal cancels it */

static void interrupt(int signal_number)
{
    (void)signal_number;
    kr_cancel(&command);
}

static void begin(const struct kr_options *o)
{
    kr_ctx_init(&command, kr_engine_budget(1));
    command.threads = o->threads ? o->threads : kr_cores();
    signal(SIGINT, interrupt);
    signal(SIGTERM, interrupt);
}

static int end(kr_status status)
{
    const int code = status == KR_OK ? KR_EXIT_DONE : kr_report_failure(&command);
    kr_ctx_fini(&command);
    return code;
}

/* The file's name without folder and ending, where the request does not name its data set. */
static void name_dataset(json_t *object, const char *member, const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    if (json_is_object(object) && !json_object_get(object, member))
        json_object_set_new(object, member, json_stringn(name, strcspn(name, ".")));
}

/* The data sets of the command line, and their names in the request. */
static kr_status read_data(const struct kr_options *o, json_t *request, struct kr_dataset *held_out,
                           struct kr_source *source)
{
    json_t *validation = json_object_get(json_object_get(request, "objective"), "validation");
    const char *type = json_string_value(json_object_get(validation, "type"));
    if (o->data) {
        name_dataset(request, "dataset", o->data);
        source->name = json_string_value(json_object_get(request, "dataset"));
        KR_TRY(kr_read_csv(&command, o->data, &o->csv, &source->data));
    }
    if (!o->validation_data)
        return KR_OK;
    if (type && strcmp(type, "dataset") == 0)
        name_dataset(validation, "name", o->validation_data);
    KR_TRY(kr_read_csv(&command, o->validation_data, &o->csv, held_out));
    source->held_out = held_out;
    return KR_OK;
}

/* Events as lines of JSON; on a terminal, steps as one line that changes. */
static void print_event(struct kr_emit *emit, const char *kind, json_t *data, json_t *progress,
                        json_t *checkpoint)
{
    (void)emit;
    json_decref(checkpoint);
    if (isatty(STDOUT_FILENO) && progress) {
        printf("\revaluation %lld  loss %.6g  best %.6g  gradient %.2g  %.1f s   ",
               (long long)json_integer_value(json_object_get(progress, "evaluation")),
               json_number_value(json_object_get(progress, "loss")),
               json_number_value(json_object_get(progress, "best_loss")),
               json_number_value(json_object_get(progress, "gradient_norm")),
               json_number_value(json_object_get(progress, "seconds")));
        json_decref(data);
    } else {
        json_t *event = json_pack("{s:s, s:o}", "event", kind, "data", data);
        char *text = kr_json_dump(event, false);
        printf("%s%s\n", isatty(STDOUT_FILENO) ? "\n" : "", text ? text : "{}");
        free(text);
        json_decref(event);
    }
    json_decref(progress);
    fflush(stdout);
}

/* The values of a model, as where the request starts. */
static kr_status read_warm_start(const struct kr_options *o, json_t *request)
{
    json_t *model;
    if (!o->warm_start)
        return KR_OK;
    KR_TRY(kr_read_json(&command, o->warm_start, &model));
    kr_status status = kr_engine_warm_start(&command, request, model);
    json_decref(model);
    return status;
}

static kr_status tune(const struct kr_options *o, json_t *request)
{
    struct kr_source source = {0};
    struct kr_dataset held_out;
    struct kr_emit emit = {print_event};
    json_t *reply;
    KR_TRY(read_data(o, request, &held_out, &source));
    KR_TRY(read_warm_start(o, request));
    KR_TRY(kr_engine_tune(&command, request, &source, NULL, NULL, &emit, &reply));
    print_event(&emit, "done",
                json_pack("{s:s, s:O}", "state", "succeeded", "result", json_object_get(reply, "result")),
                NULL, NULL);
    kr_status status = o->model ? kr_write_json(&command, o->model, json_object_get(reply, "model")) : KR_OK;
    json_decref(reply);
    if (status == KR_OK && ferror(stdout))
        return kr_fail(&command, KR_STORAGE, "", "the events could not be written");
    return status;
}

static kr_status gradient(const struct kr_options *o, json_t *request)
{
    struct kr_source source = {0};
    struct kr_dataset held_out;
    json_t *reply;
    KR_TRY(read_data(o, request, &held_out, &source));
    KR_TRY(kr_engine_gradient(&command, request, &source, &reply));
    kr_status status = kr_write_json(&command, "-", reply);
    json_decref(reply);
    return status;
}

/* Flags that are options of the request. */
static json_t *request_of(const struct kr_options *o, json_t *points)
{
    json_t *request = json_pack("{s:o}", "x", points);
    kr_predict_option(request, "variance", o->no_variance ? "false" : "true");
    kr_predict_option(request, "observation_noise", o->no_noise ? "false" : "true");
    kr_predict_option(request, "covariance", o->covariance ? "true" : "false");
    kr_predict_option(request, "gradient", o->gradient ? "true" : "false");
    if (o->quantiles)
        kr_predict_option(request, "quantiles", o->quantiles);
    if (o->samples)
        kr_predict_option(request, "samples", o->samples);
    if (o->seed)
        kr_predict_option(request, "seed", o->seed);
    if (o->samples_method)
        kr_predict_option(request, "samples_method", o->samples_method);
    if (o->csv.target)
        kr_predict_option(request, "target", o->csv.target);
    return request;
}

/* What has no column is said on the standard error. */
static kr_status write_csv(const json_t *request, const json_t *reply, const json_t *model)
{
    const json_t *clamped = json_object_get(reply, "clamped_variances"),
                 *jitter = json_object_get(reply, "samples_jitter");
    char *text = kr_predict_csv(&command, request, reply, model);
    if (!text)
        return kr_fail(&command, KR_MEMORY_LIMIT, "", "no memory for the reply");
    if (clamped)
        fprintf(stderr, "kriged: %lld variances fell below the noise and were set to it\n",
                (long long)json_integer_value(clamped));
    if (json_number_value(jitter) > 0)
        fprintf(stderr, "kriged: samples needed %.3g more variance at every point\n",
                json_number_value(jitter));
    const bool fine = fputs(text, stdout) >= 0 && fflush(stdout) == 0;
    free(text);
    return fine ? KR_OK : kr_fail(&command, KR_STORAGE, "", "the predictions could not be written");
}

static kr_status predict(const struct kr_options *o, json_t *model)
{
    json_t *x = NULL, *reply;
    char *text;
    size_t length;
    const json_t *features = json_object_get(json_object_get(model, "dataset"), "feature_names");
    if (json_array_size(features) == 0)
        return kr_fail(&command, KR_INVALID, "/dataset/feature_names", "is required: this is no model");
    KR_TRY(kr_read_text(&command, o->data, &text, &length));
    kr_status status = kr_points_from_csv(&command, text, length, o->csv.drop_missing, features, &x);
    free(text);
    KR_TRY(status);
    json_t *request = request_of(o, x);
    status = kr_engine_predict(&command, NULL, request, model, NULL, &reply);
    if (status == KR_OK) {
        status = o->as_csv ? write_csv(request, reply, model) : kr_write_json(&command, "-", reply);
        json_decref(reply);
    }
    json_decref(request);
    return status;
}

/* Commands on one JSON file. */
static int run(int argc, char **argv, const int *allowed, bool needs_data,
               kr_status (*work)(const struct kr_options *, json_t *))
{
    struct kr_options o;
    json_t *json = NULL;
    if (kr_options_parse(argc, argv, allowed, true, &o) != KR_EXIT_DONE)
        return KR_EXIT_USAGE;
    if (needs_data && !o.data)
        return kr_usage("%s needs --data", argv[0]);
    begin(&o);
    kr_status status = kr_read_json(&command, o.file, &json);
    if (status == KR_OK)
        status = work(&o, json);
    json_decref(json);
    return end(status);
}

int kr_command_tune(int argc, char **argv)
{
    static const int allowed[] = {KR_FLAG_DATA,       KR_FLAG_VALIDATION_DATA, KR_FLAG_MODEL,
                                  KR_FLAG_WARM_START, KR_FLAG_TARGET,          KR_FLAG_NOISE,
                                  KR_FLAG_DROP,       KR_FLAG_THREADS,         0};
    return run(argc, argv, allowed, true, tune);
}

int kr_command_gradient(int argc, char **argv)
{
    static const int allowed[] = {KR_FLAG_DATA,
                                  KR_FLAG_VALIDATION_DATA,
                                  KR_FLAG_TARGET,
                                  KR_FLAG_NOISE,
                                  KR_FLAG_DROP,
                                  KR_FLAG_THREADS,
                                  0};
    return run(argc, argv, allowed, false, gradient);
}

int kr_command_predict(int argc, char **argv)
{
    static const int allowed[] = {KR_FLAG_DATA,           KR_FLAG_QUANTILES,
                                  KR_FLAG_NO_VARIANCE,    KR_FLAG_NO_NOISE,
                                  KR_FLAG_SAMPLES,        KR_FLAG_SEED,
                                  KR_FLAG_SAMPLES_METHOD, KR_FLAG_GRADIENT,
                                  KR_FLAG_COVARIANCE,     KR_FLAG_CSV,
                                  KR_FLAG_TARGET,         KR_FLAG_DROP,
                                  KR_FLAG_THREADS,        0};
    return run(argc, argv, allowed, true, predict);
}
