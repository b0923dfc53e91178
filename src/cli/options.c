/* Flags of the command line, by getopt_long. */
#include "cli/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

const char kr_usage_text[] =
    "usage: kriged serve    [--listen HOST:PORT] [--data-dir DIR] [--workers N] [--threads T] [--insecure]\n"
    "       kriged tune     REQUEST.json --data FILE.csv [--validation-data FILE.csv] [--model OUT.json]\n"
    "                       [--warm-start MODEL.json] [CSV options] [--threads T]\n"
    "       kriged gradient REQUEST.json [--data FILE.csv] [--validation-data FILE.csv] [CSV options]\n"
    "                       [--threads T]\n"
    "       kriged predict  MODEL.json --data FILE.csv [--quantiles P,P,..] [--no-variance] [--no-noise]\n"
    "                       [--covariance] [--gradient] [--samples COUNT] [--seed N] [--samples-method "
    "METHOD]\n"
    "                       [--target TARGET] [--csv] [--threads T]\n"
    "       kriged openapi | manual | version\n"
    "CSV options: [--target COLUMN[,COLUMN..]] [--noise-variance COLUMN] [--drop-missing]\n"
    "REQUEST.json is the body of POST /v1/jobs or /v1/gradients; - reads standard input.\n";

int kr_usage(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("kriged: ", stderr);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\n%s", kr_usage_text);
    return KR_EXIT_USAGE;
}

int kr_report_failure(const struct kr_ctx *ctx)
{
    const struct kr_error *error = &ctx->error;
    fprintf(stderr, "kriged: %s%s%s\n", error->pointer, error->pointer[0] ? ": " : "", error->detail);
    return KR_EXIT_FAILED;
}

static const struct option flags[] = {{"listen", required_argument, NULL, KR_FLAG_LISTEN},
                                      {"data-dir", required_argument, NULL, KR_FLAG_DATA_DIR},
                                      {"workers", required_argument, NULL, KR_FLAG_WORKERS},
                                      {"threads", required_argument, NULL, KR_FLAG_THREADS},
                                      {"insecure", no_argument, NULL, KR_FLAG_INSECURE},
                                      {"data", required_argument, NULL, KR_FLAG_DATA},
                                      {"validation-data", required_argument, NULL, KR_FLAG_VALIDATION_DATA},
                                      {"model", required_argument, NULL, KR_FLAG_MODEL},
                                      {"warm-start", required_argument, NULL, KR_FLAG_WARM_START},
                                      {"target", required_argument, NULL, KR_FLAG_TARGET},
                                      {"noise-variance", required_argument, NULL, KR_FLAG_NOISE},
                                      {"drop-missing", no_argument, NULL, KR_FLAG_DROP},
                                      {"quantiles", required_argument, NULL, KR_FLAG_QUANTILES},
                                      {"no-variance", no_argument, NULL, KR_FLAG_NO_VARIANCE},
                                      {"no-noise", no_argument, NULL, KR_FLAG_NO_NOISE},
                                      {"covariance", no_argument, NULL, KR_FLAG_COVARIANCE},
                                      {"samples", required_argument, NULL, KR_FLAG_SAMPLES},
                                      {"seed", required_argument, NULL, KR_FLAG_SEED},
                                      {"samples-method", required_argument, NULL, KR_FLAG_SAMPLES_METHOD},
                                      {"gradient", no_argument, NULL, KR_FLAG_GRADIENT},
                                      {"csv", no_argument, NULL, KR_FLAG_CSV},
                                      {0}};

static bool count_of(const char *text, int most, int *out)
{
    char *end;
    const long value = strtol(text, &end, 10);
    *out = (int)value;
    return *text && !*end && value >= 1 && value <= most;
}

/* Takes one flag; false when its value is not usable. */
static bool take(struct kr_options *o, int flag, const char *value)
{
    switch (flag) {
    case KR_FLAG_LISTEN:
        return o->listen = value, true;
    case KR_FLAG_DATA_DIR:
        return o->data_dir = value, true;
    case KR_FLAG_WORKERS:
        return count_of(value, 1024, &o->workers);
    case KR_FLAG_THREADS:
        return count_of(value, 1024, &o->threads);
    case KR_FLAG_INSECURE:
        return o->insecure = true;
    case KR_FLAG_DATA:
        return o->data = value, true;
    case KR_FLAG_VALIDATION_DATA:
        return o->validation_data = value, true;
    case KR_FLAG_MODEL:
        return o->model = value, true;
    case KR_FLAG_WARM_START:
        return o->warm_start = value, true;
    case KR_FLAG_TARGET:
        return o->csv.target = value, true;
    case KR_FLAG_NOISE:
        return o->csv.noise_variance = value, true;
    case KR_FLAG_DROP:
        return o->csv.drop_missing = true;
    case KR_FLAG_QUANTILES:
        return o->quantiles = value, true;
    case KR_FLAG_NO_VARIANCE:
        return o->no_variance = true;
    case KR_FLAG_NO_NOISE:
        return o->no_noise = true;
    case KR_FLAG_COVARIANCE:
        return o->covariance = true;
    case KR_FLAG_SAMPLES:
        return o->samples = value, true;
    case KR_FLAG_SEED:
        return o->seed = value, true;
    case KR_FLAG_SAMPLES_METHOD:
        return o->samples_method = value, true;
    case KR_FLAG_GRADIENT:
        return o->gradient = true;
    case KR_FLAG_CSV:
        return o->as_csv = true;
    default:
        return false;
    }
}

/* Reads flags and at most one operand; `allowed` lists the flags that the command knows. */
int kr_options_parse(int argc, char **argv, const int *allowed, bool operand, struct kr_options *o)
{
    int flag, index;
    *o = (struct kr_options){.listen = "127.0.0.1:8080", .data_dir = "kriged-data"};
    opterr = 0;
    while ((flag = getopt_long(argc, argv, "", flags, &index)) != -1) {
        bool known = false;
        for (const int *a = allowed; *a; a++)
            known |= *a == flag;
        if (flag == '?')
            return kr_usage("%s is not an option, or lacks its value", argv[optind - 1]);
        if (!known)
            return kr_usage("--%s is not an option of %s", flags[index].name, argv[0]);
        if (!take(o, flag, optarg))
            return kr_usage("--%s cannot be \"%s\"", flags[index].name, optarg);
    }
    if (operand && optind < argc)
        o->file = argv[optind++];
    if (optind < argc)
        return kr_usage("%s is one argument too many", argv[optind]);
    return operand && !o->file ? kr_usage("%s needs a file", argv[0]) : KR_EXIT_DONE;
}
