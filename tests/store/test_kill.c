/* A process is killed in the middle of its transactions: what it was told is stored must be there. */
#include "fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

enum { KILLS = 8 };

/* Event k has the data "k", and so has the checkpoint: they were stored together. */
static void write_for_ever(const char *id, int acknowledged)
{
    struct kr_store *own;
    uint64_t last = 0;
    if (kr_store_open(&ctx, path_of("data"), &own) != KR_OK)
        _exit(2);
    struct kr_job_row row;
    if (kr_store_job_get(&ctx, own, id, &row) != KR_OK)
        _exit(3);
    for (uint64_t next = row.last_event + 1;; next++) {
        struct kr_mark mark = kr_mark(&ctx);
        char *text = kr_printf(&ctx, "%llu", (unsigned long long)next);
        struct kr_event_row event = {.kind = "step", .data = text};
        struct kr_job_change change = no_change(id);
        change.checkpoint = text;
        change.progress = text;
        change.nevents = 1;
        change.events = &event;
        if (kr_store_apply(&ctx, own, 1, &change, &last) != KR_OK || last != next)
            _exit(4);
        if (write(acknowledged, &last, sizeof last) != sizeof last)
            _exit(5);
        kr_release(&ctx, mark);
    }
}

/* Runs a writer, kills it a while after its first acknowledgement; the last one. */
static uint64_t run_and_kill(const char *id, useconds_t delay)
{
    int pipes[2], status;
    uint64_t value = 0, last = 0;
    ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0)
        write_for_ever(id, pipes[1]);
    close(pipes[1]);
    ck_assert_int_eq(read(pipes[0], &last, sizeof last), sizeof last);
    usleep(delay);
    kill(child, SIGKILL);
    while (read(pipes[0], &value, sizeof value) == sizeof value)
        last = value;
    close(pipes[0]);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status));
    return last;
}

START_TEST(what_was_acknowledged_is_there_after_a_kill)
{
    char *id = add_job(NULL), *checkpoint;
    struct kr_event_row *rows;
    size_t count;
    for (int i = 0; i < KILLS; i++) {
        kr_store_close(store);
        store = NULL;
        uint64_t acknowledged = run_and_kill(id, 1000 + 3777 * (useconds_t)i);
        reopen();
        struct kr_job_row row = get_job(id);
        ck_assert_uint_ge(row.last_event, acknowledged);
        ck_assert_uint_le(row.last_event,
                          acknowledged + 1); /* committed, but killed before it could say so */
        OK(kr_store_events(&ctx, store, id, 0, SIZE_MAX, &count, &rows));
        ck_assert_uint_eq(count, row.last_event);
        for (size_t k = 0; k < count; k++)
            ck_assert_uint_eq(strtoull(rows[k].data, NULL, 10), k + 1);
        OK(kr_store_checkpoint(&ctx, store, id, &checkpoint));
        ck_assert_str_eq(checkpoint, rows[count - 1].data);
        ck_assert_str_eq(row.progress, checkpoint);
    }
}
END_TEST

STORE_SUITE("kill", what_was_acknowledged_is_there_after_a_kill)
