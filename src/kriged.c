/*
 * kriged: the command line. `serve` and `worker` are the two kinds of processes of the service; `tune`, `gradient` and `predict` run the same
 * engine in this one. Exit 0 done, 1 failed, 2 usage.
 */
#include "api/api.h"
#include "engine/engine.h"
#include "engine/request.h"
#include "wire/wire.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DONE = 0, FAILED = 1, USAGE = 2, WORKER_FD = 3 };

static const char usage_text[] =
    "usage: kriged serve    [--listen HOST:PORT] [--data-dir DIR] [--workers N] [--threads T] [--insecure]\n"
    "       kriged tune     REQUEST.json --data FILE.csv [--model OUT.json] [CSV options] [--threads T]\n"
    "       kriged gradient REQUEST.json [--data FILE.csv] [CSV options] [--threads T]\n"
    "       kriged predict  MODEL.json --data FILE.csv [--quantiles P,P,..] [--no-variance] [--threads T]\n"
    "       kriged openapi | manual | version\n"
    "CSV options: [--target COLUMN] [--noise-variance COLUMN] [--drop-missing]\n"
    "REQUEST.json is the body of POST /v1/jobs or /v1/gradients; - reads standard input.\n";

struct options {
    const char *listen, *data_dir, *data, *model, *quantiles;
    struct kr_csv_options csv;
    int workers, threads;
    bool insecure, no_variance;
    const char *file; /* the one operand */
};

static int usage(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int usage(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("kriged: ", stderr);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\n%s", usage_text);
    return USAGE;
}

static int failed(const struct kr_ctx *ctx)
{
    const struct kr_error *error = &ctx->error;
    fprintf(stderr, "kriged: %s%s%s\n", error->pointer, error->pointer[0] ? ": " : "", error->detail);
    return FAILED;
}

/* ---- options ----------------------------------------------------------------------------------------------------- */

enum { LISTEN = 1, DATA_DIR, WORKERS, THREADS, INSECURE, DATA, MODEL, TARGET, NOISE, DROP, QUANTILES, NO_VARIANCE };

static const struct option flags[] = {{"listen", required_argument, NULL, LISTEN},
                                      {"data-dir", required_argument, NULL, DATA_DIR},
                                      {"workers", required_argument, NULL, WORKERS},
                                      {"threads", required_argument, NULL, THREADS},
                                      {"insecure", no_argument, NULL, INSECURE},
                                      {"data", required_argument, NULL, DATA},
                                      {"model", required_argument, NULL, MODEL},
                                      {"target", required_argument, NULL, TARGET},
                                      {"noise-variance", required_argument, NULL, NOISE},
                                      {"drop-missing", no_argument, NULL, DROP},
                                      {"quantiles", required_argument, NULL, QUANTILES},
                                      {"no-variance", no_argument, NULL, NO_VARIANCE},
                                      {0}};

static bool count_of(const char *text, int most, int *out)
{
    char *end;
    const long value = strtol(text, &end, 10);
    *out = (int)value;
    return *text && !*end && value >= 1 && value <= most;
}

/* Takes one flag; false when its value is not usable. */
static bool take(struct options *o, int flag, const char *value)
{
    switch (flag) {
    case LISTEN:
        return o->listen = value, true;
    case DATA_DIR:
        return o->data_dir = value, true;
    case WORKERS:
        return count_of(value, 1024, &o->workers);
    case THREADS:
        return count_of(value, 1024, &o->threads);
    case INSECURE:
        return o->insecure = true;
    case DATA:
        return o->data = value, true;
    case MODEL:
        return o->model = value, true;
    case TARGET:
        return o->csv.target = value, true;
    case NOISE:
        return o->csv.noise_variance = value, true;
    case DROP:
        return o->csv.drop_missing = true;
    case QUANTILES:
        return o->quantiles = value, true;
    case NO_VARIANCE:
        return o->no_variance = true;
    default:
        return false;
    }
}

/* Reads flags and at most one operand; `allowed` lists the flags that the command knows. */
static int parse(int argc, char **argv, const int *allowed, bool operand, struct options *o)
{
    int flag, index;
    *o = (struct options){.listen = "127.0.0.1:8080", .data_dir = "kriged-data"};
    opterr = 0;
    while ((flag = getopt_long(argc, argv, "", flags, &index)) != -1) {
        bool known = false;
        for (const int *a = allowed; *a; a++)
            known |= *a == flag;
        if (flag == '?')
            return usage("%s is not an option, or lacks its value", argv[optind - 1]);
        if (!known)
            return usage("--%s is not an option of %s", flags[index].name, argv[0]);
        if (!take(o, flag, optarg))
            return usage("--%s cannot be \"%s\"", flags[index].name, optarg);
    }
    if (operand && optind < argc)
        o->file = argv[optind++];
    if (optind < argc)
        return usage("%s is one argument too many", argv[optind]);
    return operand && !o->file ? usage("%s needs a file", argv[0]) : DONE;
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

static kr_status read_file(struct kr_ctx *ctx, const char *path, char **text, size_t *length)
{
    FILE *in = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    size_t room = 1 << 16, got;
    *length = 0;
    if (!in)
        return kr_fail(ctx, KR_NOT_FOUND, "", "%.300s cannot be read: %s", path, strerror(errno));
    *text = malloc(room);
    while (*text && (got = fread(*text + *length, 1, room - *length, in)) > 0) {
        *length += got;
        if (*length == room) {
            char *larger = realloc(*text, room *= 2);
            if (!larger)
                free(*text);
            *text = larger;
        }
    }
    const bool fine = !ferror(in);
    if (in != stdin)
        fclose(in);
    if (*text && fine)
        return KR_OK;
    free(*text);
    return kr_fail(ctx, KR_STORAGE, "", "%.300s cannot be read", path);
}

static kr_status read_json(struct kr_ctx *ctx, const char *path, json_t **out)
{
    char *text;
    size_t length;
    KR_TRY(read_file(ctx, path, &text, &length));
    kr_status status = kr_json_parse(ctx, text, length, out);
    free(text);
    return status;
}

static kr_status read_csv(struct kr_ctx *ctx, const char *path, const struct kr_csv_options *options, struct kr_dataset *out)
{
    char *text;
    size_t length;
    KR_TRY(read_file(ctx, path, &text, &length));
    kr_status status = kr_dataset_from_csv(ctx, text, length, options, out, NULL);
    free(text);
    return status;
}

static kr_status write_json(struct kr_ctx *ctx, const char *path, const json_t *json)
{
    char *text = kr_json_dump(json, true);
    FILE *out = !text ? NULL : strcmp(path, "-") == 0 ? stdout : fopen(path, "wb");
    bool fine = out && fputs(text, out) >= 0 && fputc('\n', out) != EOF && fflush(out) == 0;
    if (out && out != stdout)
        fine &= fclose(out) == 0;
    free(text);
    return fine ? KR_OK : kr_fail(ctx, KR_STORAGE, "", "%.300s cannot be written: %s", path, strerror(errno));
}

/* ---- tune, gradient, predict ------------------------------------------------------------------------------------- */

static struct kr_ctx command; /* of the one command that runs; a signal cancels it */

static void interrupt(int signal_number)
{
    (void)signal_number;
    kr_cancel(&command);
}

static void begin(const struct options *o)
{
    kr_ctx_init(&command, kr_engine_budget(1));
    command.threads = o->threads ? o->threads : kr_cores();
    signal(SIGINT, interrupt);
    signal(SIGTERM, interrupt);
}

static int end(kr_status status)
{
    const int code = status == KR_OK ? DONE : failed(&command);
    kr_ctx_fini(&command);
    return code;
}

/* The file's name without folder and ending, where the request does not name its data set. */
static void name_dataset(json_t *request, const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    if (json_is_object(request) && !json_object_get(request, "dataset"))
        json_object_set_new(request, "dataset", json_stringn(name, strcspn(name, ".")));
}

/* Events as lines of JSON; on a terminal, steps as one line that changes. */
static void print_event(struct kr_emit *emit, const char *kind, json_t *data, json_t *progress, json_t *checkpoint)
{
    (void)emit;
    json_decref(checkpoint);
    if (isatty(STDOUT_FILENO) && progress) {
        printf("\revaluation %lld  loss %.6g  best %.6g  gradient %.2g  %.1f s   ",
               (long long)json_integer_value(json_object_get(progress, "evaluation")),
               json_number_value(json_object_get(progress, "loss")), json_number_value(json_object_get(progress, "best_loss")),
               json_number_value(json_object_get(progress, "gradient_norm")), json_number_value(json_object_get(progress, "seconds")));
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

static kr_status tune(const struct options *o, json_t *request)
{
    struct kr_source source = {0};
    struct kr_emit emit = {print_event};
    json_t *reply;
    name_dataset(request, o->data);
    source.name = json_string_value(json_object_get(request, "dataset"));
    KR_TRY(read_csv(&command, o->data, &o->csv, &source.data));
    KR_TRY(kr_engine_tune(&command, request, &source, NULL, NULL, &emit, &reply));
    print_event(&emit, "done",
                json_pack("{s:s, s:O}", "state", "succeeded", "result", json_object_get(reply, "result")), NULL, NULL);
    kr_status status = o->model ? write_json(&command, o->model, json_object_get(reply, "model")) : KR_OK;
    json_decref(reply);
    return status;
}

static kr_status gradient(const struct options *o, json_t *request)
{
    struct kr_source source = {0};
    json_t *reply;
    if (o->data) {
        name_dataset(request, o->data);
        KR_TRY(read_csv(&command, o->data, &o->csv, &source.data));
    }
    KR_TRY(kr_engine_gradient(&command, request, o->data ? &source : NULL, &reply));
    kr_status status = write_json(&command, "-", reply);
    json_decref(reply);
    return status;
}

/* The columns that the model's features name, in its order; without a header all, which must be as many. */
static kr_status points_of(const struct kr_dataset *data, const json_t *features, json_t **out)
{
    const size_t d = json_array_size(features);
    size_t *columns;
    KR_ALLOC(&command, columns, d + 1);
    for (size_t k = 0; k < d; k++) {
        const char *name = json_string_value(json_array_get(features, k));
        columns[k] = data->d;
        for (size_t c = 0; c < data->d; c++)
            if (name && strcmp(data->feature_names[c], name) == 0)
                columns[k] = c;
        if (columns[k] == data->d && data->d != d)
            return kr_fail(&command, KR_INVALID, "", "the data has no column \"%.64s\", which the model needs", name ? name : "");
        if (columns[k] == data->d)
            columns[k] = k;
    }
    *out = json_array();
    for (size_t i = 0; i < data->n; i++) {
        json_t *row = json_array();
        for (size_t k = 0; k < d; k++)
            json_array_append_new(row, json_real(data->x[columns[k] * data->n + i]));
        json_array_append_new(*out, row);
    }
    return KR_OK;
}

static kr_status predict(const struct options *o, json_t *model)
{
    struct kr_csv_options csv = o->csv;
    struct kr_dataset data;
    json_t *x = NULL, *reply;
    csv.features_only = true;
    KR_TRY(read_csv(&command, o->data, &csv, &data));
    KR_TRY(points_of(&data, json_object_get(json_object_get(model, "dataset"), "feature_names"), &x));
    json_t *request = json_pack("{s:o, s:b}", "x", x, "variance", !o->no_variance), *levels = json_array();
    for (const char *at = o->quantiles; at && *at; at += *at == ',') {
        char *after;
        json_array_append_new(levels, json_real(strtod(at, &after)));
        at = after > at ? after : at + strlen(at);
    }
    if (json_array_size(levels))
        json_object_set(request, "quantiles", levels);
    json_decref(levels);
    kr_status status = kr_engine_predict(&command, request, model, NULL, &reply);
    json_decref(request);
    KR_TRY(status);
    status = write_json(&command, "-", reply);
    json_decref(reply);
    return status;
}

/* Commands on one JSON file. */
static int run(int argc, char **argv, const int *allowed, bool needs_data, kr_status (*work)(const struct options *, json_t *))
{
    struct options o;
    json_t *json = NULL;
    if (parse(argc, argv, allowed, true, &o) != DONE)
        return USAGE;
    if (needs_data && !o.data)
        return usage("%s needs --data", argv[0]);
    begin(&o);
    kr_status status = read_json(&command, o.file, &json);
    if (status == KR_OK)
        status = work(&o, json);
    json_decref(json);
    return end(status);
}

/* ---- serve, worker ----------------------------------------------------------------------------------------------- */

/* HOST:PORT, [IPV6]:PORT. */
static bool split_listen(const char *text, char *host, size_t room, int *port)
{
    const char *colon = strrchr(text, ':');
    size_t length = colon ? (size_t)(colon - text) : 0;
    char *end_of_port;
    if (length >= 2 && text[0] == '[' && text[length - 1] == ']') {
        text++;
        length -= 2;
    }
    if (!colon || length == 0 || length >= room || !colon[1])
        return false;
    memcpy(host, text, length);
    host[length] = 0;
    const long value = strtol(colon + 1, &end_of_port, 10);
    *port = (int)value;
    return !*end_of_port && value >= 0 && value <= 65535;
}

static int serve(int argc, char **argv)
{
    static const int allowed[] = {LISTEN, DATA_DIR, WORKERS, THREADS, INSECURE, 0};
    struct kr_api *api;
    struct options o;
    struct kr_ctx ctx;
    char host[256];
    int port, signal_number;
    sigset_t ends;
    if (parse(argc, argv, allowed, false, &o) != DONE)
        return USAGE;
    if (!split_listen(o.listen, host, sizeof host, &port))
        return usage("--listen must be HOST:PORT, got \"%s\"", o.listen);
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ends, NULL); /* in every thread: only sigwait below takes them */
    kr_ctx_init(&ctx, 0);
    const struct kr_api_config config = {host, port, o.data_dir, o.workers, o.threads, o.insecure};
    if (kr_api_open(&ctx, &config, &api) != KR_OK)
        return failed(&ctx);
    printf("kriged listening on http://%s%s%s:%d\n", strchr(host, ':') ? "[" : "", host, strchr(host, ':') ? "]" : "",
           kr_api_port(api));
    fflush(stdout);
    sigwait(&ends, &signal_number);
    pthread_sigmask(SIG_UNBLOCK, &ends, NULL); /* a second one ends the process at once */
    kr_api_close(api);
    kr_ctx_fini(&ctx);
    return DONE;
}

static int worker(int argc, char **argv)
{
    static const int allowed[] = {THREADS, 0};
    struct options o;
    if (parse(argc, argv, allowed, false, &o) != DONE)
        return USAGE;
    const int threads = o.threads ? o.threads : 1;
    return kr_worker_main(WORKER_FD, threads, kr_engine_budget(kr_cores() / threads), kr_engine_run, NULL);
}

static int print(char *text)
{
    const bool fine = text && fputs(text, stdout) >= 0 && fputc('\n', stdout) != EOF && fflush(stdout) == 0;
    free(text);
    return fine ? DONE : FAILED;
}

int main(int argc, char **argv)
{
    static const int tune_flags[] = {DATA, MODEL, TARGET, NOISE, DROP, THREADS, 0}, gradient_flags[] = {DATA, TARGET, NOISE, DROP, THREADS, 0},
                     predict_flags[] = {DATA, QUANTILES, NO_VARIANCE, DROP, THREADS, 0};
    const char *name = argc > 1 ? argv[1] : "";
    argc--;
    argv++;
    if (strcmp(name, "serve") == 0)
        return serve(argc, argv);
    if (strcmp(name, "worker") == 0)
        return worker(argc, argv);
    if (strcmp(name, "tune") == 0)
        return run(argc, argv, tune_flags, true, tune);
    if (strcmp(name, "gradient") == 0)
        return run(argc, argv, gradient_flags, false, gradient);
    if (strcmp(name, "predict") == 0)
        return run(argc, argv, predict_flags, true, predict);
    if (strcmp(name, "openapi") == 0)
        return print(kr_api_openapi());
    if (strcmp(name, "manual") == 0)
        return print(kr_api_manual());
    if (strcmp(name, "version") == 0 || strcmp(name, "--version") == 0)
        return printf("kriged " KR_VERSION "\n") > 0 ? DONE : FAILED;
    if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0)
        return fputs(usage_text, stdout) >= 0 ? DONE : FAILED;
    return usage(*name ? "there is no command %s" : "a command is needed%s", name);
}
