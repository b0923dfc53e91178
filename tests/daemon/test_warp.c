/* The example client that trains a warping of the inputs through the service's gradients by them. */
#include "daemon_fixture.h"

/* The number that ends the line which begins so. */
static double value_of(const char *said, const char *line)
{
    const char *found = strstr(said, line);
    ck_assert_msg(found != NULL, "no \"%s\" in: %s", line, said);
    const char *end = found + strcspn(found, "\n");
    while (end > found && end[-1] != ' ')
        end--;
    return strtod(end, NULL);
}

START_TEST(warping_lowers_the_loss)
{
    if (system("python3 -c '' >/dev/null 2>&1") != 0) {
        fprintf(stderr, "python3 is not installed: the warping example is not run\n");
        return;
    }
    FILE *out =
        popen(text("KRIGED_URL=%s python3 clients/python/examples/warp.py 60 2>&1", the_daemon.base), "r");
    ck_assert_ptr_nonnull(out);
    char *said = keep(calloc(1 << 16, 1));
    const size_t length = fread(said, 1, (1 << 16) - 1, out);
    const int status = pclose(out);
    ck_assert_msg(status == 0 && length > 0, "status %d: %s", status, said);
    ck_assert_msg(value_of(said, "warped step 60") < value_of(said, "warped step 0") - 1, "%s", said);
    ck_assert_msg(value_of(said, "warped step 60") < value_of(said, "plain step 60") - 1, "%s", said);
    ck_assert_msg(value_of(said, "warped on fresh points") < value_of(said, "plain on fresh points") - 1,
                  "%s", said);
}
END_TEST

DAEMON_SUITE("warp", warping_lowers_the_loss)
