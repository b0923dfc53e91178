/* options: flags of the command line. */
#ifndef KRIGED_CLI_OPTIONS_H
#define KRIGED_CLI_OPTIONS_H

#include "kriged/data.h"

enum { KR_EXIT_DONE = 0, KR_EXIT_FAILED = 1, KR_EXIT_USAGE = 2 };

/* Flags by name; a command lists those that it knows. */
enum kr_flag {
    KR_FLAG_LISTEN = 1,
    KR_FLAG_DATA_DIR,
    KR_FLAG_WORKERS,
    KR_FLAG_THREADS,
    KR_FLAG_INSECURE,
    KR_FLAG_DATA,
    KR_FLAG_VALIDATION_DATA,
    KR_FLAG_MODEL,
    KR_FLAG_WARM_START,
    KR_FLAG_TARGET,
    KR_FLAG_NOISE,
    KR_FLAG_DROP,
    KR_FLAG_QUANTILES,
    KR_FLAG_NO_VARIANCE,
    KR_FLAG_NO_NOISE,
    KR_FLAG_COVARIANCE,
    KR_FLAG_SAMPLES,
    KR_FLAG_SEED,
    KR_FLAG_SAMPLES_METHOD,
    KR_FLAG_GRADIENT,
    KR_FLAG_CSV
};

struct kr_options {
    const char *listen, *warm_start, *data_dir, *data, *validation_data, *model, *quantiles, *samples, *seed,
        *samples_method;
    struct kr_csv_options csv;
    int workers, threads;
    bool insecure, no_variance, no_noise, covariance, gradient, as_csv;
    const char *file; /* the one operand */
};

extern const char kr_usage_text[];
/* Says what is wrong and how it is done; KR_EXIT_USAGE. */
int kr_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Prints the failure of a context; KR_EXIT_FAILED. */
int kr_report_failure(const struct kr_ctx *ctx);
/* Reads flags and, for `operand`, one file; `allowed` (ends with 0) lists the flags that the command argv[0]
 * knows. */
int kr_options_parse(int argc, char **argv, const int *allowed, bool operand, struct kr_options *o);

#endif
