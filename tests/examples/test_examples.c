/* The programs of clients/c, small: each ends with a line of JSON that says what it reached. KRIGED_EXAMPLES
 * names their folder. */
#include "suite.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Runs an example and returns its last line. */
static const char *last_line(const char *command_line)
{
    static char last[4096];
    const char *folder = getenv("KRIGED_EXAMPLES");
    char command[512], line[4096];
    snprintf(command, sizeof command, "%s/%s", folder ? folder : "build/examples", command_line);
    FILE *output = popen(command, "r");
    ck_assert_ptr_nonnull(output);
    last[0] = 0;
    while (fgets(line, sizeof line, output))
        memcpy(last, line, sizeof last);
    ck_assert_msg(pclose(output) == 0, "%s failed; its last line: %s", command, last);
    return last;
}

/* The number called `name` in `text`, from `after` on where that is not NULL. */
static double number(const char *text, const char *after, const char *name)
{
    char key[64];
    const char *from = after ? strstr(text, after) : text;
    snprintf(key, sizeof key, "\"%s\": ", name);
    const char *at = from ? strstr(from, key) : NULL;
    ck_assert_msg(at != NULL, "no %s in %s", name, text);
    return strtod(at + strlen(key), NULL);
}

/* 40000 weights, more inputs than samples: the constraints hold, and find the 8 weights a row of the truth.
 */
START_TEST(sparsity_by_constraints)
{
    char free[4096], sparse[4096];
    strcpy(free, last_line("sparsity --parameters 40000 --samples 128 --steps 100 --constrained 0"));
    strcpy(sparse, last_line("sparsity --parameters 40000 --samples 128 --steps 100"));
    ck_assert_double_eq(number(sparse, NULL, "constraints"), 400);
    ck_assert_double_le(number(sparse, NULL, "violation"), 1e-3);
    ck_assert_double_ge(number(free, NULL, "violation"), 2);
    ck_assert_double_le(number(sparse, NULL, "held_out_mse"), 0.02); /* the noise alone is 0.01 */
    ck_assert_double_ge(number(free, NULL, "held_out_mse"), 0.3);
    ck_assert_double_le(fabs(number(sparse, NULL, "weights_a_row") - 8), 2);
    ck_assert_double_ge(number(free, NULL, "weights_a_row"), 80);
}
END_TEST

/* Memory is a small multiple of the parameter vector. At this size a few vectors' worth is the program itself
 * and the buffers of its BLAS. */
START_TEST(sparsity_in_little_memory)
{
#ifdef __SANITIZE_ADDRESS__
    const double most = INFINITY;
#else
    const double most = 20;
#endif
    const char *line = last_line("sparsity --parameters 1000000 --samples 128 --steps 1 --threads 1");
    ck_assert_double_le(number(line, NULL, "memory_in_parameter_vectors"), most);
}
END_TEST

START_TEST(sparsity_whatever_the_threads)
{
    char one[4096], more[4096];
    strcpy(one, last_line("sparsity --parameters 40000 --steps 5 --threads 1"));
    strcpy(more, last_line("sparsity --parameters 40000 --steps 5 --threads 3"));
    ck_assert_double_eq(number(one, NULL, "mse"), number(more, NULL, "mse"));
    ck_assert_double_eq(number(one, NULL, "violation"), number(more, NULL, "violation"));
    ck_assert_double_eq(number(one, NULL, "held_out_mse"), number(more, NULL, "held_out_mse"));
}
END_TEST

/* The curl falls by many orders of magnitude, off the collocation points too, at little cost on data that
 * have a curl, and with a gain on the true field, which has none. */
START_TEST(conservative_by_constraints)
{
    static const char bound[] = "unconstrained", bare[] = "\"constrained";
    char line[4096];
    strcpy(line, last_line("conservative --steps 500"));
    ck_assert_double_ge(number(line, bound, "curl"), 0.1);
    ck_assert_double_le(number(line, bare, "curl"), 1e-6 * number(line, bound, "curl"));
    ck_assert_double_le(number(line, bare, "curl_elsewhere"), 1e-5 * number(line, bound, "curl_elsewhere"));
    ck_assert_double_le(number(line, bare, "held_out_mse"), 1.3 * number(line, bound, "held_out_mse"));
    ck_assert_double_le(number(line, bare, "error"), 0.9 * number(line, bound, "error"));
}
END_TEST

START_TEST(least_squares_and_their_derivative)
{
    const char *line = last_line("lstsq");
    ck_assert_double_gt(number(line, NULL, "value"), 0);
    ck_assert_double_le(number(line, NULL, "gradient_error"), 1e-6);
}
END_TEST

START_TEST(flags_that_are_not_known)
{
    const char *folder = getenv("KRIGED_EXAMPLES");
    static const char *const wrong[] = {"sparsity --steps", "sparsity --step 3", "conservative --steps x"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char command[512];
        snprintf(command, sizeof command, "%s/%s 2>/dev/null", folder ? folder : "build/examples", wrong[i]);
        FILE *output = popen(command, "r");
        ck_assert_ptr_nonnull(output);
        ck_assert_int_ne(pclose(output), 0);
    }
}
END_TEST

SUITE("examples", sparsity_by_constraints, sparsity_in_little_memory, sparsity_whatever_the_threads,
      conservative_by_constraints, least_squares_and_their_derivative, flags_that_are_not_known)
