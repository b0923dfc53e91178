/* flags: what the examples share beside kriged. --name value pairs, all whole numbers, and how a program
 * ends. */
#ifndef KRIGED_EXAMPLES_FLAGS_H
#define KRIGED_EXAMPLES_FLAGS_H

#include "kriged/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct flag {
    const char *name;
    size_t *value; /* holds the default */
};

/* Sets what the command line names; false, and a list of the flags, where it names anything else. */
static inline bool read_flags(int argc, char **argv, const struct flag *flags, size_t count)
{
    for (int i = 1; i < argc; i += 2) {
        char *end = NULL;
        size_t k = 0;
        while (k < count && strcmp(argv[i], flags[k].name) != 0)
            k++;
        if (k < count && i + 1 < argc)
            *flags[k].value = strtoull(argv[i + 1], &end, 10);
        if (!end || *end || end == argv[i + 1]) {
            fprintf(stderr, "usage: %s", argv[0]);
            for (k = 0; k < count; k++)
                fprintf(stderr, " [%s %zu]", flags[k].name, *flags[k].value);
            fprintf(stderr, "\n");
            return false;
        }
    }
    return true;
}

/* Says what went wrong, if anything did; the exit status of the program. */
static inline int finish(struct kr_ctx *ctx, kr_status status)
{
    if (status != KR_OK)
        fprintf(stderr, "%s: %s\n", kr_status_title(status), ctx->error.detail);
    kr_ctx_fini(ctx);
    return status == KR_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
